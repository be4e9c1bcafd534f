// The weights of attention of whole sentences themselves, for a reader: a warp has a query and head and passes over its keys three
// times, with what it wrote to y in between. query [query_rows, heads * headDim], key [key_rows, heads * headDim],
// y [query_rows * heads, longest]. Grid: sentences * tiles of queries, heads.
#include "attention.cuh"

constexpr int Threads = 128;
constexpr int Warps = Threads / WarpLanes;

template <bool IsAdditive>
DEVICE float score_of(const float* query, const float* key, const float* vector, int head_dim, float scale)
{
    float chain = 0.0f;
#pragma unroll 1
    for (int k = 0; k < head_dim; k++) chain = add_score<IsAdditive>(chain, query[k], key[k], IsAdditive ? vector[k] : 0.0f);
    return chain * scale;
}

// What was written for a key of the block, -infinity where it is not seen.
DEVICE float read_seen(const float* y, int key, int first, int end)
{
    return key >= first && key < end ? y[key] : -__builtin_inff();
}

template <bool IsAdditive>
DEVICE void weigh_sentences(
    const float* query, long long query_stride, const float* key, long long key_stride, const float* vector,
    const int* query_offsets, const int* key_offsets, int query_rows, int key_rows, int tiles, int heads, int head_dim,
    float scale, int left, int right, float* y, long long y_stride, int longest)
{
    int sentence = block_x() / tiles, head = block_y(), lane = thread_x() % WarpLanes;
    int row = block_x() % tiles * Warps + thread_x() / WarpLanes;

    // Offsets are not checked before: whatever they are, only rows of the tables are touched.
    Sentence asked = sentence_of(query_offsets, sentence, query_rows), seen = sentence_of(key_offsets, sentence, key_rows);
    int query_start = asked.begin, queries = asked.length, key_start = seen.begin, keys = least(seen.length, longest);
    if (row >= queries) return;
    query += (query_start + row) * query_stride + (long long)head * head_dim;
    key += key_start * key_stride + (long long)head * head_dim;
    if (IsAdditive) vector += (long long)head * head_dim;
    y += ((long long)(query_start + row) * heads + head) * y_stride;

    long long position = (long long)row + keys - queries;
    int first = (int)most(0LL, least(position - left, (long long)keys));
    int end = (int)most(0LL, least(position + right + 1, (long long)keys));
    float largest = -__builtin_inff(), sum = 0.0f;
    for (int i = lane; i < longest; i += WarpLanes)
    {
        bool is_seen = i >= first && i < end;
        float score = is_seen ? score_of<IsAdditive>(query, key + i * key_stride, vector, head_dim, scale) : 0.0f;
        if (is_seen) largest = larger(score, largest);
        y[i] = score;
    }

    largest = warp_maximum(largest);
    if (largest == -__builtin_inff()) largest = 0.0f;
    for (int block = first & -KeysOfBlock; block < end; block += KeysOfBlock)
    {
        int low_key = block + lane, high_key = low_key + WarpLanes;
        float low = exponential_of_negative(read_seen(y, low_key, first, end) - largest);
        float high = exponential_of_negative(read_seen(y, high_key, first, end) - largest);
        sum += join_chains(low, high);
        if (low_key >= first && low_key < end) y[low_key] = low;
        if (high_key >= first && high_key < end) y[high_key] = high;
    }

    float inverse = inverse_of(sum);
    for (int i = (first & -WarpLanes) + lane; i < end; i += WarpLanes)
    {
        if (i >= first) y[i] *= inverse;
    }
}

#define WEIGHTS(name, is_additive) \
    KERNEL_FOR(Threads, 8) name( \
        const float* query, long long query_stride, const float* key, long long key_stride, const float* vector, \
        const int* query_offsets, const int* key_offsets, int query_rows, int key_rows, int tiles, int heads, int head_dim, \
        float scale, int left, int right, float* y, long long y_stride, int longest) \
    { \
        weigh_sentences<is_additive>( \
            query, query_stride, key, key_stride, vector, query_offsets, key_offsets, query_rows, key_rows, tiles, heads, \
            head_dim, scale, left, right, y, y_stride, longest); \
    }

WEIGHTS(weights_dot, false)
WEIGHTS(weights_additive, true)
