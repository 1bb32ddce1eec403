// The nodes that move pixels: where to, that none is lost, and that values stay bit for bit.
// SPDX-License-Identifier: MIT
#include "plugins/filters/filters.h"
#include "tests/filters/harness.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct view {
    const char *golden;  // without the size
    const kiln_node *node;
    const char *const *args;
    int squares;  // of that multiple alone; 0: any size
};

#define ARGS(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
static const struct view views[] = {
    {"flip.vertical", &filters_flip, NULL, 0},
    {"flip.horizontal", &filters_flip, ARGS("axis=horizontal"), 0},
    {"rotate.90", &filters_rotate, NULL, 0},
    {"rotate.180", &filters_rotate, ARGS("angle=180"), 0},
    {"rotate.270", &filters_rotate, ARGS("angle=270"), 0},
    {"roll", &filters_roll, ARGS("dx=5", "dy=-3"), 0},
    {"roll.far", &filters_roll, ARGS("dx=-1001", "dy=1000"), 0},
    {"skew", &filters_skew, NULL, 0},
    {"skew.back", &filters_skew, ARGS("factor=-0.7"), 0},
    {"circle", &filters_circle, NULL, 0},
    {"circle.most", &filters_circle, ARGS("radius=0.5"), 0},
    {"hinge", &filters_hinge, NULL, 1},
    {"permute.3", &filters_permute, ARGS("blocks=3"), 0},
    {"permute.1", &filters_permute, ARGS("blocks=1"), 0},
    {"permute.seed", &filters_permute, ARGS("blocks=3", "seed=-12345678901"), 0},
};

static kiln_host *host;

static int setup(void **state)
{
    (void)state;
    host = stub_host_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return stub_host_free(host);
}

// In every channel and row, the pixel that the golden map names.
static void check_map(const struct call *c, const int32_t *map, const char *name)
{
    int64_t in_plane = c->in->shape[2] * c->in->shape[3];
    int64_t plane = c->out->shape[2] * c->out->shape[3];
    for (int64_t p = 0; p < c->in->shape[0] * c->in->shape[1]; p++)
        for (int64_t i = 0; i < plane; i++) {
            float want = kiln_f32(c->in)[p * in_plane + map[i]];
            float got = kiln_f32(c->out)[p * plane + i];
            if (memcmp(&want, &got, sizeof(want)))
                fail_msg("%s: plane %d, pixel %d: %g, not %g", name, (int)p, (int)i, (double)got,
                         (double)want);
        }
}

static void check_golden(const kiln_node *node, const char *const *args, const char *name,
                         int64_t h, int64_t w)
{
    struct golden g = golden(name);
    for (int64_t channels = 1; channels <= 4; channels += 1) {
        kiln_tensor *in = ramp(host, 1 + channels % 2, channels, h, w);
        kiln_f32(in)[1] = -0.0f;
        struct call c = {.host = host, .node = node, .args = args, .in = in};
        assert_int_equal(harness_filter(&c), KILN_OK);
        assert_int_equal(c.out->shape[2], g.shape[2]);
        assert_int_equal(c.out->shape[3], g.shape[3]);
        check_map(&c, g.data, name);
        harness_done(&c);
        host->tensor_free(host, in);
    }
}

static void moves_as_defined(void **state)
{
    static const int64_t sizes[][2] = {{15, 15}, {12, 9}};
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(views); i++)
        for (size_t k = 0; k < KILN_COUNT(sizes); k++) {
            int64_t h = sizes[k][0], w = sizes[k][1];
            char name[64];
            if (views[i].squares && h != w)
                continue;
            snprintf(name, sizeof(name), "view.%s.%dx%d", views[i].golden, (int)w, (int)h);
            check_golden(views[i].node, views[i].args, name, h, w);
        }
    check_golden(&filters_hinge, NULL, "view.hinge.64x64", 64, 64);
    check_golden(&filters_circle, NULL, "view.circle.64x64", 64, 64);
    check_golden(&filters_skew, NULL, "view.skew.64x64", 64, 64);
    check_golden(&filters_permute, ARGS("blocks=8", "seed=7"), "view.permute.8.64x64", 64, 64);
}

// Every pixel of each plane once, in that plane; and the same for any number of threads.
static void check_bijection(const kiln_node *node, const char *const *args, int64_t h, int64_t w)
{
    kiln_tensor *in = ramp(host, 1, 3, h, w);
    struct call c = {.host = host, .node = node, .args = args, .in = in}, again = c;
    assert_int_equal(harness_filter(&c), KILN_OK);
    char *seen = calloc((size_t)(3 * h * w), 1);
    for (int64_t i = 0; i < 3 * h * w; i++) {
        int64_t from = (int64_t)kiln_f32(c.out)[i];
        assert_int_equal(from / (h * w), i / (h * w));
        assert_int_equal(seen[from]++, 0);
    }
    free(seen);
    stub_set_threads(host, 3);
    assert_int_equal(harness_filter(&again), KILN_OK);
    stub_set_threads(host, 1);
    assert_true(max_difference(c.out, again.out) == 0);
    harness_done(&c);
    harness_done(&again);
    host->tensor_free(host, in);
}

static void none_is_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(views); i++) {
        check_bijection(views[i].node, views[i].args, 3, 3);
        check_bijection(views[i].node, views[i].args, 27, 27);
        check_bijection(views[i].node, views[i].args, 300, 300);
        if (!views[i].squares)
            check_bijection(views[i].node, views[i].args, 6, 21);
    }
    for (int seed = 0; seed < 40; seed++) {
        char text[32];
        snprintf(text, sizeof(text), "seed=%d", seed);
        for (int64_t size = 4; size <= 64; size += size < 16 ? 4 : 12)
            check_bijection(&filters_jigsaw, ARGS(text), size, size);
    }
    check_bijection(&filters_jigsaw, NULL, 256, 256);
}

// Pixels that were neighbours and still are, in the same or a turned direction.
static double kept_neighbours(const kiln_tensor *out)
{
    int64_t h = out->shape[2], w = out->shape[3], kept = 0;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x + 1 < w; x++) {
            int64_t a = (int64_t)kiln_f32(out)[y * w + x],
                    b = (int64_t)kiln_f32(out)[y * w + x + 1];
            kept += llabs(a / w - b / w) + llabs(a % w - b % w) == 1;
        }
    return (double)kept / (double)(h * (w - 1));
}

static void jigsaw_moves_whole_pieces(void **state)
{
    kiln_tensor *in = ramp(host, 1, 1, 256, 256);
    double differs = 0;
    kiln_tensor *first = NULL;
    (void)state;
    for (int seed = 0; seed < 8; seed++) {
        char text[32];
        snprintf(text, sizeof(text), "seed=%d", seed);
        struct call c = {.host = host, .node = &filters_jigsaw, .args = ARGS(text), .in = in};
        assert_int_equal(harness_filter(&c), KILN_OK);
        // Of 255 neighbours in a line only those across some four or five borders are lost.
        assert_true(kept_neighbours(c.out) > 1 - 6.0 / 255);
        if (first)
            differs = fmax(differs, max_difference(first, c.out));
        if (!first)
            first = c.out;
        else
            harness_done(&c);
    }
    assert_true(differs > 0);  // seeds matter
    // The middles of the cells: corners go to corners, inner pieces to inner ones.
    for (int row = 0; row < 4; row++)
        for (int col = 0; col < 4; col++) {
            int64_t from = (int64_t)kiln_f32(first)[(row * 64 + 32) * 256 + col * 64 + 32];
            int64_t r = from / 256 / 64, k = from % 256 / 64;
            int outer = (row % 3 == 0) + (col % 3 == 0);
            assert_int_equal((r % 3 == 0) + (k % 3 == 0), outer);
        }
    host->tensor_free(host, first);
    host->tensor_free(host, in);
}

// The arrangement does not depend on the size: blocks of a larger picture go the same ways.
static void arrangements_scale(void **state)
{
    const struct {
        const kiln_node *node;
        const char *const *args;
        int blocks;
    } cases[] = {{&filters_permute, ARGS("blocks=16", "seed=5"), 16},
                 {&filters_jigsaw, ARGS("seed=5"), 4}};
    (void)state;
    for (int k = 0; k < 2; k++) {
        kiln_tensor *small = ramp(host, 1, 1, 64, 64), *large = ramp(host, 1, 1, 256, 256);
        struct call a = {.host = host, .node = cases[k].node, .args = cases[k].args, .in = small};
        struct call b = a;
        b.in = large;
        assert_int_equal(harness_filter(&a), KILN_OK);
        assert_int_equal(harness_filter(&b), KILN_OK);
        int n = cases[k].blocks, s = 64 / n, l = 256 / n;
        for (int i = 0; i < n * n; i++) {
            int64_t y = i / n, x = i % n;  // the middle of this block
            int64_t p = (int64_t)kiln_f32(a.out)[(y * s + s / 2) * 64 + x * s + s / 2];
            int64_t q = (int64_t)kiln_f32(b.out)[(y * l + l / 2) * 256 + x * l + l / 2];
            assert_int_equal(p / 64 / s, q / 256 / l);
            assert_int_equal(p % 64 / s, q % 256 / l);
        }
        harness_done(&a);
        harness_done(&b);
        host->tensor_free(host, small);
        host->tensor_free(host, large);
    }
}

static void skew_undoes_itself(void **state)
{
    kiln_tensor *in = ramp(host, 1, 2, 33, 20);
    struct call a = {.host = host, .node = &filters_skew, .in = in};
    (void)state;
    assert_int_equal(harness_filter(&a), KILN_OK);
    struct call b = {.host = host, .node = &filters_skew, .args = ARGS("factor=-1.5"), .in = a.out};
    assert_int_equal(harness_filter(&b), KILN_OK);
    assert_true(max_difference(b.out, in) == 0);
    harness_done(&a);
    harness_done(&b);
    host->tensor_free(host, in);
}

static void wrong_sizes_are_refused(void **state)
{
    static const struct {
        const kiln_node *node;
        int64_t h, w;
    } cases[] = {{&filters_hinge, 12, 9},   {&filters_hinge, 2, 2},   {&filters_jigsaw, 12, 8},
                 {&filters_jigsaw, 30, 30}, {&filters_permute, 8, 9}, {&filters_permute, 4, 8}};
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(cases); i++) {
        kiln_tensor *in = ramp(host, 1, 1, cases[i].h, cases[i].w);
        struct call c = {.host = host, .node = cases[i].node, .in = in};
        assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
        assert_string_not_equal(stub_error(host), "");
        host->tensor_free(host, in);
    }
}

static void channels_are_reordered(void **state)
{
    static const struct {
        const char *order;
        int64_t channels, n, from[4];
        int keeps;
    } cases[] = {{"bgr", 3, 3, {2, 1, 0}, 1},     {"gbr", 3, 3, {1, 2, 0}, 1},
                 {"3021", 4, 4, {3, 0, 2, 1}, 1}, {"r", 3, 1, {0}, 0},
                 {"rrb", 3, 3, {0, 0, 2}, 0},     {"10", 3, 2, {1, 0}, 0},
                 {"000", 1, 3, {0, 0, 0}, 0}};
    static const double noisy[2] = {5, 6};
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(cases); i++) {
        char text[32];
        snprintf(text, sizeof(text), "order=%s", cases[i].order);
        kiln_tensor *in = ramp(host, 2, cases[i].channels, 5, 3);
        struct call c = {
            .host = host, .node = &filters_channels, .args = ARGS(text), .in = in, .t = noisy};
        assert_int_equal(harness_filter(&c), KILN_OK);
        assert_int_equal(c.out->shape[1], cases[i].n);
        for (int64_t p = 0; p < 2 * cases[i].n; p++)
            for (int64_t k = 0; k < 15; k++) {
                int64_t row = p / cases[i].n, from = cases[i].from[p % cases[i].n];
                float want = kiln_f32(in)[(row * cases[i].channels + from) * 15 + k];
                assert_true(kiln_f32(c.out)[p * 15 + k] == want);
            }
        assert_true(c.first_t == (cases[i].keeps ? 5 : KILN_CLEAN));
        harness_done(&c);
        host->tensor_free(host, in);
    }
    static const char *const wrong[] = {"order=", "order=rg1", "order=xyz",
                                        "order=00000000000000000"};
    kiln_tensor *in = ramp(host, 1, 1, 2, 2);
    struct call c = {.host = host, .node = &filters_channels, .in = in};
    for (size_t i = 0; i < KILN_COUNT(wrong); i++) {
        c.args = ARGS(wrong[i]);
        assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    }
    c.args = NULL;
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    assert_non_null(strstr(stub_error(host), "rgb"));
    c.args = ARGS("order=01");
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    host->tensor_free(host, in);
}

static void index_takes_pictures_and_tensors(void **state)
{
    enum { H = 256, W = 255, N = H * W };
    kiln_tensor *in = ramp(host, 2, 3, H, W);
    static const double noisy[2] = {5, 6};
    static const struct {
        double lo, hi;
    } ranges[] = {{-1, 1}, {0, 1}};
    static int32_t map[N];
    (void)state;
    for (int i = 0; i < N; i++)
        map[i] = (i * 37 + 11) % N;  // a permutation: 37 does not divide N
    for (int form = 0; form < 3; form++)
        for (int r = 0; r < 2; r++) {
            double lo = ranges[r].lo, span = ranges[r].hi - lo;
            int64_t c = form == 1 ? 3 : 1;
            kiln_tensor *picture = stub_tensor(host, 4, (int64_t[]){1, c, H, W}, NULL);
            for (int i = 0; i < N; i++) {
                if (form == 0) {  // gray of 16 bits
                    kiln_f32(picture)[i] = (float)(lo + span * map[i] / 65535);
                } else if (form == 1) {
                    for (int k = 0; k < 3; k++)
                        kiln_f32(picture)[k * N + i] =
                            (float)(lo + span * ((map[i] >> (16 - 8 * k)) & 255) / 255);
                } else {  // numbers, taken for an image in [-1,1]
                    kiln_f32(picture)[i] = (float)(lo + span * (map[i] + 1) / 2);
                }
            }
            const kiln_tensor *images[] = {picture};
            struct call call = {.host = host,
                                .node = &filters_index,
                                .in = in,
                                .images = images,
                                .n_images = 1,
                                .lo = lo,
                                .hi = ranges[r].hi,
                                .t = noisy};
            assert_int_equal(harness_filter(&call), KILN_OK);
            check_map(&call, map, "index");
            assert_true(call.first_t == 5);
            harness_done(&call);
            if (form == 2) {
                kiln_f32(picture)[0] = kiln_f32(picture)[1];  // one twice: for clean images alone
                assert_int_equal(harness_filter(&call), KILN_ERR_ARG);
                call.t = NULL;
                assert_int_equal(harness_filter(&call), KILN_OK);
                harness_done(&call);
                kiln_f32(picture)[0] = (float)(lo + span * (N + 1) / 2);  // past the last
                assert_int_equal(harness_filter(&call), KILN_ERR_ARG);
                picture->shape[2] = W;
                picture->shape[3] = H;
                assert_int_equal(harness_filter(&call), KILN_ERR_SHAPE);
            }
            host->tensor_free(host, picture);
        }
    host->tensor_free(host, in);
}

static void negate_is_a_sign(void **state)
{
    static const double noisy[1] = {5};
    kiln_tensor *in = ramp(host, 1, 3, 5, 7);
    struct call c = {.host = host, .node = &filters_negate, .in = in, .t = noisy};
    (void)state;
    assert_int_equal(harness_filter(&c), KILN_OK);
    for (int64_t i = 0; i < kiln_numel(in); i++)
        assert_true(kiln_f32(c.out)[i] == -kiln_f32(in)[i]);
    assert_true(c.first_t == 5);
    harness_done(&c);
    c.lo = 0;
    c.hi = 1;
    assert_int_equal(harness_filter(&c), KILN_OK);
    for (int64_t i = 0; i < kiln_numel(in); i++)
        assert_true(kiln_f32(c.out)[i] == 1 - kiln_f32(in)[i]);
    assert_true(c.first_t == KILN_CLEAN);
    harness_done(&c);
    host->tensor_free(host, in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(moves_as_defined, setup, teardown),
        cmocka_unit_test_setup_teardown(none_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(jigsaw_moves_whole_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(arrangements_scale, setup, teardown),
        cmocka_unit_test_setup_teardown(skew_undoes_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_sizes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(channels_are_reordered, setup, teardown),
        cmocka_unit_test_setup_teardown(index_takes_pictures_and_tensors, setup, teardown),
        cmocka_unit_test_setup_teardown(negate_is_a_sign, setup, teardown),
    };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
