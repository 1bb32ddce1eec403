// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "error.h"
#include "image_jpeg.h"
#include "pool.h"
#include "tensor.h"

// Reading a progressive file costs a pass over the whole image per scan, and a scan can be a few
// bytes: no honest file has so many.
enum { SCANS_MAX = 500 };

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_progress_mgr progress;
    struct jpeg_errors errors;
    const uint8_t *bytes;
    size_t n;
    int64_t max_pixels;
    struct image_target target;
    float value[256];  // of each sample
    struct jpeg_strips strips;
};

static void on_progress(j_common_ptr jpeg)
{
    struct jpeg_errors *e = jpeg->client_data;
    if (((j_decompress_ptr)jpeg)->input_scan_number > SCANS_MAX) {
        snprintf(e->message, sizeof(e->message), "more than %d scans", SCANS_MAX);
        longjmp(e->jump, 1);
    }
}

// Samples as they lie in most files: upright, so that pixels are side by side.
static void put_plane(const float *value, const uint8_t *in, int channels, int64_t w, float *out)
{
    for (int64_t x = 0; x < w; x++)
        out[x] = value[in[x * channels]];
}

static void put_row(const struct reader *r, int64_t y, const uint8_t *in)
{
    const struct image_target *t = &r->target;
    float *out = t->origin + y * t->down;
    int channels = r->jpeg.out_color_components;
    if (channels < 4 && t->right == 1) {
        for (int k = 0; k < channels; k++)
            put_plane(r->value, in + k, channels, r->jpeg.output_width, out + k * t->plane);
        return;
    }
    for (int64_t x = 0; x < r->jpeg.output_width; x++, out += t->right, in += channels) {
        if (channels == 4) {  // of ink; Adobe stores what is left white
            int flip = r->jpeg.saw_Adobe_marker ? 0 : 255;
            for (int k = 0; k < 3; k++)
                out[k * t->plane] =
                    image_value(t, (float)((in[k] ^ flip) * (in[3] ^ flip)) / (255.0f * 255.0f));
        } else {
            for (int k = 0; k < channels; k++)
                out[k * t->plane] = r->value[in[k]];
        }
    }
}

static int read_start(struct reader *r)
{
    j_decompress_ptr jpeg = &r->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &r->progress;
    jpeg_mem_src(jpeg, r->bytes, r->n);
    jpeg_read_header(jpeg, TRUE);
    int64_t w = jpeg->image_width, h = jpeg->image_height;
    int e = image_check_size(w, h, r->max_pixels);
    if (e)
        return e;
    switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE:
        jpeg->out_color_space = JCS_GRAYSCALE;
        break;
    case JCS_RGB:
    case JCS_YCbCr:
        jpeg->out_color_space = JCS_RGB;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        break;
    default:
        return fail(KILN_ERR_IO, "a JPEG of %d components is not known", jpeg->num_components);
    }
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    e = image_target_new(&r->target, jpeg->out_color_components == 1 ? 1 : 3, w, h,
                         image_exif_orientation(r->bytes, r->n));
    if (e)
        return e;
    for (int i = 0; i < 256; i++)
        r->value[i] = image_value(&r->target, (float)i / 255.0f);
    return jpeg_strips_new(&r->strips, w * jpeg->out_color_components, h);
}

static int read_strip(struct reader *r)
{
    j_decompress_ptr jpeg = &r->jpeg;
    struct jpeg_strip *s = &r->strips.codec;
    s->y = jpeg->output_scanline;
    s->n = 0;
    while (s->n < r->strips.most && jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = s->rows + s->n * r->strips.row_bytes;
        s->n += jpeg_read_scanlines(jpeg, &row, 1);
    }
    return KILN_OK;
}

static int read_end(struct reader *r)
{
    jpeg_finish_decompress(&r->jpeg);
    return KILN_OK;
}

static int read_guarded(struct reader *r, int (*part)(struct reader *))
{
    if (setjmp(r->errors.jump))
        return jpeg_failed(&r->errors);
    return part(r);
}

// Side 0 is the codec's, the others take a share each of the rows before.
enum { SHARES = 4 };

static int read_side(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    struct reader *r = ctx;
    const struct jpeg_strip *s = &r->strips.other;
    int e = KILN_OK;
    (void)chunk;
    for (int64_t side = begin; side < end && !e; side++)
        if (side == 0)
            e = read_guarded(r, read_strip);
        else
            for (int64_t i = s->n * (side - 1) / SHARES; i < s->n * side / SHARES; i++)
                put_row(r, s->y + i, s->rows + i * r->strips.row_bytes);
    return e;
}

static int read_all(struct reader *r)
{
    int e = read_guarded(r, read_start);
    if (!e)
        e = read_side(r, 0, 1, 0);
    while (!e && r->strips.codec.n) {
        jpeg_strips_swap(&r->strips);
        r->strips.codec.n = 0;
        int more = r->strips.other.y + r->strips.other.n < r->jpeg.output_height;
        e = more ? pool_for(1 + SHARES, 1, read_side, r) : read_side(r, 1, 1 + SHARES, 0);
    }
    return e ? e : read_guarded(r, read_end);
}

int image_jpeg_decode(const uint8_t *bytes, size_t n, double lo, int64_t max_pixels,
                      kiln_tensor **out)
{
    struct reader *r = calloc(1, sizeof(*r));
    if (!r)
        return fail(KILN_ERR_MEMORY, "out of memory");
    r->bytes = bytes;
    r->n = n;
    r->max_pixels = max_pixels;
    r->target.lo = lo;
    r->progress.progress_monitor = on_progress;
    r->jpeg.err = jpeg_error_manager(&r->errors);
    r->jpeg.client_data = &r->errors;
    int e = read_all(r);
    jpeg_destroy_decompress(&r->jpeg);
    if (e)
        tensor_unref(r->target.tensor);
    else
        *out = r->target.tensor;
    jpeg_strips_free(&r->strips);
    free(r);
    return e;
}
