// SPDX-License-Identifier: MIT
#include "inputs.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "exec.h"
#include "load.h"
#include "ops_host.h"

static int is_input(uint32_t type)
{
    return type >= KILN_IMAGE && type <= KILN_MASKS;
}

static int is_mask(uint32_t type)
{
    return type == KILN_MASK || type == KILN_MASKS;
}

int has_inputs(const struct bound *b)
{
    for (uint32_t i = 0; i < b->def->node->n_params; i++)
        if (is_input(bound_param(b, i)->type))
            return 1;
    return 0;
}

void inputs_free(const kiln_tensor **in, uint32_t n)
{
    for (uint32_t i = 0; in && i < n; i++)
        tensor_unref(in[i]);
    free(in);
}

static void add(const kiln_tensor ***in, uint32_t *n, const kiln_tensor *t)
{
    *in = xrealloc((void *)(uintptr_t)*in, *n + 1u, sizeof(**in));
    (*in)[(*n)++] = t;
}

// ---- evaluating ---------------------------------------------------------------------------------

int image_by_word(const struct state *s, const char *word, kiln_tensor **image, double *lo,
                  double *hi)
{
    if (*word != '@')
        return load_image(word, image, lo, hi);
    char *name = xformat("keep.%s", word + 1), *range = xformat("keep.%s.range", word + 1);
    const kiln_tensor *kept = state_tensor(s, name);
    const char *text = state_text(s, range);
    free(name);
    free(range);
    if (!kept)
        return fail(KILN_ERR_ARG, "nothing is kept as '%s': put 'keep %s' before it", word + 1,
                    word + 1);
    *image = tensor_ref(kept);
    *lo = s->lo;
    *hi = s->hi;
    if (text)
        parse_range(text, lo, hi);
    return KILN_OK;
}

static int item_image(const struct item *item, const struct state *s, kiln_tensor **image,
                      double *lo, double *hi)
{
    if (item->word)
        return image_by_word(s, item->word, image, lo, hi);
    struct state *out;
    int e = exec_bracket(item->chain, s, &out);
    if (e)
        return e;
    if (out->image) {
        *image = tensor_ref(out->image);
        *lo = out->lo;
        *hi = out->hi;
    } else {
        e = fail(KILN_ERR_ARG, "the chain in brackets gives no image");
    }
    state_free(out);
    return e;
}

// One channel, the mean, in [0,1].
static int to_gray(const kiln_tensor *x, double lo, double hi, kiln_tensor **out)
{
    int64_t n = x->shape[0], c = x->shape[1], hw = x->shape[2] * x->shape[3];
    int64_t shape[4] = {n, 1, x->shape[2], x->shape[3]};
    int e = tensor_home(x);
    e = e ? e : tensor_new(KILN_F32, 4, shape, out);
    for (int64_t i = 0; i < n * hw && !e; i++) {
        double sum = 0;
        for (int64_t k = 0; k < c; k++)
            sum += (double)kiln_f32(x)[(i / hw * c + k) * hw + i % hw];
        double v = (sum / (double)c - lo) / (hi - lo);
        kiln_f32(*out)[i] = (float)(v < 0 ? 0 : v > 1 ? 1 : v);
    }
    return e;
}

static int eval_item(const struct bound *b, uint32_t i, const struct item *item,
                     const struct state *s, double lo, double hi, const kiln_tensor **out)
{
    const kiln_param *p = bound_param(b, i);
    kiln_tensor *image = NULL, *made = NULL;
    double from_lo, from_hi;
    int e = item_image(item, s, &image, &from_lo, &from_hi);
    if (e)
        return e;
    if (is_mask(p->type)) {
        e = to_gray(image, from_lo, from_hi, &made);
        if (!e && s->image &&
            (made->shape[2] != s->image->shape[2] || made->shape[3] != s->image->shape[3])) {
            kiln_tensor *fitted;
            e = resize_image(made, s->image->shape[2], s->image->shape[3], KILN_AREA, &fitted);
            tensor_unref(made);
            made = e ? NULL : fitted;
        }
    } else {
        e = image_to_range(image, from_lo, from_hi, lo, hi, &made);
    }
    tensor_unref(image);
    *out = made;
    return e;
}

static int eval_param(const struct bound *b, uint32_t i, const struct state *s, double lo,
                      double hi, const kiln_tensor ***in, uint32_t *n_in)
{
    const kiln_param *p = bound_param(b, i);
    const struct items *items = &b->items[i];
    for (size_t k = 0; k < items->n; k++) {
        const kiln_tensor *t;
        int e = eval_item(b, i, &items->item[k], s, lo, hi, &t);
        if (e)
            return e == KILN_ERR_CANCEL ? e : fail_in(e, "%s: %s", b->def->node->name, p->name);
        add(in, n_in, t);
    }
    if (!type_is_list(p->type) && !items->n)
        add(in, n_in, NULL);
    return KILN_OK;
}

int eval_inputs(const struct bound *b, const struct state *s, double lo, double hi,
                const kiln_tensor ***in, uint32_t *n_in)
{
    *in = NULL;
    *n_in = 0;
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        int e = is_input(bound_param(b, i)->type) ? eval_param(b, i, s, lo, hi, in, n_in) : KILN_OK;
        if (e) {
            inputs_free(*in, *n_in);
            *in = NULL;
            return e;
        }
    }
    return KILN_OK;
}

// ---- storing ------------------------------------------------------------------------------------

static char *input_name(const char *prefix, const kiln_param *p, size_t k)
{
    return type_is_list(p->type) ? xformat("%s.%s.%zu", prefix, p->name, k)
                                 : xformat("%s.%s", prefix, p->name);
}

// Rows that are all the same become one: [ rect … ] makes a mask for each image, and a filter as an
// argument is the same for all.
static int merge_rows(const kiln_tensor **t)
{
    size_t n = (size_t)(*t)->shape[0], bytes = tensor_bytes(*t) / n;
    int e = tensor_home(*t);
    if (e)
        return e;
    const char *row = tensor_data(*t);
    for (size_t i = 1; i < n; i++)
        if (memcmp(row, row + i * bytes, bytes))
            return KILN_OK;
    kiln_tensor *one;
    e = n == 1 ? KILN_SAME : tensor_pick_rows(*t, 1, (int64_t[]){0}, &one);
    if (e)
        return e == KILN_SAME ? KILN_OK : e;
    tensor_unref(*t);
    *t = one;
    return KILN_OK;
}

// In the range lo to hi; those of filters in [-1,1], in which views are run.
static int store_in_range(const struct bound *b, struct state *s, const char *prefix, int capture,
                          int of_filter, double lo, double hi)
{
    int e = KILN_OK;
    for (uint32_t i = 0; i < b->def->node->n_params && !e; i++) {
        const kiln_param *p = bound_param(b, i);
        const kiln_tensor **in = NULL;
        uint32_t n = 0;
        for (size_t k = 0; k < b->items[i].n && !e; k++) {
            if (p->type != KILN_FILTER && p->type != KILN_FILTERS)
                break;
            const struct bound_chain *c = b->items[i].item[k].chain;
            for (size_t j = 0; j < c->n && !e; j++) {
                char *inner = xformat("%s.%s.%zu.%zu", prefix, p->name, k, j);
                e = store_in_range(c->node[j], s, inner, 0, 1, -1, 1);
                free(inner);
            }
        }
        if (e || !is_input(p->type))
            continue;
        e = eval_param(b, i, s, lo, hi, &in, &n);
        if (!e && n == 1 && !in[0] && capture && (p->flags & KILN_PARAM_CAPTURE)) {
            kiln_tensor *image = NULL;
            e = !s->image ? fail(KILN_ERR_ARG, "%s: %s: there is no image to capture",
                                 b->def->node->name, p->name)
                          : image_to_range(s->image, s->lo, s->hi, lo, hi, &image);
            for (int64_t r = 0; r < s->n && !e; r++)
                if (s->t[r] == KILN_NOISE)
                    e = fail(
                        KILN_ERR_ARG,
                        "%s: %s: it takes the image of the moment, which is pure noise: put it "
                        "before 'randn', or say %s=",
                        b->def->node->name, p->name, p->name);
            in[0] = image;
        }
        for (uint32_t k = 0; k < n && !e; k++) {
            if (!in[k])
                continue;
            if (of_filter && (e = merge_rows(&in[k])))
                break;
            char *name = input_name(prefix, p, k);
            state_put_tensor(s, name, tensor_ref(in[k]));
            free(name);
        }
        inputs_free(in, n);
    }
    return e;
}

int store_inputs(const struct bound *b, struct state *s, const char *prefix, int capture)
{
    double lo = s->net ? s->net->net.lo : s->lo, hi = s->net ? s->net->net.hi : s->hi;
    return store_in_range(b, s, prefix, capture, 0, lo, hi);
}

int stored_inputs(const struct state *s, const char *prefix, const struct bound *b,
                  const kiln_tensor ***in, uint32_t *n_in)
{
    *in = NULL;
    *n_in = 0;
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        const kiln_param *p = bound_param(b, i);
        if (!is_input(p->type))
            continue;
        size_t places = type_is_list(p->type) ? b->items[i].n : 1;
        for (size_t k = 0; k < places; k++) {
            char *name = input_name(prefix, p, k);
            const kiln_tensor *t = state_tensor(s, name);
            free(name);
            if (!t && b->items[i].n) {
                inputs_free(*in, *n_in);
                *in = NULL;
                return fail(KILN_ERR_INTERNAL, "the image of %s is missing in the State", p->name);
            }
            add(in, n_in, tensor_ref(t));
        }
    }
    return KILN_OK;
}

int line_inputs(const struct state *s, const struct pending *p, int64_t n, const int64_t *row,
                const kiln_tensor ***in, uint32_t *n_in)
{
    char *prefix = xformat("in.%lld", (long long)p->no);
    int e = stored_inputs(s, prefix, p->bound, in, n_in);
    free(prefix);
    for (uint32_t i = 0; i < *n_in && !e; i++) {
        const kiln_tensor *t = (*in)[i];
        if (!t || t->shape[0] == 1)
            continue;
        if (t->shape[0] != s->n)
            e = fail(KILN_ERR_SHAPE, "an image of its arguments has %lld rows for %lld images",
                     (long long)t->shape[0], (long long)s->n);
        kiln_tensor *picked;
        e = e ? e : tensor_pick_rows(t, n, row, &picked);
        if (!e) {
            tensor_unref(t);
            (*in)[i] = picked;
        }
    }
    if (e) {
        inputs_free(*in, *n_in);
        *in = NULL;
        *n_in = 0;
    }
    return e;
}
