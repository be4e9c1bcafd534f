// A PyTorch model with post-norm and final norms: its 200 outputs, and every number inside it that the fixture holds.
using System.Text.Json;
using Engine.Cpu;
using Engine.Backends;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Tests.Formats;
using Xunit;

namespace Engine.Tests.Decoding;

public sealed class KhmerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("khmer-").FullName;
    private readonly JsonDocument _fixture = JsonDocument.Parse(File.ReadAllText(TestData.Find("khmer/secryst500.fixture.json")));
    private readonly CpuBackend _backend = new();
    private readonly string _model;

    public KhmerTests() => _model = KhmerModel.WriteOwnFormat(Path.Combine(_directory, "model"));

    [Fact]
    public void All_200_outputs_are_equal()
    {
        using Translator translator = Translator.Load(_model, new TranslatorOptions(_backend));
        JsonElement[] cases = [.. _fixture.RootElement.GetProperty("cases").EnumerateArray()];
        Assert.Equal(200, cases.Length);
        foreach (JsonElement one in cases)
            Assert.Equal(one.GetProperty("out").GetString(), translator.Translate(one.GetProperty("src").GetString()!, new DecodingOptions { BeamSize = 1 }));
    }

    // The fixture is printed to five decimals, and PyTorch computed it in float32.
    [Fact]
    public void The_memory_and_every_step_are_within_two_hundred_thousandths()
    {
        using ModelData data = ModelReader.Open(_model);
        using var model = new Transformer(_backend, data);
        JsonElement[] cases = [.. _fixture.RootElement.GetProperty("full").EnumerateArray()];
        Assert.Equal(5, cases.Length);
        foreach (JsonElement one in cases)
        {
            int[] source = Ints(one.GetProperty("ids")), target = Ints(one.GetProperty("out_ids"));
            _backend.BeginFrame();
            Ragged sources = Ragged.Create(_backend, [source.Length]), targets = Ragged.Create(_backend, [target.Length]);
            Tensor memory = model.Encoder.Forward(_backend, Upload(source), Upload(Count(source)), sources);
            Compare(one.GetProperty("enc_out"), memory);
            Tensor logits = model.Decoder.Forward(_backend, Upload(target), Upload(Count(target)), targets, memory, sources);
            Compare(one.GetProperty("step_logprobs"), _backend.LogSoftmax(logits));
            _backend.EndFrame();
        }
    }

    public void Dispose()
    {
        _backend.Dispose();
        _fixture.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private void Compare(JsonElement expected, Tensor found)
    {
        var values = new float[found.Shape.Count];
        _backend.Read(found, values);
        float[] numbers = [.. expected.EnumerateArray().SelectMany(static row => row.EnumerateArray().Select(static v => v.GetSingle()))];
        Assert.Equal(numbers.Length, values.Length);
        Assert.InRange(numbers.Zip(values).Max(static pair => Math.Abs(pair.First - pair.Second)), 0, 2e-5);
    }

    private Tensor Upload(int[] values)
    {
        Tensor tensor = _backend.Rent(new Shape(1, values.Length), DType.Int32);
        _backend.Write(tensor, values);
        return tensor;
    }

    private static int[] Count(int[] values) => [.. Enumerable.Range(0, values.Length)];

    private static int[] Ints(JsonElement json) => [.. json.EnumerateArray().Select(static v => v.GetInt32())];
}
