// embeddings: prompts that were encoded before, from a file that maps them to tensors.
// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kiln/ext/weights.h>

#include "nearest.h"
#include "npy.h"
#include "text.h"

enum { P_PATH };
static const kiln_param params[] = {
    {"path", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL,
     "a dictionary of prompts (.pth of torch.save, .safetensors, a State after 'encode'), or .npy: "
     "the embedding of \"\"",
     0, 0},
};

enum {
    MAX_NPY_BYTES = 1 << 28,
    MAX_NUMEL = 1 << 26,  // what a lying file may make us allocate
};

struct embeddings {
    kiln_self base;
    kiln_file *file;       // a bank, or
    unsigned char *bytes;  // a .npy
    struct npy npy;
    int state;  // the bank is a State: tensors cond.<i>, names in kiln.prompts
};

// ---- .npy ---------------------------------------------------------------------------------------

static int cannot_read(struct embeddings *s, const char *why)
{
    return kiln_fail(&s->base, KILN_ERR_IO, "%s: %s", s->base.args[P_PATH].s, why);
}

// Leaves s->bytes NULL if it is no .npy, or not there: the reader of weights will say so.
static int open_npy(struct embeddings *s)
{
    unsigned char start[6];
    FILE *f = fopen(s->base.args[P_PATH].s, "rb");
    if (!f)
        return KILN_OK;
    if (fread(start, 1, sizeof(start), f) != sizeof(start) || !npy_is_file(start, sizeof(start))) {
        fclose(f);
        return KILN_OK;
    }
    const char *why = NULL;
    long n = fseek(f, 0, SEEK_END) ? -1 : ftell(f);
    if (n < 0)
        why = strerror(errno);
    else if (n > MAX_NPY_BYTES)
        why = "it is too large for one embedding";
    else if (!(s->bytes = malloc((size_t)n)))
        why = "out of memory";
    else if (fseek(f, 0, SEEK_SET) || fread(s->bytes, 1, (size_t)n, f) != (size_t)n)
        why = "it cannot be read";
    fclose(f);
    if (!why)
        why = npy_parse(s->bytes, (size_t)n, &s->npy);
    return why ? cannot_read(s, why) : KILN_OK;
}

static int npy_tensor(struct embeddings *s, int32_t ndim, const int64_t *shape, kiln_tensor **out)
{
    const kiln_host *h = s->base.host;
    kiln_tensor *raw = NULL;
    int e = h->tensor_new(h, NULL, s->npy.dtype, ndim, shape, &raw);
    if (e)
        return e;
    size_t size = raw->dtype.bits / 8;
    unsigned char *to = (unsigned char *)raw->data + raw->byte_offset;
    for (uint64_t i = 0; s->npy.fortran && i < s->npy.numel; i++) {
        uint64_t rows = (uint64_t)shape[0], columns = (uint64_t)shape[1];
        memcpy(to + i * size, s->npy.data + (i / columns + i % columns * rows) * size, size);
    }
    if (!s->npy.fortran)
        memcpy(to, s->npy.data, s->npy.numel * size);
    e = h->tensor_new(h, NULL, KILN_F32, ndim, shape, out);
    e = e ? e : h->tensor_copy(h, *out, raw);
    h->tensor_free(h, raw);
    return e;
}

// ---- banks --------------------------------------------------------------------------------------

// Entry i as a prompt and its tensor; KILN_END past the last. *prompt is NULL for what is no
// embedding.
static int bank_entry(struct embeddings *s, uint64_t i, const char **prompt, const char **name,
                      int32_t *ndim, int64_t *shape)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    int dtype;
    *prompt = NULL;
    int e = w->entry(s->file, i, name, &dtype, ndim, shape);
    if (e)
        return e;
    int floats = dtype == KILN_F16 || dtype == KILN_BF16 || dtype == KILN_F32 || dtype == KILN_F64;
    if (!s->state) {
        *prompt = floats ? *name : NULL;
        return KILN_OK;
    }
    char pointer[24], *end;
    double number;
    if (strncmp(*name, "cond.", 5) || !floats)
        return KILN_OK;
    unsigned long k = strtoul(*name + 5, &end, 10);
    if (*end || end == *name + 5)
        return KILN_OK;
    snprintf(pointer, sizeof(pointer), "/%lu", k);
    e = w->json(s->file, "kiln.prompts", pointer, &number, prompt);
    return e < 0 ? e : KILN_OK;
}

static int bank_find(struct embeddings *s, const char *text, const char **name, int32_t *ndim,
                     int64_t *shape, struct nearest *nearest)
{
    const char *prompt;
    int e;
    for (uint64_t i = 0; !(e = bank_entry(s, i, &prompt, name, ndim, shape)); i++) {
        if (!prompt)
            continue;
        if (!strcmp(prompt, text))
            return KILN_OK;
        nearest_add(nearest, text, prompt);
    }
    return e;
}

static int open_bank(struct embeddings *s)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    int e = w->open(s->base.host, s->base.args[P_PATH].s, &s->file);
    if (e)
        return e;
    s->state = w->meta(s->file, "kiln.stream") != NULL;
    const char *prompt, *name;
    int32_t ndim;
    int64_t shape[8];
    for (uint64_t i = 0; !(e = bank_entry(s, i, &prompt, &name, &ndim, shape)); i++)
        if (prompt)
            return KILN_OK;
    if (e < 0)
        return e;
    return cannot_read(s, s->state ? "a State without embeddings: put 'encode' before 'save'"
                                   : "no embeddings are in it");
}

// ---- the node -----------------------------------------------------------------------------------

static int create(kiln_self *self)
{
    struct embeddings *s = (struct embeddings *)self;
    int e = open_npy(s);
    return e || s->bytes ? e : open_bank(s);
}

static int not_found(struct embeddings *s, const char *text, const struct nearest *near)
{
    char list[400];
    int n = 0;
    for (size_t i = 0; i < near->n; i++)
        n += snprintf(list + n, sizeof(list) - (size_t)n, "%s\"%.*s\"", i ? ", " : "",
                      text_clip(near->text[i], 80), near->text[i]);
    kiln_fail(&s->base, KILN_ERR_ARG,
              "no embedding of \"%.*s\"%s is in %.80s; the nearest of %zu: %s", text_clip(text, 80),
              text, *text ? "" : " (what guidance compares with)", s->base.args[P_PATH].s,
              near->seen, list);
    return KILN_END;
}

// A first axis of 1, as in the pipelines' own files, is left out.
static int as_tokens(struct embeddings *s, const char *text, int32_t *ndim, int64_t *shape)
{
    if (*ndim == 3 && shape[0] == 1) {
        shape[0] = shape[1];
        shape[1] = shape[2];
        *ndim = 2;
    }
    if (*ndim == 2 && shape[0] > 0 && shape[1] > 0 && shape[0] <= MAX_NUMEL / shape[1])
        return KILN_OK;
    return kiln_fail(&s->base, KILN_ERR_SHAPE,
                     "%s: the embedding of \"%.*s\" is not of shape [tokens,width], nor of "
                     "[1,tokens,width]",
                     s->base.args[P_PATH].s, text_clip(text, 80), text);
}

static int encode(kiln_self *self, const char *text, kiln_tensor **out)
{
    struct embeddings *s = (struct embeddings *)self;
    struct nearest near = {0};
    const char *name = NULL;
    int32_t ndim = 0;
    int64_t shape[8], stored[8];
    if (s->bytes) {
        if (*text) {
            nearest_add(&near, text, "");
            return not_found(s, text, &near);
        }
        ndim = s->npy.ndim;
        memcpy(shape, s->npy.shape, sizeof(shape));
        int e = as_tokens(s, text, &ndim, shape);
        return e ? e : npy_tensor(s, ndim, shape, out);
    }
    int e = bank_find(s, text, &name, &ndim, stored, &near);
    if (e)
        return e < 0 ? e : not_found(s, text, &near);
    const kiln_host *h = self->host;
    int32_t stored_ndim = ndim;
    memcpy(shape, stored, sizeof(shape));
    e = as_tokens(s, text, &ndim, shape);
    if (e)
        return e;
    kiln_tensor *raw;
    const kiln_weights *w = kiln_get_weights(self);
    e = w->tensor(h, s->file, name, NULL, KILN_F32, stored_ndim, stored, &raw);
    if (e || stored_ndim == ndim) {
        *out = e ? NULL : raw;
        return e;
    }
    e = h->tensor_new(h, NULL, KILN_F32, ndim, shape, out);
    if (!e)
        memcpy(kiln_f32(*out), kiln_f32(raw), (size_t)kiln_numel(raw) * sizeof(float));
    h->tensor_free(h, raw);
    return e;
}

static void destroy(kiln_self *self)
{
    struct embeddings *s = (struct embeddings *)self;
    if (s->file)
        kiln_get_weights(self)->close(self->host, s->file);
    free(s->bytes);
}

static const kiln_encoder_ops encoder = {.size = sizeof(encoder), .encode = encode};
const kiln_node text_embeddings = {
    .size = sizeof(text_embeddings),
    .name = "embeddings",
    .summary = "text embeddings that were made before, by prompt, from a file",
    .example =
        "blank 1x1x1x1 ! embeddings prompts.pth ! encode \"a pencil\" ! save bank.safetensors",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct embeddings),
    .needs = "kiln.weights/1",
    .create = create,
    .destroy = destroy,
    .encoder = &encoder,
};
