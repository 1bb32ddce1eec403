// SPDX-License-Identifier: MIT
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "image_file.h"
#include "log.h"
#include "safetensors.h"
#include "stream.h"

enum { SNIFF = 8 };
#define MAX_FILE ((size_t)1 << 32)

// ---- kinds of files -----------------------------------------------------------------------------

// A safetensors file: a State, or weights?
static enum file_kind safetensors_kind(int fd, uint64_t length)
{
    enum file_kind kind = FILE_OTHER;
    struct st_header head;
    if (length < 2 || length > SAFETENSORS_MAX_HEADER)
        return FILE_OTHER;
    char *json = malloc((size_t)length);
    if (json && pread(fd, json, (size_t)length, 8) == (ssize_t)length &&
        !st_parse(json, (size_t)length, &head)) {
        kind = st_string(&head, "kiln.stream") || st_string(&head, "kiln.error") ||
                       st_string(&head, "kiln.end")
                   ? FILE_STREAM
                   : FILE_WEIGHTS;
        st_free(&head);
    } else if (json && json[0] == '{') {
        kind = FILE_WEIGHTS;  // broken; who opens it as such says how
    }
    free(json);
    return kind;
}

int file_kind_of(const char *path, enum file_kind *out)
{
    struct stat st;
    int fd;
    unsigned char start[SNIFF];
    *out = FILE_STREAM;
    if (!strcmp(path, "-"))
        return KILN_OK;
    if (stat(path, &st))
        return fail(KILN_ERR_IO, "cannot open '%s': %s", path, errno_text(errno));
    *out = FILE_FOLDER;
    if (S_ISDIR(st.st_mode))
        return KILN_OK;
    *out = FILE_STREAM;
    if (!S_ISREG(st.st_mode))
        return KILN_OK;
    int e = file_open(path, &fd);
    if (e)
        return e;
    ssize_t n = pread(fd, start, SNIFF, 0);
    uint64_t length = 0;
    for (int i = SNIFF - 1; i >= 0 && n == SNIFF; i--)
        length = length << 8 | start[i];
    if (n < 0)
        e = fail(KILN_ERR_IO, "cannot read '%s': %s", path, errno_text(errno));
    else if (image_sniff(start, (size_t)n) != IMAGE_AUTO)
        *out = FILE_IMAGE;
    else if (n >= 4 && !memcmp(start, "\177ELF", 4))
        *out = FILE_PLUGIN;
    else if (n >= 2 && (!memcmp(start, "PK", 2) || start[0] == 0x80))  // zip, pickle: torch.save
        *out = FILE_WEIGHTS;
    else
        *out = n == SNIFF ? safetensors_kind(fd, length) : FILE_OTHER;
    close(fd);
    return e;
}

// ---- reading ------------------------------------------------------------------------------------

void record_clear(struct record *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->line[i]);
    free(r->line);
    free(r->rng);
    free(r->version);
    origins_free(&r->inputs);
    *r = (struct record){0};
}

struct record record_of_state(const struct state *s)
{
    struct record r = {.seed = s->seed, .rng = xstrdup(s->rng)};
    for (size_t i = 0; i < s->n_chain; i++) {
        GROW(r.line, r.n);
        r.line[r.n++] = xstrdup(s->chain[i]);
    }
    origins_join(&r.inputs, &s->inputs);
    return r;
}

static const char *text_of(json_t *j)  // NULL: no text, or one with zero bytes
{
    return json_is_string(j) && strlen(json_string_value(j)) == json_string_length(j)
               ? json_string_value(j)
               : NULL;
}

static int parse_record(const char *text, struct record *r)
{
    json_error_t error;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &error), *x;
    const char *seed = text_of(json_object_get(j, "seed"));
    const char *rng = text_of(json_object_get(j, "rng"));
    const char *version = text_of(json_object_get(j, "kiln"));
    json_t *chain = json_object_get(j, "chain"), *inputs = json_object_get(j, "inputs");
    char *end = NULL;
    size_t i;
    *r = (struct record){0};
    errno = 0;
    r->seed = seed ? strtoull(seed, &end, 10) : 0;
    int good = json_is_array(chain) && (!seed || (*seed && !*end && !errno));
    json_array_foreach(chain, i, x)
    {
        good = good && text_of(x);
        if (!good)
            break;
        GROW(r->line, r->n);
        r->line[r->n++] = xstrdup(text_of(x));
    }
    good = good && (!inputs || origins_parse(inputs, &r->inputs));
    r->rng = xstrdup(rng ? rng : "kiln");
    r->version = version ? xstrdup(version) : NULL;
    json_decref(j);
    if (good)
        return KILN_OK;
    record_clear(r);
    return fail(KILN_ERR_IO, "its record is not as kiln writes it");
}

static int read_image(const char *shown, int fd, const char *start, size_t n_start,
                      struct record *r)
{
    void *bytes;
    size_t n;
    char *text = NULL;
    int e = fd_read_after(fd, shown, MAX_FILE, start, n_start, &bytes, &n);
    if (e)
        return e;
    e = image_chain(bytes, n, &text);
    free(bytes);
    if (!e && !text)
        e = fail(KILN_ERR_IO, "carries no chain");
    e = e ? e : parse_record(text, r);
    free(text);
    return e ? fail_in(e, "%s", shown) : KILN_OK;
}

static int read_stream(const char *shown, int fd, const char *start, size_t n_start,
                       struct record **out, size_t *n)
{
    struct stream_reader reader = {
        .fd = fd, .name = shown, .start = start, .n_start = n_start, .docs = -1};
    struct state *s;
    int e;
    while (!(e = stream_read(&reader, &s))) {
        struct record r = record_of_state(s);
        state_free(s);
        GROW(*out, *n);
        (*out)[(*n)++] = r;
    }
    if (e < 0)
        return e;
    for (size_t i = 0; i < *n; i++)
        if ((*out)[i].n)
            return KILN_OK;
    return fail(KILN_ERR_IO, "%s carries no chain", shown);
}

int records_read(const char *path, struct record **out, size_t *n)
{
    const char *shown = strcmp(path, "-") ? path : "standard input";
    enum file_kind kind;
    char start[SNIFF];
    int fd = STDIN_FILENO;
    size_t have = 0;
    *out = NULL;
    *n = 0;
    int e = file_kind_of(path, &kind);
    if (e)
        return e;
    if (kind != FILE_IMAGE && kind != FILE_STREAM)
        return KILN_END;
    if (strcmp(path, "-"))
        e = file_open(path, &fd);
    else if (isatty(fd))
        e = fail(KILN_ERR_ARG, "'-' is standard input, and that is a terminal");
    if (e)
        return e;
    e = fd_take(fd, shown, start, SNIFF, &have);
    if (!e && image_sniff(start, have) != IMAGE_AUTO) {
        struct record r;
        e = read_image(shown, fd, start, have, &r);
        if (!e) {
            GROW(*out, *n);
            (*out)[(*n)++] = r;
        }
    } else if (!e) {
        e = read_stream(shown, fd, start, have, out, n);
    }
    if (fd != STDIN_FILENO)
        close(fd);
    if (e) {
        for (size_t i = 0; i < *n; i++)
            record_clear(&(*out)[i]);
        free(*out);
        *out = NULL;
        *n = 0;
    }
    return e;
}

// ---- as a chain ---------------------------------------------------------------------------------

int record_chain(const struct record *r, struct chain **out)
{
    struct chain *all = *out = xcalloc(1, sizeof(*all)), *c;
    for (size_t i = 0; i < r->n; i++) {
        int e = chain_parse_text(r->line[i], &c);
        if (!e && c->n != 1) {
            chain_free(c);
            e = fail(KILN_ERR_ARG, "one node was expected");
        }
        if (e) {
            chain_free(all);
            *out = NULL;
            return fail_in(e, "line %zu of the record", i + 1);
        }
        all->node = xrealloc(all->node, all->n + 1, sizeof(*all->node));
        all->node[all->n++] = c->node[0];  // taken over
        c->n = 0;
        chain_free(c);
    }
    return KILN_OK;
}

// A chain as it was parsed, for a shell.
static void plain(struct text *t, const struct chain *c)
{
    for (size_t i = 0; i < c->n; i++) {
        text_add(t, i ? " ! " : "");
        text_shell(t, c->node[i].name);
        for (size_t k = 0; k < c->node[i].n_args; k++) {
            const struct arg *a = &c->node[i].arg[k];
            text_add(t, " ");
            if (a->word) {
                text_shell(t, a->word);
                continue;
            }
            if (a->name)
                text_format(t, "%s= ", a->name);
            text_add(t, "[ ");
            plain(t, a->chain);
            text_add(t, a->chain->n ? " ]" : "]");
        }
    }
}

void record_recipe(struct text *t, const struct record *r, int full)
{
    text_add(t, "kiln");
    if (r->seed)
        text_format(t, " -s %llu", (unsigned long long)r->seed);
    if (strcmp(r->rng, "kiln")) {
        text_add(t, " --rng ");
        text_shell(t, r->rng);
    }
    for (size_t i = 0; i < r->n; i++) {
        struct bound *b;
        struct chain *c;
        text_add(t, i ? " ! " : " ");
        if (!bind_text(r->line[i], &b)) {
            bound_recipe(t, b, full);
            bound_free(b);
            continue;
        }
        log_line(KILN_LOG_WARNING, "recipe: %s; its line is shown as recorded", fail_text());
        if (!chain_parse_text(r->line[i], &c)) {
            plain(t, c);
            chain_free(c);
        } else {
            text_shell(t, r->line[i]);
        }
    }
    text_add(t, "\n");
    for (size_t i = 0; full && i < r->inputs.n; i++) {
        text_add(t, "# reads ");
        origin_text(t, &r->inputs.item[i]);
        text_add(t, "\n");
    }
}
