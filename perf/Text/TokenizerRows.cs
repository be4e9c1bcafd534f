// Cutting text in pieces beside SentencePiece's own program: both read a file of lines and give ids, on one thread.
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Engine.Perf.Measuring;
using Engine.Perf.Table;
using Engine.Perf.WholeModels;
using Engine.Text.SentencePiece;
using Engine.Text.SentencePiece.Training;

namespace Engine.Perf.Text;

/// <summary>Measures tokenizers.</summary>
internal static class TokenizerRows
{
    private const string PeerName = "spm_encode";
    private const int Pieces = 8000, Copies = 2;

    // Sentence pairs beside the checkout; any text of some megabytes would do.
    private static readonly string Corpus = Path.Combine("..", "shared", "data", "tatoeba", "deu.txt");

    /// <summary>What is here of the peer.</summary>
    public static string Describe
    {
        get
        {
            try
            {
                return $"{PeerName}: {ChildProcess.Run(PeerName, ["--version"]).Output.Trim()}";
            }
            catch (Exception missing) when (missing is InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                return $"{PeerName}: not here. apt-get install sentencepiece";
            }
        }
    }

    /// <summary>Whether there is a text to measure with.</summary>
    public static bool IsHere => File.Exists(Corpus);

    /// <summary>The line.</summary>
    public static string What(SegmentationType type) => $"tokenizer {(type == SegmentationType.Bpe ? "bpe" : "unigram")}, 24 MB of text, 1 thread";

    /// <summary>The whole file by the engine and by the peer, A B A B.</summary>
    public static Result Measure(string cache, SegmentationType type, bool isQuick)
    {
        Directory.CreateDirectory(cache);
        string text = Path.Combine(cache, "text.txt"), model = Path.Combine(cache, $"{type}.model"), ids = Path.Combine(cache, "ids.txt");
        string[] lines = [.. File.ReadLines(Corpus).SelectMany(static line => line.Split('\t'))];
        File.WriteAllLines(text, Enumerable.Repeat(lines, Copies).SelectMany(static copy => copy));
        if (!File.Exists(model))
            File.WriteAllBytes(model, VocabularyTrainer.Train(
                lines.Select(static line => new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(line))), new VocabularyOptions(Pieces) { Type = type }).ToModel());
        double megabytes = new FileInfo(text).Length / 1e6;
        bool hasPeer = !Describe.Contains("not here", StringComparison.Ordinal);
        var (own, peer) = (new List<double>(), new List<double>());
        int[] sums = [];
        for (int round = 0; round < (isQuick ? 1 : 3); round++)
        {
            own.Add(Encode(model, text, out int[] counts));
            if (!hasPeer) continue;
            long began = Stopwatch.GetTimestamp();
            ChildProcess.Run(PeerName, [$"--model={model}", "--output_format=id", $"--input={text}", $"--output={ids}"]);
            peer.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            sums = [.. File.ReadLines(ids).Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length)];
            int different = counts.Zip(sums).Count(static pair => pair.First != pair.Second);
            if (counts.Length != sums.Length || different > 0)
                throw new InvalidOperationException($"{PeerName} cuts {different} of {counts.Length} lines in other numbers of pieces.");
        }

        double figure = Statistics.Median(own);
        var peers = new List<PeerFigure>();
        if (hasPeer) peers.Add(new PeerFigure(PeerName, Statistics.Median(peer), Statistics.Median(peer) / figure));
        return new Result
        {
            What = What(type),
            Figure = figure,
            Spread = [own.Min(), own.Max()],
            Unit = "ms",
            Peers = peers,
            Note = string.Create(CultureInfo.InvariantCulture, $"{1e3 * megabytes / figure:F1} MB/s, from a file to ids"),
        }.Judged(Goal.Times(3, PeerName));
    }

    private static double Encode(string model, string text, out int[] counts)
    {
        long began = Stopwatch.GetTimestamp();
        SentencePieceTokenizer tokenizer = SentencePieceTokenizer.Load(model);
        var found = new List<int>();
        var ids = new List<int>();
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(text);
        while (!bytes.IsEmpty)
        {
            int end = bytes.IndexOf((byte)'\n');
            ids.Clear();
            tokenizer.Encode(end < 0 ? bytes : bytes[..end], ids);
            found.Add(ids.Count);
            bytes = end < 0 ? default : bytes[(end + 1)..];
        }

        counts = [.. found];
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }
}
