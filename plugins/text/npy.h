// Files of NumPy's format (.npy, versions 1 to 3): one array of floats.
// SPDX-License-Identifier: MIT
#ifndef TEXT_NPY_H
#define TEXT_NPY_H

#include <stddef.h>
#include <stdint.h>

enum { NPY_MAX_DIM = 8 };

struct npy {
    int dtype;  // enum kiln_dtype: F16, F32 or F64
    int32_t ndim;
    int64_t shape[NPY_MAX_DIM];
    int fortran;                // first dimension fastest
    const unsigned char *data;  // in the file, at any alignment
    uint64_t numel;
};

// Does the file begin as one of NumPy's?
int npy_is_file(const unsigned char *p, size_t n);
// NULL, or what is wrong with it. p [n] must outlive out; nothing of it is believed before it is
// checked against n.
const char *npy_parse(const unsigned char *p, size_t n, struct npy *out);

#endif
