// kiln/encoder.h: text to embedding
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_ENCODER_H
#define KILN_ENCODER_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_encoder_ops {
    uint32_t size;
    // One prompt, "" too; a shape equal for all prompts; *out is new and passes to the host.
    // Weights may be loaded by the first call; destroy frees them before the net is loaded.
    // KILN_END: there is none of this text, and fail() was told why; for who can do without.
    int (*encode)(kiln_self *self, const char *text, kiln_tensor **out);
    // n different ones to out [n], where together is cheaper; NULL: it is not. Each to the bits that
    // encode gives. After a failure out holds nothing.
    int (*encode_all)(kiln_self *self, uint32_t n, const char *const *text, kiln_tensor **out);
} kiln_encoder_ops;

#ifdef __cplusplus
}
#endif
#endif
