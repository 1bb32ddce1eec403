// kiln/host.h: what the host does for a node; one per instance
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_HOST_H
#define KILN_HOST_H

#include <kiln/param.h>
#include <kiln/rows.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_query kiln_query;
typedef struct kiln_estimate kiln_estimate;
typedef struct kiln_host kiln_host;
struct kiln_host {
    uint32_t size;
    uint16_t major, minor;
    const char *version;        // of the program
    const kiln_tensor *device;  // an empty tensor where nets run: for near, below
    void *priv;
    // Says why, in one line without the node's name; returns code. The lowest chunk's wins. [any]
    int (*fail)(const kiln_host *h, int code, const char *why);
    void (*log)(const kiln_host *h, int level, const char *line);  // [any]
    // done in [0,1]; note: a few words shown behind the bar ("loss 0.031"), or NULL. Cheap enough to
    // call every few milliseconds. KILN_ERR_CANCEL: free what you hold and return it.
    int (*progress)(const kiln_host *h, double done, const char *note);
    // Contiguous, uninitialised, on the device of near (NULL: host memory); yours until tensor_free
    // or until a call hands it on. ndim <= 8, sizes >= 1. [any]
    int (*tensor_new)(const kiln_host *h, const kiln_tensor *near, int dtype, int32_t ndim,
                      const int64_t *shape, kiln_tensor **out);
    void (*tensor_free)(const kiln_host *h, const kiln_tensor *t);  // NULL is fine. [any]
    // Equal shapes; converts type and device.
    int (*tensor_copy)(const kiln_host *h, kiln_tensor *dst, const kiln_tensor *src);
    // out F32 [n,...] <- N(0,1) or U[0,1). Row i depends on (seed, node, its use in the chain, use,
    // id[i], t[i]) and its own shape alone: not on n, device, threads. t NULL: all 0. [any]
    // With --rng torch or FILE it is the next draw instead, one tensor per call: then no chunk may
    // ask, and a step that ends clean draws nothing.
    int (*normal)(const kiln_host *h, uint32_t use, const int64_t *id, const double *t,
                  kiln_tensor *out);
    int (*uniform)(const kiln_host *h, uint32_t use, const int64_t *id, const double *t,
                   kiln_tensor *out);
    // fn over [0,n) in chunks of grain. Bounds depend on n and grain alone: sums per chunk, added
    // in the order of chunks, do not depend on threads. The first error stops it. Nested: inline.
    int (*parallel_for)(const kiln_host *h, int64_t n, int64_t grain,
                        int (*fn)(void *ctx, int64_t begin, int64_t end, int64_t chunk), void *ctx);
    // FILTER arguments. *out is the host's, until the call in which it was asked for returns.
    // filter: f on x [n,c,h,w]. view: x and aux of a child, replaced by f of them. unview: an
    // answer seen back through f; a variance moves with its pixels and keeps its sign.
    int (*filter)(const kiln_host *h, const kiln_filter *f, const kiln_tensor *x,
                  const kiln_tensor **out);
    int (*view)(const kiln_host *h, const kiln_filter *f, kiln_query *child);
    int (*unview)(const kiln_host *h, const kiln_filter *f, const kiln_estimate *answer,
                  const kiln_estimate **out);
    // A table by id ("kiln.ops/1"), NULL: not offered. It lives as long as the host. [any]
    const void *(*extension)(const kiln_host *h, const char *id);
    // enum kiln_dtype: of feature maps where nets run, under this --precision. F32 goes, too.
    int map_dtype;
};

// What an instance begins with: struct blur { kiln_self base; ... }. For ever.
typedef struct kiln_self {
    const kiln_host *host;
    const kiln_value *args;  // [n_params] in table order
} kiln_self;

// fail() with a format.
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline int
kiln_fail(const kiln_self *self, int code, const char *format, ...)
{
    char why[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(why, sizeof(why), format, ap);
    va_end(ap);
    return self->host->fail(self->host, code, why);
}

// A new F32 tensor of the same shape on the same device.
static inline int kiln_new_like(const kiln_host *h, const kiln_tensor *like, kiln_tensor **out)
{
    return h->tensor_new(h, like, KILN_F32, like->ndim, like->shape, out);
}

#ifdef __cplusplus
}
#endif
#endif
