// The seam: every operator that the graph is made of, at the level at which fusion pays. Its declaration is its documentation.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>
/// A device that runs the Transformer graph. Shapes are [rows, columns], all numbers float32 unless said otherwise. What an
/// operator returns lives until the frame ends. A backend is used by one thread at a time.
/// </summary>
public interface IBackend : IDisposable
{
    /// <summary>What it is, in a few words: device, instruction set, threads.</summary>
    string Description { get; }

    // ---- storage ----

    /// <summary>Allocates storage that lives until <see cref="Free"/>; all bytes are zero.</summary>
    /// <exception cref="ArgumentException">The shape is negative.</exception>
    /// <exception cref="OutOfMemoryException">There is no such room; the message says what was asked.</exception>
    Tensor Allocate(Shape shape, DType type);

    /// <summary>
    /// Frees what <see cref="Allocate"/> returned. A backend that is disposed has freed it already: nothing happens then.
    /// </summary>
    void Free(in Tensor tensor);

    /// <summary>
    /// Begins a frame, an arena in which everything that operators return is placed: the same addresses in every frame of
    /// the same shapes, so that steady state allocates nothing. Frames do not nest.
    /// </summary>
    /// <exception cref="InvalidOperationException">A frame is open.</exception>
    void BeginFrame();

    /// <summary>Begins a frame whose work was done before and will be done again, such as a step of the decoder.</summary>
    /// <param name="repeats">Whether it is such a frame: a backend may then replay what it knows.</param>
    void BeginFrame(bool repeats) => BeginFrame();

    /// <summary>
    /// Whether a step costs less if its shapes are those of a step before, so that it pays to fill it up with rows that nobody
    /// reads.
    /// </summary>
    bool PrefersEqualSteps => false;

    /// <summary>
    /// Steps of a search that are taken by <see cref="AdvanceBeams"/> before the host looks at them: more than one where waiting for a
    /// step costs more than rows that nobody needs any more. More than <see cref="BeamState.MostSteps"/> count as so many.
    /// </summary>
    int StepsAtOnce => 1;

    /// <summary>
    /// How many translators keep the device busy, each over a backend of its own that <see cref="SharesWeightsWith"/> the others: on a
    /// GPU one encodes while another decodes, and the device works for one while the host looks at what the other found.
    /// </summary>
    int TranslatorsAtOnce => 1;

    /// <summary>Ends the frame: what was rented or returned in it is gone.</summary>
    void EndFrame();

    /// <summary>Takes uninitialised storage that lives until the frame ends.</summary>
    Tensor Rent(Shape shape, DType type);

    /// <summary>Copies values from the host, row by row; the tensor is f32.</summary>
    /// <exception cref="ArgumentException">The number of values is not that of the elements, or the type differs.</exception>
    void Write(in Tensor destination, ReadOnlySpan<float> values);

    /// <summary>Copies values from the host, row by row; the tensor is i32.</summary>
    /// <exception cref="ArgumentException">The number of values is not that of the elements, or the type differs.</exception>
    void Write(in Tensor destination, ReadOnlySpan<int> values);

    /// <summary>Copies values to the host, row by row; with its twin the only call that waits. The tensor is f32.</summary>
    /// <exception cref="ArgumentException">The number of values is not that of the elements, or the type differs.</exception>
    void Read(in Tensor source, Span<float> values);

    /// <summary>Copies values to the host, row by row. The tensor is i32.</summary>
    /// <exception cref="ArgumentException">The number of values is not that of the elements, or the type differs.</exception>
    void Read(in Tensor source, Span<int> values);

    /// <summary>Copies the values of two tensors to the host, waiting once.</summary>
    /// <exception cref="ArgumentException">The number of values is not that of the elements, or a type differs.</exception>
    void Read(in Tensor floats, Span<float> values, in Tensor integers, Span<int> numbers)
    {
        Read(floats, values);
        Read(integers, numbers);
    }

    /// <summary>
    /// Packs a weight matrix into the layout that this backend's GEMM likes; it lives until it is disposed.
    /// </summary>
    /// <param name="parts">
    /// Matrices of one element type and width, [outputs, inputs] each, stacked one under the other (query, key, value).
    /// f32, f16, bf16, i8 or i16. Read here, once.
    /// </param>
    /// <param name="rounding">For i8 and i16: how activations are rounded.</param>
    /// <exception cref="ArgumentException">The parts differ in type or width.</exception>
    /// <exception cref="Engine.Formats.ModelFormatException">A value is NaN or infinite.</exception>
    Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest);

    /// <summary>
    /// Whether weights that another backend packed, and tensors that it allocated, can be used here as they are: several backends of
    /// one device then hold them once. The other must live as long as they are used.
    /// </summary>
    bool SharesWeightsWith(IBackend other) => ReferenceEquals(this, other);

    /// <summary>Some outputs of a weight as a weight of their own: the output layer of a shortlist.</summary>
    /// <remarks>A product with it gives the bits of these outputs of the product with the whole weight.</remarks>
    /// <param name="weight">[outputs, inputs].</param>
    /// <param name="outputs">Which outputs, each 0 .. outputs − 1, in the order of the new weight.</param>
    /// <returns>[number of outputs, inputs]; it lives until it is disposed, longer than <paramref name="weight"/> if need
    /// be.</returns>
    /// <exception cref="ArgumentException">There is no such output.</exception>
    Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs);

    // ---- forward ----

    /// <summary>Looks up rows of a table: y = table[id] · scale + positions[position].</summary>
    /// <remarks>Source: Vaswani et al. 2017, 3.4 and 3.5. Work: 2 · rows · modelDim.</remarks>
    /// <param name="ids">[1, rows], i32, each 0 .. table.Outputs − 1, or −1: an embedding of zeros.</param>
    /// <param name="table">[vocabulary, modelDim]; integers are divided by their scale.</param>
    /// <param name="scale">Factor on the embedding, √modelDim in the paper.</param>
    /// <param name="positions">[positions, modelDim], f32, or none.</param>
    /// <param name="positionIds">[1, rows], i32, row of <paramref name="positions"/> for each row, or none.</param>
    /// <returns>[rows, modelDim].</returns>
    Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds);

    /// <summary>y = activation(x Wᵀ + b).</summary>
    /// <remarks>
    /// Source: Vaswani et al. 2017, 3.3. Work: 2 · rows · inputs · outputs. Float weights: float32 arithmetic. i8: x is
    /// quantised row by row (s = 127 / max|x|, 1 for a row of zeros; q = round(x · s + 128) − 128, the sum rounded to float32
    /// first, as CTranslate2 does), sums are exact in 32 bits, y = (sum · (1/s)) / scale + b. i16: x is multiplied by 1000 and rounded, y = sum · (1 / (1000 · scale)) + b.
    /// </remarks>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="weights">W [outputs, inputs], b [1, outputs] or none.</param>
    /// <param name="activation">Applied last.</param>
    /// <returns>[rows, outputs].</returns>
    /// <exception cref="ArgumentException">The width of x is not the number of inputs.</exception>
    Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation = Activation.None);

    /// <summary>y = norm(x), a row at a time.</summary>
    /// <remarks>Source: Ba et al. 2016; Zhang and Sennrich 2019 for the root-mean-square form. Work: 8 · rows · columns.</remarks>
    /// <param name="x">[rows, columns].</param>
    /// <param name="weights">Gain and bias [1, columns].</param>
    /// <returns>[rows, columns].</returns>
    Tensor Norm(in Tensor x, in NormWeights weights);

    /// <summary>y = norm(x + residual): a sub-layer's end when norms stand after it.</summary>
    /// <remarks>Source: Vaswani et al. 2017, 3.1: LayerNorm(x + Sublayer(x)). Work: 9 · rows · columns.</remarks>
    /// <param name="x">[rows, columns].</param>
    /// <param name="residual">[rows, columns].</param>
    /// <param name="weights">Gain and bias [1, columns].</param>
    /// <returns>[rows, columns].</returns>
    Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights);

    /// <summary>sum = x + residual and y = norm(sum): from one sub-layer to the next when norms stand before them.</summary>
    /// <remarks>Source: Xiong et al. 2020. Work: 9 · rows · columns.</remarks>
    /// <param name="x">[rows, columns].</param>
    /// <param name="residual">[rows, columns].</param>
    /// <param name="weights">Gain and bias [1, columns].</param>
    /// <param name="sum">[rows, columns].</param>
    /// <returns>[rows, columns].</returns>
    Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum);

    /// <summary>x + y, element by element.</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="y">[rows, columns].</param>
    /// <returns>[rows, columns].</returns>
    Tensor Add(in Tensor x, in Tensor y);

    /// <summary>x · y, element by element: the gate of a gated feed-forward block (Shazeer 2020).</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="y">[rows, columns].</param>
    /// <returns>[rows, columns].</returns>
    Tensor Multiply(in Tensor x, in Tensor y);

    /// <summary>Scaled dot-product attention, head by head: softmax(Q Kᵀ · scale + mask) V.</summary>
    /// <remarks>
    /// Source: Vaswani et al. 2017, 3.2.1, equation 1, by key blocks with an online softmax (Milakov and Gimelshein 2018), so
    /// memory is O(rows). Work: 4 · queryRows · keyRows · modelDim operations, less the blocks that the mask leaves out. A
    /// query that sees no key gives zeros.
    /// </remarks>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="value">[keyRows, heads · valueDim].</param>
    /// <param name="queries">Where each sentence's queries begin.</param>
    /// <param name="keys">Where each sentence's keys begin; as many sentences.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <returns>[queryRows, heads · valueDim].</returns>
    /// <exception cref="ArgumentException">The widths differ, or are no multiple of the number of heads.</exception>
    Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec);

    /// <summary>Additive attention, head by head: softmax(scale · vᵀ tanh(q + k) + mask) V.</summary>
    /// <remarks>
    /// Source: Bahdanau et al. 2015, A.1.2, where q = W·query and k = U·key are made by linear layers. Work: about 20 ·
    /// queryRows · keyRows · modelDim.
    /// </remarks>
    /// <param name="query">W q, [queryRows, heads · headDim].</param>
    /// <param name="key">U k, [keyRows, heads · headDim].</param>
    /// <param name="value">[keyRows, heads · valueDim].</param>
    /// <param name="score">v, [1, heads · headDim].</param>
    /// <param name="queries">Where each sentence's queries begin.</param>
    /// <param name="keys">Where each sentence's keys begin.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <returns>[queryRows, heads · valueDim].</returns>
    Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec);

    /// <summary>The weights of attention of whole sentences themselves, head by head: for a reader, not for the graph.</summary>
    /// <remarks>
    /// softmax(scores + mask) by the same scores and exponentials as attention has, in float32 whatever the backend's arithmetic is, so
    /// that values summed up by these weights are attention's output but for rounding. Memory is O(queryRows · heads · keys).
    /// </remarks>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="score">v of additive attention, [1, heads · headDim]; none: dot-product attention.</param>
    /// <param name="queries">Where each sentence's queries begin.</param>
    /// <param name="keys">Where each sentence's keys begin; as many sentences.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <returns>
    /// [queryRows · heads, keys.Longest]: a row for each query and head, head by head of a query; zeros beyond the sentence's keys and
    /// where the mask hides a key.
    /// </returns>
    /// <exception cref="ArgumentException">The widths differ, or are no multiple of the number of heads.</exception>
    Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec);

    // ---- other layers than attention that mix positions ----

    /// <summary>What a filter sees of each position, side by side: a convolution is a linear layer of it.</summary>
    /// <remarks>Source: Chellapilla et al. 2006. Work: rows · taps · columns numbers are copied.</remarks>
    /// <param name="x">[rows, columns].</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <param name="taps">Which positions.</param>
    /// <returns>
    /// [rows, taps · columns]: tap by tap the row of x at that tap's position; zeros where the sentence has no such position.
    /// </returns>
    /// <exception cref="ArgumentException">The taps are not at least one, or their dilation is not at least 1.</exception>
    Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps);

    /// <summary>A convolution of each column with a filter of its own: y = b + Σⱼ filter[j] ⊙ x at tap j.</summary>
    /// <remarks>
    /// Source: Chollet 2017, of whose separable convolution it is the first half; the second is a linear layer. Fused, in ascending
    /// order of the taps. Work: 2 · rows · taps · columns.
    /// </remarks>
    /// <param name="x">[rows, columns].</param>
    /// <param name="filter">[taps, columns].</param>
    /// <param name="bias">[1, columns], or none.</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <param name="taps">Which positions.</param>
    /// <returns>[rows, columns].</returns>
    Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps);

    /// <summary>The rows of all sentences at one position.</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <param name="position">Counted from 0; −1: zeros for all.</param>
    /// <returns>[sentences, columns]; zeros for a sentence that has no such position.</returns>
    Tensor TakePosition(in Tensor x, in Ragged batch, int position);

    /// <summary>The inverse of <see cref="TakePosition"/>: rows of all sentences, given a position at a time.</summary>
    /// <param name="positions">
    /// Of each position, from 0, [sentences, columns]; as many as the longest sentence has. What stands for a sentence that has no such
    /// position is not read.
    /// </param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <returns>[rows, columns].</returns>
    Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch);

    /// <summary>One step of a recurrent layer, behind its two linear layers.</summary>
    /// <remarks>
    /// With a = input and b = hidden, gates side by side. Tanh: h′ = tanh(a + b). LSTM, gates i, f, g, o, all of a + b: c′ = σ(f) c +
    /// σ(i) tanh(g), h′ = σ(o) tanh(c′). GRU, gates r, z, n: r = σ(a + b), z = σ(a + b), n = tanh(aₙ + r bₙ), h′ = n + z (h − n).
    /// The order of gates is PyTorch's. Work: about 30 · rows · columns a gate.
    /// </remarks>
    /// <param name="input">[rows, gates · columns]: W x + b of the position.</param>
    /// <param name="hidden">[rows, gates · columns]: U h + b of the state.</param>
    /// <param name="state">[rows, states · columns]: h, and for an LSTM c beside it, of the position before.</param>
    /// <param name="kind">Which cell.</param>
    /// <returns>[rows, states · columns]: the state after the position.</returns>
    Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind);

    /// <summary>Each sentence cut in groups of some positions, as sentences of their own: attention then stays in them.</summary>
    /// <remarks>Source: Vaswani et al. 2017, 4: restricted self-attention, with groups instead of a neighbourhood.</remarks>
    /// <param name="batch">Where the sentences begin.</param>
    /// <param name="size">Positions of a group, at least 1; the last of a sentence may have fewer.</param>
    /// <returns>
    /// ⌈longest / size⌉ groups for each sentence, those that a shorter one does not need without rows; alive until the frame ends.
    /// </returns>
    Ragged Cut(in Ragged batch, int size);

    /// <summary>
    /// What a filter sees of the newest position of each row: of that position bit for bit what <see cref="Unfold"/> gives, for x that
    /// was appended as values.
    /// </summary>
    /// <param name="cache">The cache; its keys are not looked at, and its values have one head.</param>
    /// <param name="view">What each row sees of it, the newest position last.</param>
    /// <param name="taps">Which positions; those behind the newest give zeros.</param>
    /// <returns>[rows, taps · valueColumns].</returns>
    Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps);

    /// <summary>
    /// A depthwise convolution of the newest position of each row: bit for bit what <see cref="DepthwiseConvolution"/> gives for that
    /// position, for x that was appended as values.
    /// </summary>
    /// <param name="cache">The cache; its keys are not looked at, and its values have one head.</param>
    /// <param name="view">What each row sees of it, the newest position last.</param>
    /// <param name="filter">[taps, valueColumns].</param>
    /// <param name="bias">[1, valueColumns], or none.</param>
    /// <param name="taps">Which positions; those behind the newest count nothing.</param>
    /// <returns>[rows, valueColumns].</returns>
    Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps);

    // ---- decoding ----

    /// <summary>Makes a cache for one layer's keys and values; freed by <see cref="FreeCache"/>.</summary>
    /// <param name="blocks">Number of blocks of <see cref="KeyValueCache.BlockPositions"/> positions.</param>
    /// <param name="keyColumns">heads · headDim.</param>
    /// <param name="valueColumns">heads · valueDim.</param>
    /// <param name="heads">Heads: the layout inside a block may depend on it.</param>
    KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads);

    /// <summary>Frees a cache.</summary>
    void FreeCache(in KeyValueCache cache);

    /// <summary>Makes a larger cache with the same content and frees the smaller.</summary>
    KeyValueCache GrowCache(in KeyValueCache cache, int blocks);

    /// <summary>Writes keys and values of new positions into a cache.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="keys">[rows, keyColumns].</param>
    /// <param name="values">[rows, valueColumns].</param>
    /// <param name="slots">[1, rows], i32, all different: where each row goes; −1: nowhere.</param>
    void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots);

    /// <summary>Copies whole blocks within a cache, for hypotheses that part in the middle of a block.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="pairs">[n, 2], i32: from block, to block; −1 twice: nothing. No block is both.</param>
    void CopyBlocks(in KeyValueCache cache, in Tensor pairs);

    /// <summary>Copies whole blocks within each of several caches, such as those of all layers.</summary>
    /// <param name="caches">The caches.</param>
    /// <param name="pairs">[n, 2], i32: from block, to block; −1 twice: nothing. No block is both.</param>
    void CopyBlocks(ReadOnlySpan<KeyValueCache> caches, in Tensor pairs)
    {
        foreach (KeyValueCache cache in caches) CopyBlocks(cache, pairs);
    }

    /// <summary>
    /// Scaled dot-product attention of one query a row to a cache: bit for bit what
    /// <see cref="Attention(in Tensor, in Tensor, in Tensor, in Ragged, in Ragged, in AttentionSpec)"/> gives for that position.
    /// </summary>
    /// <param name="query">[rows, heads · headDim].</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="view">What each row sees of them.</param>
    /// <param name="spec">Heads, scale, mask; the query stands at the last position of its history.</param>
    /// <returns>[rows, heads · valueDim].</returns>
    Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec);

    /// <summary>
    /// <see cref="Append"/> of one new position a row, and <see cref="CachedAttention"/> of the rows to it and what was before, where no
    /// row's blocks hold another row's new position: a step of self-attention.
    /// </summary>
    /// <param name="query">[rows, heads · headDim].</param>
    /// <param name="keys">[rows, heads · headDim].</param>
    /// <param name="values">[rows, heads · valueDim].</param>
    /// <param name="slots">[1, rows], i32, all different: where each row goes; −1: nowhere.</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="view">What each row sees of them, the new position last.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <returns>[rows, heads · valueDim].</returns>
    Tensor AppendAndAttend(
        in Tensor query, in Tensor keys, in Tensor values, in Tensor slots, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        Append(cache, keys, values, slots);
        return CachedAttention(query, cache, view, spec);
    }

    /// <summary>Additive attention of one query a row to a cache, as <see cref="AdditiveAttention"/> gives for that position.</summary>
    /// <param name="query">W q, [rows, heads · headDim].</param>
    /// <param name="score">v, [1, heads · headDim].</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="view">What each row sees of them.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <returns>[rows, heads · valueDim].</returns>
    Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec);

    /// <summary>The attention weights themselves, averaged over the first heads: for a reader, not for the graph.</summary>
    /// <param name="query">[rows, heads · headDim].</param>
    /// <param name="score">v of additive attention, [1, heads · headDim]; none: dot-product attention.</param>
    /// <param name="cache">Keys.</param>
    /// <param name="view">What each row sees of them.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="firstHeads">How many heads, from the first, are averaged: 1 .. spec.Heads.</param>
    /// <returns>[rows, view.Longest]; zeros beyond a row's length.</returns>
    Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads);

    /// <summary>Sets logits to the lowest finite number, in place.</summary>
    /// <param name="logits">[rows, vocabulary].</param>
    /// <param name="places">[n, 2], i32: row, token.</param>
    void Suppress(in Tensor logits, in Tensor places);

    /// <summary>Repetition penalty, in place: a negative logit is multiplied, another divided (Keskar et al. 2019).</summary>
    /// <param name="logits">[rows, vocabulary].</param>
    /// <param name="places">[n, 2], i32: row, token; no place twice.</param>
    /// <param name="penalties">[1, n], greater than 0.</param>
    void Penalize(in Tensor logits, in Tensor places, in Tensor penalties);

    /// <summary>y[row, j] = x[row, columns[j]]: the logits of a shortlist.</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="columns">[1, n], i32, each 0 .. columns − 1.</param>
    /// <returns>[rows, n].</returns>
    /// <exception cref="ArgumentException">There is no such column.</exception>
    Tensor SelectColumns(in Tensor x, in Tensor columns);

    /// <summary>log(softmax(logits)), a row at a time.</summary>
    /// <param name="logits">[rows, vocabulary].</param>
    /// <returns>[rows, vocabulary].</returns>
    Tensor LogSoftmax(in Tensor logits);

    /// <summary>The k largest of log(softmax(logits)) of each row, best first; equal values: the lower token first.</summary>
    /// <param name="logits">[rows, vocabulary].</param>
    /// <param name="k">1 .. vocabulary.</param>
    /// <param name="tokens">[rows, k], i32.</param>
    /// <returns>[rows, k], bit for bit the values of <see cref="LogSoftmax"/>.</returns>
    Tensor TopK(in Tensor logits, int k, out Tensor tokens);

    /// <summary>log(softmax(logits)) of one token a row, bit for bit the value of <see cref="LogSoftmax"/>.</summary>
    /// <param name="logits">[rows, vocabulary].</param>
    /// <param name="tokens">[1, rows], i32.</param>
    /// <returns>[rows, 1].</returns>
    Tensor LogProbability(in Tensor logits, in Tensor tokens);

    /// <summary>
    /// Draws a token of each row by softmax(x / temperature), and gives log(softmax(x)) of it: the token with the largest
    /// x / temperature − ln(−ln u), where <see cref="TokenDraw"/> defines u; equal values: the lower token.
    /// </summary>
    /// <remarks>
    /// The sum is computed as (x − m) · (1 / temperature) + (−ln(−ln u)) with one rounding of product and sum, m being the row's
    /// maximum, and the logarithms in float32 by the same steps on all backends: these draw the same tokens. Since u is a multiple of
    /// 2⁻²⁴, tokens much rarer than that are not drawn at all.
    /// </remarks>
    /// <param name="logits">[rows, vocabulary], at least one token.</param>
    /// <param name="draws">[rows, 4], i32: what <see cref="TokenDraw.CopyTo"/> writes.</param>
    /// <param name="temperature">Greater than 0 and finite.</param>
    /// <param name="tokens">[rows, 1], i32.</param>
    /// <returns>[rows, 1], bit for bit the values of <see cref="LogSoftmax"/>.</returns>
    Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens);

    /// <summary>A step of many beam searches, in the backend's memory: chooses hypotheses and makes the next step's input.</summary>
    /// <remarks>
    /// The rules are CTranslate2's. For each sentence that has live rows: (1) The candidates of a row r are its first best tokens, each
    /// with the sum of r plus its score; the 2 · beams largest are kept, of equal ones that of the lower row, then the better of the row.
    /// (2) Of the first of these, as many as there are beams, those go on whose token ends nothing, in their order. The others end, at
    /// the last position all; in the place of each the next goes on of those behind whose token ends nothing, if there is one. (3) The
    /// search ends at the last position, where nobody goes on, and where enough have ended. (4) What happened is written to the moves of
    /// the step, and the histories follow their hypotheses. (5) Unless it was the last step that the moves have room for, each row gets
    /// its token, its position and the place of its keys and values: in a new block of the spare ones where its last is full, in a copy
    /// of it where a row before has the same; slot −1 if none is left. Rows without a hypothesis get token and slot −1, position 0,
    /// length 1; slot −1 is also that of a row whose table has no column for its position. Work: about 2 · beams for each candidate.
    /// </remarks>
    /// <param name="scores">
    /// [rows, k]: the k largest log-probabilities of each row, best first, as <see cref="TopK"/> gives them: none is NaN.
    /// </param>
    /// <param name="tokens">[rows, k], i32: their tokens.</param>
    /// <param name="state">What is read and changed.</param>
    /// <exception cref="ArgumentException">
    /// A type or a shape is not as it must be, or a sentence has rows that are not there; a device passes over such a sentence.
    /// </exception>
    void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state);
}
