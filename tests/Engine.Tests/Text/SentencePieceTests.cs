// The tokenizer's own promises: nothing is allocated but the result, any number of threads, draws by seed and with the right
// probabilities; and a broken model file is refused, not believed.
using System.Buffers.Binary;
using System.Text;
using Engine.Formats;
using Engine.Text.SentencePiece;
using Xunit;

namespace Engine.Tests.Text;

public class SentencePieceTests
{
    private static readonly string[] Lines =
        ["Tom is here.", "  two  spaces ", "", "Grüße aus Köln!", "日本 x", new string('a', 3000), string.Concat(Enumerable.Repeat("wort ", 500))];

    [Theory]
    [InlineData("unigram-user")]
    [InlineData("bpe-user-bytes")]
    public void A_line_in_utf8_allocates_nothing_once_it_is_warm(string name)
    {
        SentencePieceTokenizer tokenizer = Open(name);
        byte[][] lines = [.. Lines.Select(Encoding.UTF8.GetBytes)];
        var ids = new List<int>(1 << 16);
        long least = long.MaxValue;   // the runtime itself allocates now and then, when it compiles a method anew
        for (int round = 0; round < 10; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            ids.Clear();
            foreach (byte[] line in lines) tokenizer.Encode(line, ids);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
        Assert.Equal(Lines.SelectMany(tokenizer.Encode), ids);
    }

    [Theory]
    [InlineData("unigram-user")]
    [InlineData("bpe-user-bytes")]
    public void Threads_at_once_get_what_one_gets(string name)
    {
        SentencePieceTokenizer tokenizer = Open(name);
        int[][] alone = [.. Lines.Select(tokenizer.Encode)];
        Parallel.For(0, 200, i => Assert.Equal(alone[i % Lines.Length], tokenizer.Encode(Lines[i % Lines.Length])));
    }

    [Fact]
    public void Ways_are_drawn_as_often_as_their_probability_says()
    {
        const int Draws = 4000;
        const double Alpha = 0.5;
        const string Text = "Tom is";
        SentencePieceTokenizer tokenizer = Open("unigram-user");
        IReadOnlyList<ScoredPieces> ways = tokenizer.Best(Text, 1024);
        Assert.InRange(ways.Count, 2, 1023);   // all of them
        double sum = ways.Sum(way => Math.Exp(Alpha * way.Score));
        foreach (int best in new[] { 0, ways.Count })
        {
            ILookup<string, int> drawn = Enumerable.Range(0, Draws)
                .ToLookup(line => string.Join('|', tokenizer.Sample(Text, Alpha, best, seed: 5, line)));
            foreach (ScoredPieces way in ways)
            {
                double probability = Math.Exp(Alpha * way.Score) / sum;
                double deviation = Math.Sqrt(Draws * probability * (1 - probability));
                Assert.InRange(drawn[string.Join('|', way.Pieces)].Count(), (Draws * probability) - (5 * deviation) - 1,
                    (Draws * probability) + (5 * deviation) + 1);
            }
        }
    }

    [Theory]
    [InlineData("unigram-user", 0.2)]
    [InlineData("bpe-user-bytes", 0.3)]
    public void A_seed_and_a_line_number_give_the_same_draw_and_every_draw_is_the_text(string name, double alpha)
    {
        const string Text = "Tom is here with Mary and a dog.";
        SentencePieceTokenizer tokenizer = Open(name);
        string[] draws = [.. Enumerable.Range(0, 50).Select(line => string.Join('|', tokenizer.Sample(Text, alpha, seed: 3, line: line)))];
        Assert.Equal(draws, Enumerable.Range(0, 50).Select(line => string.Join('|', tokenizer.Sample(Text, alpha, seed: 3, line: line))));
        Assert.InRange(draws.Distinct().Count(), 10, 50);
        Assert.All(draws, draw => Assert.Equal(Text, tokenizer.Detokenize(draw.Split('|'))));
    }

    [Fact]
    public void Without_dropout_bpe_is_as_ever_and_with_all_of_it_characters()
    {
        const string Text = "Tom is here.";
        SentencePieceTokenizer tokenizer = Open("bpe-user-bytes");
        Assert.Equal(tokenizer.Tokenize(Text), tokenizer.Sample(Text, 0));
        Assert.Equal(Text.Length + 1, tokenizer.Sample(Text, 1).Count);   // and the space before it
    }

    [Theory]
    [InlineData("word")]
    [InlineData("char")]
    public void What_has_one_way_is_neither_sampled_nor_listed(string name)
    {
        SentencePieceTokenizer tokenizer = Open(name);
        Assert.Throws<NotSupportedException>(() => tokenizer.Sample("a b", 0.1));
        Assert.Throws<NotSupportedException>(() => tokenizer.Best("a b", 2));
    }

    [Fact]
    public void An_id_that_is_none_is_refused()
    {
        SentencePieceTokenizer tokenizer = Open("char");
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([tokenizer.Model.Count]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([-1]));
    }

    [Fact]
    public void A_file_that_is_cut_off_or_changed_anywhere_is_read_or_refused_with_its_name()
    {
        byte[] whole = File.ReadAllBytes(TestData.Find("sentencepiece/bpe-user-bytes.model"));
        var random = new Random(11);
        for (int i = 0; i < 3000; i++)
        {
            byte[] broken = i % 3 == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            for (int k = 0; i % 3 != 0 && k < 3; k++) broken[random.Next(broken.Length)] = (byte)random.Next(256);
            try
            {
                var tokenizer = new SentencePieceTokenizer(SentencePieceModel.Read(broken, "broken.model"));
                tokenizer.Decode(tokenizer.Encode("Tom is here 日本 <sep>"));
            }
            catch (ModelFormatException refused)
            {
                Assert.StartsWith("broken.model", refused.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void A_character_map_that_points_outside_does_no_harm()
    {
        byte[] whole = File.ReadAllBytes(TestData.Find("sentencepiece/unigram-user.model"));
        var random = new Random(12);
        int map = whole.AsSpan().LastIndexOf("nmt_nfkc"u8) + "nmt_nfkc"u8.Length + 8;
        for (int i = 0; i < 40; i++)
        {
            byte[] broken = [.. whole];
            for (int k = 0; k < 20_000; k++)
                BinaryPrimitives.WriteUInt32LittleEndian(broken.AsSpan(map + random.Next(200_000)), (uint)random.Next());
            var tokenizer = new SentencePieceTokenizer(SentencePieceModel.Read(broken, "broken.model"));
            foreach (string line in Lines) tokenizer.Encode(line);
        }
    }

    [Theory]
    [InlineData(new byte[] { 0x0A, 0x00 }, "pieces[0].piece")]
    [InlineData(new byte[] { 0x0A, 0x03, 0x0A, 0x01, 0x61 }, "no unknown piece")]
    [InlineData(new byte[] { 0x0A, 0x05, 0x0A, 0x01, 0x61, 0x18, 0x09 }, "pieces[0].type")]
    [InlineData(new byte[] { 0x0A, 0x7F }, "length")]
    [InlineData(new byte[] { }, "number of pieces")]
    public void What_is_wrong_is_named(byte[] data, string expected)
    {
        var refused = Assert.Throws<ModelFormatException>(() => SentencePieceModel.Read(data, "a.model"));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    private static SentencePieceTokenizer Open(string name) => SentencePieceTokenizer.Load(TestData.Find($"sentencepiece/{name}.model"));
}
