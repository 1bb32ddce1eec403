// Where the parts of T5 lie, and whether they fit together.
// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <kiln/ext/paths.h>

#include "t5.h"
#include "text.h"

enum { PATH_BYTES = 4096 };

static int exists(const char *folder, const char *name)
{
    char path[PATH_BYTES + 64];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return !stat(path, &st);
}

// KILN_ERR_IO, with the folder before the reason.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static int
bad(struct t5 *s, const char *format, ...)
{
    char why[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, sizeof(why), format, ap);
    va_end(ap);
    return kiln_fail(&s->base, KILN_ERR_IO, "%s: %s", s->where, why);
}

// ---- configuration ------------------------------------------------------------------------------

struct field {
    const char *name;
    int64_t *to, def;  // def 0: required
    int64_t max;
};

static int read_field(struct t5 *s, const struct field *f)
{
    char pointer[64];
    double number;
    const char *text;
    snprintf(pointer, sizeof(pointer), "/%s", f->name);
    int e = kiln_get_weights(&s->base)->json(s->file, "config.json", pointer, &number, &text);
    if (e < 0)
        return e;
    if (e == KILN_END && f->def) {
        *f->to = f->def;
        return KILN_OK;
    }
    if (e == KILN_END)
        return bad(s, "config.json: '%s' is missing", f->name);
    if (text || !(number >= 1 && number <= (double)f->max) || number != (double)(int64_t)number)
        return bad(s, "config.json: '%s' is not a whole number from 1 to %lld", f->name,
                   (long long)f->max);
    *f->to = (int64_t)number;
    return KILN_OK;
}

static int read_config(struct t5 *s)
{
    struct t5_config *c = &s->config;
    const struct field fields[] = {
        {"d_model", &c->d_model, 0, 1 << 16},
        {"d_kv", &c->d_kv, 0, 1 << 12},
        {"d_ff", &c->d_ff, 0, 1 << 18},
        {"num_heads", &c->heads, 0, 1 << 10},
        {"num_layers", &c->layers, 0, T5_MAX_LAYERS},
        {"vocab_size", &c->vocab, 0, 1 << 24},
        {"relative_attention_num_buckets", &c->buckets, 32, 1 << 12},
        {"relative_attention_max_distance", &c->distance, 128, 1 << 20},
    };
    const kiln_weights *w = kiln_get_weights(&s->base);
    double number;
    const char *text;
    int e = KILN_OK;
    for (size_t i = 0; i < KILN_COUNT(fields) && !e; i++)
        e = read_field(s, &fields[i]);
    if (e)
        return e;
    // 4: two directions, each with a half that is exact and one that is not.
    if (c->buckets % 4 || c->distance <= c->buckets / 4)
        return bad(s,
                   "config.json: %lld buckets of relative positions "
                   "up to %lld cannot be",
                   (long long)c->buckets, (long long)c->distance);
    e = w->json(s->file, "config.json", "/feed_forward_proj", &number, &text);
    if (e < 0)
        return e;
    if (e == KILN_END || !text || strcmp(text, "gated-gelu"))
        return bad(s,
                   "config.json: 'feed_forward_proj' is %s%.40s%s: only T5 v1.1, with "
                   "'gated-gelu', is known",
                   text ? "'" : "", text ? text : "not given", text ? "'" : "");
    e = w->json(s->file, "config.json", "/layer_norm_epsilon", &c->eps, &text);
    if (e < 0)
        return e;
    if (e == KILN_END)
        c->eps = 1e-6;
    else if (text || !(c->eps > 0 && c->eps < 1))
        return bad(s, "config.json: 'layer_norm_epsilon' is no number between 0 and 1");
    return KILN_OK;
}

// ---- tensors ------------------------------------------------------------------------------------

// The tensors of a layer, in the order of bits below; o: the output side comes first.
static const struct {
    const char *name;
    enum { NORM, QKV, O, BIAS, WI, WO } kind;
} parts[] = {
    {"0.layer_norm", NORM},        {"0.SelfAttention.q", QKV},
    {"0.SelfAttention.k", QKV},    {"0.SelfAttention.v", QKV},
    {"0.SelfAttention.o", O},      {"1.layer_norm", NORM},
    {"1.DenseReluDense.wi_0", WI}, {"1.DenseReluDense.wi_1", WI},
    {"1.DenseReluDense.wo", WO},   {"0.SelfAttention.relative_attention_bias", BIAS},
};
enum { PARTS = KILN_COUNT(parts), BIAS_PART = PARTS - 1 };

static int32_t part_shape(const struct t5_config *c, int part, int64_t *shape)
{
    int64_t inner = c->heads * c->d_kv;
    const int64_t shapes[][2] = {[NORM] = {c->d_model, 0},     [QKV] = {inner, c->d_model},
                                 [O] = {c->d_model, inner},    [BIAS] = {c->buckets, c->heads},
                                 [WI] = {c->d_ff, c->d_model}, [WO] = {c->d_model, c->d_ff}};
    shape[0] = shapes[parts[part].kind][0];
    shape[1] = shapes[parts[part].kind][1];
    return shape[1] ? 2 : 1;
}

// "encoder.block.<layer>.layer.<part>.weight": the part, or -1.
static int parse_name(const char *name, int64_t layers, int64_t *layer)
{
    static const char head[] = "encoder.block.", middle[] = ".layer.", tail[] = ".weight";
    char *end;
    if (strncmp(name, head, sizeof(head) - 1) || name[sizeof(head) - 1] < '0' ||
        name[sizeof(head) - 1] > '9')
        return -1;
    *layer = strtol(name + sizeof(head) - 1, &end, 10);
    if (*layer >= layers || strncmp(end, middle, sizeof(middle) - 1))
        return -1;
    const char *rest = end + sizeof(middle) - 1;
    for (int i = 0; i < (int)PARTS; i++) {
        size_t n = strlen(parts[i].name);
        if (!strncmp(rest, parts[i].name, n) && !strcmp(rest + n, tail) &&
            (i != BIAS_PART || !*layer))
            return i;
    }
    return -1;
}

static int check_tensor(struct t5 *s, const char *name, int dtype, int32_t ndim,
                        const int64_t *shape, int32_t want_ndim, const int64_t *want)
{
    if (dtype != KILN_F32 && dtype != KILN_F16 && dtype != KILN_BF16)
        return bad(s, "tensor '%.200s' is neither F32 nor F16 nor BF16", name);
    int same = ndim == want_ndim;
    for (int32_t i = 0; i < ndim && same; i++)
        same = shape[i] == want[i];
    if (same)
        return KILN_OK;
    char have[160] = "[]", must[64];
    for (int32_t i = 0, n = 0; i < ndim; i++)
        n += snprintf(have + n, sizeof(have) - (size_t)n, "%s%lld%s", i ? "," : "[",
                      (long long)shape[i], i == ndim - 1 ? "]" : "");
    if (want_ndim == 1)
        snprintf(must, sizeof(must), "[%lld]", (long long)want[0]);
    else
        snprintf(must, sizeof(must), "[%lld,%lld]", (long long)want[0], (long long)want[1]);
    return bad(s, "tensor '%.200s' is %s, but config.json says %s", name, have, must);
}

static int missing(struct t5 *s, const uint16_t *seen)
{
    for (int64_t l = 0; l < s->config.layers; l++)
        for (int i = 0; i < (int)PARTS; i++)
            if (!(seen[l] & 1 << i) && (i != BIAS_PART || !l))
                return bad(s, "tensor 'encoder.block.%lld.layer.%s.weight' is missing",
                           (long long)l, parts[i].name);
    return KILN_OK;
}

static int check_tensors(struct t5 *s)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    const struct t5_config *c = &s->config;
    uint16_t seen[T5_MAX_LAYERS] = {0};
    int norm = 0, e = KILN_OK, dtype;
    int32_t ndim;
    int64_t shape[8], want[2], layer = 0;
    const char *name;
    uint64_t n = 0;
    for (; !e; n++) {
        e = w->entry(s->file, n, &name, &dtype, &ndim, shape);
        if (e)
            break;
        int part = parse_name(name, c->layers, &layer);
        int32_t want_ndim = 2;
        if (part >= 0) {
            want_ndim = part_shape(c, part, want);
            seen[layer] |= (uint16_t)(1 << part);
        } else if (!strcmp(name, "encoder.final_layer_norm.weight")) {
            norm = 1;
            want[0] = c->d_model;
            want_ndim = 1;
        } else if (!strcmp(name, "shared.weight") || !strcmp(name, "encoder.embed_tokens.weight")) {
            s->embedding = *name == 's' ? "shared.weight" : "encoder.embed_tokens.weight";
            want[0] = c->vocab;
            want[1] = c->d_model;
        } else if (!strncmp(name, "decoder.", 8) || !strncmp(name, "lm_head.", 8)) {
            continue;  // of a whole T5
        } else {
            return bad(s, "tensor '%.200s' is none of an encoder of %lld layers", name,
                       (long long)c->layers);
        }
        e = check_tensor(s, name, dtype, ndim, shape, want_ndim, want);
    }
    if (e < 0)
        return e;
    if (!n)
        return bad(s, "no weights are beside config.json: model.safetensors or "
                      "model.fp16.safetensors, or its shards with their index");
    if (!s->embedding)
        return bad(s, "tensor 'shared.weight' is missing");
    if (!norm)
        return bad(s, "tensor 'encoder.final_layer_norm.weight' is missing");
    return missing(s, seen);
}

// ---- folders ------------------------------------------------------------------------------------

static int open_tokens(struct t5 *s, const char *base, const char *encoder)
{
    static const char *const places[] = {"tokenizer/spiece.model", "spiece.model",
                                         "../tokenizer/spiece.model"};
    const char *folder = base;
    char path[PATH_BYTES + 64], why[200];
    for (size_t i = 0; i < KILN_COUNT(places); i++) {
        if (i == 1)
            folder = encoder;
        if (!exists(folder, places[i]))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, places[i]);
        if (tokens_open(path, &s->tokens, why, sizeof(why)))
            return kiln_fail(&s->base, KILN_ERR_IO, "%.200s: %s", path, why);
        if (tokens_count(s->tokens) > s->config.vocab)
            return kiln_fail(&s->base, KILN_ERR_IO,
                             "%.200s has %d tokens, but config.json says %lld", path,
                             (int)tokens_count(s->tokens), (long long)s->config.vocab);
        return KILN_OK;
    }
    int fast = exists(base, "tokenizer/tokenizer.json") || exists(encoder, "tokenizer.json");
    return kiln_fail(&s->base, KILN_ERR_IO,
                     "%.200s: no tokenizer: it wants spiece.model there or in tokenizer/%s", base,
                     fast ? "; tokenizer.json does not do" : "");
}

int t5_open(struct t5 *s)
{
    const kiln_host *h = s->base.host;
    const kiln_weights *w = kiln_get_weights(&s->base);
    const kiln_paths *paths = kiln_get_paths(&s->base);
    const char *name = s->base.args[0].s, *found = paths->find(h, "models", name);
    char base[PATH_BYTES], encoder[PATH_BYTES + 32];
    snprintf(base, sizeof(base), "%s", found ? found : name);
    snprintf(encoder, sizeof(encoder), "%s%s", base,
             exists(base, "text_encoder") ? "/text_encoder" : "");
    if (found && !exists(encoder, "config.json"))
        return kiln_fail(&s->base, KILN_ERR_IO,
                         "%.300s: neither a pipeline's folder nor its text_encoder/, with a "
                         "config.json",
                         base);
    snprintf(s->where, sizeof(s->where), "%.200s", encoder);
    int e = w->open(h, encoder, &s->file);  // says so where there is nothing
    if (e)
        return e;
    e = read_config(s);
    e = e ? e : check_tensors(s);
    return e ? e : open_tokens(s, base, encoder);
}

void t5_close(struct t5 *s)
{
    if (s->file)
        kiln_get_weights(&s->base)->close(s->base.host, s->file);
    tokens_close(s->tokens);
}
