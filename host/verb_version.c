// version: of the program; -v: of what is around it.
// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <jansson.h>
#include <jpeglib.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "device.h"
#include "kernels/kernels.h"
#include "nodes.h"
#include "paths.h"
#include "pool.h"
#include "runtime.h"
#include "util.h"
#include "verbs.h"

#define QUOTE_(x) #x
#define QUOTE(x) QUOTE_(x)
#ifdef LIBJPEG_TURBO_VERSION
#define JPEG_VERSION_TEXT "turbo " QUOTE(LIBJPEG_TURBO_VERSION)
#else
#define JPEG_VERSION_TEXT QUOTE(JPEG_LIB_VERSION)
#endif

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// A weights file by its name, or a folder.
static char *model_name(const char *dir, const char *file)
{
    static const char *const ends[] = {".safetensors", ".pt", ".pth"};
    struct stat st;
    size_t n = strlen(file);
    char *path = xformat("%s/%s", dir, file);
    int folder = !stat(path, &st) && S_ISDIR(st.st_mode);
    free(path);
    if (*file == '.')
        return NULL;
    if (folder)
        return xstrdup(file);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t k = strlen(ends[i]);
        if (n > k && !strcmp(file + n - k, ends[i]))
            return xstrndup(file, n - k);
    }
    return NULL;
}

static void print_models(void)
{
    char **list = NULL;
    size_t n = 0;
    for (int i = 0; path_models(i); i++) {
        DIR *d = opendir(path_models(i));
        struct dirent *entry;
        while (d && (entry = readdir(d))) {
            char *name = model_name(path_models(i), entry->d_name);
            if (!name)
                continue;
            GROW(list, n);
            list[n++] = name;
        }
        if (d)
            closedir(d);
    }
    if (n)
        qsort(list, n, sizeof(*list), by_text);
    printf("models       %s", n ? "" : "none");
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(list[i], list[i - 1]))
            printf("%s%s", i ? " " : "", list[i]);
    puts("");
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static void print_folder(const char *name, const char *path)
{
    struct stat st;
    printf("%-12s %s%s\n", name, path,
           stat(path, &st) || !S_ISDIR(st.st_mode) ? " (not there)" : "");
}

// Where plugins come from: the folders of those that were found, and the built-in one.
static void print_plugin_folders(void)
{
    const struct node_def *const *all;
    char *const *problems;
    char **seen = NULL;
    size_t n, n_problems, n_seen = 0;
    registry_all(&all, &n, &problems, &n_problems);
    for (size_t i = 0; i <= n; i++) {
        const char *path = i < n ? all[i]->path : NULL, *slash = path ? strrchr(path, '/') : NULL;
        if (i < n && !slash)
            continue;
        char *dir = i < n ? xstrndup(path, (size_t)(slash - path)) : xstrdup(path_plugins());
        int known = 0;
        for (size_t k = 0; k < n_seen && !known; k++)
            known = !strcmp(seen[k], dir);
        if (known) {
            free(dir);
            continue;
        }
        print_folder(n_seen ? "" : "plugins in", dir);
        GROW(seen, n_seen);
        seen[n_seen++] = dir;
    }
    for (size_t i = 0; i < n_problems; i++)
        printf("%-12s %s\n", i ? "" : "unusable", problems[i]);
    for (size_t i = 0; i < n_seen; i++)
        free(seen[i]);
    free(seen);
}

int verb_version(int argc, char **argv)
{
    int more = verb_option(&argc, argv, "-v") || runtime.verbose;
    if (argc > 1)
        return verb_usage("version", "'%s' is a word too many", argv[1]);
    printf("kiln %s, SDK %d.0..%d.%d\n", builtin_nodes[0]->version, KILN_MAJOR, KILN_MAJOR,
           KILN_HEADER_MINOR);
    if (more) {
        printf("device       cpu, %s, %d threads\n", kernels_isa_name(runtime.isa), pool_threads());
        device_print();
        print_plugin_folders();
        for (int i = 0; path_models(i); i++)
            print_folder(i ? "" : "models in", path_models(i));
        print_folder("data", path_share());
        print_models();
        printf("libraries    libpng %s, libjpeg %s, zlib %s, jansson %s\n",
               png_get_libpng_ver(NULL), JPEG_VERSION_TEXT, zlibVersion(), jansson_version_str());
    }
    return verb_end(0);
}
