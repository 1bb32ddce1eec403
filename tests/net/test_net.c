// The three UNets against PyTorch: forward in both modes, every gradient, the running statistics.
//
// Tolerances: the truth was computed in double; sums of at most a few thousand products in single
// precision stray from it by some 1e-6 of the largest term. Gradients pass through two dozen layers
// twice, hence 2e-5 of the largest element of each.
// SPDX-License-Identifier: MIT
#include "tests/net/net_test.h"

#include <stdio.h>

static const char *const arch_names[] = {"plain", "time", "class"};

struct golden_net {
    kiln_host *host;
    struct test_net net;
    kiln_file *file;
    kiln_tensor *x;
    double level[3];
    const char *prompt[3];
};

static void open_golden(struct golden_net *g, int arch)
{
    static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    char name[80], model[5000];
    snprintf(name, sizeof(name), "mnist-net-%s.safetensors", arch_names[arch]);
    g->host = test_host();
    g->file = golden_open(g->host, name);
    g->x = golden_tensor(g->host, g->file, "test.x", 0);
    kiln_tensor *t = golden_tensor(g->host, g->file, "test.t", 0);
    kiln_tensor *label = golden_tensor(g->host, g->file, "test.label", 0);
    for (int i = 0; i < 3; i++) {
        g->level[i] = (double)kiln_f32(t)[i];
        g->prompt[i] = kiln_f32(label)[i] < 0 ? "" : digits[(int)kiln_f32(label)[i]];
    }
    tensor_unref(t);
    tensor_unref(label);
    snprintf(name, sizeof(name), "mnist-weights-%s.safetensors", arch_names[arch]);
    snprintf(model, sizeof(model), "model=%s", golden_path(name));
    test_net_open(&g->net, g->host, (const char *[]){model, NULL});
}

static void close_golden(struct golden_net *g)
{
    test_net_close(&g->net);
    tensor_unref(g->x);
    test_weights.close(g->host, g->file);
    test_host_free(g->host);
}

static double largest(const kiln_tensor *t)
{
    double m = 0;
    for (int64_t i = 0; i < kiln_numel(t); i++)
        m = fmax(m, fabs((double)kiln_f32(t)[i]));
    return m;
}

static void compare(struct golden_net *g, const kiln_tensor *got, const char *name, double limit)
{
    kiln_tensor *want = golden_tensor(g->host, g->file, name, 0);
    assert_close(got, want, limit * largest(want), 0, name);
    tensor_unref(want);
}

static kiln_tensor *like(const kiln_tensor *x)
{
    kiln_tensor *t;
    assert_int_equal(tensor_new(KILN_F32, x->ndim, x->shape, &t), 0);
    return t;
}

static void inference(int arch)
{
    struct golden_net g;
    open_golden(&g, arch);
    kiln_tensor *y = like(g.x);
    test_net_ask(&g.net, g.x, g.level, g.prompt, 0, y);
    compare(&g, y, "test.eval", 1e-5);

    // A row alone gives the bits that it gives among others.
    const int64_t size = 28 * 28, shape[] = {1, 1, 28, 28};
    for (int i = 0; i < 3; i++) {
        kiln_tensor *x = stub_tensor(g.host, 4, shape, kiln_f32(g.x) + i * size);
        kiln_tensor *alone = like(x);
        test_net_ask(&g.net, x, g.level + i, g.prompt + i, 0, alone);
        assert_memory_equal(kiln_f32(alone), kiln_f32(y) + i * size, (size_t)size * sizeof(float));
        tensor_unref(alone);
        tensor_unref(x);
    }
    tensor_unref(y);
    close_golden(&g);
}

static int before_norm(const char *name)
{
    size_t n = strlen(name), k = strlen(".conv.bias");
    return n > k && !strcmp(name + n - k, ".conv.bias");
}

static void training(int arch)
{
    struct golden_net g;
    const kiln_weight *list;
    uint32_t n;
    char name[80];
    open_golden(&g, arch);
    assert_int_equal(g.net.trainable->weights(g.net.self, &list, &n), 0);
    kiln_tensor *y = like(g.x), *dout = golden_tensor(g.host, g.file, "test.dout", 0);
    test_net_ask(&g.net, g.x, g.level, g.prompt, 1, y);
    compare(&g, y, "test.train", 1e-5);
    assert_int_equal(g.net.trainable->backward(g.net.self, dout), 0);
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].flags & KILN_WEIGHT_BUFFER) {
            assert_null(list[i].grad);
            snprintf(name, sizeof(name), "after.%s", list[i].name);
            compare(&g, list[i].value, name, 1e-5);
            continue;
        }
        snprintf(name, sizeof(name), "grad.%s", list[i].name);
        if (before_norm(name))  // zero, but for rounding
            assert_true(largest(list[i].grad) < 1e-5);
        else
            compare(&g, list[i].grad, name, 2e-5);
    }
    // A second backward has no forward to go back through.
    assert_int_equal(g.net.trainable->backward(g.net.self, dout), KILN_ERR_ARG);
    tensor_unref(y);
    tensor_unref(dout);
    close_golden(&g);
}

static void plain_net_infers_as_pytorch(void **state)
{
    (void)state;
    inference(0);
}

static void time_net_infers_as_pytorch(void **state)
{
    (void)state;
    inference(1);
}

static void class_net_infers_as_pytorch(void **state)
{
    (void)state;
    inference(2);
}

static void plain_net_has_the_gradients_of_pytorch(void **state)
{
    (void)state;
    training(0);
}

static void time_net_has_the_gradients_of_pytorch(void **state)
{
    (void)state;
    training(1);
}

static void class_net_has_the_gradients_of_pytorch(void **state)
{
    (void)state;
    training(2);
}

// A forward whose backward never comes leaves nothing behind.
static void forward_alone_leaks_nothing(void **state)
{
    struct golden_net g;
    (void)state;
    open_golden(&g, 2);
    kiln_tensor *y = like(g.x);
    test_net_ask(&g.net, g.x, g.level, g.prompt, 1, y);
    test_net_ask(&g.net, g.x, g.level, g.prompt, 1, y);
    tensor_unref(y);
    close_golden(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_net_infers_as_pytorch),
        cmocka_unit_test(time_net_infers_as_pytorch),
        cmocka_unit_test(class_net_infers_as_pytorch),
        cmocka_unit_test(plain_net_has_the_gradients_of_pytorch),
        cmocka_unit_test(time_net_has_the_gradients_of_pytorch),
        cmocka_unit_test(class_net_has_the_gradients_of_pytorch),
        cmocka_unit_test(forward_alone_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
