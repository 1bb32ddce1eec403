// Nodes that change what a State carries: prompt, keep, take, select, repeat, sort, encode.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "error.h"
#include "inputs.h"
#include "nodes.h"
#include "runtime.h"
#include "stack.h"

static const kiln_filter_ops is_filter = {.size = sizeof(is_filter)};

static int no_image(const char *node)
{
    return fail(KILN_ERR_ARG, "%s: there is no image to work on", node);
}

// ---- prompt -------------------------------------------------------------------------------------

static const kiln_param prompt_params[] = {
    {"text", KILN_STRINGS, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, NULL, NULL,
     "what each image shows; fewer texts than images are taken in turn", 0, 0},
};

static int prompt_apply(struct bound *b, struct state *s)
{
    int64_t k = b->value[0].n;
    if (!s->n)
        return no_image("prompt");
    if (s->n != 1 && s->n % k)
        return fail(KILN_ERR_ARG, "prompt: text: %lld texts do not divide %lld images",
                    (long long)k, (long long)s->n);
    if (s->n == 1 && k > 1) {  // k images with one id: the same noise for each prompt
        kiln_tensor *image;
        int64_t *from = xcalloc((size_t)k, sizeof(*from));
        int e = tensor_pick_rows(s->image, k, from, &image);
        e = e ? e : state_map_rows(s, k, from);
        free(from);
        if (e)
            return e;
        state_set_image(s, image);
    }
    for (int64_t i = 0; i < s->n; i++)
        s->prompt[i] = prompt_handle(b->value[0].ss[i % k]);
    return KILN_OK;
}

static const struct builtin prompt_builtin = {.apply = prompt_apply};
static const kiln_node prompt_node = {
    .size = sizeof(prompt_node),
    .name = "prompt",
    .summary = "say what the images shall show",
    .example =
        "randn 10x1x28x28 ! mnist-unet mnist-class ! prompt 0 1 2 3 4 5 6 7 8 9 ! ddim 20 ! show",
    .params = KILN_PARAMS(prompt_params),
    .filter = &is_filter,
};
const struct node_def node_prompt = {&prompt_node, &prompt_builtin, "kiln", KILN_VERSION, NULL};

// ---- keep, take ---------------------------------------------------------------------------------

static const kiln_param name_params[] = {
    {"name", KILN_STRING, KILN_PARAM_POSITIONAL, NULL, NULL, "of the kept image", 0, 0},
};

static int keep_check(const struct bound *b)
{
    const char *name = b->value[0].s;
    if (!*name ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
            strlen(name))
        return fail(KILN_ERR_ARG, "keep: name: wants letters, digits, '-' and '_', not '%s'", name);
    return KILN_OK;
}

static int keep_apply(struct bound *b, struct state *s)
{
    const char *name = b->value[0].s;
    if (!s->image)
        return no_image("keep");
    kiln_tensor *t;
    int e = tensor_new(KILN_F64, 1, &s->n, &t);
    if (e)
        return e;
    memcpy(tensor_data(t), s->t, (size_t)s->n * sizeof(double));
    char *key = xformat("keep.%s", name), *key_t = xformat("keep.%s.t", name),
         *key_range = xformat("keep.%s.range", name);
    struct text range = {0};
    text_double(&range, s->lo);
    text_add(&range, ",");
    text_double(&range, s->hi);
    state_put_tensor(s, key, tensor_ref(s->image));
    state_put_tensor(s, key_t, t);
    state_put_text(s, key_range, range.s);
    text_free(&range);
    free(key);
    free(key_t);
    free(key_range);
    return KILN_OK;
}

static const struct builtin keep_builtin = {.apply = keep_apply, .check = keep_check};
static const kiln_node keep = {
    .size = sizeof(keep),
    .name = "keep",
    .summary = "store the image under a name, for 'take' or @name",
    .example = "digits test images=0:4 ! keep clean ! noise sigma=0.5 ! vstack [ take clean ! grid "
               "4 ] [ grid 4 ] ! show",
    .params = KILN_PARAMS(name_params),
    .filter = &is_filter,
};
const struct node_def node_keep = {&keep, &keep_builtin, "kiln", KILN_VERSION, NULL};

static int take_apply(struct bound *b, struct state *s)
{
    char *word = xformat("@%s", b->value[0].s), *key_t = xformat("keep.%s.t", b->value[0].s);
    kiln_tensor *image;
    double lo, hi;
    if (runtime.dry_run) {
        char *key = xformat("keep.%s", b->value[0].s);
        int kept = state_tensor(s, key) != NULL;
        free(key);
        if (!kept) {  // a hook may keep it in a real run
            free(word);
            free(key_t);
            return KILN_OK;
        }
    }
    const kiln_tensor *t = state_tensor(s, key_t);
    int e = image_by_word(s, word, &image, &lo, &hi);
    e = e || !t ? e : tensor_home(t);
    if (!e) {
        int64_t n = image->shape[0];
        e = state_map_rows(s, n, NULL);
        state_set_image(s, image);
        s->lo = lo;
        s->hi = hi;
        for (int64_t i = 0; i < n; i++)
            s->t[i] = t && tensor_dtype(t) == KILN_F64 && t->shape[0] == n
                          ? ((const double *)tensor_data(t))[i]
                          : KILN_CLEAN;
    } else {
        fail_in(e, "take: name");
    }
    free(word);
    free(key_t);
    return e;
}

static const struct builtin take_builtin = {.apply = take_apply};
static const kiln_node take = {
    .size = sizeof(take),
    .name = "take",
    .summary = "go on with a kept image",
    .example = "randn 1x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! trace every=50 ! "
               "ddpm ! take trace ! grid ! show",
    .params = KILN_PARAMS(name_params),
    .filter = &is_filter,
};
const struct node_def node_take = {&take, &take_builtin, "kiln", KILN_VERSION, NULL};

// ---- select, repeat, sort -----------------------------------------------------------------------

static int pick(struct state *s, int64_t n, const int64_t *from)
{
    kiln_tensor *image;
    int e = tensor_pick_rows(s->image, n, from, &image);
    e = e ? e : state_map_rows(s, n, from);
    if (!e)
        state_set_image(s, image);
    return e;
}

static const kiln_param select_params[] = {
    {"index", KILN_INTS, KILN_PARAM_POSITIONAL, NULL, NULL,
     "places in the batch, from 0; from the end below 0", 0, 0},
};

static int select_apply(struct bound *b, struct state *s)
{
    const kiln_value *v = &b->value[0];
    if (!s->n)
        return no_image("select");
    if (!v->n)
        return fail(KILN_ERR_ARG, "select: index: names no image");
    int64_t *from = xcalloc(v->n, sizeof(*from));
    int e = KILN_OK;
    for (uint32_t i = 0; i < v->n && !e; i++) {
        from[i] = v->is[i] < 0 ? v->is[i] + s->n : v->is[i];
        if (from[i] < 0 || from[i] >= s->n)
            e = fail(KILN_ERR_ARG, "select: index: %lld, but there are %lld images (0..%lld)",
                     (long long)v->is[i], (long long)s->n, (long long)s->n - 1);
    }
    e = e ? e : pick(s, v->n, from);
    free(from);
    return e;
}

static const struct builtin select_builtin = {.apply = select_apply};
static const kiln_node select_node = {
    .size = sizeof(select_node),
    .name = "select",
    .summary = "some images of the batch",
    .example = "digits test images=0:10 ! select 7,2,1 ! grid ! show",
    .params = KILN_PARAMS(select_params),
    .filter = &is_filter,
};
const struct node_def node_select = {&select_node, &select_builtin, "kiln", KILN_VERSION, NULL};

static const kiln_param repeat_params[] = {
    {"n", KILN_INT, KILN_PARAM_POSITIONAL, NULL, NULL, "how often the batch stands in the result",
     1, 1e6},
};

static int repeat_apply(struct bound *b, struct state *s)
{
    int64_t old = s->n, times = b->value[0].i, top = 0;
    if (!old)
        return no_image("repeat");
    for (int64_t i = 0; i < old; i++)
        top = s->id[i] >= top ? s->id[i] + 1 : top;
    int64_t *from = xcalloc((size_t)(old * times), sizeof(*from));
    for (int64_t i = 0; i < old * times; i++)
        from[i] = i % old;
    int e = pick(s, old * times, from);
    for (int64_t i = 0; i < old * times && !e; i++)  // own ids: own noise
        s->id[i] += i / old * top;
    free(from);
    return e;
}

static const struct builtin repeat_builtin = {.apply = repeat_apply};
static const kiln_node repeat = {
    .size = sizeof(repeat),
    .name = "repeat",
    .summary = "the batch n times, with new ids",
    .example = "digits test images=0 ! repeat 5 ! noise sigma=0.5 ! grid 5 ! show",
    .params = KILN_PARAMS(repeat_params),
    .filter = &is_filter,
};
const struct node_def node_repeat = {&repeat, &repeat_builtin, "kiln", KILN_VERSION, NULL};

static const kiln_param sort_params[] = {
    {"by", KILN_STRING, KILN_PARAM_POSITIONAL, "score", NULL, "score, t or id", 0, 0},
    {"order", KILN_ENUM, 0, "up", "up|down", "smallest first, or largest", 0, 0},
};

static int sort_check(const struct bound *b)
{
    const char *by = b->value[0].s;
    return strcmp(by, "score") && strcmp(by, "t") && strcmp(by, "id")
               ? fail(KILN_ERR_ARG, "sort: by: wants score, t or id, not '%s'", by)
               : KILN_OK;
}

static int sort_apply(struct bound *b, struct state *s)
{
    const char *by = b->value[0].s;
    int down = (int)b->value[1].i;
    if (!s->n)
        return no_image("sort");
    if (runtime.dry_run && !strcmp(by, "score") && !s->score)  // a real run has it by now
        return KILN_OK;
    double *key = xcalloc((size_t)s->n, sizeof(*key));
    int64_t *from = xcalloc((size_t)s->n, sizeof(*from));
    int e = KILN_OK;
    for (int64_t i = 0; i < s->n && !e; i++) {
        from[i] = i;
        if (!strcmp(by, "t"))
            key[i] = s->t[i];
        else if (!strcmp(by, "id"))
            key[i] = (double)s->id[i];
        else if (s->score)
            key[i] = s->score[i];
        else
            e = fail(KILN_ERR_ARG, "sort: the images have no score: put 'score' before it");
    }
    for (int64_t i = 1; i < s->n && !e; i++)  // insertion: equal keys keep their order
        for (int64_t j = i; j > 0; j--) {
            double a = key[from[j - 1]], c = key[from[j]];
            if (down ? a >= c : a <= c)
                break;
            int64_t k = from[j];
            from[j] = from[j - 1];
            from[j - 1] = k;
        }
    e = e ? e : pick(s, s->n, from);
    free(key);
    free(from);
    return e;
}

static const struct builtin sort_builtin = {.apply = sort_apply, .check = sort_check};
static const kiln_node sort = {
    .size = sizeof(sort),
    .name = "sort",
    .summary = "order the batch by score, t or id",
    .example = "digits test images=0:10 ! mnist-unet mnist-class ! score ! sort ! grid ! show",
    .params = KILN_PARAMS(sort_params),
    .filter = &is_filter,
};
const struct node_def node_sort = {&sort, &sort_builtin, "kiln", KILN_VERSION, NULL};

// ---- encode -------------------------------------------------------------------------------------

static const kiln_param encode_params[] = {
    {"text", KILN_STRINGS, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, "", NULL,
     "more prompts than the images'", 0, 0},
};

static int encode_apply(struct bound *b, struct state *s)
{
    return embed_all(s, b->value[0].ss, b->value[0].n, "encode");
}

static const struct builtin encode_builtin = {.apply = encode_apply};
static const kiln_node encode = {
    .size = sizeof(encode),
    .name = "encode",
    .summary = "run the text encoder now and keep the embeddings in the State",
    .example = "blank 1x1x1x1 ! t5 IF-I-L ! encode \"a deer\" \"a truck\" ! save bank.safetensors",
    .params = KILN_PARAMS(encode_params),
    .filter = &is_filter,
};
const struct node_def node_encode = {&encode, &encode_builtin, "kiln", KILN_VERSION, NULL};
