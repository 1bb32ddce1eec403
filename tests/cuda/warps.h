// What threads of a warp do together, as PTX says it, by 32 threads of the CPU: each shows what it
// has, all wait, each takes what is its. For tests of what the lanes of a warp read; included by
// kernels/cuda/units.h. SPDX-License-Identifier: MIT
#ifndef TESTS_CUDA_WARPS_H
#define TESTS_CUDA_WARPS_H

#include <pthread.h>

struct warp {
    pthread_barrier_t barrier;
    const unsigned char *row[32];
    uint32_t a[32][4], b[32][2];
};
extern thread_local struct warp *own_warp;
extern thread_local int own_lane;

inline void all_wait()
{
    pthread_barrier_wait(&own_warp->barrier);
}

// ldmatrix .m8n8.x4 .b16: lane l tells where row l % 8 of matrix l / 8 is; of each matrix it gets
// two neighbours of row l / 4, or (turned) of column l / 4.
inline void load_four(uint32_t *r, const unsigned char *p, int turned)
{
    own_warp->row[own_lane] = p;
    all_wait();
    for (int m = 0; m < 4; m++) {
        uint16_t two[2];
        for (int i = 0; i < 2; i++) {
            const int along = own_lane % 4 * 2 + i, across = own_lane / 4;
            const int row = turned ? along : across, column = turned ? across : along;
            memcpy(&two[i], own_warp->row[m * 8 + row] + 2 * column, 2);
        }
        r[m] = two[0] | (uint32_t)two[1] << 16;
    }
    all_wait();
}

inline void load_matrices(uint32_t *r, const unsigned char *p)
{
    load_four(r, p, 0);
}

inline void load_turned(uint32_t *r, const unsigned char *p)
{
    load_four(r, p, 1);
}

inline float half_of(uint32_t word, int which, f16)
{
    return to_float(f16{(uint16_t)(word >> 16 * which)});
}

inline float half_of(uint32_t word, int which, bf16)
{
    return to_float(bf16{(uint16_t)(word >> 16 * which)});
}

// A product of 16 x K and K x 8, added to c: lane l has c[0], c[1] in row l / 4, columns l % 4 * 2
// and the next, and c[2], c[3] eight rows below.
template <class A, class B> void multiply(float *c, int k, const A &a, const B &b)
{
    all_wait();
    for (int i = 0; i < 4; i++) {
        const int row = own_lane / 4 + i / 2 * 8, column = own_lane % 4 * 2 + i % 2;
        for (int j = 0; j < k; j++)
            c[i] += a(row, j) * b(j, column);
    }
    all_wait();
}

inline void show(const uint32_t *a, const uint32_t *b)
{
    memcpy(own_warp->a[own_lane], a, sizeof(own_warp->a[0]));
    memcpy(own_warp->b[own_lane], b, sizeof(own_warp->b[0]));
}

// mma .m16n8k16: register r of a has rows (l / 4) + 8 (r % 2), k of l % 4 * 2 + 8 (r / 2) and the
// next; register r of b column l / 4, k of l % 4 * 2 + 8 r and the next.
template <class C> void mma(float *c, const uint32_t *a, const uint32_t *b, C type)
{
    show(a, b);
    multiply(
        c, 16,
        [&](int row, int k) {
            const int lane = row % 8 * 4 + k % 8 / 2;
            return half_of(own_warp->a[lane][row / 8 + k / 8 * 2], k % 2, type);
        },
        [&](int k, int column) {
            return half_of(own_warp->b[column * 4 + k % 8 / 2][k / 8], k % 2, type);
        });
}

// mma .m16n8k8 of tf32, whose last 13 bits are not looked at: register r of a has row
// (l / 4) + 8 (r % 2), k of l % 4 + 4 (r / 2); register r of b column l / 4, k of l % 4 + 4 r.
inline void mma(float *c, const uint32_t *a, const uint32_t *b, tf32)
{
    show(a, b);
    multiply(
        c, 8,
        [&](int row, int k) {
            return bits_float(own_warp->a[row % 8 * 4 + k % 4][row / 8 + k / 4 * 2] & ~0x1fffu);
        },
        [&](int k, int column) {
            return bits_float(own_warp->b[column * 4 + k % 4][k / 4] & ~0x1fffu);
        });
}

#endif
