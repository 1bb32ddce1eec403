// kiln.cuda/1: the device's stream, and kernels that plugins bring.
// SPDX-License-Identifier: MIT
#include <kiln/ext/cuda.h>

#include "device.h"
#include "error.h"
#include "ext.h"

static int told(int e)
{
    return e ? fail(e, "%s", device_backend()->why()) : KILN_OK;
}

static void *stream(const kiln_host *h)
{
    (void)h;
    return device_backend()->stream();
}

static int load(const kiln_host *h, const void *image, size_t bytes, const char *name,
                void **function)
{
    (void)h;
    *function = NULL;
    return told(device_backend()->module_load(image, bytes, name, function));
}

static int launch(const kiln_host *h, void *function, const uint32_t grid[3],
                  const uint32_t block[3], uint32_t shared_bytes, void **args)
{
    (void)h;
    return told(device_backend()->module_launch(function, grid, block, shared_bytes, args));
}

const void *ext_cuda(void)
{
    static kiln_cuda table = {
        .size = sizeof(table), .stream = stream, .load = load, .launch = launch};
    struct cuda_device d;
    const struct cuda_backend *b = device_backend();
    if (!b || b->describe(device_index(), &d))
        return NULL;
    table.capability = d.capability;
    return &table;
}
