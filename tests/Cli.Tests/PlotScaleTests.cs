// Axes: where numbers are drawn, and which numbers are written beside them.
using Engine.Cli;
using Xunit;

namespace Cli.Tests;

public sealed class PlotScaleTests
{
    [Fact]
    public void A_linear_axis_has_round_ticks_around_its_numbers()
    {
        var scale = new PlotScale([0.3, 7.2], isLogarithmic: false, 0, 100);
        Assert.Equal([0, 2, 4, 6, 8], scale.Ticks);
        Assert.Equal([0, 50, 100], new double[] { 0, 4, 8 }.Select(scale.Place));
        Assert.False(scale.Shows(9));
        Assert.False(scale.Shows(double.NaN));
    }

    [Fact]
    public void Numbers_far_from_nothing_have_an_axis_that_begins_beside_them()
    {
        var scale = new PlotScale([95.1, 99.9], isLogarithmic: false, 0, 100);
        Assert.Equal([95, 96, 97, 98, 99, 100], scale.Ticks);
    }

    [Fact]
    public void On_a_logarithmic_axis_equal_factors_are_equal_distances()
    {
        var scale = new PlotScale([3, 4000], isLogarithmic: true, 200, 20);   // upwards, as pictures have it
        Assert.Equal([10, 100, 1000], scale.Ticks.Select(static tick => Math.Round(tick, 9)));
        Assert.Equal(scale.Place(10) - scale.Place(100), scale.Place(100) - scale.Place(1000), 1e-9);
        Assert.True(scale.Place(3) > scale.Place(4000));
        Assert.False(scale.Shows(0));
    }

    [Fact]
    public void Sizes_that_were_doubled_have_ticks_at_powers_of_two()
    {
        Assert.Equal([64, 128, 256, 512], new PlotScale([64, 128, 256, 512], isLogarithmic: true, 0, 1).Ticks.Select(static tick => Math.Round(tick)));
        Assert.Equal([4, 16, 64, 256, 1024], new PlotScale([4, 8, 64, 1024], isLogarithmic: true, 0, 1).Ticks.Select(static tick => Math.Round(tick)));
    }

    [Fact]
    public void Within_a_power_of_ten_there_are_ticks_at_one_two_and_five() =>
        Assert.Equal([0.5, 1, 2], new PlotScale([0.41, 2.3], isLogarithmic: true, 0, 1).Ticks.Select(static tick => Math.Round(tick, 9)));

    [Fact]
    public void One_number_or_none_has_an_axis_too()
    {
        Assert.True(new PlotScale([5], isLogarithmic: false, 0, 1).Shows(5));
        Assert.True(new PlotScale([5], isLogarithmic: true, 0, 1).Shows(5));
        Assert.NotEmpty(new PlotScale([], isLogarithmic: false, 0, 1).Ticks);
        Assert.NotEmpty(new PlotScale([0, -1], isLogarithmic: true, 0, 1).Ticks);
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(0.30000000000000004, "0.3")]
    [InlineData(100000, "100,000")]
    [InlineData(2e6, "2e6")]
    [InlineData(0.00005, "5e-5")]
    [InlineData(-12.5, "-12.5")]
    public void Numbers_are_written_short(double value, string expected) => Assert.Equal(expected, PlotScale.Write(value));
}
