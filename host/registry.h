// Nodes by name: the host's own and those of plugins, which are loaded when a chain names them.
// SPDX-License-Identifier: MIT
#ifndef HOST_REGISTRY_H
#define HOST_REGISTRY_H

#include <kiln/node.h>

struct builtin;  // nodes.h

struct node_def {
    const kiln_node *node;  // a full-size copy: fields that the plugin does not know are zero
    const struct builtin *builtin;    // of a node of the host, else NULL
    const char *id, *version, *path;  // of the plugin; of the host's: "kiln", its version, NULL
};

enum kind {
    KIND_NONE,
    KIND_SOURCE,
    KIND_SINK,
    KIND_FILTER,
    KIND_ENCODER,
    KIND_PREDICTOR,
    KIND_COMBINATOR,
    KIND_SAMPLER,
    KIND_HOOK,
    KIND_TRAINER,
};
const char *kind_name(enum kind kind);
enum kind kind_by_name(const char *name);  // KIND_NONE: no such

// The kind that the node's tables say; of one that is both, filter.
enum kind def_kind(const struct node_def *def);

// Directories are searched in the order of adding, but for one that was put first.
void registry_add_dir(const char *dir);
void registry_put_first(const char *dir);
// By name, or "plugin-id:name". Fails with KILN_ERR_ARG: not found (with the nearest name), in two
// plugins, or in one that cannot be used (with the reason).
int registry_find(const char *name, const struct node_def **out);
// All nodes of all plugins, by name. What cannot be loaded goes to problems [n_problems], one line
// each.
void registry_all(const struct node_def *const **list, size_t *n, char *const **problems,
                  size_t *n_problems);
// Among all nodes, as nearer() in util.h does.
void registry_nearest(const char *typed, const char **best);
// Loads one file by its path, whatever the directories; its nodes in list.
int registry_load_file(const char *path, const kiln_plugin **out);

#endif
