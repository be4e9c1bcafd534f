// What a path may be, and what the errors say when it is something else.
using Engine.Formats;
using Xunit;

namespace Engine.Tests.Formats;

public class ModelReaderTests
{
    [Fact]
    public void A_missing_directory_is_named()
    {
        using var directory = new TemporaryDirectory();
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(directory["nothing"]));
        Assert.Equal((directory["nothing"], "the directory", "missing"), (error.File, error.Field, error.Found));
    }

    [Fact]
    public void A_directory_without_a_model_is_told_what_it_holds()
    {
        using var directory = new TemporaryDirectory();
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(directory.Path));
        Assert.Equal("nothing", error.Found);
        for (int i = 0; i < 12; i++) File.WriteAllText(directory[$"file{i:00}"], "");
        error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(directory.Path));
        Assert.EndsWith(", ...", error.Found, StringComparison.Ordinal);
        Assert.Contains("model.bin", error.Expected, StringComparison.Ordinal);
        Assert.Contains("model.safetensors", error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void The_file_itself_may_be_named()
    {
        using var directory = new TemporaryDirectory();
        string first = TinyModel.Write(directory["first"], TinyModel.Build(6));
        using ModelData model = ModelReader.Open(Path.Combine(first, "model.bin"));
        ModelWriter.Write(model, directory["second"], cancellation: TestContext.Current.CancellationToken);
        using ModelData again = ModelReader.Open(Path.Combine(directory["second"], "model.safetensors"));
        Assert.Equal("safetensors, format version 1", again.Format);
        File.Copy(Path.Combine(first, "model.bin"), directory["other.bin"]);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            ModelReader.Open(directory["other.bin"]));
        Assert.Equal("\"other.bin\"", error.Found);
    }

    [Fact]
    public void Two_models_in_a_directory_are_one_too_many()
    {
        using var directory = new TemporaryDirectory();
        string place = TinyModel.Write(directory["model"], TinyModel.Build(6));
        File.WriteAllText(Path.Combine(place, "model.safetensors"), "");
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(place));
        Assert.Contains("both", error.Found, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("source_vocabulary.json")]
    [InlineData("target_vocabulary.json")]
    public void A_missing_file_beside_the_model_is_named(string name)
    {
        using var directory = new TemporaryDirectory();
        string place = TinyModel.Write(directory["model"], TinyModel.Build(6));
        File.Delete(Path.Combine(place, name));
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(place));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_where_a_file_should_be_is_an_error()
    {
        using var directory = new TemporaryDirectory();
        directory.Make("model/model.bin");
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(directory["model"]));
        Assert.Equal("model.bin", error.Found);
    }

    [Fact]
    public void An_empty_file_is_said_to_be_empty()
    {
        using var directory = new TemporaryDirectory();
        string place = TinyModel.Write(directory["model"], TinyModel.Build(6));
        File.WriteAllText(Path.Combine(place, "model.bin"), "");
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(place));
        Assert.Equal((Path.Combine(place, "model.bin"), "empty"), (error.File, error.Found));
    }

    [Fact]
    public void The_file_is_closed_with_the_model()
    {
        using var directory = new TemporaryDirectory();
        ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], TinyModel.Build(6)));
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => TinyModel.ReadAll(model));
    }
}
