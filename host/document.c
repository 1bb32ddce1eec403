// SPDX-License-Identifier: MIT
#include "document.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "file.h"

ssize_t stream_bytes(struct stream_reader *r, void *to, size_t n)
{
    size_t have = r->n_start < n ? r->n_start : n, more;
    if (have)
        memcpy(to, r->start, have);
    r->start += have;
    r->n_start -= have;
    int e = fd_take(r->fd, r->name, (char *)to + have, n - have, &more);
    return e ? e : (ssize_t)(have + more);
}

static int cut_off(struct stream_reader *r, const char *where)
{
    return fail(KILN_ERR_IO, "%s is cut off in %s of document %lld", r->name, where,
                (long long)r->count);
}

void document_free(struct document *d)
{
    for (uint32_t i = 0; d->tensor && i < d->head.n_tensors; i++)
        tensor_unref(d->tensor[i]);
    free(d->tensor);
    st_free(&d->head);
    *d = (struct document){0};
}

int document_read(struct stream_reader *r, struct document *d)
{
    unsigned char length[8];
    *d = (struct document){0};
    ssize_t got = stream_bytes(r, length, 8);
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
    got = stream_bytes(r, json, (size_t)n);
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
        got = stream_bytes(r, tensor_data(d->tensor[i]), tensor_bytes(d->tensor[i]));
        if (got < 0)
            e = (int)got;
        else if ((size_t)got < tensor_bytes(d->tensor[i]))
            e = cut_off(r, t->name);
    }
    if (e)
        document_free(d);
    return e;
}

kiln_tensor *document_take(struct document *d, const char *name)
{
    for (uint32_t i = 0; i < d->head.n_tensors; i++)
        if (d->tensor[i] && !strcmp(d->head.tensor[i].name, name)) {
            kiln_tensor *t = d->tensor[i];
            d->tensor[i] = NULL;
            return t;
        }
    return NULL;
}
