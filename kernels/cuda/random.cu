// The random numbers of host/random.h, to the bit: Philox4x32-10, and normals of it by Box and
// Muller in +, *, fma and sqrt alone. Conversion between types, and the search for what is not
// finite. SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/services.h"

namespace
{

ON_DEVICE void philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    for (int i = 0; i < 10; i++) {
        uint64_t p0 = (uint64_t)0xd2511f53u * c[0], p1 = (uint64_t)0xcd9e8d57u * c[2];
        uint32_t c1 = c[1], c3 = c[3];
        c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c[1] = (uint32_t)p1;
        c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c[3] = (uint32_t)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
}

// -2 ln of a number of (0, 1) made of 32 random bits.
ON_DEVICE float minus_two_log(uint32_t bits)
{
    int32_t s = (int32_t)bits, upper = s >> 31;
    float small = ((float)(s ^ upper) + 0.5f) * 0x1p-32f;
    float u = upper ? 1.0f - small : small;
    int32_t b = (int32_t)float_bits(u) - 0x3f3504f3;
    int32_t e = b >> 23;
    float m = bits_float((uint32_t)(b & 0x7fffff) + 0x3f3504f3u);
    float f = upper && e >= 0 ? -small : m - 1.0f;
    float p = fmaf(f, -0.0763694048f, 0.127624854f);
    p = fmaf(f, p, -0.131595507f);
    p = fmaf(f, p, 0.142015398f);
    p = fmaf(f, p, -0.166234106f);
    p = fmaf(f, p, 0.200012431f);
    p = fmaf(f, p, -0.250008196f);
    p = fmaf(f, p, 0.333333313f);
    float ff = f * f;
    p = fmaf(f, p, -0.5f);
    p = fmaf(ff, p, f);
    return -2.0f * fmaf((float)e, 0.693147182f, p);
}

// The point at an angle of bits 2^-32 turns on the unit circle.
ON_DEVICE void circle(uint32_t bits, float *c, float *s)
{
    uint32_t quarter = (bits + 0x20000000u) >> 30;
    float a = (float)(int32_t)(bits - (quarter << 30)) * 0x1p-32f, z = a * a;
    float y = fmaf(z, -76.8297501f, 81.6266708f);
    y = fmaf(z, y, -41.3418698f);
    y = fmaf(z, y, 6.28318548f) * a;
    float x = fmaf(z, 58.5568848f, -85.4230652f);
    x = fmaf(z, x, 64.9391403f);
    x = fmaf(z, x, -19.7392082f);
    x = fmaf(z, x, 1.0f);
    float cosine = quarter & 1 ? y : x, sine = quarter & 1 ? x : y;
    *c = bits_float(float_bits(cosine) ^ ((quarter + 1) & 2) << 30);
    *s = bits_float(float_bits(sine) ^ (quarter & 2) << 30);
}

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
                float length = sqrtf(minus_two_log(w[k])), c, s;
                circle(w[k + 1], &c, &s);
                v[k] = length * c;
                v[k + 1] = length * s;
            } else {
                v[k] = (float)(int32_t)(w[k] >> 8) * 0x1p-24f;
                v[k + 1] = (float)(int32_t)(w[k + 1] >> 8) * 0x1p-24f;
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
