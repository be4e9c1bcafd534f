// Which blocks of a cache are free, and how many hypotheses share each that is not.
namespace Engine.Models;

/// <summary>Hands out blocks by number and counts their users.</summary>
internal sealed class BlockPool
{
    private int[] _users = new int[64];
    private int[] _free = new int[64];
    private int _freeCount;
    private int _next;

    /// <summary>Blocks that a cache must have: one more than the highest number ever handed out.</summary>
    public int Needed => _next;

    /// <summary>Blocks that somebody uses.</summary>
    public int InUse => _next - _freeCount;

    /// <summary>Takes a block for one user.</summary>
    public int Take()
    {
        int block = _freeCount > 0 ? _free[--_freeCount] : _next++;
        if (block >= _users.Length)
        {
            Array.Resize(ref _users, 2 * _users.Length);
            Array.Resize(ref _free, _users.Length);
        }

        _users[block] = 1;
        return block;
    }

    /// <summary>Adds a user.</summary>
    public void Share(int block) => _users[block]++;

    /// <summary>Whether there is more than one user.</summary>
    public bool IsShared(int block) => _users[block] > 1;

    /// <summary>Removes a user; without users the block is free.</summary>
    public void Release(int block)
    {
        if (--_users[block] == 0) _free[_freeCount++] = block;
    }

    /// <summary>Forgets the blocks from a number on, which are all free, so that a cache need not have them.</summary>
    public void Forget(int first)
    {
        if (first >= _next) return;
        int kept = 0;
        for (int i = 0; i < _freeCount; i++)
        {
            if (_free[i] < first) _free[kept++] = _free[i];
        }

        _freeCount = kept;
        _next = first;
    }
}
