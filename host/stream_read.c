// SPDX-License-Identifier: MIT
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "load.h"
#include "progress.h"
#include "safetensors.h"
#include "stream.h"

// ---- bytes --------------------------------------------------------------------------------------

// n bytes, or fewer at the end of the stream; below 0: what failed.
static ssize_t read_some(struct stream_reader *r, void *to, size_t n)
{
    size_t have = 0;
    while (have < n) {
        if (r->n_start) {
            size_t k = r->n_start < n - have ? r->n_start : n - have;
            memcpy((char *)to + have, r->start, k);
            r->start += k;
            r->n_start -= k;
            have += k;
            continue;
        }
        size_t piece = n - have < (1u << 22) ? n - have : 1u << 22;
        ssize_t k = read(r->fd, (char *)to + have, piece);
        if (k < 0 && errno == EINTR) {
            int e = progress_at(0, NULL);
            if (e)
                return e;
            continue;
        }
        if (k < 0)
            return fail(KILN_ERR_IO, "cannot read %s: %s", r->name, errno_text(errno));
        if (!k)
            break;
        have += (size_t)k;
    }
    return (ssize_t)have;
}

static int cut_off(struct stream_reader *r, const char *where)
{
    return fail(KILN_ERR_IO, "%s is cut off in %s of document %lld", r->name, where,
                (long long)r->count);
}

struct document {
    struct st_header head;
    kiln_tensor **tensor;  // [n_tensors], in the order of the header
};

static void document_free(struct document *d)
{
    for (uint32_t i = 0; d->tensor && i < d->head.n_tensors; i++)
        tensor_unref(d->tensor[i]);
    free(d->tensor);
    st_free(&d->head);
    *d = (struct document){0};
}

// The next document as it stands; KILN_END at the end of the file.
static int read_document(struct stream_reader *r, struct document *d)
{
    unsigned char length[8];
    *d = (struct document){0};
    ssize_t got = read_some(r, length, 8);
    if (got < 0)
        return (int)got;
    if (!got)
        return KILN_END;
    if (got < 8)
        return r->count ? cut_off(r, "the length")
                        : fail(KILN_ERR_IO,
                               "%s is no PNG, JPEG or stream of kiln, or ends in its first bytes",
                               r->name);
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | length[i];
    if (n < 2 || n > SAFETENSORS_MAX_HEADER)
        return fail(
            KILN_ERR_IO,
            "%s is no PNG, JPEG or stream of kiln (document %lld would have a header of %llu "
            "bytes)",
            r->name, (long long)r->count, (unsigned long long)n);
    char *json = malloc((size_t)n);
    if (!json)
        return fail(KILN_ERR_MEMORY, "out of memory");
    got = read_some(r, json, (size_t)n);
    int e = got < 0 ? (int)got : (size_t)got < n ? cut_off(r, "the header") : KILN_OK;
    if (!e) {
        e = st_parse(json, (size_t)n, &d->head);
        if (e)
            fail_in(e, "%s: document %lld", r->name, (long long)r->count);
    }
    free(json);
    if (e)
        return e;
    d->tensor = xcalloc(d->head.n_tensors, sizeof(kiln_tensor *));
    for (uint32_t i = 0; i < d->head.n_tensors && !e; i++) {
        const struct st_tensor *t = &d->head.tensor[i];
        e = tensor_new(t->dtype, t->ndim, t->shape, &d->tensor[i]);
        if (e)
            break;
        got = read_some(r, tensor_data(d->tensor[i]), tensor_bytes(d->tensor[i]));
        if (got < 0)
            e = (int)got;
        else if ((size_t)got < tensor_bytes(d->tensor[i]))
            e = cut_off(r, t->name);
    }
    if (e)
        document_free(d);
    return e;
}

// ---- meaning ------------------------------------------------------------------------------------

static kiln_tensor *take(struct document *d, const char *name)
{
    for (uint32_t i = 0; i < d->head.n_tensors; i++)
        if (d->tensor[i] && !strcmp(d->head.tensor[i].name, name)) {
            kiln_tensor *t = d->tensor[i];
            d->tensor[i] = NULL;
            return t;
        }
    return NULL;
}

// A tensor [n] of that type as an array; *out NULL where it is absent.
static int take_array(struct document *d, const char *name, int dtype, int64_t n, void **out)
{
    kiln_tensor *t = take(d, name);
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

static int parse_number(const struct st_header *h, const char *key, int64_t *out)
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
    kiln_tensor *alpha = take(d, "alpha"), *sigma = take(d, "sigma");
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
    e = parse_number(&d->head, "kiln.t_first", &net.t_first);
    if (!e && alpha && sigma) {
        if (tensor_dtype(alpha) != KILN_F64 || tensor_dtype(sigma) != KILN_F64 ||
            alpha->ndim != 1 || !tensor_same_shape(alpha, sigma))
            e = fail(KILN_ERR_IO, "'alpha' and 'sigma' are not as they should be");
        net.n_t = alpha->shape[0];
        net.alpha = tensor_data(alpha);
        net.sigma = tensor_data(sigma);
    }
    if (!e && (net.chw[0] < 1 || net.chw[1] < 1 || net.chw[2] < 1 || net.multiple < 0 ||
               net.n_cond > 64 || !(net.hi > net.lo)))
        e = fail(KILN_ERR_IO, "'kiln.net' is not as it should be");
    if (!e)
        s->net = net_new(&net);
    tensor_unref(alpha);
    tensor_unref(sigma);
    json_decref(j);
    return e;
}

static int read_rows(struct document *d, struct state *s, char *const *prompts, size_t n_prompts)
{
    void *id, *t, *score, *prompt = NULL;
    s->image = take(d, "image");
    if (s->image &&
        (s->image->ndim != 4 || tensor_dtype(s->image) != KILN_F32 || !kiln_numel(s->image)))
        return fail(KILN_ERR_IO, "'image' is a tensor of %s, not float32 NxCxHxW",
                    shape_text(s->image->ndim, s->image->shape));
    int64_t n = s->image ? s->image->shape[0] : 0;
    int e = state_map_rows(s, n, NULL);
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
    int e = parse_number(h, "kiln.doc", &s->doc);
    e = e ? e : parse_number(h, "kiln.docs", &s->docs);
    e = e ? e : parse_number(h, "kiln.taken", &s->taken);
    e = e ? e : parse_number(h, "kiln.waiting", &s->waiting);
    e = e ? e : parse_number(h, "kiln.lines", &s->next_no);
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

static int to_state(struct document *d, struct state **out)
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

// ---- the stream ---------------------------------------------------------------------------------

static int upstream_error(struct stream_reader *r, const char *text)
{
    json_t *j = json_loads(text, 0, NULL);
    const char *message = json_string_value(json_object_get(j, "message"));
    r->upstream_failed = 1;
    r->ended = 1;
    int e = fail(KILN_ERR_IO, "upstream: %s", message ? message : "failed");
    json_decref(j);
    return e;
}

// A document of the stream that failed above, with --keep-going there; it takes its place.
static int pass_note(struct stream_reader *r, const struct st_header *h)
{
    json_t *j = json_loads(st_string(h, "kiln.note"), 0, NULL);
    const char *message = json_string_value(json_object_get(j, "message"));
    int64_t docs = -1;
    int e = parse_number(h, "kiln.docs", &docs);
    if (!e && r->note)
        e = r->note(r->ctx, r->count, docs, message ? message : "failed");
    json_decref(j);
    r->docs = docs;
    r->count++;
    return e;
}

static int read_next(struct stream_reader *r, struct state **out, int *again)
{
    struct document d;
    *again = 0;
    if (r->ended)
        return KILN_END;
    int e = read_document(r, &d);
    if (e == KILN_END) {
        r->ended = 1;
        if (r->docs >= 0 && r->count == r->docs)
            return KILN_END;
        r->upstream_failed = 1;
        if (!r->count)
            return fail(KILN_ERR_IO, "%s is empty: the stage above gave nothing", r->name);
        return r->docs >= 0 ? fail(KILN_ERR_IO, "upstream: cut off after document %lld of %lld",
                                   (long long)r->count, (long long)r->docs)
                            : fail(KILN_ERR_IO, "upstream: cut off after document %lld",
                                   (long long)r->count);
    }
    if (e) {
        r->ended = 1;
        return e;
    }
    const char *version = st_string(&d.head, "kiln.stream"), *doc = st_string(&d.head, "kiln.doc");
    int64_t place = 0;
    if (st_string(&d.head, "kiln.error")) {
        e = upstream_error(r, st_string(&d.head, "kiln.error"));
        document_free(&d);
        return e;
    }
    if (st_string(&d.head, "kiln.end")) {
        int64_t n = -1;
        r->ended = 1;
        e = parse_int(st_string(&d.head, "kiln.end"), &n) && n == r->count
                ? KILN_END
                : fail(KILN_ERR_IO, "%s ends after %lld documents, and says it had %lld", r->name,
                       (long long)r->count, (long long)n);
        document_free(&d);
        ssize_t got = e == KILN_END ? read_some(r, &(char){0}, 1) : 0;
        return got < 0 ? (int)got
               : got
                   ? fail(KILN_ERR_IO, "%s goes on after its end: two streams were joined", r->name)
                   : e;
    }
    if (st_string(&d.head, "kiln.note")) {
        e = pass_note(r, &d.head);
        document_free(&d);
        *again = !e;
        return e;
    }
    if (version && strcmp(version, "1"))
        e = fail(KILN_ERR_IO, "%s is of version '%s', this kiln reads 1", r->name, version);
    else if (doc && (!parse_int(doc, &place) || place != r->count))
        e = fail(KILN_ERR_IO, "%s has document '%s' where %lld was expected", r->name, doc,
                 (long long)r->count);
    else
        e = to_state(&d, out);
    document_free(&d);
    if (e) {
        r->ended = 1;
        return e;
    }
    int64_t docs = (*out)->docs;
    if (!version && docs < 0)  // not written by kiln: one document
        docs = (*out)->docs = 1;
    if (r->docs >= 0 && docs != r->docs) {
        state_free(*out);
        r->ended = 1;
        return fail(KILN_ERR_IO, "%s: document %lld is of another stream", r->name,
                    (long long)r->count);
    }
    r->docs = docs;
    r->count++;
    if (docs >= 0 && r->count > docs) {
        state_free(*out);
        r->ended = 1;
        return fail(KILN_ERR_IO, "%s has more than the %lld documents that it says", r->name,
                    (long long)docs);
    }
    return KILN_OK;
}

int stream_read(struct stream_reader *r, struct state **out)
{
    int again, e;
    do
        e = read_next(r, out, &again);
    while (again);
    return e;
}
