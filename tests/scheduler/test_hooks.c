// trace and inpaint: what they see of a run, and what they do to it.
// SPDX-License-Identifier: MIT
#include "tests/scheduler/stack.h"

#include <string.h>

// A walk from 100 down to 0 in steps of 10, then clean, with nothing but hooks; x is the step's
// number.
static void walk(kiln_host *h, const kiln_node *node, kiln_self *self, const kiln_rows *rows,
                 kiln_tensor *x)
{
    kiln_tensor *x0 = copy_of(h, x);
    kiln_level level[12];
    for (int i = 0; i < 12; i++)
        level[i] = (kiln_level){i < 11 ? 100 - 10 * i : -1, 1 - (11 - i) * 0.05, (11 - i) * 0.08};
    for (uint32_t i = 0; i < 11; i++) {
        kiln_step step = {.size = sizeof(step),
                          .i = i,
                          .n = 11,
                          .from = &level[i],
                          .to = &level[i + 1],
                          .rows = rows,
                          .x0 = i ? x0 : NULL};
        if (node->hook->before)
            assert_int_equal(node->hook->before(self, &step, x), 0);
        for (int k = 0; k < SIZE; k++) {
            kiln_f32(x0)[k] = (float)(1000 + i);
            kiln_f32(x)[k] = (float)(i + 1);
        }
        step.x0 = x0;
        if (node->hook->after)
            assert_int_equal(node->hook->after(self, &step, x), 0);
        take_back(h);
    }
    h->tensor_free(h, x0);
}

static void trace_collects_what_was_asked_for(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("trace", "trace");
    static const struct {
        const char *args[4];
        int n;
        double t[12], value[12];
    } cases[] = {
        {{"t=100,70,0", NULL}, 3, {100, 70, 0}, {0, 3, 10}},
        {{"every=5", NULL}, 3, {100, 50, 0}, {0, 5, 10}},
        {{"every=11", NULL}, 2, {100, -1}, {0, 11}},  // start and end
        {{"every=10", "t=70", NULL}, 3, {100, 70, 0}, {0, 3, 10}},
        {{"t=70,0", "what=x0", NULL}, 2, {70, 0}, {1003, 1010}},
        {{"every=5", "what=x0", NULL}, 3, {100, 50, 0}, {1000, 1005, 1010}},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        kiln_tensor *x = stub_tensor(h, 4, shape, NULL);
        kiln_self *self = stub_node_new(h, node, cases[k].args);
        const kiln_state *store = h->extension(h, "kiln.state/1");
        store->put(h, "keep.trace", NULL);
        store->put(h, "keep.trace.t", NULL);
        walk(h, node, self, NULL, x);
        const kiln_tensor *frames = kept("keep.trace"), *t = kept("keep.trace.t");
        assert_int_equal(frames->shape[0], cases[k].n * N);
        assert_int_equal(t->shape[0], cases[k].n * N);
        for (int i = 0; i < cases[k].n; i++) {
            assert_true(((const double *)t->data)[i * N + 1] == cases[k].t[i]);
            assert_true((double)kiln_f32(frames)[i * SIZE] == cases[k].value[i]);
        }
        stub_node_free(node, self);
        h->tensor_free(h, x);
    }
    // All of them; and none.
    kiln_tensor *x = stub_tensor(h, 4, shape, NULL);
    const kiln_state *store = h->extension(h, "kiln.state/1");
    store->put(h, "keep.trace", NULL);
    store->put(h, "keep.trace.t", NULL);
    kiln_self *self = stub_node_new(h, node, NULL);
    walk(h, node, self, NULL, x);
    assert_int_equal(kept("keep.trace")->shape[0], 12 * N);
    stub_node_free(node, self);
    assert_string_equal(stub_last_log(h), "");
    self = stub_node_new(h, node, (const char *[]){"t=55", NULL});
    walk(h, node, self, NULL, x);
    assert_non_null(strstr(stub_last_log(h), "none of the timesteps"));
    stub_node_free(node, self);
    h->tensor_free(h, x);
}

struct hole {
    kiln_tensor *mask, *image;
    const kiln_tensor *in[2];
    int64_t id[N];
    kiln_rows rows;
};

static void hole_new(kiln_host *h, struct hole *o)
{
    o->mask = stub_tensor(h, 4, (int64_t[]){1, 1, H, W}, NULL);
    for (int i = 0; i < PLANE; i++)
        kiln_f32(o->mask)[i] = (float)(i % 3) / 2;  // 0, 1/2, 1
    kiln_tensor *two = numbers(h);
    o->image = stub_tensor(h, 4, (int64_t[]){1, 1, H, W}, kiln_f32(two));  // one for all rows
    h->tensor_free(h, two);
    o->in[0] = o->mask;
    o->in[1] = o->image;
    o->id[0] = 5;
    o->id[1] = 8;
    o->rows = (kiln_rows){.size = sizeof(o->rows), .n = N, .id = o->id, .in = o->in, .n_in = 2};
}

static void hole_free(kiln_host *h, struct hole *o)
{
    h->tensor_free(h, o->mask);
    h->tensor_free(h, o->image);
}

// The last step before clean goes from t = 10 to 0 (alpha 0.95, sigma 0.08); the very last to
// clean.
static void inpaint_puts_back_what_is_known(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("inpaint", "inpaint");
    static const char *const mode[] = {"mode=renoise", "mode=clean", "mode=x0"};
    struct hole o;
    hole_new(h, &o);
    for (int m = 0; m < 3; m++)
        for (int paste = 0; paste < 2; paste++) {
            kiln_self *self = stub_node_new(
                h, node,
                (const char *[]){"mask=1", mode[m], paste ? "paste=yes" : "paste=no", NULL});
            kiln_level level[] = {{10, 0.9, 0.16}, {0, 0.95, 0.08}, {-1, 1, 0}};
            for (uint32_t last = 0; last < 2; last++)           // is this step the walk's last one
                for (uint32_t clean = 0; clean < 2; clean++) {  // and does it end clean
                    kiln_tensor *x = numbers(h), *before = numbers(h), *z = numbers(h);
                    kiln_step step = {.size = sizeof(step),
                                      .i = last,
                                      .n = 2,
                                      .from = &level[0],
                                      .to = &level[1 + clean],
                                      .rows = &o.rows};
                    draws = 0;
                    assert_int_equal(node->hook->after(self, &step, x), 0);
                    double t[] = {level[1].t, level[1].t};
                    int drew = m == 0 && !clean && !(paste && last);
                    assert_int_equal(draws, drew);
                    h->normal(h, 0, o.id, t, z);
                    for (int i = 0; i < SIZE; i++) {
                        double mask = (double)kiln_f32(o.mask)[i % PLANE];
                        double image = (double)kiln_f32(o.image)[i % PLANE];
                        double own = (double)kiln_f32(before)[i], want;
                        if (drew)
                            image = 0.95 * image + 0.08 * (double)kiln_f32(z)[i];
                        want = mask * own + (1 - mask) * image;
                        if (m == 2 && !(paste && last))
                            want = own;
                        assert_near((double)kiln_f32(x)[i], want, 3e-7);
                        if (paste && last && kiln_f32(o.mask)[i % PLANE] == 0)
                            assert_true(kiln_f32(x)[i] == kiln_f32(o.image)[i % PLANE]);
                    }
                    int e = node->hook->estimate(self, &step, before);
                    assert_int_equal(e, m == 2 ? KILN_OK : KILN_SAME);
                    h->tensor_free(h, x);
                    h->tensor_free(h, before);
                    h->tensor_free(h, z);
                }
            stub_node_free(node, self);
        }
    // The estimate in mode x0.
    kiln_self *self = stub_node_new(h, node, (const char *[]){"mask=1", "mode=x0", NULL});
    kiln_tensor *x0 = numbers(h), *before = numbers(h);
    kiln_step step = {.size = sizeof(step), .n = 2, .rows = &o.rows};
    assert_int_equal(node->hook->estimate(self, &step, x0), KILN_OK);
    for (int i = 0; i < SIZE; i++) {
        double mask = (double)kiln_f32(o.mask)[i % PLANE];
        assert_near((double)kiln_f32(x0)[i],
                    mask * (double)kiln_f32(before)[i] +
                        (1 - mask) * (double)kiln_f32(o.image)[i % PLANE],
                    3e-7);
    }
    stub_node_free(node, self);
    h->tensor_free(h, x0);
    h->tensor_free(h, before);
    hole_free(h, &o);
}

static void inpaint_can_keep_what_a_filter_passes(void **state)
{
    kiln_host *h = *state;
    const kiln_node *node = node_of("inpaint", "inpaint");
    struct hole o;
    hole_new(h, &o);
    kiln_self *self = stub_node_new(h, node, (const char *[]){"mask=1", NULL});
    arg(self, node, "mask")->n = 0;
    arg(self, node, "keep")->filter = flip;
    kiln_level level[] = {{10, 0.9, 0.16}, {0, 0.95, 0.08}};
    kiln_tensor *x = numbers(h), *z = numbers(h), *before = numbers(h);
    kiln_step step = {
        .size = sizeof(step), .n = 2, .from = &level[0], .to = &level[1], .rows = &o.rows};
    o.in[0] = NULL;
    assert_int_equal(node->hook->after(self, &step, x), 0);
    take_back(h);
    h->normal(h, 0, o.id, (double[]){0, 0}, z);
    for (int i = 0; i < SIZE; i++) {  // x + F (known - x)
        int64_t at = flipped(i);
        double known =
            0.95 * (double)kiln_f32(o.image)[at % PLANE] + 0.08 * (double)kiln_f32(z)[at];
        double want = (double)kiln_f32(before)[i] + known - (double)kiln_f32(before)[at];
        assert_near((double)kiln_f32(x)[i], want, 5e-7);
    }
    stub_node_free(node, self);
    assert_null(stub_node_new(h, node, NULL));
    assert_non_null(strstr(stub_error(h), "mask"));
    // An image of another size is no silent resize.
    self = stub_node_new(h, node, (const char *[]){"mask=1", NULL});
    kiln_tensor *small = stub_tensor(h, 4, (int64_t[]){1, 1, 2, 2}, NULL);
    o.in[0] = o.mask;
    o.in[1] = small;
    assert_int_equal(node->hook->after(self, &step, x), KILN_ERR_SHAPE);
    assert_non_null(strstr(stub_error(h), "1x2x2"));
    o.in[1] = NULL;
    assert_int_equal(node->hook->after(self, &step, x), KILN_ERR_ARG);
    stub_node_free(node, self);
    h->tensor_free(h, small);
    h->tensor_free(h, x);
    h->tensor_free(h, z);
    h->tensor_free(h, before);
    hole_free(h, &o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_collects_what_was_asked_for),
        cmocka_unit_test(inpaint_puts_back_what_is_known),
        cmocka_unit_test(inpaint_can_keep_what_a_filter_passes),
    };
    return cmocka_run_group_tests(tests, stack_setup, stack_teardown);
}
