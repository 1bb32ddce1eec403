// The prompts of a call as a net takes them: rows of what it made of each, kept from call to call.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "stack.h"

// More than this is not kept: in small batches of many prompts the rows of all of them would be.
enum { KEPT_BYTES = 256 << 20 };

struct rows_of_cond {
    const struct instance *net;
    int64_t n, *prompt;    // [n]
    kiln_tensor **tensor;  // [net->n_cond] [n,...], references
    const kiln_tensor **side;
    uint32_t n_cond;
    size_t bytes;  // of all tensors
    struct rows_of_cond *next;
};

static kiln_tensor *const *find_cond(const struct instance *x, int64_t prompt)
{
    if (prompt < 0)
        prompt = prompt_handle("");
    for (size_t i = 0; i < x->n_cond; i++)
        if (x->cond[i].prompt == prompt)
            return x->cond[i].tensor;
    return NULL;
}

static int fill(struct rows_of_cond *r)
{
    int e = KILN_OK;
    for (int64_t i = 0; i < r->n && !e; i++) {
        kiln_tensor *const *cond = find_cond(r->net, r->prompt[i]);
        if (!cond)
            return fail(KILN_ERR_INTERNAL, "the prompt \"%s\" was not encoded",
                        prompt_text(r->prompt[i]));
        for (uint32_t k = 0; k < r->n_cond && !e; k++) {
            int64_t shape[TENSOR_MAX_DIM] = {r->n}, of_one[TENSOR_MAX_DIM] = {1};
            int32_t ndim = cond[k]->ndim + 1;
            for (int32_t d = 1; d < ndim; d++)
                shape[d] = of_one[d] = cond[k]->shape[d - 1];
            kiln_tensor *side;
            if (!i) {
                e = tensor_new_on(instance_device(r->net), tensor_dtype(cond[k]), ndim, shape,
                                  &r->tensor[k]);
                r->side[k] = r->tensor[k];
                r->bytes += (size_t)r->n * tensor_bytes(cond[k]);
            }
            e = e ? e : instance_side(r->net, cond[k], TENSOR_READ, &side);
            if (e)
                break;
            kiln_tensor to = *r->tensor[k];  // row i of it
            to.ndim = side->ndim;
            to.shape = side->shape;
            to.byte_offset += (uint64_t)i * tensor_bytes(side);
            e = tensor_copy_raw(&to, side);
        }
    }
    return e;
}

int stack_cond(struct stack *k, const struct instance *net, int64_t n, const int64_t *prompt,
               const kiln_tensor *const **out)
{
    *out = NULL;
    if (!net->net->net.n_cond)
        return KILN_OK;
    size_t kept = 0;
    for (struct rows_of_cond *r = k->cond; r; r = r->next) {
        if (r->net == net && r->n == n && !memcmp(r->prompt, prompt, (size_t)n * sizeof(*prompt))) {
            *out = r->side;
            return KILN_OK;
        }
        kept += r->bytes;
    }
    if (kept > KEPT_BYTES)
        stack_cond_free(k);
    struct rows_of_cond *r = xcalloc(1, sizeof(*r));
    r->net = net;
    r->n = n;
    r->prompt = xmemdup(prompt, (size_t)n * sizeof(*prompt));
    r->n_cond = net->net->net.n_cond;
    r->tensor = xcalloc(r->n_cond, sizeof(kiln_tensor *));
    r->side = xcalloc(r->n_cond, sizeof(kiln_tensor *));
    r->next = k->cond;
    k->cond = r;
    *out = r->side;
    return fill(r);
}

void stack_cond_free(struct stack *k)
{
    while (k->cond) {
        struct rows_of_cond *r = k->cond;
        k->cond = r->next;
        for (uint32_t i = 0; i < r->n_cond; i++)
            tensor_unref(r->tensor[i]);
        free(r->tensor);
        free(r->side);
        free(r->prompt);
        free(r);
    }
}
