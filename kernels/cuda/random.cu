// The random numbers of host/random.h, to the bit. Conversion between types, and the search for
// what is not finite. SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/services.h"

#define NORMALS_INLINE ON_DEVICE
#define NORMALS_BITS float_bits
#define NORMALS_FLOAT bits_float
#include "kernels/normals.h"

namespace
{

// Four elements of a row by each thread. Few rows go by value in the arguments of the kernel.
enum { ROWS = 64 };
struct random_body {
    cuda_random_row row[ROWS];
    float *out;
    int64_t size, groups;  // elements of a row, and by fours
    int normal;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t r = i / groups, group = i % groups;
        const cuda_random_row &own = row[r];
        uint32_t w[4] = {(uint32_t)group, (uint32_t)(group >> 32), own.place[0], own.place[1]};
        float v[4];
        philox(w, own.key[0], own.key[1]);
        for (int k = 0; k < 4; k += 2) {
            if (normal) {
                normals_pair(w[k], w[k + 1], &v[k], &v[k + 1]);
            } else {
                v[k] = normals_uniform(w[k]);
                v[k + 1] = normals_uniform(w[k + 1]);
            }
        }
        for (int k = 0; k < 4; k++)
            if (4 * group + k < size)
                out[r * size + 4 * group + k] = v[k];
    }
};

int draw(const kiln_host *h, const cuda_random_row *rows, int normal, kiln_tensor *out)
{
    int64_t n = out->shape[0], size = kiln_numel(out) / n;
    int err = KILN_OK;
    for (int64_t first = 0; first < n && !err; first += ROWS) {
        int64_t count = n - first < ROWS ? n - first : (int64_t)ROWS;
        random_body body = {};
        for (int64_t i = 0; i < count; i++)
            body.row[i] = rows[first + i];
        body.out = f32(out) + first * size;
        body.size = size;
        body.groups = blocks_of(size, 4);
        body.normal = normal;
        err = for_each(h, count * body.groups, body);
    }
    return err;
}

ON_DEVICE double read(const void *p, int type, int64_t i)
{
    switch (type) {
    case KILN_F32:
        return (double)((const float *)p)[i];
    case KILN_F64:
        return ((const double *)p)[i];
    case KILN_F16:
        return (double)to_float(((const f16 *)p)[i]);
    case KILN_BF16:
        return (double)to_float(((const bf16 *)p)[i]);
    case KILN_I32:
        return (double)((const int32_t *)p)[i];
    case KILN_I64:
        return (double)((const int64_t *)p)[i];
    default:
        return (double)((const uint8_t *)p)[i];
    }
}

struct convert_body {
    const void *src;
    void *dst;
    int from, into;
    ON_DEVICE void at(int64_t i) const
    {
        double v = read(src, from, i);
        switch (into) {
        case KILN_F32:
            ((float *)dst)[i] = (float)v;
            break;
        case KILN_F64:
            ((double *)dst)[i] = v;
            break;
        case KILN_F16:
            to(((f16 *)dst)[i], (float)v);
            break;
        case KILN_BF16:
            to(((bf16 *)dst)[i], (float)v);
            break;
        case KILN_I32:
            ((int32_t *)dst)[i] = (int32_t)v;
            break;
        case KILN_I64:
            ((int64_t *)dst)[i] = (int64_t)v;
            break;
        default:
            ((uint8_t *)dst)[i] = (uint8_t)v;
        }
    }
};

// Threads that find something all write the same.
struct finite_body {
    const float *x;
    int32_t *flag;
    ON_DEVICE void at(int64_t i) const
    {
        if ((float_bits(x[i]) & 0x7f800000u) == 0x7f800000u)
            *flag = 1;
    }
};

}  // namespace

int cuda_normal(const kiln_host *h, const struct cuda_random_row *rows, kiln_tensor *out)
{
    return draw(h, rows, 1, out);
}

int cuda_uniform(const kiln_host *h, const struct cuda_random_row *rows, kiln_tensor *out)
{
    return draw(h, rows, 0, out);
}

int cuda_convert(const kiln_host *h, const kiln_tensor *src, kiln_tensor *dst)
{
    return for_each(h, kiln_numel(src),
                    convert_body{address(src), address(dst), type_of(src), type_of(dst)});
}

int cuda_finite(const kiln_host *h, const kiln_tensor *x, kiln_tensor *flag)
{
    return for_each(h, kiln_numel(x), finite_body{f32(x), data<int32_t>(flag)});
}
