// The checkpoints of a training: which are kept, which one it goes on from, and which the model is the average of.
using System.Globalization;
using Engine.Formats;

namespace Engine.Training;

/// <summary>A directory of checkpoints.</summary>
/// <param name="directory">The directory.</param>
/// <param name="settings">How many are kept.</param>
/// <param name="say">Is told of broken ones.</param>
internal sealed class CheckpointStore(string directory, CheckpointSettings settings, Action<string> say)
{
    private const string Prefix = "step-", Suffix = ".safetensors", BrokenSuffix = ".broken";

    // What each of the last checkpoints calls best, so that falling back to an older one finds what it names.
    private readonly Dictionary<int, int[]> _best = [];

    /// <summary>Steps that have a checkpoint, ascending.</summary>
    public List<int> Steps()
    {
        var steps = new List<int>();
        if (!Directory.Exists(directory)) return steps;
        foreach (string file in Directory.EnumerateFiles(directory, $"{Prefix}*{Suffix}"))
        {
            string number = Path.GetFileName(file)[Prefix.Length..^Suffix.Length];
            if (int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int step)) steps.Add(step);
        }

        steps.Sort();
        return steps;
    }

    /// <summary>The file of a step.</summary>
    public string File(int step) =>
        Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D8}{Suffix}"));

    /// <summary>Writes a checkpoint, and removes those that are not needed any more.</summary>
    public void Save(Checkpoint checkpoint)
    {
        Directory.CreateDirectory(directory);
        checkpoint.Write(File(checkpoint.State.Step));
        Remember(checkpoint.State);
        Clean();
    }

    /// <summary>The newest checkpoint that is whole; null: there is none. Broken ones are put aside.</summary>
    public Checkpoint? LoadNewest()
    {
        List<int> steps = Steps();
        for (int i = steps.Count - 1; i >= 0; i--)
        {
            if (TryRead(steps[i]) is not { } checkpoint)
            {
                System.IO.File.Move(File(steps[i]), File(steps[i]) + BrokenSuffix, overwrite: true);
                continue;
            }

            Remember(checkpoint.State);
            for (int older = 0; older < i; older++)
                if (Checkpoint.TryReadState(File(steps[older])) is { } state) Remember(state);
            return checkpoint;
        }

        return null;
    }

    /// <summary>The mean of the weights of checkpoints that the configuration asks for.</summary>
    /// <param name="state">The state at the end of training.</param>
    /// <returns>The mean, and the steps that it is of.</returns>
    public (float[] Values, IReadOnlyList<int> Steps) Average(TrainingState state)
    {
        IEnumerable<int> wanted = settings.AveragesBest && state.Best.Count > 0
            ? state.Best.Select(static best => best.Step).Take(settings.Average)
            : Steps().Where(step => IsRegular(step) || step == state.Step).TakeLast(settings.Average);
        var sums = Array.Empty<double>();
        var steps = new List<int>();
        foreach (int step in wanted.Order())
        {
            if (TryRead(step) is not { } checkpoint) continue;
            if (sums.Length == 0) sums = new double[checkpoint.Values.Length];
            for (int i = 0; i < sums.Length; i++) sums[i] += checkpoint.Values[i];
            steps.Add(step);
        }

        if (steps.Count == 0)
            throw new ModelFormatException(directory, "the number of checkpoints that can be read", "0", "at least 1");
        var values = new float[sums.Length];
        for (int i = 0; i < values.Length; i++) values[i] = (float)(sums[i] / steps.Count);
        return (values, steps);
    }

    private Checkpoint? TryRead(int step)
    {
        try
        {
            return Checkpoint.Read(File(step));
        }
        catch (ModelFormatException broken)
        {
            say($"this checkpoint cannot be used: {broken.Message}");
            return null;
        }
    }

    private bool IsRegular(int step) => step % settings.Every == 0;

    private void Remember(TrainingState state) =>
        _best[state.Step] = [.. state.Best.Select(static best => best.Step)];

    // What is kept does not depend on where training was stopped, but for the newest checkpoint: the average is of regular ones.
    private void Clean()
    {
        List<int> steps = Steps();
        var kept = new HashSet<int>(steps.Where(IsRegular).TakeLast(
            Math.Max(settings.Keep, settings.AveragesBest ? 0 : settings.Average)));
        kept.UnionWith(steps.TakeLast(Math.Min(settings.Keep, 2)));
        foreach (int step in kept.ToArray())
            if (_best.TryGetValue(step, out int[]? best)) kept.UnionWith(best);
        foreach (int step in steps)
        {
            if (kept.Contains(step)) continue;
            System.IO.File.Delete(File(step));
            _best.Remove(step);
        }
    }
}
