// new: the folder of a plugin, from the template of its kind.
// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "paths.h"
#include "registry.h"
#include "util.h"
#include "verbs.h"

enum { MAX_NAME = 40 };

struct words {  // what stands for @NAME@ and so on
    const char *name, *kind;
    char *ident, *kiln, *sdk;
};

struct part {
    const char *from;  // in the template's folder; NULL: the source of the kind
    const char *to;    // NULL: NAME.c
    mode_t mode;
};

static const struct part parts[] = {
    {NULL, NULL, 0666},
    {"Makefile", "Makefile", 0666},
    {"test.sh", "test.sh", 0777},
    {"README.md", "README.md", 0666},
};
enum { N_PARTS = sizeof(parts) / sizeof(parts[0]) };

// A path for a makefile, where $ and # mean something.
static char *for_make(const char *path)
{
    struct text t = {0};
    for (; *path; path++) {
        text_add(&t, *path == '$' ? "$" : *path == '#' ? "\\" : "");
        text_add_n(&t, path, 1);
    }
    return text_take(&t);
}

static int has_headers(const char *folder)
{
    char *path = xformat("%s/kiln/kiln.h", folder);
    int there = !access(path, R_OK);
    free(path);
    return there;
}

// The SDK's headers: what KILN_INCLUDE says, beside the template in a source tree, where this
// program was moved to, or where it was configured for.
static char *find_sdk(const char *template)
{
    // A packed source tree has a copy of the template in share/ where a checkout has a link.
    static const char *const beside[] = {"/../include", "/../../sdk/include", "/../../../include"};
    const char *own = getenv("KILN_INCLUDE");
    char full[PATH_MAX];
    if (own && *own)
        return xstrdup(own);
    if (realpath(template, full))
        for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
            char *path = xformat("%s%s", full, beside[i]), clean[PATH_MAX];
            if (has_headers(path) && realpath(path, clean)) {
                free(path);
                return xstrdup(clean);
            }
            free(path);
        }
    return xstrdup(KILN_INCLUDEDIR);
}

// This program as a shell would find it: by name, if PATH leads here.
static char *find_kiln(void)
{
    char self[PATH_MAX];
    const char *path = getenv("PATH");
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0)
        return xstrdup("kiln");
    self[n] = 0;
    while (path && *path) {
        size_t len = strcspn(path, ":");
        char *candidate = xformat("%.*s/kiln", (int)len, path), full[PATH_MAX];
        int same = -1;
        if (len && !access(candidate, X_OK))
            same = realpath(candidate, full) && !strcmp(full, self);
        free(candidate);
        if (same >= 0)  // the first in PATH decides
            return xstrdup(same ? "kiln" : self);
        path += len + (path[len] == ':');
    }
    return xstrdup(self);
}

static char *filled(const char *s, const struct words *w)
{
    const char *const name[] = {"@NAME@", "@IDENT@", "@KIND@", "@KILN@", "@SDK@"};
    const char *const value[] = {w->name, w->ident, w->kind, w->kiln, w->sdk};
    struct text t = {0};
    while (*s) {
        size_t k = 0;
        while (k < 5 && strncmp(s, name[k], strlen(name[k])))
            k++;
        if (k < 5) {
            text_add(&t, value[k]);
            s += strlen(name[k]);
        } else {
            text_add_n(&t, s++, 1);
        }
    }
    return text_take(&t);
}

static int write_part(const struct part *p, const char *template, const struct words *w)
{
    void *bytes;
    size_t n;
    char *from =
        p->from ? xformat("%s/%s", template, p->from) : xformat("%s/%s.c", template, w->kind);
    char *to = p->to ? xformat("%s/%s", w->name, p->to) : xformat("%s/%s.c", w->name, w->name);
    int e = file_read(from, (size_t)1 << 20, &bytes, &n);
    if (!e) {
        char *text = filled(bytes, w);
        e = file_write_atomic(to, text, strlen(text));
        free(text);
        free(bytes);
    }
    if (!e && p->mode == 0777) {
        mode_t mask = umask(0);
        umask(mask);
        if (chmod(to, p->mode & ~mask))
            e = fail(KILN_ERR_IO, "cannot make '%s' executable: %s", to, errno_text(errno));
    }
    free(from);
    free(to);
    return e;
}

static void remove_parts(const char *name)
{
    for (size_t i = 0; i < N_PARTS; i++) {
        char *path =
            parts[i].to ? xformat("%s/%s", name, parts[i].to) : xformat("%s/%s.c", name, name);
        unlink(path);
        free(path);
    }
    rmdir(name);
}

static int check_name(const char *name)
{
    const struct node_def *def;
    size_t n = strlen(name);
    if (!islower((unsigned char)*name) || n > MAX_NAME || name[n - 1] == '-' ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
        return fail(KILN_ERR_ARG,
                    "'%s' is no name for a node: lower case, digits and hyphens, a letter first, "
                    "at most %d",
                    name, MAX_NAME);
    if (verb_find(name))
        return fail(KILN_ERR_ARG, "'%s' is a verb of kiln", name);
    if (!registry_find(name, &def))
        return fail(KILN_ERR_ARG, "there is a node '%s' already, of %s", name, def->id);
    if (!access(name, F_OK))
        return fail(KILN_ERR_ARG, "'%s' exists already", name);
    return KILN_OK;
}

int verb_new(int argc, char **argv)
{
    const char *wrong = verb_unknown_option(argc, argv);
    if (wrong)
        return verb_usage("new", "no option '%s'", wrong);
    if (argc != 3)
        return argc < 3 ? verb_usage("new", "of which kind, and how is it called?")
                        : verb_usage("new", "'%s' is a word too many", argv[3]);
    struct words w = {.kind = argv[1], .name = argv[2]};
    if (kind_by_name(w.kind) == KIND_NONE)
        return verb_usage("new",
                          "no kind '%s': source, filter, encoder, predictor, combinator, hook, "
                          "sampler, trainer, sink",
                          w.kind);
    if (check_name(w.name))
        return verb_usage("new", "%s", fail_text());
    char *template = xformat("%s/template", path_share());
    // With an ending of its own it meets no keyword and no function: "log", "gamma", "double".
    w.ident = xformat("%s_node", w.name);
    for (char *s = w.ident; *s; s++)
        *s = *s == '-' ? '_' : *s;
    char *kiln = find_kiln(), *sdk = find_sdk(template);
    w.kiln = for_make(kiln);
    w.sdk = for_make(sdk);
    int e = KILN_OK;
    if (mkdir(w.name, 0777)) {
        e = fail(KILN_ERR_IO, "cannot make the folder '%s': %s", w.name, errno_text(errno));
    } else {
        for (size_t i = 0; i < N_PARTS && !e; i++)
            e = write_part(&parts[i], template, &w);
        if (e)
            remove_parts(w.name);
    }
    if (!e)
        printf("%s/%s.c is a %s that works; change it.\n\n"
               "  make -C %s           builds %s.so\n"
               "  make -C %s check     tests it\n"
               "  kiln -P %s help %s\n",
               w.name, w.name, w.kind, w.name, w.name, w.name, w.name, w.name);
    free(template);
    free(kiln);
    free(sdk);
    free(w.kiln);
    free(w.sdk);
    free(w.ident);
    return e ? verb_failed("new") : verb_end(0);
}
