// SPDX-License-Identifier: MIT
#include "origin.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "load_file.h"
#include "log.h"
#include "nodes.h"
#include "paths.h"

enum { MIB = 1 << 20, WHOLE = 64 * MIB, DEPTH = 4 };
// More in a folder, and it has no entry: it holds other things than a model or a set of images.
enum { MOST_FILES = 512, MOST_READ = 256 * MIB };

static const char *const keys[] = {"sha256", "sha256_ends", "sha256_list"};

// ---- digests ------------------------------------------------------------------------------------

// Files that this process has read: the same one again costs a stat.
static struct seen {
    struct stat st;
    char digest[SHA256_HEX + 1];
} * seen;
static size_t n_seen;

static const char *seen_digest(const struct stat *st)
{
    for (size_t i = 0; i < n_seen; i++) {
        const struct stat *s = &seen[i].st;
        if (s->st_dev == st->st_dev && s->st_ino == st->st_ino && s->st_size == st->st_size &&
            s->st_mtim.tv_sec == st->st_mtim.tv_sec && s->st_mtim.tv_nsec == st->st_mtim.tv_nsec)
            return seen[i].digest;
    }
    return NULL;
}

// n bytes from where fd stands, or to its end.
static int add_bytes(struct sha256 *sum, int fd, const char *path, uint64_t n)
{
    static char piece[MIB];
    size_t got = 1;
    while (n && got) {
        if (fd_take(fd, path, piece, n < MIB ? (size_t)n : MIB, &got))
            return 0;
        sha256_add(sum, piece, got);
        n -= got;
    }
    return 1;
}

static int look_at_file(const char *path, const struct stat *st, struct origin *out)
{
    struct sha256 sum;
    int fd, good;
    out->bytes = st->st_size;
    out->of = st->st_size > WHOLE ? ORIGIN_ENDS : ORIGIN_FILE;
    const char *known = seen_digest(st);
    if (known) {
        memcpy(out->digest, known, sizeof(out->digest));
        return 1;
    }
    if (file_open(path, &fd))
        return 0;
    sha256_init(&sum);
    if (out->of == ORIGIN_ENDS)
        good = add_bytes(&sum, fd, path, MIB) && lseek(fd, -(off_t)MIB, SEEK_END) >= 0 &&
               add_bytes(&sum, fd, path, MIB);
    else
        good = add_bytes(&sum, fd, path, UINT64_MAX);
    close(fd);
    if (!good)
        return 0;
    sha256_hex(&sum, out->digest);
    GROW(seen, n_seen);
    seen[n_seen].st = *st;
    memcpy(seen[n_seen++].digest, out->digest, sizeof(out->digest));
    return 1;
}

struct listing {
    struct sha256 sum;
    int64_t bytes, read;
    int files;
};

static int by_name(const void *a, const void *b)  // by bytes, whatever the locale
{
    return strcmp((*(struct dirent *const *)a)->d_name, (*(struct dirent *const *)b)->d_name);
}

static int look_at_folder(const char *folder, const char *prefix, int depth, struct listing *l)
{
    struct dirent **entry;
    int n = scandir(folder, &entry, NULL, NULL), good = n >= 0;
    if (n > 0)
        qsort(entry, (size_t)n, sizeof(*entry), by_name);
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name;
        char *path = xformat("%s/%s", folder, name), *shown = xformat("%s%s", prefix, name);
        struct origin file;
        struct stat st;
        if (!good || *name == '.' || stat(path, &st)) {
            // hidden, or a link to nowhere
        } else if (S_ISDIR(st.st_mode)) {
            char *inner = xformat("%s/", shown);
            good = !depth || look_at_folder(path, inner, depth - 1, l);
            free(inner);
        } else if (S_ISREG(st.st_mode)) {
            l->read += st.st_size > WHOLE ? 2 * MIB : st.st_size;
            good =
                l->files++ < MOST_FILES && l->read <= MOST_READ && look_at_file(path, &st, &file);
            char *line = good ? xformat("%s %lld %s\n", shown, (long long)st.st_size, file.digest)
                              : xstrdup("");
            sha256_add(&l->sum, line, strlen(line));
            l->bytes += st.st_size;
            free(line);
        }
        free(path);
        free(shown);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    return good;
}

int origin_look(const char *path, struct origin *out)
{
    struct stat st;
    char *found = xstrdup(load_path(path));
    *out = (struct origin){0};
    int good = !stat(found, &st);
    if (!good) {
        free(found);
        good = !path_model(path, &found) && !stat(found, &st);
        found = good ? found : NULL;
    }
    if (good && S_ISDIR(st.st_mode)) {
        struct listing l = {.files = 0};
        sha256_init(&l.sum);
        good = look_at_folder(found, "", DEPTH, &l);
        sha256_hex(&l.sum, out->digest);
        out->bytes = l.bytes;
        out->of = ORIGIN_LIST;
    } else {
        good = good && S_ISREG(st.st_mode) && look_at_file(found, &st, out);
    }
    free(found);
    if (good)
        out->path = xstrdup(path);
    return good;
}

// ---- lists --------------------------------------------------------------------------------------

static int has(const struct origins *o, const char *path)
{
    for (size_t i = 0; i < o->n; i++)
        if (!strcmp(o->item[i].path, path))
            return 1;
    return 0;
}

void origins_add_path(struct origins *to, const char *path)
{
    struct origin one;
    if (!*path || *path == '@' || !strcmp(path, "-") || has(to, path) || !origin_look(path, &one))
        return;
    GROW(to->item, to->n);
    to->item[to->n++] = one;
}

void origins_add(struct origins *to, const struct bound *b)
{
    enum kind kind = bound_kind(b);
    if (kind == KIND_SINK || kind == KIND_TRAINER || (b->def->builtin && b->def->builtin->writes))
        return;
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        uint32_t type = bound_param(b, i)->type;
        const kiln_value *v = &b->value[i];
        if (type == KILN_PATH)
            origins_add_path(to, v->s);
        for (uint32_t k = 0; type == KILN_PATHS && k < v->n; k++)
            origins_add_path(to, v->ss[k]);
        for (size_t k = 0; k < b->items[i].n; k++) {
            const struct item *item = &b->items[i].item[k];
            for (size_t j = 0; item->chain && j < item->chain->n; j++)
                origins_add(to, item->chain->node[j]);
            if (item->word)
                origins_add_path(to, item->word);
        }
    }
}

void origins_join(struct origins *to, const struct origins *from)
{
    for (size_t i = 0; i < from->n; i++) {
        if (has(to, from->item[i].path))
            continue;
        GROW(to->item, to->n);
        to->item[to->n] = from->item[i];
        to->item[to->n++].path = xstrdup(from->item[i].path);
    }
}

void origins_free(struct origins *o)
{
    for (size_t i = 0; i < o->n; i++)
        free(o->item[i].path);
    free(o->item);
    *o = (struct origins){0};
}

// ---- JSON ---------------------------------------------------------------------------------------

void origins_write(struct text *t, const struct origins *o, int base_names)
{
    text_add(t, "[");
    for (size_t i = 0; i < o->n; i++) {
        const struct origin *x = &o->item[i];
        text_add(t, i ? ",{\"path\":" : "{\"path\":");
        text_json(t, path_shown(x->path, base_names));
        text_format(t, ",\"size\":%lld,\"%s\":\"%s\"}", (long long)x->bytes, keys[x->of],
                    x->digest);
    }
    text_add(t, "]");
}

static int parse_one(const json_t *j, struct origin *out)
{
    const json_t *path = json_object_get(j, "path"), *size = json_object_get(j, "size");
    const char *text = json_string_value(path), *digest = NULL;
    for (int i = 0; i < 3; i++)
        if (json_is_string(json_object_get(j, keys[i]))) {
            digest = json_string_value(json_object_get(j, keys[i]));
            out->of = (enum origin_of)i;
        }
    if (!text || strlen(text) != json_string_length(path) || !json_is_integer(size) ||
        json_integer_value(size) < 0 || !digest || strlen(digest) != SHA256_HEX ||
        strspn(digest, "0123456789abcdef") != SHA256_HEX)
        return 0;
    out->bytes = json_integer_value(size);
    memcpy(out->digest, digest, sizeof(out->digest));
    out->path = xstrdup(text);
    return 1;
}

int origins_parse(const json_t *list, struct origins *out)
{
    json_t *j;
    size_t i;
    *out = (struct origins){0};
    json_array_foreach(list, i, j)
    {
        struct origin one;
        if (!parse_one(j, &one)) {
            origins_free(out);
            return 0;
        }
        GROW(out->item, out->n);
        out->item[out->n++] = one;
    }
    return json_is_array(list);
}

void origin_text(struct text *t, const struct origin *o)
{
    text_word(t, o->path);
    text_format(t, ": %lld bytes, %s %s", (long long)o->bytes, keys[o->of], o->digest);
}

// ---- comparing ----------------------------------------------------------------------------------

void origins_compare(const struct origins *o, const char *verb)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct origin *then = &o->item[i];
        struct origin now;
        if (!origin_look(then->path, &now)) {
            log_line(KILN_LOG_WARNING, "%s: input '%s' is missing here", verb, then->path);
            continue;
        }
        if (now.of != then->of || now.bytes != then->bytes || strcmp(now.digest, then->digest))
            log_line(KILN_LOG_WARNING,
                     "%s: input '%s' is not the one of the record: %lld bytes then, %lld now%s",
                     verb, then->path, (long long)then->bytes, (long long)now.bytes,
                     then->bytes == now.bytes ? ", with other contents" : "");
        free(now.path);
    }
}
