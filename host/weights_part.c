// Mapping a file of weights and checking it as a whole.
// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "weights_part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "safetensors_text.h"
#include "util.h"

static int map_file(const char *path, struct weights_part *part)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // no waiting for a FIFO's writer
    if (fd < 0)
        return fail(KILN_ERR_IO, "%s", errno_text(errno));
    int e = KILN_OK;
    if (fstat(fd, &s))
        e = fail(KILN_ERR_IO, "%s", errno_text(errno));
    else if (!S_ISREG(s.st_mode))
        e = fail(KILN_ERR_IO, "not a regular file");
    else if (!s.st_size)
        e = fail(KILN_ERR_IO, "the file is empty");
    if (!e) {
        void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            e = fail(KILN_ERR_IO, "%s", errno_text(errno));
        } else {
            part->p = p;
            part->n = (size_t)s.st_size;
        }
    }
    close(fd);
    return e;
}

static int open_safetensors(struct weights_part *part)
{
    static const char pointer[] = "version https://git-lfs";
    uint64_t length = 0;
    if (part->n < 8)
        return fail(KILN_ERR_IO, "too short for a safetensors file");
    if (part->n >= sizeof(pointer) - 1 && !memcmp(part->p, pointer, sizeof(pointer) - 1))
        return fail(KILN_ERR_IO,
                    "a pointer of Git LFS in place of the file: 'git lfs pull' brings it");
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)part->p[i] << 8 * i;
    if (part->n == 8 || part->p[8] != '{')
        return fail(KILN_ERR_IO, "neither a safetensors file nor one of torch.save");
    if (length > SAFETENSORS_MAX_HEADER)
        return fail(KILN_ERR_IO, "a safetensors header of more than 16 MiB, or no such file");
    if (length > part->n - 8)
        return fail(KILN_ERR_IO, "the file is truncated within its header");
    int e = st_parse((const char *)part->p + 8, (size_t)length, &part->header);
    if (e)
        return e;
    uint64_t want = part->header.data_bytes, have = part->n - 8 - length;
    if (have < want) {
        const struct st_tensor *t = part->header.tensor;  // the first that is not whole
        while (t->end <= have)
            t++;
        return fail(KILN_ERR_IO,
                    "the file is truncated in tensor '%.*s': %llu of %llu bytes of data are there",
                    st_clip(t->name), t->name, (unsigned long long)have, (unsigned long long)want);
    }
    if (have > want)
        return fail(KILN_ERR_IO, "%llu bytes follow the last tensor",
                    (unsigned long long)(have - want));
    return KILN_OK;
}

static struct weights_slot *add_slot(struct weights_file *f, const char *name, int dtype,
                                     int32_t ndim, const int64_t *shape)
{
    GROW(f->slot, f->n_slots);
    struct weights_slot *s = &f->slot[f->n_slots++];
    *s = (struct weights_slot){.entry = {.name = name, .dtype = dtype, .ndim = ndim},
                               .part = f->n_parts - 1};
    memcpy(s->entry.shape, shape, (size_t)ndim * sizeof(*shape));
    return s;
}

static void add_slots(struct weights_file *f, const struct weights_part *part)
{
    const struct st_header *h = &part->header;
    const unsigned char *data = part->p + part->n - h->data_bytes;
    for (uint32_t i = 0; i < h->n_tensors; i++) {
        const struct st_tensor *t = &h->tensor[i];
        add_slot(f, t->name, t->dtype, t->ndim, t->shape)->entry.data = data + t->begin;
    }
    for (uint32_t i = 0; i < part->torch.n_tensors; i++) {
        const struct torch_tensor *t = &part->torch.tensor[i];
        struct weights_slot *s = add_slot(f, t->name, t->dtype, t->ndim, t->shape);
        s->torch = t;
        s->entry.data = t->plain ? t->data : NULL;
    }
}

int weights_add_part(struct weights_file *f, const char *folder, const char *name)
{
    GROW(f->part, f->n_parts);
    struct weights_part *part = &f->part[f->n_parts++];
    *part = (struct weights_part){.name = xstrdup(name)};
    char *path = folder ? xformat("%s/%s", folder, name) : xstrdup(name);
    int e = map_file(path, part);
    free(path);
    if (!e)
        e = torch_is_file(part->p, part->n) ? torch_open(part->p, part->n, &part->torch)
                                            : open_safetensors(part);
    if (e)
        return folder ? fail_in(e, "%s", name) : e;
    add_slots(f, part);
    return KILN_OK;
}
