// inspect: the documents of a stream.
// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "inspect.h"
#include "stream.h"

enum { SHOWN = 12 };  // values of a list in the text

static const char *const pred_names[] = {"?", "eps", "x0", "v", "flow"};

static const char *pred_name(uint32_t pred)
{
    return pred_names[pred <= KILN_FLOW ? pred : 0];
}

static void add_t(struct text *t, double v)
{
    if (v < 0)
        text_add(t, "clean");
    else if (isinf(v))
        text_add(t, "noise");
    else
        text_double(t, v);
}

// ---- text ---------------------------------------------------------------------------------------

static char *ids_text(const struct state *s)
{
    struct text t = {0};
    for (int64_t i = 0, runs = 0; i < s->n; runs++) {
        int64_t k = i + 1;
        while (k < s->n && s->id[k] == s->id[k - 1] + 1)
            k++;
        if (runs == SHOWN) {
            text_add(&t, " …");
            break;
        }
        text_format(&t, "%s%lld", i ? " " : "", (long long)s->id[i]);
        if (k > i + 1)
            text_format(&t, "..%lld", (long long)s->id[k - 1]);
        i = k;
    }
    return text_take(&t);
}

static char *ts_text(const struct state *s)
{
    struct text t = {0};
    int same = 1;
    for (int64_t i = 1; i < s->n; i++)
        same = same && s->t[i] == s->t[0];
    for (int64_t i = 0; i < (same ? s->n > 0 : s->n); i++) {
        if (i == SHOWN) {
            text_add(&t, " …");
            break;
        }
        text_add(&t, i ? " " : "");
        add_t(&t, s->t[i]);
    }
    return text_take(&t);
}

// Each prompt once, in the order of images; how many have none.
static char *prompts_text(const struct state *s)
{
    struct text t = {0};
    int64_t none = 0, shown = 0;
    for (int64_t i = 0; i < s->n; i++) {
        int known = 0;
        none += s->prompt[i] < 0;
        for (int64_t k = 0; k < i && !known; k++)
            known = s->prompt[k] == s->prompt[i];
        if (s->prompt[i] < 0 || known || shown > SHOWN)
            continue;
        text_add(&t, shown ? " " : "");
        if (shown++ == SHOWN)
            text_add(&t, "…");
        else
            text_json(&t, prompt_text(s->prompt[i]));
    }
    if (shown && none)
        text_format(&t, " (%lld images have none)", (long long)none);
    return text_take(&t);
}

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

static void add_kept(struct text *t, const struct state *s)
{
    for (size_t i = 0; i < s->n_tensors; i++) {
        const char *name = s->tensor[i].name;
        const kiln_tensor *x = s->tensor[i].tensor;
        if (!strncmp(name, "keep.", 5) && ends_with(name, ".t"))
            continue;
        int kept = !strncmp(name, "keep.", 5);
        inspect_format(t, kept ? "kept" : "tensor", "%s %s %s", kept ? name + 5 : name,
                       dtype_name(tensor_dtype(x)), shape_text(x->ndim, x->shape));
    }
}

static void add_net(struct text *t, const struct net *net)
{
    struct text v = {0};
    const kiln_net *n = &net->net;
    text_format(&v, "%s, estimates %s, values ", shape_text(3, n->chw), pred_name(n->pred));
    text_double(&v, n->lo);
    text_add(&v, "..");
    text_double(&v, n->hi);
    if (n->n_t)
        text_format(&v, ", t %lld..%lld", (long long)n->t_first,
                    (long long)(n->t_first + n->n_t - 1));
    else
        text_add(&v, ", t is sigma");
    inspect_line(t, "net", v.s);
    text_free(&v);
}

static void state_text_of(struct text *t, const struct state *s)
{
    struct text v = {0};
    if (s->docs >= 0)
        text_format(t, "document %lld of %lld\n", (long long)s->doc, (long long)s->docs);
    else
        text_format(t, "document %lld\n", (long long)s->doc);
    if (s->name)
        inspect_line(t, "name", s->name);
    if (s->image) {
        text_format(&v, "%s, values ", shape_text(4, s->image->shape));
        text_double(&v, s->lo);
        text_add(&v, "..");
        text_double(&v, s->hi);
        inspect_line(t, "image", v.s);
        text_free(&v);
        char *ids = ids_text(s), *ts = ts_text(s), *prompts = prompts_text(s);
        inspect_line(t, "id", ids);
        inspect_line(t, "t", ts);
        if (*prompts)
            inspect_line(t, "prompts", prompts);
        free(ids);
        free(ts);
        free(prompts);
        for (int64_t i = 0; s->score && i < s->n && i <= SHOWN; i++) {
            text_add(&v, i ? " " : "");
            if (i == SHOWN)
                text_add(&v, "…");
            else
                text_format(&v, "%.6g", s->score[i]);
        }
        if (s->score)
            inspect_line(t, "score", v.s);
        text_free(&v);
    } else {
        inspect_line(t, "image", "none");
    }
    if (s->net)
        add_net(t, s->net);
    for (size_t i = 0; i < s->n_pending; i++) {
        struct text line = {0};
        bound_recipe(&line, s->pending[i].bound, 0);
        inspect_line(t, i ? "" : "pending", line.s);
        text_free(&line);
    }
    add_kept(t, s);
    if (s->n_cond)
        inspect_format(t, "encoded", "%zu prompts", s->n_cond);
    for (size_t i = 0; i < s->n_texts; i++)
        if (strncmp(s->text[i].key, "keep.", 5))
            inspect_format(t, "text", "%s = %s", s->text[i].key, s->text[i].value);
    inspect_format(t, "seed", "%llu, random numbers of %s", (unsigned long long)s->seed, s->rng);
    struct record r = record_of_state(s);
    inspect_chain(t, &r);
    record_clear(&r);
}

// ---- JSON ---------------------------------------------------------------------------------------

static json_t *t_json(double v)  // JSON has no infinity
{
    return v < 0 ? json_string("clean") : isinf(v) ? json_string("noise") : json_real(v);
}

static json_t *net_json(const struct net *net)
{
    const kiln_net *n = &net->net;
    return json_pack("{s:o, s:s, s:[f,f], s:I, s:I, s:i}", "shape", shape_json(3, n->chw),
                     "estimates", pred_name(n->pred), "range", n->lo, n->hi, "t_first",
                     (json_int_t)n->t_first, "timesteps", (json_int_t)n->n_t, "steps",
                     (int)n->steps);
}

static json_t *state_json(const struct state *s)
{
    json_t *j = json_object(), *id = json_array(), *t = json_array(), *prompt = json_array(),
           *pending = json_array(), *tensors = json_array(), *chain = json_array();
    json_object_set_new(j, "document", json_integer(s->doc));
    if (s->docs >= 0)
        json_object_set_new(j, "documents", json_integer(s->docs));
    if (s->name)
        json_object_set_new(j, "name", json_string(s->name));
    json_object_set_new(j, "image", s->image ? shape_json(4, s->image->shape) : json_null());
    json_object_set_new(j, "range", json_pack("[f,f]", s->lo, s->hi));
    for (int64_t i = 0; i < s->n; i++) {
        json_array_append_new(id, json_integer(s->id[i]));
        json_array_append_new(t, t_json(s->t[i]));
        json_array_append_new(prompt, s->prompt[i] < 0 ? json_null()
                                                       : json_string(prompt_text(s->prompt[i])));
    }
    json_object_set_new(j, "id", id);
    json_object_set_new(j, "t", t);
    json_object_set_new(j, "prompt", prompt);
    if (s->score) {
        json_t *score = json_array();
        for (int64_t i = 0; i < s->n; i++)
            json_array_append_new(score, json_real(s->score[i]));
        json_object_set_new(j, "score", score);
    }
    json_object_set_new(j, "net", s->net ? net_json(s->net) : json_null());
    for (size_t i = 0; i < s->n_pending; i++)
        json_array_append_new(pending, json_string(s->pending[i].bound->line));
    json_object_set_new(j, "pending", pending);
    for (size_t i = 0; i < s->n_tensors; i++) {
        const kiln_tensor *x = s->tensor[i].tensor;
        json_array_append_new(tensors, json_pack("{s:s, s:s, s:o}", "name", s->tensor[i].name,
                                                 "dtype", dtype_name(tensor_dtype(x)), "shape",
                                                 shape_json(x->ndim, x->shape)));
    }
    json_object_set_new(j, "tensors", tensors);
    // Beyond 2^53 readers of JSON lose digits: text, as in the stream itself.
    char *seed = xformat("%llu", (unsigned long long)s->seed);
    json_object_set_new(j, "seed", json_string(seed));
    free(seed);
    json_object_set_new(j, "rng", json_string(s->rng));
    for (size_t i = 0; i < s->n_chain; i++)
        json_array_append_new(chain, json_string(s->chain[i]));
    json_object_set_new(j, "chain", chain);
    json_object_set_new(j, "inputs", inputs_json(&s->inputs));
    return j;
}

// ---- a whole stream -----------------------------------------------------------------------------

int inspect_stream(const char *path, json_t **json)
{
    int is_stdin = !strcmp(path, "-"), fd = STDIN_FILENO;
    const char *shown = is_stdin ? "standard input" : path;
    if (is_stdin && isatty(fd))
        return fail(KILN_ERR_ARG, "'-' is standard input, and that is a terminal");
    int e = is_stdin ? KILN_OK : file_open(path, &fd);
    if (e)
        return e;
    struct stream_reader reader = {.fd = fd, .name = shown, .docs = -1};
    struct state *s;
    json_t *list = json ? json_array() : NULL;
    while (!(e = stream_read(&reader, &s))) {
        if (json) {
            json_array_append_new(list, state_json(s));
        } else {
            struct text t = {0};
            text_add(&t, reader.count > 1 ? "\n" : "");
            state_text_of(&t, s);
            fputs(t.s, stdout);
            text_free(&t);
        }
        state_free(s);
    }
    if (!is_stdin)
        close(fd);
    e = e == KILN_END ? KILN_OK : e;
    if (json)
        *json = json_pack("{s:s, s:s, s:o}", "kind", "stream", "path", path, "documents", list);
    return e;
}
