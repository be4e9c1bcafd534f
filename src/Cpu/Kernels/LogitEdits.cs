// Single logits, changed in place before a choice is made: a few places a row, so there is nothing to gain by vectors or threads.
namespace Engine.Cpu.Kernels;

/// <summary>Edits of logits at places (row, token).</summary>
internal static unsafe class LogitEdits
{
    /// <summary>x = the lowest finite number.</summary>
    public static void Suppress(FloatRows logits, int* places, int placeStride, int count)
    {
        for (int i = 0; i < count; i++)
        {
            int* place = places + ((nint)i * placeStride);
            logits[place[0]][place[1]] = float.MinValue;
        }
    }

    /// <summary>x = x · penalty where x &lt; 0, else x / penalty.</summary>
    public static void Penalize(FloatRows logits, int* places, int placeStride, float* penalties, int count)
    {
        for (int i = 0; i < count; i++)
        {
            int* place = places + ((nint)i * placeStride);
            float* logit = logits[place[0]] + place[1];
            *logit = *logit < 0 ? *logit * penalties[i] : *logit / penalties[i];
        }
    }
}
