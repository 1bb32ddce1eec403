// What the tensors and texts of a document mean.
// SPDX-License-Identifier: MIT
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "error.h"
#include "load.h"

// A tensor [n] of that type as an array; *out NULL where it is absent.
static int take_array(struct document *d, const char *name, int dtype, int64_t n, void **out)
{
    kiln_tensor *t = document_take(d, name);
    *out = NULL;
    if (!t)
        return KILN_OK;
    int good = tensor_dtype(t) == dtype && t->ndim == 1 && t->shape[0] == n;
    if (good)
        *out = xmemdup(tensor_data(t), tensor_bytes(t));
    tensor_unref(t);
    return good ? KILN_OK
                : fail(KILN_ERR_IO, "'%s' has not the type or shape that %lld images want", name,
                       (long long)n);
}

static int parse_json(const struct st_header *h, const char *key, json_type type, json_t **out)
{
    const char *text = st_string(h, key);
    *out = NULL;
    if (!text)
        return KILN_OK;
    json_error_t error;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (j && json_typeof(j) == type) {
        *out = j;
        return KILN_OK;
    }
    json_decref(j);
    return fail(KILN_ERR_IO, "'%s' is not valid: %.200s", key, j ? "of another type" : error.text);
}

int document_number(const struct st_header *h, const char *key, int64_t *out)
{
    const char *text = st_string(h, key);
    return !text || parse_int(text, out) ? KILN_OK
                                         : fail(KILN_ERR_IO, "'%s' is no number: '%s'", key, text);
}

static int strings_of(json_t *list, const char *key, char ***out, size_t *n)
{
    size_t i;
    json_t *x;
    json_array_foreach(list, i, x)
    {
        if (!json_is_string(x) || strlen(json_string_value(x)) != json_string_length(x))
            return fail(KILN_ERR_IO, "'%s' is no list of texts", key);
        GROW(*out, *n);
        (*out)[(*n)++] = xstrdup(json_string_value(x));
    }
    return KILN_OK;
}

static int64_t member(json_t *o, const char *name, int64_t none)
{
    json_t *x = json_object_get(o, name);
    return json_is_integer(x) ? json_integer_value(x) : none;
}

static int read_pending(json_t *list, struct pending **out, size_t *n, int depth)
{
    size_t i, k, j;
    json_t *x, *branch, *text;
    if (!json_is_array(list) || depth > 32)
        return fail(KILN_ERR_IO, "'kiln.pending' is not as it should be");
    json_array_foreach(list, i, x)
    {
        const char *line = json_string_value(json_object_get(x, "line"));
        if (!line)
            return fail(KILN_ERR_IO, "'kiln.pending' has an element without a line");
        struct bound *b;
        int e = bind_text(line, &b);
        if (e)
            return fail_in(e, "a pending line");
        struct pending p = {.kind = bound_kind(b),
                            .bound = b,
                            .no = member(x, "no", -1),
                            .use = member(x, "use", 0)};
        // Instructions from strangers: nothing with an effect outside the State may wait in it.
        if (p.kind != KIND_ENCODER && p.kind != KIND_PREDICTOR && p.kind != KIND_COMBINATOR &&
            p.kind != KIND_HOOK)
            e = fail(KILN_ERR_IO, "a %s (%s) cannot be a pending line", kind_name(p.kind),
                     b->def->node->name);
        json_t *branches = json_object_get(x, "branches");
        json_array_foreach(branches, k, branch)
        {
            if (e)
                break;
            p.branch = xrealloc(p.branch, p.n_branches + 1, sizeof(*p.branch));
            struct branch *to = &p.branch[p.n_branches++];
            *to = (struct branch){0};
            json_t *prompts = json_object_get(branch, "prompts");
            json_array_foreach(prompts, j, text)
            {
                if (!json_is_string(text)) {
                    e = fail(KILN_ERR_IO, "a branch has a prompt that is no text");
                    break;
                }
                GROW(to->prompt, to->n_prompts);
                to->prompt[to->n_prompts++] = prompt_handle(json_string_value(text));
            }
            e = e ? e
                  : read_pending(json_object_get(branch, "lines"), &to->line, &to->n, depth + 1);
        }
        if (e) {
            pending_clear(&p);
            return e;
        }
        GROW(*out, *n);
        (*out)[(*n)++] = p;
    }
    return KILN_OK;
}

static int read_net(struct document *d, struct state *s)
{
    json_t *j;
    int e = parse_json(&d->head, "kiln.net", JSON_OBJECT, &j);
    if (e || !j)
        return e;
    kiln_tensor *alpha = document_take(d, "alpha"), *sigma = document_take(d, "sigma");
    kiln_net net = {.size = sizeof(net)};
    net.chw[0] = member(j, "channels", 0);
    net.chw[1] = member(j, "height", 0);
    net.chw[2] = member(j, "width", 0);
    net.multiple = member(j, "multiple", 0);
    net.aux = member(j, "aux", 0);
    net.n_cond = (uint32_t)member(j, "cond", 0);
    net.flags = (uint32_t)member(j, "flags", 0);
    net.pred = (uint32_t)member(j, "pred", 0);
    net.variance = (uint32_t)member(j, "variance", 0);
    net.steps = (uint32_t)member(j, "steps", 0);
    net.lo = json_number_value(json_object_get(j, "lo"));
    net.hi = json_number_value(json_object_get(j, "hi"));
    net.threshold = json_number_value(json_object_get(j, "threshold"));
    net.spacing = (uint32_t)member(j, "spacing", 0);
    net.offset = (uint32_t)member(j, "offset", 0);
    net.quantile = json_number_value(json_object_get(j, "quantile"));
    net.lambda_min = json_number_value(json_object_get(j, "lambda_min"));
    e = document_number(&d->head, "kiln.t_first", &net.t_first);
    if (!e && alpha && sigma) {
        if (tensor_dtype(alpha) != KILN_F64 || tensor_dtype(sigma) != KILN_F64 ||
            alpha->ndim != 1 || !tensor_same_shape(alpha, sigma))
            e = fail(KILN_ERR_IO, "'alpha' and 'sigma' are not as they should be");
        net.n_t = alpha->shape[0];
        net.alpha = tensor_data(alpha);
        net.sigma = tensor_data(sigma);
    }
    if (!e && (net.chw[0] < 1 || net.chw[1] < 1 || net.chw[2] < 1 || net.multiple < 0 ||
               net.n_cond > 1024 || !(net.hi > net.lo)))
        e = fail(KILN_ERR_IO, "'kiln.net' is not as it should be");
    if (!e)
        s->net = net_new(&net);
    tensor_unref(alpha);
    tensor_unref(sigma);
    json_decref(j);
    return e;
}

// NULL: there is none.
static int take_image(struct document *d, kiln_tensor **out)
{
    kiln_tensor *t = *out = document_take(d, "image");
    if (!t || (t->ndim == 4 && tensor_dtype(t) == KILN_F32 && kiln_numel(t)))
        return KILN_OK;
    int e = KILN_OK;
    *out = NULL;
    if (!st_string(&d->head, "kiln.stream"))  // somebody else's
        e = tensor_as_image(t, "image", out);
    else
        e = fail(KILN_ERR_IO, "'image' is a tensor of %s, not float32 NxCxHxW",
                 shape_text(t->ndim, t->shape));
    tensor_unref(t);
    return e;
}

static int read_rows(struct document *d, struct state *s, char *const *prompts, size_t n_prompts)
{
    void *id, *t, *score, *prompt = NULL;
    int e = take_image(d, &s->image);
    if (e)
        return e;
    int64_t n = s->image ? s->image->shape[0] : 0;
    e = state_map_rows(s, n, NULL);
    e = e ? e : take_array(d, "id", KILN_I64, n, &id);
    if (!e && id) {
        free(s->id);
        s->id = id;
    }
    e = e ? e : take_array(d, "t", KILN_F64, n, &t);
    if (!e && t) {
        free(s->t);
        s->t = t;
    }
    e = e ? e : take_array(d, "score", KILN_F64, n, &score);
    if (!e)
        s->score = score;
    e = e ? e : take_array(d, "prompt", KILN_I32, n, &prompt);
    for (int64_t i = 0; i < n && !e; i++) {
        int32_t k = prompt ? ((int32_t *)prompt)[i] : -1;
        if (k >= (int32_t)n_prompts || k < -1 || s->id[i] < 0 || isnan(s->t[i]))
            e = fail(KILN_ERR_IO, "image %lld has an id, t or prompt that cannot be", (long long)i);
        s->prompt[i] = e || k < 0 ? -1 : prompt_handle(prompts[k]);
    }
    free(prompt);
    return e;
}

static int read_tensors(struct document *d, struct state *s, char *const *prompts, size_t n_prompts)
{
    for (uint32_t i = 0; i < d->head.n_tensors; i++) {
        const char *name = d->head.tensor[i].name;
        int64_t k;
        if (!d->tensor[i])
            continue;
        if (!strncmp(name, "cond.", 5) && parse_int(name + 5, &k)) {
            if (k < 0 || (size_t)k >= n_prompts)
                return fail(KILN_ERR_IO, "'%s' belongs to no prompt", name);
            if (tensor_dtype(d->tensor[i]) != KILN_F32)
                return fail(KILN_ERR_IO, "'%s' is not of type F32", name);
            GROW(s->cond, s->n_cond);
            s->cond[s->n_cond++] = (struct cond){prompt_handle(prompts[k]), d->tensor[i]};
        } else {
            state_put_tensor(s, name, d->tensor[i]);
        }
        d->tensor[i] = NULL;
    }
    return KILN_OK;
}

static int read_strings(struct document *d, struct state *s)
{
    const struct st_header *h = &d->head;
    const char *range = st_string(h, "kiln.range"), *seed = st_string(h, "kiln.seed");
    json_t *j;
    int e = document_number(h, "kiln.doc", &s->doc);
    e = e ? e : document_number(h, "kiln.docs", &s->docs);
    e = e ? e : document_number(h, "kiln.taken", &s->taken);
    e = e ? e : document_number(h, "kiln.waiting", &s->waiting);
    e = e ? e : document_number(h, "kiln.lines", &s->next_no);
    if (!e && range && !parse_range(range, &s->lo, &s->hi))
        e = fail(KILN_ERR_IO, "'kiln.range' is no range: '%s'", range);
    if (seed)
        s->seed = strtoull(seed, NULL, 10);
    if (st_string(h, "kiln.rng")) {
        free(s->rng);
        s->rng = xstrdup(st_string(h, "kiln.rng"));
    }
    if (st_string(h, "kiln.name"))
        s->name = xstrdup(st_string(h, "kiln.name"));
    if (!e) {
        e = parse_json(h, "kiln.chain", JSON_ARRAY, &j);
        e = e || !j ? e : strings_of(j, "kiln.chain", &s->chain, &s->n_chain);
        json_decref(j);
    }
    if (!e) {
        e = parse_json(h, "kiln.inputs", JSON_ARRAY, &j);
        if (!e && j && !origins_parse(j, &s->inputs))
            e = fail(KILN_ERR_IO, "'kiln.inputs' is not as kiln writes it");
        json_decref(j);
    }
    if (!e) {
        e = parse_json(h, "kiln.pending", JSON_ARRAY, &j);
        e = e || !j ? e : read_pending(j, &s->pending, &s->n_pending, 0);
        json_decref(j);
    }
    if (!e) {
        const char *key;
        json_t *x;
        e = parse_json(h, "kiln.draws", JSON_OBJECT, &j);
        json_object_foreach(j, key, x)
        {
            state_count_draw(s, key);
            for (size_t i = 0; i < s->n_draws; i++)
                if (!strcmp(s->draws[i].name, key))
                    s->draws[i].count = json_integer_value(x);
        }
        json_decref(j);
    }
    for (uint32_t i = 0; i < h->n_strings && !e; i++)
        if (strncmp(h->string[i].key, "kiln.", 5) ||
            (!s->net && !strcmp(h->string[i].key, "kiln.t_first")))
            state_put_text(s, h->string[i].key, h->string[i].value);
    return e;
}

int document_state(struct document *d, struct state **out)
{
    struct state *s = state_new();
    char **prompts = NULL;
    size_t n_prompts = 0;
    json_t *j;
    int e = read_net(d, s);
    if (!e) {
        e = parse_json(&d->head, "kiln.prompts", JSON_ARRAY, &j);
        e = e || !j ? e : strings_of(j, "kiln.prompts", &prompts, &n_prompts);
        json_decref(j);
    }
    e = e ? e : read_strings(d, s);
    e = e ? e : read_rows(d, s, prompts, n_prompts);
    e = e ? e : read_tensors(d, s, prompts, n_prompts);
    for (size_t i = 0; i < n_prompts; i++)
        free(prompts[i]);
    free(prompts);
    if (e)
        state_free(s);
    else
        *out = s;
    return e;
}
