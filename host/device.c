// SPDX-License-Identifier: MIT
#include "device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "finite.h"
#include "ops_host.h"
#include "paths.h"
#include "runtime.h"
#include "twin.h"
#include "util.h"

// Beside the plugins: lib/kiln/kiln-cuda.so, or where the build leaves it. KILN_CUDA_BACKEND names
// another file.
static char *backend_path(void)
{
    static const char *const places[] = {"../kiln-cuda.so", "../kernels/kiln-cuda.so"};
    const char *given = getenv("KILN_CUDA_BACKEND");
    if (given && *given)
        return xstrdup(given);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char *path = xformat("%s/%s", path_plugins(), places[i]);
        if (!access(path, R_OK))
            return path;
        free(path);
    }
    return NULL;
}

static int load(const struct cuda_backend **out)
{
    static const struct cuda_backend *loaded;
    *out = loaded;
    if (loaded)
        return KILN_OK;
    char *path = backend_path();
    if (!path)
        return fail(KILN_ERR_DEVICE, "this kiln was built without CUDA");
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct cuda_backend *b = object ? dlsym(object, CUDA_BACKEND_SYMBOL) : NULL;
    int e = KILN_OK;
    if (!object)
        e = fail(KILN_ERR_DEVICE, "the CUDA backend: %s", dlerror());
    else if (!b || b->version != CUDA_BACKEND_VERSION || b->size != sizeof(*b))
        e = fail(KILN_ERR_DEVICE, "%s is of another version of kiln", path);
    free(path);
    *out = loaded = e ? NULL : b;
    return e;
}

static struct {
    const char *text;  // as it was asked for; NULL: the CPU
    int index;
    const struct cuda_backend *backend;  // at work
} selected;

int device_select(const char *text)
{
    int64_t index = 0;
    selected.text = strcmp(text, "cpu") ? text : NULL;
    if (selected.text && (strncmp(text, "cuda", 4) || (text[4] && text[4] != ':') ||
                          (text[4] && (!parse_int(text + 5, &index) || index < 0 || index > 1023))))
        return fail(KILN_ERR_ARG, "--device: wants cpu or cuda[:N], not '%s'", text);
    selected.index = (int)index;
    return KILN_OK;
}

int device_selected(void)
{
    return selected.text != NULL;
}

int device_begin(size_t max_memory, double share)
{
    const struct cuda_backend *b;
    struct cuda_device d;
    int n;
    runtime.device = KILN_DEVICE_CPU;
    if (!selected.text)
        return KILN_OK;
    int e = load(&b);
    if (!e && (b->count(&n) || b->describe(selected.index, &d) || b->open(selected.index) ||
               b->describe(selected.index, &d)))  // what is free is known once it is open
        e = fail(KILN_ERR_DEVICE, "%s", b->why());
    if (!e) {
        runtime.device_ops = b->ops(runtime.precision);
        runtime.text_device_ops = b->ops(runtime.text_precision);
        if (!runtime.device_ops)
            e = fail(KILN_ERR_UNSUPPORTED, "%s has not got this --precision", d.name);
    }
    if (e)
        return fail_in(e, "--device %s", selected.text);
    size_t limit = share > 0 ? (size_t)(share * (double)d.memory) : max_memory;
    twin_backend(b, &plain_host, limit && limit < d.free ? limit : d.free);
    selected.backend = b;
    runtime.device = KILN_DEVICE_CUDA;
    return KILN_OK;
}

void device_end(void)
{
    if (!selected.backend)
        return;
    finite_forget();
    twin_backend(NULL, NULL, 0);
    selected.backend->close();
    selected.backend = NULL;
    runtime.device = KILN_DEVICE_CPU;
}

const struct cuda_backend *device_backend(void)
{
    return selected.backend;
}

int device_index(void)
{
    return selected.index;
}

void device_print(void)
{
    const struct cuda_backend *b;
    int n = 0, e = load(&b);
    if (e || b->count(&n)) {
        printf("             no GPU: %s\n", e ? fail_text() : b->why());
        return;
    }
    for (int i = 0; i < n; i++) {
        struct cuda_device d;
        if (!b->describe(i, &d))
            printf("             cuda:%d, %s, sm_%d, %zu MB\n", i, d.name, d.capability,
                   d.memory >> 20);
    }
}
