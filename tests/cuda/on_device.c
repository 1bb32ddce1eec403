// The parity tests of kernels, linked with this, run on a real device: the backend is the shared
// object that KILN_CUDA_BACKEND names, tensors lie in memory of host and device both, and every
// launch is waited for. SPDX-License-Identifier: MIT
#include "kernels/cuda/emulated.h"
#include "kernels/cuda/services.h"
#include "tests/support/stub_host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

struct emulated_order emulated_order = {1, 0};  // a device has its own
struct emulated_counts emulated_counts;         // and none of these

static const struct cuda_backend *backend(void)
{
    static const struct cuda_backend *b;
    const char *path = getenv("KILN_CUDA_BACKEND");
    void *object = b || !path ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!b && !object) {
        fprintf(stderr, "KILN_CUDA_BACKEND: %s\n", path ? dlerror() : "names no backend");
        exit(1);
    }
    if (b)
        return b;
    b = dlsym(object, CUDA_BACKEND_SYMBOL);
    if (!b || b->version != CUDA_BACKEND_VERSION || b->open(0)) {
        fprintf(stderr, "%s: %s\n", path, b ? b->why() : "is no backend");
        exit(1);
    }
    b->wait_each(1);
    return b;
}

static void *take(size_t bytes)
{
    void *p = NULL;
    return backend()->alloc_shared(bytes, &p) ? NULL : p;
}

static void give(void *p)
{
    backend()->free_shared(p);
}

static const struct stub_memory shared = {take, give};

__attribute__((constructor)) static void start(void)
{
    stub_memory = &shared;
}

const kiln_ops *cuda_ops(int precision)
{
    return backend()->ops(precision);
}

int cuda_normal(const kiln_host *h, const struct cuda_random_row *rows, kiln_tensor *out)
{
    return backend()->normal(h, rows, out);
}

int cuda_uniform(const kiln_host *h, const struct cuda_random_row *rows, kiln_tensor *out)
{
    return backend()->uniform(h, rows, out);
}

int cuda_convert(const kiln_host *h, const kiln_tensor *src, kiln_tensor *dst)
{
    return backend()->convert(h, src, dst);
}

int cuda_finite(const kiln_host *h, const kiln_tensor *x, kiln_tensor *flag)
{
    return backend()->finite(h, x, flag);
}

const struct cuda_backend *cuda_backend_of_test(void);
const struct cuda_backend *cuda_backend_of_test(void)
{
    return backend();
}
