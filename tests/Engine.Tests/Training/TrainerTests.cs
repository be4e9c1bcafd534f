// What a training promises: the same seed gives the same bits whatever the threads and the stops, every choice of the
// configuration learns, and what goes wrong is named.
using System.Text.Json;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class TrainerTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void One_two_and_eight_threads_give_the_same_bits()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: true);
        foreach (int threads in (int[])[1, 2, 8]) folder.Train(new(), resume: false, threads, $"output=out{threads}");
        Assert.Equal(folder.Weights("out1"), folder.Weights("out2"));
        Assert.Equal(folder.Weights("out1"), folder.Weights("out8"));
    }

    [Theory]
    [InlineData("model.norm=post")]
    [InlineData("model.norm=pre")]
    public void What_is_computed_again_changes_no_bit(string change)
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: true);
        folder.Train("output=kept", change, "training.dropout.attention=0.1");
        folder.Train("output=again", change, "training.dropout.attention=0.1", "training.recompute=true");
        Assert.Equal(folder.Weights("kept"), folder.Weights("again"));
    }

    [Fact]
    public void Another_seed_gives_other_weights()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: true);
        folder.Train("output=one");
        folder.Train("output=two", "seed=2");
        Assert.NotEqual(folder.Weights("one"), folder.Weights("two"));
    }

    // 5: at a checkpoint; 8: before a validation; 13: in an epoch's middle; 24: at the end, before the model is written.
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(13)]
    [InlineData(24)]
    public void A_training_that_was_stopped_ends_with_the_same_bits(int step)
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Train("output=whole", "training.accumulate=2");
        var stopped = new TrainingFolder.Record { StopAfter = step };
        Assert.ThrowsAny<OperationCanceledException>(
            () => folder.Train(stopped, resume: false, threads: 2, "training.accumulate=2"));
        Assert.Contains($"stopped after step {step}", stopped.Lines[^1], StringComparison.Ordinal);
        var resumed = new TrainingFolder.Record();
        folder.Train(resumed, resume: true, threads: 1, "training.accumulate=2");
        Assert.Contains($"going on from step {step}.", resumed.Lines);
        Assert.Equal(folder.Weights("whole"), folder.Weights());
        Assert.Equal(Events(folder, "whole"), Events(folder, "out"));
    }

    [Fact]
    public void A_broken_newest_checkpoint_is_told_and_the_one_before_serves()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Train("output=whole");
        Assert.ThrowsAny<OperationCanceledException>(
            () => folder.Train(new TrainingFolder.Record { StopAfter = 17 }, resume: false, threads: 2));
        string newest = folder.File("out/checkpoints/step-00000017.safetensors");
        byte[] bytes = File.ReadAllBytes(newest);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(newest, bytes);
        var resumed = new TrainingFolder.Record();
        folder.Train(resumed, resume: true, threads: 2);
        Assert.Contains(resumed.Lines, line => line.Contains($"{newest}: the checksum", StringComparison.Ordinal));
        Assert.Contains("going on from step 16.", resumed.Lines);   // the best by validation
        Assert.True(File.Exists(newest + ".broken"));
        Assert.Equal(folder.Weights("whole"), folder.Weights());
    }

    [Fact]
    public void A_directory_with_a_training_is_not_overwritten()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Train();
        IOException refused = Assert.Throws<IOException>(() => folder.Train());
        Assert.Contains("holds a training", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_finished_training_goes_on_with_more_steps_as_if_it_had_them_from_the_start()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Train("output=whole", "training.steps=40");
        folder.Train("training.steps=20");
        folder.Train(new(), resume: true, threads: 2, "training.steps=40");
        Assert.Equal(folder.Weights("whole"), folder.Weights());
    }

    [Fact]
    public void Batches_may_become_larger_on_the_way()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Train("training.steps=20");
        Assert.Equal(24, folder.Train(new(), resume: true, threads: 2, "training.batchTokens=2000").Step);
    }

    [Fact]
    public void The_definition_in_double_precision_learns_the_same()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: true, pairs: 60, validation: 5, longest: 5);
        string[] changes = ["training.steps=12", "training.clip=1", "validation.every=6"];
        var (found, expected) = (new TrainingFolder.Record(), new TrainingFolder.Record());
        TrainingResult ofCpu = folder.Train(found, resume: false, threads: 2, changes);
        using var reference = new ReferenceBackend();
        TrainingConfig config = folder.Load([.. changes, "output=reference"]);
        TrainingResult ofReference = Trainer.Run(config, reference, expected, cancellation: Cancellation);

        // Float32 beside doubles: what differs by 1e-7 at first, Adam's division may make larger from step to step.
        Assert.Equal(12, found.Losses.Count);
        Assert.All(expected.Losses.Zip(found.Losses), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        Assert.Equal(ofReference.Validation!.Loss, ofCpu.Validation!.Loss, 1e-4);
        Assert.Equal(expected.Reports[^1].GradientNorm, found.Reports[^1].GradientNorm, 1e-3);
    }

    [Fact]
    public void Other_texts_than_those_of_the_checkpoint_are_refused()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Train();
        folder.WriteDigits("train", 400, 10, reversed: false, seed: 3);
        ModelFormatException refused = Assert.Throws<ModelFormatException>(() => folder.Train(new(), resume: true, threads: 2));
        Assert.Contains("the training data", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_changed_setting_is_told()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Train();
        var record = new TrainingFolder.Record();
        folder.Train(record, resume: true, threads: 2, "training.learningRate.peak=0.001", "training.steps=26");
        Assert.Equal("changed since the checkpoint: training.learningRate.peak was 0.003, is 0.001", record.Lines[0]);
    }

    // Each setting must at least lower the loss.
    [Theory]
    [InlineData("model.norm=pre")]
    [InlineData("model.tie=decoder")]
    [InlineData("model.tie=none")]
    [InlineData("model.encoderWindow=2", "model.decoderWindow=2")]
    [InlineData("model.attention=additive")]
    [InlineData("model.positions=learned", "model.maxPositions=300")]
    [InlineData("model.activation=gelu", "model.gated=true", "model.rmsNorm=true", "model.norm=pre")]
    [InlineData("model.embeddingNorm=true", "model.finalNorm=true")]
    [InlineData("tokenizer.vocabulary.sides=separate")]
    [InlineData("tokenizer.kind=characters")]
    [InlineData("training.optimizer={\"name\":\"adamw\",\"decay\":0.1}")]
    [InlineData("training.learningRate.schedule=cosine")]
    [InlineData("training.learningRate.schedule=linear")]
    [InlineData("training.learningRate.schedule=constant")]
    [InlineData("training.clip=0.5", "training.accumulate=3")]
    [InlineData("training.batchSentences=4")]
    [InlineData("training.labelSmoothing=0")]
    public void Every_choice_learns_and_its_model_translates(params string[] changes)
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false, pairs: 200, longest: 4);
        var record = new TrainingFolder.Record();
        TrainingResult result = folder.Train(
            record, resume: false, threads: 2, ["training.steps=60", "training.learningRate.peak=0.01", .. changes]);
        double first = record.Losses.Take(10).Average(), last = record.Losses.TakeLast(10).Average();
        Assert.True(last < 0.9 * first, $"{first} became {last}");
        using ModelData model = ModelReader.Open(result.Model);
        Assert.Equal(record.Start!.SourceVocabulary, model.SourceVocabulary.Count);
        Assert.InRange(result.Validation!.Bleu!.Value, 0, 100);
    }

    [Fact]
    public void The_choices_of_the_graph_are_in_the_model()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false, pairs: 50, longest: 4);
        using ModelData model = ModelReader.Open(folder.Train(
            "training.steps=2", "model.norm=pre", "model.encoderWindow=3", "model.decoderWindow=2", "model.tie=all").Model);
        Assert.True(model.Config.Encoder is { PreNorm: true, FinalNorm: true, Attention: { WindowLeft: 3, WindowRight: 3 } });
        Assert.Equal(2, model.Config.Decoder.Attention.WindowLeft);
        Assert.Equal(PositionKind.Sinusoidal, model.Config.Encoder.Positions.Kind);
        Assert.Same(model.Tensors["encoder.embedding.weight"], model.Tensors["output.weight"]);
        Assert.Equal(new SpecialTokens { AddSourceEnd = true }, model.Tokens);
    }

    [Fact]
    public void Batches_that_are_accumulated_count_as_one()
    {
        // One batch of all pairs, and the same pairs in several batches of a step: equal but for the order of sums.
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false, pairs: 40, longest: 6);
        string[] same = ["training.dropout={\"residual\":0}", "training.steps=5"];
        var (whole, parts) = (new TrainingFolder.Record(), new TrainingFolder.Record());
        folder.Train(whole, resume: false, threads: 2, [.. same, "training.batchTokens=100000", "output=whole"]);
        folder.Train(
            parts, resume: false, threads: 2,
            [.. same, "training.batchTokens=1000", "training.batchSentences=10", "training.accumulate=4"]);
        Assert.Equal(1, whole.Start!.BatchesOfEpoch);
        Assert.Equal(4, parts.Start!.BatchesOfEpoch);
        Assert.All(whole.Losses.Zip(parts.Losses), pair => Assert.Equal(pair.First, pair.Second, 1e-4));   // float32, 5 steps
    }

    [Fact]
    public void Epochs_end_with_their_last_batch()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false, pairs: 100);
        var record = new TrainingFolder.Record();
        TrainingResult result = folder.Train(
            record, resume: false, threads: 2, "training.steps=0", "training.epochs=2", "training.accumulate=1");
        int first = record.Start!.BatchesOfEpoch;
        Assert.InRange(result.Step, 2 * first - 3, (2 * first) + 3);   // another order is cut otherwise
        Assert.Equal(2, record.Reports[^1].Epoch);
    }

    [Theory]
    [InlineData("loss")]
    [InlineData("bleu")]
    public void Training_ends_early_when_nothing_gets_better(string criterion)
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        var record = new TrainingFolder.Record();
        TrainingResult result = folder.Train(
            record, resume: false, threads: 2, $"validation.criterion={criterion}", "validation.patience=2", "validation.every=4",
            "training.learningRate={\"schedule\":\"constant\",\"peak\":1e-12,\"warmup\":0}", "training.steps=400");
        Assert.True(result.EndedEarly);

        // A rate of nothing: no loss below the first one by more than rounding, no other BLEU at all.
        Assert.InRange(result.Step, 12, 40);
        Assert.Equal(result.Step, record.Validations[^1].Step);
    }

    [Fact]
    public void The_best_checkpoints_are_kept_and_averaged()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        var record = new TrainingFolder.Record();
        TrainingResult result = folder.Train(
            record, resume: false, threads: 2, "checkpoints.averageOf=best", "checkpoints.average=2", "validation.every=4",
            "training.learningRate={\"schedule\":\"constant\",\"peak\":0.03,\"warmup\":0}", "training.steps=60",
            "checkpoints.keep=1");
        int[] best = [.. record.Validations.OrderBy(report => report.Loss).Take(2).Select(report => report.Step).Order()];
        Assert.Equal(best, result.Averaged);
        foreach (int step in best) Assert.True(File.Exists(folder.File($"out/checkpoints/step-{step:D8}.safetensors")));
        Assert.True(Directory.GetFiles(folder.File("out/checkpoints")).Length <= 4);
    }

    [Fact]
    public void An_average_is_the_mean_of_the_checkpoints()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        TrainingResult result = folder.Train();
        Assert.Equal([15, 20, 24], result.Averaged);
        float[][] values =
        [
            .. result.Averaged.Select(step => Checkpoint.Read(folder.File($"out/checkpoints/step-{step:D8}.safetensors")).Values),
        ];
        using ModelData model = ModelReader.Open(result.Model);
        float[] query = model.Tensors["encoder.layers.0.self_attention.query.weight"].ReadFloats();   // the first parameter
        for (int i = 0; i < query.Length; i++)
            Assert.Equal((float)(((double)values[0][i] + values[1][i] + values[2][i]) / 3), query[i]);
    }

    [Fact]
    public void A_loss_that_is_no_number_names_step_layer_and_batch()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        TrainingDivergedException diverged = Assert.Throws<TrainingDivergedException>(() => folder.Train(
            "training.learningRate={\"schedule\":\"constant\",\"peak\":1e30,\"warmup\":0}", "validation.every=0"));
        Assert.InRange(diverged.Step, 2, 24);
        Assert.Contains($"step {diverged.Step:N0}", diverged.Message, StringComparison.Ordinal);
        Assert.Matches("of epoch [0-9]+, [0-9]+ sentences of lines [0-9]+", diverged.Message);
        Assert.Matches("encoder|decoder|embedding", diverged.Layer);
    }

    [Fact]
    public void A_loss_that_grows_far_ends_training()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        TrainingDivergedException diverged = Assert.Throws<TrainingDivergedException>(() => folder.Train(
            "training.learningRate={\"schedule\":\"constant\",\"peak\":30,\"warmup\":0}", "training.steps=3000",
            "validation.every=0"));
        Assert.Contains("the mean loss is", diverged.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_lines_are_counted_and_the_first_of_them_named()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false, pairs: 20);
        File.AppendAllText(folder.File("train.src"), "1 2\n\n1 2 3 4 5 6 7 8 9 1 2 3\n4\nextra\nextra\n");
        File.AppendAllText(folder.File("train.tgt"), "\n3\n1\n4\n");
        var record = new TrainingFolder.Record();
        folder.Train(record, resume: false, threads: 2, "data.maxLength=11", "training.steps=2");
        string source = folder.File("train.src"), target = folder.File("train.tgt");
        Assert.Equal(
            [
                $"left out 2 lines with an empty side: {target}:21, {source}:22", $"left out 1 line too long: {source}:23",
                $"left out 2 lines without a partner in the other file: {source}:25, {source}:26",
            ],
            record.Lines);
        Assert.Equal(21, record.Start!.Pairs);
    }

    [Fact]
    public void Texts_without_a_pair_are_told()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Write("train.src", "");
        folder.Write("train.tgt", "");
        Assert.Throws<InvalidDataException>(() => folder.Train());
    }

    [Fact]
    public void The_log_has_a_line_for_each_report_and_validation()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        folder.Train();
        JsonElement[] lines =
            [.. File.ReadAllLines(folder.File("out/train.log.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(
            [
                "start 0", "report 4", "report 8", "validation 8", "report 12", "report 16", "validation 16", "report 20",
                "report 24", "validation 24", "final 24",
            ],
            lines.Select(line => $"{line.GetProperty("event").GetString()} {line.GetProperty("step").GetInt32()}"));
        foreach (string key in (string[])["loss", "perplexity", "learningRate", "tokensPerSecond", "secondsLeft"])
            Assert.Equal(JsonValueKind.Number, lines[1].GetProperty(key).ValueKind);
        Assert.Equal(3, lines[^1].GetProperty("averaged").GetArrayLength());
        Assert.Contains("<svg", File.ReadAllText(folder.File("out/curves.svg")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_trainings_cannot_share_a_directory()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        Directory.CreateDirectory(folder.File("out"));
        await using (new FileStream(folder.File("out/train.lock"), FileMode.Create, FileAccess.ReadWrite, FileShare.None))
        {
            IOException refused = Assert.Throws<IOException>(() => folder.Train());
            Assert.Contains("Another training", refused.Message, StringComparison.Ordinal);
        }

        await Task.Run(() => folder.Train(), Cancellation);
    }

    // All but times.
    private static List<string> Events(TrainingFolder folder, string output)
    {
        var events = new List<string>();
        foreach (string line in File.ReadAllLines(folder.File($"{output}/train.log.jsonl")))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            if (document.RootElement.GetProperty("event").GetString() == "start") continue;
            IEnumerable<JsonProperty> members = document.RootElement.EnumerateObject()
                .Where(member => member.Name is not ("seconds" or "secondsLeft" or "tokensPerSecond"));
            events.Add(string.Join(' ', members.Select(member => member.ToString())));
        }

        return events;
    }
}
