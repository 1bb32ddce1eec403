// Any bytes as a file of NumPy's; see fuzz_weights.sh.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include <kiln/kiln.h>

#include "../../plugins/text/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// What was accepted is there, all of it, and is all there is.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct npy a;
    const char *why = npy_parse(data, n, &a);
    if (why)
        return !*why;
    size_t size = a.dtype == KILN_F16 ? 2 : a.dtype == KILN_F32 ? 4 : 8;
    uint64_t numel = 1;
    for (int32_t i = 0; i < a.ndim; i++)
        numel *= (uint64_t)a.shape[i];
    if (a.ndim < 0 || a.ndim > NPY_MAX_DIM || numel != a.numel || a.data < data ||
        a.data + numel * size != data + n)
        abort();
    return 0;
}
