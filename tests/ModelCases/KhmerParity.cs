// A PyTorch model with post-norm and final norms, on any backend: its 200 outputs, and every number inside it that the fixture
// holds. Linked into the test project of each backend.
using System.Text.Json;
using Engine.Backends;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Xunit;

namespace Engine.ModelCases;

/// <summary>The model that writes Khmer words in Latin letters. A backend's tests inherit this and say how it is made.</summary>
public abstract class KhmerParity : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly JsonDocument _fixture = JsonDocument.Parse(File.ReadAllText(TestData.Find(KhmerModel.Fixture)));
    private readonly string _model;
    private IBackend? _opened;

    protected KhmerParity() => _model = TestData.WriteKhmerModel(_directory["model"]);

    /// <summary>Words side by side; a device wants more than a processor.</summary>
    protected virtual int BatchSize => 32;

    private IBackend Backend => _opened ??= Open();

    [Fact]
    public void All_200_outputs_are_equal()
    {
        using Translator translator = Translator.Load(_model, new TranslatorOptions(Backend) { BatchSize = BatchSize });
        (string Source, string Output)[] cases = [.. _fixture.RootElement.GetProperty("cases").EnumerateArray()
            .Select(static one => (one.GetProperty("src").GetString()!, one.GetProperty("out").GetString()!))];
        Assert.Equal(200, cases.Length);
        IReadOnlyList<TranslationResult> results = translator.TranslateBatch(
            [.. cases.Select(one => new TranslationRequest(translator.Tokenizer.Tokenize(one.Source))
                { Options = new DecodingOptions { BeamSize = 1 } })],
            TestContext.Current.CancellationToken);
        Assert.Equal(
            cases.Select(static one => one.Output),
            results.Select(result => translator.Tokenizer.Detokenize(result.Hypotheses[0].Tokens)));
    }

    // The fixture is printed to five decimals, and PyTorch computed it in float32.
    [Fact]
    public void The_memory_and_every_step_are_within_two_hundred_thousandths()
    {
        using ModelData data = ModelReader.Open(_model);
        using var model = new Transformer(Backend, data);
        JsonElement[] cases = [.. _fixture.RootElement.GetProperty("full").EnumerateArray()];
        Assert.Equal(5, cases.Length);
        foreach (JsonElement one in cases)
        {
            int[] source = Ints(one.GetProperty("ids")), target = Ints(one.GetProperty("out_ids"));
            Backend.BeginFrame();
            Ragged sources = Ragged.Create(Backend, [source.Length]), targets = Ragged.Create(Backend, [target.Length]);
            Tensor memory = model.Encoder.Forward(Backend, Upload(source), Upload(Count(source)), sources);
            Compare(one.GetProperty("enc_out"), memory);
            Tensor logits = model.Decoder.Forward(Backend, Upload(target), Upload(Count(target)), targets, memory, sources);
            Compare(one.GetProperty("step_logprobs"), Backend.LogSoftmax(logits));
            Backend.EndFrame();
        }
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes the backend that is tested.</summary>
    protected abstract IBackend Open();

    /// <summary>Disposes of the backend and the model's files.</summary>
    protected virtual void Dispose(bool disposing)
    {
        _opened?.Dispose();
        _fixture.Dispose();
        _directory.Dispose();
    }

    private void Compare(JsonElement expected, Tensor found)
    {
        var values = new float[found.Shape.Count];
        Backend.Read(found, values);
        float[] numbers = [.. expected.EnumerateArray().SelectMany(static row => row.EnumerateArray().Select(static v => v.GetSingle()))];
        Assert.Equal(numbers.Length, values.Length);
        Assert.InRange(numbers.Zip(values).Max(static pair => Math.Abs(pair.First - pair.Second)), 0, 2e-5);
    }

    private Tensor Upload(int[] values)
    {
        Tensor tensor = Backend.Rent(new Shape(1, values.Length), DType.Int32);
        Backend.Write(tensor, values);
        return tensor;
    }

    private static int[] Count(int[] values) => [.. Enumerable.Range(0, values.Length)];

    private static int[] Ints(JsonElement json) => [.. json.EnumerateArray().Select(static v => v.GetInt32())];
}
