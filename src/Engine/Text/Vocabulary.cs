// Tokens and their ids.
namespace Engine.Text;

/// <summary>A list of tokens; the place in the list is the id.</summary>
public sealed class Vocabulary
{
    private readonly string[] _tokens;
    private readonly Dictionary<string, int> _ids;

    /// <summary>Makes a vocabulary. A token that stands twice keeps its first id; both ids map back to it.</summary>
    /// <param name="tokens">Tokens in the order of their ids.</param>
    /// <param name="unknown">The token for what is not in the list; appended when it is not in it.</param>
    /// <exception cref="ArgumentException">A token is no Unicode text: half of a surrogate pair could not be
    /// stored.</exception>
    public Vocabulary(IEnumerable<string> tokens, string unknown)
    {
        var list = tokens.ToList();
        if (!list.Contains(unknown)) list.Add(unknown);
        _tokens = [.. list];
        for (int id = 0; id < _tokens.Length; id++)
        {
            if (!IsUnicode(_tokens[id]))
                throw new ArgumentException($"Token {id} holds half of a surrogate pair, expected Unicode text.",
                    nameof(tokens));
        }
        _ids = new Dictionary<string, int>(_tokens.Length, StringComparer.Ordinal);
        for (int id = 0; id < _tokens.Length; id++) _ids.TryAdd(_tokens[id], id);
        Unknown = unknown;
        UnknownId = _ids[unknown];
    }

    /// <summary>Number of tokens.</summary>
    public int Count => _tokens.Length;

    /// <summary>The token for what is not in the list.</summary>
    public string Unknown { get; }

    /// <summary>Id of <see cref="Unknown"/>.</summary>
    public int UnknownId { get; }

    /// <summary>All tokens in the order of their ids.</summary>
    public IReadOnlyList<string> Tokens => _tokens;

    /// <summary>The token of an id.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public string this[int id]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(id);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, _tokens.Length);
            return _tokens[id];
        }
    }

    /// <summary>The id of a token, or that of <see cref="Unknown"/>.</summary>
    public int Id(string token) => _ids.GetValueOrDefault(token, UnknownId);

    /// <summary>The id of a token, if it is in the list.</summary>
    public bool TryGetId(string token, out int id) => _ids.TryGetValue(token, out id);

    private static bool IsUnicode(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1])) return false;
            i++;
        }
        return true;
    }
}
