// A file or folder of weights: safetensors, alone or in shards with an index, or what torch.save
// wrote. All names, types, shapes and bounds are checked when it is opened; the data stays mapped.
// SPDX-License-Identifier: MIT
#ifndef HOST_WEIGHTS_FILE_H
#define HOST_WEIGHTS_FILE_H

#include <kiln/tensor.h>

#include "tensor.h"

struct weights_entry {
    const char *name;
    int dtype;  // enum kiln_dtype
    int32_t ndim;
    int64_t shape[TENSOR_MAX_DIM];
    // The elements in order, little-endian, at any alignment, in the mapped file; NULL: they have
    // to be put in order first, by weights_tensor, which also compares checksums where there are
    // any.
    const void *data;
};

struct weights_file;

// A folder holds model.safetensors or diffusion_pytorch_model.safetensors, in one file or in
// shards, or the same in half precision (.fp16, .bf16), or pytorch_model.bin or
// diffusion_pytorch_model.bin in all these ways: the first of these, in this order. A folder with
// JSON files only has no tensors. Fails with KILN_ERR_IO; the message names the path.
int weights_open(const char *path, struct weights_file **out);
int weights_open_half(const char *path, struct weights_file **out);  // .fp16 and .bf16 first
void weights_close(struct weights_file *f);  // NULL is fine; tensors got from it stay valid
const char *weights_path(const struct weights_file *f);

// Entry i in order of names (by bytes); NULL past the last.
const struct weights_entry *weights_entry(const struct weights_file *f, uint64_t i);
const struct weights_entry *weights_find(const struct weights_file *f, const char *name);

// A new tensor with the data of entry name, converted to dtype (0: as it is). Floats become floats
// of another size, whole numbers any type that holds them; floats to whole numbers is refused with
// KILN_ERR_ARG. shape is what is expected, or NULL; another one fails with KILN_ERR_SHAPE, a name
// that is not there with KILN_ERR_IO. Any thread.
int weights_tensor(const struct weights_file *f, const char *name, int dtype, int32_t ndim,
                   const int64_t *shape, kiln_tensor **out);

// The same of n rows of a table [rows,width], by index: of a safetensors file no others are read.
// KILN_ERR_SHAPE: it is no table; KILN_ERR_ARG: it has no such row.
int weights_rows(const struct weights_file *f, const char *name, int dtype, uint64_t n,
                 const int32_t *row, kiln_tensor **out);

// Metadata by key; of a torch file its numbers and texts ("epoch"). NULL: absent.
const char *weights_meta(const struct weights_file *f, const char *key);
// The value at a JSON pointer (RFC 6901) of a document: a JSON file in the folder, by relative
// path, or else a metadata value, by key. A number (truth values are 0 and 1; *text is NULL) or a
// text, which lives as long as f. KILN_END: absent, or null. KILN_ERR_IO: no JSON, or an array or
// object is there. Any thread.
int weights_json(const struct weights_file *f, const char *document, const char *pointer,
                 double *number, const char **text);

// Writes a safetensors file, complete or not at all. meta: key, value, ..., NULL; or NULL.
int weights_write(const char *path, uint32_t n, const char *const *name,
                  const kiln_tensor *const *tensor, const char *const *meta);

#endif
