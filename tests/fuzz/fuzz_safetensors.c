// Any bytes as the header of a safetensors file; see fuzz_weights.sh.
// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../host/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// What was accepted must survive being written and read again.
static void round_trip(const struct st_header *h)
{
    const char **name = calloc(h->n_tensors + 1u, sizeof(*name));
    kiln_tensor **tensor = calloc(h->n_tensors + 1u, sizeof(*tensor));
    uint32_t *order = calloc(h->n_tensors + 1u, sizeof(*order));
    static unsigned char nothing[64];
    if (!name || !tensor || !order)
        abort();
    for (uint32_t i = 0; i < h->n_tensors; i++) {
        const struct st_tensor *t = &h->tensor[i];
        name[i] = t->name;
        if (st_find(h, t->name) != t ||
            tensor_wrap(t->dtype, t->ndim, t->shape, nothing, NULL, NULL, &tensor[i]))
            abort();
    }
    void *out;
    size_t n;
    struct st_header again;
    if (st_header_write(h->n_tensors, name, (const kiln_tensor *const *)tensor, h->n_strings,
                        h->string, order, &out, &n) ||
        n % 64 || st_parse((const char *)out + 8, n - 8, &again) ||
        again.n_tensors != h->n_tensors || again.n_strings != h->n_strings ||
        again.data_bytes != h->data_bytes)
        abort();
    st_free(&again);
    free(out);
    for (uint32_t i = 0; i < h->n_tensors; i++)
        tensor_unref(tensor[i]);
    free(name);
    free(tensor);
    free(order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct st_header h;
    if (!st_parse((const char *)data, n, &h))
        round_trip(&h);
    st_free(&h);
    return 0;
}
