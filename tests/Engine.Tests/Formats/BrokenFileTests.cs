// Thousands of broken models: each is an error that names file and field, or loads where the damage is harmless; never
// another exception, never a hang, never memory that the file's length does not explain.
using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Formats;

public class BrokenFileTests
{
    private const long SpareBytes = 64 << 20;

    // Of the ten thousand cases of each model a fixed sample, a few seconds in all; with ENGINE_TEST_ALL=1 every one.
    private const int SampleCases = 1_000;

    /// <summary>One broken file of a model.</summary>
    /// <param name="What">For messages.</param>
    /// <param name="File">The file.</param>
    /// <param name="Content">What is in it; null: it is missing.</param>
    /// <param name="MustFail">Whether no reader may accept it; else it may be harmless.</param>
    private readonly record struct Broken(string What, string File, byte[]? Content, bool MustFail);

    [Theory]
    [InlineData(1, DType.Float32)]
    [InlineData(2, DType.Int8)]
    [InlineData(3, DType.Int16)]
    [InlineData(6, DType.Float16)]
    [InlineData(6, DType.Int8)]
    public void Broken_CTranslate2_models_are_refused(int version, DType weights)
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = version == 1 ? TinyModel.BuildVersion1(weights) : TinyModel.Build(version, weights);
        if (version >= 3)
        {
            writer.Remove("decoder/projection/weight");
            if (weights is DType.Int8 or DType.Int16) writer.Remove("decoder/projection/weight_scale");
            writer.Alias("decoder/projection/weight", "decoder/embeddings/weight");
        }
        if (version == 2) writer.AddText("unk_token", "<unk>");
        string place = TinyModel.Write(directory["model"], writer);
        byte[] model = writer.ToBytes();

        var cases = new List<Broken>();
        cases.AddRange(Fields(writer, model));
        cases.AddRange(Values(writer, model));
        cases.AddRange(Vocabularies(place, version >= 6 ? ".json" : ".txt"));
        if (version >= 6) cases.AddRange(Json(place, "config.json", ignoresUnknownKeys: true));
        cases.Add(new("trailing byte", "model.bin", [.. model, 0], true));
        cases.Add(new("empty", "model.bin", [], true));
        cases.Add(new("missing", "model.bin", null, true));
        Assert.InRange(cases.Count, 2_000, 40_000);
        Check(place, cases);
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Int8)]
    [InlineData(DType.BFloat16)]
    public void Broken_models_of_the_own_format_are_refused(DType weights)
    {
        using var directory = new TemporaryDirectory();
        using (ModelData model = OwnFormatTests.Model(
            OwnFormatTests.SmallConfig(), OwnFormatTests.EndAlone, biases: true, tied: true))
            ModelWriter.Write(model, directory["model"], weights, cancellation: TestContext.Current.CancellationToken);
        string place = directory["model"];

        var cases = new List<Broken>();
        cases.AddRange(SafeTensors(Path.Combine(place, "model.safetensors")));
        cases.AddRange(Vocabularies(place, ".json"));
        cases.AddRange(Json(place, "config.json", ignoresUnknownKeys: false));
        Assert.InRange(cases.Count, 2_000, 40_000);
        Check(place, cases);
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Int8)]
    [InlineData(DType.BFloat16)]
    public void Broken_packed_models_are_refused(DType weights)
    {
        using var directory = new TemporaryDirectory();
        using (ModelData model = OwnFormatTests.Model(
            OwnFormatTests.SmallConfig(), OwnFormatTests.EndAlone, biases: true, tied: true))
            ModelWriter.Write(model, directory["model"], weights, WeightLayout.Packed, cancellation: TestContext.Current.CancellationToken);
        string place = directory["model"];

        var cases = new List<Broken>();
        cases.AddRange(SafeTensors(Path.Combine(place, "model.safetensors")));
        cases.AddRange(Json(place, "config.json", ignoresUnknownKeys: false));
        Assert.InRange(cases.Count, 2_000, 40_000);

        // Its panels are looked at by the backend that uses them.
        using var backend = new CpuBackend(new BackendOptions { Threads = 1 });
        Check(place, cases, path => Translator.Load(path, new TranslatorOptions(backend)).Dispose());
    }

    [Fact]
    public void A_file_of_headers_only_costs_no_more_than_its_length_explains()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        for (int i = 1; i < 30_000; i++) writer.Add($"decoder/layer_{i}/x", DType.Int8, [], [0]);
        byte[] model = writer.ToBytes();
        string place = TinyModel.Write(directory["model"], TinyModel.Build(6));
        Field count = writer.Fields.Single(field => field.Name == "variables");
        var cases = new List<Broken> { new("30,000 layers", "model.bin", model, true) };
        foreach (uint number in (uint[])[65_535, 65_536, 65_537, int.MaxValue, uint.MaxValue])
            cases.Add(new($"{number} variables", "model.bin", With(model, count.Offset, BitConverter.GetBytes(number)),
                true));
        Check(place, cases);
    }

    // ---- what is broken ----

    private static IEnumerable<Broken> Fields(CTranslate2Writer writer, byte[] model)
    {
        const string file = "model.bin";
        var random = new Random(4);
        foreach (Field field in writer.Fields)
        {
            foreach (int cut in (int[])[field.Offset, field.Offset + 1, field.Offset + (field.Length / 2),
                field.Offset + field.Length - 1])
                if (cut < model.Length) yield return new($"cut at {cut}, {field.Name}", file, model[..cut], true);
            if (field.Kind == FieldKind.Data) continue;

            // A version or revision may turn into another one of the same layout, and float16 into bfloat16.
            bool mustFail = field.Kind != FieldKind.Version
                && !(field.Kind == FieldKind.Type && model[field.Offset] is 4 or 5 && writer.Version >= 4);
            if (field.Kind == FieldKind.Text)
            {
                for (int i = 0; i < field.Length; i += 3)
                {
                    int bit = random.Next(8);
                    yield return new($"bit {bit} of byte {i} of {field.Name}", file,
                        Flipped(model, field.Offset + i, bit), mustFail);
                }
                yield return new($"last byte of {field.Name}", file, Flipped(model, field.Offset + field.Length - 1, 0),
                    true);
                yield return new($"no UTF-8 in {field.Name}", file, With(model, field.Offset, [0xC0]), true);
                continue;
            }
            for (int bit = 0; bit < 8 * field.Length; bit++)
                yield return new($"bit {bit} of {field.Name}", file, Flipped(model, field.Offset + (bit / 8), bit % 8),
                    mustFail);
            foreach (ulong value in (ulong[])[0, 1, 255, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF,
                (ulong)model.Length])
            {
                byte[] bytes = BitConverter.GetBytes(value)[..field.Length];
                if (!bytes.AsSpan().SequenceEqual(model.AsSpan(field.Offset, field.Length)))
                    yield return new($"{field.Name} = {value}", file, With(model, field.Offset, bytes), mustFail);
            }
        }
    }

    private static IEnumerable<Broken> Values(CTranslate2Writer writer, byte[] model)
    {
        const string file = "model.bin";
        var random = new Random(5);
        Field[] fields = [.. writer.Fields];
        for (int i = 0; i < fields.Length; i++)
        {
            Field data = fields[i];
            if (data.Kind != FieldKind.Data) continue;
            byte type = model[fields.Single(field =>
                field.Name == data.Name.Replace(" data", " type", StringComparison.Ordinal)).Offset];
            bool isFloat = writer.Version >= 4 ? type == 0 : type == 4;
            if (isFloat)
            {
                foreach (float value in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
                    foreach (int at in (int[])[data.Offset, data.Offset + data.Length - 4])
                        yield return new($"{value} in {data.Name}", file, With(model, at, BitConverter.GetBytes(value)),
                            true);
                if (data.Name.Contains("_scale", StringComparison.Ordinal))
                    foreach (float value in (float[])[0, -1, 1e-40f])
                        yield return new($"{value} in {data.Name}", file,
                            With(model, data.Offset, BitConverter.GetBytes(value)), true);
            }
            for (int flip = 0; flip < 4; flip++)
            {
                int at = data.Offset + random.Next(data.Length), bit = random.Next(8);
                yield return new($"bit {bit} of byte {at} in {data.Name}", file, Flipped(model, at, bit), false);
            }
        }

        // Shapes that fit their data, and no neighbour.
        foreach (string name in writer.Names)
        {
            byte[]? changed = null;
            writer.Replace(name, old =>
            {
                if (old.Dims.Length == 0 || old.Type == DType.Int8 && old.Dims.Length == 1) return old;
                writer.Replace(name, _ => old.Dims.Length == 1
                    ? (old.Type, [old.Dims[0], 1], old.Data)
                    : (old.Type, [old.Dims[0] * old.Dims[1]], old.Data));
                changed = writer.ToBytes();
                return old;
            });
            if (changed is not null) yield return new($"another rank of {name}", file, changed, true);
        }
        writer.ToBytes();
    }

    private static IEnumerable<Broken> SafeTensors(string path)
    {
        string file = Path.GetFileName(path);
        byte[] model = File.ReadAllBytes(path);
        int header = (int)BinaryPrimitives.ReadInt64LittleEndian(model);
        for (int bit = 0; bit < 64; bit++)
            yield return new($"bit {bit} of the header length", file, Flipped(model, bit / 8, bit % 8), true);
        for (int cut = 0; cut < model.Length; cut += cut < 8 + header ? 3 : 29)
            yield return new($"cut at {cut}", file, model[..cut], true);
        for (int i = 0; i < header; i++)
        {
            yield return new($"bit {i % 8} of byte {i} of the header", file, Flipped(model, 8 + i, i % 8), false);
            if (i % 2 == 0) yield return new($"9 at byte {i} of the header", file, With(model, 8 + i, "9"u8), false);
        }
        yield return new("trailing byte", file, [.. model, 0], true);
        yield return new("missing", file, null, true);

        using SafeTensorsFile good = SafeTensorsFile.Open(path);
        foreach (SafeTensorsEntry entry in good.Entries.Values)
        {
            int begin = 8 + header + (int)entry.Begin, last = 8 + header + (int)entry.End;
            if (entry.Type == "F32")
            {
                foreach (float value in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
                    foreach (int at in (int[])[begin, last - 4])
                        yield return new($"{value} in {entry.Name}", file,
                            With(model, at, BitConverter.GetBytes(value)), true);
                if (entry.Name.EndsWith("_scale", StringComparison.Ordinal))
                    foreach (float value in (float[])[0, -1, 1e-40f])
                        yield return new($"{value} in {entry.Name}", file,
                            With(model, begin, BitConverter.GetBytes(value)), true);
            }
            if (entry.Type == "BF16")
                yield return new($"NaN in {entry.Name}", file, With(model, last - 2, [0xC0, 0x7F]), true);
        }
    }

    private static IEnumerable<Broken> Vocabularies(string place, string extension)
    {
        foreach (string side in (string[])["source", "target"])
        {
            string file = $"{side}_vocabulary{extension}";
            byte[] good = File.ReadAllBytes(Path.Combine(place, file));
            yield return new("missing", file, null, true);
            yield return new("empty", file, [], true);
            for (int i = 0; i < good.Length; i++)
            {
                yield return new($"bit {i % 8} of byte {i}", file, Flipped(good, i, i % 8), false);
                yield return new($"no UTF-8 at byte {i}", file, With(good, i, [0xFF]), true);
                if (i + 2 < good.Length) yield return new($"cut at {i}", file, good[..i], extension == ".json");
            }
            if (extension == ".txt")
            {
                yield return new("a line more", file, [.. good, .. "x\ny\n"u8], true);
                yield return new("a line less", file, good[(Array.IndexOf(good, (byte)'\n') + 1)..], true);
                continue;
            }
            foreach (string json in (string[])["null", "{}", "\"x\"", "1", "[]", "[1]", "[null]", "[[]]", "[\"a\",]",
                "[\"a\"] 1", "[\"\\ud800\"]", "[\"\\ud800\",\"a\",\"b\"", new string('[', 2000),
                $"[{string.Join(',', Enumerable.Repeat("\"a\"", 100_000))}]"])
                yield return new(json.Length > 30 ? json[..30] : json, file, Encoding.UTF8.GetBytes(json), true);
            JsonArray tokens = JsonNode.Parse(good)!.AsArray();
            for (int i = 0; i < tokens.Count; i++)
            {
                JsonArray fewer = tokens.DeepClone().AsArray(), more = tokens.DeepClone().AsArray(),
                    other = tokens.DeepClone().AsArray();
                fewer.RemoveAt(i);
                more.Insert(i, "new");
                other[i] = 1;
                bool isUnknown = tokens[i]!.GetValue<string>() == "<unk>";   // it is implied
                yield return new($"without token {i}", file, Encoding.UTF8.GetBytes(fewer.ToJsonString()), !isUnknown);
                yield return new($"a token before {i}", file, Encoding.UTF8.GetBytes(more.ToJsonString()), true);
                yield return new($"a number at {i}", file, Encoding.UTF8.GetBytes(other.ToJsonString()), true);
            }
        }
    }

    private static IEnumerable<Broken> Json(string place, string file, bool ignoresUnknownKeys)
    {
        byte[] good = File.ReadAllBytes(Path.Combine(place, file));
        for (int i = 0; i < good.Length; i++)
        {
            if (i < good.Length - 1) yield return new($"cut at {i}", file, good[..i], true);
            yield return new($"bit {i % 8} of byte {i}", file, Flipped(good, i, i % 8), false);
            yield return new($"no UTF-8 at byte {i}", file, With(good, i, [0x80]), true);
        }
        foreach (string json in (string[])["null", "[]", "1", "{}", "{\"a\":", "{\"\\ud800\":1}",
            string.Concat(Enumerable.Repeat("{\"a\":", 500))])
            yield return new(json, file, Encoding.UTF8.GetBytes(json), true);
        foreach (string[] path in Paths(JsonNode.Parse(good)!, []))
        {
            foreach (string value in (string[])["null", "true", "0", "-1", "1.5", "1e99", "-1e99", "2147483647",
                "2147483648", "1e5", "\"x\"", "\"\"", "[]", "{}"])
                yield return new($"{string.Join('.', path)} = {value}", file,
                    Changed(good, path, JsonNode.Parse(value)), false);
            yield return new($"{string.Join('.', path)} escaped", file, Encoding.UTF8.GetBytes(
                Encoding.UTF8.GetString(Changed(good, path, "@@")).Replace("@@", "\\ud800", StringComparison.Ordinal)),
                    !ignoresUnknownKeys);
            yield return new($"{string.Join('.', path)} removed", file, Changed(good, path, null, remove: true), false);
            yield return new($"{string.Join('.', path)}x", file, Changed(good, [.. path[..^1], path[^1] + "x"], 1),
                !ignoresUnknownKeys);
        }
    }

    private static IEnumerable<string[]> Paths(JsonNode node, string[] path)
    {
        foreach (var (key, value) in node.AsObject())
        {
            yield return [.. path, key];
            if (value is JsonObject inner)
                foreach (string[] deeper in Paths(inner, [.. path, key])) yield return deeper;
        }
    }

    private static byte[] Changed(byte[] json, string[] path, JsonNode? value, bool remove = false)
    {
        JsonNode root = JsonNode.Parse(json)!;
        JsonNode node = root;
        foreach (string key in path[..^1]) node = node[key]!;
        if (remove) node.AsObject().Remove(path[^1]);
        else node[path[^1]] = value;
        return Encoding.UTF8.GetBytes(root.ToJsonString());
    }

    private static byte[] Flipped(byte[] bytes, int at, int bit) => With(bytes, at, [(byte)(bytes[at] ^ (1 << bit))]);

    private static byte[] With(byte[] bytes, int at, ReadOnlySpan<byte> change)
    {
        var changed = (byte[])bytes.Clone();
        change.CopyTo(changed.AsSpan(at));
        return changed;
    }

    // ---- what must come of it ----

    private static void Check(string place, List<Broken> cases, Action<string>? load = null)
    {
        load ??= static path => TinyModel.Load(path);
        load(place);   // whole, it loads
        var random = new Random(6);
        if (Environment.GetEnvironmentVariable("ENGINE_TEST_ALL") != "1" && cases.Count > SampleCases)
            cases = [.. cases.OrderBy(_ => random.Next()).Take(SampleCases)];
        int refused = 0;
        foreach (IGrouping<string, Broken> group in cases.GroupBy(broken => broken.File))
        {
            string path = Path.Combine(place, group.Key);
            byte[] good = File.ReadAllBytes(path);
            foreach (Broken broken in group)
            {
                if (broken.Content is null) File.Delete(path);
                else File.WriteAllBytes(path, broken.Content);
                if (!Loads(place, broken, load)) refused++;
                else if (broken.MustFail) Assert.Fail($"{broken.File} loads: {broken.What}");
            }
            File.WriteAllBytes(path, good);
        }
        Assert.InRange(refused, cases.Count(broken => broken.MustFail), cases.Count);
        load(place);
    }

    private static bool Loads(string place, Broken broken, Action<string> load)
    {
        long files = (broken.Content?.Length ?? 0) + 100_000;
        long before = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        try
        {
            load(place);
            return true;
        }
        catch (ModelFormatException error)
        {
            Assert.StartsWith(place, error.File, StringComparison.Ordinal);
            Assert.False(string.IsNullOrWhiteSpace(error.Field) || string.IsNullOrWhiteSpace(error.Expected),
                broken.What);
            return false;
        }
        catch (Exception error) when (error is not Xunit.Sdk.IAssertionException)
        {
            Assert.Fail($"{broken.File}, {broken.What}: {error}");
            return false;
        }
        finally
        {
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, files + SpareBytes);
            Assert.InRange(watch.Elapsed.TotalSeconds, 0, 10);
        }
    }
}
