// check: a filter at work.
// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "exec.h"
#include "filter_call.h"
#include "inputs.h"
#include "view.h"

static const int64_t plain_sizes[][4] = {{3, 3, 16, 16}, {3, 1, 28, 28}, {2, 3, 64, 64}};
static const int64_t odd_sizes[][4] = {{1, 3, 17, 13}, {1, 1, 1, 1}, {2, 3, 1, 7},
                                       {2, 1, 5, 1},   {1, 4, 9, 9}, {1, 3, 31, 64}};
enum {
    N_PLAIN = sizeof(plain_sizes) / sizeof(plain_sizes[0]),
    N_ODD = sizeof(odd_sizes) / sizeof(odd_sizes[0])
};

// ---- one call -----------------------------------------------------------------------------------

static int random_image(int64_t n, int64_t c, int64_t h, int64_t w, double lo, uint64_t salt,
                        kiln_tensor **out)
{
    int e = tensor_new(KILN_F32, 4, (int64_t[]){n, c, h, w}, out);
    for (int64_t i = 0, all = e ? 0 : kiln_numel(*out); i < all; i++)
        kiln_f32(*out)[i] = (float)fmax(lo, check_uniform(salt << 32 ^ (uint64_t)i));
    return e;
}

// Images and masks in place of those that the arguments name.
static int make_inputs(const struct bound *b, const kiln_tensor *image, const kiln_tensor ***in,
                       uint32_t *n_in)
{
    const int64_t *s = image->shape;
    *in = NULL;
    *n_in = 0;
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        const kiln_param *p = bound_param(b, i);
        int is_mask = p->type == KILN_MASK || p->type == KILN_MASKS;
        if (!is_mask && p->type != KILN_IMAGE && p->type != KILN_IMAGES)
            continue;
        size_t given = b->items[i].n, places = type_is_list(p->type) ? given : 1;
        given = p->flags & KILN_PARAM_CAPTURE ? 1 : given;
        for (size_t k = 0; k < places; k++) {
            kiln_tensor *t = NULL;
            int e = k < given ? random_image(1, is_mask ? 1 : s[1], s[2], s[3], is_mask ? 0 : -1,
                                             100 + k, &t)
                              : KILN_OK;
            if (e)
                return e;
            *in = xrealloc(*in, *n_in + 1u, sizeof(**in));
            (*in)[(*n_in)++] = t;
        }
    }
    return KILN_OK;
}

// Rows [first, first + n) of the test image of a size, through the filter; spare: in their place,
// if the filter says that it can.
static int call(struct instance *x, const kiln_tensor *image, int64_t first, int spare,
                struct filter_result *r)
{
    int64_t n = image->shape[0];
    struct state *s = state_begin(0, 1);
    state_set_image(s, tensor_ref(image));
    int e = state_map_rows(s, n, NULL);
    for (int64_t i = 0; i < n && !e; i++)
        s->id[i] = first + i;
    struct context context = {.state = s};
    const kiln_tensor **in = NULL;
    uint32_t n_in = 0;
    e = e ? e : make_inputs(x->bound, image, &in, &n_in);
    const char **prompt = xcalloc((size_t)n, sizeof(*prompt));
    kiln_rows rows = {.size = sizeof(rows),
                      .n = n,
                      .id = s->id,
                      .t = s->t,
                      .prompt = prompt,
                      .lo = -1,
                      .hi = 1,
                      .in = in,
                      .n_in = n_in,
                      .net = check_net(image->shape[1], image->shape[2], image->shape[3])};
    e = e ? e : filter_call(x, &context, &rows, image, spare, r);
    free(prompt);
    inputs_free(in, n_in);
    state_free(s);
    return e;
}

static int equal(const kiln_tensor *a, const kiln_tensor *b)
{
    return tensor_same_shape(a, b) && !memcmp(tensor_data(a), tensor_data(b), tensor_bytes(a));
}

static void size_text(char *out, size_t room, const int64_t *shape)
{
    snprintf(out, room, "%s", shape_text(4, shape));
}

// ---- promises -----------------------------------------------------------------------------------

struct trial {
    struct findings *f;
    struct bound *b;
    uint64_t *digest;
    int accepted, again, fresh, input, place, rows, rows_tried, silent_failure, bad_values;
    int64_t shape[4];  // the first that it took
    char refusal[400];
};

// Each row alone gives what it gives among others.
static int rows_agree(struct instance *x, const kiln_tensor *image, const kiln_tensor *whole)
{
    int64_t n = image->shape[0], size = kiln_numel(image) / n, out = kiln_numel(whole) / n;
    int64_t shape[4] = {1, image->shape[1], image->shape[2], image->shape[3]};
    for (int64_t i = 0; i < n; i++) {
        kiln_tensor *one;
        struct filter_result r;
        if (tensor_new(KILN_F32, 4, shape, &one))
            return 1;
        memcpy(tensor_data(one), kiln_f32(image) + i * size, (size_t)size * sizeof(float));
        int e = call(x, one, i, 0, &r);
        tensor_unref(one);
        if (e)
            return 0;
        int same =
            kiln_numel(r.image) == out &&
            !memcmp(tensor_data(r.image), kiln_f32(whole) + i * out, (size_t)out * sizeof(float));
        filter_result_free(&r);
        if (!same)
            return 0;
    }
    return 1;
}

// Has every image of the result the same t? Lists of t go by the place in the batch.
static int one_level(const struct filter_result *r)
{
    for (int64_t i = 1; r->t && i < r->image->shape[0]; i++)
        if (!(r->t[i] <= r->t[0] && r->t[i] >= r->t[0]))
            return 0;
    return 1;
}

// Inputs of its own may be the image itself here.
static int in_place(const struct bound *b)
{
    return b->def->node->flags & KILN_NODE_IN_PLACE && !has_inputs(b);
}

static void try_size(struct trial *t, struct instance *x, const int64_t *shape)
{
    kiln_tensor *image, *copy;
    struct filter_result r, s;
    char size[64];
    size_text(size, sizeof(size), shape);
    if (random_image(shape[0], shape[1], shape[2], shape[3], -1, 1, &image))
        return;
    if (tensor_clone(image, &copy)) {
        tensor_unref(image);
        return;
    }
    int e = call(x, image, 0, 0, &r);
    if (e) {
        const char *why = fail_text();
        if (strstr(why, "not finite"))
            found_bad(t->f, "values: not all are finite, of an image of %s", size), t->bad_values++;
        else if (strstr(why, "without saying why"))
            found_bad(t->f, "errors: fails without a message, of an image of %s", size),
                t->silent_failure++;
        else
            snprintf(t->refusal, sizeof(t->refusal), "%s (%s)", why, size);
        tensor_unref(image);
        tensor_unref(copy);
        return;
    }
    if (!t->accepted++)
        memcpy(t->shape, shape, sizeof(t->shape));
    digest_add(t->digest, r.image->shape, 4 * sizeof(int64_t));
    digest_add(t->digest, tensor_data(r.image), tensor_bytes(r.image));
    if (!equal(image, copy) && !t->input++)
        found_bad(t->f, "input: was written to, of %s", size);
    if (!call(x, image, 0, 0, &s)) {
        if (!equal(r.image, s.image) && !t->again++)
            found_bad(t->f, "again: another result from the same image of %s", size);
        filter_result_free(&s);
    } else if (!t->again++) {
        found_bad(t->f, "again: fails the second time, of %s: %s", size, fail_text());
    }
    if (in_place(t->b) && !call(x, copy, 0, 1, &s)) {
        if (!equal(r.image, s.image) && !t->place++)
            found_bad(t->f, "in place: another result where out is in, of %s", size);
        filter_result_free(&s);
    }
    struct instance *y;
    if (!instance_get(t->b, 0, &y)) {
        if (!call(y, image, 0, 0, &s)) {
            if (!equal(r.image, s.image) && !t->fresh++)
                found_bad(t->f, "memory: the result depends on earlier calls, of %s", size);
            filter_result_free(&s);
        }
        instance_free(y);
    }
    if (shape[0] > 1 && r.image->shape[0] == shape[0] && !r.from && one_level(&r)) {
        t->rows_tried++;
        if (!rows_agree(x, image, r.image) && !t->rows++)
            found_bad(t->f, "rows: an image alone gives another result than among %lld of %s",
                      (long long)shape[0], size);
    }
    filter_result_free(&r);
    tensor_unref(image);
    tensor_unref(copy);
}

// With KILN_NODE_KEEPS_NOISE, noise of N(0,1) has to stay that: mean, variance, neighbours.
static void check_noise(struct trial *t, struct instance *x)
{
    kiln_tensor *image;
    struct filter_result r;
    double sum = 0, square = 0, next = 0;
    if (tensor_new(KILN_F32, 4, (int64_t[]){1, t->shape[1], 64, 64}, &image))
        return;
    for (int64_t i = 0, n = kiln_numel(image); i < n; i++)
        kiln_f32(image)[i] = (float)check_normal((uint64_t)i);
    if (!call(x, image, 0, 0, &r)) {
        int64_t n = kiln_numel(r.image);
        const float *v = kiln_f32(r.image);
        for (int64_t i = 0; i < n; i++) {
            sum += (double)v[i];
            square += (double)v[i] * (double)v[i];
            next += i ? (double)v[i] * (double)v[i - 1] : 0;
        }
        // Five standard errors of each.
        double limit = 5 * sqrt(2.0 / (double)n);
        if (n > 64 && (fabs(sum / (double)n) > limit || fabs(square / (double)n - 1) > limit ||
                       fabs(next / (double)n) > limit))
            found_bad(t->f, "noise: it says KILN_NODE_KEEPS_NOISE, and noise is no noise after it");
        else
            found_good(t->f, "noise stays noise");
        filter_result_free(&r);
    }
    tensor_unref(image);
}

static int is_accepted_as(struct trial *t, uint32_t flags, char *why, size_t room)
{
    struct bound_chain chain = {&t->b, 1};
    struct instance *x;
    kiln_filter *filter = NULL;
    kiln_tensor *image = NULL;
    const kiln_tensor *out;
    int e = instance_get(t->b, 0, &x);
    if (e)
        return 0;
    e = random_image(1, t->shape[1], t->shape[2], t->shape[3], -1, 2, &image);
    e = e ? e : filter_new(&chain, flags, "check", &filter);
    if (!e) {
        struct state *s = state_begin(0, 1);
        struct context context = {.state = s};
        instance_enter(x, &context);
        e = instance_leave(x, host_filter(&x->host, filter, image, &out));
        state_free(s);
    }
    const char *text = e ? fail_text() : "", *name = t->b->def->node->name;
    if (!strncmp(text, name, strlen(name)) && text[strlen(name)] == ':')
        text += strlen(name) + 2;
    snprintf(why, room, "%s", text);
    filter_free(filter);
    tensor_unref(image);
    instance_free(x);
    return !e;
}

static void check_uses(struct trial *t)
{
    char why[300];
    int inverse = t->b->def->node->filter->inverse != NULL;
    if (is_accepted_as(t, KILN_PARAM_VIEW, why, sizeof(why)))
        found_note(t->f, "can be a view");
    else if (inverse)
        found_bad(t->f, "inverse: %s", why);
    else
        found_note(t->f, "no view: %s", why);
    if (is_accepted_as(t, KILN_PARAM_LINEAR, why, sizeof(why)))
        found_note(t->f, "can stand where a linear filter is wanted");
    else
        found_note(t->f, "not where a linear filter is wanted: %s", why);
}

void check_filter(struct findings *f, struct bound *b, uint64_t *digest)
{
    struct trial t = {.f = f, .b = b, .digest = digest};
    struct instance *x;
    size_t before = tensor_used();
    if (instance_get(b, 0, &x)) {
        found_note(f, "cannot be tried: %s", fail_text());
        return;
    }
    for (int i = 0; i < N_PLAIN; i++)
        try_size(&t, x, plain_sizes[i]);
    int plain = t.accepted;
    if (plain && !t.again)
        found_good(f, "again: the same result");
    if (plain && !t.fresh)
        found_good(f, "memory: none of earlier calls");
    if (plain && !t.input)
        found_good(f, "input: left alone");
    if (plain && !t.place && in_place(b))
        found_good(f, "in place: the same result");
    if (t.rows_tried && !t.rows)
        found_good(f, "rows: independent of each other");
    int bad = t.bad_values + t.silent_failure + t.again + t.fresh + t.input + t.place + t.rows;
    for (int i = 0; i < N_ODD; i++)
        try_size(&t, x, odd_sizes[i]);
    if (t.bad_values + t.silent_failure + t.again + t.fresh + t.input + t.place + t.rows == bad)
        found_good(f, "sizes: %d of %d taken, the others refused with a message", t.accepted,
                   N_PLAIN + N_ODD);
    if (!t.bad_values && t.accepted)
        found_good(f, "values: finite");
    if (!t.accepted)
        found_note(f, "takes none of the test images: %s", t.refusal);
    if (t.accepted && (b->def->node->flags & KILN_NODE_KEEPS_NOISE))
        check_noise(&t, x);
    instance_free(x);
    if (t.accepted && has_inputs(b))
        found_note(f, "not tried as a view: it takes images of its own");
    else if (t.accepted)
        check_uses(&t);
    size_t after = tensor_used();
    if (after > before)
        found_bad(f, "leaks: %zu bytes of tensors are left", after - before);
    else
        found_good(f, "leaks: none");
}
