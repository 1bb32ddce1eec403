// SPDX-License-Identifier: MIT
#include "tests/filters/harness.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rows {
    kiln_rows rows;
    int64_t *id;
    double *t;
    const char **prompt;
};

// t repeats from the n_t given.
static void rows_init(struct rows *r, const struct call *c, int64_t n, const double *t,
                      uint32_t n_t)
{
    r->id = calloc((size_t)n, sizeof(*r->id));
    r->t = calloc((size_t)n, sizeof(*r->t));
    r->prompt = calloc((size_t)n, sizeof(*r->prompt));
    for (int64_t i = 0; i < n; i++) {
        r->id[i] = i;
        r->t[i] = n_t ? t[i % n_t] : KILN_CLEAN;
        r->prompt[i] = c->prompt && i < c->in->shape[0] ? c->prompt[i] : NULL;
    }
    r->rows = (kiln_rows){
        .size = sizeof(r->rows),
        .n_in = c->n_images,
        .n = n,
        .id = r->id,
        .t = r->t,
        .prompt = r->prompt,
        .lo = c->lo,
        .hi = c->hi,
        .in = c->images,
    };
}

static void rows_clear(struct rows *r)
{
    free(r->id);
    free(r->t);
    free(r->prompt);
}

static void range(struct call *c)
{
    if (c->lo == 0 && c->hi == 0) {
        c->lo = -1;
        c->hi = 1;
    }
}

static int run(struct call *c, kiln_self *self)
{
    int64_t n = c->in->shape[0];
    struct rows rows;
    c->plan = (kiln_plan){.size = sizeof(c->plan), .lo = c->lo, .hi = c->hi};
    memcpy(c->plan.shape, c->in->shape, sizeof(c->plan.shape));
    rows_init(&rows, c, n, c->t, c->t ? (uint32_t)n : 0);
    int e = c->node->filter->plan ? c->node->filter->plan(self, &rows.rows, &c->plan) : KILN_OK;
    const double *t = c->plan.n_t                              ? c->plan.t
                      : c->node->flags & KILN_NODE_KEEPS_NOISE ? c->t
                                                               : NULL;
    uint32_t n_t = c->plan.n_t ? c->plan.n_t : (uint32_t)n;
    struct rows after;
    rows_init(&after, c, e ? n : c->plan.shape[0], t, t ? n_t : 0);
    c->first_t = after.t[0];
    if (!e)
        e = c->host->tensor_new(c->host, NULL, KILN_F32, 4, c->plan.shape, &c->out);
    if (!e)
        e = c->node->filter->run(self, &after.rows, c->in, c->out);
    rows_clear(&rows);
    rows_clear(&after);
    return e;
}

int harness_filter(struct call *c)
{
    range(c);
    stub_clear(c->host);
    c->out = NULL;
    kiln_self *self = stub_node_new(c->host, c->node, c->args);
    if (!self)
        return stub_error_code(c->host);
    int e = run(c, self);
    stub_node_free(c->node, self);
    if (e && c->out)
        harness_done(c);
    return e;
}

void harness_done(struct call *c)
{
    c->host->tensor_free(c->host, c->out);
    c->out = NULL;
}

int harness_sink(struct call *c)
{
    struct rows rows;
    range(c);
    stub_clear(c->host);
    kiln_self *self = stub_node_new(c->host, c->node, c->args);
    if (!self)
        return stub_error_code(c->host);
    rows_init(&rows, c, c->in->shape[0], NULL, 0);
    int e = c->node->sink->put(self, &rows.rows, c->in);
    if (!e && c->node->sink->end)
        e = c->node->sink->end(self);
    rows_clear(&rows);
    stub_node_free(c->node, self);
    return e;
}

// The file is what the Python library writes, whose header has a fixed form.
static const char *file(void)
{
    static char *content;
    if (content)
        return content;
    char path[4096];
    const char *root = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/tests/golden/filters.safetensors", root && *root ? root : ".");
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    size_t room = 1 << 20;
    content = malloc(room);
    assert_non_null(content);
    size_t n = fread(content, 1, room, f);
    assert_true(n > 8 && n < room);
    fclose(f);
    return content;
}

struct golden golden(const char *name)
{
    const char *content = file();
    uint64_t header;
    char key[128];
    struct golden g = {.n = 1, .shape = {1, 1, 1, 1}};
    memcpy(&header, content, sizeof(header));
    snprintf(key, sizeof(key), "\"%s\":{", name);
    const char *at = strstr(content + 8, key);
    if (!at)
        fail_msg("no golden tensor %s", name);
    at = strstr(at, "\"shape\":[") + 9;
    int dims = 0;
    int64_t shape[4];
    for (char *end; *at != ']'; at = *end == ',' ? end + 1 : end) {
        shape[dims++] = strtoll(at, &end, 10);
        g.n *= shape[dims - 1];
    }
    memcpy(g.shape + 4 - dims, shape, (size_t)dims * sizeof(*shape));
    at = strstr(at, "\"data_offsets\":[") + 16;
    g.data = content + 8 + header + strtoll(at, NULL, 10);
    return g;
}

kiln_tensor *golden_image(const kiln_host *h, const char *name)
{
    struct golden g = golden(name);
    kiln_tensor *t = stub_tensor(h, 4, g.shape, NULL);
    if (!strncmp(name, "photo", 5))
        for (int64_t i = 0; i < g.n; i++)
            kiln_f32(t)[i] = (float)((const unsigned char *)g.data)[i] / 127.5f - 1;
    else
        memcpy(kiln_f32(t), g.data, (size_t)g.n * sizeof(float));
    return t;
}

kiln_tensor *cut_out(const kiln_host *h, const kiln_tensor *image, int64_t channel, int64_t n,
                     int64_t top, int64_t left, int64_t height, int64_t width)
{
    const int64_t *s = image->shape;
    kiln_tensor *t = stub_tensor(h, 4, (int64_t[]){1, n, height, width}, NULL);
    for (int64_t c = 0; c < n; c++)
        for (int64_t y = 0; y < height; y++)
            memcpy(kiln_f32(t) + (c * height + y) * width,
                   kiln_f32(image) + ((channel + c) * s[2] + top + y) * s[3] + left,
                   (size_t)width * sizeof(float));
    return t;
}

kiln_tensor *ramp(const kiln_host *h, int64_t n, int64_t c, int64_t height, int64_t width)
{
    kiln_tensor *t = stub_tensor(h, 4, (int64_t[]){n, c, height, width}, NULL);
    for (int64_t i = 0; i < kiln_numel(t); i++)
        kiln_f32(t)[i] = (float)i;
    return t;
}
