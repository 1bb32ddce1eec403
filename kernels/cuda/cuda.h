// What the sources of the backend share: entries, types by tensor, scratch.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_CUDA_H
#define KERNELS_CUDA_CUDA_H

#include <kiln/ext/ops.h>

#include "kernels/cuda/backend.h"
#include "kernels/cuda/number.h"
#include "kernels/kernels.h"

// Where a kernel finds the elements of a tensor; NULL for NULL.
inline void *address(const kiln_tensor *t)
{
    if (!t)
        return nullptr;
#ifdef __CUDACC__
    return (char *)t->data + t->byte_offset;
#else
    return emulated_address(t);
#endif
}

template <class T> T *data(const kiln_tensor *t)
{
    return static_cast<T *>(address(t));
}

inline float *f32(const kiln_tensor *t)
{
    return data<float>(t);
}

inline int64_t last(const kiln_tensor *t)
{
    return t->shape[t->ndim - 1];
}

inline int64_t rows_of(const kiln_tensor *t)
{
    return kiln_numel(t) / last(t);
}

inline int type_of(const kiln_tensor *t)
{
    if (t->dtype.code == 4)
        return KILN_BF16;
    if (t->dtype.code == 2)
        return t->dtype.bits == 16 ? KILN_F16 : t->dtype.bits == 64 ? KILN_F64 : KILN_F32;
    return t->dtype.bits == 64 ? KILN_I64 : t->dtype.bits == 8 ? KILN_U8 : KILN_I32;
}

// As many elements as are moved at once, where they are aligned.
template <class T> struct alignas(16) eight {
    T at[8];
};

inline bool aligned(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

// f(T()) for the T that a map is stored in.
template <class F> int by_type(const kiln_tensor *t, F f)
{
    switch (type_of(t)) {
    case KILN_F16:
        return f(f16());
    case KILN_BF16:
        return f(bf16());
    default:
        return f(float());
    }
}

// Device memory for the length of a call. What is freed is reused by later work of the same stream
// alone, so it need not wait for the work to end.
struct scratch {
    const kiln_host *h;
    kiln_tensor *t = nullptr;
    int err;

    scratch(const kiln_host *host, const kiln_tensor *near, int64_t floats) : h(host)
    {
        err = h->tensor_new(h, near, KILN_F32, 1, &floats, &t);
    }
    ~scratch()
    {
        h->tensor_free(h, t);
    }
    scratch(const scratch &) = delete;
    scratch &operator=(const scratch &) = delete;
    float *get() const
    {
        return t ? f32(t) : nullptr;
    }
};

// One element per thread.
template <class Body> struct each {
    static constexpr int threads = 256;
    int64_t n;
    Body body;
    ON_DEVICE void block(int64_t index) const
    {
        THREADS(t)
        {
            int64_t i = index * threads + t;
            if (i < n)
                body.at(i);
        }
    }
};

template <class Body> int for_each(const kiln_host *h, int64_t n, const Body &body)
{
    return launch(h, blocks_of(n, each<Body>::threads), each<Body>{n, body});
}

// How many, their mean, and the sum of squares about it.
struct moments {
    float count, mean, squares;
};

// The moments of n parts together; the first one is not empty.
template <class Part> ON_DEVICE moments together(int n, const Part &part)
{
    moments all = {0, 0, 0};
    const float pivot = part(0).mean;
    for (int i = 0; i < n; i++) {
        const moments m = part(i);
        all.count += m.count;
        all.mean = multiply_add(m.count, m.mean - pivot, all.mean);
    }
    all.mean = pivot + all.mean / all.count;
    for (int i = 0; i < n; i++) {
        const moments m = part(i);
        const float d = m.mean - all.mean;
        all.squares += multiply_add(m.count * d, d, m.squares);
    }
    return all;
}

// How many of n things thread `lane` of `lanes` has, that takes each lanes-th of them.
ON_DEVICE int share(int n, int lane, int lanes)
{
    return (n - lane + lanes - 1) / lanes;
}

// Sums over rows of columns [rows,c] of what body.at(row, column) gives, up to two sums at once,
// the second into out2 if that is not NULL: chunks of rows first, whose number depends on rows
// alone, then their sums in double, in order. finish(column, sum, sum2) takes them.
enum { CHUNK_ROWS = 512 };

template <class Body> struct column_chunks {
    static constexpr int threads = 256, columns = 32, lanes = threads / columns;
    Body body;
    int64_t rows, c, column_blocks;
    float *part;  // [chunks,2,c]
    ON_DEVICE void block(int64_t index) const
    {
        SHARED float sums[2][lanes][columns];
        int64_t chunk = index / column_blocks, first = index % column_blocks * columns;
        int64_t end = (chunk + 1) * CHUNK_ROWS < rows ? (chunk + 1) * CHUNK_ROWS : rows;
        THREADS(t)
        {
            int64_t k = first + t % columns;
            float a = 0, b = 0;
            for (int64_t r = chunk * CHUNK_ROWS + t / columns; k < c && r < end; r += lanes) {
                float x[2] = {0, 0};
                body.at(r, k, x);
                a += x[0];
                b += x[1];
            }
            sums[0][t / columns][t % columns] = a;
            sums[1][t / columns][t % columns] = b;
        }
        THREADS(t)
        {
            int which = t / columns, k = t % columns;
            if (which < 2 && first + k < c) {
                float sum = 0;
                for (int i = 0; i < lanes; i++)
                    sum += sums[which][i][k];
                part[(chunk * 2 + which) * c + first + k] = sum;
            }
        }
    }
};

// The chunks of eight columns: each of 32 threads adds some, then one adds what they have.
template <class Finish> struct column_ends {
    static constexpr int threads = 256, columns = 8, lanes = threads / columns;
    Finish finish;
    const float *part;
    int64_t chunks, c;
    ON_DEVICE void block(int64_t index) const
    {
        SHARED double sums[2][lanes][columns];
        THREADS(t)
        {
            const int64_t k = index * columns + t % columns;
            double sum = 0, sum2 = 0;
            for (int64_t i = t / columns; k < c && i < chunks; i += lanes) {
                sum += (double)part[i * 2 * c + k];
                sum2 += (double)part[(i * 2 + 1) * c + k];
            }
            sums[0][t / columns][t % columns] = sum;
            sums[1][t / columns][t % columns] = sum2;
        }
        THREADS(t)
        if (t < columns && index * columns + t < c) {
            double sum = 0, sum2 = 0;
            for (int i = 0; i < lanes; i++) {
                sum += sums[0][i][t];
                sum2 += sums[1][i][t];
            }
            finish.at(index * columns + t, sum, sum2);
        }
    }
};

template <class Body, class Finish>
int sum_columns(const kiln_host *h, const kiln_tensor *near, int64_t rows, int64_t c,
                const Body &body, const Finish &finish)
{
    int64_t chunks = blocks_of(rows, CHUNK_ROWS);
    int64_t blocks = blocks_of(c, column_chunks<Body>::columns);
    scratch part(h, near, chunks * 2 * c);
    int err = part.err;
    err = err ? err
              : launch(h, chunks * blocks, column_chunks<Body>{body, rows, c, blocks, part.get()});
    return err ? err
               : launch(h, blocks_of(c, column_ends<Finish>::columns),
                        column_ends<Finish>{finish, part.get(), chunks, c});
}

ON_DEVICE float act_value(int act, float x)
{
    switch (act) {
    case KILN_ACT_SILU:
        return x / (1 + expf(-x));
    case KILN_ACT_GELU:
        return 0.5f * x * erfcf(-x * 0.707106781f);  // erfc keeps the digits of the left tail
    case KILN_ACT_GELU_TANH: {
        // (1 + tanh z) / 2 is the logistic function of 2 z, which keeps the digits of the left
        // tail.
        float z = 0.797884561f * (x + 0.044715f * x * x * x);
        return x / (1 + expf(-2 * z));
    }
    default:
        return x;
    }
}

ON_DEVICE float act_slope(int act, float x)
{
    switch (act) {
    case KILN_ACT_SILU: {
        float s = 1 / (1 + expf(-x));
        return s * (1 + x * (1 - s));
    }
    case KILN_ACT_GELU:
        return 0.5f * erfcf(-x * 0.707106781f) + x * 0.398942280f * expf(-0.5f * x * x);
    case KILN_ACT_GELU_TANH: {
        float z = 0.797884561f * (x + 0.044715f * x * x * x), s = 1 / (1 + expf(-2 * z));
        float inner = 0.797884561f * (1 + 0.134145f * x * x);
        return s + 2 * x * s * (1 - s) * inner;
    }
    default:
        return 1;
    }
}

// Where a tap of a convolution takes its value from along one axis; -1: from nowhere.
ON_DEVICE int conv_source(const kiln_conv &c, int o, int k, int size)
{
    int i = o * c.stride - c.pad + k;
    if (c.transposed) {
        i = o + c.pad - k;
        if (i < 0 || i % c.stride)
            return -1;
        i /= c.stride;
    }
    return i >= 0 && i < size ? i : -1;
}

// attention_half.cu: without biases, of maps of 16 bits whose heads have 64 columns. fits 0: not
// these.
int attention_half_fits(const kiln_tensor *q, const kiln_tensor *k, const kiln_tensor *v,
                        const kiln_tensor *k2, const kiln_tensor *v2, int heads);
int attention_half(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k,
                   const kiln_tensor *v, const kiln_tensor *k2, const kiln_tensor *v2,
                   const kiln_tensor *valid, int heads, float scale, kiln_tensor *out);

// Each file's entries.
void cuda_layout(kiln_ops *ops);
void cuda_elementwise(kiln_ops *ops);
void cuda_norm(kiln_ops *ops);
void cuda_group_norm(kiln_ops *ops);
void cuda_batch_norm(kiln_ops *ops);
void cuda_matrix(kiln_ops *ops, int precision);
void cuda_matrix_grad(kiln_ops *ops, int precision);
void cuda_attention(kiln_ops *ops);
void cuda_image(kiln_ops *ops);
void cuda_resize(kiln_ops *ops);
void cuda_train(kiln_ops *ops);

#endif
