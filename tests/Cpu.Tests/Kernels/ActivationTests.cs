// The activations over a dense sweep of all floats, against double precision, in units in the last place.
using Engine.Backends;
using Engine.Cpu.Kernels;
using Engine.Cpu.Simd;
using Engine.Reference;
using Xunit;

namespace Cpu.Tests.Kernels;

public class ActivationTests
{
    // Every 4,099th float (a prime): half a million of each sign, all exponents.
    private const uint Step = 4099;

    [Fact]
    public void Tanh_is_within_3_ulp() => AssertUlps<HyperbolicTangent>(Math.Tanh, 3);

    [Fact]
    public void Erf_is_within_3_ulp() => AssertUlps<ErrorFunction>(ActivationReference.Erf, 3);

    // Results below 2⁻¹²⁶ may be zero: e^−|x| is.
    [Fact]
    public void The_sigmoid_is_within_4_ulp() => AssertUlps<Sigmoid>(ActivationReference.Sigmoid, 4, smallest: 1.2e-38);

    [Fact]
    public void Relu_is_exact() => AssertUlps<Relu>(static x => Math.Max(x, 0), 0);

    // x · σ(t): 4 ulp of σ, a product, and the rounding of t, one operation for each ulp of it: that is multiplied by
    // |t| in σ's tail. Where it counts |t| is below 88.
    [Fact]
    public void Silu_agrees_within_its_bound() => AssertBound<Silu>(Activation.Silu, static x => 5);

    [Fact]
    public void The_sigmoid_form_of_gelu_agrees_within_its_bound() =>
        AssertBound<GeluSigmoid>(Activation.GeluSigmoid, static x => 5 + (2 * Math.Abs(1.702 * x)));

    // The argument is made by 3 operations from 2 rounded constants.
    [Fact]
    public void The_tanh_form_of_gelu_agrees_within_its_bound() => AssertBound<GeluTanh>(
        Activation.GeluTanh, static x => 5 + (5 * 1.5957691 * Math.Abs(x) * (1 + (0.044715 * x * x))));

    // x/2 · (1 + erf) loses, where erf is nearly −1, what the formula loses everywhere: the error is measured against
    // |x|, not against the result. erf: 3 ulp, at most 3 u for values below 1, and twice a rounding of its argument;
    // sum and product.
    [Fact]
    public void Gelu_is_within_5_roundings_of_its_argument()
    {
        foreach ((float x, float found) in Sweep<Gelu>())
        {
            if (Math.Abs(x) > 1e30f) continue;
            double expected = ActivationReference.Invoke(Activation.Gelu, x);
            double bound = (5 * ErrorBound.UnitRoundoff * Math.Abs(x)) + ErrorBound.Underflow;
            Assert.InRange(Math.Abs(found - expected), 0, bound);
        }
    }

    [Fact]
    public void Every_rung_gives_the_same_bits()
    {
        AssertSame<Gelu>();
        AssertSame<GeluTanh>();
        AssertSame<GeluSigmoid>();
        AssertSame<Silu>();
        AssertSame<HyperbolicTangent>();
        AssertSame<Relu>();
    }

    private static void AssertUlps<TMap>(Func<double, double> function, double most, double smallest = 1e-45)
        where TMap : unmanaged, IMap
    {
        foreach ((float x, float found) in Sweep<TMap>())
        {
            double expected = function(x);
            if (Math.Abs(expected) < smallest) Assert.InRange(Math.Abs(found), 0, smallest);
            else if (!(ErrorBound.Ulps(expected, found) <= most))
                Assert.Fail($"f({x:R}) is {found:R}, expected {expected:R}.");
        }
    }

    private static void AssertBound<TMap>(Activation activation, Func<double, double> ulps) where TMap : unmanaged, IMap
    {
        foreach ((float x, float found) in Sweep<TMap>())
        {
            if (Math.Abs(x) > 1e12f) continue;                           // x³ is no longer a float
            double expected = ActivationReference.Invoke(activation, x);

            // e^−|x| is 0 where it would be subnormal, so σ may be 2⁻¹²⁶ too small; and a subnormal result is rounded
            // to 2⁻¹⁴⁹.
            double smallest = (Math.Abs(x) * 1.18e-38) + 1.5e-45;
            double bound = (2 * ulps(x) * ErrorBound.UnitRoundoff * Math.Abs(expected)) + smallest;
            if (!(Math.Abs(expected - found) <= bound)) Assert.Fail($"f({x:R}) is {found:R}, expected {expected:R}.");
        }
    }

    private static IEnumerable<(float X, float Found)> Sweep<TMap>() where TMap : unmanaged, IMap
    {
        float[] x = Floats(Step), y = Map<TMap, Simd256>(x);
        for (int i = 0; i < x.Length; i++) yield return (x[i], y[i]);
    }

    private static void AssertSame<TMap>() where TMap : unmanaged, IMap
    {
        float[] x = Floats(Step * 64);
        int[] portable = Array.ConvertAll(Map<TMap, Simd128>(x), BitConverter.SingleToInt32Bits);
        Assert.Equal(portable, Array.ConvertAll(Map<TMap, Simd256>(x), BitConverter.SingleToInt32Bits));
        Assert.Equal(portable, Array.ConvertAll(Map<TMap, Simd512>(x), BitConverter.SingleToInt32Bits));
    }

    private static float[] Floats(uint step)
    {
        var x = new List<float>();
        for (uint bits = 0; bits < 0x7F800000; bits += step)
        {
            x.Add(BitConverter.UInt32BitsToSingle(bits));
            x.Add(-x[^1]);
        }

        while (x.Count % Lanes.Count != 0) x.Add(0);
        return [.. x];
    }

    private static unsafe float[] Map<TMap, TSimd>(float[] x)
        where TMap : unmanaged, IMap
        where TSimd : unmanaged, ISimd<TSimd>
    {
        var y = new float[x.Length];
        fixed (float* source = x, destination = y)
        {
            for (int i = 0; i < x.Length; i += Lanes.Count)
                TSimd.Store(TMap.Invoke(TSimd.Load(source + i)), destination + i);
        }

        return y;
    }
}
