// The tasks of the studies: answers follow their rule, draws follow their seed, and what is right is counted as right.
using Engine.Studies;
using Xunit;

namespace Engine.Tests.Studies;

public sealed class SmallTaskTests
{
    [Fact]
    public void Answers_follow_the_rule()
    {
        Check(SmallTask.Copy, static (x, i) => $"{x[i]}");
        Check(SmallTask.Reversal, static (x, i) => $"{x[^(i + 1)]}");
        Check(SmallTask.Neighbours, static (x, i) =>
            (i == 0 ? "." : $"{x[i - 1]}") + $"{x[i]}" + (i == x.Length - 1 ? "." : $"{x[i + 1]}"));
    }

    [Fact]
    public void One_table_answers_every_look_up_of_a_seed()
    {
        var table = new Dictionary<(string, string), string>();
        foreach (uint stream in (uint[])[1, 2])
        {
            foreach (TaskPair pair in SmallTask.Lookups(new StudyRandom(5, stream), 400, 2, 6, 7))
            {
                string[] source = pair.Source.Split(' '), target = pair.Target.Split(' ');
                Assert.Equal(source.Length, target.Length);
                for (int i = 0; i < source.Length; i++)
                {
                    (string, string) place = (source[i], source[(i + 1) % source.Length]);
                    if (!table.TryAdd(place, target[i])) Assert.Equal(table[place], target[i]);
                }
            }
        }

        Assert.Equal(49, table.Count);
        Assert.Equal(7, table.Values.Distinct().Count());
    }

    [Fact]
    public void Draws_are_those_of_the_seed_and_of_the_stream()
    {
        TaskPair[] Pairs(int seed, uint stream) => SmallTask.Copy(new StudyRandom(seed, stream), 50, 1, 9, 10);
        Assert.Equal(Pairs(1, 1), Pairs(1, 1));
        Assert.NotEqual(Pairs(1, 1), Pairs(2, 1));
        Assert.NotEqual(Pairs(1, 1), Pairs(1, 2));
    }

    [Fact]
    public void Deviates_are_normal()
    {
        const int Count = 1_000_000;
        var values = new float[Count];
        new StudyRandom(3, 4).Fill(values);
        double mean = values.Average(static x => (double)x), squares = values.Average(static x => (double)x * x);
        double fourth = values.Average(static x => Math.Pow(x, 4));

        // Five standard errors of a mean of 1, x² and x⁴: deviations 1, √2 and √96, each over √1,000,000.
        Assert.InRange(mean, -0.005, 0.005);
        Assert.InRange(squares, 1 - 0.0071, 1 + 0.0071);
        Assert.InRange(fourth, 3 - 0.049, 3 + 0.049);
        Assert.InRange(values.Zip(values.Skip(1)).Average(static pair => (double)pair.First * pair.Second), -0.005, 0.005);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void An_array_of_any_length_is_filled_and_no_more(int length)
    {
        var values = new float[length + 1];
        new StudyRandom(1, 1).Fill(values.AsSpan(0, length));
        Assert.DoesNotContain(0, values[..length]);
        Assert.Equal(0, values[length]);
    }

    [Fact]
    public void Right_is_what_stands_in_its_place()
    {
        Accuracy found = Accuracy.Of([["a", "b"], ["a", "c", "b"], [], ["x", "y"]], [["a", "b"], ["a", "b"], ["z"], ["x"]]);
        Assert.Equal(1 / 4.0, found.Sentences);
        Assert.Equal(4 / 6.0, found.Tokens);
    }

    private static void Check(Func<StudyRandom, int, int, int, int, TaskPair[]> task, Func<int[], int, string> rule)
    {
        TaskPair[] pairs = task(new StudyRandom(1, 1), 200, 3, 6, 7);
        Assert.Equal([3, 4, 5, 6], pairs.Select(static pair => pair.Source.Split(' ').Length).Distinct().Order());
        foreach (TaskPair pair in pairs)
        {
            int[] source = [.. pair.Source.Split(' ').Select(int.Parse)];
            Assert.All(source, static one => Assert.InRange(one, 0, 6));
            Assert.Equal(Enumerable.Range(0, source.Length).Select(i => rule(source, i)), pair.Target.Split(' '));
        }
    }
}
