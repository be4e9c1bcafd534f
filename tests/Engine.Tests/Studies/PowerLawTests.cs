// Power laws through points: those that made the points, and the standard error that the textbook has.
using Engine.Studies;
using Xunit;

namespace Engine.Tests.Studies;

public sealed class PowerLawTests
{
    [Theory]
    [InlineData(2, 0.5)]
    [InlineData(-1, 300)]
    [InlineData(0.25, 1)]
    public void The_law_that_made_the_points_is_found(double exponent, double factor)
    {
        PowerLaw found = PowerLaw.Fit([.. new[] { 4.0, 8, 64, 100 }.Select(x => new StudyPoint(x, factor * Math.Pow(x, exponent)))]);
        Assert.Equal(exponent, found.Exponent, 1e-12);
        Assert.Equal(1, found.Factor / factor, 1e-12);
        Assert.Equal(0, found.Error, 1e-7);   // the root of sums that cancel to 1e-16
        Assert.Equal(1, found.At(16) / (factor * Math.Pow(16, exponent)), 1e-12);
    }

    [Fact]
    public void The_error_is_that_of_the_slope_of_a_regression()
    {
        // ln x = 0, 1, 2 and ln y = 0, 2, 1: slope 1/2, start 1/2, residuals −1/2, 1, −1/2; √(1.5 / 1 / 2).
        StudyPoint[] points = [new(1, 1), new(Math.E, Math.E * Math.E), new(Math.E * Math.E, Math.E)];
        PowerLaw found = PowerLaw.Fit(points);
        Assert.Equal(0.5, found.Exponent, 1e-12);
        Assert.Equal(Math.Sqrt(0.75), found.Error, 1e-12);
        Assert.Equal(Math.Exp(0.5), found.Factor, 1e-12);
        Assert.Equal("0.50 ± 0.87", found.Describe());
    }

    [Fact]
    public void Two_points_have_no_error()
    {
        PowerLaw found = PowerLaw.Fit([new(1, 3), new(2, 12)]);
        Assert.Equal(double.NaN, found.Error);
        Assert.Equal("2.00", found.Describe());
    }

    [Fact]
    public void What_cannot_be_fitted_is_refused()
    {
        Assert.Throws<ArgumentException>(() => PowerLaw.Fit([new(1, 3)]));
        Assert.Throws<ArgumentException>(() => PowerLaw.Fit([new(2, 3), new(2, 4)]));
        Assert.Throws<ArgumentException>(() => PowerLaw.Fit([new(0, 3), new(2, 4)]));
        Assert.Throws<ArgumentException>(() => PowerLaw.Fit([new(1, double.NaN), new(2, 4)]));
    }
}
