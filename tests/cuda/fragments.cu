// The branches of products for matrix units, on the CPU: 128 threads multiply tiles of numbers, and
// what each has is compared with the plain sums of the same tiles. SPDX-License-Identifier: MIT
#define EMULATED_WARPS
#include "kernels/cuda/pipeline.h"
#include "tests/cuda/fragments.h"

#include <stdlib.h>

thread_local struct warp *own_warp;
thread_local int own_lane;

namespace
{

enum { THREADS_OF_BLOCK = 128 };

struct thread_of_block {
    struct warp *warp;
    int t;
    void (*run)(void *ctx, int t);
    void *ctx;
};

void *run_thread(void *arg)
{
    const thread_of_block *own = static_cast<thread_of_block *>(arg);
    own_warp = own->warp;
    own_lane = own->t % 32;
    own->run(own->ctx, own->t);
    return nullptr;
}

// f(t) by all threads of a block.
template <class F> void as_block(F f)
{
    struct warp warps[THREADS_OF_BLOCK / 32];
    thread_of_block threads[THREADS_OF_BLOCK];
    pthread_t id[THREADS_OF_BLOCK];
    for (struct warp &w : warps)
        pthread_barrier_init(&w.barrier, nullptr, 32);
    for (int t = 0; t < THREADS_OF_BLOCK; t++) {
        threads[t] = {&warps[t / 32], t, [](void *ctx, int thread) { (*(F *)ctx)(thread); }, &f};
        if (pthread_create(&id[t], nullptr, run_thread, &threads[t]))
            abort();
    }
    for (pthread_t t : id)
        pthread_join(t, nullptr);
    for (struct warp &w : warps)
        pthread_barrier_destroy(&w.barrier);
}

uint32_t state;

float uniform()
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1;
}

// Numbers of type T in all of a tile, wherever its layout has them.
template <class T> void fill(unsigned char *tile, int bytes)
{
    for (int i = 0; i < bytes; i += (int)sizeof(T)) {
        T x;
        to(x, uniform());
        memcpy(tile + i, &x, sizeof(x));
    }
}

// The largest difference; the sums are of 16 or 32 products of numbers up to 1.
template <class Sums, class Units, class Plain> float difference(Units units, Plain plain)
{
    static Sums got[THREADS_OF_BLOCK];
    float most = 0;
    as_block([&](int t) {
        got[t].clear();
        units(t, got[t]);
    });
    for (int t = 0; t < THREADS_OF_BLOCK; t++) {
        Sums want;
        want.clear();
        plain(t, want);
        const float *a = &want.c[0][0][0], *b = &got[t].c[0][0][0];
        for (size_t i = 0; i < sizeof(want.c) / sizeof(float); i++)
            most = fabsf(a[i] - b[i]) <= most ? most : fabsf(a[i] - b[i]);
    }
    return most;
}

template <class P, class T, class W, class A, class B> float slices()
{
    alignas(16) static unsigned char a[P::a_bytes], b[P::b_bytes];
    fill<T>(a, P::a_bytes);
    fill<W>(b, P::b_bytes);
    return difference<typename P::sums>(
        [&](int t, typename P::sums &s) { slice_product<P, A, B>(t, a, b, s); },
        [&](int t, typename P::sums &s) { plain_slice<P, A, B>(t, a, b, s); });
}

template <class T, class W, class C, int side> float forward()
{
    typedef pipe<T, W, C, side, side, 3> P;
    return slices<P, T, W, rows_along<P, T, P::a_chunks>, rows_along<P, W, P::b_chunks>>();
}

template <class T, class C> float gradient()
{
    typedef pipe<T, T, C, 64, 64, 4> P;
    return slices<P, T, T, rows_across<P, T>, rows_across<P, T>>();
}

template <class T> float weighted()
{
    typedef pipe<T, T, T, 64, 64, 1> P;
    return slices<P, T, T, rows_along<P, T, 4>, rows_across<P, T>>();
}

template <class C> float padded()
{
    static tiles<C> s;
    for (int k = 0; k < tile::K; k++)
        for (int i = 0; i < tile::M; i++) {
            to(s.a[i][k], uniform());
            to(s.b[i][k], uniform());
        }
    return difference<tile_sums>([&](int t, tile_sums &sums) { tile_product(t, s, sums); },
                                 [&](int t, tile_sums &sums) { plain_product(t, s, sums); });
}

const struct fragment_check all[] = {
    {"products, f16, 64 x 64", forward<f16, f16, f16, 64>},
    {"products, f16, 128 x 128", forward<f16, f16, f16, 128>},
    {"products, bf16, 64 x 64", forward<bf16, bf16, bf16, 64>},
    {"products, bf16, 128 x 128", forward<bf16, bf16, bf16, 128>},
    {"products, tf32, 64 x 64", forward<float, float, tf32, 64>},
    {"products, tf32, 128 x 128", forward<float, float, tf32, 128>},
    {"products, tf32 and weights of f16, 64 x 64", forward<float, f16, tf32, 64>},
    {"products, tf32 and weights of f16, 128 x 128", forward<float, f16, tf32, 128>},
    {"products, tf32 and weights of bf16, 64 x 64", forward<float, bf16, tf32, 64>},
    {"products, tf32 and weights of bf16, 128 x 128", forward<float, bf16, tf32, 128>},
    {"weight gradients, f16", gradient<f16, f16>},
    {"weight gradients, bf16", gradient<bf16, bf16>},
    {"weight gradients, tf32", gradient<float, tf32>},
    {"attention's values, f16", weighted<f16>},
    {"attention's values, bf16", weighted<bf16>},
    {"padded tiles, f16", padded<f16>},
    {"padded tiles, bf16", padded<bf16>},
    {"padded tiles, tf32", padded<tf32>},
};

}  // namespace

const struct fragment_check *fragment_checks(int *n)
{
    *n = (int)(sizeof(all) / sizeof(all[0]));
    return all;
}
