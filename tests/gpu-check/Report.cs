// Collects what is found: a line each for a reader, and the same as results.json for a program.
using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace Engine.GpuCheck;

/// <summary>What was found so far.</summary>
internal sealed class Report
{
    private readonly StringBuilder _text = new();
    private readonly Settings _settings;

    /// <summary>An empty report.</summary>
    public Report(Settings settings)
    {
        _settings = settings;
        Deadline = new Deadline(TimeSpan.FromSeconds(settings.Seconds));
        Results = new Results { Started = DateTime.UtcNow, Small = settings.IsSmall };
    }

    /// <summary>When the program ends.</summary>
    public Deadline Deadline { get; }

    /// <summary>For results.json.</summary>
    public Results Results { get; }

    /// <summary>Whether all is as it must be.</summary>
    public bool IsGood => Results.Sections.All(static section => section.Failure is null)
        && Results.Cases.All(static group => group.Failed == 0) && Results.Models.All(static model => model.IsGood);

    /// <summary>Runs a part, if it is asked for; what it throws ends the part and is told.</summary>
    public void Section(string name, Action run)
    {
        if (_settings.Only is { } only && name != only) return;
        Line($"== {name}");
        long start = Stopwatch.GetTimestamp();
        string? failure = null;
        try
        {
            if (!IsTooLateFor(name)) run();
        }
        catch (Exception problem)
        {
            failure = problem.ToString();
            Line($"FAILED: {failure}");
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Results.Sections.Add(new SectionFact(name, seconds, failure));
        Line($"   ({seconds:F1} s)");
    }

    /// <summary>Whether a measure is asked for.</summary>
    public bool Wants(string name) => name.Contains(_settings.Text, StringComparison.Ordinal);

    /// <summary>Whether the time is over for something, which is told then.</summary>
    public bool IsTooLateFor(string what)
    {
        if (!Deadline.IsOver) return false;
        Results.NotRun.Add(what);
        Line($"not run, the time was over: {what}");
        return true;
    }

    /// <summary>A line of the report.</summary>
    public void Line(string text)
    {
        Console.WriteLine(text);
        _text.Append(text).Append('\n');
    }

    /// <summary>Cases of a suite.</summary>
    public void Add(CaseGroup group)
    {
        Results.Cases.Add(group);
        Line($"{group.Name}: {group.Passed} passed, {group.Failed} failed, {group.NotRun} not run, {group.Seconds:F1} s");
        foreach (string failure in group.Failures) Line($"   {failure}");
    }

    /// <summary>A comparison of a model's answers.</summary>
    public void Add(ModelFact fact)
    {
        Results.Models.Add(fact);
        string error = fact.LargestError is null ? "" : $", largest error of a score {fact.LargestError:G3}";
        string bound = fact.Bound is null ? "" : $", allowed {fact.Bound:G3}";
        Line($"{fact.Model}, {fact.Comparison}: {fact.Equal} of {fact.Total} equal{error}{bound}{(fact.IsGood ? "" : "  WRONG")}");
    }

    /// <summary>A measured number.</summary>
    public void Add(Measure measure)
    {
        Results.Measures.Add(measure);
        string share = measure.Share is null ? "" : $", {100 * measure.Share:F0} % of {measure.Roof}";
        Line($"{measure.Group} {measure.Name}: {measure.Value:G4} {measure.Unit}{share}");
    }

    /// <summary>Writes both files.</summary>
    public void Write(string directory)
    {
        Line($"== {(IsGood ? "all is good" : "NOT ALL IS GOOD")}, {Deadline.Elapsed.TotalSeconds:F0} s");
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "report.txt"), _text.ToString());
        File.WriteAllBytes(Path.Combine(directory, "results.json"), JsonSerializer.SerializeToUtf8Bytes(Results, ResultsJson.Default.Results));
    }
}
