// SPDX-License-Identifier: MIT
#include "embed_kept.h"

#include <stdlib.h>
#include <string.h>

#include "tensor.h"
#include "util.h"

static const size_t most = (size_t)128 << 20;

struct kept {
    const struct node_def *def;
    char *line;
    int64_t prompt;
    kiln_tensor *tensor;
};
static struct kept *kept;  // [n_kept], the longest unused first
static size_t n_kept, bytes;

kiln_tensor *embed_kept(const struct bound *encoder, int64_t prompt)
{
    for (size_t i = 0; i < n_kept; i++) {
        struct kept k = kept[i];
        if (k.prompt != prompt || k.def != encoder->def || strcmp(k.line, encoder->line))
            continue;
        memmove(&kept[i], &kept[i + 1], (n_kept - 1 - i) * sizeof(k));
        kept[n_kept - 1] = k;
        return tensor_ref(k.tensor);
    }
    return NULL;
}

static void drop(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bytes -= tensor_bytes(kept[i].tensor);
        tensor_unref(kept[i].tensor);
        free(kept[i].line);
    }
    n_kept -= n;
    if (n_kept)
        memmove(kept, kept + n, n_kept * sizeof(*kept));
}

void embed_keep(const struct bound *encoder, int64_t prompt, kiln_tensor *t)
{
    size_t n = 0, more = tensor_bytes(t);
    if (more > most)
        return;
    for (size_t after = bytes + more; after > most; n++)
        after -= tensor_bytes(kept[n].tensor);
    drop(n);
    GROW(kept, n_kept);
    kept[n_kept++] = (struct kept){encoder->def, xstrdup(encoder->line), prompt, tensor_ref(t)};
    bytes += more;
}

void embed_kept_free(void)
{
    drop(n_kept);
    free(kept);
    kept = NULL;
}
