// Folders as Hugging Face's libraries write them: one file, or shards with an index.
// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "file.h"
#include "safetensors_text.h"
#include "util.h"
#include "weights_part.h"

enum { MAX_INDEX_BYTES = 64 << 20 };

enum { FULL = 4, HALF = 4 };
// In order of preference; an index ends in .json. First those in full precision, then in half.
static const char *const candidates[] = {
    "model.safetensors",
    "model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "model.fp16.safetensors",
    "model.safetensors.index.fp16.json",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.safetensors.index.fp16.json",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
};

static int exists(const char *folder, const char *name)
{
    struct stat s;
    char *path = xformat("%s/%s", folder, name);
    int there = !stat(path, &s);
    free(path);
    return there;
}

static int has_json(const char *folder)
{
    DIR *d = opendir(folder);
    int found = 0;
    if (!d)
        return 0;
    for (const struct dirent *e; !found && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        found = n > 5 && !strcmp(e->d_name + n - 5, ".json");
    }
    closedir(d);
    return found;
}

static int find_part(const struct weights_file *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_parts; i++)
        if (!strcmp(f->part[i].name, name))
            return (int)i;
    return -1;
}

// Every tensor of the map is in its shard; open_map opens shards as they are named.
static int open_map(struct weights_file *f, json_t *map)
{
    for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it)) {
        const char *shard = json_string_value(json_object_iter_value(it));
        if (!shard || !*shard || *shard == '.' || strchr(shard, '/'))
            return fail(KILN_ERR_IO, "weight_map: the shard of '%.*s' is not a plain file name",
                        st_clip(json_object_iter_key(it)), json_object_iter_key(it));
        if (find_part(f, shard) < 0) {
            int e = weights_add_part(f, f->path, shard);
            if (e)
                return e;
        }
    }
    return KILN_OK;
}

static int check_map(const struct weights_file *f, json_t *map)
{
    for (uint32_t i = 0; i < f->n_slots; i++) {
        const char *name = f->slot[i].entry.name, *part = f->part[f->slot[i].part].name;
        const char *shard = json_string_value(json_object_get(map, name));
        if (!shard || strcmp(shard, part))
            return fail(KILN_ERR_IO, "tensor '%.*s' is in %s, %s%s", st_clip(name), name, part,
                        shard ? "not in " : "which the index does not say", shard ? shard : "");
    }
    // Each tensor there is agrees and no shard names one twice, so equal counts leave no gap.
    if (json_object_size(map) == f->n_slots)
        return KILN_OK;
    for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it)) {
        const char *name = json_object_iter_key(it);
        const struct weights_part *part =
            &f->part[find_part(f, json_string_value(json_object_iter_value(it)))];
        if (!part->header.priv || !st_find(&part->header, name))
            return fail(KILN_ERR_IO, "tensor '%.*s' is not in %s", st_clip(name), name, part->name);
    }
    return fail(KILN_ERR_IO, "the index and the shards differ");
}

static int open_index(struct weights_file *f, const char *name)
{
    char *path = xformat("%s/%s", f->path, name);
    void *bytes;
    size_t n;
    int e = file_read(path, MAX_INDEX_BYTES, &bytes, &n);
    free(path);
    if (e)
        return e;
    json_error_t why;
    json_t *root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &why);
    free(bytes);
    json_t *map = json_object_get(root, "weight_map");
    if (!root)
        e = fail(KILN_ERR_IO, "%s in line %d", why.text, why.line);
    else if (!json_is_object(map))
        e = fail(KILN_ERR_IO, "'weight_map' is missing");
    else if (!(e = open_map(f, map)))
        e = check_map(f, map);
    json_decref(root);
    return e ? fail_in(e, "%s", name) : KILN_OK;
}

int weights_open_folder(struct weights_file *f, int half)
{
    f->folder = 1;
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        const char *name = candidates[half && i < FULL + HALF ? (i + FULL) % (FULL + HALF) : i];
        if (!exists(f->path, name))
            continue;
        return strcmp(name + strlen(name) - 5, ".json") ? weights_add_part(f, f->path, name)
                                                        : open_index(f, name);
    }
    if (has_json(f->path))
        return KILN_OK;
    return fail(KILN_ERR_IO, "a folder without weights (model.safetensors, "
                             "diffusion_pytorch_model.safetensors, or the same in shards)");
}
