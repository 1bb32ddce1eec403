// SPDX-License-Identifier: MIT
#include "entries.h"

#include <stdlib.h>
#include <string.h>

int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

int is_weight(const char *name)
{
    return !ends_with(name, "num_batches_tracked") && !strstr(name, "ddpm_schedule.");
}

char *copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    char *out = malloc(n);
    return out ? memcpy(out, s, n) : NULL;
}

void entries_free(struct entries *all)
{
    for (int i = 0; i < all->n; i++)
        free(all->entry[i].name);
    free(all->entry);
}

int entries_read(struct net *s, const kiln_file *f, struct entries *all)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    int dtype, e = KILN_OK;
    for (uint64_t i = 0;; i++) {
        struct entry entry = {0};
        const char *name;
        e = KILN_HAS(w, kiln_weights, stored) && w->stored
                ? w->stored(f, i, &name, &dtype, &entry.ndim, entry.shape)
                : w->entry(f, i, &name, &dtype, &entry.ndim, entry.shape);
        if (e)
            break;
        struct entry *more = realloc(all->entry, ((size_t)all->n + 1) * sizeof(*more));
        if (more)
            all->entry = more;
        entry.name = copy_text(name);
        if (!more || !entry.name) {
            free(entry.name);
            return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
        }
        all->entry[all->n++] = entry;
    }
    return e == KILN_END ? KILN_OK : e;
}

struct entry *entries_find(const struct entries *all, const char *prefix, const char *stem,
                           const char *leaf)
{
    char name[200];
    snprintf(name, sizeof(name), "%s%s.%s", prefix, stem, leaf);
    for (int i = 0; i < all->n; i++)
        if (!strcmp(all->entry[i].name, name))
            return &all->entry[i];
    return NULL;
}
