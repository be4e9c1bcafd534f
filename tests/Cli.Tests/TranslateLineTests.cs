// Lines of text in, lines of text or JSON out.
using System.IO.Pipes;
using System.Text;
using System.Text.Json;
using Engine.Models;
using Xunit;

namespace Cli.Tests;

public sealed class TranslateLineTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("", "")]
    [InlineData("a b\nc\n", "A B\nC\n")]
    [InlineData("a\nb", "A\nB\n")]
    [InlineData("a\r\nb\r\n", "A\nB\n")]
    [InlineData("a\r", "A\n")]
    [InlineData("\n\na\n\n", "\n\nA\n\n")]
    [InlineData("   \n", "\n")]
    [InlineData("a\0b\n", "A\0B\n")]
    [InlineData("\uFEFFa\n", "A\n")]
    [InlineData("ж 😀 é\n", "Ж 😀 É\n")]
    public async Task Each_line_gives_one_line(string input, string output)
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync(input));
        Assert.Equal(output, shell.Output);
        Assert.Empty(shell.Error);
        Assert.True(shell.Translation.IsDisposed);
    }

    [Fact]
    public async Task Bytes_that_are_no_text_are_replaced()
    {
        using var shell = new TestShell { Input = new MemoryStream([0x61, 0xFF, 0x62, 0xC3, (byte)'\n', 0xE2, 0x82]) };
        Assert.Equal(0, await shell.RunAsync("translate"));
        Assert.Equal("A\uFFFDB\uFFFD\n\uFFFD\n", shell.Output);
    }

    [Fact]
    public async Task Files_are_read_one_after_another_and_a_dash_is_standard_input()
    {
        using var shell = new TestShell();
        shell.Write("one.txt", "a\nb");
        shell.Write("two.txt", "\uFEFFd\n");
        Assert.Equal(0, await shell.TranslateAsync("c\n", "one.txt", "-", "two.txt"));
        Assert.Equal("A\nB\nC\nD\n", shell.Output);
    }

    [Fact]
    public async Task Output_goes_to_a_file()
    {
        using var shell = new TestShell();
        shell.Write("out.txt", "something longer that was there before\n");
        Assert.Equal(0, await shell.TranslateAsync("a\n", "--output", "out.txt"));
        Assert.Empty(shell.Output);
        Assert.Equal("A\n", await File.ReadAllTextAsync(Path.Combine(shell.Directory, "out.txt"), Cancellation));
    }

    [Fact]
    public async Task The_order_is_kept_whatever_the_delays_and_the_window_is_bounded()
    {
        var random = new Random(1);
        using var shell = new TestShell
        {
            Translation = new FakeTranslation
            {
                Wait = (_, stop) =>
                {
                    lock (random) return random.Next(3) == 0 ? Task.CompletedTask : Task.Delay(random.Next(8), stop);
                },
            },
        };
        string[] lines = [.. Enumerable.Range(0, 500).Select(i => $"x{i}")];
        Assert.Equal(0, await shell.TranslateAsync(string.Join('\n', lines), "--batch-size", "3"));
        Assert.Equal(lines.Select(line => line.ToUpperInvariant()), shell.OutputLines);
        Assert.InRange(shell.Translation.MostRunning, 2, 12);
    }

    [Fact]
    public async Task Very_long_lines_share_the_window()
    {
        // 100,000 tokens of six bytes take 37 of the 128 places of the window.
        using var shell = new TestShell { Translation = new FakeTranslation { Wait = (_, stop) => Task.Delay(5, stop) } };
        string line = string.Join(' ', Enumerable.Repeat("token", 100_000));
        Assert.Equal(0, await shell.TranslateAsync(string.Concat(Enumerable.Repeat(line + "\n", 8))));
        Assert.Equal(Enumerable.Repeat(line.ToUpperInvariant(), 8), shell.OutputLines);
        Assert.InRange(shell.Translation.MostRunning, 1, 3);
    }

    [Fact]
    public async Task A_line_is_answered_before_the_next_one_is_given()
    {
        using var toCommand = new AnonymousPipeServerStream(PipeDirection.Out);
        using var input = new AnonymousPipeClientStream(PipeDirection.In, toCommand.ClientSafePipeHandle);
        using var fromCommand = new AnonymousPipeServerStream(PipeDirection.In);
        using var output = new AnonymousPipeClientStream(PipeDirection.Out, fromCommand.ClientSafePipeHandle);
        using var shell = new TestShell { Input = input, OutputStream = output };
        using var reader = new StreamReader(fromCommand);
        Task<int> command = shell.RunAsync("translate");
        for (int i = 0; i < 20; i++)
        {
            await toCommand.WriteAsync(Encoding.UTF8.GetBytes($"line {i}\n"), Cancellation);
            Task<string?> answer = reader.ReadLineAsync(Cancellation).AsTask();
            Assert.Equal($"LINE {i}", await answer.WaitAsync(Patience, Cancellation));
        }

        await toCommand.DisposeAsync();
        Assert.Equal(0, await command.WaitAsync(Patience, Cancellation));
    }

    [Fact]
    public async Task Each_line_gives_as_many_lines_as_hypotheses_are_wanted()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync("a b\n\nc\n", "--n-best", "2", "--scores"));
        Assert.Equal(["-0.5 ||| A B", "-1.5 ||| A B", "0 ||| ", "", "-0.5 ||| C", "-1.5 ||| C"], shell.OutputLines);
    }

    [Fact]
    public async Task A_line_that_is_too_long_is_an_empty_line_and_a_message()
    {
        using var shell = new TestShell { Translation = TooLongFor("long") };
        Assert.Equal(1, await shell.TranslateAsync("a\nlong\nb\n"));
        Assert.Equal("A\n\nB\n", shell.Output);
        Assert.Equal(
            "engine: standard input:2: The source has 2,000 tokens, the model's table of positions ends after 512.",
            Assert.Single(shell.ErrorLines));
    }

    [Fact]
    public async Task A_line_that_is_too_long_is_an_error_in_json()
    {
        using var shell = new TestShell { Translation = TooLongFor("long") };
        Assert.Equal(1, await shell.TranslateAsync("long\nb\n", "--json"));
        Assert.Equal(
            """{"text":"long","error":"The source has 2,000 tokens, the model's table of positions ends after 512."}""",
            shell.OutputLines[0]);
        Assert.Equal("""{"text":"b","hypotheses":[{"text":"B","tokens":["B"],"score":-0.5}]}""", shell.OutputLines[1]);
    }

    [Fact]
    public async Task Json_shows_all_that_was_asked_for()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.TranslateAsync("ж \"q\"\n", "--json", "--return-attention", "--return-token-scores"));
        Assert.Equal(
            """{"text":"ж \"q\"","hypotheses":[{"text":"Ж \"Q\"","tokens":["Ж","\"Q\""],"score":-0.5,"token_scores":[-0.25,-0.25],"attention":[[0.125,0.125],[0.125,0.125]]}]}""",
            shell.OutputLines[0]);
    }

    [Theory]
    [InlineData(-0.30161628f, "-0.30161628")]
    [InlineData(float.NegativeInfinity, "null")]
    public async Task Scores_are_as_short_as_they_can_be_and_exact(float score, string text)
    {
        using var shell = new TestShell { Translation = new FakeTranslation { Score = score } };
        Assert.Equal(0, await shell.TranslateAsync("a\n", "--json"));
        using var json = JsonDocument.Parse(shell.Output);
        Assert.Equal(text, json.RootElement.GetProperty("hypotheses")[0].GetProperty("score").GetRawText());
    }

    [Fact]
    public async Task An_option_that_the_translator_refuses_is_wrong_usage_told_in_one_line()
    {
        using var shell = new TestShell
        {
            Translation = new FakeTranslation
            {
                Check = request => throw new ArgumentException("The token 'q' is not in the vocabulary.", nameof(request)),
            },
        };
        Assert.Equal(2, await shell.TranslateAsync("a\nb\n"));
        Assert.Equal(
            "engine: The token 'q' is not in the vocabulary. See 'engine translate --help'.",
            Assert.Single(shell.ErrorLines));
        Assert.Empty(shell.Output);
    }

    [Fact]
    public async Task A_reader_that_goes_away_is_no_error()
    {
        int code = OperatingSystem.IsWindows() ? unchecked((int)0x8007006D) : 32;
        using var broken = new BrokenStream(new IOException("Broken pipe", code));
        using var shell = new TestShell { OutputStream = broken };
        Assert.Equal(0, await shell.TranslateAsync(string.Concat(Enumerable.Repeat("a\n", 10_000))));
        Assert.Equal(1, broken.Writes);
        Assert.Empty(shell.Error);
    }

    [Fact]
    public async Task A_full_disk_is_told_in_one_line()
    {
        using var broken = new BrokenStream(new IOException("No space left on device", 28));
        using var shell = new TestShell { OutputStream = broken };
        Assert.Equal(1, await shell.TranslateAsync("a\nb\n"));
        Assert.Equal("engine: standard output: No space left on device", Assert.Single(shell.ErrorLines));
    }

    [Fact]
    public async Task A_stop_prints_what_is_done_in_order()
    {
        using var stop = new CancellationTokenSource();
        var third = new TaskCompletionSource();
        using var shell = new TestShell
        {
            Translation = new FakeTranslation
            {
                Wait = async (source, cancellation) =>
                {
                    if (source == "d") third.SetResult();                                 // done, but not in order
                    if (source == "c") await Task.Delay(Timeout.Infinite, cancellation);
                },
            },
            Input = new EndlessStream("a\nb\nc\nd\n"u8.ToArray()),
        };
        Task<int> command = shell.RunAsync(stop.Token, "translate");
        await third.Task.WaitAsync(Patience, Cancellation);
        await stop.CancelAsync();
        Assert.Equal(1, await command.WaitAsync(Patience, Cancellation));
        Assert.Equal("A\nB\n", shell.Output);
        Assert.Equal("engine: stopped.", Assert.Single(shell.ErrorLines));
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_a_person_to_type()
    {
        using var stop = new CancellationTokenSource();
        using var shell = new TestShell { Input = new EndlessStream([]) };
        Task<int> command = shell.RunAsync(stop.Token, "translate");
        await stop.CancelAsync();
        Assert.Equal(1, await command.WaitAsync(Patience, Cancellation));
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_a_step_that_runs()
    {
        using var stop = new CancellationTokenSource();
        using var stepEnds = new ManualResetEventSlim();
        var second = new TaskCompletionSource();
        using var shell = new TestShell
        {
            Translation = new FakeTranslation
            {
                Wait = (source, _) =>
                {
                    if (source == "a") return Task.CompletedTask;
                    second.SetResult();
                    return Task.Delay(Timeout.Infinite, Cancellation);   // it does not look at the stop
                },
                DisposeSlowly = stepEnds.Wait,
            },
        };
        Task<int> command = Task.Run(() =>
        {
            shell.Input = new MemoryStream("a\nb\n"u8.ToArray());
            return shell.RunAsync(stop.Token, "translate");
        });
        await second.Task.WaitAsync(Patience, Cancellation);
        await stop.CancelAsync();
        Assert.Equal(1, await command.WaitAsync(Patience, Cancellation));
        stepEnds.Set();
        Assert.Equal("A\n", shell.Output);
        Assert.Equal("engine: stopped.", Assert.Single(shell.ErrorLines));
    }

    [Fact]
    public async Task A_failure_in_the_middle_prints_what_was_done_before_it()
    {
        using var shell = new TestShell
        {
            Translation = new FakeTranslation
            {
                Check = request =>
                {
                    if (request.Source[0] == "c") throw new InvalidOperationException("the device is gone");
                },
            },
        };
        Assert.Equal(1, await shell.TranslateAsync("a\nb\nc\nd\n"));
        Assert.Equal("A\nB\n", shell.Output);
        Assert.Equal(
            "engine: unexpected InvalidOperationException: the device is gone", Assert.Single(shell.ErrorLines));
    }

    [Theory]
    [InlineData("engine: missing.txt was not found.", "missing.txt")]
    [InlineData("engine: models is a directory, expected a file.", "models")]
    public async Task An_input_that_cannot_be_read_is_told_before_anything_is_done(string message, string file)
    {
        using var shell = new TestShell();
        shell.Write("one.txt", "a\n");
        shell.Write("out.txt", "kept\n");
        Assert.Equal(1, await shell.RunAsync("translate", "one.txt", file, "--output", "out.txt"));
        Assert.Equal(message, Assert.Single(shell.ErrorLines));
        Assert.Null(shell.Settings);
        Assert.Equal("kept\n", await File.ReadAllTextAsync(Path.Combine(shell.Directory, "out.txt"), Cancellation));
    }

    [Fact]
    public async Task An_input_is_not_overwritten()
    {
        using var shell = new TestShell();
        shell.Write("one.txt", "a\n");
        Assert.Equal(2, await shell.RunAsync("translate", "one.txt", "--output", "./one.txt"));
        Assert.Contains("both input and output", shell.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_input_is_not_overwritten_through_a_link()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a privilege here.");
        using var shell = new TestShell();
        string input = shell.Write("one.txt", "a\n"), link = Path.Combine(shell.Directory, "link.txt");
        File.CreateSymbolicLink(link, "one.txt");
        Assert.Equal(2, await shell.RunAsync("translate", "one.txt", "--output", "link.txt"));
        Assert.Equal(2, await shell.RunAsync("translate", "link.txt", "--output", "one.txt"));
        Assert.Equal("a\n", await File.ReadAllTextAsync(input, Cancellation));
    }

    [Fact]
    public async Task An_input_that_breaks_off_is_told_after_what_came_before()
    {
        using var shell = new TestShell { Input = new BreakingStream("a\nb\n"u8.ToArray()) };
        Assert.Equal(1, await shell.RunAsync("translate"));
        Assert.Equal("A\nB\n", shell.Output);
        Assert.Equal("engine: standard input: the wire is cut", Assert.Single(shell.ErrorLines));
    }

    [Fact]
    public async Task A_line_without_end_is_refused_before_memory_is_full()
    {
        using var shell = new TestShell { Input = new ZeroStream() };
        Assert.Equal(1, await shell.RunAsync("translate"));
        Assert.Equal("engine: standard input: an item is longer than 67,108,864 bytes.", Assert.Single(shell.ErrorLines));
    }

    private static FakeTranslation TooLongFor(string source) => new()
    {
        Check = request =>
        {
            if (request.Source[0] == source) throw new SequenceTooLongException("The source", 2000, 512);
        },
    };

    // Gives some bytes, and then waits as a terminal does.
    private sealed class EndlessStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer)
        {
            int count = base.Read(buffer);
            if (count == 0) Thread.Sleep(Timeout.Infinite);
            return count;
        }
    }

    private sealed class BreakingStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer)
        {
            int count = base.Read(buffer);
            return count > 0 ? count : throw new IOException("the wire is cut");
        }
    }

    private sealed class ZeroStream : MemoryStream
    {
        public override int Read(Span<byte> buffer)
        {
            buffer.Clear();
            return buffer.Length;
        }
    }
}
