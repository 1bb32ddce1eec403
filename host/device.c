// SPDX-License-Identifier: MIT
#include "device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "paths.h"
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

int device_select(const char *text)
{
    const struct cuda_backend *b;
    struct cuda_device d;
    int64_t index = 0;
    int n;
    if (strncmp(text, "cuda", 4) || (text[4] && text[4] != ':') ||
        (text[4] && (!parse_int(text + 5, &index) || index < 0 || index > 1023)))
        return fail(KILN_ERR_ARG, "--device: wants cpu or cuda[:N], not '%s'", text);
    int e = load(&b);
    if (!e && (b->count(&n) || b->describe((int)index, &d)))
        e = fail(KILN_ERR_DEVICE, "%s", b->why());
    if (!e)
        e = fail(KILN_ERR_DEVICE, "%s is there, but chains do not run on GPUs yet", d.name);
    return fail_in(e, "--device %s", text);
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
