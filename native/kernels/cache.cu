// The cache of keys and values, and attention of one query a row to it: a warp a row and head.
// A block of sixteen positions has keys [heads * headDim][16] and values [heads][16][valueDim].
#include "attention.cuh"

constexpr int Threads = 128;
constexpr int Warps = Threads / WarpLanes;
constexpr int Positions = PositionsOfCacheBlock;

// keys [rows, key_columns], values [rows, value_columns], slots [rows]: a block a row. Slots outside the cache are skipped.
KERNEL(Threads) append(
    const float* keys, long long key_stride, const float* values, long long value_stride, const int* slots, float* cache_keys,
    float* cache_values, int blocks, int key_columns, int value_columns, int value_dim)
{
    int row = block_x(), slot = slots[row];
    if (slot < 0 || slot / Positions >= blocks) return;
    int block = slot / Positions, position = slot % Positions;
    keys += row * key_stride;
    values += row * value_stride;
    cache_keys += (long long)block * key_columns * Positions + position;
    cache_values += (long long)block * value_columns * Positions;
#pragma unroll 4
    for (int column = thread_x(); column < key_columns; column += Threads)
        cache_keys[(long long)column * Positions] = keys[column];
#pragma unroll 4
    for (int column = thread_x(); column < value_columns; column += Threads)
    {
        int head = column / value_dim;
        cache_values[((long long)head * Positions + position) * value_dim + (column - head * value_dim)] = values[column];
    }
}

// pairs [count, 2]: from block, to block; floats of a block are a multiple of 16. A block of threads a pair.
DEVICE void copy_block(
    float* cache_keys, float* cache_values, int blocks, int key_columns, int value_columns, const int* pairs,
    long long pair_stride)
{
    int from = pairs[block_x() * pair_stride], to = pairs[block_x() * pair_stride + 1];
    if ((unsigned)from >= (unsigned)blocks || (unsigned)to >= (unsigned)blocks) return;
    int quads = key_columns * (Positions / 4);
    const Float4* source = (const Float4*)cache_keys + (long long)from * quads;
    Float4* destination = (Float4*)cache_keys + (long long)to * quads;
#pragma unroll 4
    for (int i = thread_x(); i < quads; i += Threads) destination[i] = source[i];
    quads = value_columns * (Positions / 4);
    source = (const Float4*)cache_values + (long long)from * quads;
    destination = (Float4*)cache_values + (long long)to * quads;
#pragma unroll 4
    for (int i = thread_x(); i < quads; i += Threads) destination[i] = source[i];
}

KERNEL(Threads) copy_blocks(
    float* cache_keys, float* cache_values, int blocks, int key_columns, int value_columns, const int* pairs,
    long long pair_stride)
{
    copy_block(cache_keys, cache_values, blocks, key_columns, value_columns, pairs, pair_stride);
}

// The same in several caches of one shape. caches [layers, 2]: addresses of keys and values. Grid: pairs, caches.
KERNEL(Threads) copy_blocks_of_layers(
    float* const* caches, int blocks, int key_columns, int value_columns, const int* pairs, long long pair_stride)
{
    copy_block(caches[2 * block_y()], caches[2 * block_y() + 1], blocks, key_columns, value_columns, pairs, pair_stride);
}

// What each row writes to the cache before it attends to it: its newest position. Without keys nothing.
struct Appended
{
    const float* keys;
    long long key_stride;
    const float* values;
    long long value_stride;
    const int* slots;
};

// The head of a row, by its warp, which then sees it.
DEVICE void append_head(
    const Appended& from, int row, int head, float* cache_keys, float* cache_values, int blocks, int heads, int head_dim, int value_dim)
{
    int slot = from.slots[row], lane = thread_x() % WarpLanes;
    if (slot >= 0 && slot / Positions < blocks)
    {
        int position = slot % Positions;
        long long place = (long long)(slot / Positions) * heads + head;
        const float* key = from.keys + row * from.key_stride + (long long)head * head_dim;
        const float* value = from.values + row * from.value_stride + (long long)head * value_dim;
        cache_keys += place * head_dim * Positions + position;
        cache_values += (place * Positions + position) * value_dim;
#pragma unroll 2
        for (int i = lane; i < head_dim; i += WarpLanes) cache_keys[(long long)i * Positions] = key[i];
#pragma unroll 2
        for (int i = lane; i < value_dim; i += WarpLanes) cache_values[i] = value[i];
    }

    warp_barrier();
}

// Where a row of y goes as 16 bits too, for the product that comes next: rows behind each other; null: nowhere.
struct Rounded
{
    unsigned short* y;
    bool is_float16;
};

// What one warp needs to score its row and head.
struct Scored
{
    const float* query;     // of the head
    const float* vector;    // of the head, or null
    const float* keys;      // of block 0
    const int* table;       // blocks of the row
    int blocks, heads, head, head_dim;
    float scale;
};

// The block of a position; block 0 where the table has none that is in the cache, so that nothing else is read.
DEVICE int block_of(const int* table, int blocks, int position)
{
    int block = table[position / Positions];
    return (unsigned)block < (unsigned)blocks ? block : 0;
}

DEVICE const float* key_of(const Scored& s, int position)
{
    int block = block_of(s.table, s.blocks, position);
    return s.keys + ((long long)block * s.heads + s.head) * s.head_dim * Positions + position % Positions;
}

// Scores of the keys block + lane and block + lane + 32. A lane whose key is not seen reads the next that is: other rows may write now.
template <bool IsAdditive>
DEVICE void score_block(const Scored& s, int block, int first, int end, float& low, float& high)
{
    int lane = thread_x() % WarpLanes;
    const float* low_key = key_of(s, block + most(least(lane, end - 1), first));
    const float* high_key = key_of(s, block + most(least(lane + WarpLanes, end - 1), first));
    low = high = 0.0f;
    bool is_low = first < WarpLanes, is_high = end > WarpLanes;
    if (IsAdditive)
    {
#pragma unroll 1
        for (int k = 0; k < s.head_dim; k++)
        {
            float query = s.query[k], vector = s.vector[k];
            if (is_low) low = add_score<IsAdditive>(low, query, low_key[k * Positions], vector);
            if (is_high) high = add_score<IsAdditive>(high, query, high_key[k * Positions], vector);
        }
    }
    else if (is_low && is_high)
    {
#pragma unroll 16
        for (int k = 0; k < s.head_dim; k++)
        {
            low = fused(low_key[k * Positions], s.query[k], low);
            high = fused(high_key[k * Positions], s.query[k], high);
        }
    }
    else
    {
        // A short history, or the end of a long one: half of the block is not there.
        const float* key = is_low ? low_key : high_key;
        float chain = 0.0f;
#pragma unroll 32
        for (int k = 0; k < s.head_dim; k++) chain = fused(key[k * Positions], s.query[k], chain);
        low = high = chain;
    }

    low *= s.scale;
    high *= s.scale;
}

// Adds the values of at most 16 keys that follow each other; all are read before the first is added.
template <int Columns>
DEVICE void add_values(
    const float* values, int stride, const int (&columns)[Columns], const float* weights, int count, float (&sums)[Columns])
{
    float read[Positions][Columns];
#pragma unroll
    for (int i = 0; i < Positions; i++)
    {
#pragma unroll
        for (int c = 0; c < Columns; c++) read[i][c] = values[least(i, count - 1) * stride + columns[c]];
    }

#pragma unroll
    for (int i = 0; i < Positions; i++)
    {
        float weight = weights[least(i, count - 1)];
#pragma unroll
        for (int c = 0; c < Columns; c++) sums[c] = i < count ? fused(read[i][c], weight, sums[c]) : sums[c];
    }
}

// What is known of a part of the keys of a row and head: before its sum of values, in value_dim numbers.
constexpr int LargestOfPart = 0, TotalOfPart = 1, NumbersOfPart = 2;

// appended: only where a head has one slice of values. Where IsSplit, a warp has the keys of one of several parts of the history, each of
// part_keys, which is a multiple of 64; y are the parts then, [rows, heads, parts, NumbersOfPart + value_dim]. Grid: pieces of four rows
// and heads, slices of a value, parts.
template <bool IsAdditive, int Columns, bool IsSplit>
DEVICE void attend_cache(
    const float* query, long long query_stride, const float* vector, float* cache_keys, float* cache_values,
    int blocks, const int* table, long long table_stride, int table_columns, const int* lengths, int rows, int heads,
    int head_dim, int value_dim, float scale, int left, float* y, long long y_stride, const Appended& appended, Rounded rounded,
    int parts, int part_keys)
{
    __shared__ float weights[Warps * KeysOfBlock];
    int warp = thread_x() / WarpLanes, lane = thread_x() % WarpLanes;
    long long piece = (long long)block_x() * Warps + warp;
    if (piece >= (long long)rows * heads) return;
    int row = (int)(piece / heads), head = (int)(piece % heads);
    if (!IsSplit && !IsAdditive && appended.keys != nullptr)
        append_head(appended, row, head, cache_keys, cache_values, blocks, heads, head_dim, value_dim);
    Scored s;
    s.query = query + row * query_stride + (long long)head * head_dim;
    s.vector = IsAdditive ? vector + (long long)head * head_dim : nullptr;
    s.keys = cache_keys;
    s.table = table + row * table_stride;
    s.blocks = blocks;
    s.heads = heads;
    s.head = head;
    s.head_dim = head_dim;
    s.scale = scale;
    int length = (int)least((long long)lengths[row], (long long)table_columns * Positions);
    int first_seen = (int)most((long long)length - 1 - left, 0LL);
    if (IsSplit)
    {
        first_seen = most(first_seen, block_z() * part_keys);
        if (block_z() + 1 < parts) length = least(length, (block_z() + 1) * part_keys);
    }

    int columns[Columns];
    float sums[Columns];
#pragma unroll
    for (int c = 0; c < Columns; c++)
    {
        columns[c] = least((block_y() * Columns + c) * WarpLanes + lane, value_dim - 1);
        sums[c] = 0.0f;
    }

    Running running = nothing_seen();
    float* own = weights + warp * KeysOfBlock;
    for (int block = first_seen & -KeysOfBlock; block < length; block += KeysOfBlock)
    {
        int first = most(first_seen - block, 0), end = least(length - block, KeysOfBlock);
        float low, high;
        score_block<IsAdditive>(s, block, first, end, low, high);
        float correction = weigh(low, high, first, end, running);
#pragma unroll
        for (int c = 0; c < Columns; c++) sums[c] *= correction;
        own[lane] = low;
        own[lane + WarpLanes] = high;
        warp_barrier();
        for (int start = first; start < end;)
        {
            int position = (block + start) % Positions, count = least(Positions - position, end - start);
            int place = block_of(s.table, blocks, block + start);
            const float* values = cache_values + (((long long)place * heads + head) * Positions + position) * value_dim;
            add_values<Columns>(values, value_dim, columns, own + start, count, sums);
            start += count;
        }

        warp_barrier();
    }

    float inverse = IsSplit ? 1.0f : inverse_of(running.sum);
    float* output = y + row * y_stride + (long long)head * value_dim;
    if (IsSplit)
    {
        output = y + (piece * parts + block_z()) * (NumbersOfPart + value_dim);
        if (lane == 0 && block_y() == 0)
        {
            output[LargestOfPart] = running.largest;
            output[TotalOfPart] = running.sum;
        }

        output += NumbersOfPart;
    }

#pragma unroll
    for (int c = 0; c < Columns; c++)
    {
        int column = (block_y() * Columns + c) * WarpLanes + lane;
        if (column >= value_dim) continue;
        float value = finished(sums[c], inverse);
        output[column] = value;
        if (!IsSplit && rounded.y != nullptr) rounded.y[piece * value_dim + column] = (unsigned short)rounded_to(value, rounded.is_float16);
    }
}

#define CACHED(name, is_additive, columns, blocks_of_processor) \
    KERNEL_FOR(Threads, blocks_of_processor) name( \
        const float* query, long long query_stride, const float* vector, float* cache_keys, float* cache_values, int blocks, \
        const int* table, long long table_stride, int table_columns, const int* lengths, int rows, int heads, int head_dim, \
        int value_dim, float scale, int left, float* y, long long y_stride, const float* new_keys, long long new_key_stride, \
        const float* new_values, long long new_value_stride, const int* slots, unsigned short* rounded, int is_float16) \
    { \
        Appended appended{new_keys, new_key_stride, new_values, new_value_stride, slots}; \
        attend_cache<is_additive, columns, false>( \
            query, query_stride, vector, cache_keys, cache_values, blocks, table, table_stride, table_columns, lengths, rows, \
            heads, head_dim, value_dim, scale, left, y, y_stride, appended, Rounded{rounded, is_float16 != 0}, 1, 0); \
    }

CACHED(cached_dot_1, false, 1, 5)
CACHED(cached_dot_2, false, 2, 4)
CACHED(cached_dot_4, false, 4, 3)
CACHED(cached_additive_1, true, 1, 5)
CACHED(cached_additive_2, true, 2, 4)
CACHED(cached_additive_4, true, 4, 3)

#define CACHED_PART(name, columns, blocks_of_processor) \
    KERNEL_FOR(Threads, blocks_of_processor) name( \
        const float* query, long long query_stride, float* cache_keys, float* cache_values, int blocks, \
        const int* table, long long table_stride, int table_columns, const int* lengths, int rows, int heads, int head_dim, \
        int value_dim, float scale, int left, float* results, int parts, int part_keys) \
    { \
        attend_cache<false, columns, true>( \
            query, query_stride, nullptr, cache_keys, cache_values, blocks, table, table_stride, table_columns, lengths, rows, \
            heads, head_dim, value_dim, scale, left, results, 0, Appended{}, Rounded{}, parts, part_keys); \
    }

CACHED_PART(cached_part_1, 1, 5)
CACHED_PART(cached_part_2, 2, 4)
CACHED_PART(cached_part_4, 4, 3)

// The parts of each row and head become y, in their order. A warp a row and head.
KERNEL(Threads) join_parts(
    const float* results, int parts, int rows, int heads, int value_dim, float* y, long long y_stride)
{
    int lane = thread_x() % WarpLanes, numbers = NumbersOfPart + value_dim;
    long long piece = (long long)block_x() * Warps + thread_x() / WarpLanes;
    if (piece >= (long long)rows * heads) return;
    results += piece * parts * numbers;
    float largest = -__builtin_inff(), total = 0.0f;
    for (int part = 0; part < parts; part++) largest = larger(results[part * numbers + LargestOfPart], largest);
    float base = largest == -__builtin_inff() ? 0.0f : largest;
    for (int part = 0; part < parts; part++)
    {
        const float* of = results + part * numbers;
        total = fused(of[TotalOfPart], exponential_of_negative(of[LargestOfPart] - base), total);
    }

    float inverse = inverse_of(total);
    float* output = y + piece / heads * y_stride + piece % heads * value_dim;
    for (int column = lane; column < value_dim; column += WarpLanes)
    {
        float sum = 0.0f;
        for (int part = 0; part < parts; part++)
        {
            const float* of = results + part * numbers;
            sum = fused(of[NumbersOfPart + column], exponential_of_negative(of[LargestOfPart] - base), sum);
        }

        output[column] = finished(sum, inverse);
    }
}

// The weights themselves, averaged over the first heads; y [rows, longest]. For a reader: scores are computed three times instead of
// being kept. A warp a row.
template <bool IsAdditive>
DEVICE void weigh_cache(
    const float* query, long long query_stride, const float* vector, const float* cache_keys, int blocks, const int* table,
    long long table_stride, int table_columns, const int* lengths, int rows, int heads, int head_dim, float scale, int left,
    int first_heads, float* y, long long y_stride, int longest)
{
    int row = block_x() * Warps + thread_x() / WarpLanes, lane = thread_x() % WarpLanes;
    if (row >= rows) return;
    y += row * y_stride;
    for (int i = lane; i < longest; i += WarpLanes) y[i] = 0.0f;
    Scored s;
    s.keys = cache_keys;
    s.table = table + row * table_stride;
    s.blocks = blocks;
    s.heads = heads;
    s.head_dim = head_dim;
    s.scale = scale;
    int length = least((int)least((long long)lengths[row], (long long)table_columns * Positions), longest);
    int first_seen = (int)most((long long)length - 1 - left, 0LL), start = first_seen & -KeysOfBlock;
    for (int head = 0; head < first_heads; head++)
    {
        s.query = query + row * query_stride + (long long)head * head_dim;
        s.vector = IsAdditive ? vector + (long long)head * head_dim : nullptr;
        s.head = head;
        float largest = -__builtin_inff(), sum = 0.0f, inverse = 0.0f;
#pragma unroll 1
        for (int pass = 0; pass < 3; pass++)
        {
            for (int block = start; block < length; block += KeysOfBlock)
            {
                int first = most(first_seen - block, 0), end = least(length - block, KeysOfBlock);
                float low, high;
                score_block<IsAdditive>(s, block, first, end, low, high);
                low = only_seen(low, lane, first, end);
                high = only_seen(high, lane + WarpLanes, first, end);
                if (pass == 0)
                {
                    largest = larger(warp_maximum(larger(low, high)), largest);
                    continue;
                }

                low = exponential_of_negative(low - largest);
                high = exponential_of_negative(high - largest);
                if (pass == 1)
                {
                    sum += join_chains(low, high);
                    continue;
                }

                int place = block + lane;
                if (lane >= first && lane < end) y[place] += low * inverse;
                if (lane + WarpLanes >= first && lane + WarpLanes < end) y[place + WarpLanes] += high * inverse;
            }

            if (pass == 0) largest = largest == -__builtin_inff() ? 0.0f : largest;
            if (pass == 1) inverse = inverse_of(sum);
        }
    }

    for (int i = lane; i < length; i += WarpLanes) y[i] /= (float)first_heads;
}

#define CACHED_WEIGHTS(name, is_additive) \
    KERNEL_FOR(Threads, 8) name( \
        const float* query, long long query_stride, const float* vector, const float* cache_keys, int blocks, \
        const int* table, long long table_stride, int table_columns, const int* lengths, int rows, int heads, int head_dim, \
        float scale, int left, int first_heads, float* y, long long y_stride, int longest) \
    { \
        weigh_cache<is_additive>( \
            query, query_stride, vector, cache_keys, blocks, table, table_stride, table_columns, lengths, rows, heads, head_dim, \
            scale, left, first_heads, y, y_stride, longest); \
    }

CACHED_WEIGHTS(cached_weights_dot, false)
CACHED_WEIGHTS(cached_weights_additive, true)
