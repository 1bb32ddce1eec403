// The counter-based generator: known answers, exact bits of a model in NumPy, independence of how
// the numbers are asked for, and that the numbers look random.
// SPDX-License-Identifier: MIT
#include "../../host/random.h"
#include "../weights/golden.h"

#include <math.h>

#include "../../host/safetensors.h"

// From kat_vectors of Random123, "philox4x32 10".
static void philox_known_answers(void **state)
{
    (void)state;
    static const uint32_t kat[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t ctr[4];
        memcpy(ctr, kat[i], sizeof(ctr));
        random_philox(ctr, kat[i] + 4);
        assert_memory_equal(ctr, kat[i] + 6, sizeof(ctr));
    }
}

static void equals_the_model_bit_for_bit(void **state)
{
    (void)state;
    struct random_key key[3] = {
        {0, random_node("randn", 0), 0, (double)INFINITY, 0},
        {12345678901234567890u, random_node("ddpm", 3), 41, 690, 2},
        {7, random_node("noise", 1), -1, 0.25, 1},
    };
    static const uint64_t offset[3] = {0, 20, ((1ull << 32) - 3) * 4};
    size_t n;
    unsigned char *file = slurp(golden("random-philox.safetensors"), &n);
    uint64_t length;
    memcpy(&length, file, 8);
    struct st_header h;
    assert_int_equal(st_parse((const char *)file + 8, length, &h), 0);
    for (int vectors = 0; vectors < 2; vectors++)
        for (int i = 0; i < 6; i++) {
            char name[32];
            snprintf(name, sizeof(name), "%s.%d", i < 3 ? "normal" : "uniform", i % 3);
            const struct st_tensor *t = st_find(&h, name);
            assert_non_null(t);
            assert_int_equal(t->end - t->begin, 4096);
            float got[1024];
            random_use_vectors(vectors);
            (i < 3 ? random_normal : random_uniform)(&key[i % 3], offset[i % 3], got, 1024);
            assert_memory_equal(got, file + 8 + length + t->begin, 4096);
        }
    st_free(&h);
    free(file);
}

static void pieces_are_the_whole(void **state)
{
    (void)state;
    enum { N = 1000 };
    float whole[N], part[N];
    struct random_key key = {.seed = 3, .node = random_node("randn", 2), .id = 5};
    for (int kind = 0; kind < 2; kind++)
        for (int vectors = 0; vectors < 2; vectors++) {
            void (*fill)(const struct random_key *, uint64_t, float *, size_t) =
                kind ? random_uniform : random_normal;
            random_use_vectors(1);
            fill(&key, 0, whole, N);
            random_use_vectors(vectors);
            uint32_t lcg = 1;
            for (size_t at = 0; at < N;) {
                lcg = lcg * 1664525u + 1013904223u;
                size_t n = 1 + (lcg >> 24);
                if (n > N - at)
                    n = N - at;
                fill(&key, at, part + at, n);
                at += n;
            }
            assert_memory_equal(part, whole, sizeof(whole));
        }
    random_normal(&key, 0, whole, 0);
}

// Every part of the key counts, and 0 and -0 are one level.
static void keys_give_streams_of_their_own(void **state)
{
    (void)state;
    struct random_key base = {1, random_node("a", 0), 1, 1, 1}, key[9];
    for (int i = 0; i < 9; i++)
        key[i] = base;
    key[1].seed = 2;
    key[2].seed = 1ull << 63;
    key[3].node = random_node("a", 1);
    key[4].node = random_node("b", 0);
    key[5].id = 2;
    key[6].t = 2;
    key[7].t = (double)INFINITY;
    key[8].use = 2;
    float x[9][256];
    for (int i = 0; i < 9; i++)
        random_normal(&key[i], 0, x[i], 256);
    for (int i = 0; i < 9; i++)
        for (int j = 0; j < i; j++) {
            int same = 0;
            for (int e = 0; e < 256; e++)
                same += x[i][e] == x[j][e];
            assert_true(same < 3);
        }
    key[0].t = 0.0;
    key[1] = key[0];
    key[1].t = -0.0;
    random_normal(&key[0], 0, x[0], 256);
    random_normal(&key[1], 0, x[1], 256);
    assert_memory_equal(x[0], x[1], sizeof(x[0]));
}

enum { COUNT = 1 << 22, SEED = 20240917 };

static float *sample(void)
{
    static float *x;
    if (!x) {
        x = malloc(COUNT * sizeof(*x));
        assert_non_null(x);
        struct random_key key = {.seed = SEED, .node = random_node("randn", 0)};
        random_normal(&key, 0, x, COUNT);
    }
    return x;
}

// Sums of powers; bounds are 5 standard errors, so that a seed at random fails once in 10^6.
static void moments(void **state)
{
    (void)state;
    const float *x = sample();
    double sum[9] = {0};
    for (int i = 0; i < COUNT; i++)
        for (int k = 1; k <= 8; k++)
            sum[k] += pow((double)x[i], k);
    static const double want[9] = {1, 0, 1, 0, 3, 0, 15, 0, 105};
    static const double variance[9] = {0, 1, 2, 15, 96, 945, 10170, 135135, 2016000};
    for (int k = 1; k <= 8; k++) {
        double error = sum[k] / COUNT - want[k];
        if (fabs(error) > 5 * sqrt(variance[k] / COUNT))
            fail_msg("moment %d is off by %g (seed %d)", k, error, SEED);
    }
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

// Kolmogorov and Smirnov: the 10^-6 quantile of sqrt(n) D is 2.69.
static void distribution(void **state)
{
    (void)state;
    float *x = malloc(COUNT * sizeof(*x));
    assert_non_null(x);
    memcpy(x, sample(), COUNT * sizeof(*x));
    qsort(x, COUNT, sizeof(*x), by_value);
    double worst = 0;
    for (int i = 0; i < COUNT; i++) {
        double p = erfc(-(double)x[i] * sqrt(0.5)) / 2;
        worst = fmax(worst, fmax(fabs(p - (double)i / COUNT), fabs((i + 1.0) / COUNT - p)));
    }
    if (worst * sqrt((double)COUNT) > 2.69)
        fail_msg("Kolmogorov-Smirnov distance %g (seed %d)", worst, SEED);
    free(x);
}

// Counts beyond c sigma, against Poisson's distribution within 5 standard deviations.
static void tails(void **state)
{
    (void)state;
    static float x[1 << 16];
    double beyond[7] = {0}, total = 0;
    float most = 0;
    for (uint64_t part = 0; part < 1024; part++) {
        struct random_key key = {
            .seed = SEED, .node = random_node("tails", 0), .id = (int64_t)part};
        random_normal(&key, 0, x, 1 << 16);
        total += 1 << 16;
        for (int i = 0; i < 1 << 16; i++) {
            float size = fabsf(x[i]);
            if (size > 3)
                for (int c = 3; c < 7; c++)
                    beyond[c] += size > (float)c;
            most = size > most ? size : most;
        }
    }
    for (int c = 3; c < 7; c++) {
        double want = total * erfc(c * sqrt(0.5));
        if (fabs(beyond[c] - want) > 5 * sqrt(want) + 1)
            fail_msg("%g of %g numbers lie beyond %d sigma, want %g", beyond[c], total, c, want);
    }
    assert_true(most > 5 && most < 6.77f);
}

// Between neighbours of one row, and between equal places of rows with near keys.
static void correlations(void **state)
{
    (void)state;
    const float *x = sample();
    static const int lags[] = {1, 2, 3, 4, 5, 8, 16, 28, 64, 784, 4096};
    for (size_t k = 0; k < sizeof(lags) / sizeof(lags[0]); k++) {
        double sum = 0, squares = 0;
        int n = COUNT - lags[k];
        for (int i = 0; i < n; i++) {
            double a = (double)x[i], b = (double)x[i + lags[k]];
            sum += a * b;
            squares += (a * a - 1) * (b * b - 1);
        }
        if (fabs(sum) > 5 * sqrt(n) || fabs(squares) > 5 * sqrt(4.0 * n))
            fail_msg("lag %d: %g, %g", lags[k], sum / n, squares / n);
    }
    enum { M = 1 << 18 };
    static float a[M], b[M];
    struct random_key key = {.seed = SEED, .node = random_node("randn", 0)}, near[4];
    for (int i = 0; i < 4; i++)
        near[i] = key;
    near[0].seed++;
    near[1].id++;
    near[2].t += 30;
    near[3].use++;
    random_normal(&key, 0, a, M);
    for (int i = 0; i < 4; i++) {
        double sum = 0;
        random_normal(&near[i], 0, b, M);
        for (int k = 0; k < M; k++)
            sum += (double)a[k] * (double)b[k];
        assert_true(fabs(sum) < 5 * sqrt(M));
    }
}

static void uniforms(void **state)
{
    (void)state;
    enum { M = 1 << 20, BINS = 1024 };
    static float x[M];
    static int bin[BINS];
    struct random_key key = {.seed = SEED, .node = random_node("uniform", 0)};
    random_uniform(&key, 0, x, M);
    for (int i = 0; i < M; i++) {
        assert_true(x[i] >= 0 && x[i] < 1 && x[i] * 0x1p24f == floorf(x[i] * 0x1p24f));
        bin[(int)(x[i] * BINS)]++;
    }
    double chi = 0;
    for (int i = 0; i < BINS; i++)
        chi += pow(bin[i] - M / BINS, 2) / (M / BINS);
    assert_true(fabs(chi - (BINS - 1)) < 5 * sqrt(2.0 * BINS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(equals_the_model_bit_for_bit),
        cmocka_unit_test(pieces_are_the_whole),
        cmocka_unit_test(keys_give_streams_of_their_own),
        cmocka_unit_test(moments),
        cmocka_unit_test(distribution),
        cmocka_unit_test(tails),
        cmocka_unit_test(correlations),
        cmocka_unit_test(uniforms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
