// Attention of whole sentences by tensor cores (Dao 2023, FlashAttention-2): four warps have 16 or 32 queries each of one sentence and
// head, and go together over tiles of keys, while the next tile is being copied. Scores, weights and sums stay in registers: the
// layout of a score is that of a left factor, so weights go from one product into the next without leaving their lane.
// query and y are float32 as elsewhere, value_dim is even; keys and values are what pack_sentences made of them: [heads][key_rows][Width] each.
#pragma once
#include "tensor_core.cuh"

constexpr int Threads = 128;
constexpr int Warps = Threads / WarpLanes;
constexpr int LanesOfGroup = 4;         // that share a row of scores
constexpr int Unlimited = 1 << 30;      // a distance that no two rows have
constexpr int RowsOfPacking = 4;        // that a thread packs

extern __shared__ Fragment shared_fragments[];

// Keys of a tile: a barrier for each, and two tiles of keys and values in shared memory.
constexpr int keys_of_tile(int elements, int width) { return elements == 2 && width <= 64 ? 64 : 32; }

// Keys and values rounded, padded with zeros to the width; a thread has four columns of some rows, all of which it reads before it
// writes. Grid: blocks of rows, heads, 2 (keys, values).
template <typename Arithmetic>
DEVICE void pack_sentences(
    const float* key, long long key_stride, const float* value, long long value_stride, int rows, int head_dim, int value_dim,
    int width, typename Arithmetic::Element* packed_keys, typename Arithmetic::Element* packed_values)
{
    int chunks = width / 4, rows_at_once = Threads / chunks, column = thread_x() % chunks * 4;
    int first = block_x() * rows_at_once * RowsOfPacking + thread_x() / chunks;
    if (thread_x() >= rows_at_once * chunks) return;
    bool is_value = block_z() != 0;
    int dim = is_value ? value_dim : head_dim;
    long long stride = is_value ? value_stride : key_stride;
    const float* source = (is_value ? value : key) + (long long)block_y() * dim + column;
    typename Arithmetic::Element* target = (is_value ? packed_values : packed_keys) + (long long)block_y() * rows * width + column;
    bool is_aligned = ((unsigned long long)source & 15) == 0 && stride % 4 == 0 && column + 4 <= dim;
    Float4 numbers[RowsOfPacking];
#pragma unroll
    for (int i = 0; i < RowsOfPacking; i++)
    {
        const float* x = source + least(first + i * rows_at_once, rows - 1) * stride;
        if (is_aligned) numbers[i] = read_four(x);
        else
        {
            numbers[i].x = column < dim ? x[0] : 0.0f;
            numbers[i].y = column + 1 < dim ? x[1] : 0.0f;
            numbers[i].z = column + 2 < dim ? x[2] : 0.0f;
            numbers[i].w = column + 3 < dim ? x[3] : 0.0f;
        }
    }

#pragma unroll
    for (int i = 0; i < RowsOfPacking; i++)
    {
        int row = first + i * rows_at_once;
        if (row >= rows) break;
        const Float4& four = numbers[i];
        if constexpr (Arithmetic::Elements == 2)
        {
            UInt2 both{pack_saturated<Arithmetic>(four.x, four.y), pack_saturated<Arithmetic>(four.z, four.w)};
            *(UInt2*)(target + (long long)row * width) = both;
        }
        else
        {
            Int4 all{(int)pack_saturated<Arithmetic>(four.x, 0.0f), (int)pack_saturated<Arithmetic>(four.y, 0.0f),
                (int)pack_saturated<Arithmetic>(four.z, 0.0f), (int)pack_saturated<Arithmetic>(four.w, 0.0f)};
            *(Int4*)(target + (long long)row * width) = all;
        }
    }
}

// Rows that the threads copy at once, 16 bytes each: a power of two, so that it divides those of a tile.
constexpr int rows_at_once(int chunks)
{
    int rows = 1;
    while (2 * rows * chunks <= Threads) rows *= 2;
    return rows;
}

// A tile of rows that follow each other, of which some are there, from global to shared memory. The addresses are those of the
// thread's own bytes of the first row that it copies, which is row.
template <int Rows, int Chunks, int RowBytes>
DEVICE void copy_tile(unsigned target, const char* source, int row, int rows)
{
    constexpr int AtOnce = rows_at_once(Chunks);
    if (row >= AtOnce) return;
#pragma unroll
    for (int i = 0; i < Rows; i += AtOnce) copy_async(target + i * RowBytes, source + i * Chunks * 16, row + i < rows);
}

// The weights of 16 rows and of the keys of one step of the second product, as its left factor.
template <typename Arithmetic, int KeyTiles>
DEVICE Fragment weights_of_step(const float (&scores)[KeyTiles][4], int step)
{
    Fragment weights;
    if constexpr (Arithmetic::Elements == 2)
    {
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            const float(&tile)[4] = scores[2 * step + i / 2];
            weights.x[i] = Arithmetic::pack(tile[2 * (i % 2)], tile[2 * (i % 2) + 1]);
        }
    }
    else
    {
        // The keys 2 place and 2 place + 1 stand where place and place + 4 would: the values are read in the same order.
#pragma unroll
        for (int i = 0; i < 4; i++) weights.x[i] = Arithmetic::pack(scores[step][2 * (i % 2) + i / 2], 0.0f);
    }

    return weights;
}

// RowTiles: of 16 queries, that a warp has. KeepsQueries: in registers; else each lane keeps its part in shared memory.
template <typename Arithmetic, int Width, int RowTiles, bool KeepsQueries>
DEVICE void flash(
    const float* query, long long query_stride, const char* packed_keys, const char* packed_values, const int* query_offsets,
    const int* key_offsets, int query_rows, int key_rows, int tiles, int head_dim, int value_dim, float scale, int left, int right,
    float* y, long long y_stride)
{
    constexpr int Elements = Arithmetic::Elements, Keys = keys_of_tile(Elements, Width);
    constexpr int WidthBytes = Width * 4 / Elements, Chunks = WidthBytes / 16;
    constexpr int RowBytes = WidthBytes + 16;       // so that the rows of a matrix meet no bank twice
    constexpr int TileBytes = Keys * RowBytes, StageBytes = 2 * TileBytes;
    constexpr int Steps = WidthBytes / 32, KeyTiles = Keys / 8, ValueTiles = Width / 8, KeySteps = Keys / (8 * Elements);
    constexpr bool IsTight = Elements == 1 || Width > 64;   // registers are short: sums of addresses are formed where they are used
    constexpr int RowsOfWarp = 16 * RowTiles, RowsOfTile = Warps * RowsOfWarp;
    int warp = thread_x() / WarpLanes, lane = thread_x() % WarpLanes, group = lane / LanesOfGroup, place = lane % LanesOfGroup;
    int sentence = block_x() / tiles, tile_of_queries = tiles - 1 - block_x() % tiles, head = block_y();    // the longest first

    // Offsets are not checked before: whatever they are, only rows of the tables are touched.
    Sentence asked = sentence_of(query_offsets, sentence, query_rows), seen = sentence_of(key_offsets, sentence, key_rows);
    int query_start = asked.begin, queries = asked.length, key_start = seen.begin, keys = seen.length;
    int block_row = tile_of_queries * RowsOfTile;
    if (block_row >= queries) return;
    query += query_start * query_stride + (long long)head * head_dim;
    packed_keys += ((long long)head * key_rows + key_start) * WidthBytes;
    packed_values += ((long long)head * key_rows + key_start) * WidthBytes;

    // What the rows of the block see, those of the warp, and what all rows of the warp see.
    left = least(left, Unlimited);
    right = least(right, Unlimited);
    int shift = keys - queries, warp_row = block_row + warp * RowsOfWarp;
    int last_of_block = least(block_row + RowsOfTile, queries) - 1, last_of_warp = least(warp_row + RowsOfWarp, queries) - 1;
    int block_first = most(block_row + shift - left, 0), block_end = least(last_of_block + shift + right + 1, keys);
    int warp_first = most(warp_row + shift - left, 0), warp_end = least(last_of_warp + shift + right + 1, keys);
    int all_first = most(last_of_warp + shift - left, 0), all_end = least(warp_row + shift + right + 1, keys);
    if (warp_row >= queries) warp_end = 0;

    bool is_paired = ((unsigned long long)query & 7) == 0 && query_stride % 2 == 0 && head_dim % 2 == 0;
    Fragment queries_kept[KeepsQueries ? RowTiles : 1][KeepsQueries ? Steps : 1];
    Fragment* queries_shared = shared_fragments + 2 * StageBytes / (int)sizeof(Fragment) + warp * (RowTiles * Steps * WarpLanes) + lane;
#pragma unroll
    for (int r = 0; r < RowTiles; r++)
    {
#pragma unroll
        for (int step = 0; step < Steps; step++)
        {
            Fragment part;
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                int row = warp_row + 16 * r + 8 * (i % 2) + group;
                int column = (8 * step + 4 * (i / 2) + place) * Elements;
                // What is not there is not looked for: the last number is read instead, without a branch.
                const float* from = query + least(row, queries - 1) * query_stride;
                float numbers[2] = {0.0f, 0.0f};
                if (Elements == 2 && is_paired)
                {
                    Float2 pair = read_two(from + least(column, head_dim - 2));
                    numbers[0] = pair.x;
                    numbers[1] = pair.y;
                }
                else
                {
#pragma unroll
                    for (int e = 0; e < Elements; e++) numbers[e] = from[least(column + e, head_dim - 1)];
                }

#pragma unroll
                for (int e = 0; e < Elements; e++)
                    numbers[e] = row < queries && column + e < head_dim ? numbers[e] * scale : 0.0f;

                part.x[i] = pack_saturated<Arithmetic>(numbers[0], numbers[1]);
            }

            if constexpr (KeepsQueries) queries_kept[r][step] = part;
            else queries_shared[(r * Steps + step) * WarpLanes] = part;
        }
    }

    float sums[RowTiles][ValueTiles][4], largest[RowTiles][2], totals[RowTiles][2];
#pragma unroll
    for (int r = 0; r < RowTiles; r++)
    {
        largest[r][0] = largest[r][1] = -__builtin_inff();
        totals[r][0] = totals[r][1] = 0.0f;
#pragma unroll
        for (int c = 0; c < ValueTiles; c++) sums[r][c][0] = sums[r][c][1] = sums[r][c][2] = sums[r][c][3] = 0.0f;
    }

    // Where a lane's row of a matrix begins: two matrices side by side, and two below; with values, the other way round.
    unsigned key_place = (lane / 16 * 8 + lane % 8) * RowBytes + lane / 8 % 2 * 16;
    unsigned value_place = Elements == 2
        ? TileBytes + (lane / 8 % 2 * 8 + lane % 8) * RowBytes + lane / 16 * 16
        : TileBytes + 2 * place * RowBytes + group * 4;
    int first = block_first & -Keys, copied_row = thread_x() / Chunks;
    unsigned memory = shared_address(shared_fragments), stage = 0;
    unsigned target = memory + copied_row * RowBytes + thread_x() % Chunks * 16;
    packed_keys += (long long)first * WidthBytes + thread_x() * 16;
    packed_values += (long long)first * WidthBytes + thread_x() * 16;
    if (first < block_end)
    {
        copy_tile<Keys, Chunks, RowBytes>(target, packed_keys, copied_row, keys - first);
        copy_tile<Keys, Chunks, RowBytes>(target + TileBytes, packed_values, copied_row, keys - first);
        commit_copies();
    }

    for (; first < block_end; first += Keys)
    {
        wait_for_copies<0>();
        block_barrier();        // all have their part of this tile, and nobody reads the other one any more
        unsigned keys_now = unknown_if<IsTight>(memory + stage + key_place), values_now = unknown_if<IsTight>(memory + stage + value_place);
        int next = first + Keys;
        stage = StageBytes - stage;
        if (next < block_end)
        {
            packed_keys += Keys * WidthBytes;
            packed_values += Keys * WidthBytes;
            unsigned target_now = unknown_if<IsTight>(target + stage);
            copy_tile<Keys, Chunks, RowBytes>(target_now, packed_keys, copied_row, keys - next);
            copy_tile<Keys, Chunks, RowBytes>(target_now + TileBytes, packed_values, copied_row, keys - next);
            commit_copies();
        }

        if (next <= warp_first || first >= warp_end) continue;
        float scores[RowTiles][KeyTiles][4];
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
#pragma unroll
            for (int t = 0; t < KeyTiles; t++) scores[r][t][0] = scores[r][t][1] = scores[r][t][2] = scores[r][t][3] = 0.0f;
#pragma unroll
        for (int step = 0; step < Steps; step++)
        {
            Fragment part[RowTiles];
#pragma unroll
            for (int r = 0; r < RowTiles; r++)
            {
                if constexpr (KeepsQueries) part[r] = queries_kept[r][step];
                else part[r] = queries_shared[(r * Steps + step) * WarpLanes];
            }

#pragma unroll
            for (int t = 0; t < KeyTiles; t += 2)
            {
                unsigned right_factor[4];
                load_matrices(right_factor, keys_now + t * 8 * RowBytes + step * 32);
#pragma unroll
                for (int r = 0; r < RowTiles; r++)
                {
                    Arithmetic::multiply(scores[r][t], part[r], right_factor[0], right_factor[1]);
                    Arithmetic::multiply(scores[r][t + 1], part[r], right_factor[2], right_factor[3]);
                }
            }
        }

        if (first < all_first || next > all_end)
        {
            int warp_position = (int)unknown_if<IsTight>(warp_row + group + shift), column = first + 2 * place;
#pragma unroll
            for (int i = 0; i < 2 * RowTiles; i++)
            {
                int position = warp_position + 8 * i;
                int seen_first = most(position - left, 0) - column, seen_end = least(position + right + 1, keys) - column;
#pragma unroll
                for (int t = 0; t < KeyTiles; t++)
                {
#pragma unroll
                    for (int c = 0; c < 2; c++)
                    {
                        float& score = scores[i / 2][t][2 * (i % 2) + c];
                        int key = 8 * t + c;
                        score = key >= seen_first && key < seen_end ? score : -__builtin_inff();
                    }
                }
            }
        }

        // The largest of a row is known to its four lanes. Nothing is rescaled unless that of some row has grown.
        float before[RowTiles][2];
        bool has_grown = false;
#pragma unroll
        for (int i = 0; i < 2 * RowTiles; i++)
        {
            float found = before[i / 2][i % 2] = largest[i / 2][i % 2];
#pragma unroll
            for (int t = 0; t < KeyTiles; t++)
            {
                found = __builtin_fmaxf(found, scores[i / 2][t][2 * (i % 2)]);
                found = __builtin_fmaxf(found, scores[i / 2][t][2 * (i % 2) + 1]);
            }

            found = __builtin_fmaxf(found, exchange(found, 1));
            found = __builtin_fmaxf(found, exchange(found, 2));
            has_grown = has_grown || found > largest[i / 2][i % 2];
            largest[i / 2][i % 2] = found;
        }

        if (__nvvm_vote_any_sync(AllLanes, has_grown))
        {
#pragma unroll
            for (int i = 0; i < 2 * RowTiles; i++)
            {
                float grown = largest[i / 2][i % 2];
                float correction = power_of_two(before[i / 2][i % 2] - (grown == -__builtin_inff() ? 0.0f : grown));
                totals[i / 2][i % 2] *= correction;
#pragma unroll
                for (int c = 0; c < ValueTiles; c++)
                {
                    sums[i / 2][c][2 * (i % 2)] *= correction;
                    sums[i / 2][c][2 * (i % 2) + 1] *= correction;
                }
            }
        }

#pragma unroll
        for (int i = 0; i < 2 * RowTiles; i++)
        {
            // A row that sees nothing yet has only scores of -infinity, which weigh nothing.
            float base = largest[i / 2][i % 2] == -__builtin_inff() ? 0.0f : largest[i / 2][i % 2];
#pragma unroll
            for (int t = 0; t < KeyTiles; t++)
            {
#pragma unroll
                for (int c = 0; c < 2; c++)
                {
                    float& score = scores[i / 2][t][2 * (i % 2) + c];
                    score = power_of_two(score - base);
                    totals[i / 2][i % 2] += score;
                }
            }
        }

#pragma unroll
        for (int step = 0; step < KeySteps; step++)
        {
            Fragment weights[RowTiles];
#pragma unroll
            for (int r = 0; r < RowTiles; r++) weights[r] = weights_of_step<Arithmetic>(scores[r], step);
#pragma unroll
            for (int c = 0; c < ValueTiles; c += 2)
            {
                unsigned right_factor[4], at = values_now + step * 8 * Elements * RowBytes + c * (32 / Elements);
                if constexpr (Elements == 2)
                {
                    load_turned_matrices(right_factor, at);
                }
                else
                {
                    right_factor[0] = load_shared(at);
                    right_factor[1] = load_shared(at + RowBytes);
                    right_factor[2] = load_shared(at + 32);
                    right_factor[3] = load_shared(at + 32 + RowBytes);
                }

#pragma unroll
                for (int r = 0; r < RowTiles; r++)
                {
                    Arithmetic::multiply(sums[r][c], weights[r], right_factor[0], right_factor[1]);
                    Arithmetic::multiply(sums[r][c + 1], weights[r], right_factor[2], right_factor[3]);
                }
            }
        }
    }

    int last_place = (int)unknown_if<IsTight>(place), last_row = (int)unknown_if<IsTight>(warp_row + group);
#pragma unroll
    for (int i = 0; i < 2 * RowTiles; i++)
    {
        float total = totals[i / 2][i % 2];
        total += exchange(total, 1);
        total += exchange(total, 2);
        float inverse = total == 0.0f ? 0.0f : 1.0f / total;
        int row = last_row + 8 * i;
        if (row >= queries) continue;
        float* output = y + (query_start + row) * y_stride + (long long)head * value_dim + 2 * last_place;
#pragma unroll
        for (int c = 0; c < ValueTiles; c++)
        {
            Float2 both{sums[i / 2][c][2 * (i % 2)] * inverse, sums[i / 2][c][2 * (i % 2) + 1] * inverse};
            if (8 * c + 2 * last_place < value_dim) *(Float2*)(output + 8 * c) = both;
        }
    }
}

#define FLASH(name, arithmetic, width, row_tiles, keeps_queries) \
    KERNEL_FOR(Threads, 2) name( \
        const float* query, long long query_stride, const char* packed_keys, const char* packed_values, \
        const int* query_offsets, const int* key_offsets, int query_rows, int key_rows, int tiles, int head_dim, int value_dim, \
        float scale, int left, int right, float* y, long long y_stride) \
    { \
        flash<arithmetic, width, row_tiles, keeps_queries>( \
            query, query_stride, packed_keys, packed_values, query_offsets, key_offsets, query_rows, key_rows, tiles, head_dim, \
            value_dim, scale, left, right, y, y_stride); \
    }

#define PACK_SENTENCES(name, arithmetic) \
    KERNEL(Threads) name( \
        const float* key, long long key_stride, const float* value, long long value_stride, int rows, int head_dim, \
        int value_dim, int width, arithmetic::Element* packed_keys, arithmetic::Element* packed_values) \
    { \
        pack_sentences<arithmetic>( \
            key, key_stride, value, value_stride, rows, head_dim, value_dim, width, packed_keys, packed_values); \
    }
