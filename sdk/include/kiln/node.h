// kiln/node.h: nodes, and the one exported object
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_NODE_H
#define KILN_NODE_H

#include <kiln/source.h>
#include <kiln/sink.h>
#include <kiln/filter.h>
#include <kiln/encoder.h>
#include <kiln/predictor.h>
#include <kiln/combinator.h>
#include <kiln/sampler.h>
#include <kiln/hook.h>
#include <kiln/trainer.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_node_flags {
    KILN_NODE_ANY_DEVICE = 1 << 0,   // else its tensors are copied to host memory and back
    KILN_NODE_CAPTURABLE = 1 << 1,   // may be recorded into a graph and replayed: same operations
                                     // and constants for same shapes, whatever t and step; no
                                     // read-back, no random numbers, no host branch on data. Of a
                                     // trainer and of forward and backward: what its step does
    KILN_NODE_KEEPS_NOISE = 1 << 2,  // filter: noise of N(0,1) stays so, t is carried
    KILN_NODE_NET_RANGE = 1 << 3,    // filter: clean images come in the net's range
    KILN_NODE_TAKES_CLEAN = 1 << 4,  // sampler: of clean images too, elsewhere an error
    KILN_NODE_IN_PLACE = 1 << 5,     // filter: run may be called with out in the place of in
};

typedef struct kiln_node {
    uint32_t size, flags;           // enum kiln_node_flags
    const char *name;               // lower case with hyphens
    const char *summary;            // one line
    const char *example;            // a chain that runs
    const kiln_param *params;       // [n_params], NULL: none
    uint32_t n_params, param_size;  // param_size: sizeof(kiln_param)
    // The host allocates self: self_size bytes, zeros after its kiln_self. 0: sizeof(kiln_self).
    uint32_t self_size, reserved;
    const char *needs;  // extensions of the host, checked before create: "kiln.ops/1 kiln.state/1"
    int (*create)(kiln_self *self);    // cheap: no weights, no large memory. NULL: nothing to do
    void (*destroy)(kiln_self *self);  // also after a failure of create. NULL: holds nothing
    const void *(*extension)(const char *id);  // "kiln.trainable/1"; NULL: none
    // One kind; or source and filter: a source where the first parameter is given and not empty.
    const kiln_source_ops *source;
    const kiln_sink_ops *sink;
    const kiln_filter_ops *filter;
    const kiln_encoder_ops *encoder;
    const kiln_predictor_ops *predictor;
    const kiln_combinator_ops *combinator;
    const kiln_sampler_ops *sampler;
    const kiln_hook_ops *hook;
    const kiln_trainer_ops *trainer;
} kiln_node;

typedef struct kiln_plugin {  // magic to size: frozen for all majors
    uint32_t magic;
    uint16_t major, minor;  // minor: what the plugin needs
    uint32_t size;
    uint32_t n_nodes;
    const kiln_node *const *nodes;
    const char *id, *version, *licence;  // "org.example.sepia", "1.2", SPDX
} kiln_plugin;

// .params = KILN_PARAMS(table) fills the two fields that follow, too.
#define KILN_PARAMS(table) (table), KILN_COUNT(table), (uint32_t)sizeof((table)[0])
// clang-format off
#define KILN_PLUGIN(id, version, licence, ...)                                                     \
    static const kiln_node *const kiln_nodes[] = {__VA_ARGS__};                                    \
    KILN_EXPORT const kiln_plugin kiln_plugin_v1;                                                  \
    const kiln_plugin kiln_plugin_v1 = {                                                           \
        KILN_MAGIC, KILN_MAJOR, KILN_MINOR, (uint32_t)sizeof(kiln_plugin),                         \
        KILN_COUNT(kiln_nodes), kiln_nodes, id, version, licence}
// clang-format on

#ifdef __cplusplus
}
#endif
#endif
