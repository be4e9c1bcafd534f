// A conversion that is stopped leaves nothing.
using Xunit;

namespace Cli.Tests;

public sealed class ConvertTests
{
    private static readonly string Model = Path.Combine(TestData.Directory, "ct2", "aren-v6-float32");

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public async Task A_conversion_that_is_stopped_leaves_nothing(bool isStopped, int code)
    {
        using var shell = new TestShell();
        int before = Directory.GetFileSystemEntries(shell.Directory).Length;
        Assert.Equal(code, await shell.RunAsync(new CancellationToken(isStopped), "convert", Model, "converted"));
        Assert.Equal(isStopped ? ["engine: stopped."] : [], shell.ErrorLines);
        Assert.Equal(before + (isStopped ? 0 : 1), Directory.GetFileSystemEntries(shell.Directory).Length);
    }
}
