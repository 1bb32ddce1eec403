// recipe: the chain that a file carries.
// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "log.h"
#include "record.h"
#include "verbs.h"

int verb_recipe(int argc, char **argv)
{
    struct record *list;
    size_t n;
    int full = verb_option(&argc, argv, "--full");
    const char *wrong = verb_unknown_option(argc, argv);
    if (wrong)
        return verb_usage("recipe", "no option '%s'", wrong);
    if (argc != 2)
        return argc < 2 ? verb_usage("recipe", "which file?")
                        : verb_usage("recipe", "'%s' is a word too many", argv[2]);
    int e = records_read(argv[1], &list, &n);
    if (e == KILN_END)
        fail(KILN_ERR_IO, "'%s' is no PNG, JPEG or State file", argv[1]);
    if (e)
        return verb_failed("recipe");
    char *last = NULL;  // documents of one chain are told once
    for (size_t i = 0; i < n; i++) {
        struct text t = {0};
        record_recipe(&t, &list[i], full);
        if (!last || strcmp(last, t.s))
            fputs(t.s, stdout);
        free(last);
        last = text_take(&t);
        record_clear(&list[i]);
    }
    free(last);
    free(list);
    return verb_end(0);
}
