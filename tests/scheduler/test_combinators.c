// cfg, anagram, hybrid, regions, mix: the algebra of their answers. The net is a formula that
// differs by branch, role and place, so that nothing can be mixed up. SPDX-License-Identifier: MIT
#include "tests/scheduler/stack.h"

#include <string.h>

// What the branch says at place i of what it sees there.
static double says(uint32_t branch, uint32_t role, int64_t i, double x)
{
    return x * (1 + 0.5 * branch) + 0.25 * (double)i + (role == KILN_UNCOND ? 8 : 0);
}
static double var_of(uint32_t branch, uint32_t role, int64_t i, double x)
{
    return 0.5 * says(branch, role, i, x) + 1;
}

struct asked {
    int n;
    kiln_query q[64];
};

// Expand, ask, reduce on x; the answers have a variance. out [value, var] is the caller's.
static void ask(kiln_host *h, const kiln_node *node, kiln_self *self, const kiln_query *q,
                struct asked *a, kiln_tensor *out[2])
{
    const kiln_combinator_ops *c = node->combinator;
    kiln_query *child[64];
    kiln_estimate answer[64];
    const kiln_estimate *answers[64];
    a->n = c->arity ? c->arity(self, q) : 0;
    for (uint32_t i = 0; !c->arity && i < node->n_params; i++)
        a->n += node->params[i].type == KILN_MODEL || node->params[i].type == KILN_MODELS
                    ? (int)self->args[i].n
                    : 0;
    assert_in_range(a->n, 1, 64);
    for (int k = 0; k < a->n; k++) {
        a->q[k] = *q;
        a->q[k].branch = (uint32_t)k;
        a->q[k].prompt = -1;
        child[k] = &a->q[k];
    }
    if (c->expand)
        assert_int_equal(c->expand(self, q, child), 0);
    for (int k = 0; k < a->n; k++) {
        const kiln_query *asked = &a->q[k];
        answer[k] =
            (kiln_estimate){sizeof(answer[k]), KILN_EPS, copy_of(h, q->x), copy_of(h, q->x)};
        for (int64_t i = 0; i < SIZE; i++) {
            double x = (double)kiln_f32(asked->x)[i];
            kiln_f32(answer[k].value)[i] = (float)says(asked->branch, asked->role, i % PLANE, x);
            kiln_f32(answer[k].var)[i] = (float)var_of(asked->branch, asked->role, i % PLANE, x);
        }
        answers[k] = &answer[k];
    }
    kiln_estimate sum = answer[0];
    sum.value = out[0] = copy_of(h, answer[0].value);
    sum.var = out[1] = copy_of(h, answer[0].var);
    if (c->reduce)
        assert_int_equal(c->reduce(self, q, answers, &sum), 0);
    for (int k = 0; k < a->n; k++) {
        h->tensor_free(h, answer[k].value);
        h->tensor_free(h, answer[k].var);
    }
    take_back(h);
}

static void done(kiln_host *h, kiln_tensor *out[2])
{
    h->tensor_free(h, out[0]);
    h->tensor_free(h, out[1]);
}

static void cfg_moves_away_from_the_unconditional(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("cfg", "cfg");
    static const double scale[] = {7, 0, 2.5};
    kiln_query q = {.size = sizeof(q), .role = KILN_COND, .x = numbers(h)};
    struct asked a;
    kiln_tensor *out[2];
    char text[32];
    for (int k = 0; k < 3; k++) {
        snprintf(text, sizeof(text), "scale=%g", scale[k]);
        kiln_self *self = stub_node_new(h, node, (const char *[]){text, "negative=5", NULL});
        ask(h, node, self, &q, &a, out);
        assert_int_equal(a.n, 2);
        assert_true(a.q[0].role == KILN_COND && a.q[0].prompt == -1);
        assert_true(a.q[1].role == KILN_UNCOND && a.q[1].prompt == 5);
        for (int64_t i = 0; i < SIZE; i++) {
            // says() differs by branch too here: child 1 has branch 1 by the helper.
            double x = (double)kiln_f32(q.x)[i], c = says(0, KILN_COND, i % PLANE, x);
            double u = says(1, KILN_UNCOND, i % PLANE, x);
            assert_near((double)kiln_f32(out[0])[i], u + scale[k] * (c - u), 2e-5);
            assert_near((double)kiln_f32(out[1])[i], var_of(0, KILN_COND, i % PLANE, x), 1e-6);
        }
        done(h, out);
        stub_node_free(node, self);
    }
    // Who comes with an unconditional question, or wants scale 1, gets one answer.
    kiln_self *self = stub_node_new(h, node, (const char *[]){"scale=1", NULL});
    assert_int_equal(node->combinator->arity(self, &q), 1);
    stub_node_free(node, self);
    self = stub_node_new(h, node, NULL);
    q.role = KILN_UNCOND;
    ask(h, node, self, &q, &a, out);
    assert_true(a.n == 1 && a.q[0].role == KILN_UNCOND && a.q[0].prompt == -1);
    done(h, out);
    stub_node_free(node, self);
    h->tensor_free(h, q.x);
}

static void anagram_takes_the_mean_of_its_views(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("anagram", "anagram");
    const kiln_filter *views[] = {flip, flip, flip};
    kiln_query q = {.size = sizeof(q), .role = KILN_COND, .x = numbers(h)};
    struct asked a;
    kiln_tensor *out[2];
    for (int each = 0; each < 2; each++) {  // a view for each but the first, or for each
        kiln_self *self =
            stub_node_new(h, node, (const char *[]){"branch=3", each ? "view=3" : "view=2", NULL});
        assert_non_null(self);
        arg(self, node, "view")->filters = views;
        ask(h, node, self, &q, &a, out);
        assert_int_equal(a.n, 3);
        for (int64_t i = 0; i < SIZE; i++) {
            double x = (double)kiln_f32(q.x)[i], want = 0, want_var = 0;
            for (uint32_t b = 0; b < 3; b++) {
                int64_t at = b || each ? flipped(i) : i;
                want += says(b, KILN_COND, at % PLANE, x) / 3;
                want_var += var_of(b, KILN_COND, at % PLANE, x) / 3;
            }
            assert_near((double)kiln_f32(out[0])[i], want, 1e-6);
            assert_near((double)kiln_f32(out[1])[i], want_var, 1e-6);
        }
        done(h, out);
        stub_node_free(node, self);
    }
    assert_null(stub_node_new(h, node, (const char *[]){"branch=3", "view=1", NULL}));
    assert_non_null(strstr(stub_error(h), "1 views for 3 branches"));
    assert_null(stub_node_new(h, node, (const char *[]){"branch=1", "view=1", NULL}));
    h->tensor_free(h, q.x);
}

static void anagram_can_take_turns(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("anagram", "anagram");
    const kiln_filter *views[] = {flip};
    kiln_query q = {.size = sizeof(q), .role = KILN_COND, .x = numbers(h)};
    struct asked a;
    kiln_tensor *out[2];
    kiln_self *self =
        stub_node_new(h, node, (const char *[]){"branch=2", "view=1", "reduce=alternate", NULL});
    arg(self, node, "view")->filters = views;
    for (q.step = 0; q.step < 4; q.step++) {
        uint32_t b = q.step % 2;
        ask(h, node, self, &q, &a, out);
        assert_true(a.n == 1 && a.q[0].branch == b);
        for (int64_t i = 0; i < SIZE; i++) {
            int64_t at = (b ? flipped(i) : i) % PLANE;
            double x = (double)kiln_f32(q.x)[i];
            assert_near((double)kiln_f32(out[0])[i], says(b, KILN_COND, at, x), 1e-6);
            assert_near((double)kiln_f32(out[1])[i], var_of(b, KILN_COND, at, x), 1e-6);
        }
        done(h, out);
    }
    stub_node_free(node, self);
    h->tensor_free(h, q.x);
}

static void hybrid_filters_far_and_keeps_the_rest_of_near(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("hybrid", "hybrid");
    kiln_query q = {.size = sizeof(q), .role = KILN_COND, .x = numbers(h)};
    struct asked a;
    kiln_tensor *out[2];
    kiln_self *self = stub_node_new(h, node, (const char *[]){"far=1", "near=1", "filter=1", NULL});
    for (int k = 0; k < 2; k++) {
        arg(self, node, "filter")->filter = k ? flip : half;
        ask(h, node, self, &q, &a, out);
        assert_int_equal(a.n, 2);
        for (int64_t i = 0; i < SIZE; i++) {
            double e[2], low[2];
            for (uint32_t b = 0; b < 2; b++) {
                int64_t at = k ? flipped(i) : i;
                double there = says(b, KILN_COND, at % PLANE, (double)kiln_f32(q.x)[at]);
                e[b] = says(b, KILN_COND, i % PLANE, (double)kiln_f32(q.x)[i]);
                low[b] = k ? there : there / 2;
            }
            assert_near((double)kiln_f32(out[0])[i], low[0] + e[1] - low[1], 1e-6);
            assert_near((double)kiln_f32(out[1])[i], (e[0] + e[1]) / 4 + 1, 1e-6);
        }
        done(h, out);
    }
    stub_node_free(node, self);
    h->tensor_free(h, q.x);
}

static void regions_put_the_first_mask_on_top(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("regions", "regions");
    kiln_tensor *first = stub_tensor(h, 4, (int64_t[]){1, 1, H, W}, NULL);
    kiln_tensor *second = stub_tensor(h, 4, shape, NULL);  // one for each row
    for (int i = 0; i < PLANE; i++)
        kiln_f32(first)[i] = (float)(i % 3) / 2;
    for (int i = 0; i < SIZE; i++)
        kiln_f32(second)[i] = (float)(i % 5) / 4;
    const kiln_tensor *masks[] = {first, second};
    kiln_query q = {.size = sizeof(q), .role = KILN_COND, .x = numbers(h), .in = masks, .n_in = 2};
    struct asked a;
    kiln_tensor *out[2];
    kiln_self *self = stub_node_new(h, node, (const char *[]){"branch=3", "mask=2", NULL});
    ask(h, node, self, &q, &a, out);
    for (int64_t i = 0; i < SIZE; i++) {
        double x = (double)kiln_f32(q.x)[i], m1 = (double)kiln_f32(first)[i % PLANE];
        double m2 = (double)kiln_f32(second)[i], e[3];
        for (uint32_t b = 0; b < 3; b++)
            e[b] = says(b, KILN_COND, i % PLANE, x);
        double want = m1 * e[0] + (1 - m1) * (m2 * e[1] + (1 - m2) * e[2]);
        assert_near((double)kiln_f32(out[0])[i], want, 1e-6);
        assert_near((double)kiln_f32(out[1])[i], want / 2 + 1, 1e-6);
    }
    done(h, out);
    stub_node_free(node, self);
    assert_null(stub_node_new(h, node, (const char *[]){"branch=3", "mask=1", NULL}));
    assert_non_null(strstr(stub_error(h), "wants 2"));
    h->tensor_free(h, first);
    h->tensor_free(h, second);
    h->tensor_free(h, q.x);
}

static void mix_weighs_its_branches(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("mix", "mix");
    kiln_query q = {.size = sizeof(q), .role = KILN_COND, .x = numbers(h)};
    struct asked a;
    kiln_tensor *out[2];
    static const struct {
        const char *args[3];
        int n;
        double w[20];
    } cases[] = {
        {{"branch=2", "weights=0.6,0.4", NULL}, 2, {0.6, 0.4}},
        {{"branch=2", "weights=1.5,-0.5", NULL}, 2, {1.5, -0.5}},
        {{"branch=20", NULL}, 20, {0}},  // more than one combine takes
    };
    for (int k = 0; k < 3; k++) {
        kiln_self *self = stub_node_new(h, node, cases[k].args);
        ask(h, node, self, &q, &a, out);
        for (int64_t i = 0; i < SIZE; i++) {
            double want = 0;
            for (int b = 0; b < cases[k].n; b++)
                want += (k == 2 ? 0.05 : cases[k].w[b]) *
                        says((uint32_t)b, KILN_COND, i % PLANE, (double)kiln_f32(q.x)[i]);
            assert_near((double)kiln_f32(out[0])[i], want, 5e-6);
            assert_near((double)kiln_f32(out[1])[i], want / 2 + 1, 5e-6);
        }
        done(h, out);
        stub_node_free(node, self);
    }
    assert_null(stub_node_new(h, node, (const char *[]){"branch=2", "weights=1,1", NULL}));
    assert_non_null(strstr(stub_error(h), "sum is 2"));
    assert_null(stub_node_new(h, node, (const char *[]){"branch=2", "weights=1", NULL}));
    h->tensor_free(h, q.x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cfg_moves_away_from_the_unconditional),
        cmocka_unit_test(anagram_takes_the_mean_of_its_views),
        cmocka_unit_test(anagram_can_take_turns),
        cmocka_unit_test(hybrid_filters_far_and_keeps_the_rest_of_near),
        cmocka_unit_test(regions_put_the_first_mask_on_top),
        cmocka_unit_test(mix_weighs_its_branches),
    };
    return cmocka_run_group_tests(tests, stack_setup, stack_teardown);
}
