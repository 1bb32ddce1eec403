// SHA-256 (FIPS 180-4). SPDX-License-Identifier: MIT
#ifndef HOST_SHA256_H
#define HOST_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BLOCK = 64, SHA256_HEX = 64 };

struct sha256 {
    uint32_t h[8];
    uint64_t bytes;
    unsigned char rest[SHA256_BLOCK];  // of them, bytes % SHA256_BLOCK
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
// In lower case, with a zero behind.
void sha256_hex(struct sha256 *s, char hex[SHA256_HEX + 1]);

#endif
