// Inside an opened file of weights: its parts (files) and documents.
// SPDX-License-Identifier: MIT
#ifndef HOST_WEIGHTS_PART_H
#define HOST_WEIGHTS_PART_H

#include <pthread.h>

#include "safetensors.h"
#include "torch_file.h"
#include "weights_file.h"

// One mapped file.
struct weights_part {
    char *name;  // within the folder; of a single file its path
    const unsigned char *p;
    size_t n;
    struct st_header header;  // of safetensors
    struct torch_file torch;  // of torch.save
};

// What weights_entry hands out, and where it comes from.
struct weights_slot {
    struct weights_entry entry;  // first
    uint32_t part;
    const struct torch_tensor *torch;  // NULL: safetensors
};

struct weights_documents;  // parsed JSON, kept

struct weights_file {
    char *path;
    int folder;
    struct weights_part *part;
    struct weights_slot *slot;  // sorted by name
    uint32_t n_parts, n_slots;
    struct weights_documents *documents;
};

// Opens path/name (name alone if path is NULL) as the next part.
int weights_add_part(struct weights_file *f, const char *folder, const char *name);
// Finds out what is in a folder and opens it. half: weights in half precision come first.
int weights_open_folder(struct weights_file *f, int half);

struct weights_documents *weights_documents_new(void);
void weights_documents_free(struct weights_documents *d);

#endif
