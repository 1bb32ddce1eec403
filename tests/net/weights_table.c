// "kiln.weights/1" over the host's weights files, for tests without a host: no search for models.
// SPDX-License-Identifier: MIT
#include "host/error.h"
#include "host/weights_file.h"
#include "tests/net/net_test.h"

#undef fail  // cmocka's

static struct weights_file *file(const kiln_file *f)
{
    return (struct weights_file *)(uintptr_t)f;
}

static int told(const kiln_host *h, int e)
{
    return e < 0 ? h->fail(h, e, fail_text()) : e;
}

static int open_file(const kiln_host *h, const char *path, kiln_file **out)
{
    struct weights_file *f;
    int e = weights_open(path, &f);
    *out = (kiln_file *)(void *)f;
    return told(h, e);
}

static void close_file(const kiln_host *h, kiln_file *f)
{
    (void)h;
    weights_close(file(f));
}

static int describe(const struct weights_entry *e, const char **name, int *dtype, int32_t *ndim,
                    int64_t *shape)
{
    if (!e)
        return KILN_END;
    *name = e->name;
    *dtype = e->dtype;
    *ndim = e->ndim;
    for (int32_t i = 0; i < e->ndim; i++)
        shape[i] = e->shape[i];
    return KILN_OK;
}

static int entry(const kiln_file *f, uint64_t i, const char **name, int *dtype, int32_t *ndim,
                 int64_t *shape)
{
    return describe(weights_entry(file(f), i), name, dtype, ndim, shape);
}

// The i-th by place in the file: i entries lie before it.
static int stored(const kiln_file *f, uint64_t i, const char **name, int *dtype, int32_t *ndim,
                  int64_t *shape)
{
    const struct weights_entry *e, *other;
    for (uint64_t k = 0; (e = weights_entry(file(f), k)); k++) {
        uint64_t before = 0;
        for (uint64_t j = 0; (other = weights_entry(file(f), j)); j++)
            before +=
                (uintptr_t)other->data < (uintptr_t)e->data || (other->data == e->data && j < k);
        if (before == i)
            break;
    }
    return describe(e, name, dtype, ndim, shape);
}

static int tensor(const kiln_host *h, const kiln_file *f, const char *name, const kiln_tensor *near,
                  int dtype, int32_t ndim, const int64_t *shape, kiln_tensor **out)
{
    (void)near;
    return told(h, weights_tensor(file(f), name, dtype, ndim, shape, out));
}

static const char *meta(const kiln_file *f, const char *key)
{
    return weights_meta(file(f), key);
}

static int json(const kiln_file *f, const char *document, const char *pointer, double *number,
                const char **text)
{
    return weights_json(file(f), document, pointer, number, text);
}

static int write_file(const kiln_host *h, const char *path, uint32_t n, const char *const *name,
                      const kiln_tensor *const *t, const char *const *pairs)
{
    return told(h, weights_write(path, n, name, t, pairs));
}

const kiln_weights test_weights = {
    .size = sizeof(test_weights),
    .open = open_file,
    .close = close_file,
    .entry = entry,
    .tensor = tensor,
    .meta = meta,
    .json = json,
    .write = write_file,
    .stored = stored,
};
