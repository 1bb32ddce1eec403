// kiln/hook.h: before and after the steps of a sampler
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_HOOK_H
#define KILN_HOOK_H

#include <kiln/predictor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_step {
    uint32_t size, i, n;
    const kiln_level *from, *to;
    const kiln_rows *rows;
    const kiln_tensor *x0;  // of the last evaluation; NULL in before() of step 0
} kiln_step;

typedef struct kiln_hook_ops {
    uint32_t size;
    // Each NULL: not called. x [n,c,h,w] is changed in place; before() sees level from, after() to.
    int (*before)(kiln_self *self, const kiln_step *step, kiln_tensor *x);
    // After each evaluation; KILN_SAME: x0 was not changed, and nothing is converted back.
    int (*estimate)(kiln_self *self, const kiln_step *step, kiln_tensor *x0);
    int (*after)(kiln_self *self, const kiln_step *step, kiln_tensor *x);
} kiln_hook_ops;

#ifdef __cplusplus
}
#endif
#endif
