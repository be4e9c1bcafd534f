// A model file that stays on disk: tensors are read from it when they are packed, or used where it is mapped, so a model is
// never in memory twice.
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Engine.Tensors;
using Microsoft.Win32.SafeHandles;

namespace Engine.Formats;

/// <summary>An open file that tensors are read from. Threads may read at the same time.</summary>
internal sealed class FileSource : MappableSource, IDisposable
{
    private readonly SafeFileHandle _handle;
    private SafeBuffer? _mapping;
    private bool _cannotMap;

    private FileSource(string file, SafeFileHandle handle, long length)
    {
        File = file;
        _handle = handle;
        Length = length;
    }

    /// <inheritdoc />
    public override string File { get; }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="ModelFormatException">There is no such file, or it cannot be read.</exception>
    public static FileSource Open(string file)
    {
        SafeFileHandle? handle = null;
        try
        {
            // A pipe or a device has no length, and opening a pipe would wait for its writer.
            if (System.IO.File.Exists(file) && new FileInfo(file).Length == 0)
                throw new ModelFormatException(file, "the file", "empty", "a file with content");
            handle = System.IO.File.OpenHandle(file, share: FileShare.Read | FileShare.Delete);
            return new FileSource(file, handle, RandomAccess.GetLength(handle));
        }
        catch (Exception e) when (IsAccessError(e))
        {
            handle?.Dispose();
            throw Unreadable(file, e);
        }
    }

    /// <summary>Reads a whole file that is small.</summary>
    /// <param name="file">The file.</param>
    /// <param name="mostBytes">More than this is refused before anything is allocated.</param>
    public static byte[] ReadAll(string file, int mostBytes)
    {
        using FileSource source = Open(file);
        if (source.Length > mostBytes)
            throw new ModelFormatException(file, "the length", $"{source.Length:N0} bytes",
                $"at most {mostBytes:N0} bytes");
        var bytes = new byte[source.Length];
        source.Read(0, bytes);
        return bytes;
    }

    /// <inheritdoc />
    public override void Read(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int count;
            try
            {
                count = RandomAccess.Read(_handle, destination, offset);
            }
            catch (Exception e) when (IsAccessError(e))
            {
                throw Unreadable(File, e);
            }
            if (count == 0)
                throw new ModelFormatException(File, "the length", $"{offset:N0} bytes",
                    $"{Length:N0} bytes, as when it was opened");
            offset += count;
            destination = destination[count..];
        }
    }

    /// <inheritdoc />
    public override SafeBuffer? Mapping => _mapping ??= _cannotMap ? null : Map();

    /// <summary>Closes the file, and the mapping when nobody uses it any more.</summary>
    public void Dispose()
    {
        _mapping?.Dispose();
        _handle.Dispose();
    }

    // A file system that cannot map is no error: tensors are read from it.
    private SafeMemoryMappedViewHandle? Map()
    {
        try
        {
            using var file = MemoryMappedFile.CreateFromFile(
                _handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            return file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read).SafeMemoryMappedViewHandle;
        }
        catch (Exception e) when (IsAccessError(e))
        {
            _cannotMap = true;
            return null;
        }
    }

    /// <summary>What the file system says when a file is not there, not ours or not readable.</summary>
    internal static bool IsAccessError(Exception e) =>
        e is IOException or UnauthorizedAccessException or NotSupportedException or System.Security.SecurityException;

    private static ModelFormatException Unreadable(string file, Exception e) =>
        e is FileNotFoundException or DirectoryNotFoundException
        ? new ModelFormatException(file, "the file", "missing", "a file", e)
        : new ModelFormatException(file, "the file", $"unreadable ({e.Message})", "a file that can be read", e);
}
