// SPDX-License-Identifier: MIT
#include "tests/net/net_test.h"

#include <stdio.h>

// The host's weights files make the host's tensors, so all tensors here are of that kind.
static int new_tensor(const kiln_host *h, const kiln_tensor *near, int dtype, int32_t ndim,
                      const int64_t *shape, kiln_tensor **out)
{
    (void)h;
    (void)near;
    int e = tensor_new(dtype, ndim, shape, out);
    if (!e && dtype == KILN_F32)  // a use of what was never written shows
        for (int64_t i = 0; i < kiln_numel(*out); i++)
            kiln_f32(*out)[i] = NAN;
    return e;
}

static void free_tensor(const kiln_host *h, const kiln_tensor *t)
{
    (void)h;
    tensor_unref(t);
}

static int copy_tensor(const kiln_host *h, kiln_tensor *dst, const kiln_tensor *src)
{
    (void)h;
    return tensor_copy_into(dst, src);
}

kiln_host *test_host(void)
{
    kiln_host *h = stub_host_new();
    h->tensor_new = new_tensor;
    h->tensor_free = free_tensor;
    h->tensor_copy = copy_tensor;
    stub_set_extension(h, "kiln.ops/1", kernels_cpu(KERNELS_REF, KERNELS_EXACT));
    stub_set_extension(h, "kiln.weights/1", &test_weights);
    return h;
}

void test_host_free(kiln_host *h)
{
    assert_int_equal(tensor_used(), 0);
    stub_host_free(h);
}

const char *golden_path(const char *name)
{
    static char path[4][4096];
    static int turn;
    const char *root = getenv("srcdir");
    char *p = path[turn++ % 4];
    snprintf(p, sizeof(path[0]), "%s/tests/golden/%s", root && *root ? root : ".", name);
    return p;
}

kiln_file *golden_open(kiln_host *h, const char *name)
{
    kiln_file *f;
    if (test_weights.open(h, golden_path(name), &f))
        fail_msg("cannot open %s: %s", golden_path(name), stub_error(h));
    return f;
}

static int entry(const kiln_file *f, const char *name, int *dtype, int32_t *ndim, int64_t *shape)
{
    const char *have;
    for (uint64_t i = 0; !test_weights.entry(f, i, &have, dtype, ndim, shape); i++)
        if (!strcmp(have, name))
            return 1;
    return 0;
}

int golden_has(const kiln_file *f, const char *name)
{
    int dtype;
    int32_t ndim;
    int64_t shape[8];
    return entry(f, name, &dtype, &ndim, shape);
}

kiln_tensor *golden_tensor(kiln_host *h, const kiln_file *f, const char *name, int dtype)
{
    int have;
    int32_t ndim;
    int64_t shape[8];
    kiln_tensor *t;
    if (!entry(f, name, &have, &ndim, shape))
        fail_msg("no tensor %s", name);
    if (test_weights.tensor(h, f, name, NULL, dtype ? dtype : KILN_F32, ndim, shape, &t))
        fail_msg("tensor %s: %s", name, stub_error(h));
    return t;
}

void assert_close(const kiln_tensor *a, const kiln_tensor *b, double absolute, double relative,
                  const char *what)
{
    double worst = 0, at_a = 0, at_b = 0;
    assert_int_equal(kiln_numel(a), kiln_numel(b));
    for (int64_t i = 0; i < kiln_numel(a); i++) {
        double x = (double)kiln_f32(a)[i], y = (double)kiln_f32(b)[i];
        double over = fabs(x - y) / (absolute + relative * fabs(y));
        if (!(over <= worst))
            worst = over, at_a = x, at_b = y;
    }
    if (!(worst <= 1))
        fail_msg("%s: %.9g instead of %.9g, %.2f times the tolerance", what, at_a, at_b, worst);
}

void assert_same_bits(const kiln_tensor *a, const kiln_tensor *b, const char *what)
{
    assert_int_equal(kiln_numel(a), kiln_numel(b));
    if (memcmp(kiln_f32(a), kiln_f32(b), (size_t)kiln_numel(a) * sizeof(float)))
        fail_msg("%s: the bits differ", what);
}

void test_net_open(struct test_net *t, kiln_host *h, const char *const *args)
{
    *t = (struct test_net){.host = h, .node = kiln_plugin_v1.nodes[0]};
    t->net.size = sizeof(t->net);
    t->self = stub_node_new(h, t->node, args);
    if (!t->self || t->node->predictor->describe(t->self, &t->net) ||
        t->node->predictor->load(t->self))
        fail_msg("%s", stub_error(h));
    t->trainable = t->node->extension("kiln.trainable/1");
    assert_non_null(t->trainable);
}

void test_net_close(struct test_net *t)
{
    stub_node_free(t->node, t->self);
}

static kiln_tensor *embed(struct test_net *t, const char *const *prompt, int64_t n)
{
    kiln_tensor *all = NULL;
    for (int64_t i = 0; i < n; i++) {
        kiln_tensor *one;
        if (t->node->predictor->encode(t->self, prompt ? prompt[i] : "", NULL, &one))
            fail_msg("%s", stub_error(t->host));
        int64_t shape[] = {n, one->shape[0]};
        if (!all)
            assert_int_equal(t->host->tensor_new(t->host, NULL, KILN_F32, 2, shape, &all), 0);
        memcpy(kiln_f32(all) + i * shape[1], kiln_f32(one), (size_t)shape[1] * sizeof(float));
        t->host->tensor_free(t->host, one);
    }
    return all;
}

void test_net_ask(struct test_net *t, const kiln_tensor *x, const double *level,
                  const char *const *prompt, int training, kiln_tensor *out)
{
    const kiln_host *h = t->host;
    int64_t n = x->shape[0];
    kiln_tensor *in[3] = {NULL};
    kiln_level *levels = calloc((size_t)n, sizeof(*levels));
    assert_non_null(levels);
    for (int k = 0; k < 3; k++)
        assert_int_equal(h->tensor_new(h, NULL, KILN_F32, 1, &n, &in[k]), 0);
    for (int64_t i = 0; i < n; i++) {
        levels[i] = kiln_level_at(&t->net, level[i]);
        kiln_f32(in[0])[i] = (float)levels[i].t;
        kiln_f32(in[1])[i] = (float)levels[i].alpha;
        kiln_f32(in[2])[i] = (float)levels[i].sigma;
    }
    kiln_tensor *cond = t->net.n_cond ? embed(t, prompt, n) : NULL;
    const kiln_tensor *conds[] = {cond};
    kiln_query q = {.size = sizeof(q),
                    .x = x,
                    .t = in[0],
                    .alpha = in[1],
                    .sigma = in[2],
                    .level = levels,
                    .net = &t->net,
                    .cond = conds,
                    .prompt = -1};
    kiln_estimate estimate = {.size = sizeof(estimate), .pred = t->net.pred, .value = out};
    int e = training ? t->trainable->forward(t->self, &q, out)
                     : t->node->predictor->predict(t->self, &q, &estimate);
    for (int k = 0; k < 3; k++)
        h->tensor_free(h, in[k]);
    h->tensor_free(h, cond);
    free(levels);
    if (e)
        fail_msg("%s", stub_error(h));
}
