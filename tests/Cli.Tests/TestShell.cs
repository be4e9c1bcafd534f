// Surroundings of a command that a test looks at: streams in memory, a directory of its own, no variables.
using System.Text;
using Engine.Cli;
using Engine.Cuda;

namespace Cli.Tests;

internal sealed class TestShell : IDisposable
{
    private readonly MemoryStream _output = new();
    private readonly StringWriter _error = new();

    public TestShell()
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("engine-cli-").FullName;
        WriteModel("models/tiny");
    }

    public string Directory { get; }

    public FakeTranslation Translation { get; init; } = new();

    public Dictionary<string, string> Variables { get; } = [];

    public Stream? Input { get; set; }

    public Stream? OutputStream { get; set; }

    /// <summary>Whether models are loaded as the command does it, instead of <see cref="Translation"/>.</summary>
    public bool LoadsModels { get; init; }

    public TranslationSettings? Settings { get; private set; }

    public CudaInfo Cuda { get; set; } = new() { Missing = "there is none" };

    public string Output => Encoding.UTF8.GetString(_output.ToArray());

    public string[] OutputLines => Output.Length == 0 ? [] : Output[..^1].Split('\n');

    public byte[] OutputBytes => _output.ToArray();

    public string Error => _error.ToString();

    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    public string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(Directory, name);
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public string WriteModel(string name) => Path.GetDirectoryName(Write($"{name}/config.json", "{}"))!;

    public Shell Make() => new()
    {
        Input = Input ?? new MemoryStream(),
        Output = OutputStream ?? _output,
        Error = _error,
        CurrentDirectory = Directory,
        ProgramDirectory = Path.Combine(Directory, "program"),
        Variable = name => Variables.GetValueOrDefault(name),
        Cuda = () => Cuda,
        Load = settings =>
        {
            Settings = settings;
            return LoadsModels ? Engine.Cli.Translation.Load(settings) : Translation;
        },
    };

    public Task<int> RunAsync(params string[] arguments) => RunAsync(default, arguments);

    public async Task<int> RunAsync(CancellationToken cancellation, params string[] arguments) =>
        await EngineCommand.RunAsync(arguments, Make(), cancellation);

    public async Task<int> TranslateAsync(string input, params string[] arguments)
    {
        Input = new MemoryStream(Encoding.UTF8.GetBytes(input));
        return await RunAsync(["translate", .. arguments]);
    }

    public void Dispose()
    {
        System.IO.Directory.Delete(Directory, recursive: true);
        _error.Dispose();
    }
}

/// <summary>Gives the bytes of another stream in pieces of the sizes that a test wants.</summary>
internal sealed class PiecewiseStream(byte[] bytes, Func<int> nextSize) : MemoryStream(bytes)
{
    public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, Math.Max(1, nextSize()))]);
}

/// <summary>Fails at the first write.</summary>
internal sealed class BrokenStream(Exception failure) : MemoryStream
{
    public int Writes { get; private set; }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Writes++;
        throw failure;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
}
