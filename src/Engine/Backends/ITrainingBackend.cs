// What training needs beside inference: a backward operator for each forward one, the loss, and the optimizer's step. The tape
// calls them; the graph does not know them.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>
/// A backend that can train. For a forward operator y = f(x), its backward is given dy, the gradient of the loss by y, and gives
/// that by x. Gradients of parameters, and those that are given as views, are added to what is there. All results are the
/// same bits for any number of threads.
/// </summary>
public interface ITrainingBackend : IBackend
{
    // ---- parameters ----

    /// <summary>A weight without values yet: <see cref="Refresh"/> gives it some. It lives until it is disposed.</summary>
    /// <param name="outputs">Rows.</param>
    /// <param name="inputs">Columns.</param>
    /// <param name="type">
    /// f32; or bf16: values are rounded to it, and activations before they meet them (<see cref="ActivationRounding.BFloat16"/>).
    /// </param>
    Weight AllocateWeight(int outputs, int inputs, DType type = DType.Float32);

    /// <summary>Packs values into a weight that <see cref="AllocateWeight"/> gave.</summary>
    /// <param name="weight">[outputs, inputs].</param>
    /// <param name="values">[outputs, inputs]; or, transposed, [inputs, outputs].</param>
    /// <param name="transposed">Whether the weight becomes the transpose of the values.</param>
    void Refresh(Weight weight, in Tensor values, bool transposed);

    /// <summary>Where the frame's memory ends now.</summary>
    long Mark();

    /// <summary>Gives back what was rented or returned in the frame since a mark, but for some tensors.</summary>
    /// <param name="mark">What <see cref="Mark"/> gave in this frame.</param>
    /// <param name="kept">
    /// Whole tensors, all different: those from after the mark move to where it is, and become what they then are; those from before
    /// stay. Other tensors from after the mark are gone.
    /// </param>
    void Release(long mark, Span<Tensor> kept);

    /// <summary>Sets all elements to zero.</summary>
    void Clear(in Tensor tensor);

    // ---- element by element ----

    /// <summary>activation(x), bit for bit what <see cref="IBackend.Linear"/> does last.</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="activation">Which function.</param>
    Tensor Activate(in Tensor x, Activation activation);

    /// <summary>dy · activation′(x); for <see cref="Activation.Relu"/>, 0 where x is not above 0.</summary>
    /// <param name="x">What was given to the function; for ReLU its result serves as well. [rows, columns].</param>
    /// <param name="dy">[rows, columns].</param>
    /// <param name="activation">Which function.</param>
    Tensor ActivationBackward(in Tensor x, in Tensor dy, Activation activation);

    /// <summary>Drops numbers. Its own backward: the same dropout of dy.</summary>
    /// <remarks>Source: Srivastava et al. 2014; Vaswani et al. 2017, 5.4.</remarks>
    /// <param name="x">[rows, columns].</param>
    /// <param name="dropout">Which.</param>
    Tensor Dropout(in Tensor x, in Dropout dropout);

    // ---- backward ----

    /// <summary>table[id] += dy · scale and positions[position] += dy, rows in ascending order.</summary>
    /// <param name="ids">[1, rows], i32; −1: nothing is added.</param>
    /// <param name="dy">[rows, modelDim].</param>
    /// <param name="scale">Factor on the embedding.</param>
    /// <param name="tableGradient">[vocabulary, modelDim].</param>
    /// <param name="positionIds">[1, rows], i32, or none.</param>
    /// <param name="positionGradient">[positions, modelDim], or none.</param>
    void EmbedBackward(
        in Tensor ids, in Tensor dy, float scale, in Tensor tableGradient, in Tensor positionIds, in Tensor positionGradient);

    /// <summary>
    /// Parameters of y = x Wᵀ + b: dW += dyᵀ x, db += the column sums of dy. The gradient of x is the product of dy with the
    /// transposed weight: <see cref="IBackend.Linear"/>.
    /// </summary>
    /// <remarks>Work: 2 · rows · inputs · outputs.</remarks>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="dy">[rows, outputs].</param>
    /// <param name="weightGradient">[outputs, inputs].</param>
    /// <param name="biasGradient">[1, outputs], or none.</param>
    /// <param name="type">f32; or bf16: x and dy are rounded to it for dW, whose sums are float32.</param>
    void LinearBackward(
        in Tensor x, in Tensor dy, in Tensor weightGradient, in Tensor biasGradient, DType type = DType.Float32);

    /// <summary>dx of y = norm(x); dgain and dbias are added.</summary>
    /// <remarks>
    /// With x̂ = (x − mean) · r: g = dy · gain, dx = r · (g − mean(g) − x̂ · mean(g · x̂)) + passed, without the first mean in the
    /// root-mean-square form; dgain += Σ dy · x̂, dbias += Σ dy.
    /// </remarks>
    /// <param name="x">What was normalised, [rows, columns].</param>
    /// <param name="weights">Gain, bias and the rest.</param>
    /// <param name="dy">[rows, columns].</param>
    /// <param name="passed">The gradient that x has from elsewhere, [rows, columns], or none.</param>
    /// <param name="gainGradient">[1, columns].</param>
    /// <param name="biasGradient">[1, columns], or none.</param>
    /// <returns>[rows, columns].</returns>
    Tensor NormBackward(
        in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed, in Tensor gainGradient, in Tensor biasGradient);

    /// <summary>Attention whose weights are dropped after the softmax.</summary>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="value">[keyRows, heads · valueDim].</param>
    /// <param name="queries">Where each sentence's queries begin.</param>
    /// <param name="keys">Where each sentence's keys begin.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="dropout">Row head · queryRows + query, column: place of the key in its sentence.</param>
    /// <returns>[queryRows, heads · valueDim].</returns>
    Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout);

    /// <summary>Gradients of attention; P is computed again, a tile at a time, so that memory is O(rows).</summary>
    /// <remarks>
    /// With P = softmax(S), S = Q Kᵀ · scale + mask, and D the dropout: dV += (D ∘ P)ᵀ dy, dP = D ∘ (dy Vᵀ), dS = P ∘ (dP −
    /// Σ P ∘ dP), dQ += dS K · scale, dK += dSᵀ Q · scale. Work: 10 · queryRows · keyRows · modelDim.
    /// </remarks>
    /// <param name="query">As in the forward operator; so are the next six.</param>
    /// <param name="key">Keys.</param>
    /// <param name="value">Values.</param>
    /// <param name="dy">[queryRows, heads · valueDim].</param>
    /// <param name="queries">Where each sentence's queries begin.</param>
    /// <param name="keys">Where each sentence's keys begin.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="dropout">That of the forward operator, or none.</param>
    /// <param name="queryGradient">Shape of the query; added to.</param>
    /// <param name="keyGradient">Shape of the key; added to.</param>
    /// <param name="valueGradient">Shape of the value; added to.</param>
    void AttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor dy, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient);

    /// <summary>Additive attention whose weights are dropped after the softmax.</summary>
    /// <param name="query">W q, [queryRows, heads · headDim].</param>
    /// <param name="key">U k, [keyRows, heads · headDim].</param>
    /// <param name="value">[keyRows, heads · valueDim].</param>
    /// <param name="score">v, [1, heads · headDim].</param>
    /// <param name="queries">Where each sentence's queries begin.</param>
    /// <param name="keys">Where each sentence's keys begin.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="dropout">As for dot-product attention.</param>
    /// <returns>[queryRows, heads · valueDim].</returns>
    Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout);

    /// <summary>
    /// Gradients of additive attention: dS as for dot products; with t = tanh(q + k) and u = dS · scale · v · (1 − t²), dq += Σ u over
    /// keys, dk += Σ u over queries, dv += Σ dS · scale · t.
    /// </summary>
    /// <param name="query">As in the forward operator; so are the next seven.</param>
    /// <param name="key">Keys.</param>
    /// <param name="value">Values.</param>
    /// <param name="score">v.</param>
    /// <param name="dy">[queryRows, heads · valueDim].</param>
    /// <param name="queries">Where each sentence's queries begin.</param>
    /// <param name="keys">Where each sentence's keys begin.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="dropout">That of the forward operator, or none.</param>
    /// <param name="queryGradient">Shape of the query; added to.</param>
    /// <param name="keyGradient">Shape of the key; added to.</param>
    /// <param name="valueGradient">Shape of the value; added to.</param>
    /// <param name="scoreGradient">Shape of the score; added to.</param>
    void AdditiveAttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient,
        in Tensor scoreGradient);

    /// <summary>Gradient of <see cref="IBackend.Unfold"/>: dx at a position is the sum of dy where a tap saw it, taps ascending.</summary>
    /// <param name="dy">[rows, taps · columns].</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <param name="taps">Which positions.</param>
    /// <returns>[rows, columns].</returns>
    Tensor UnfoldBackward(in Tensor dy, in Ragged batch, in Taps taps);

    /// <summary>Gradients of a depthwise convolution.</summary>
    /// <remarks>
    /// dx at p = Σⱼ filter[j] ⊙ dy at p − (j − Before) · Dilation, taps ascending; dfilter[j] += Σ over rows, ascending, of dy ⊙ x at tap
    /// j; dbias += the column sums of dy. All fused.
    /// </remarks>
    /// <param name="x">[rows, columns].</param>
    /// <param name="filter">[taps, columns].</param>
    /// <param name="dy">[rows, columns].</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <param name="taps">Which positions.</param>
    /// <param name="filterGradient">[taps, columns]; added to.</param>
    /// <param name="biasGradient">[1, columns], added to, or none.</param>
    /// <returns>dx, [rows, columns].</returns>
    Tensor DepthwiseConvolutionBackward(
        in Tensor x, in Tensor filter, in Tensor dy, in Ragged batch, in Taps taps, in Tensor filterGradient,
        in Tensor biasGradient);

    /// <summary>Gradient of <see cref="IBackend.TakePosition"/>: the rows of dy are added to those that were taken.</summary>
    /// <param name="dy">[sentences, columns].</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <param name="position">That of the forward operator.</param>
    /// <param name="gradient">[rows, columns]; added to.</param>
    void TakePositionBackward(in Tensor dy, in Ragged batch, int position, in Tensor gradient);

    /// <summary>Gradients of a recurrent cell.</summary>
    /// <param name="input">As in the forward operator; so are the next two.</param>
    /// <param name="hidden">U h + b.</param>
    /// <param name="state">The state before.</param>
    /// <param name="dy">[rows, states · columns]: by the state after.</param>
    /// <param name="kind">Which cell.</param>
    /// <param name="hiddenGradient">[rows, gates · columns]; the input's where both are the same.</param>
    /// <param name="stateGradient">[rows, states · columns]: what goes past the product with the state.</param>
    /// <returns>Gradient of the input, [rows, gates · columns].</returns>
    Tensor RecurrentCellBackward(
        in Tensor input, in Tensor hidden, in Tensor state, in Tensor dy, CellKind kind, out Tensor hiddenGradient,
        out Tensor stateGradient);

    /// <summary>sum += x, element by element.</summary>
    /// <param name="sum">[rows, columns]; added to.</param>
    /// <param name="x">[rows, columns].</param>
    void Accumulate(in Tensor sum, in Tensor x);

    // ---- loss and optimizer ----

    /// <summary>
    /// Cross-entropy with label smoothing, loss and gradient in one pass: the logits are overwritten by the gradient of the
    /// sum of the rows' losses, times <paramref name="scale"/>.
    /// </summary>
    /// <remarks>
    /// Source: Szegedy et al. 2016; Vaswani et al. 2017, 5.4. With p = softmax(logits) and q = (1 − smoothing) · [token = target] +
    /// smoothing / vocabulary: loss = −Σ q ln p, gradient = (p − q) · scale.
    /// </remarks>
    /// <param name="logits">[rows, vocabulary].</param>
    /// <param name="targets">[1, rows], i32; −1: a row that counts nothing, loss and gradient 0.</param>
    /// <param name="smoothing">0 .. 1.</param>
    /// <param name="scale">Factor on the gradient, not on the losses.</param>
    /// <returns>[rows, 2]: loss, and −ln p of the target.</returns>
    Tensor CrossEntropy(in Tensor logits, in Tensor targets, float smoothing, float scale);

    /// <summary>Σ x². Waits. Blocks of 16,384 elements in float32, joined in double.</summary>
    /// <param name="x">[1, n].</param>
    double SumOfSquares(in Tensor x);

    /// <summary>One step of Adam or AdamW.</summary>
    /// <param name="values">[1, n]: changed.</param>
    /// <param name="gradients">[1, n].</param>
    /// <param name="firstMoment">[1, n]: changed.</param>
    /// <param name="secondMoment">[1, n]: changed.</param>
    /// <param name="rates">Rates.</param>
    void AdamStep(
        in Tensor values, in Tensor gradients, in Tensor firstMoment, in Tensor secondMoment, in AdamStep rates);
}

/// <summary>The numbers of one step of Adam (Kingma and Ba 2015), or with decay of AdamW (Loshchilov and Hutter 2019).</summary>
/// <remarks>
/// g = gradient · GradientScale; m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; x = x · (1 − LearningRate · Decay) −
/// LearningRate · (m / FirstCorrection) / (√(v / SecondCorrection) + ε).
/// </remarks>
/// <param name="LearningRate">Of this step.</param>
/// <param name="Beta1">β₁.</param>
/// <param name="Beta2">β₂.</param>
/// <param name="Epsilon">ε.</param>
/// <param name="Decay">Decoupled weight decay; 0: Adam.</param>
/// <param name="FirstCorrection">1 − β₁ᵗ, t counting from 1.</param>
/// <param name="SecondCorrection">1 − β₂ᵗ.</param>
/// <param name="GradientScale">Below 1 where gradients are clipped.</param>
public readonly record struct AdamStep(
    float LearningRate, float Beta1, float Beta2, float Epsilon, float Decay, float FirstCorrection, float SecondCorrection,
    float GradientScale);
