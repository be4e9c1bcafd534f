// One text in three: the parts have the sizes that were asked for, share no side with what is learned, and do not depend on the order.
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class HoldOutTests
{
    // Sources with one to four targets, and targets that several sources share.
    private static TextPair[] Pairs(int count)
    {
        var random = new Random(3);
        var pairs = new TextPair[count];
        for (int i = 0; i < count; i++) pairs[i] = new TextPair($"source {random.Next(count / 2)}", $"target {random.Next(count)}", i + 1);
        return pairs;
    }

    private static HashSet<TextPair> Part(HoldOut holdOut, TextPair[] pairs, TextPart part) =>
        [.. pairs.Where(pair => holdOut.IsIn(part, pair))];

    [Theory]
    [InlineData(100, 50)]
    [InlineData(1, 0)]
    [InlineData(0, 7)]
    [InlineData(0, 0)]
    public void Parts_have_their_sizes_and_share_no_side(int testCount, int validationCount)
    {
        TextPair[] pairs = Pairs(2000);
        var holdOut = new HoldOut(pairs, new HoldOutSettings(testCount, validationCount));
        HashSet<TextPair> test = Part(holdOut, pairs, TextPart.Test), validation = Part(holdOut, pairs, TextPart.Validation);
        HashSet<TextPair> train = Part(holdOut, pairs, TextPart.Train);
        Assert.Equal(testCount, test.Count);
        Assert.Equal(validationCount, validation.Count);
        HashSet<string> held = [.. test.Concat(validation).SelectMany(static pair => new[] { pair.Source, pair.Target })];
        Assert.DoesNotContain(train, pair => held.Contains(pair.Source) || held.Contains(pair.Target));
        Assert.Empty(test.Select(static pair => pair.Source).Intersect(validation.Select(static pair => pair.Source)));
        Assert.Empty(test.Select(static pair => pair.Target).Intersect(validation.Select(static pair => pair.Target)));

        // What is nowhere has a side in common with what is held out.
        Assert.All(
            pairs.Where(pair => !test.Contains(pair) && !validation.Contains(pair) && !train.Contains(pair)),
            pair => Assert.True(held.Contains(pair.Source) || held.Contains(pair.Target)));
    }

    [Fact]
    public void The_order_of_the_text_changes_nothing()
    {
        TextPair[] pairs = Pairs(500), turned = [.. pairs.Reverse()];
        var settings = new HoldOutSettings(40, 30);
        HoldOut first = new(pairs, settings), second = new(turned, settings);
        foreach (TextPart part in Enum.GetValues<TextPart>()) Assert.Equal(Part(first, pairs, part), Part(second, turned, part));
    }

    // sha256("a") = ca97..., of "b" 3e23..., of "c" 2e7d..., of "d" 18ac...
    [Fact]
    public void Sources_come_in_the_order_of_their_hashes()
    {
        TextPair[] pairs = [new("a", "1", 1), new("b", "2", 2), new("c", "3", 3), new("c", "4", 4), new("d", "5", 5)];
        var holdOut = new HoldOut(pairs, new HoldOutSettings(2, 1));
        Assert.Equal(["b", "d"], Part(holdOut, pairs, TextPart.Test).Select(static pair => pair.Source).Order());     // c has two pairs, one too many
        Assert.Equal(["a"], Part(holdOut, pairs, TextPart.Validation).Select(static pair => pair.Source));
    }
}
