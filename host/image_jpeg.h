// What reading and writing JPEG by libjpeg-turbo share. The codec takes some rows at a time: while
// one thread has it, others turn the rows before into numbers, or numbers into the rows after.
//
// Errors arrive by longjmp, on the thread that has the codec. What must be freed lives outside of
// the function that calls setjmp: a local variable changed between setjmp and longjmp has no
// certain value afterwards. SPDX-License-Identifier: MIT
#ifndef HOST_IMAGE_JPEG_H
#define HOST_IMAGE_JPEG_H

#include <setjmp.h>
#include <stdio.h>

#include "image_codec.h"

#include <jpeglib.h>

enum { JPEG_COM_MAX = 65533 };
#define JPEG_COM_PREFIX "kiln: "  // of the comments that hold the text of image_encode()

struct jpeg_errors {
    struct jpeg_error_mgr manager;
    jmp_buf jump;
    int truncated, no_memory;
    char message[JMSG_LENGTH_MAX];
};

// The manager in it, for jpeg.err; it is jpeg.client_data.
struct jpeg_error_mgr *jpeg_error_manager(struct jpeg_errors *e);
// After a longjmp: fail() with what the codec said.
int jpeg_failed(const struct jpeg_errors *e);

// Rows that go through together, [n] rows of 8 bits from row y on.
struct jpeg_strip {
    uint8_t *rows;
    int64_t y, n;
};

// What a reader or a writer has two of: one that the codec works on, one for the other thread.
struct jpeg_strips {
    struct jpeg_strip codec, other;
    int64_t row_bytes, most;  // of a row; rows of a strip
};

// For an image of that many rows, in strips of 256 KB or so.
int jpeg_strips_new(struct jpeg_strips *s, int64_t row_bytes, int64_t rows);
void jpeg_strips_free(struct jpeg_strips *s);
void jpeg_strips_swap(struct jpeg_strips *s);

#endif
