// Attention of whole sentences, for translation: see attention_sentences.cuh.
#include "attention_sentences.cuh"

#define ATTENTION(name, is_additive, columns, blocks_of_processor) \
    KERNEL_FOR(Threads, blocks_of_processor) name( \
        const float* query, long long query_stride, const float* key, long long key_stride, const float* value, \
        long long value_stride, const float* vector, const int* query_offsets, const int* key_offsets, int query_rows, \
        int key_rows, int tiles, int head_dim, int value_dim, float scale, int left, int right, float* y, long long y_stride) \
    { \
        attend<is_additive, columns, false>( \
            query, query_stride, key, key_stride, value, value_stride, vector, query_offsets, key_offsets, query_rows, key_rows, \
            tiles, head_dim, value_dim, scale, left, right, y, y_stride, Dropout{}); \
    }

ATTENTION(attention_dot_1, false, 1, 4)
ATTENTION(attention_dot_2, false, 2, 3)
ATTENTION(attention_dot_4, false, 4, 3)
ATTENTION(attention_additive_1, true, 1, 4)
ATTENTION(attention_additive_2, true, 2, 3)
ATTENTION(attention_additive_4, true, 4, 2)
