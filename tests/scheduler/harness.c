// SPDX-License-Identifier: MIT
#include "tests/scheduler/harness.h"

#include "kernels/kernels.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <kiln/ext/state.h>

int draws;

static kiln_ops ops;
static const kiln_tensor *given;
static int (*own_normal)(const kiln_host *, uint32_t, const int64_t *, const double *,
                         kiln_tensor *);

// ---- a State ------------------------------------------------------------------------------------

enum { MAX_KEPT = 16 };
static struct {
    char name[64];
    kiln_tensor *tensor;
    char text[64];
} store[MAX_KEPT];

static int slot(const char *name)
{
    int i = 0;
    while (i < MAX_KEPT - 1 && store[i].name[0] && strcmp(store[i].name, name) != 0)
        i++;
    snprintf(store[i].name, sizeof(store[i].name), "%s", name);
    return i;
}

static int state_get(const kiln_host *h, const char *name, const kiln_tensor **out)
{
    (void)h;
    *out = store[slot(name)].tensor;
    return KILN_OK;
}

static int state_put(const kiln_host *h, const char *name, kiln_tensor *t)
{
    int i = slot(name);
    h->tensor_free(h, store[i].tensor);
    store[i].tensor = t;
    return KILN_OK;
}

static int state_append(const kiln_host *h, const char *name, const kiln_tensor *t)
{
    int i = slot(name);
    kiln_tensor *old = store[i].tensor, *all;
    int64_t shape[4];
    size_t size = t->dtype.bits / 8, had = old ? (size_t)kiln_numel(old) * size : 0;
    memcpy(shape, t->shape, (size_t)t->ndim * sizeof(*shape));
    shape[0] += old ? old->shape[0] : 0;
    h->tensor_new(h, NULL, t->dtype.bits == 64 ? KILN_F64 : KILN_F32, t->ndim, shape, &all);
    if (old)
        memcpy(all->data, old->data, had);
    memcpy((char *)all->data + had, t->data, (size_t)kiln_numel(t) * size);
    return state_put(h, name, all);
}

static int state_put_text(const kiln_host *h, const char *key, const char *text)
{
    (void)h;
    int i = slot(key);
    snprintf(store[i].text, sizeof(store[i].text), "%s", text);
    return KILN_OK;
}

static const kiln_state state_table = {.size = sizeof(state_table),
                                       .get = state_get,
                                       .put = state_put,
                                       .append = state_append,
                                       .put_text = state_put_text};

const kiln_tensor *kept(const char *name)
{
    return store[slot(name)].tensor;
}

const char *kept_text(const char *key)
{
    return store[slot(key)].text;
}

// ---- host and nodes -----------------------------------------------------------------------------

static int normal(const kiln_host *h, uint32_t use, const int64_t *id, const double *t,
                  kiln_tensor *out)
{
    draws++;
    if (!given)
        return own_normal(h, use, id, t, out);
    return h->tensor_copy(h, out, given);
}

kiln_host *test_host(void)
{
    kiln_host *h = stub_host_new();
    ops = (kiln_ops){.size = sizeof(ops)};
    kernels_init_ref(&ops);
    stub_set_extension(h, "kiln.ops/1", &ops);
    stub_set_extension(h, "kiln.state/1", &state_table);
    own_normal = h->normal;
    h->normal = normal;
    given = NULL;
    draws = 0;
    return h;
}

void test_host_free(kiln_host *h)
{
    for (int i = 0; i < MAX_KEPT; i++)
        h->tensor_free(h, store[i].tensor);
    memset(store, 0, sizeof(store));
    assert_int_equal(stub_host_free(h), 0);
}

void give_noise(kiln_host *h, const kiln_tensor *z)
{
    (void)h;
    given = z;
    draws = 0;
}

const kiln_node *node_of(const char *plugin, const char *name)
{
    char path[4096];
    const char *root = getenv("top_builddir");
    snprintf(path, sizeof(path), "%s/plugins/%s.so", root && *root ? root : ".", plugin);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);  // stays open, as in the host
    if (!so)
        fail_msg("%s", dlerror());
    const kiln_plugin *p = dlsym(so, "kiln_plugin_v1");
    assert_non_null(p);
    for (uint32_t i = 0; i < p->n_nodes; i++)
        if (!strcmp(p->nodes[i]->name, name))
            return p->nodes[i];
    fail_msg("%s has no node %s", path, name);
    return NULL;
}

// ---- nets ---------------------------------------------------------------------------------------

struct test_net net_new(enum schedule s)
{
    struct test_net t = {.answer = fixed_eps, .deviation = 0.3};
    int n = s == MNIST ? 300 : s == PLAIN ? 0 : 1000;
    t.net = (kiln_net){.size = sizeof(t.net),
                       .pred = s == FLOW    ? KILN_FLOW
                               : s == PLAIN ? KILN_X0
                                            : KILN_EPS,
                       .variance = s == COSINE  ? KILN_VARIANCE_LEARNED_RANGE
                                   : s == MNIST ? KILN_VARIANCE_BETA
                                                : KILN_VARIANCE_POSTERIOR,
                       .chw = {3, 4, 4},
                       .steps = s == MNIST ? 300 : 50,
                       .n_t = n,
                       .t_first = s == MNIST,
                       .lo = -1,
                       .hi = 1};
    t.memory = calloc(2 * (size_t)n + 1, sizeof(double));
    assert_non_null(t.memory);
    double *alpha = t.memory, *sigma = t.memory + n, bar = 1;
    int64_t rows = 0;
    const double *table = s == COSINE || s == LINEAR
                              ? golden_doubles(s == COSINE ? "cosine" : "linear", &rows)
                              : NULL;
    for (int i = 0; i < n; i++) {
        bar *= 1 - (1e-4 + (0.02 - 1e-4) * i / (n - 1));
        if (table)
            bar = table[i];
        alpha[i] = s == FLOW ? 1 - (i + 1) / 1000. : sqrt(bar);
        sigma[i] = s == FLOW ? (i + 1) / 1000. : sqrt(1 - bar);
    }
    t.net.alpha = alpha;
    t.net.sigma = sigma;
    return t;
}

void net_free(struct test_net *t)
{
    free(t->memory);
}

void fixed_eps(const struct test_net *t, int64_t i, double x, kiln_level l, double *eps, double *x0)
{
    *eps = (double)kiln_f32(t->eps)[i];
    *x0 = (x - l.sigma * *eps) / l.alpha;
}

void gaussian(const struct test_net *t, int64_t i, double x, kiln_level l, double *eps, double *x0)
{
    double d2 = t->deviation * t->deviation, m = 0.5;
    if (t->mean)
        m = (double)kiln_f32(t->mean)[i % kiln_numel(t->mean)];
    double v = l.alpha * l.alpha * d2 + l.sigma * l.sigma;  // of x
    *eps = l.sigma * (x - l.alpha * m) / v;
    *x0 = m + l.alpha * d2 * (x - l.alpha * m) / v;
}

// ---- runs ---------------------------------------------------------------------------------------

struct asked {
    struct walk *walk;
    kiln_estimate estimate[4];
    int n;
};

static int eval(const kiln_run *run, int pred, const kiln_tensor *x, double t,
                const kiln_estimate **out)
{
    struct asked *a = run->priv;
    struct test_net *net = a->walk->net;
    const kiln_host *h = a->walk->host;
    kiln_level l = kiln_level_at(&net->net, t);
    if (++net->calls == net->cancel_at)
        return KILN_ERR_CANCEL;
    assert_true(a->n < 4);
    kiln_estimate *e = &a->estimate[a->n++];
    *e = (kiln_estimate){.size = sizeof(*e), .pred = (uint32_t)pred};
    kiln_new_like(h, x, &e->value);
    for (int64_t i = 0; i < kiln_numel(x); i++) {
        double eps, x0;
        net->answer(net, i, (double)kiln_f32(x)[i], l, &eps, &x0);
        kiln_f32(e->value)[i] = (float)(pred == KILN_EPS ? eps : x0);
    }
    e->var = net->var ? copy_of(h, net->var) : NULL;
    *out = e;
    return KILN_OK;
}

static void give_back(const kiln_host *h, struct asked *a)
{
    while (a->n) {
        a->n--;
        h->tensor_free(h, a->estimate[a->n].value);
        h->tensor_free(h, a->estimate[a->n].var);
    }
}

static int plan_walk(struct walk *w, kiln_self *self)
{
    const double *t;
    int e = w->node->sampler->plan(self, &w->net->net, w->t_start, &t, &w->n);
    if (e)
        return e;
    assert_in_range(w->n, 1, 1099);
    memcpy(w->t, t, (w->n + 1) * sizeof(*t));
    return KILN_OK;
}

static int run_all(struct walk *w, kiln_self *self)
{
    int64_t n = w->x->shape[0], id[64];
    double t[64];
    kiln_level level[1100];
    struct asked asked = {.walk = w};
    assert_in_range(n, 1, 64);
    for (int64_t i = 0; i < n; i++)
        id[i] = i;
    kiln_rows rows = {
        .size = sizeof(rows), .n = n, .id = id, .t = t, .lo = -1, .hi = 1, .net = &w->net->net};
    for (uint32_t i = 0; i <= w->n; i++)
        level[i] = kiln_level_at(&w->net->net, w->t[i]);
    kiln_run run = {.size = sizeof(run),
                    .n_steps = w->n,
                    .rows = &rows,
                    .net = &w->net->net,
                    .level = level,
                    .eval = eval,
                    .priv = &asked};
    int e = w->node->sampler->begin ? w->node->sampler->begin(self, &run) : KILN_OK;
    for (uint32_t i = 0; i < w->n && !e; i++) {
        for (int64_t r = 0; r < n; r++)
            t[r] = w->t[i];
        e = w->node->sampler->step(self, &run, i, w->x);
        give_back(w->host, &asked);
    }
    return e;
}

static int walk_with(struct walk *w, int plan_only)
{
    stub_clear(w->host);
    kiln_self *self = stub_node_new(w->host, w->node, w->args);
    if (!self)
        return stub_error_code(w->host);
    int e = plan_only ? plan_walk(w, self) : walk_instance(w, self);
    stub_node_free(w->node, self);
    return e;
}

int walk_instance(struct walk *w, kiln_self *self)
{
    int e = plan_walk(w, self);
    return e ? e : run_all(w, self);
}

int walk_run(struct walk *w)
{
    return walk_with(w, 0);
}

int walk_only_plan(struct walk *w)
{
    return walk_with(w, 1);
}

static int pass_with(struct pass *p, kiln_self *self)
{
    const kiln_filter_ops *f = p->node->filter;
    int64_t n = p->in->shape[0], id[64];
    double t[64];
    for (int64_t i = 0; i < n; i++) {
        id[i] = p->first + i;
        t[i] = p->t ? p->t[i] : KILN_CLEAN;
    }
    kiln_rows rows = {
        .size = sizeof(rows), .n = n, .id = id, .t = t, .lo = -1, .hi = 1, .net = p->net};
    p->plan = (kiln_plan){.size = sizeof(p->plan), .lo = -1, .hi = 1};
    memcpy(p->plan.shape, p->in->shape, sizeof(p->plan.shape));
    int e = f->plan(self, &rows, &p->plan);
    if (e)
        return e;
    assert_in_range(p->plan.shape[0], 1, 64);
    for (int64_t i = 0; i < p->plan.shape[0]; i++) {
        p->id_out[i] = id[p->plan.from ? p->plan.from[i] : i % n];
        p->t_out[i] = p->plan.n_t ? p->plan.t[i % p->plan.n_t] : KILN_CLEAN;
    }
    rows.n = p->plan.shape[0];
    rows.id = p->id_out;
    rows.t = p->t_out;
    p->host->tensor_new(p->host, NULL, KILN_F32, 4, p->plan.shape, &p->out);
    e = f->run(self, &rows, p->in, p->out);
    if (e) {
        p->host->tensor_free(p->host, p->out);
        p->out = NULL;
    }
    return e;
}

int pass_run(struct pass *p)
{
    stub_clear(p->host);
    kiln_self *self = stub_node_new(p->host, p->node, p->args);
    if (!self)
        return stub_error_code(p->host);
    int e = pass_with(p, self);
    stub_node_free(p->node, self);
    return e;
}

// ---- golden tensors -----------------------------------------------------------------------------

// The file is what the Python library writes, whose header has a fixed form.
static const char *file(void)
{
    static char content[1 << 18];
    if (content[8])
        return content;
    char path[4096];
    const char *root = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/tests/golden/scheduler.safetensors",
             root && *root ? root : ".");
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    size_t n = fread(content, 1, sizeof(content), f);
    assert_in_range(n, 9, sizeof(content) - 1);
    fclose(f);
    return content;
}

static const char *find(const char *name, const char *dtype, int64_t *n, int64_t *shape)
{
    const char *content = file();
    uint64_t header;
    char key[128];
    memcpy(&header, content, sizeof(header));
    snprintf(key, sizeof(key), "\"%s\":{\"dtype\":\"%s\",\"shape\":[", name, dtype);
    const char *at = strstr(content + 8, key);
    if (!at)
        return NULL;
    *n = 1;
    at += strlen(key);
    for (char *end; *at != ']'; at = *end == ',' ? end + 1 : end) {
        int64_t size = strtoll(at, &end, 10);
        *n *= size;
        if (shape)
            *shape++ = size;
    }
    at = strstr(at, "\"data_offsets\":[") + 16;
    return content + 8 + header + strtoll(at, NULL, 10);
}

const int32_t *golden_ints(const char *name, int64_t *n)
{
    const void *p = find(name, "I32", n, NULL);
    if (!p)
        fail_msg("no golden tensor %s", name);
    return p;
}

const double *golden_doubles(const char *name, int64_t *n)
{
    const void *p = find(name, "F64", n, NULL);
    if (!p)
        fail_msg("no golden tensor %s", name);
    return p;
}

kiln_tensor *golden(const kiln_host *h, const char *name)
{
    int64_t n, shape[4];
    const void *p = find(name, "F32", &n, shape);
    if (p)
        return stub_tensor(h, 4, shape, p);
    const double *d = find(name, "F64", &n, shape) ? golden_doubles(name, &n) : NULL;
    if (!d)
        fail_msg("no golden tensor %s", name);
    kiln_tensor *t = stub_tensor(h, 4, shape, NULL);
    for (int64_t i = 0; i < n; i++)
        kiln_f32(t)[i] = (float)d[i];
    return t;
}

kiln_tensor *copy_of(const kiln_host *h, const kiln_tensor *t)
{
    return stub_tensor(h, t->ndim, t->shape, kiln_f32(t));
}

void assert_near(double a, double b, double limit)
{
    if (!(fabs(a - b) <= limit))
        fail_msg("%.9g is not within %g of %.9g", a, limit, b);
}
