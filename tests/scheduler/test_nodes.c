// randn, noise, at, score and threshold.
// SPDX-License-Identifier: MIT
#include "tests/scheduler/harness.h"

#include <string.h>

static int setup(void **state)
{
    *state = test_host();
    return 0;
}

static int teardown(void **state)
{
    test_host_free(*state);
    return 0;
}

static kiln_tensor *picture(kiln_host *h, int64_t n)
{
    kiln_tensor *x = stub_tensor(h, 4, (int64_t[]){n, 3, 4, 4}, NULL);
    for (int64_t i = 0; i < kiln_numel(x); i++)
        kiln_f32(x)[i] = (float)sin((double)i);
    return x;
}

// ---- randn --------------------------------------------------------------------------------------

static kiln_self *randn(kiln_host *h, const char *const *args)
{
    return stub_node_new(h, node_of("scheduler", "randn"), args);
}

static void randn_makes_documents_of_noise(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("scheduler", "randn");
    const char *args[] = {"shape=4x1x8x8", "docs=3", "first=10", NULL};
    kiln_self *self = randn(h, args);
    kiln_tensor *image[3];
    for (int i = 0; i < 3; i++) {
        kiln_document doc = {.size = sizeof(doc), .t = KILN_CLEAN, .lo = -1, .hi = 1};
        assert_int_equal(node->source->next(self, &doc), KILN_OK);
        assert_true(doc.first == 10 + 4 * i && doc.total == 3 && doc.t == KILN_NOISE);
        assert_true(doc.image->shape[0] == 4 && doc.image->shape[3] == 8);
        image[i] = doc.image;
    }
    kiln_document doc = {.size = sizeof(doc)};
    assert_int_equal(node->source->next(self, &doc), KILN_END);
    stub_node_free(node, self);
    // Image 17 alone has the bits of image 17 among others.
    self = randn(h, (const char *[]){"shape=1x1x8x8", "first=17", NULL});
    assert_int_equal(node->source->next(self, &doc), KILN_OK);
    assert_memory_equal(kiln_f32(doc.image), kiln_f32(image[1]) + (17 - 14) * 64, 64 * 4);
    h->tensor_free(h, doc.image);
    stub_node_free(node, self);
    for (int i = 0; i < 3; i++)
        h->tensor_free(h, image[i]);
    assert_null(stub_node_new(h, node, (const char *[]){"shape=3x8x8", NULL}));
    assert_non_null(strstr(stub_error(h), "NxCxHxW"));
}

static void randn_replaces_images_by_what_the_net_wants(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(MNIST);
    net.net.lo = 0;
    kiln_tensor *in = stub_tensor(h, 4, (int64_t[]){2, 1, 9, 7}, NULL);
    struct pass p = {
        .host = h, .node = node_of("scheduler", "randn"), .net = &net.net, .in = in, .first = 5};
    assert_int_equal(pass_run(&p), 0);
    assert_true(p.out->shape[0] == 2 && p.out->shape[1] == 3 && p.out->shape[2] == 4);
    assert_true(p.t_out[0] == KILN_NOISE && p.t_out[1] == KILN_NOISE && p.id_out[1] == 6);
    assert_true(p.plan.lo == 0 && p.plan.hi == 1);
    // The noise of an id is that of the source.
    const kiln_node *node = node_of("scheduler", "randn");
    kiln_self *self = randn(h, (const char *[]){"shape=1x3x4x4", "first=6", NULL});
    kiln_document doc = {.size = sizeof(doc)};
    assert_int_equal(node->source->next(self, &doc), KILN_OK);
    assert_memory_equal(kiln_f32(doc.image), kiln_f32(p.out) + 48, 48 * 4);
    stub_node_free(node, self);
    h->tensor_free(h, doc.image);
    h->tensor_free(h, p.out);

    p.net = NULL;
    assert_int_equal(pass_run(&p), KILN_ERR_ARG);
    p.args = (const char *[]){"size=6x5", NULL};
    assert_int_equal(pass_run(&p), 0);
    assert_true(p.out->shape[1] == 1 && p.out->shape[2] == 5 && p.out->shape[3] == 6);
    h->tensor_free(h, p.out);
    p.args = (const char *[]){"shape=1x3x4x4", NULL};
    assert_int_equal(pass_run(&p), KILN_ERR_ARG);
    assert_non_null(strstr(stub_error(h), "size="));
    h->tensor_free(h, in);
    net_free(&net);
}

// ---- noise, at ----------------------------------------------------------------------------------

// Element by element alpha x0 + sigma z with the z of (id, t).
static void assert_noised(kiln_host *h, const struct pass *p, const double *bar)
{
    kiln_tensor *z = copy_of(h, p->out);
    h->normal(h, 0, p->id_out, p->t_out, z);
    for (int64_t i = 0; i < kiln_numel(p->out); i++) {
        int64_t row = i / 48, from = row % p->in->shape[0];
        double x0 = (double)kiln_f32(p->in)[from * 48 + i % 48], a = bar[row % p->plan.n_t];
        double want = sqrt(a) * x0 + sqrt(1 - a) * (double)kiln_f32(z)[i];
        assert_near((double)kiln_f32(p->out)[i], want, 5e-7);  // an ulp of numbers below 4
    }
    h->tensor_free(h, z);
}

static void noise_follows_the_schedules(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(MNIST);
    kiln_tensor *one = picture(h, 1), *six = picture(h, 6);
    // Check values from the literature: alpha_bar of the MNIST schedule, of the cosine one at
    // 250, 500 and 750, of the linear one from PyTorch.
    int64_t n;
    const double *linear = golden_doubles("linear", &n);
    struct pass p = {.host = h,
                     .node = node_of("scheduler", "noise"),
                     .net = &net.net,
                     .in = one,
                     .first = 3,
                     .args = (const char *[]){"t=100,150,300", NULL}};
    assert_int_equal(pass_run(&p), 0);
    assert_true(p.out->shape[0] == 3 && p.id_out[2] == 3 && p.t_out[1] == 150);
    assert_noised(h, &p, (double[]){0.71161995, 0.46705485, 0.04805844});
    h->tensor_free(h, p.out);

    p.net = NULL;
    p.args = (const char *[]){"t=250,500,750", "schedule=cosine", NULL};
    assert_int_equal(pass_run(&p), 0);
    assert_noised(h, &p, (double[]){0.845888019, 0.492285043, 0.143178657});
    assert_true(kept("alpha")->shape[0] == 1000 && !strcmp(kept_text("kiln.t_first"), "0"));
    double a500 = ((const double *)kept("alpha")->data)[500];
    assert_near(a500, 0.7016303, 1e-5);  // the published table is in float
    h->tensor_free(h, p.out);

    p.args = (const char *[]){"t=10,900", "schedule=linear", NULL};
    p.in = six;  // six images, two values: they take turns
    assert_int_equal(pass_run(&p), 0);
    assert_true(p.out->shape[0] == 6 && p.id_out[5] == 8 && p.t_out[4] == 10 && p.t_out[5] == 900);
    assert_noised(h, &p, (double[]){linear[10], linear[900]});
    h->tensor_free(h, p.out);
    h->tensor_free(h, one);
    h->tensor_free(h, six);
    net_free(&net);
}

static void noise_by_sigma_adds(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(PLAIN);
    kiln_tensor *one = picture(h, 1);
    for (int with_net = 0; with_net < 2; with_net++) {
        struct pass p = {.host = h,
                         .node = node_of("scheduler", "noise"),
                         .in = one,
                         .net = with_net ? &net.net : NULL,
                         .args = (const char *[]){"sigma=0,0.5", NULL}};
        assert_int_equal(pass_run(&p), 0);
        assert_true(p.out->shape[0] == 2 && p.t_out[0] == 0 && p.t_out[1] == 0.5);
        kiln_tensor *z = copy_of(h, p.out);
        h->normal(h, 0, p.id_out, p.t_out, z);
        assert_memory_equal(kiln_f32(p.out), kiln_f32(one), 48 * 4);  // sigma 0
        for (int i = 48; i < 96; i++)
            assert_near((double)kiln_f32(p.out)[i],
                        (double)kiln_f32(one)[i - 48] + 0.5 * (double)kiln_f32(z)[i], 2e-7);
        h->tensor_free(h, z);
        h->tensor_free(h, p.out);
    }
    h->tensor_free(h, one);
    net_free(&net);
}

static void a_sweep_equals_the_separate_runs(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(COSINE);
    kiln_tensor *one = picture(h, 1);
    struct pass sweep = {.host = h,
                         .node = node_of("scheduler", "noise"),
                         .net = &net.net,
                         .in = one,
                         .args = (const char *[]){"t=690,390", NULL}};
    struct pass alone = sweep;
    alone.args = (const char *[]){"t=390", NULL};
    assert_int_equal(pass_run(&sweep), 0);
    assert_int_equal(pass_run(&alone), 0);
    assert_memory_equal(kiln_f32(sweep.out) + 48, kiln_f32(alone.out), 48 * 4);
    h->tensor_free(h, sweep.out);
    h->tensor_free(h, alone.out);
    h->tensor_free(h, one);
    net_free(&net);
}

static void noise_refuses_what_makes_no_sense(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(MNIST);
    kiln_tensor *six = picture(h, 6);
    static const struct {
        const char *a, *b;
        int with_net;
        const char *why;
    } bad[] = {
        {NULL, NULL, 1, "t= or sigma="},
        {"t=5", "sigma=1", 1, "one of the two"},
        {"t=5", NULL, 0, "schedule=cosine"},
        {"t=0", NULL, 1, "timesteps 1 to 300"},
        {"t=301", NULL, 1, "timesteps 1 to 300"},
        {"t=1000", "schedule=cosine", 0, "timesteps 0 to 999"},
        {"t=5", "schedule=cosine", 1, "one of its own"},
        {"sigma=1", "schedule=cosine", 0, "only with t="},
        {"sigma=1", NULL, 1, "say t="},
        {"t=1,2,3,4", NULL, 1, "6 images"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct pass p = {.host = h,
                         .node = node_of("scheduler", "noise"),
                         .in = six,
                         .net = bad[i].with_net ? &net.net : NULL,
                         .args = (const char *[]){bad[i].a, bad[i].b, NULL}};
        assert_int_equal(pass_run(&p), KILN_ERR_ARG);
        if (!strstr(stub_error(h), bad[i].why))
            fail_msg("case %d: %s", (int)i, stub_error(h));
    }
    struct pass p = {.host = h,
                     .node = node_of("scheduler", "noise"),
                     .in = six,
                     .net = &net.net,
                     .t = (double[]){-1, -1, 7, -1, -1, -1},
                     .args = (const char *[]){"t=5", NULL}};
    assert_int_equal(pass_run(&p), KILN_ERR_ARG);
    assert_non_null(strstr(stub_error(h), "noisy already"));
    h->tensor_free(h, six);
    net_free(&net);
}

static void at_says_and_does_nothing(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(MNIST);
    net.net.lo = 0;
    kiln_tensor *one = picture(h, 1);
    struct pass p = {.host = h,
                     .node = node_of("scheduler", "at"),
                     .in = one,
                     .net = &net.net,
                     .args = (const char *[]){"t=300,5", NULL}};
    assert_int_equal(pass_run(&p), 0);
    assert_true(p.out->shape[0] == 2 && p.t_out[0] == 300 && p.t_out[1] == 5);
    assert_memory_equal(kiln_f32(p.out), kiln_f32(one), 48 * 4);
    assert_memory_equal(kiln_f32(p.out) + 48, kiln_f32(one), 48 * 4);
    assert_true(p.plan.lo == 0 && p.plan.hi == 1);  // named anew, not converted
    h->tensor_free(h, p.out);
    p.args = (const char *[]){"t=0", NULL};
    assert_int_equal(pass_run(&p), KILN_ERR_ARG);
    h->tensor_free(h, one);
    net_free(&net);
}

// ---- score --------------------------------------------------------------------------------------

// The error of an estimate that is off by sigma / 2 everywhere.
static void half_off(const struct test_net *t, int64_t i, double x, kiln_level l, double *eps,
                     double *x0)
{
    double clean = sin((double)i);
    (void)t;
    *eps = (x - l.alpha * clean) / l.sigma + l.sigma / 2;
    *x0 = (x - l.sigma * *eps) / l.alpha;
}

static void score_is_the_mean_error_of_eps(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(MNIST);
    net.answer = half_off;
    kiln_tensor *x = picture(h, 2);
    struct walk w = {.host = h,
                     .node = node_of("scheduler", "score"),
                     .net = &net,
                     .t_start = KILN_CLEAN,
                     .x = copy_of(h, x)};
    assert_int_equal(walk_run(&w), 0);
    assert_int_equal(net.calls, 8 * 4);
    assert_true(max_difference(w.x, x) == 0);
    double want = 0;
    for (int i = 0; i < 8; i++) {
        kiln_level l = kiln_level_at(&net.net, 1 + (2 * i + 1) * 300 / 16);
        want += l.sigma * l.sigma / 4 / 8;
    }
    const kiln_tensor *score = kept("score");
    assert_true(score->shape[0] == 2 && score->dtype.bits == 64);
    for (int i = 0; i < 2; i++)  // x is in float, and eps divides by sigma >= 0.1
        assert_near(((const double *)score->data)[i], want, 1e-6);

    w.args = (const char *[]){"t=100,200", "draws=3", NULL};
    net.calls = 0;
    assert_int_equal(walk_run(&w), 0);
    assert_int_equal(net.calls, 6);
    kiln_level a = kiln_level_at(&net.net, 100), b = kiln_level_at(&net.net, 200);
    assert_near(((const double *)kept("score")->data)[1],
                (a.sigma * a.sigma + b.sigma * b.sigma) / 8, 1e-6);
    w.t_start = 100;
    assert_int_equal(walk_run(&w), KILN_ERR_ARG);
    assert_non_null(strstr(stub_error(h), "clean"));
    assert_true(w.node->flags & KILN_NODE_TAKES_CLEAN);
    h->tensor_free(h, x);
    h->tensor_free(h, w.x);
    net_free(&net);
}

// ---- threshold ----------------------------------------------------------------------------------

static int threshold(kiln_host *h, const char *const *args, const kiln_net *net, kiln_tensor *x)
{
    const kiln_node *node = node_of("scheduler", "threshold");
    kiln_self *self = stub_node_new(h, node, args);
    assert_non_null(self);
    kiln_query q = {.size = sizeof(q), .x = x, .net = net};
    kiln_estimate answer = {.size = sizeof(answer), .pred = KILN_X0, .value = x}, out = answer;
    const kiln_estimate *answers[] = {&answer};
    int e = node->combinator->reduce(self, &q, answers, &out);
    assert_int_equal(node->combinator->pred, KILN_X0);
    stub_node_free(node, self);
    return e;
}

static void threshold_scales_to_the_quantile(void **state)
{
    kiln_host *h = *state;
    kiln_net net = {.size = sizeof(net), .lo = -1, .hi = 1, .threshold = 1.5};
    // |x| of the row is 0, 0.1, .. 2; its 0.95-quantile 1.9, the limit 1.5 is less.
    float v[21];
    for (int i = 0; i < 21; i++)
        v[i] = (float)i / 10 * (i % 2 ? -1 : 1);
    static const struct {
        const char *args[3];
        double lo, hi, cut, divide;
    } cases[] = {
        {{NULL}, -1, 1, 1.5, 1.5},
        {{"max=3", NULL}, -1, 1, 1.9, 1.9},
        {{"max=3", "quantile=0.6", NULL}, -1, 1, 1.2, 1.2},
        {{"max=1", NULL}, -1, 1, 1, 1},
        {{"max=0.7", "method=clip", NULL}, -1, 1, 0.7, 1},
        {{"method=clip", NULL}, -1, 1, 1.5, 1},
        {{"method=clip", "max=1", NULL}, -2, 2, 2, 1},  // of the net's range
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        kiln_tensor *x = stub_tensor(h, 4, (int64_t[]){1, 1, 3, 7}, v);
        net.lo = cases[k].lo;
        net.hi = cases[k].hi;
        assert_int_equal(threshold(h, cases[k].args, &net, x), 0);
        for (int i = 0; i < 21; i++) {
            double want = fmin(fmax((double)v[i], -cases[k].cut), cases[k].cut) / cases[k].divide;
            assert_near((double)kiln_f32(x)[i], want, 3e-7);
        }
        h->tensor_free(h, x);
    }
    // A range of 0 to 1 is clipped at its own ends.
    kiln_tensor *x = stub_tensor(h, 4, (int64_t[]){1, 1, 3, 7}, v);
    net.lo = 0;
    net.hi = 1;
    assert_int_equal(threshold(h, (const char *[]){"max=1", NULL}, &net, x), 0);
    for (int i = 0; i < 21; i++)
        assert_near((double)kiln_f32(x)[i], fmin(fmax((double)v[i], 0), 1), 3e-7);
    net.threshold = 0;
    assert_int_equal(threshold(h, NULL, &net, x), KILN_ERR_ARG);
    assert_non_null(strstr(stub_error(h), "max="));
    h->tensor_free(h, x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(randn_makes_documents_of_noise),
        cmocka_unit_test(randn_replaces_images_by_what_the_net_wants),
        cmocka_unit_test(noise_follows_the_schedules),
        cmocka_unit_test(noise_by_sigma_adds),
        cmocka_unit_test(a_sweep_equals_the_separate_runs),
        cmocka_unit_test(noise_refuses_what_makes_no_sense),
        cmocka_unit_test(at_says_and_does_nothing),
        cmocka_unit_test(score_is_the_mean_error_of_eps),
        cmocka_unit_test(threshold_scales_to_the_quantile),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
