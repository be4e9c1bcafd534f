// Words that were cut before and their pieces, in tables of fixed size: when one is full, all begin anew.
namespace Engine.Text.SentencePiece;

/// <summary>Remembers words.</summary>
internal sealed class WordCache
{
    private const int Slots = 1 << 16;
    private const int MostWords = Slots / 2;
    private const int MostBytes = 1 << 20;
    private const int MostPieces = 1 << 18;

    // Longer ones seldom come again.
    private const int LongestWord = 64;

    private readonly int[] _slots = new int[Slots];   // index of a word plus one
    private readonly Word[] _words = new Word[MostWords];
    private readonly byte[] _bytes = new byte[MostBytes];
    private readonly Segment[] _pieces = new Segment[MostPieces];
    private int _wordCount;
    private int _byteCount;
    private int _pieceCount;

    /// <summary>Adds the pieces of a word that begins at a place, if it is known.</summary>
    public bool TryGet(ReadOnlySpan<byte> word, int start, Segments segments)
    {
        if (word.Length > LongestWord) return false;
        int slot = Find(word, Hash(word));
        if (_slots[slot] == 0) return false;
        ref Word found = ref _words[_slots[slot] - 1];
        foreach (Segment piece in _pieces.AsSpan(found.FirstPiece, found.PieceCount))
            segments.Add(new Segment(piece.Id, piece.Start + start, piece.End + start));
        return true;
    }

    /// <summary>Remembers the pieces of a word that began at a place.</summary>
    public void Add(ReadOnlySpan<byte> word, int start, ReadOnlySpan<Segment> pieces)
    {
        if (word.Length > LongestWord) return;
        if (_wordCount == MostWords || _byteCount + word.Length > MostBytes || _pieceCount + pieces.Length > MostPieces)
        {
            Array.Clear(_slots);
            _wordCount = _byteCount = _pieceCount = 0;
        }

        uint hash = Hash(word);
        int slot = Find(word, hash);
        _words[_wordCount] = new Word(hash, _byteCount, word.Length, _pieceCount, pieces.Length);
        _slots[slot] = ++_wordCount;
        word.CopyTo(_bytes.AsSpan(_byteCount));
        _byteCount += word.Length;
        foreach (Segment piece in pieces)
            _pieces[_pieceCount++] = new Segment(piece.Id, piece.Start - start, piece.End - start);
    }

    private int Find(ReadOnlySpan<byte> word, uint hash)
    {
        for (int slot = (int)(hash & (Slots - 1)); ; slot = (slot + 1) & (Slots - 1))
        {
            if (_slots[slot] == 0) return slot;
            ref Word known = ref _words[_slots[slot] - 1];
            if (known.Hash == hash && word.SequenceEqual(_bytes.AsSpan(known.FirstByte, known.ByteCount))) return slot;
        }
    }

    // FNV-1a over words of eight bytes.
    private static uint Hash(ReadOnlySpan<byte> word)
    {
        ulong hash = 0xCBF29CE484222325;
        for (; word.Length >= sizeof(ulong); word = word[sizeof(ulong)..])
            hash = (hash ^ System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(word)) * 0x100000001B3;
        foreach (byte b in word) hash = (hash ^ b) * 0x100000001B3;
        return (uint)(hash ^ (hash >> 32) ^ (hash >> 15));
    }

    private readonly record struct Word(uint Hash, int FirstByte, int ByteCount, int FirstPiece, int PieceCount);
}
