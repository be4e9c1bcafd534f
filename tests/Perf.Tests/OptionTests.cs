// The words after `./build.sh perf`.
using Xunit;

namespace Engine.Perf.Tests;

public class OptionTests
{
    [Fact]
    public void Words_pick_the_lines_that_hold_all_of_them()
    {
        PerfOptions options = PerfOptions.Parse(["--quick", "--filter", "int8", "gemm"]);
        Assert.True(options.IsQuick);
        Assert.True(options.Wants("int8 GEMM 1×2×3"));
        Assert.False(options.Wants("f32 gemm 1×2×3"));
    }

    [Fact]
    public void What_follows_micro_goes_to_BenchmarkDotNet()
    {
        PerfOptions options = PerfOptions.Parse(["--micro", "Gemm", "--job", "short"]);
        Assert.Equal(PerfMode.Micro, options.Mode);
        Assert.Equal(["Gemm", "--job", "short"], options.Rest);
    }

    [Theory]
    [InlineData("--unknown")]
    [InlineData("--out")]
    public void A_wrong_option_is_refused_with_its_name(string word) =>
        Assert.Contains(word, Assert.Throws<ArgumentException>(() => PerfOptions.Parse([word])).Message, StringComparison.Ordinal);
}
