// Any bytes as a file of torch.save, and as a pickle by itself, which no checksum protects; see
// fuzz_weights.sh.
// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdlib.h>

#include "../../host/torch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct torch_file f;
    struct pickle p;
    if (!pickle_read(data, n, &p))
        pickle_free(&p);
    if (torch_open(data, n, &f))
        return 0;
    for (uint32_t i = 0; i < f.n_tensors; i++) {
        const struct torch_tensor *t = &f.tensor[i];
        if (t->numel > 1 << 16)  // strides of 0 make much of little
            continue;
        void *out = malloc((size_t)t->numel * dtype_size(t->dtype) + 1);
        if (!out)
            abort();
        (void)torch_copy(&f, t, out);
        free(out);
    }
    torch_close(&f);
    return 0;
}
