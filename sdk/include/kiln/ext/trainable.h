// kiln/ext/trainable.h: "kiln.trainable/1", offered by a predictor
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_EXT_TRAINABLE_H
#define KILN_EXT_TRAINABLE_H

#include <kiln/trainer.h>

#ifdef __cplusplus
extern "C" {
#endif

// Weights files that a trainer writes carry two metadata strings beside the tensors, from which the
// predictor's describe() and load() take the rest: "kiln.net", the JSON of config(), and
// "kiln.objective": "eps"; "denoise" (the net estimates x0, its t is sigma); or "flow" (e - x0, with
// alpha = 1 - u and sigma = u for u = (t - t_first + 1) / n_t).
typedef struct kiln_trainable {
    uint32_t size;
    // After load; valid until destroy. A net without weights draws them in load, by uniform.
    int (*weights)(kiln_self *self, const kiln_weight **list, uint32_t *n);
    int (*config)(kiln_self *self, const char **json);  // what load needs beside the weights
    int (*forward)(kiln_self *self, const kiln_query *q, kiln_tensor *out);  // keeps activations
    int (*backward)(kiln_self *self, const kiln_tensor *dout);
} kiln_trainable;

#ifdef __cplusplus
}
#endif
#endif
