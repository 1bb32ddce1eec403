// The table of contents of a zip file in memory, of the kind that torch.save writes: entries are
// stored, not compressed, with zip64 where it is needed. Nothing is believed before it is checked
// against the size of the file and against the other entries.
// SPDX-License-Identifier: MIT
#ifndef HOST_ZIP_H
#define HOST_ZIP_H

#include <stddef.h>
#include <stdint.h>

struct zip_entry {
    char *name;  // without zero bytes
    const unsigned char *data;
    uint64_t bytes, header;  // header: where its local header begins in the file
    uint32_t crc;
    int compressed;  // then bytes are those in the file, and no use
};

struct zip {
    struct zip_entry *entry;  // [n], sorted by name
    uint32_t n;
};

// p [n] must outlive out. Refuses encrypted, overlapping and duplicate entries and archives of
// several parts. Fails with KILN_ERR_IO.
int zip_open(const unsigned char *p, size_t n, struct zip *out);
void zip_close(struct zip *z);
const struct zip_entry *zip_find(const struct zip *z, const char *name);  // NULL: absent
// KILN_ERR_IO: the entry is compressed, or its data is not what the checksum says.
int zip_check(const struct zip_entry *e);

#endif
