// Reads the pickles of torch.save without running anything: a machine for those operations alone
// that build plain values, and for the few names of torch and collections that a state dict is made
// of. Every other name is refused, and told.
// SPDX-License-Identifier: MIT
#ifndef HOST_PICKLE_H
#define HOST_PICKLE_H

#include <stddef.h>
#include <stdint.h>

enum { PICKLE_MAX_BYTES = 4 << 20, PICKLE_MAX_DIM = 8 };

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_TEXT,
    PICKLE_OPAQUE,  // bytes, or a whole number beyond 64 bits
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_GLOBAL,  // one of the names below; not in a finished value
};

// The element types of torch's storages.
enum pickle_item {
    PICKLE_F64 = 1,
    PICKLE_F32,
    PICKLE_F16,
    PICKLE_BF16,
    PICKLE_I64,
    PICKLE_I32,
    PICKLE_I16,
    PICKLE_I8,
    PICKLE_U8,
    PICKLE_TRUTH,  // one byte, 0 or 1
};

struct pickle_tensor {
    uint32_t storage;  // a value of kind PICKLE_STORAGE
    int32_t ndim;
    uint64_t offset;                                         // in elements, as are the strides
    uint64_t shape[PICKLE_MAX_DIM], stride[PICKLE_MAX_DIM];  // all within the storage
    uint64_t numel;
};

// Values name one another by their index: lists may hold themselves.
struct pickle_value {
    enum pickle_kind kind;
    uint32_t n;  // items; of a dict keys and values, 2 to an entry; of a text bytes
    union {
        int64_t integer;  // PICKLE_BOOL, PICKLE_INT; index of a global
        double number;
        char *text;      // ends with a zero byte and has no other
        uint32_t *item;  // [n]
        struct {
            char *key;  // names the record that holds the data
            uint64_t numel;
            enum pickle_item item;
        } storage;
        struct pickle_tensor *tensor;
    } u;
};

struct pickle {
    struct pickle_value *value;  // [n]
    uint32_t n, root;
};

// Fails with KILN_ERR_IO. Memory is at most a fixed multiple of n.
int pickle_read(const unsigned char *p, size_t n, struct pickle *out);
void pickle_free(struct pickle *p);
size_t pickle_item_size(enum pickle_item item);

#endif
