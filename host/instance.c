// SPDX-License-Identifier: MIT
#include "instance.h"

#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "error.h"
#include "ext.h"
#include "log.h"
#include "pool.h"
#include "progress.h"
#include "runtime.h"
#include "view.h"

static struct instance *shared_instances;
const char *volatile current_node;
static const kiln_tensor cpu_device = {.device = {KILN_DEVICE_CPU, 0}};
static const kiln_tensor cuda_device = {.device = {KILN_DEVICE_CUDA, 0}};

struct instance *host_instance(const kiln_host *h)
{
    return h->priv;
}

const kiln_node *instance_node(const struct instance *x)
{
    return x->bound->def->node;
}

int instance_device(const struct instance *x)
{
    return x->host.device->device.type;
}

int instance_side(const struct instance *x, const kiln_tensor *t, enum tensor_use use,
                  kiln_tensor **side)
{
    return tensor_on(t, instance_device(x), use, side);
}

int instance_inputs(const struct instance *x, const kiln_tensor **in, uint32_t n)
{
    int e = KILN_OK;
    for (uint32_t i = 0; i < n && !e; i++) {
        kiln_tensor *side;
        e = instance_side(x, in[i], TENSOR_READ, &side);
        in[i] = e ? in[i] : side;
    }
    return e;
}

// ---- kiln_host ----------------------------------------------------------------------------------

static int host_fail(const kiln_host *h, int code, const char *why)
{
    (void)h;
    return fail(code < 0 ? code : KILN_ERR_INTERNAL, "%s", why ? why : "");
}

static void host_log(const kiln_host *h, int level, const char *text)
{
    log_line(level, "%s: %s", instance_node(host_instance(h))->name, text);
}

static int host_progress(const kiln_host *h, double done, const char *note)
{
    (void)h;
    return progress_at(done, note);
}

static int host_tensor_new(const kiln_host *h, const kiln_tensor *near, int dtype, int32_t ndim,
                           const int64_t *shape, kiln_tensor **out)
{
    (void)h;
    return tensor_new_on(near ? near->device.type : KILN_DEVICE_CPU, dtype, ndim, shape, out);
}

static void host_tensor_free(const kiln_host *h, const kiln_tensor *t)
{
    (void)h;
    tensor_unref(t);
}

static int host_tensor_copy(const kiln_host *h, kiln_tensor *dst, const kiln_tensor *src)
{
    (void)h;
    return tensor_copy_raw(dst, src);
}

static int host_normal(const kiln_host *h, uint32_t use, const int64_t *id, const double *t,
                       kiln_tensor *out)
{
    struct instance *x = host_instance(h);
    return draw(x->context, instance_node(x)->name, DRAW_NORMAL, use, id, t, out);
}

static int host_uniform(const kiln_host *h, uint32_t use, const int64_t *id, const double *t,
                        kiln_tensor *out)
{
    struct instance *x = host_instance(h);
    return draw(x->context, instance_node(x)->name, DRAW_UNIFORM, use, id, t, out);
}

static int host_parallel_for(const kiln_host *h, int64_t n, int64_t grain,
                             int (*fn)(void *ctx, int64_t begin, int64_t end, int64_t chunk),
                             void *ctx)
{
    (void)h;
    return pool_for(n, grain, fn, ctx);
}

static const void *host_extension(const kiln_host *h, const char *id)
{
    (void)h;
    return extension_find(id);
}

// ---- life ---------------------------------------------------------------------------------------

int instance_check_needs(const kiln_node *node)
{
    const char *s = node->needs ? node->needs : "";
    while (*s) {
        size_t n = strcspn(s, " ");
        char *id = xstrndup(s, n);
        const void *table = extension_find(id);
        int e = table ? KILN_OK
                      : fail(KILN_ERR_UNSUPPORTED,
                             !strcmp(id, "kiln.cuda/1")
                                 ? "needs the extension %s, which --device cuda has"
                                 : "needs the extension %s, which this kiln has not",
                             id);
        free(id);
        if (e)
            return e;
        s += n + strspn(s + n, " ");
    }
    return KILN_OK;
}

// Handles for the FILTER arguments take the places of the values.
static int make_filters(struct instance *x)
{
    const struct bound *b = x->bound;
    uint32_t n = instance_node(x)->n_params;
    x->args = xmemdup(b->value, n * sizeof(*b->value));
    for (uint32_t i = 0; i < n; i++) {
        const kiln_param *p = bound_param(b, i);
        if (p->type != KILN_FILTER && p->type != KILN_FILTERS)
            continue;
        size_t first = x->n_filters;
        for (size_t k = 0; k < b->items[i].n; k++) {
            kiln_filter *f;
            char *name = xformat("%s.%zu", p->name, k);
            int e = filter_new(b->items[i].item[k].chain, p->flags, name, &f);
            free(name);
            x->filter = xrealloc(x->filter, x->n_filters + 1, sizeof(*x->filter));
            x->filter[x->n_filters++] = f;
            if (e)
                return e;
        }
        x->args[i].n = (uint32_t)(x->n_filters - first);
        if (p->type == KILN_FILTER)
            x->args[i].filter = x->args[i].n ? x->filter[first] : NULL;
        else
            x->args[i].filters =
                xmemdup(x->filter + first, (x->n_filters - first) * sizeof(*x->filter));
    }
    return KILN_OK;
}

static int instance_new(struct bound *b, struct instance **out)
{
    const kiln_node *node = b->def->node;
    struct instance *x = xcalloc(1, sizeof(*x));
    x->bound = bound_ref(b);
    x->host = (kiln_host){
        .size = sizeof(kiln_host),
        .major = KILN_MAJOR,
        .minor = KILN_HEADER_MINOR,
        .version = KILN_VERSION,
        .device = runtime.device == KILN_DEVICE_CUDA && node->flags & KILN_NODE_ANY_DEVICE
                      ? &cuda_device
                      : &cpu_device,
        .priv = x,
        .fail = host_fail,
        .log = host_log,
        .progress = host_progress,
        .tensor_new = host_tensor_new,
        .tensor_free = host_tensor_free,
        .tensor_copy = host_tensor_copy,
        .normal = host_normal,
        .uniform = host_uniform,
        .parallel_for = host_parallel_for,
        .filter = host_filter,
        .view = host_view,
        .unview = host_unview,
        .extension = host_extension,
    };
    x->host.map_dtype =
        runtime_map_dtype(x->host.device->device.type, instance_node(x)->encoder != NULL);
    int e = make_filters(x);
    size_t size = node->self_size > sizeof(kiln_self) ? node->self_size : sizeof(kiln_self);
    x->self = xcalloc(1, size);
    memcpy(x->self, &(kiln_self){&x->host, x->args}, sizeof(kiln_self));
    if (!e)
        e = instance_check_needs(node);
    if (!e && node->create) {
        struct context none = {0};
        instance_enter(x, &none);
        x->created = 1;
        e = instance_leave(x, node->create(x->self));
    } else if (e) {
        e = node_fail(b, e);
    }
    if (e) {
        instance_free(x);
        return e;
    }
    x->created = 1;
    *out = x;
    return KILN_OK;
}

void instance_free(struct instance *x)
{
    if (!x)
        return;
    const kiln_node *node = instance_node(x);
    if (x->created && node->destroy)
        node->destroy(x->self);
    for (size_t i = 0; i < x->n_cond; i++) {
        for (uint32_t k = 0; k < x->net->net.n_cond; k++)
            tensor_unref(x->cond[i].tensor[k]);
        free(x->cond[i].tensor);
    }
    free(x->cond);
    for (uint32_t i = 0; x->args && i < node->n_params; i++)
        if (bound_param(x->bound, i)->type == KILN_FILTERS)
            free((void *)(uintptr_t)x->args[i].filters);
    for (size_t i = 0; i < x->n_filters; i++)
        filter_free(x->filter[i]);
    free(x->filter);
    free(x->args);
    free(x->borrowed);
    net_unref(x->net);
    free(x->self);
    bound_free(x->bound);
    free(x);
}

struct instance *instance_find(const struct bound *b)
{
    for (struct instance *x = shared_instances; x; x = x->next)
        if (x->bound->def == b->def && !strcmp(x->bound->line, b->line))
            return x;
    return NULL;
}

int instance_get(struct bound *b, int shared, struct instance **out)
{
    *out = shared ? instance_find(b) : NULL;
    if (*out)
        return KILN_OK;
    int e = instance_new(b, out);
    if (!e && shared) {
        (*out)->next = shared_instances;
        shared_instances = *out;
    }
    return e;
}

void instance_drop(struct instance *x)
{
    for (struct instance **p = &shared_instances; *p; p = &(*p)->next)
        if (*p == x) {
            *p = x->next;
            instance_free(x);
            return;
        }
}

static int is_among(const struct instance *x, struct instance *const *net, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (net[i] == x)
            return 1;
    return 0;
}

void instances_unload_spent(struct instance *const *net, size_t n)
{
    int any = 0;
    for (struct instance *x = shared_instances; x; x = x->next) {
        const kiln_predictor_ops *ops = instance_node(x)->predictor;
        if (!x->spent || !x->loaded || is_among(x, net, n) ||
            !KILN_HAS(ops, kiln_predictor_ops, unload) || !ops->unload)
            continue;
        struct context none = {0};
        instance_enter(x, &none);
        ops->unload(x->self);
        (void)instance_leave(x, KILN_OK);
        x->loaded = 0;
        any = 1;
    }
    if (any)
        tensor_trim();
}

void instances_free(void)
{
    while (shared_instances)
        instance_drop(shared_instances);
}

// ---- calls --------------------------------------------------------------------------------------

void instance_enter(struct instance *x, struct context *context)
{
    x->context = context;
    x->outer = current_node;
    current_node = instance_node(x)->name;
    x->outer_encoder = runtime.in_encoder;
    runtime.in_encoder = instance_node(x)->encoder != NULL;
    fegetenv(&x->env);
    fail(0, "%s", "");
}

int node_fail(const struct bound *b, int code)
{
    const char *name = b->def->node->name, *text = fail_text();
    size_t n = strlen(name);
    if (!strncmp(text, name, n) && text[n] == ':')  // already said
        return code;
    if (!*text)
        return fail(code, "%s: fails without saying why (code %d)", name, code);
    return fail_in(code, "%s", name);
}

int instance_leave(struct instance *x, int code)
{
    fesetenv(&x->env);  // a plugin that flushes denormals, say, does so alone
    for (size_t i = 0; i < x->n_borrowed; i++)
        tensor_unref(x->borrowed[i]);
    x->n_borrowed = 0;
    x->context = NULL;
    current_node = x->outer;
    runtime.in_encoder = x->outer_encoder;
    if (code >= 0)
        return code;
    if (code < KILN_ERR_INTERNAL)
        code = KILN_ERR_INTERNAL;
    return node_fail(x->bound, code);
}
