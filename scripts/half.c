// half IN OUT: a weights file of a net that kiln trained, in half precision, as share/models has
// them. Built by `make scripts/half`. SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include "host/error.h"
#include "host/util.h"
#include "host/weights_file.h"

int main(int argc, char **argv)
{
    static const char *const keys[] = {"kiln.net", "kiln.objective"};
    const char *meta[2 * 2 + 1] = {NULL}, **name = NULL;
    const kiln_tensor **tensor = NULL;
    struct weights_file *f;
    uint32_t n = 0, m = 0;
    if (argc != 3) {
        fputs("usage: half IN OUT\n", stderr);
        return 2;
    }
    int e = weights_open(argv[1], &f);
    const struct weights_entry *x;
    for (; !e && (x = weights_entry(f, n)); n++) {
        kiln_tensor *t;
        name = xrealloc((void *)(uintptr_t)name, n + 1u, sizeof(*name));
        tensor = xrealloc((void *)(uintptr_t)tensor, n + 1u, sizeof(*tensor));
        e = weights_tensor(f, x->name, x->dtype == KILN_F32 ? KILN_F16 : 0, 0, NULL, &t);
        name[n] = x->name;
        tensor[n] = e ? NULL : t;
    }
    for (int k = 0; k < 2 && !e; k++)
        if (weights_meta(f, keys[k])) {
            meta[m++] = keys[k];
            meta[m++] = weights_meta(f, keys[k]);
        }
    if (!e)
        e = weights_write(argv[2], n, name, tensor, meta);
    if (e)
        fprintf(stderr, "half: %s\n", fail_text());
    return e != 0;
}
