// SPDX-License-Identifier: MIT
#include "image_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "error.h"
#include "image_codec.h"
#include "tensor.h"

static int begins(const void *bytes, size_t n, const char *magic, size_t length)
{
    return n >= length && !memcmp(bytes, magic, length);
}

enum image_format image_sniff(const void *bytes, size_t n)
{
    if (begins(bytes, n, "\x89PNG\r\n\x1a\n", 8))
        return IMAGE_PNG;
    if (begins(bytes, n, "\xff\xd8\xff", 3))
        return IMAGE_JPEG;
    return IMAGE_AUTO;
}

enum image_format image_format_of_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    if (!dot)
        return IMAGE_AUTO;
    if (!strcasecmp(dot, ".png"))
        return IMAGE_PNG;
    if (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"))
        return IMAGE_JPEG;
    return IMAGE_AUTO;
}

// The name of a format that is not read, for the message.
static const char *other_format(const uint8_t *bytes, size_t n)
{
    if (begins(bytes, n, "GIF8", 4))
        return "a GIF";
    if (begins(bytes, n, "RIFF", 4) && n >= 12 && !memcmp(bytes + 8, "WEBP", 4))
        return "a WebP image";
    if (begins(bytes, n, "II*\0", 4) || begins(bytes, n, "MM\0*", 4))
        return "a TIFF";
    if (n >= 12 && !memcmp(bytes + 4, "ftyp", 4))
        return memcmp(bytes + 8, "avi", 3) ? "an MP4 or HEIC file" : "an AVIF image";
    if (begins(bytes, n, "8BPS", 4))
        return "a Photoshop file";
    if (begins(bytes, n, "BM", 2))
        return "a BMP";
    if (n >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' && bytes[2] <= ' ')
        return "a PNM image";
    return NULL;
}

int image_check_size(int64_t w, int64_t h, int64_t max_pixels)
{
    if (w < 1 || h < 1)
        return fail(KILN_ERR_IO, "an image of %lldx%lld pixels", (long long)w, (long long)h);
    if (max_pixels > 0 && w > max_pixels / h)
        return fail(KILN_ERR_IO, "%lldx%lld pixels are more than the limit of %lld", (long long)w,
                    (long long)h, (long long)max_pixels);
    return KILN_OK;
}

float image_value(const struct image_target *t, float unit)
{
    return (float)(t->lo + (double)unit * (1 - t->lo));
}

int image_target_new(struct image_target *t, int64_t channels, int64_t w, int64_t h,
                     int orientation)
{
    int turned = orientation >= 5;  // 5..8: the file's rows become columns
    int64_t shape[4] = {1, channels, turned ? w : h, turned ? h : w};
    int e = tensor_new(KILN_F32, 4, shape, &t->tensor);
    if (e)
        return e;
    t->origin = kiln_f32(t->tensor);
    t->plane = w * h;
    int64_t row = shape[3];
    t->right = turned ? row : 1;
    t->down = turned ? 1 : row;
    if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) {
        t->origin += (w - 1) * t->right;  // the file's right is on the wrong side
        t->right = -t->right;
    }
    if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {
        t->origin += (h - 1) * t->down;
        t->down = -t->down;
    }
    return KILN_OK;
}

int image_buffer_add(struct image_buffer *b, const void *data, size_t n)
{
    if (n > b->room - b->n) {
        size_t room = b->room ? b->room : 4096;
        while (room - b->n < n) {
            if (room > SIZE_MAX / 2)
                return -1;
            room *= 2;
        }
        uint8_t *grown = realloc(b->data, room);
        if (!grown)
            return -1;
        b->data = grown;
        b->room = room;
    }
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    return 0;
}

enum { SIDE_BY_SIDE = 16 };  // a constant, so that compilers take vectors

// What numbers become samples of most + 1 steps. Clamped in floats, which limits that are floats
// allow, and with a range of a power of two, whose division is exact wherever it stands, it is half
// the work; the samples are the same.
struct steps {
    double lo, range, most;
    float lowest, highest;
    int easy;
};

static struct steps steps_of(double lo, double hi, int bits)
{
    int exponent;
    struct steps l = {lo, hi - lo, bits == 16 ? 65535 : 255, (float)lo, (float)hi, 0};
    l.easy = frexp(l.range, &exponent) == 0.5 && (double)l.lowest == lo && (double)l.highest == hi;
    return l;
}

// Of one channel: v - lo in units of range, clamped, NaN as 0, times most, to the nearest.
static inline __attribute__((always_inline)) void quantise(const float *in, const struct steps *l,
                                                           int easy, int32_t *out)
{
    const double lo = l->lo, range = l->range, most = l->most, scale = most / range;
    const float lowest = l->lowest, highest = l->highest;
    for (int i = 0; i < SIDE_BY_SIDE; i++) {
        if (easy) {
            float v = in[i] > lowest ? in[i] : lowest;  // NaN is not
            v = v < highest ? v : highest;
            out[i] = (int32_t)(((double)v - lo) * scale + 0.5);
        } else {
            double v = ((double)in[i] - lo) / range;
            v = v > 0 ? v : 0;
            out[i] = (int32_t)((v < 1 ? v : 1) * most + 0.5);
        }
    }
}

static inline __attribute__((always_inline)) void put_samples(const int32_t *q, int64_t n,
                                                              int64_t c, int bits, uint8_t *row)
{
    _Pragma("GCC unroll 16") for (int64_t i = 0; i < n; i++)
    {
        if (bits == 16) {
            row[i * c * 2] = (uint8_t)(q[i] >> 8);
            row[i * c * 2 + 1] = (uint8_t)q[i];
        } else {
            row[i * c] = (uint8_t)q[i];
        }
    }
}

// row: the first sample of the channel.
static inline __attribute__((always_inline)) void quantise_plane(const float *in, int64_t w,
                                                                 int64_t c, const struct steps *l,
                                                                 int easy, int bits, uint8_t *row)
{
    int32_t q[SIDE_BY_SIDE];
    int64_t x = 0;
    for (; x + SIDE_BY_SIDE <= w; x += SIDE_BY_SIDE) {
        quantise(in + x, l, easy, q);
        put_samples(q, SIDE_BY_SIDE, c, bits, row + x * c * (bits / 8));
    }
    float rest[SIDE_BY_SIDE] = {0};
    for (int64_t i = x; i < w; i++)
        rest[i - x] = in[i];
    quantise(rest, l, easy, q);
    for (int64_t i = x; i < w; i++)
        put_samples(q + i - x, 1, c, bits, row + i * c * (bits / 8));
}

void image_quantise_row(const kiln_tensor *image, int64_t i, int64_t y, double lo, double hi,
                        int bits, uint8_t *row)
{
    int64_t c = image->shape[1], h = image->shape[2], w = image->shape[3];
    struct steps l = steps_of(lo, hi, bits);
    for (int64_t k = 0; k < c; k++) {
        const float *in = kiln_f32(image) + ((i * c + k) * h + y) * w;
        if (l.easy && bits == 8)
            quantise_plane(in, w, c, &l, 1, 8, row + k);
        else
            quantise_plane(in, w, c, &l, 0, bits, row + k * bits / 8);
    }
}

int image_decode(const void *bytes, size_t n, enum image_alpha alpha, double lo, int64_t max_pixels,
                 kiln_tensor **out, char **chain)
{
    *out = NULL;
    if (chain)
        *chain = NULL;
    int e;
    const char *other;
    switch (image_sniff(bytes, n)) {
    case IMAGE_PNG:
        e = image_png_decode(bytes, n, alpha, lo, max_pixels, out);
        break;
    case IMAGE_JPEG:
        e = image_jpeg_decode(bytes, n, lo, max_pixels, out);
        break;
    default:
        other = n ? other_format(bytes, n) : NULL;
        if (!n)
            return fail(KILN_ERR_IO, "an empty file, no image");
        if (other)
            return fail(KILN_ERR_IO, "%s; only PNG and JPEG are read", other);
        return fail(KILN_ERR_IO, "neither PNG nor JPEG");
    }
    if (!e && chain)
        e = image_chain(bytes, n, chain);
    if (e) {
        tensor_unref(*out);
        *out = NULL;
    }
    return e;
}

int image_chain(const void *bytes, size_t n, char **chain)
{
    *chain = NULL;
    switch (image_sniff(bytes, n)) {
    case IMAGE_PNG:
        return image_png_text(bytes, n, chain);
    case IMAGE_JPEG:
        return image_jpeg_text(bytes, n, chain);
    default:
        return KILN_OK;
    }
}

int image_encode(const kiln_tensor *image, int64_t i, double lo, double hi,
                 enum image_format format, int bits, int quality, const char *text, void **bytes,
                 size_t *n)
{
    *bytes = NULL;
    *n = 0;
    if (tensor_home(image))
        return KILN_ERR_DEVICE;
    if (image->ndim != 4 || !kiln_f32(image))
        return fail(KILN_ERR_SHAPE, "an image is F32 NxCxHxW");
    const int64_t *s = image->shape;
    if (i < 0 || i >= s[0])
        return fail(KILN_ERR_ARG, "no image %lld: there are %lld", (long long)i, (long long)s[0]);
    if (s[1] < 1 || s[1] > 4)
        return fail(KILN_ERR_SHAPE, "an image file has 1 to 4 channels, not %lld", (long long)s[1]);
    if (s[2] < 1 || s[3] < 1)
        return fail(KILN_ERR_SHAPE, "an image without pixels (%s)", shape_text(4, s));
    if (!(hi > lo))
        return fail(KILN_ERR_ARG, "an empty range: %g to %g", lo, hi);
    if (text && strlen(text) > IMAGE_TEXT_MAX)
        return fail(KILN_ERR_ARG, "a text of %zu bytes is too long for an image", strlen(text));
    struct image_buffer out = {0};
    int e;
    if (format == IMAGE_PNG && (bits == 8 || bits == 16))
        e = image_png_encode(image, i, lo, hi, bits, text, &out);
    else if (format == IMAGE_PNG)
        e = fail(KILN_ERR_ARG, "a PNG has 8 or 16 bits, not %d", bits);
    else if (format == IMAGE_JPEG)
        e = image_jpeg_encode(image, i, lo, hi, quality, text, &out);
    else
        e = fail(KILN_ERR_ARG, "no image format given");
    if (e) {
        free(out.data);
        return e;
    }
    *bytes = out.data;
    *n = out.n;
    return KILN_OK;
}
