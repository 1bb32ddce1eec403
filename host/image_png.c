// PNG by libpng. Its errors arrive by longjmp: what must be freed lives in a struct outside the
// function that calls setjmp, and that function has no variables of its own that change.
// SPDX-License-Identifier: MIT
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "error.h"
#include "image_codec.h"
#include "tensor.h"

struct reader {
    png_structp png;
    png_infop info;
    const uint8_t *bytes;
    size_t n, at;
    enum image_alpha alpha;
    int64_t max_pixels;
    struct image_target target;
    uint8_t *row;
    int truncated;
    char message[200];
};

struct writer {
    png_structp png;
    png_infop info;
    struct image_buffer *out;
    uint8_t *row;
    int no_memory;
    char message[200];
};

static void on_read_error(png_structp png, png_const_charp message)
{
    struct reader *r = png_get_error_ptr(png);
    snprintf(r->message, sizeof(r->message), "%s", message);
    png_longjmp(png, 1);
}

static void on_write_error(png_structp png, png_const_charp message)
{
    struct writer *w = png_get_error_ptr(png);
    snprintf(w->message, sizeof(w->message), "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep data, png_size_t n)
{
    struct reader *r = png_get_io_ptr(png);
    if (n > r->n - r->at) {
        r->truncated = 1;
        png_error(png, "truncated");
    }
    memcpy(data, r->bytes + r->at, n);
    r->at += n;
}

static void on_write(png_structp png, png_bytep data, png_size_t n)
{
    struct writer *w = png_get_io_ptr(png);
    if (image_buffer_add(w->out, data, n)) {
        w->no_memory = 1;
        png_error(png, "out of memory");
    }
}

static void on_flush(png_structp png)
{
    (void)png;
}

// One row of the file, or of one pass of an interlaced file, to the tensor. first and step: which
// pixels of the tensor's row; channels with alpha.
static void put_row(struct reader *r, int channels, int bits, int64_t y, int64_t first,
                    int64_t step, int64_t count)
{
    const struct image_target *t = &r->target;
    float *out = t->origin + y * t->down + first * t->right;
    const uint8_t *in = r->row;
    int colours = channels - !(channels & 1);
    double paper = r->alpha == ALPHA_WHITE ? 1 : 0;
    float most = bits == 16 ? 65535.0f : 255.0f;
    for (int64_t x = 0; x < count; x++, out += step * t->right) {
        float v[4];
        for (int k = 0; k < channels; k++) {
            unsigned u = *in++;
            if (bits == 16)
                u = u << 8 | *in++;
            v[k] = (float)u / most;
        }
        if (colours < channels && r->alpha != ALPHA_DROP) {
            double a = (double)v[colours];
            for (int k = 0; k < colours; k++)
                v[k] = (float)((double)v[k] * a + paper * (1 - a));
        }
        for (int k = 0; k < colours; k++)
            out[k * t->plane] = image_value(t, v[k]);
    }
}

// Deflate makes at most 1032 bytes of one, so a file of a few bytes cannot hold a large image.
static int too_short(const struct reader *r, int64_t h)
{
    return (uint64_t)png_get_rowbytes(r->png, r->info) * (uint64_t)h / 1040 > r->n;
}

static int read_body(struct reader *r)
{
    png_structp png = r->png;
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    // Colour spaces and texts are not wanted, and what is not read can do no harm.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, r->info);
    int64_t w = png_get_image_width(png, r->info), h = png_get_image_height(png, r->info);
    int e = image_check_size(w, h, r->max_pixels);
    if (e)
        return e;
    if (too_short(r, h))
        return fail(KILN_ERR_IO, "the PNG is truncated: %zu bytes for %lldx%lld pixels", r->n,
                    (long long)w, (long long)h);
    int interlaced = png_get_interlace_type(png, r->info) == PNG_INTERLACE_ADAM7;
    png_set_expand(png);  // palettes to RGB, 1, 2 and 4 bits to 8, tRNS to alpha
    png_read_update_info(png, r->info);
    int channels = png_get_channels(png, r->info);
    int bits = png_get_bit_depth(png, r->info);
    e = image_target_new(&r->target, channels < 3 ? 1 : 3, w, h, 1);
    if (e)
        return e;
    r->row = malloc(png_get_rowbytes(png, r->info));
    if (!r->row)
        return fail(KILN_ERR_MEMORY, "out of memory");
    // The passes of an interlaced file are laid straight into the tensor, without a second image.
    for (int pass = 0; pass < (interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1); pass++) {
        int64_t x0 = interlaced ? PNG_PASS_START_COL(pass) : 0;
        int64_t y0 = interlaced ? PNG_PASS_START_ROW(pass) : 0;
        int64_t dx = interlaced ? PNG_PASS_COL_OFFSET(pass) : 1;
        int64_t dy = interlaced ? PNG_PASS_ROW_OFFSET(pass) : 1;
        if (x0 >= w)
            continue;
        for (int64_t y = y0; y < h; y += dy) {
            png_read_row(png, r->row, NULL);
            put_row(r, channels, bits, y, x0, dx, (w - x0 + dx - 1) / dx);
        }
    }
    png_read_end(png, NULL);
    return KILN_OK;
}

static int read_guarded(struct reader *r)
{
    if (setjmp(png_jmpbuf(r->png)))
        return r->truncated ? fail(KILN_ERR_IO, "the PNG is truncated")
                            : fail(KILN_ERR_IO, "bad PNG: %s", r->message);
    return read_body(r);
}

int image_png_decode(const uint8_t *bytes, size_t n, enum image_alpha alpha, double lo,
                     int64_t max_pixels, kiln_tensor **out)
{
    struct reader r = {
        .bytes = bytes, .n = n, .alpha = alpha, .max_pixels = max_pixels, .target = {.lo = lo}};
    int e = KILN_ERR_MEMORY;
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_read_error, on_warning);
    if (r.png)
        r.info = png_create_info_struct(r.png);
    if (r.info) {
        png_set_read_fn(r.png, &r, on_read);
        e = read_guarded(&r);
    } else {
        fail(e, "out of memory");
    }
    png_destroy_read_struct(&r.png, &r.info, NULL);
    free(r.row);
    if (e)
        tensor_unref(r.target.tensor);
    else
        *out = r.target.tensor;
    return e;
}

static void set_text(struct writer *w, const char *text)
{
    // libpng wants char *, and copies
    union {
        const char *in;
        char *out;
    } key = {"kiln"}, value = {text};
    png_text t = {0};
    t.compression = strlen(text) > 1024 ? PNG_ITXT_COMPRESSION_zTXt : PNG_ITXT_COMPRESSION_NONE;
    t.key = key.out;
    t.text = value.out;
    png_set_text(w->png, w->info, &t, 1);
}

static int write_guarded(struct writer *w, const kiln_tensor *image, int64_t i, double lo,
                         double hi, int bits, const char *text)
{
    static const int types[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    if (setjmp(png_jmpbuf(w->png)))
        return w->no_memory ? fail(KILN_ERR_MEMORY, "out of memory")
                            : fail(KILN_ERR_IO, "cannot write the PNG: %s", w->message);
    png_set_user_limits(w->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(w->png, w->info, (png_uint_32)image->shape[3], (png_uint_32)image->shape[2], bits,
                 types[image->shape[1]], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    // Fixed, so that equal images make equal files.
    png_set_compression_level(w->png, 6);
    png_set_compression_strategy(w->png, Z_FILTERED);
    png_set_text_compression_level(w->png, 9);
    png_set_filter(w->png, PNG_FILTER_TYPE_BASE, PNG_ALL_FILTERS);
    if (text)
        set_text(w, text);
    png_write_info(w->png, w->info);
    for (int64_t y = 0; y < image->shape[2]; y++) {
        image_quantise_row(image, i, y, lo, hi, bits, w->row);
        png_write_row(w->png, w->row);
    }
    png_write_end(w->png, NULL);
    return KILN_OK;
}

int image_png_encode(const kiln_tensor *image, int64_t i, double lo, double hi, int bits,
                     const char *text, struct image_buffer *out)
{
    int64_t c = image->shape[1], h = image->shape[2], w = image->shape[3];
    if (w > PNG_UINT_31_MAX || h > PNG_UINT_31_MAX)
        return fail(KILN_ERR_SHAPE, "%lldx%lld pixels are too many for a PNG", (long long)w,
                    (long long)h);
    struct writer r = {.out = out};
    int e = KILN_ERR_MEMORY;
    r.row = malloc((size_t)(w * c * (bits / 8)));
    r.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &r, on_write_error, on_warning);
    if (r.png)
        r.info = png_create_info_struct(r.png);
    if (r.info && r.row) {
        png_set_write_fn(r.png, &r, on_write, on_flush);
        e = write_guarded(&r, image, i, lo, hi, bits, text);
    } else {
        fail(e, "out of memory");
    }
    png_destroy_write_struct(&r.png, &r.info);
    free(r.row);
    return e;
}
