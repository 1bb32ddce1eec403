// kiln/ext/weights.h: "kiln.weights/1"
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_EXT_WEIGHTS_H
#define KILN_EXT_WEIGHTS_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

// A safetensors file, or a folder of shards with its JSON files.
typedef struct kiln_file kiln_file;

typedef struct kiln_weights {
    uint32_t size;
    // By the host's model path. Checks every name, type, shape and bound; data stays mapped.
    int (*open)(const kiln_host *h, const char *path, kiln_file **out);
    void (*close)(const kiln_host *h, kiln_file *f);  // tensors got from it stay valid
    // Tensor i in order of names; KILN_END past the last. shape [8] is written up to ndim.
    int (*entry)(const kiln_file *f, uint64_t i, const char **name, int *dtype, int32_t *ndim,
                 int64_t *shape);
    // New, yours; converted to dtype, on the device of near. shape: expected, else KILN_ERR_SHAPE.
    int (*tensor)(const kiln_host *h, const kiln_file *f, const char *name, const kiln_tensor *near,
                  int dtype, int32_t ndim, const int64_t *shape, kiln_tensor **out);
    const char *(*meta)(const kiln_file *f, const char *key);  // NULL: absent
    // A number (bool as 0, 1) or a string by JSON pointer, of a file in the folder ("config.json")
    // or of a metadata value; KILN_END: absent. *text is NULL for a number. What JSON has no numbers
    // for and Python writes all the same are the texts Infinity, -Infinity and NaN.
    int (*json)(const kiln_file *f, const char *document, const char *pointer, double *number,
                const char **text);
    // Complete or not at all: written beside, flushed, renamed. meta: key, value, ..., NULL.
    int (*write)(const kiln_host *h, const char *path, uint32_t n, const char *const *name,
                 const kiln_tensor *const *tensor, const char *const *meta);
    // As entry, in the order of the file: of a PyTorch file that of its dictionary.
    int (*stored)(const kiln_file *f, uint64_t i, const char **name, int *dtype, int32_t *ndim,
                  int64_t *shape);
    // As open, which of a folder with weights in full and in half precision takes those in full:
    // takes those in half.
    int (*open_half)(const kiln_host *h, const char *path, kiln_file **out);
    // As tensor, of a table [rows,width] the n rows of these indices; the rest is not read.
    int (*rows)(const kiln_host *h, const kiln_file *f, const char *name, const kiln_tensor *near,
                int dtype, uint64_t n, const int32_t *row, kiln_tensor **out);
} kiln_weights;

static inline const kiln_weights *kiln_get_weights(const kiln_self *self)
{
    return (const kiln_weights *)self->host->extension(self->host, "kiln.weights/1");
}

#ifdef __cplusplus
}
#endif
#endif
