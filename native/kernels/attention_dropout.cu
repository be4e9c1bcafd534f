// Attention of whole sentences whose weights are dropped after the softmax, for training: see attention_sentences.cuh. A file of its
// own, so that a translator need not load it.
#include "attention_sentences.cuh"

#define ATTENTION(name, is_additive, columns) \
    KERNEL_FOR(Threads, 2) name( \
        const float* query, long long query_stride, const float* key, long long key_stride, const float* value, \
        long long value_stride, const float* vector, const int* query_offsets, const int* key_offsets, int query_rows, \
        int key_rows, int tiles, int head_dim, int value_dim, float scale, int left, int right, float* y, long long y_stride, \
        unsigned key_low, unsigned key_high, unsigned site, unsigned threshold, float dropout_scale) \
    { \
        attend<is_additive, columns, true>( \
            query, query_stride, key, key_stride, value, value_stride, vector, query_offsets, key_offsets, query_rows, key_rows, \
            tiles, head_dim, value_dim, scale, left, right, y, y_stride, \
            Dropout{key_low, key_high, site, threshold, dropout_scale}); \
    }

ATTENTION(attention_dropout_dot_1, false, 1)
ATTENTION(attention_dropout_dot_2, false, 2)
ATTENTION(attention_dropout_dot_4, false, 4)
ATTENTION(attention_dropout_additive_1, true, 1)
ATTENTION(attention_dropout_additive_2, true, 2)
ATTENTION(attention_dropout_additive_4, true, 4)
