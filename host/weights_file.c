// SPDX-License-Identifier: MIT
#include "weights_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "safetensors_text.h"
#include "util.h"
#include "weights_part.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct weights_entry *)a)->name, ((const struct weights_entry *)b)->name);
}

static int index_slots(struct weights_file *f)
{
    if (f->n_slots)
        qsort(f->slot, f->n_slots, sizeof(*f->slot), by_name);
    for (uint32_t i = 1; i < f->n_slots; i++) {
        const char *name = f->slot[i].entry.name;
        if (!strcmp(name, f->slot[i - 1].entry.name))
            return fail(KILN_ERR_IO, "tensor '%.*s' is there twice", st_clip(name), name);
    }
    return KILN_OK;
}

static int open_any(const char *path, int half, struct weights_file **out)
{
    struct stat s;
    *out = NULL;
    if (stat(path, &s))
        return fail(KILN_ERR_IO, "%s: %s", path, errno_text(errno));
    struct weights_file *f = xcalloc(1, sizeof(*f));
    f->path = xstrdup(path);
    f->documents = weights_documents_new();
    int e = S_ISDIR(s.st_mode) ? weights_open_folder(f, half) : weights_add_part(f, NULL, path);
    if (!e)
        e = index_slots(f);
    if (e) {
        weights_close(f);
        return fail_in(e, "%s", path);
    }
    *out = f;
    return KILN_OK;
}

int weights_open(const char *path, struct weights_file **out)
{
    return open_any(path, 0, out);
}

int weights_open_half(const char *path, struct weights_file **out)
{
    return open_any(path, 1, out);
}

void weights_close(struct weights_file *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->n_parts; i++) {
        struct weights_part *part = &f->part[i];
        st_free(&part->header);
        torch_close(&part->torch);
        if (part->p)
            munmap((void *)(uintptr_t)part->p, part->n);
        free(part->name);
    }
    weights_documents_free(f->documents);
    free(f->part);
    free(f->slot);
    free(f->path);
    free(f);
}

const char *weights_path(const struct weights_file *f)
{
    return f->path;
}

const struct weights_entry *weights_entry(const struct weights_file *f, uint64_t i)
{
    return i < f->n_slots ? &f->slot[i].entry : NULL;
}

static const struct weights_slot *find(const struct weights_file *f, const char *name)
{
    struct weights_entry wanted = {.name = name};
    return f->n_slots ? bsearch(&wanted, f->slot, f->n_slots, sizeof(*f->slot), by_name) : NULL;
}

const struct weights_entry *weights_find(const struct weights_file *f, const char *name)
{
    const struct weights_slot *s = find(f, name);
    return s ? &s->entry : NULL;
}

static int is_float(int dtype)
{
    return dtype == KILN_F32 || dtype == KILN_F64 || dtype == KILN_F16 || dtype == KILN_BF16;
}

static int64_t integer_at(const kiln_tensor *t, int64_t i)
{
    const void *p = tensor_data(t);
    switch (tensor_dtype(t)) {
    case KILN_I64:
        return ((const int64_t *)p)[i];
    case KILN_I32:
        return ((const int32_t *)p)[i];
    default:
        return ((const uint8_t *)p)[i];
    }
}

// Whole numbers to whole numbers: exactly, or not at all.
static int convert_integers(const kiln_tensor *from, int dtype, kiln_tensor **out)
{
    int e = tensor_new(dtype, from->ndim, from->shape, out);
    int64_t n = kiln_numel(from);
    for (int64_t i = 0; !e && i < n; i++) {
        int64_t v = integer_at(from, i);
        void *p = tensor_data(*out);
        if (dtype == KILN_I64)
            ((int64_t *)p)[i] = v;
        else if (dtype == KILN_I32 && v == (int32_t)v)
            ((int32_t *)p)[i] = (int32_t)v;
        else if (dtype == KILN_U8 && v == (uint8_t)v)
            ((uint8_t *)p)[i] = (uint8_t)v;
        else
            e = fail(KILN_ERR_ARG, "a number is too large for the type asked for: %lld",
                     (long long)v);
    }
    if (e) {
        tensor_unref(*out);
        *out = NULL;
    }
    return e;
}

static int check_shape(const struct weights_entry *e, int32_t ndim, const int64_t *shape)
{
    int same = e->ndim == ndim;
    for (int32_t i = 0; same && i < ndim; i++)
        same = e->shape[i] == shape[i];
    return same ? KILN_OK
                : fail(KILN_ERR_SHAPE, "tensor '%.*s' is %s, not %s", st_clip(e->name), e->name,
                       shape_text(e->ndim, e->shape), shape_text(ndim, shape));
}

// Copies piece by piece and lets go of the file's pages: they would count as ours, and a model that
// passes through memory would in the end be there as a whole. They stay in the system's cache.
static void copy_mapped(unsigned char *to, const unsigned char *from, size_t n)
{
    const size_t piece = 16 << 20, page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0, size; at < n; at += size) {
        size = n - at < piece ? n - at : piece;
        memcpy(to + at, from + at, size);
        uintptr_t begin = ((uintptr_t)(from + at) + page - 1) / page * page;
        uintptr_t end = (uintptr_t)(from + at + size) / page * page;
        if (n >= 1 << 20 && end > begin)
            madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
}

static int raw_tensor(const struct weights_file *f, const struct weights_slot *s, kiln_tensor **out)
{
    int e = tensor_new(s->entry.dtype, s->entry.ndim, s->entry.shape, out);
    if (e)
        return e;
    if (s->torch)
        e = torch_copy(&f->part[s->part].torch, s->torch, tensor_data(*out));
    else
        copy_mapped(tensor_data(*out), s->entry.data, tensor_bytes(*out));
    if (e) {
        tensor_unref(*out);
        *out = NULL;
    }
    return e;
}

// raw, taken over, as dtype.
static int convert(const struct weights_file *f, const char *name, kiln_tensor *raw, int dtype,
                   kiln_tensor **out)
{
    if (!dtype || dtype == tensor_dtype(raw)) {
        *out = raw;
        return KILN_OK;
    }
    int e = is_float(dtype) ? tensor_convert(raw, dtype, out) : convert_integers(raw, dtype, out);
    tensor_unref(raw);
    return e ? fail_in(e, "%s: tensor '%.*s'", f->path, st_clip(name), name) : KILN_OK;
}

static int check_type(const struct weights_entry *e, int dtype)
{
    return dtype && is_float(e->dtype) && !is_float(dtype)
               ? fail(KILN_ERR_ARG, "tensor '%.*s' holds no whole numbers", st_clip(e->name),
                      e->name)
               : KILN_OK;
}

static int not_there(const struct weights_file *f, const char *name)
{
    return fail(KILN_ERR_IO, "%s: no tensor '%.*s' is there", f->path, st_clip(name), name);
}

int weights_tensor(const struct weights_file *f, const char *name, int dtype, int32_t ndim,
                   const int64_t *shape, kiln_tensor **out)
{
    const struct weights_slot *s = find(f, name);
    *out = NULL;
    if (!s)
        return not_there(f, name);
    kiln_tensor *raw;
    int e = shape ? check_shape(&s->entry, ndim, shape) : KILN_OK;
    e = e ? e : check_type(&s->entry, dtype);
    e = e ? e : raw_tensor(f, s, &raw);
    return e ? fail_in(e, "%s", f->path) : convert(f, name, raw, dtype, out);
}

// Rows of a table [rows,width] as they are stored, in place where the file has them so.
static int raw_rows(const struct weights_file *f, const struct weights_slot *s, uint64_t n,
                    const int32_t *row, kiln_tensor **out)
{
    const struct weights_entry *x = &s->entry;
    if (x->ndim != 2)
        return fail(KILN_ERR_SHAPE, "tensor '%.*s' is %s, not a table", st_clip(x->name), x->name,
                    shape_text(x->ndim, x->shape));
    for (uint64_t i = 0; i < n; i++)
        if (row[i] < 0 || row[i] >= x->shape[0])
            return fail(KILN_ERR_ARG, "tensor '%.*s' of %lld rows has no row %d", st_clip(x->name),
                        x->name, (long long)x->shape[0], (int)row[i]);
    kiln_tensor *all = NULL;
    int e = s->torch ? raw_tensor(f, s, &all) : KILN_OK;
    e = e ? e : tensor_new(x->dtype, 2, (int64_t[]){(int64_t)n, x->shape[1]}, out);
    const char *from = all ? tensor_data(all) : x->data;
    const size_t bytes = dtype_size(x->dtype) * (size_t)x->shape[1];
    for (uint64_t i = 0; i < n && !e; i++)
        memcpy((char *)tensor_data(*out) + i * bytes, from + (size_t)row[i] * bytes, bytes);
    tensor_unref(all);
    return e;
}

int weights_rows(const struct weights_file *f, const char *name, int dtype, uint64_t n,
                 const int32_t *row, kiln_tensor **out)
{
    const struct weights_slot *s = find(f, name);
    *out = NULL;
    if (!s)
        return not_there(f, name);
    kiln_tensor *raw;
    int e = check_type(&s->entry, dtype);
    e = e ? e : raw_rows(f, s, n, row, &raw);
    return e ? fail_in(e, "%s", f->path) : convert(f, name, raw, dtype, out);
}

const char *weights_meta(const struct weights_file *f, const char *key)
{
    for (uint32_t i = 0; i < f->n_parts; i++) {
        const struct torch_file *t = &f->part[i].torch;
        const char *s = st_string(&f->part[i].header, key);
        for (uint32_t k = 0; !s && k < t->n_strings; k++)
            if (!strcmp(t->string[k].key, key))
                s = t->string[k].value;
        if (s)
            return s;
    }
    return NULL;
}

int weights_write(const char *path, uint32_t n, const char *const *name,
                  const kiln_tensor *const *tensor, const char *const *meta)
{
    uint32_t m = 0;
    struct st_string *string = NULL;
    for (; meta && meta[2 * m]; m++) {
        GROW(string, m);
        string[m] = (struct st_string){meta[2 * m], meta[2 * m + 1]};
    }
    uint32_t *order = xcalloc((size_t)n + 1, sizeof(*order));
    void *header;
    size_t bytes;
    struct file_atomic file = {.fd = -1, .slot = -1};
    int e = st_header_write(n, name, tensor, m, string, order, &header, &bytes);
    if (e)
        e = fail_in(e, "%s", path);
    else if (!(e = file_atomic_open(path, &file)))
        e = file_atomic_write(&file, header, bytes);
    for (uint32_t i = 0; i < n && !e; i++)
        if (tensor_bytes(tensor[order[i]]))
            e = file_atomic_write(&file, tensor_data(tensor[order[i]]),
                                  tensor_bytes(tensor[order[i]]));
    if (!e)
        e = file_atomic_commit(&file);
    else
        file_atomic_abort(&file);
    free(header);
    free(order);
    free(string);
    return e;
}
