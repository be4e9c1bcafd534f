// Checkpoints: what is written is read, what is broken is refused, and the right ones are kept.
using Engine.Formats;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class CheckpointTests : IDisposable
{
    private readonly TrainingFolder _folder = new();
    private readonly List<string> _said = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void All_of_it_comes_back()
    {
        Checkpoint written = Make(12, best: [(8, 1.25), (4, double.Epsilon)]);
        written.State.Settings["a \"b\""] = "ü";
        written.State.LowestLoss = 0.1 + 0.2;
        written.Write(_folder.File("x"));
        Checkpoint read = Checkpoint.Read(_folder.File("x"));
        Assert.Equal(written.Values, read.Values);
        Assert.Equal(written.FirstMoment, read.FirstMoment);
        Assert.Equal(written.SecondMoment, read.SecondMoment);
        Assert.Equal(written.State.ToJson(), read.State.ToJson());
        Assert.Equal(0.1 + 0.2, read.State.LowestLoss);
        Assert.Equal("ü", read.State.Settings["a \"b\""]);
    }

    [Fact]
    public void Infinity_before_the_first_loss_comes_back()
    {
        TrainingState read = TrainingState.FromJson("x", new TrainingState().ToJson());
        Assert.Equal(double.PositiveInfinity, read.LowestLoss);
        Assert.Equal(-1, read.ValidatedStep);
    }

    [Fact]
    public void Every_byte_that_is_changed_and_every_end_that_is_missing_is_noticed()
    {
        string file = _folder.File("x");
        Make(3).Write(file);
        byte[] whole = File.ReadAllBytes(file);
        for (int i = 0; i < whole.Length; i++)
        {
            byte[] broken = [.. whole];
            broken[i] ^= 0x10;
            File.WriteAllBytes(file, broken);
            Assert.Throws<ModelFormatException>(() => Checkpoint.Read(file));
        }

        for (int length = 0; length < whole.Length; length += 7)
        {
            File.WriteAllBytes(file, whole[..length]);
            Assert.Throws<ModelFormatException>(() => Checkpoint.Read(file));
        }
    }

    [Fact]
    public void The_last_are_kept_and_the_best()
    {
        CheckpointStore store = Store(new CheckpointSettings(Every: 10, Keep: 2, Average: 1, AveragesBest: false));
        for (int step = 10; step <= 60; step += 10) store.Save(Make(step, best: [(20, 1)]));
        Assert.Equal([20, 50, 60], store.Steps());
        store.Save(Make(70, best: [(70, 1)]));
        Assert.Equal([20, 60, 70], store.Steps());   // 60 may still be gone back to, and then 20 is the best
        store.Save(Make(80, best: [(70, 1)]));
        Assert.Equal([70, 80], store.Steps());
    }

    [Fact]
    public void Where_training_was_stopped_does_not_change_what_is_averaged()
    {
        var settings = new CheckpointSettings(Every: 10, Keep: 1, Average: 3, AveragesBest: false);
        CheckpointStore store = Store(settings);
        foreach (int step in (int[])[10, 20, 23, 30, 31, 35, 40, 44]) store.Save(Make(step));
        var (values, steps) = store.Average(new TrainingState { Step = 44 });
        Assert.Equal([30, 40, 44], steps);
        Assert.Equal((float)((30d + 40 + 44) / 3), values[0]);
    }

    [Fact]
    public void Those_that_are_broken_are_told_put_aside_and_passed_by()
    {
        CheckpointStore store = Store(new CheckpointSettings(Every: 1, Keep: 5, Average: 1, AveragesBest: false));
        for (int step = 1; step <= 4; step++) store.Save(Make(step));
        File.WriteAllText(store.File(4), "");
        File.WriteAllBytes(store.File(3), File.ReadAllBytes(store.File(3))[..^5]);
        Assert.Equal(2, store.LoadNewest()!.State.Step);
        Assert.Equal(2, _said.Count);
        Assert.Contains(store.File(4), _said[0], StringComparison.Ordinal);
        Assert.Equal([1, 2], store.Steps());
        Assert.True(File.Exists(store.File(3) + ".broken"));
    }

    [Fact]
    public void Without_any_there_is_none()
    {
        Assert.Null(Store(new CheckpointSettings(1, 1, 1, false)).LoadNewest());
        Assert.Empty(_said);
    }

    private CheckpointStore Store(CheckpointSettings settings) => new(_folder.File("checkpoints"), settings, _said.Add);

    private static Checkpoint Make(int step, params (int, double)[] best)
    {
        var state = new TrainingState { Step = step, Epoch = 2, Batch = 3, ReportLoss = Math.PI, Texts = "AB" };
        state.Best.AddRange(best);
        return new Checkpoint(state, [step, -1, float.Epsilon], [0, 1, 2], [3, 4, float.MaxValue]);
    }
}
