// help: pages of nodes, topics and verbs.
// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "help_topics.h"
#include "log.h"
#include "node_text.h"
#include "verbs.h"
#include "wrap.h"

static const struct topic *find_topic(const char *name)
{
    for (const struct topic *p = topics; p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

static const struct node_def *find_node(const char *name)
{
    const struct node_def *const *all, *def;
    char *const *problems;
    size_t n, n_problems;
    if (strchr(name, ':'))
        return registry_find(name, &def) ? NULL : def;
    registry_all(&all, &n, &problems, &n_problems);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(all[i]->node->name, name))
            return registry_find(name, &def) ? NULL : def;
    return NULL;
}

static const char *nearest(const char *typed)
{
    const char *best = NULL;
    registry_nearest(typed, &best);
    for (const struct topic *p = topics; p->name; p++)
        nearer(typed, p->name, &best);
    for (const struct verb *v = verbs; v->name; v++)
        nearer(typed, v->name, &best);
    return best;
}

static void verb_page(struct text *t, const struct verb *v)
{
    char *line = xformat("kiln %s %s", v->name, v->usage);
    char *title = xformat("%s: %s", v->name, v->summary);
    wrap(t, 0, 2, title);
    text_add(t, "\n  ");
    wrap(t, 2, 4, line);
    if (v->details) {
        text_add(t, "\n");
        wrap(t, 0, 0, v->details);
    }
    free(line);
    free(title);
}

static void overview(struct text *t)
{
    text_add(t, help_begin);
    text_add(t, "\nVerbs\n");
    for (const struct verb *v = verbs; v->name; v++) {
        char *left = xformat("%s %s", v->name, v->usage);
        text_add(t, "  ");
        text_pad(t, left, 38);
        wrap(t, 40, 40, v->summary);
        free(left);
    }
    text_add(t, "\nOptions, before the chain ('kiln help options' says more)\n");
    text_add(t, "  -s, --seed N      random numbers (0)   -n, --dry-run    check, run nothing\n"
                "  -j, --threads N   all                  -P, --plugins DIR\n"
                "  -q, -v            say less, more       -M, --models DIR\n");
    text_add(t, "\nMore\n");
    text_add(t, "  kiln list           the nodes\n"
                "  kiln help NODE      what one does\n");
    for (const struct topic *p = topics; p->name; p++) {
        char *left = xformat("kiln help %s", p->name);
        text_add(t, "  ");
        text_pad(t, left, 20);
        wrap(t, 22, 22, p->summary);
        free(left);
    }
}

// Nodes come before topics of the same name, and the topic follows.
int help_node(const char *name)
{
    struct text t = {0};
    const struct node_def *def = find_node(name);
    const struct topic *topic = find_topic(name);
    const struct verb *verb = verb_find(name);
    if (def)
        node_page(&t, def);
    if (topic) {
        text_add(&t, def ? "\n" : "");
        text_format(&t, "%s: %s\n\n", topic->name, topic->summary);
        text_add(&t, topic->text);
    }
    if (verb)
        verb_page(&t, verb);
    if (!t.n) {
        const char *best = nearest(name);
        const struct node_def *none;
        if (best && strcmp(best, name))
            log_line(KILN_LOG_WARNING, "help: nothing is called '%s': did you mean '%s'?", name,
                     best);
        else if (registry_find(name, &none))  // in two plugins, or in one that cannot be used
            log_line(KILN_LOG_WARNING, "help: %s", fail_text());
        return 2;
    }
    fputs(t.s, stdout);
    text_free(&t);
    return verb_end(0);
}

int verb_help(int argc, char **argv)
{
    const char *wrong = verb_unknown_option(argc, argv);
    if (wrong)
        return verb_usage("help", "no option '%s'", wrong);
    if (argc > 2)
        return verb_usage("help", "'%s' is a word too many", argv[2]);
    if (argc == 2)
        return help_node(argv[1]);
    struct text t = {0};
    overview(&t);
    fputs(t.s, stdout);
    text_free(&t);
    return verb_end(0);
}
