// SPDX-License-Identifier: MIT
#include "tests/scheduler/stack.h"

#include <string.h>

const int64_t shape[4] = {N, 1, H, W};

static const char flip_handle, half_handle;
const kiln_filter *const flip = (const kiln_filter *)(const void *)&flip_handle;
const kiln_filter *const half = (const kiln_filter *)(const void *)&half_handle;
static kiln_tensor *lent[16];
static kiln_estimate lent_estimate;
static int n_lent;

void take_back(kiln_host *h)
{
    while (n_lent)
        h->tensor_free(h, lent[--n_lent]);
}

static kiln_tensor *filtered(const kiln_host *h, const kiln_filter *f, const kiln_tensor *x)
{
    kiln_tensor *y = copy_of(h, x);
    for (int64_t i = 0; i < kiln_numel(x); i++) {
        int64_t row = i / W % H, to = i + (H - 1 - 2 * row) * W;
        if (f == flip)
            kiln_f32(y)[to] = kiln_f32(x)[i];
        else
            kiln_f32(y)[i] = kiln_f32(x)[i] / 2;
    }
    return y;
}

static int host_filter(const kiln_host *h, const kiln_filter *f, const kiln_tensor *x,
                       const kiln_tensor **out)
{
    *out = lent[n_lent++] = filtered(h, f, x);
    return KILN_OK;
}

static int host_view(const kiln_host *h, const kiln_filter *f, kiln_query *child)
{
    child->x = lent[n_lent++] = filtered(h, f, child->x);
    return KILN_OK;
}

static int host_unview(const kiln_host *h, const kiln_filter *f, const kiln_estimate *answer,
                       const kiln_estimate **out)
{
    lent_estimate = *answer;
    lent_estimate.value = lent[n_lent++] = filtered(h, f, answer->value);
    if (answer->var)
        lent_estimate.var = lent[n_lent++] = filtered(h, f, answer->var);
    *out = &lent_estimate;
    return KILN_OK;
}

int64_t flipped(int64_t i)
{
    int64_t row = i / W % H;
    return i + (H - 1 - 2 * row) * W;
}

int stack_setup(void **state)
{
    kiln_host *h = test_host();
    h->filter = host_filter;
    h->view = host_view;
    h->unview = host_unview;
    *state = h;
    return 0;
}

int stack_teardown(void **state)
{
    test_host_free(*state);
    return 0;
}

kiln_tensor *numbers(kiln_host *h)
{
    kiln_tensor *x = stub_tensor(h, 4, shape, NULL);
    for (int i = 0; i < SIZE; i++)
        kiln_f32(x)[i] = (float)cos(1.7 * i);
    return x;
}

kiln_value *arg(kiln_self *self, const kiln_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->n_params; i++)
        if (!strcmp(node->params[i].name, name))
            return (kiln_value *)(uintptr_t)&self->args[i];
    fail_msg("no parameter %s", name);
    return NULL;
}
