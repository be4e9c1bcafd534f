// Attention of whole sentences: a block takes sixteen queries of one sentence and head over blocks of 64 keys, so no n x n matrix is
// made. query [rows, heads * headDim], key [keyRows, heads * headDim], value [keyRows, heads * valueDim], y [rows, heads * valueDim].
// Grid: sentences * tiles of queries, heads, slices of the columns of a value; every slice computes the scores for itself.
#pragma once
#include "attention.cuh"
#include "dropout.cuh"

constexpr int Threads = 128;
constexpr int Warps = Threads / WarpLanes;
constexpr int Queries = 4;                      // of a warp
constexpr int QueriesOfTile = Warps * Queries;
constexpr int Depth = 32;                       // columns of queries and keys that are in shared memory at once
constexpr int KeyStride = KeysOfBlock + 1;      // so that neither writing nor reading meets a bank twice

// Adds the values of the keys first .. end - 1. Where IsChecked, a query takes only the keys that it sees.
template <int Columns, bool IsChecked>
DEVICE void add_values(
    const float* values, long long stride, const int (&columns)[Columns], const Float4* weights, int first, int end,
    const int (&firsts)[Queries], const int (&ends)[Queries], float (&sums)[Queries][Columns])
{
    values += first * stride;
    constexpr int AtOnce = IsChecked ? 1 : 8;
#pragma unroll AtOnce
    for (int key = first; key < end; key++)
    {
        Float4 four = weights[key];
        const float weight[Queries] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int c = 0; c < Columns; c++)
        {
            float value = values[columns[c]];
#pragma unroll
            for (int i = 0; i < Queries; i++)
            {
                float sum = fused(value, weight[i], sums[i][c]);
                sums[i][c] = !IsChecked || (key >= firsts[i] && key < ends[i]) ? sum : sums[i][c];
            }
        }

        values += stride;
    }
}

// Where HasDropout, the weights are dropped when they have been summed up.
template <bool IsAdditive, int Columns, bool HasDropout>
DEVICE void attend(
    const float* query, long long query_stride, const float* key, long long key_stride, const float* value,
    long long value_stride, const float* vector, const int* query_offsets, const int* key_offsets, int query_rows, int key_rows,
    int tiles, int head_dim, int value_dim, float scale, int left, int right, float* y, long long y_stride,
    Dropout dropout)
{
    __shared__ float key_tile[Depth * KeyStride];
    __shared__ Float4 query_tile[Depth * Warps];
    __shared__ float vector_tile[Depth];
    __shared__ Float4 weights[Warps * KeysOfBlock];
    int sentence = block_x() / tiles, tile_row = block_x() % tiles * QueriesOfTile, head = block_y();
    int thread = thread_x(), warp = thread / WarpLanes, lane = thread % WarpLanes;

    // Offsets are not checked before: whatever they are, only rows of the tables are touched.
    Sentence asked = sentence_of(query_offsets, sentence, query_rows), seen = sentence_of(key_offsets, sentence, key_rows);
    int query_start = asked.begin, queries = asked.length, key_start = seen.begin, keys = seen.length;
    if (tile_row >= queries) return;
    query += query_start * query_stride + (long long)head * head_dim;
    key += key_start * key_stride + (long long)head * head_dim;
    value += key_start * value_stride + (long long)head * value_dim;
    if (IsAdditive) vector += (long long)head * head_dim;

    int firsts[Queries], ends[Queries];
#pragma unroll
    for (int i = 0; i < Queries; i++)
    {
        int row = tile_row + warp * Queries + i;
        long long position = (long long)row + keys - queries;
        firsts[i] = row < queries ? (int)most(0LL, least(position - left, (long long)keys)) : 0;
        ends[i] = row < queries ? (int)most(0LL, least(position + right + 1, (long long)keys)) : 0;
    }

    long long tile_position = (long long)tile_row + keys - queries;
    long long last_position = (long long)least(tile_row + QueriesOfTile, queries) - 1 + keys - queries;
    int tile_first = (int)most(0LL, least(tile_position - left, (long long)keys));
    int tile_end = (int)most(0LL, least(last_position + right + 1, (long long)keys));

    int columns[Columns];
#pragma unroll
    for (int c = 0; c < Columns; c++)
        columns[c] = least((block_z() * Columns + c) * WarpLanes + lane, value_dim - 1);
    float sums[Queries][Columns];
    Running running[Queries];
#pragma unroll
    for (int i = 0; i < Queries; i++)
    {
        running[i] = nothing_seen();
#pragma unroll
        for (int c = 0; c < Columns; c++) sums[i][c] = 0.0f;
    }

    for (int block = tile_first & -KeysOfBlock; block < tile_end; block += KeysOfBlock)
    {
        int seen_first = KeysOfBlock, seen_end = 0, shared_first = 0, shared_end = KeysOfBlock;
        int block_firsts[Queries], block_ends[Queries];
#pragma unroll
        for (int i = 0; i < Queries; i++)
        {
            block_firsts[i] = most(firsts[i] - block, 0);
            block_ends[i] = least(ends[i] - block, KeysOfBlock);
            shared_first = most(shared_first, block_firsts[i]);
            shared_end = least(shared_end, block_ends[i]);
            if (block_firsts[i] >= block_ends[i]) continue;
            seen_first = least(seen_first, block_firsts[i]);
            seen_end = most(seen_end, block_ends[i]);
        }

        float low[Queries], high[Queries];
#pragma unroll
        for (int i = 0; i < Queries; i++) low[i] = high[i] = 0.0f;
        for (int start = 0; start < head_dim; start += Depth)
        {
            block_barrier();
            int column = start + lane;
#pragma unroll
            for (int row = warp; row < KeysOfBlock; row += Warps)
            {
                bool is_there = column < head_dim && block + row < keys;
                key_tile[lane * KeyStride + row] = is_there ? key[(block + row) * key_stride + column] : 0.0f;
            }

            float own_queries[Queries];
#pragma unroll
            for (int i = 0; i < Queries; i++)
            {
                int row = tile_row + warp * Queries + i;
                bool is_there = column < head_dim && row < queries;
                own_queries[i] = is_there ? query[row * query_stride + column] : 0.0f;
            }

            query_tile[warp * Depth + lane] = Float4{own_queries[0], own_queries[1], own_queries[2], own_queries[3]};

            if (IsAdditive && warp == 0) vector_tile[lane] = column < head_dim ? vector[column] : 0.0f;
            block_barrier();
            if (seen_first >= seen_end) continue;
            int depth = least(Depth, head_dim - start);
            constexpr int AtOnce = IsAdditive ? 1 : 4;     // a tanh has forty steps
#pragma unroll AtOnce
            for (int k = 0; k < depth; k++)
            {
                Float4 four = query_tile[warp * Depth + k];
                const float q[Queries] = {four.x, four.y, four.z, four.w};
                float low_key = key_tile[k * KeyStride + lane], high_key = key_tile[k * KeyStride + lane + WarpLanes];
                float v = IsAdditive ? vector_tile[k] : 0.0f;
#pragma unroll
                for (int i = 0; i < Queries; i++)
                {
                    low[i] = add_score<IsAdditive>(low[i], q[i], low_key, v);
                    high[i] = add_score<IsAdditive>(high[i], q[i], high_key, v);
                }
            }
        }

        if (seen_first >= seen_end) continue;
#pragma unroll
        for (int i = 0; i < Queries; i++)
        {
            low[i] *= scale;
            high[i] *= scale;
            if (block_firsts[i] < block_ends[i])
            {
                float correction = weigh(low[i], high[i], block_firsts[i], block_ends[i], running[i]);
#pragma unroll
                for (int c = 0; c < Columns; c++) sums[i][c] *= correction;
                if (HasDropout)
                {
                    long long row = (long long)head * query_rows + query_start + tile_row + warp * Queries + i;
                    drop_block(dropout, row, block, low[i], high[i]);
                }
            }
            else
            {
                low[i] = high[i] = 0.0f;
            }
        }

        Float4* own = weights + warp * KeysOfBlock;
        own[lane] = Float4{low[0], low[1], low[2], low[3]};
        own[lane + WarpLanes] = Float4{high[0], high[1], high[2], high[3]};
        warp_barrier();
        const float* values = value + block * value_stride;
        if (shared_first >= shared_end) shared_first = shared_end = seen_end;
        int checked_first = seen_first, checked_end = shared_first;
#pragma unroll 1
        for (int part = 0; part < 2; part++)    // keys that not all four see; those that all see; again those that not all see
        {
            add_values<Columns, true>(
                values, value_stride, columns, own, checked_first, checked_end, block_firsts, block_ends, sums);
            if (part > 0) break;
            add_values<Columns, false>(
                values, value_stride, columns, own, shared_first, shared_end, block_firsts, block_ends, sums);
            checked_first = shared_end;
            checked_end = seen_end;
        }

        warp_barrier();
    }

#pragma unroll
    for (int i = 0; i < Queries; i++)
    {
        int row = tile_row + warp * Queries + i;
        if (row >= queries) continue;
        float inverse = inverse_of(running[i].sum);
        float* output = y + (query_start + row) * y_stride + (long long)head * value_dim;
#pragma unroll
        for (int c = 0; c < Columns; c++)
        {
            int column = (block_z() * Columns + c) * WarpLanes + lane;
            if (column < value_dim) output[column] = finished(sums[i][c], inverse);
        }
    }
}
