// kiln/ext/state.h: "kiln.state/1", for filters, samplers, sinks, hooks
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_EXT_STATE_H
#define KILN_EXT_STATE_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_state {
    uint32_t size;
    // "alpha", "sigma", "score", "keep.<name>", "keep.<name>.t", "<plugin id>.<name>". *out NULL:
    // absent, else borrowed. put takes t over, NULL removes; append joins along the first
    // dimension.
    int (*get)(const kiln_host *h, const char *name, const kiln_tensor **out);
    int (*put)(const kiln_host *h, const char *name, kiln_tensor *t);
    int (*append)(const kiln_host *h, const char *name, const kiln_tensor *t);
    // "kiln.t_first", "<plugin id>.<name>"
    int (*get_text)(const kiln_host *h, const char *key, const char **out);
    int (*put_text)(const kiln_host *h, const char *key, const char *text);
    // Runs the pending encoder on the State's prompts, "" and text [n]; keeps the embeddings in it.
    int (*encode)(const kiln_host *h, const char *const *text, uint32_t n);
} kiln_state;

static inline const kiln_state *kiln_get_state(const kiln_self *self)
{
    return (const kiln_state *)self->host->extension(self->host, "kiln.state/1");
}

#ifdef __cplusplus
}
#endif
#endif
