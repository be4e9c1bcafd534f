// A set of byte strings with a number for each, as a double array (Aoe 1989): a step over a byte is one load.
namespace Engine.Text.SentencePiece;

/// <summary>Finds which strings of a set a text begins with.</summary>
/// <remarks>
/// A unit: its byte, or 256 for none (bits 0..8), the number of the string that ends here plus one (9..31), and where its successors
/// lie (32..63): that of byte b is unit <c>base ^ b</c>. Bases are unique, so a unit with the right byte is the right one. The first
/// 256 units are the root and nothing else: a node without successors has base 0.
/// </remarks>
internal sealed class PieceTrie
{
    /// <summary>Where a walk begins.</summary>
    public const int Root = 0;

    /// <summary>The most numbers that fit.</summary>
    public const int MostValues = (1 << 23) - 2;

    private const uint LabelMask = 0x1FF;
    private const uint NoLabel = 0x100;
    private const int ValueShift = 9;
    private const int BaseShift = 32;
    private const int BlockUnits = 256;

    private readonly ulong[] _units;

    private PieceTrie(ulong[] units) => _units = units;

    /// <summary>Makes the trie. Strings are neither empty nor twice the same.</summary>
    public static PieceTrie Make(IEnumerable<(byte[] Text, int Value)> strings)
    {
        (byte[] Text, int Value)[] sorted = [.. strings];
        Array.Sort(sorted, static (x, y) => x.Text.AsSpan().SequenceCompareTo(y.Text));
        return new PieceTrie(new Builder(sorted).Units());
    }

    /// <summary>Goes a byte on from a node; the number of the string that ends there, −1 if none does, −2 if no string goes on so.</summary>
    public int Step(ref int node, byte next)
    {
        ulong[] units = _units;
        int at = (int)(units[node] >> BaseShift) ^ next;
        uint unit = (uint)units[at];
        if ((unit & LabelMask) != next) return -2;
        node = at;
        return (int)(unit >> ValueShift) - 1;
    }

    /// <summary>The number of a string, or −1.</summary>
    public int Find(ReadOnlySpan<byte> text)
    {
        int node = Root, value = -1;
        foreach (byte b in text)
        {
            value = Step(ref node, b);
            if (value == -2) return -1;
        }

        return value;
    }

    /// <summary>The longest string that a text begins with: its number and length; −1 and 0 if there is none.</summary>
    public (int Value, int Length) Longest(ReadOnlySpan<byte> text)
    {
        int node = Root;
        (int Value, int Length) found = (-1, 0);
        for (int i = 0; i < text.Length; i++)
        {
            int value = Step(ref node, text[i]);
            if (value == -2) break;
            if (value >= 0) found = (value, i + 1);
        }

        return found;
    }

    private sealed class Builder((byte[] Text, int Value)[] strings)
    {
        // Where several successors are placed: blocks further back are left to nodes with one, which fit in any hole.
        private const int OpenBlocks = 2;

        private readonly HashSet<int> _bases = [];
        private ulong[] _units = [];
        private int _count;
        private int[] _jumps = [];   // from a used unit to one behind it, with only used ones between

        public ulong[] Units()
        {
            AddBlock();
            AddBlock();
            Arrange(Root, 0, strings.Length, 0);
            return _units[.._count];
        }

        // The strings first .. end − 1 share their first `depth` bytes, which lead to `node`.
        private void Arrange(int node, int first, int end, int depth)
        {
            if (first < end && strings[first].Text.Length == depth)
            {
                _units[node] |= (ulong)(strings[first].Value + 1) << ValueShift;
                first++;
            }

            if (first == end) return;
            var children = new List<(byte Label, int First, int End)>();
            for (int i = first; i < end;)
            {
                byte label = strings[i].Text[depth];
                int from = i;
                while (i < end && strings[i].Text[depth] == label) i++;
                children.Add((label, from, i));
            }

            int place = Place(children);
            _units[node] |= (ulong)place << BaseShift;
            foreach (var (label, _, _) in children) _units[place ^ label] = label;
            foreach (var (label, from, to) in children) Arrange(place ^ label, from, to, depth + 1);
        }

        private int Place(List<(byte Label, int First, int End)> children)
        {
            int first = children.Count == 1 ? BlockUnits : Math.Max(BlockUnits, _count - (OpenBlocks * BlockUnits));
            for (int slot = NextFree(first); ; slot = NextFree(slot + 1))
            {
                int place = slot ^ children[0].Label;
                if (AreFree(place, children) && _bases.Add(place)) return place;
            }
        }

        private int NextFree(int slot)
        {
            int free = slot;
            while (free < _count && !IsFree(free)) free = Math.Max(_jumps[free], free + 1);
            for (int at = slot; at < free && at < _count;)
            {
                int next = Math.Max(_jumps[at], at + 1);
                _jumps[at] = free;
                at = next;
            }

            if (free == _count) AddBlock();
            return free;
        }

        private bool AreFree(int place, List<(byte Label, int First, int End)> children)
        {
            foreach (var (label, _, _) in children)
                if (!IsFree(place ^ label)) return false;
            return true;
        }

        private bool IsFree(int slot) => slot >= BlockUnits && _units[slot] == NoLabel;

        private void AddBlock()
        {
            if (_count + BlockUnits > _units.Length)
            {
                int size = Math.Max(1 << 14, 2 * _units.Length);
                Array.Resize(ref _units, size);
                Array.Resize(ref _jumps, size);
            }

            _units.AsSpan(_count, BlockUnits).Fill(NoLabel);
            _count += BlockUnits;
        }
    }
}
