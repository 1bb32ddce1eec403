// SPDX-License-Identifier: MIT
#include "torch_file.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "safetensors_text.h"
#include "utf8.h"
#include "util.h"
#include "zip.h"

// Bounds on what a small file may unfold to by naming one thing many times.
enum { MAX_NESTING = 32, MAX_VISITS = 1 << 20, MAX_NAME_BYTES = 1 << 26 };

struct torch_records {
    struct zip zip;
    atomic_char *checked;  // [zip.n]: the checksum was right
};

static const uint8_t dtype_of[] = {
    [PICKLE_F64] = KILN_F64,   [PICKLE_F32] = KILN_F32, [PICKLE_F16] = KILN_F16,
    [PICKLE_BF16] = KILN_BF16, [PICKLE_I64] = KILN_I64, [PICKLE_I32] = KILN_I32,
    [PICKLE_I16] = KILN_I32,   [PICKLE_I8] = KILN_I32,  [PICKLE_U8] = KILN_U8,
    [PICKLE_TRUTH] = KILN_U8,
};

struct walk {
    struct torch_file *file;
    const struct pickle *pickle;
    const char *root;  // folder within the zip
    struct text path;
    uint32_t visits;
    size_t bytes;  // of all names and texts
};

static char *keep_text(struct walk *w, const char *s)
{
    w->bytes += strlen(s) + 1;
    return xstrdup(s);
}

static const char *path_of(const struct walk *w)
{
    return w->path.s ? w->path.s : "";
}

// Where the data of a storage lies; its size must be what the pickle says.
static int find_record(const struct walk *w, const struct pickle_value *storage, uint32_t *record)
{
    char *name = xformat("%s/data/%s", w->root, storage->u.storage.key);
    const struct zip *zip = &w->file->records->zip;
    const struct zip_entry *e = zip_find(zip, name);
    free(name);
    if (!e)
        return fail(KILN_ERR_IO, "the data of tensor '%.*s' is missing", st_clip(path_of(w)),
                    path_of(w));
    if (e->compressed)
        return zip_check(e);
    uint64_t size = pickle_item_size(storage->u.storage.item);
    if (e->bytes / size != storage->u.storage.numel || e->bytes % size)
        return fail(KILN_ERR_IO,
                    "the data of tensor '%.*s' is %" PRIu64 " bytes, not %" PRIu64
                    " elements of %" PRIu64,
                    st_clip(path_of(w)), path_of(w), e->bytes, storage->u.storage.numel, size);
    *record = (uint32_t)(e - zip->entry);
    return KILN_OK;
}

static int add_tensor(struct walk *w, const struct pickle_tensor *t)
{
    const struct pickle_value *storage = &w->pickle->value[t->storage];
    struct torch_file *f = w->file;
    uint32_t record = 0;
    int e = find_record(w, storage, &record);
    if (e)
        return e;
    if (!utf8_valid(path_of(w)))
        return fail(KILN_ERR_IO, "the name of a tensor is not UTF-8");
    GROW(f->tensor, f->n_tensors);
    struct torch_tensor *out = &f->tensor[f->n_tensors++];
    *out = (struct torch_tensor){.name = keep_text(w, path_of(w)),
                                 .item = storage->u.storage.item,
                                 .ndim = t->ndim,
                                 .numel = t->numel,
                                 .record = record};
    out->dtype = dtype_of[out->item];
    uint64_t contiguous = 1;
    int plain = 1;
    for (int32_t i = t->ndim; i-- > 0;) {
        out->shape[i] = (int64_t)t->shape[i];
        out->stride[i] = t->stride[i];
        if (t->shape[i] != 1 && t->stride[i] != contiguous)
            plain = 0;
        if (t->numel)  // else the product may overflow, and nothing is ever read
            contiguous *= t->shape[i];
    }
    size_t size = pickle_item_size(out->item);
    out->plain = !t->numel || (plain && size == dtype_size(out->dtype));
    if (t->numel)
        out->data = f->records->zip.entry[record].data + t->offset * size;
    return KILN_OK;
}

// Texts and numbers, as the metadata of a safetensors file would have them.
static int add_string(struct walk *w, const struct pickle_value *v)
{
    struct torch_file *f = w->file;
    struct text value = {0};
    switch (v->kind) {
    case PICKLE_TEXT:
        text_add(&value, v->u.text);
        break;
    case PICKLE_INT:
        text_format(&value, "%" PRId64, v->u.integer);
        break;
    case PICKLE_BOOL:
        text_add(&value, v->u.integer ? "true" : "false");
        break;
    case PICKLE_FLOAT:
        text_double(&value, v->u.number);
        break;
    default:
        return KILN_OK;  // None, bytes, storages without a tensor
    }
    char *s = text_take(&value);
    if (!utf8_valid(s) || !utf8_valid(path_of(w))) {
        free(s);
        return KILN_OK;
    }
    w->bytes += strlen(s) + 1;
    GROW(f->string, f->n_strings);
    f->string[f->n_strings++] = (struct st_string){keep_text(w, path_of(w)), s};
    return KILN_OK;
}

static int add_key(struct walk *w, const struct pickle_value *key, int depth)
{
    if (depth)
        text_add(&w->path, ".");
    if (key->kind == PICKLE_TEXT)
        text_add(&w->path, key->u.text);
    else if (key->kind == PICKLE_INT)
        text_format(&w->path, "%" PRId64, key->u.integer);
    else
        return fail(KILN_ERR_IO, "a key that is neither a text nor a whole number");
    return KILN_OK;
}

static int visit(struct walk *w, uint32_t index, int depth)
{
    const struct pickle_value *v = &w->pickle->value[index];
    if (depth > MAX_NESTING || ++w->visits > MAX_VISITS || w->bytes > MAX_NAME_BYTES)
        return fail(KILN_ERR_IO, "its dictionaries are nested too deeply or hold too much");
    if (v->kind == PICKLE_TENSOR)
        return add_tensor(w, v->u.tensor);
    if (v->kind != PICKLE_DICT && v->kind != PICKLE_LIST && v->kind != PICKLE_TUPLE)
        return add_string(w, v);
    size_t length = w->path.n;
    int dict = v->kind == PICKLE_DICT, e = KILN_OK;
    for (uint32_t i = 0; i < v->n && !e; i += dict ? 2 : 1) {
        struct pickle_value number = {.kind = PICKLE_INT, .u.integer = i};
        e = add_key(w, dict ? &w->pickle->value[v->u.item[i]] : &number, depth);
        if (!e)
            e = visit(w, v->u.item[i + (uint32_t)dict], depth + 1);
        w->path.n = length;
        if (w->path.s)
            w->path.s[length] = 0;
    }
    return e;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct torch_tensor *)a)->name, ((const struct torch_tensor *)b)->name);
}

static int flatten(struct walk *w)
{
    struct torch_file *f = w->file;
    int e = visit(w, w->pickle->root, 0);
    text_free(&w->path);
    if (e)
        return e;
    if (!f->n_tensors)
        return fail(KILN_ERR_IO, "holds no tensors");
    qsort(f->tensor, f->n_tensors, sizeof(*f->tensor), by_name);
    for (uint32_t i = 1; i < f->n_tensors; i++)
        if (!strcmp(f->tensor[i].name, f->tensor[i - 1].name))
            return fail(KILN_ERR_IO, "two tensors are named '%.*s'", st_clip(f->tensor[i].name),
                        f->tensor[i].name);
    if (f->n_strings)
        qsort(f->string, f->n_strings, sizeof(*f->string), st_by_key);
    return KILN_OK;
}

// The one entry <folder>/data.pkl; *root is the folder, to be freed.
static int find_pickle(const struct zip *zip, const struct zip_entry **out, char **root)
{
    static const char tail[] = "/data.pkl";
    *out = NULL;
    for (uint32_t i = 0; i < zip->n; i++) {
        const char *name = zip->entry[i].name;
        size_t n = strlen(name), t = sizeof(tail) - 1;
        if (n <= t || strcmp(name + n - t, tail) || strchr(name, '/') != name + n - t)
            continue;
        if (*out)
            return fail(KILN_ERR_IO, "a zip file with two data.pkl");
        *out = &zip->entry[i];
    }
    if (!*out)
        return fail(KILN_ERR_IO, "a zip file, but not one of torch.save: data.pkl is missing");
    *root = xstrndup((*out)->name, strlen((*out)->name) - (sizeof(tail) - 1));
    return KILN_OK;
}

static int check_kind(const struct zip *zip, const char *root)
{
    char *order = xformat("%s/byteorder", root), *code = xformat("%s/constants.pkl", root);
    const struct zip_entry *b = zip_find(zip, order);
    int e = KILN_OK;
    if (b && (b->compressed || b->bytes != 6 || memcmp(b->data, "little", 6)))
        e = fail(KILN_ERR_IO, "written on a machine of another byte order");
    else if (zip_find(zip, code))
        e = fail(KILN_ERR_IO,
                 "a TorchScript archive, not a state dict: save net.state_dict() instead");
    free(order);
    free(code);
    return e;
}

static const unsigned char legacy_magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
                                             0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

static int begins(const unsigned char *p, size_t n, const void *with, size_t length)
{
    return n >= length && !memcmp(p, with, length);
}

int torch_is_file(const unsigned char *p, size_t n)
{
    return begins(p, n, "PK\3\4", 4) || begins(p, n, legacy_magic, sizeof(legacy_magic));
}

int torch_open(const unsigned char *p, size_t n, struct torch_file *out)
{
    *out = (struct torch_file){0};
    if (begins(p, n, legacy_magic, sizeof(legacy_magic)))
        return fail(KILN_ERR_IO, "the old format of torch.save (before PyTorch 1.6), which is not "
                                 "read: load it in PyTorch and save it again");
    const struct zip_entry *data;
    struct pickle pickle = {0};
    struct walk w = {.file = out, .pickle = &pickle};
    char *root = NULL;
    out->records = xcalloc(1, sizeof(*out->records));
    struct zip *zip = &out->records->zip;
    int e = zip_open(p, n, zip);
    if (!e)
        e = find_pickle(zip, &data, &root);
    if (!e)
        e = check_kind(zip, root);
    if (!e)
        e = zip_check(data);
    if (!e)
        e = pickle_read(data->data, (size_t)data->bytes, &pickle);
    if (!e) {
        out->records->checked = xcalloc(zip->n, sizeof(*out->records->checked));
        w.root = root;
        e = flatten(&w);
    }
    pickle_free(&pickle);
    free(root);
    if (e)
        torch_close(out);
    return e;
}

void torch_close(struct torch_file *f)
{
    for (uint32_t i = 0; i < f->n_tensors; i++)
        free(f->tensor[i].name);
    for (uint32_t i = 0; i < f->n_strings; i++) {
        free((char *)(uintptr_t)f->string[i].key);
        free((char *)(uintptr_t)f->string[i].value);
    }
    free(f->tensor);
    free(f->string);
    if (f->records) {
        zip_close(&f->records->zip);
        free(f->records->checked);
        free(f->records);
    }
    *f = (struct torch_file){0};
}

static void copy_item(enum pickle_item item, const unsigned char *from, unsigned char *to)
{
    int32_t wide;
    int16_t half;
    switch (item) {
    case PICKLE_I16:
        memcpy(&half, from, sizeof(half));
        wide = half;
        memcpy(to, &wide, sizeof(wide));
        break;
    case PICKLE_I8:
        wide = (int8_t)*from;
        memcpy(to, &wide, sizeof(wide));
        break;
    case PICKLE_TRUTH:
        *to = *from != 0;
        break;
    default:
        memcpy(to, from, pickle_item_size(item));
    }
}

int torch_copy(const struct torch_file *f, const struct torch_tensor *t, void *out)
{
    atomic_char *checked = &f->records->checked[t->record];
    if (!t->numel)
        return KILN_OK;
    if (!atomic_load(checked)) {
        int e = zip_check(&f->records->zip.entry[t->record]);
        if (e)
            return e;
        atomic_store(checked, 1);
    }
    size_t from = pickle_item_size(t->item), to = dtype_size(t->dtype);
    if (t->plain && t->item != PICKLE_TRUTH) {
        memcpy(out, t->data, (size_t)t->numel * from);
        return KILN_OK;
    }
    int64_t at[TENSOR_MAX_DIM] = {0};
    unsigned char *p = out;
    uint64_t q = 0;  // wraps where a stride that is never taken is huge
    for (uint64_t i = 0; i < t->numel; i++, p += to) {
        copy_item(t->item, t->data + q, p);
        for (int32_t d = t->ndim; d-- > 0;) {  // the next place, last dimension first
            q += t->stride[d] * from;
            if (++at[d] < t->shape[d])
                break;
            q -= t->stride[d] * (uint64_t)t->shape[d] * from;
            at[d] = 0;
        }
    }
    return KILN_OK;
}
