// What the PNG and JPEG codecs share; image_file.h is what the rest of the host sees.
// SPDX-License-Identifier: MIT
#ifndef HOST_IMAGE_CODEC_H
#define HOST_IMAGE_CODEC_H

#include "image_file.h"

enum { IMAGE_TEXT_MAX = 16 << 20 };

// Where decoded pixels go. Orientation lives in the steps: pixel (x, y) of the file, channel k, is
// origin[k * plane + y * down + x * right], so turning an image takes no second buffer.
struct image_target {
    double lo;  // of the values' range, to 1
    kiln_tensor *tensor;
    float *origin;
    int64_t plane, right, down;
};

// Refuses absurd sizes.
int image_check_size(int64_t w, int64_t h, int64_t max_pixels);
// The tensor for a file of w x h pixels; orientation as in EXIF, 1 (as stored) to 8.
int image_target_new(struct image_target *t, int64_t channels, int64_t w, int64_t h,
                     int orientation);

// What stands for a sample of [0,1].
float image_value(const struct image_target *t, float unit);

// A file being written to memory.
struct image_buffer {
    uint8_t *data;
    size_t n, room;
};
int image_buffer_add(struct image_buffer *b, const void *data, size_t n);  // -1: out of memory

// Row y of image i as interleaved samples of 8 bits, or 16 with the high byte first.
void image_quantise_row(const kiln_tensor *image, int64_t i, int64_t y, double lo, double hi,
                        int bits, uint8_t *row);

int image_png_decode(const uint8_t *bytes, size_t n, enum image_alpha alpha, double lo,
                     int64_t max_pixels, kiln_tensor **out);
int image_png_encode(const kiln_tensor *image, int64_t i, double lo, double hi, int bits,
                     const char *text, struct image_buffer *out);
int image_png_text(const uint8_t *bytes, size_t n, char **text);

int image_jpeg_decode(const uint8_t *bytes, size_t n, double lo, int64_t max_pixels,
                      kiln_tensor **out);
int image_jpeg_encode(const kiln_tensor *image, int64_t i, double lo, double hi, int quality,
                      const char *text, struct image_buffer *out);
int image_jpeg_text(const uint8_t *bytes, size_t n, char **text);

// Steps through the marker segments of a JPEG before its first scan: *at starts at 0, *body and
// *length are the segment without marker and length. 0: no more, or no JPEG.
int image_jpeg_segment(const uint8_t *bytes, size_t n, size_t *at, int *marker,
                       const uint8_t **body, size_t *length);
// The EXIF orientation of a JPEG, 1 to 8; 1 where there is none or it makes no sense.
int image_exif_orientation(const uint8_t *bytes, size_t n);

#endif
