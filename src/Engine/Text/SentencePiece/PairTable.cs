// Which two symbols make which third: a hash table whose entries lie side by side.
namespace Engine.Text.SentencePiece;

/// <summary>From two numbers to a third.</summary>
internal sealed class PairTable
{
    private const ulong Multiplier = 0x9E3779B97F4A7C15;

    private (ulong Key, int Value)[] _slots = Empty(1 << 10);
    private int _count;

    /// <summary>Adds a pair; the first one stays.</summary>
    public void Add(int left, int right, int value)
    {
        if (2 * ++_count > _slots.Length)
        {
            (ulong Key, int Value)[] old = _slots;
            _slots = Empty(2 * old.Length);
            foreach (var (key, kept) in old)
                if (kept >= 0) Put(key, kept);
        }

        Put(Key(left, right), value);
    }

    /// <summary>The third, or −1.</summary>
    public int Find(int left, int right)
    {
        ulong key = Key(left, right);
        (ulong Key, int Value)[] slots = _slots;
        for (int i = Slot(key, slots.Length); ; i = (i + 1) & (slots.Length - 1))
        {
            if (slots[i].Key == key || slots[i].Value < 0) return slots[i].Value;
        }
    }

    private void Put(ulong key, int value)
    {
        for (int i = Slot(key, _slots.Length); ; i = (i + 1) & (_slots.Length - 1))
        {
            if (_slots[i].Value >= 0 && _slots[i].Key != key) continue;
            if (_slots[i].Value < 0) _slots[i] = (key, value);
            return;
        }
    }

    private static (ulong Key, int Value)[] Empty(int count)
    {
        var slots = new (ulong, int)[count];
        Array.Fill(slots, (ulong.MaxValue, -1));
        return slots;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private static int Slot(ulong key, int length) => (int)((key * Multiplier) >> 32) & (length - 1);
}
