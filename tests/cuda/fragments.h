// SPDX-License-Identifier: MIT
#ifndef TESTS_CUDA_FRAGMENTS_H
#define TESTS_CUDA_FRAGMENTS_H

#ifdef __cplusplus
extern "C" {
#endif

struct fragment_check {
    const char *what;
    float (*difference)(void);  // to plain sums; NaN where there is a NaN
};
const struct fragment_check *fragment_checks(int *n);

#ifdef __cplusplus
}
#endif
#endif
