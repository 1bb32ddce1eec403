// Image files: PNG and JPEG to tensors and back.
// SPDX-License-Identifier: MIT
#ifndef HOST_IMAGE_FILE_H
#define HOST_IMAGE_FILE_H

#include <kiln/tensor.h>

enum image_format { IMAGE_AUTO, IMAGE_PNG, IMAGE_JPEG };
enum image_alpha { ALPHA_WHITE, ALPHA_BLACK, ALPHA_DROP };

// A sensible max_pixels: 16384 x 16384, 3 GiB as colour in F32.
enum { IMAGE_MAX_PIXELS = 1 << 28 };

// IMAGE_PNG or IMAGE_JPEG by the first bytes, IMAGE_AUTO for anything else. 8 bytes are enough.
enum image_format image_sniff(const void *bytes, size_t n);

// IMAGE_PNG for .png, IMAGE_JPEG for .jpg and .jpeg, in any case of letters; else IMAGE_AUTO.
enum image_format image_format_of_name(const char *path);

// Decodes a whole file held in memory to F32 [1,c,h,w] in [lo,1], c 1 (gray) or 3 (sRGB as stored:
// gAMA, iCCP, bKGD and sRGB are ignored). Values are v / (2^bits - 1), a true division, and what
// image_to_range() makes of them where lo is not 0. Alpha and
// tRNS are laid on white or black, or dropped. JPEG: EXIF orientation is applied, CMYK and YCCK
// (inverted where there is an Adobe marker) become RGB. Fails with KILN_ERR_IO and a text without
// the file's name; a file that says more pixels than max_pixels (0: no limit) is refused before
// memory is taken; truncated data and wrong checksums in critical chunks are errors. *chain: what
// image_chain() gives (chain itself may be NULL). Any thread.
int image_decode(const void *bytes, size_t n, enum image_alpha alpha, double lo, int64_t max_pixels,
                 kiln_tensor **out, char **chain);

// The text "kiln" that image_encode() put in: *chain is malloc'd, or NULL if there is none that can
// be read. Texts beyond 16 MiB are not. Looks at no pixels; fails only for want of memory.
int image_chain(const void *bytes, size_t n, char **chain);

// Encodes row i of F32 [n,c,h,w], c 1, 3 (2 and 4: with alpha, PNG alone), values in [lo,hi],
// clamped, rounded half up, NaN as lo. bits 8 or 16 (PNG). quality 1..100 (JPEG; 4:4:4 from 90 on).
// text: UTF-8 for an iTXt chunk "kiln", or NULL (JPEG: COM markers that begin with "kiln: "). Equal
// arguments give equal bytes. *bytes is malloc'd.
int image_encode(const kiln_tensor *image, int64_t i, double lo, double hi,
                 enum image_format format, int bits, int quality, const char *text, void **bytes,
                 size_t *n);

#endif
