// The learning rate of a step: it grows in a line through the warm-up, then falls by the schedule's curve.
namespace Engine.Training;

/// <summary>Learning rates by step.</summary>
/// <param name="settings">Schedule, peak and warm-up.</param>
/// <param name="steps">Steps of the whole training, for schedules that end with it.</param>
internal sealed class LearningRate(LoopSettings settings, int steps)
{
    private readonly int _end = settings.DecaySteps > 0 ? settings.DecaySteps : steps;

    /// <summary>The rate of a step.</summary>
    /// <remarks>
    /// With peak p, final rate f and w steps of warm-up: p · step / w up to w; then max(f, p · √(w / step)) (Vaswani et al. 2017,
    /// equation 3), or f + (p − f) · (1 + cos πx) / 2 (Loshchilov and Hutter 2017), or f + (p − f) · (1 − x), where x goes from
    /// 0 at w to 1 at the end.
    /// </remarks>
    /// <param name="step">Counts from 1.</param>
    public double At(int step)
    {
        double peak = settings.LearningRate, final = settings.FinalLearningRate;
        if (step <= settings.Warmup) return peak * step / settings.Warmup;
        if (settings.Schedule == ScheduleKind.Constant) return peak;
        if (settings.Schedule == ScheduleKind.InverseSquareRoot)
            return Math.Max(final, peak * Math.Sqrt((double)settings.Warmup / step));
        double x = Math.Clamp((double)(step - settings.Warmup) / Math.Max(_end - settings.Warmup, 1), 0, 1);
        return settings.Schedule == ScheduleKind.Cosine
            ? final + ((peak - final) * (1 + Math.Cos(Math.PI * x)) / 2)
            : final + ((peak - final) * (1 - x));
    }
}
