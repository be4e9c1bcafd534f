// The backward of attention of whole sentences, by tiles, so that memory is O(rows). With P = softmax(S), D the dropout: dV += (D P)^T dy,
// dP = D (dy V^T), dS = P (dP - sum P dP) scale; dot products: dQ += dS K, dK += dS^T Q; additive, with t = tanh(q + k) and
// u = dS v (1 - t^2): dq += sum u over keys, dk += sum u over queries, dv += sum dS t.
// Two kernels, and no sum that depends on which block is first: the first takes sixteen queries over blocks of 64 keys, and notes of each
// query the largest score, the sum of weights and sum P dP; the second takes sixteen keys over blocks of 64 queries. In both a warp has
// four rows of its own, and its lanes the numbers l and l + 32 of a block. Every slice of columns computes the weights for itself.
// query, dq [rows, heads * headDim], key, dk [keyRows, heads * headDim], value, dv [keyRows, heads * valueDim], dy [rows, heads * valueDim],
// notes [heads, rows, 3]. Grid: sentences * tiles, heads, slices of columns.
#pragma once
#include "attention.cuh"
#include "dropout.cuh"

constexpr int Threads = 128;
constexpr int Warps = Threads / WarpLanes;
constexpr int Own = 4;                          // rows of a warp
constexpr int RowsOfTile = Warps * Own;
constexpr int Block = 64;                       // rows that a tile meets at once
constexpr int Depth = 32;                       // columns that are in shared memory at once
constexpr int OtherStride = Block + 1;
constexpr int Notes = 3;

struct Tiles
{
    float* other;       // [Depth][OtherStride]
    Float4* own;        // [Warps][Depth]
    float* vector;      // [Depth]
};

// Rows of one sentence and head: dim columns of count rows.
struct Rows
{
    const float* first;
    long long stride;
    int count;
};

// Products, or additive scores, of a warp's own rows with the rows l and l + 32 of a block. All threads must come here.
template <bool IsAdditive>
DEVICE void multiply_tile(
    const Rows& own, int own_row, const Rows& other, int other_row, int dim, const float* vector, bool is_used, const Tiles& tiles,
    float (&low)[Own], float (&high)[Own])
{
    int warp = thread_x() / WarpLanes, lane = thread_x() % WarpLanes;
#pragma unroll
    for (int i = 0; i < Own; i++) low[i] = high[i] = 0.0f;
    for (int start = 0; start < dim; start += Depth)
    {
        block_barrier();
        int column = start + lane;
#pragma unroll 4
        for (int row = warp; row < Block; row += Warps)
        {
            bool is_there = column < dim && other_row + row < other.count;
            tiles.other[lane * OtherStride + row] = is_there ? other.first[(other_row + row) * other.stride + column] : 0.0f;
        }

        float numbers[Own];
#pragma unroll
        for (int i = 0; i < Own; i++)
        {
            int row = own_row + i;
            bool is_there = column < dim && row < own.count;
            numbers[i] = is_there ? own.first[row * own.stride + column] : 0.0f;
        }

        tiles.own[warp * Depth + lane] = Float4{numbers[0], numbers[1], numbers[2], numbers[3]};

        if (IsAdditive && warp == 0) tiles.vector[lane] = column < dim ? vector[column] : 0.0f;
        block_barrier();
        if (!is_used) continue;
        int depth = least(Depth, dim - start);
        constexpr int AtOnce = IsAdditive ? 1 : 4;
#pragma unroll AtOnce
        for (int k = 0; k < depth; k++)
        {
            Float4 four = tiles.own[warp * Depth + k];
            const float o[Own] = {four.x, four.y, four.z, four.w};
            float low_other = tiles.other[k * OtherStride + lane], high_other = tiles.other[k * OtherStride + lane + WarpLanes];
            float v = IsAdditive ? tiles.vector[k] : 0.0f;
#pragma unroll
            for (int i = 0; i < Own; i++)
            {
                low[i] = add_score<IsAdditive>(low[i], o[i], low_other, v);
                high[i] = add_score<IsAdditive>(high[i], o[i], high_other, v);
            }
        }
    }
}

// sums[i][c] += sum of weights[row][i] * rows[row][columns[c]], rows first .. end - 1 of a block.
template <int Columns>
DEVICE void add_rows(
    const float* rows, long long stride, const int (&columns)[Columns], const Float4* weights, int first, int end,
    float (&sums)[Own][Columns])
{
    rows += first * stride;
#pragma unroll 4
    for (int row = first; row < end; row++)
    {
        Float4 four = weights[row];
        const float weight[Own] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int c = 0; c < Columns; c++)
        {
            float x = rows[columns[c]];
#pragma unroll
            for (int i = 0; i < Own; i++) sums[i][c] = fused(x, weight[i], sums[i][c]);
        }

        rows += stride;
    }
}

// The same for additive scores: sums[i][c] += sum of u, and of_vector[c] += sum of dS t.
template <int Columns>
DEVICE void add_slopes(
    const float* rows, long long stride, const int (&columns)[Columns], const Float4* weights, int first, int end,
    const float (&own)[Own][Columns], const float (&vector)[Columns], float (&sums)[Own][Columns], float (&of_vector)[Columns])
{
    rows += first * stride;
#pragma unroll 1
    for (int row = first; row < end; row++)
    {
        Float4 four = weights[row];
        const float weight[Own] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int c = 0; c < Columns; c++)
        {
            float x = rows[columns[c]];
#pragma unroll
            for (int i = 0; i < Own; i++)
            {
                float t = hyperbolic_tangent(own[i][c] + x);
                sums[i][c] += (weight[i] * vector[c]) * ((1.0f - t) * (1.0f + t));
                of_vector[c] = fused(weight[i], t, of_vector[c]);
            }
        }

        rows += stride;
    }
}

// Columns of a lane, and whether they are there; those that are not are read as the last one.
template <int Columns>
DEVICE void find_columns(int dim, int (&columns)[Columns])
{
#pragma unroll
    for (int c = 0; c < Columns; c++)
        columns[c] = most(0, least((block_z() * Columns + c) * WarpLanes + thread_x() % WarpLanes, dim - 1));
}

DEVICE int column_of(int columns, int c) { return (block_z() * columns + c) * WarpLanes + thread_x() % WarpLanes; }

template <int Columns>
DEVICE void clear_sums(float (&sums)[Own][Columns])
{
#pragma unroll
    for (int i = 0; i < Own; i++)
#pragma unroll
        for (int c = 0; c < Columns; c++) sums[i][c] = 0.0f;
}

// Adds a warp's sums to its rows of a gradient.
template <int Columns>
DEVICE void add_to(float* gradient, long long stride, int row, int rows, int dim, const float (&sums)[Own][Columns])
{
#pragma unroll
    for (int i = 0; i < Own; i++)
    {
        if (row + i >= rows) continue;
        float* place = gradient + (row + i) * stride;
#pragma unroll
        for (int c = 0; c < Columns; c++)
        {
            int column = column_of(Columns, c);
            if (column < dim) place[column] += sums[i][c];
        }
    }
}

// Which rows of a block each of a warp's own sees, and which any of them.
struct Seen
{
    int firsts[Own], ends[Own];
    int first, end;
};

DEVICE Seen seen_of(int block, const int (&firsts)[Own], const int (&ends)[Own])
{
    Seen seen;
    seen.first = Block;
    seen.end = 0;
#pragma unroll
    for (int i = 0; i < Own; i++)
    {
        seen.firsts[i] = most(firsts[i] - block, 0);
        seen.ends[i] = least(ends[i] - block, Block);
        if (seen.firsts[i] >= seen.ends[i]) continue;
        seen.first = least(seen.first, seen.firsts[i]);
        seen.end = most(seen.end, seen.ends[i]);
    }

    return seen;
}

template <bool IsAdditive, int Columns>
DEVICE void gradient_of_queries(
    const float* query, long long query_stride, const float* key, long long key_stride, const float* value,
    long long value_stride, const float* vector, const float* dy, long long dy_stride, const int* query_offsets,
    const int* key_offsets, int query_rows, int key_rows, int tiles, int head_dim, int value_dim, float scale, int left, int right,
    float* query_gradient, long long query_gradient_stride, float* notes, float* vector_partials, Dropout dropout)
{
    __shared__ float other_tile[Depth * OtherStride];
    __shared__ Float4 own_tile[Depth * Warps];
    __shared__ float vector_tile[Depth];
    __shared__ Float4 weights[Warps * Block];
    int sentence = block_x() / tiles, tile_row = block_x() % tiles * RowsOfTile, head = block_y();
    int thread = thread_x(), warp = thread / WarpLanes, lane = thread % WarpLanes;
    Sentence asked = sentence_of(query_offsets, sentence, query_rows), seen = sentence_of(key_offsets, sentence, key_rows);
    int query_start = asked.begin, queries = asked.length, key_start = seen.begin, keys = seen.length;
    if (tile_row >= queries && !IsAdditive) return;
    Rows of_query{query + query_start * query_stride + (long long)head * head_dim, query_stride, queries};
    Rows of_dy{dy + query_start * dy_stride + (long long)head * value_dim, dy_stride, queries};
    Rows of_key{key + key_start * key_stride + (long long)head * head_dim, key_stride, keys};
    Rows of_value{value + key_start * value_stride + (long long)head * value_dim, value_stride, keys};
    if (IsAdditive) vector += (long long)head * head_dim;
    Tiles shared{other_tile, own_tile, vector_tile};

    int own_row = tile_row + warp * Own, firsts[Own], ends[Own];
#pragma unroll
    for (int i = 0; i < Own; i++)
    {
        long long position = (long long)own_row + i + keys - queries;
        firsts[i] = own_row + i < queries ? (int)most(0LL, least(position - left, (long long)keys)) : 0;
        ends[i] = own_row + i < queries ? (int)most(0LL, least(position + right + 1, (long long)keys)) : 0;
    }

    long long tile_position = (long long)tile_row + keys - queries;
    long long last_position = (long long)least(tile_row + RowsOfTile, queries) - 1 + keys - queries;
    int tile_first = (int)most(0LL, least(tile_position - left, (long long)keys)) & -Block;
    int tile_end = tile_row < queries ? (int)most(0LL, least(last_position + right + 1, (long long)keys)) : 0;
    bool is_single = tile_end - tile_first <= Block;

    int columns[Columns];
    find_columns<Columns>(head_dim, columns);
    float sums[Own][Columns], own[Own][Columns], of_vector[Columns], vectors[Columns];
    clear_sums(sums);
#pragma unroll
    for (int c = 0; c < Columns; c++)
    {
        of_vector[c] = 0.0f;
        vectors[c] = IsAdditive ? vector[columns[c]] : 0.0f;
#pragma unroll
        for (int i = 0; i < Own; i++)
            own[i][c] = IsAdditive && own_row + i < queries ? of_query.first[(own_row + i) * query_stride + columns[c]] : 0.0f;
    }

    Running running[Own];
    float centers[Own], low[Own], high[Own], low_gradient[Own], high_gradient[Own];
#pragma unroll
    for (int i = 0; i < Own; i++)
    {
        running[i] = nothing_seen();
        centers[i] = low[i] = high[i] = low_gradient[i] = high_gradient[i] = 0.0f;
    }

    // First the softmax and sum P dP; then, with both known, the gradients. What one block of keys gave in the first is kept.
#pragma unroll 1
    for (int pass = 0; pass < 2; pass++)
    {
        for (int block = tile_first; block < tile_end; block += Block)
        {
            Seen seen = seen_of(block, firsts, ends);
            bool is_used = seen.first < seen.end;
            if (pass == 0 || !is_single)
            {
                multiply_tile<IsAdditive>(of_query, own_row, of_key, block, head_dim, vector, is_used, shared, low, high);
                multiply_tile<false>(
                    of_dy, own_row, of_value, block, value_dim, nullptr, is_used, shared, low_gradient, high_gradient);
#pragma unroll
                for (int i = 0; i < Own; i++)
                {
                    low[i] *= scale;
                    high[i] *= scale;
                    if (dropout.threshold == 0 || !is_used) continue;
                    drop_block(
                        dropout, (long long)head * query_rows + query_start + own_row + i, block, low_gradient[i], high_gradient[i]);
                }
            }

            if (!is_used) continue;
            if (pass == 0)
            {
#pragma unroll
                for (int i = 0; i < Own; i++)
                {
                    if (seen.firsts[i] >= seen.ends[i]) continue;
                    float low_weight = low[i], high_weight = high[i];
                    centers[i] *= weigh(low_weight, high_weight, seen.firsts[i], seen.ends[i], running[i]);
                    centers[i] += join_chains(low_weight * low_gradient[i], high_weight * high_gradient[i]);
                }

                continue;
            }

            float low_score[Own], high_score[Own];
#pragma unroll
            for (int i = 0; i < Own; i++)
            {
                float low_seen = only_seen(low[i], lane, seen.firsts[i], seen.ends[i]);
                float high_seen = only_seen(high[i], lane + WarpLanes, seen.firsts[i], seen.ends[i]);
                float p = exponential_of_negative(low_seen - running[i].largest) / running[i].sum;
                low_score[i] = running[i].sum == 0.0f ? 0.0f : (p * (low_gradient[i] - centers[i])) * scale;
                p = exponential_of_negative(high_seen - running[i].largest) / running[i].sum;
                high_score[i] = running[i].sum == 0.0f ? 0.0f : (p * (high_gradient[i] - centers[i])) * scale;
            }

            Float4* own_weights = weights + warp * Block;
            own_weights[lane] = Float4{low_score[0], low_score[1], low_score[2], low_score[3]};
            own_weights[lane + WarpLanes] = Float4{high_score[0], high_score[1], high_score[2], high_score[3]};
            warp_barrier();
            if (head_dim > 0)
            {
                const float* rows = of_key.first + block * key_stride;
                if (IsAdditive)
                {
                    add_slopes<Columns>(
                        rows, key_stride, columns, own_weights, seen.first, seen.end, own, vectors, sums, of_vector);
                }
                else
                {
                    add_rows<Columns>(rows, key_stride, columns, own_weights, seen.first, seen.end, sums);
                }
            }

            warp_barrier();
        }

        if (pass > 0) break;
#pragma unroll
        for (int i = 0; i < Own; i++)
        {
            // Seen scores may all be -infinity, by overflow: they weigh nothing.
            if (running[i].largest == -__builtin_inff()) running[i].largest = 0.0f;
            centers[i] = running[i].sum == 0.0f ? 0.0f : centers[i] / running[i].sum;
            if (block_z() != 0 || lane != 0 || own_row + i >= queries) continue;
            float* place = notes + ((long long)head * query_rows + query_start + own_row + i) * Notes;
            place[0] = running[i].largest;
            place[1] = running[i].sum;
            place[2] = centers[i];
        }
    }

    add_to<Columns>(
        query_gradient + query_start * query_gradient_stride + (long long)head * head_dim, query_gradient_stride, own_row, queries,
        head_dim, sums);
    if (!IsAdditive) return;

    // What the tile adds to the gradient of v: the warps' sums in their order.
    block_barrier();
    float* of_warps = (float*)weights;
#pragma unroll
    for (int c = 0; c < Columns; c++) of_warps[(warp * Columns + c) * WarpLanes + lane] = of_vector[c];
    block_barrier();
    if (warp > 0) return;
    float* partial = vector_partials + ((long long)block_x() * grid_y() + head) * head_dim;
#pragma unroll
    for (int c = 0; c < Columns; c++)
    {
        float sum = of_warps[c * WarpLanes + lane];
#pragma unroll
        for (int w = 1; w < Warps; w++) sum += of_warps[(w * Columns + c) * WarpLanes + lane];
        int column = column_of(Columns, c);
        if (column < head_dim) partial[column] = sum;
    }
}

template <bool IsAdditive, int Columns>
DEVICE void gradient_of_keys(
    const float* query, long long query_stride, const float* key, long long key_stride, const float* value,
    long long value_stride, const float* vector, const float* dy, long long dy_stride, const int* query_offsets,
    const int* key_offsets, int query_rows, int key_rows, int tiles, int head_dim, int value_dim, float scale, int left, int right,
    float* key_gradient, long long key_gradient_stride, float* value_gradient, long long value_gradient_stride, const float* notes,
    Dropout dropout)
{
    __shared__ float other_tile[Depth * OtherStride];
    __shared__ Float4 own_tile[Depth * Warps];
    __shared__ float vector_tile[Depth];
    __shared__ Float4 score_weights[Warps * Block];
    __shared__ Float4 value_weights[Warps * Block];
    int sentence = block_x() / tiles, tile_row = block_x() % tiles * RowsOfTile, head = block_y();
    int thread = thread_x(), warp = thread / WarpLanes, lane = thread % WarpLanes;
    Sentence asked = sentence_of(query_offsets, sentence, query_rows), seen = sentence_of(key_offsets, sentence, key_rows);
    int query_start = asked.begin, queries = asked.length, key_start = seen.begin, keys = seen.length;
    if (tile_row >= keys) return;
    Rows of_query{query + query_start * query_stride + (long long)head * head_dim, query_stride, queries};
    Rows of_dy{dy + query_start * dy_stride + (long long)head * value_dim, dy_stride, queries};
    Rows of_key{key + key_start * key_stride + (long long)head * head_dim, key_stride, keys};
    Rows of_value{value + key_start * value_stride + (long long)head * value_dim, value_stride, keys};
    if (IsAdditive) vector += (long long)head * head_dim;
    notes += ((long long)head * query_rows + query_start) * Notes;
    Tiles shared{other_tile, own_tile, vector_tile};

    // A query at position p = number + keys - queries sees the keys p - left .. p + right.
    int own_row = tile_row + warp * Own, firsts[Own], ends[Own];
    long long shift = (long long)keys - queries;
#pragma unroll
    for (int i = 0; i < Own; i++)
    {
        long long number = (long long)own_row + i - shift;
        firsts[i] = own_row + i < keys ? (int)most(0LL, least(number - right, (long long)queries)) : 0;
        ends[i] = own_row + i < keys ? (int)most(0LL, least(number + left + 1, (long long)queries)) : 0;
    }

    int tile_first = (int)most(0LL, least((long long)tile_row - shift - right, (long long)queries)) & -Block;
    long long last_number = (long long)least(tile_row + RowsOfTile, keys) - 1 - shift;
    int tile_end = (int)most(0LL, least(last_number + left + 1, (long long)queries));

    int columns[Columns], value_columns[Columns];
    find_columns<Columns>(head_dim, columns);
    find_columns<Columns>(value_dim, value_columns);
    float sums[Own][Columns], value_sums[Own][Columns], own[Own][Columns], of_vector[Columns], vectors[Columns];
    clear_sums(sums);
    clear_sums(value_sums);
#pragma unroll
    for (int c = 0; c < Columns; c++)
    {
        of_vector[c] = 0.0f;
        vectors[c] = IsAdditive ? vector[columns[c]] : 0.0f;
#pragma unroll
        for (int i = 0; i < Own; i++)
            own[i][c] = IsAdditive && own_row + i < keys ? of_key.first[(own_row + i) * key_stride + columns[c]] : 0.0f;
    }

    for (int block = tile_first; block < tile_end; block += Block)
    {
        Seen seen = seen_of(block, firsts, ends);
        bool is_used = seen.first < seen.end;
        float low[Own], high[Own], low_gradient[Own], high_gradient[Own];
        multiply_tile<IsAdditive>(of_key, own_row, of_query, block, head_dim, vector, is_used, shared, low, high);
        multiply_tile<false>(of_value, own_row, of_dy, block, value_dim, nullptr, is_used, shared, low_gradient, high_gradient);
        if (!is_used) continue;
        int low_row = block + lane, high_row = low_row + WarpLanes;
        const float* low_note = notes + (long long)least(low_row, queries - 1) * Notes;
        const float* high_note = notes + (long long)least(high_row, queries - 1) * Notes;
        float low_largest = low_note[0], low_sum = low_note[1], low_center = low_note[2];
        float high_largest = high_note[0], high_sum = high_note[1], high_center = high_note[2];
        float low_weight[Own], high_weight[Own];
#pragma unroll
        for (int i = 0; i < Own; i++)
        {
            float low_factor = 1.0f, high_factor = 1.0f;
            if (dropout.threshold != 0)
            {
                long long row = (long long)head * query_rows + query_start + low_row;
                low_factor = factor_at(dropout, row, own_row + i);
                high_factor = factor_at(dropout, row + WarpLanes, own_row + i);
            }

            float score = only_seen(low[i] * scale, lane, seen.firsts[i], seen.ends[i]);
            float p = low_sum == 0.0f ? 0.0f : exponential_of_negative(score - low_largest) / low_sum;
            low_weight[i] = p * low_factor;
            low[i] = (p * (low_gradient[i] * low_factor - low_center)) * scale;
            score = only_seen(high[i] * scale, lane + WarpLanes, seen.firsts[i], seen.ends[i]);
            p = high_sum == 0.0f ? 0.0f : exponential_of_negative(score - high_largest) / high_sum;
            high_weight[i] = p * high_factor;
            high[i] = (p * (high_gradient[i] * high_factor - high_center)) * scale;
        }

        Float4* own_scores = score_weights + warp * Block;
        Float4* own_values = value_weights + warp * Block;
        own_scores[lane] = Float4{low[0], low[1], low[2], low[3]};
        own_scores[lane + WarpLanes] = Float4{high[0], high[1], high[2], high[3]};
        own_values[lane] = Float4{low_weight[0], low_weight[1], low_weight[2], low_weight[3]};
        own_values[lane + WarpLanes] = Float4{high_weight[0], high_weight[1], high_weight[2], high_weight[3]};
        warp_barrier();
        if (value_dim > 0)
        {
            add_rows<Columns>(
                of_dy.first + block * dy_stride, dy_stride, value_columns, own_values, seen.first, seen.end, value_sums);
        }

        if (head_dim > 0)
        {
            const float* rows = of_query.first + block * query_stride;
            if (IsAdditive)
            {
                add_slopes<Columns>(
                    rows, query_stride, columns, own_scores, seen.first, seen.end, own, vectors, sums, of_vector);
            }
            else
            {
                add_rows<Columns>(rows, query_stride, columns, own_scores, seen.first, seen.end, sums);
            }
        }

        warp_barrier();
    }

    add_to<Columns>(
        key_gradient + key_start * key_gradient_stride + (long long)head * head_dim, key_gradient_stride, own_row, keys, head_dim,
        sums);
    add_to<Columns>(
        value_gradient + key_start * value_gradient_stride + (long long)head * value_dim, value_gradient_stride, own_row, keys,
        value_dim, value_sums);
}

#define GRADIENT(name, is_additive, columns) \
    KERNEL_FOR(Threads, 2) gradient_of_queries_##name( \
        const float* query, long long query_stride, const float* key, long long key_stride, const float* value, \
        long long value_stride, const float* vector, const float* dy, long long dy_stride, const int* query_offsets, \
        const int* key_offsets, int query_rows, int key_rows, int tiles, int head_dim, int value_dim, float scale, int left, \
        int right, float* query_gradient, long long query_gradient_stride, float* notes, float* vector_partials, \
        unsigned key_low, unsigned key_high, unsigned site, unsigned threshold, float dropout_scale) \
    { \
        gradient_of_queries<is_additive, columns>( \
            query, query_stride, key, key_stride, value, value_stride, vector, dy, dy_stride, query_offsets, key_offsets, \
            query_rows, key_rows, tiles, head_dim, value_dim, scale, left, right, query_gradient, query_gradient_stride, notes, \
            vector_partials, Dropout{key_low, key_high, site, threshold, dropout_scale}); \
    } \
    KERNEL_FOR(Threads, 2) gradient_of_keys_##name( \
        const float* query, long long query_stride, const float* key, long long key_stride, const float* value, \
        long long value_stride, const float* vector, const float* dy, long long dy_stride, const int* query_offsets, \
        const int* key_offsets, int query_rows, int key_rows, int tiles, int head_dim, int value_dim, float scale, int left, \
        int right, float* key_gradient, long long key_gradient_stride, float* value_gradient, long long value_gradient_stride, \
        const float* notes, unsigned key_low, unsigned key_high, unsigned site, unsigned threshold, float dropout_scale) \
    { \
        gradient_of_keys<is_additive, columns>( \
            query, query_stride, key, key_stride, value, value_stride, vector, dy, dy_stride, query_offsets, key_offsets, \
            query_rows, key_rows, tiles, head_dim, value_dim, scale, left, right, key_gradient, key_gradient_stride, \
            value_gradient, value_gradient_stride, notes, Dropout{key_low, key_high, site, threshold, dropout_scale}); \
    }
