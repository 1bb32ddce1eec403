// What the small UNet says of itself, which files it takes and which it refuses, how a new one
// begins.
// SPDX-License-Identifier: MIT
#include "tests/net/net_test.h"

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static void close_to(double a, double b, double limit)
{
    if (!(fabs(a - b) <= limit))
        fail_msg("%.12g instead of %.12g", a, b);
}

static void new_net(kiln_host *h, struct test_net *t, const char *const *args)
{
    test_net_open(t, h, args);
    assert_int_equal(t->net.chw[0], 1);
    assert_int_equal(t->net.chw[1], 28);
    assert_int_equal(t->net.chw[2], 28);
    close_to(t->net.lo, 0, 0);
    close_to(t->net.hi, 1, 0);
}

// alpha_bar of the linear schedule from 1e-4 to 0.02, computed apart from this program.
static void schedule_is_the_linear_one(void **state)
{
    static const struct {
        int t;
        double alpha_bar;
    } want[] = {{1, 0.9999},     {10, 0.996012},  {100, 0.711620},
                {150, 0.467055}, {200, 0.259115}, {300, 0.0480584}};
    kiln_host *h = test_host();
    struct test_net t;
    (void)state;
    new_net(h, &t, (const char *[]){"hidden=2", NULL});
    assert_int_equal(t.net.pred, KILN_EPS);
    assert_int_equal(t.net.variance, KILN_VARIANCE_BETA);
    assert_int_equal(t.net.n_cond, 0);
    assert_int_equal(t.net.n_t, 300);
    assert_int_equal(t.net.t_first, 1);
    assert_int_equal(t.net.steps, 300);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        kiln_level l = kiln_level_at(&t.net, want[i].t);
        close_to(l.alpha * l.alpha, want[i].alpha_bar, 5e-7);
        close_to(l.alpha * l.alpha + l.sigma * l.sigma, 1, 1e-12);
    }
    test_net_close(&t);
    test_host_free(h);
}

static void plain_net_estimates_the_image(void **state)
{
    kiln_host *h = test_host();
    struct test_net t;
    (void)state;
    new_net(h, &t, (const char *[]){"hidden=2", "arch=plain", NULL});
    assert_int_equal(t.net.pred, KILN_X0);
    assert_int_equal(t.net.n_t, 0);
    close_to(kiln_level_at(&t.net, 0.5).sigma, 0.5, 0);
    test_net_close(&t);
    test_host_free(h);
}

static void a_prompt_is_a_digit(void **state)
{
    kiln_host *h = test_host();
    struct test_net t;
    kiln_tensor *cond;
    char text[2] = "0";
    (void)state;
    new_net(h, &t, (const char *[]){"hidden=2", "arch=class", NULL});
    assert_int_equal(t.net.n_cond, 1);
    for (int k = -1; k < 10; k++) {
        text[0] = (char)('0' + k);
        assert_int_equal(t.node->predictor->encode(t.self, k < 0 ? "" : text, NULL, &cond), 0);
        assert_int_equal(cond->ndim, 1);
        assert_int_equal(cond->shape[0], 10);
        for (int i = 0; i < 10; i++)
            assert_true(kiln_f32(cond)[i] == (i == k ? 1.0F : 0.0F));
        tensor_unref(cond);
    }
    static const char *const bad[] = {"10", "a", "-1", " 7", "seven"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(t.node->predictor->encode(t.self, bad[i], NULL, &cond), KILN_ERR_ARG);
        assert_non_null(strstr(stub_error(h), "0 1 2 3 4 5 6 7 8 9"));
    }
    test_net_close(&t);
    test_host_free(h);
}

// MT19937 and torch.rand's floats, from their definitions: what torch.manual_seed(s) goes on to.
static struct {
    uint32_t mt[624];
    int at;
} torch;

static void torch_seed(uint32_t seed)
{
    torch.mt[0] = seed;
    for (uint32_t i = 1; i < 624; i++)
        torch.mt[i] = 1812433253U * (torch.mt[i - 1] ^ torch.mt[i - 1] >> 30) + i;
    torch.at = 624;
}

static float torch_rand(void)
{
    if (torch.at == 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (torch.mt[i] & 0x80000000U) | (torch.mt[(i + 1) % 624] & 0x7fffffffU);
            torch.mt[i] = torch.mt[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfU : 0);
        }
        torch.at = 0;
    }
    uint32_t y = torch.mt[torch.at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680U;
    y ^= y << 15 & 0xefc60000U;
    y ^= y >> 18;
    return (float)(y & 0xffffffU) * 0x1p-24F;
}

static int torch_uniform(const kiln_host *h, uint32_t use, const int64_t *id, const double *t,
                         kiln_tensor *out)
{
    (void)h, (void)use, (void)id, (void)t;
    for (int64_t i = 0; i < kiln_numel(out); i++)
        kiln_f32(out)[i] = torch_rand();
    return KILN_OK;
}

// The golden nets were built after torch.manual_seed(500 + arch). One rounding apart: whether a
// product and a sum are fused differs between torch's builds.
static void new_net_begins_as_in_torch(void **state)
{
    static const char *const archs[] = {"plain", "time", "class"};
    (void)state;
    for (int arch = 0; arch < 3; arch++) {
        kiln_host *h = test_host();
        struct test_net t;
        const kiln_weight *list;
        uint32_t n, found = 0;
        char name[80], arg[40];
        h->uniform = torch_uniform;
        torch_seed(500 + (uint32_t)arch);
        snprintf(arg, sizeof(arg), "arch=%s", archs[arch]);
        new_net(h, &t, (const char *[]){arg, "hidden=4", NULL});
        assert_int_equal(t.trainable->weights(t.self, &list, &n), 0);
        snprintf(name, sizeof(name), "mnist-start-%s.safetensors", archs[arch]);
        kiln_file *f = golden_open(h, name);
        for (uint32_t i = 0; i < n; i++) {
            kiln_tensor *want = golden_tensor(h, f, list[i].name, 0);
            assert_close(list[i].value, want, 6e-8, 0, list[i].name);
            tensor_unref(want);
        }
        const char *have;
        int dtype;
        int32_t ndim;
        int64_t shape[8];
        while (!test_weights.entry(f, found, &have, &dtype, &ndim, shape))
            found++;
        assert_int_equal(found, n);
        test_weights.close(h, f);
        test_net_close(&t);
        test_host_free(h);
    }
}

// A checkpoint of public code gives what its own net gives. Doubles against floats: 1e-5.
static void checkpoint(const char *model_name, const char *answer, int64_t T)
{
    static const char *const prompts[] = {"2", ""};
    kiln_host *h = test_host();
    struct test_net t;
    char model[5000];
    snprintf(model, sizeof(model), "model=%s", golden_path(model_name));
    new_net(h, &t, (const char *[]){model, NULL});
    kiln_file *f = golden_open(h, "mnist-ckpt.safetensors");
    kiln_tensor *x = golden_tensor(h, f, "x", 0), *want = golden_tensor(h, f, answer, 0);
    kiln_tensor *y;
    assert_int_equal(t.net.pred, KILN_EPS);
    assert_int_equal(t.net.n_t, T);
    assert_int_equal(tensor_new(KILN_F32, 4, x->shape, &y), 0);
    test_net_ask(&t, x, (const double[]){10, 42}, prompts, 0, y);
    assert_close(y, want, 1e-5, 1e-5, model_name);
    if (T == 50) {
        kiln_tensor *alpha_bar = golden_tensor(h, f, "alpha_bar", KILN_F64);
        for (int i = 0; i < 50; i++)
            close_to(t.net.alpha[i] * t.net.alpha[i], ((const double *)tensor_data(alpha_bar))[i],
                     1e-12);
        tensor_unref(alpha_bar);
    }
    tensor_unref(x);
    tensor_unref(y);
    tensor_unref(want);
    test_weights.close(h, f);
    test_net_close(&t);
    test_host_free(h);
}

static void checkpoint_with_layers_is_read(void **state)
{
    (void)state;
    checkpoint("mnist-ckpt-t.safetensors", "answer.t", 300);
    checkpoint("mnist-ckpt-t.pt", "answer.t", 300);
}

static void checkpoint_with_blocks_brings_its_schedule(void **state)
{
    (void)state;
    checkpoint("mnist-ckpt-x.safetensors", "answer.x", 50);
    checkpoint("mnist-ckpt-x.pt", "answer.x", 50);
}

static void checkpoint_with_the_skip_first_is_turned_round(void **state)
{
    (void)state;
    checkpoint("mnist-ckpt-j.safetensors", "answer.j", 300);
    checkpoint("mnist-ckpt-j.pt", "answer.j", 300);
    checkpoint("mnist-ckpt-j-time.safetensors", "answer.j-time", 300);
    checkpoint("mnist-ckpt-j-time.pt", "answer.j-time", 300);
}

static void unknown_names_are_told_apart_by_place_and_shape(void **state)
{
    (void)state;
    checkpoint("mnist-ckpt-unknown.pt", "answer.t", 300);
}

// A copy of a golden file with one tensor left out, one more, or one of another shape.
static void spoiled(const char *skip, const char *extra, const char *reshape, const char *metadata,
                    const char *want)
{
    kiln_host *h = test_host();
    kiln_file *f = golden_open(h, "mnist-weights-class.safetensors");
    const char *name[140], *path = "test_model.tmp.safetensors";
    kiln_tensor *t[140];
    uint32_t n = 0;
    int dtype;
    int32_t ndim;
    int64_t shape[8], small[] = {3, 5};
    for (uint64_t i = 0; !test_weights.entry(f, i, &name[n], &dtype, &ndim, shape); i++) {
        if (skip && !strcmp(name[n], skip))
            continue;
        if (reshape && !strcmp(name[n], reshape))
            t[n] = stub_tensor(h, 2, small, NULL);
        else
            t[n] = golden_tensor(h, f, name[n], 0);
        n++;
    }
    if (extra) {
        name[n] = extra;
        t[n++] = stub_tensor(h, 2, small, NULL);
    }
    const char *meta[] = {metadata ? "kiln.net" : NULL, metadata, NULL};
    assert_int_equal(test_weights.write(h, path, n, name, (const kiln_tensor *const *)t, meta), 0);
    for (uint32_t i = 0; i < n; i++)
        tensor_unref(t[i]);
    test_weights.close(h, f);

    kiln_net net = {.size = sizeof(net)};
    const kiln_node *node = kiln_plugin_v1.nodes[0];
    kiln_self *self =
        stub_node_new(h, node, (const char *[]){"model=test_model.tmp.safetensors", NULL});
    assert_non_null(self);
    assert_true(node->predictor->describe(self, &net) < 0);
    if (!strstr(stub_error(h), want))
        fail_msg("'%s' does not name '%s'", stub_error(h), want);
    stub_node_free(node, self);
    unlink(path);
    test_host_free(h);
}

static const char config[] = "{\"arch\":\"class\",\"hidden\":6,\"T\":300,\"beta_start\":0.0001,"
                             "\"beta_end\":0.02}";

static void wrong_files_are_refused_by_the_name_of_the_tensor(void **state)
{
    (void)state;
    spoiled("up1.2.norm.running_var", NULL, NULL, config, "'up1.2.norm.running_var' is missing");
    spoiled("up1.2.norm.running_var", NULL, NULL, NULL, "'up1.2.norm.running_var' is missing");
    spoiled("class2.2.bias", NULL, NULL, config, "'class2.2.bias' is missing");
    spoiled(NULL, "up3.0.conv.weight", NULL, config, "'up3.0.conv.weight'");
    spoiled(NULL, "up3.0.conv.weight", NULL, NULL, "'up3.0.conv.weight'");
    spoiled(NULL, NULL, "down2.1.conv.weight", config,
            "'down2.1.conv.weight' of the model is 3x5, not 12x12x3x3");
    spoiled(NULL, NULL, "in.0.conv.weight", NULL, "no model of mnist-unet");
}

static void wrong_metadata_is_refused(void **state)
{
    (void)state;
    spoiled(NULL, NULL, NULL, "{\"arch\":\"round\"}", "no arch that is known");
    spoiled(NULL, NULL, NULL, "{\"arch\":\"class\",\"hidden\":6}", "no number 'T'");
    spoiled(NULL, NULL, NULL,
            "{\"arch\":\"class\",\"hidden\":1e9,\"T\":3,\"beta_start\":0,\"beta_end\":0}",
            "out of range");
    spoiled(NULL, NULL, NULL,
            "{\"arch\":\"class\",\"hidden\":6,\"T\":300,\"beta_start\":0,\"beta_end\":1}",
            "not in [0,1)");
    spoiled(NULL, NULL, NULL,
            "{\"arch\":\"class\",\"hidden\":5,\"T\":300,\"beta_start\":0,\"beta_end\":0.1}",
            "'in.0.conv.weight' of the model is 6x1x3x3, not 5x1x3x3");
}

static void words_for_a_new_net_do_not_go_with_a_model(void **state)
{
    kiln_host *h = test_host();
    kiln_net net = {.size = sizeof(net)};
    const kiln_node *node = kiln_plugin_v1.nodes[0];
    char model[5000];
    (void)state;
    snprintf(model, sizeof(model), "model=%s", golden_path("mnist-weights-class.safetensors"));
    kiln_self *self = stub_node_new(h, node, (const char *[]){model, "hidden=6", NULL});
    assert_int_equal(node->predictor->describe(self, &net), KILN_ERR_ARG);
    stub_node_free(node, self);
    self = stub_node_new(h, node, (const char *[]){model, "T=100", NULL});
    assert_int_equal(node->predictor->describe(self, &net), KILN_ERR_ARG);
    assert_non_null(strstr(stub_error(h), "schedule of its own"));
    stub_node_free(node, self);
    test_host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_is_the_linear_one),
        cmocka_unit_test(plain_net_estimates_the_image),
        cmocka_unit_test(a_prompt_is_a_digit),
        cmocka_unit_test(new_net_begins_as_in_torch),
        cmocka_unit_test(checkpoint_with_layers_is_read),
        cmocka_unit_test(checkpoint_with_blocks_brings_its_schedule),
        cmocka_unit_test(checkpoint_with_the_skip_first_is_turned_round),
        cmocka_unit_test(unknown_names_are_told_apart_by_place_and_shape),
        cmocka_unit_test(wrong_files_are_refused_by_the_name_of_the_tensor),
        cmocka_unit_test(wrong_metadata_is_refused),
        cmocka_unit_test(words_for_a_new_net_do_not_go_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
