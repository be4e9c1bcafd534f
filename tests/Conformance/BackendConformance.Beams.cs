// Steps of a beam search in a backend's memory: by its rules, and so that each hypothesis finds its own history in the cache.
using Engine.Backends;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    /// <summary>Every table after every step, for searches of all sizes side by side, with ties, ends and last positions.</summary>
    [Fact]
    public void AdvanceBeams_follows_its_rules()
    {
        (int Beams, int Live, int Length, int MaxLength)[][] batches =
        [
            [(1, 1, 0, 40)],
            [(4, 1, 0, 40), (4, 4, 14, 40), (1, 1, 15, 17), (5, 3, 16, 40), (2, 2, 30, 32), (0, 0, 0, 0), (7, 7, 9, 40)],
            [(32, 1, 0, 40), (32, 32, 12, 40)],
            [.. Enumerable.Range(0, 40).Select(static i => ((i % 4) + 1, (i % 4) + 1, i % 20, 20 + (i % 7)))],
        ];
        foreach ((int Beams, int Live, int Length, int MaxLength)[] batch in batches)
        {
            for (int seed = 0; seed < 4; seed++)
            {
                foreach (int steps in new[] { 1, 4, 16 })
                {
                    var search = new BeamCase(batch, steps, seed);
                    List<BeamTables> expected = InFrame(Reference, b => search.Run(b, view: false));
                    search.CheckHistories(expected);
                    List<BeamTables> found = InFrame(Backend, b => search.Run(b, view: true));
                    AssertEqual(expected, found);
                    if (batch.Length > 1) Assert.NotEqual(0, found[^1].Searches.Sum(static s => s.Live));
                    if (Twin is { } twin) AssertEqual(expected, InFrame(twin, b => search.Run(b, view: false)));
                }
            }
        }
    }

    /// <summary>Where no blocks are spare, the next keys and values of who needs one go nowhere.</summary>
    [Fact]
    public void AdvanceBeams_gives_no_block_that_there_is_not()
    {
        var search = new BeamCase([(4, 4, 10, 40), (4, 4, 15, 40), (1, 1, 15, 40)], steps: 2, seed: 5, columnsOfSpare: 0);
        List<BeamTables> found = InFrame(Backend, b => search.Run(b, view: false));
        AssertEqual(InFrame(Reference, b => search.Run(b, view: false)), found);
        Assert.True(found[0].Searches.Any(s => found[0].Slots.AsSpan(s.FirstRow, s.Live).Contains(-1)), "each row has a block");
    }

    [Fact]
    public void AdvanceBeams_refuses_other_shapes() => InFrame(Backend, b =>
    {
        var search = new BeamCase([(2, 2, 3, 20)], steps: 2, seed: 1);
        Tensor scores = Put(b, search.Rows, 4, new float[search.Rows * 4]), tokens = Put(b, search.Rows, 4, new int[search.Rows * 4]);
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(scores.ColumnRange(0, 3), tokens, search.Put(b)));
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(tokens, scores, search.Put(b)));
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(scores.RowRange(0, 1), tokens.RowRange(0, 1), search.Put(b)));
        BeamState good = search.Put(b);
        Tensor three = Put(b, search.Rows, 3, new int[search.Rows * 3]);
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(scores, tokens, With(search.Put(b), spare: three)));
        Assert.Throws<ArgumentException>(() => b.AdvanceBeams(scores, tokens, With(search.Put(b), spare: search.Put(b).Spare.RowRange(0, 1))));
        b.AdvanceBeams(scores, tokens, good);
        return true;
    });

    /// <summary>A sentence that the tables have no room for: refused where it is seen, passed over where it is not.</summary>
    [Fact]
    public void AdvanceBeams_touches_nothing_of_a_sentence_that_is_not_there()
    {
        (int Beams, int Live, int Length, int MaxLength, int First, int Candidates, int Taken)[] wrong =
        [
            (33, 1, 3, 20, 0, 2, 0), (2, 3, 3, 20, 0, 4, 0), (2, 2, 3, 20, -1, 4, 0), (2, 2, 3, 20, 42, 4, 0), (2, 2, 3, 20, 0, 5, 0),
            (2, 2, 3, 20, 0, 0, 0), (2, 2, 20, 20, 0, 4, 0), (2, 2, -1, 20, 0, 4, 0), (2, 2, 3, 20, 0, 4, 2), (2, 2, 3, 20, 0, 4, -1),
            (2, -1, 3, 20, 0, 4, 0), (0, 1, 3, 20, 0, 4, 0), (2, 2, 3, 20, int.MaxValue, 4, 0), (2, 2, 3, 20, 0, 4, int.MaxValue),
        ];
        foreach (var (beams, live, length, maxLength, first, candidates, taken) in wrong)
        {
            var search = new BeamCase([(40, 4, 3, 20)], steps: 2, seed: 1);
            ref BeamSentence sentence = ref search.Sentence(0);
            (sentence.Beams, sentence.Live, sentence.Length, sentence.MaxLength) = (beams, live, length, maxLength);
            (sentence.FirstRow, sentence.Candidates, sentence.Taken) = (first, candidates, taken);
            InFrame(Backend, b =>
            {
                Tensor scores = Put(b, search.Rows, 8, new float[search.Rows * 8]), tokens = Put(b, search.Rows, 8, new int[search.Rows * 8]);
                BeamState state = search.Put(b);
                int[] before = Integers(b, state.Blocks), ids = Integers(b, state.Ids);
                bool isRefused = false;
                try
                {
                    b.AdvanceBeams(scores, tokens, state);
                }
                catch (ArgumentException)
                {
                    isRefused = true;
                }

                Assert.Equal(SeesValues, isRefused);
                Assert.Equal(before, Integers(b, state.Blocks));
                Assert.Equal(ids, Integers(b, state.Ids));
                return true;
            });
        }
    }

    private static void AssertEqual(List<BeamTables> expected, List<BeamTables> found)
    {
        Assert.Equal(expected.Count, found.Count);
        for (int i = 0; i < expected.Count; i++) Assert.Equal(expected[i].All, found[i].All);
    }

    private static BeamState With(in BeamState state, Tensor spare) => new()
    {
        Sentences = state.Sentences, Ends = state.Ends, Sums = state.Sums, Ids = state.Ids, Positions = state.Positions,
        Slots = state.Slots, Lengths = state.Lengths, Blocks = state.Blocks, Copies = state.Copies, Spare = spare, Moves = state.Moves,
    };
}
