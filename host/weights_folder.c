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

// The names that the libraries give, in order of preference: safetensors before pickles, and of the
// variants that in full precision first, or for open_half those in half.
enum { FORMATS = 2, VARIANTS = 3, STEMS = 2, KINDS = 3 };
static const char *const stems[FORMATS][STEMS] = {{"model", "diffusion_pytorch_model"},
                                                  {"pytorch_model", "diffusion_pytorch_model"}};
static const char *const endings[FORMATS] = {"safetensors", "bin"};
static const char *const variants[2][VARIANTS] = {{"", ".fp16", ".bf16"}, {".fp16", ".bf16", ""}};

// One file; an index; the same as older versions of diffusers name that of a variant. To be freed.
static char *name_of(const char *stem, const char *ending, const char *variant, int kind)
{
    switch (kind) {
    case 0:
        return xformat("%s%s.%s", stem, variant, ending);
    case 1:
        return xformat("%s.%s.index%s.json", stem, ending, variant);
    default:
        return xformat("%s.%s%s.index.json", stem, ending, variant);
    }
}

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
    for (uint32_t i = 0; i < f->n_slots; i++)
        json_object_del(map, f->slot[i].entry.name);
    void *left = json_object_iter(map);
    if (left)
        return fail(KILN_ERR_IO, "tensor '%.*s' is not in %s", st_clip(json_object_iter_key(left)),
                    json_object_iter_key(left), json_string_value(json_object_iter_value(left)));
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
    for (int i = 0; i < FORMATS * VARIANTS * STEMS * KINDS; i++) {
        int kind = i % KINDS, stem = i / KINDS % STEMS, variant = i / (KINDS * STEMS) % VARIANTS,
            format = i / (KINDS * STEMS * VARIANTS);
        char *name =
            name_of(stems[format][stem], endings[format], variants[half != 0][variant], kind);
        int there = exists(f->path, name), e = KILN_OK;
        if (there)
            e = kind ? open_index(f, name) : weights_add_part(f, f->path, name);
        free(name);
        if (there)
            return e;
    }
    if (has_json(f->path))
        return KILN_OK;
    return fail(KILN_ERR_IO, "a folder without weights (model.safetensors, "
                             "diffusion_pytorch_model.safetensors, or the same in shards)");
}
