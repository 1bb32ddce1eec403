// SPDX-License-Identifier: MIT
#include "paths.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

static struct {
    char *plugins, *share;
    char **models, **found;  // found: what path_data gave out
    size_t n_models, n_found, n_first;
} paths;

static int is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int exists(const char *path)
{
    return !access(path, F_OK);
}

// The folder that the program lies in.
static char *own_folder(void)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n <= 0)
        return NULL;
    exe[n] = 0;
    char *slash = strrchr(exe, '/');
    if (!slash)
        return NULL;
    *slash = 0;
    return xstrdup(exe);
}

// The first of three that is a folder: beside the program (a build tree), where the installation
// was moved to, where it was configured for.
static char *choose(const char *folder, const char *beside, const char *moved, const char *fixed)
{
    char *path = folder ? xformat("%s/%s", folder, beside) : NULL;
    if (path && is_folder(path))
        return path;
    free(path);
    path = folder ? xformat("%s/../%s", folder, moved) : NULL;
    if (path && is_folder(path))
        return path;
    free(path);
    return xstrdup(fixed);
}

void paths_init(void)
{
    char *folder = own_folder();
    paths.plugins = choose(folder, "plugins", "lib/kiln/plugins", KILN_PLUGINDIR);
    paths.share = choose(folder, "share", "share/kiln", KILN_DATADIR);
    free(folder);
    char *models = xformat("%s/models", paths.share);
    GROW(paths.models, paths.n_models);
    paths.models[paths.n_models++] = models;
}

const char *path_plugins(void)
{
    return paths.plugins;
}

const char *path_share(void)
{
    return paths.share;
}

void paths_add_models(const char *dir)
{
    GROW(paths.models, paths.n_models);
    memmove(&paths.models[paths.n_first + 1], &paths.models[paths.n_first],
            (paths.n_models - paths.n_first) * sizeof(char *));
    paths.models[paths.n_first++] = xstrdup(dir);
    paths.n_models++;
}

char *path_user(const char *kind)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char *path = data && *data == '/'   ? xformat("%s/kiln/%s", data, kind)
                 : home && *home == '/' ? xformat("%s/.local/share/kiln/%s", home, kind)
                                        : NULL;
    if (path && is_folder(path))
        return path;
    free(path);
    return NULL;
}

const char *path_models(int i)
{
    return i >= 0 && (size_t)i < paths.n_models ? paths.models[i] : NULL;
}

int path_model(const char *name, char **out)
{
    static const char *const ends[] = {"", ".safetensors", ".pt", ".pth"};
    if (exists(name)) {
        *out = xstrdup(name);
        return KILN_OK;
    }
    struct text t = {0};
    for (size_t i = 0; i < paths.n_models && *name != '/'; i++) {
        for (size_t k = 0; k < sizeof(ends) / sizeof(ends[0]); k++) {
            char *path = xformat("%s/%s%s", paths.models[i], name, ends[k]);
            if (exists(path)) {
                text_free(&t);
                *out = path;
                return KILN_OK;
            }
            free(path);
        }
        text_format(&t, "%s%s", i ? ", " : "", paths.models[i]);
    }
    int e = t.n ? fail(KILN_ERR_IO, "no model '%s', as a path or in %s", name, t.s)
                : fail(KILN_ERR_IO, "no model '%s'", name);
    text_free(&t);
    return e;
}

const char *path_data(const char *name)
{
    const char *own = getenv("KILN_DATA");
    char *path = own && *own ? xformat("%s/%s", own, name) : NULL;
    if (!path || !exists(path)) {
        free(path);
        path = xformat("%s/%s", paths.share, name);
    }
    if (!exists(path)) {
        free(path);
        return NULL;
    }
    for (size_t i = 0; i < paths.n_found; i++)
        if (!strcmp(paths.found[i], path)) {
            free(path);
            return paths.found[i];
        }
    GROW(paths.found, paths.n_found);
    return paths.found[paths.n_found++] = path;
}
