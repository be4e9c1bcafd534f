// safetensors by itself: what the format promises is checked, whatever the tensors are for.
using System.Buffers.Binary;
using System.Text;
using CsCheck;
using Engine.Formats;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Formats;

public class SafeTensorsTests
{
    private const string One = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"";

    [Fact]
    public void The_Khmer_model_has_128_tensors()
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(TestData.Find(KhmerModel.Weights));
        Assert.Equal(128, file.Entries.Count);
        Assert.Equal([192, 64], file.Entries["encoder.layers.3.self_attn.in_proj_weight"].Dimensions);
        Assert.Equal(481_608, file.Entries.Values.Sum(entry => file.Tensor(entry).ReadFloats().Length));
    }

    [Fact]
    public void What_is_written_is_read_again()
    {
        using var directory = new TemporaryDirectory();
        int number = 0;
        Gen.Select(Gen.Enum<DType>(), Gen.Int[0, 4], Gen.Int[0, 5], Gen.Int[0, 2]).List[0, 6].Sample(list =>
        {
            string path = directory[$"{number++}.safetensors"];
            var random = new Random(number);
            var items = new List<(SafeTensorsItem Item, byte[] Bytes)>();
            foreach (var (type, rows, columns, rank) in list)
            {
                long[] dims = rank switch { 0 => [], 1 => [columns], _ => [rows, columns] };
                var item = new SafeTensorsItem($"tensor \"{items.Count}\" ü", type, dims);
                var bytes = new byte[item.Bytes];
                random.NextBytes(bytes);
                items.Add((item, bytes));
            }
            using (var writer = new SafeTensorsWriter(path, items.Select(pair => pair.Item)))
            {
                foreach (var (item, bytes) in items)
                {
                    int half = bytes.Length / 2;
                    writer.Write(item.Name, half, bytes.AsSpan(half));
                    writer.Write(item.Name, 0, bytes.AsSpan(0, half));
                }
                writer.Complete();
            }
            using SafeTensorsFile file = SafeTensorsFile.Open(path);
            Assert.Equal(items.Count, file.Entries.Count);
            foreach (var (item, bytes) in items)
            {
                SafeTensorsEntry entry = file.Entries[item.Name];
                Assert.Equal(item.Dimensions, entry.Dimensions);
                Assert.Equal(item.Type, entry.KnownType);
                Assert.Equal(bytes, TinyModel.ReadBytes(file.Tensor(entry)));
                Assert.Equal(0, entry.Begin % item.Type.Bytes());   // aligned, as the data begin at a multiple of 8
            }
        }, iter: 100, threads: 1);
    }

    [Fact]
    public void A_tensor_that_was_not_written_is_an_error()
    {
        using var directory = new TemporaryDirectory();
        using var writer = new SafeTensorsWriter(directory["a.safetensors"],
            [new("a", DType.Float32, 2), new("b", DType.Int8, 3)]);
        writer.Write("a", 0, new byte[8]);
        Assert.Throws<InvalidOperationException>(writer.Complete);
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Write("b", 1, new byte[3]));
        writer.Write("b", 0, new byte[3]);
        writer.Complete();
    }

    public static TheoryData<string, int, string> Broken => new()
    {
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "data_offsets of \"a\" is [0, 8]" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9,
            "the length of the data is 9 bytes, expected 8 bytes" },
        { One + """a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}""", 4, "a is there twice" },
        { One + """b":{"dtype":"F32","shape":[2],"data_offsets":[2,10]}}""", 10, "begins at 4" },
        { One + """b":{"dtype":"F32","shape":[1],"data_offsets":[6,10]}}""", 10, "begins at 4" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "[8, 0]" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}""", 8, "the data_offsets of \"a\"" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}""", 8, "is 3 numbers, expected 2 numbers" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", 8, "is 1 numbers" },
        { """{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8,
            "the size of \"a\" is 8 bytes, expected that of F32 [3]" },
        { """{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "the size of \"a\"" },
        { """{"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,8]}}""", 8, "the size of \"a\"" },
        { """{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}""", 8, "the shape of \"a\"" },
        { """{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}""", 8, "the shape of \"a\"" },
        { """{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}""", 8,
            "the shape of \"a\" is longer" },
        { """{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}""", 1, "the size of \"a\"" },
        { """{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}""", 8, "the dtype of \"a\" is \"F33\"" },
        { """{"a":{"dtype":4,"shape":[2],"data_offsets":[0,8]}}""", 8, "the dtype of \"a\"" },
        { """{"a":{"shape":[2],"data_offsets":[0,8]}}""", 8, "the dtype of \"a\" is missing" },
        { """{"a":{"dtype":"F32","data_offsets":[0,8]}}""", 8, "the shape of \"a\" is missing" },
        { """{"a":{"dtype":"F32","shape":[2]}}""", 8, "the data_offsets of \"a\" is missing" },
        { """{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "there twice" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}""", 8, "\"x\"" },
        { """{"a":[]}""", 0, "the entry of \"a\"" },
        { """{"__metadata__":{"a":1}}""", 0, "__metadata__" },
        { """{"__metadata__":[]}""", 0, "__metadata__" },
        { """{"__metadata__":{},"__metadata__":{}}""", 0, "there twice" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""", 8, "no JSON" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x""", 8, "no JSON" },
        { """{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "no JSON" },
        { """[1]""", 0, "the first byte of the header is 91" },
        { """ {}""", 0, "the first byte of the header is 32" },
        { "{\"\u0080\":1}", 0, "" },
    };

    [Theory, MemberData(nameof(Broken))]
    public void A_broken_header_is_named(string header, int dataBytes, string message)
    {
        using var directory = new TemporaryDirectory();
        Write(directory["a.safetensors"], Encoding.UTF8.GetBytes(header), dataBytes);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            SafeTensorsFile.Open(directory["a.safetensors"]).Dispose());
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    [InlineData(100_000_001)]
    [InlineData(long.MaxValue)]
    [InlineData(-1)]
    public void The_header_must_fit_in_the_file(long length)
    {
        using var directory = new TemporaryDirectory();
        var bytes = new byte[10];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, length);
        "{}"u8.CopyTo(bytes.AsSpan(8));
        File.WriteAllBytes(directory["a"], bytes);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            SafeTensorsFile.Open(directory["a"]).Dispose());
        Assert.Equal("the header length", error.Field);
        File.WriteAllBytes(directory["b"], bytes[..7]);
        Assert.Equal("the length",
            Assert.Throws<ModelFormatException>(() => SafeTensorsFile.Open(directory["b"]).Dispose()).Field);
    }

    [Fact]
    public void Blanks_after_the_header_and_metadata_are_fine()
    {
        using var directory = new TemporaryDirectory();
        Write(directory["a"],
            """{"__metadata__":{"format":"pt"},"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}     """u8.ToArray(),
            8);
        using SafeTensorsFile file = SafeTensorsFile.Open(directory["a"]);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => file.Tensor(file.Entries["a"]));
        Assert.Equal(("the element type of a", "F64"), (error.Field, error.Found));
    }

    private static void Write(string path, byte[] header, int dataBytes)
    {
        var bytes = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, header.Length);
        header.CopyTo(bytes, 8);
        File.WriteAllBytes(path, bytes);
    }
}
