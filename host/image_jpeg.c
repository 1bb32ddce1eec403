// JPEG by libjpeg-turbo. Errors arrive by longjmp; as in image_png.c, what must be freed lives
// outside of the function that calls setjmp.
// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

// jpeglib.h needs stdio.h and stddef.h before it, which our headers bring
#include "error.h"
#include "image_codec.h"
#include "tensor.h"

#include <jerror.h>
#include <jpeglib.h>

// Reading a progressive file costs a pass over the whole image per scan, and a scan can be a few
// bytes: no honest file has so many.
enum { SCANS_MAX = 500, COM_MAX = 65533 };
static const char com_prefix[] = "kiln: ";

struct errors {
    struct jpeg_error_mgr manager;
    jmp_buf jump;
    int truncated, no_memory;
    char message[JMSG_LENGTH_MAX];
};

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_progress_mgr progress;
    struct errors errors;
    const uint8_t *bytes;
    size_t n;
    int64_t max_pixels;
    struct image_target target;
    float value[256];  // of each sample
    uint8_t *row;
};

struct writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_destination_mgr destination;
    struct errors errors;
    struct image_buffer *out;
    uint8_t *row, part[4096];
};

static void on_error(j_common_ptr jpeg)
{
    struct errors *e = jpeg->client_data;
    e->no_memory = e->no_memory || jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    jpeg->err->format_message(jpeg, e->message);
    longjmp(e->jump, 1);
}

// libjpeg goes on after damage and fills in gray: for us most of its warnings are errors.
static void on_message(j_common_ptr jpeg, int level)
{
    struct errors *e = jpeg->client_data;
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_TOO_MUCH_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
        return;
    case JWRN_JPEG_EOF:
        e->truncated = 1;
    }
    on_error(jpeg);
}

static void no_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static struct jpeg_error_mgr *error_manager(struct errors *e)
{
    jpeg_std_error(&e->manager);
    e->manager.error_exit = on_error;
    e->manager.emit_message = on_message;
    e->manager.output_message = no_output;
    return &e->manager;
}

static int failed(const struct errors *e)
{
    if (e->truncated)
        return fail(KILN_ERR_IO, "the JPEG is truncated");
    if (e->no_memory)
        return fail(KILN_ERR_MEMORY, "out of memory");
    const char *text = e->message, *known = "Corrupt JPEG data: ";
    if (!strncmp(text, known, strlen(known)))
        text += strlen(known);
    return fail(KILN_ERR_IO, "bad JPEG: %s", text);
}

static void on_progress(j_common_ptr jpeg)
{
    struct errors *e = jpeg->client_data;
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

static void put_row(const struct reader *r, int64_t y)
{
    const struct image_target *t = &r->target;
    float *out = t->origin + y * t->down;
    const uint8_t *in = r->row;
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
                out[k * t->plane] = (float)((in[k] ^ flip) * (in[3] ^ flip)) / (255.0f * 255.0f);
        } else {
            for (int k = 0; k < channels; k++)
                out[k * t->plane] = r->value[in[k]];
        }
    }
}

static int read_body(struct reader *r)
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
        r->value[i] = (float)i / 255.0f;
    r->row = malloc((size_t)w * (size_t)jpeg->out_color_components);
    if (!r->row)
        return fail(KILN_ERR_MEMORY, "out of memory");
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW rows[1] = {r->row};
        int64_t y = jpeg->output_scanline;
        if (jpeg_read_scanlines(jpeg, rows, 1) == 1)
            put_row(r, y);
    }
    jpeg_finish_decompress(jpeg);
    return KILN_OK;
}

static int read_guarded(struct reader *r)
{
    if (setjmp(r->errors.jump))
        return failed(&r->errors);
    return read_body(r);
}

int image_jpeg_decode(const uint8_t *bytes, size_t n, int64_t max_pixels, kiln_tensor **out)
{
    struct reader *r = calloc(1, sizeof(*r));
    if (!r)
        return fail(KILN_ERR_MEMORY, "out of memory");
    r->bytes = bytes;
    r->n = n;
    r->max_pixels = max_pixels;
    r->progress.progress_monitor = on_progress;
    r->jpeg.err = error_manager(&r->errors);
    r->jpeg.client_data = &r->errors;
    int e = read_guarded(r);
    jpeg_destroy_decompress(&r->jpeg);
    if (e)
        tensor_unref(r->target.tensor);
    else
        *out = r->target.tensor;
    free(r->row);
    free(r);
    return e;
}

static void reset_part(struct writer *w)
{
    w->destination.next_output_byte = w->part;
    w->destination.free_in_buffer = sizeof(w->part);
}

static void add_part(struct writer *w, size_t n)
{
    if (image_buffer_add(w->out, w->part, n)) {
        w->errors.no_memory = 1;
        longjmp(w->errors.jump, 1);
    }
}

static struct writer *writer_of(j_compress_ptr jpeg)
{
    return (struct writer *)((char *)jpeg - offsetof(struct writer, jpeg));
}

static void on_init(j_compress_ptr jpeg)
{
    reset_part(writer_of(jpeg));
}

static boolean on_full(j_compress_ptr jpeg)
{
    struct writer *w = writer_of(jpeg);
    add_part(w, sizeof(w->part));
    reset_part(w);
    return TRUE;
}

static void on_end(j_compress_ptr jpeg)
{
    struct writer *w = writer_of(jpeg);
    add_part(w, sizeof(w->part) - w->destination.free_in_buffer);
}

// A marker holds less than 64 KiB: long texts take several.
static void write_text(j_compress_ptr jpeg, const char *text)
{
    size_t left = strlen(text), prefix = strlen(com_prefix);
    do {
        size_t n = left < COM_MAX - prefix ? left : COM_MAX - prefix;
        jpeg_write_m_header(jpeg, JPEG_COM, (unsigned)(prefix + n));
        for (size_t i = 0; i < prefix; i++)
            jpeg_write_m_byte(jpeg, com_prefix[i]);
        for (size_t i = 0; i < n; i++)
            jpeg_write_m_byte(jpeg, (unsigned char)*text++);
        left -= n;
    } while (left);
}

static void write_body(struct writer *w, const kiln_tensor *image, int64_t i, double lo, double hi,
                       int quality, const char *text)
{
    j_compress_ptr jpeg = &w->jpeg;
    jpeg_create_compress(jpeg);
    jpeg->dest = &w->destination;
    jpeg->image_width = (JDIMENSION)image->shape[3];
    jpeg->image_height = (JDIMENSION)image->shape[2];
    jpeg->input_components = (int)image->shape[1];
    jpeg->in_color_space = image->shape[1] == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->optimize_coding = TRUE;
    int full = quality >= 90 || image->shape[1] == 1;  // colour at full resolution
    jpeg->comp_info[0].h_samp_factor = full ? 1 : 2;
    jpeg->comp_info[0].v_samp_factor = full ? 1 : 2;
    jpeg_start_compress(jpeg, TRUE);
    if (text)
        write_text(jpeg, text);
    for (int64_t y = 0; y < image->shape[2]; y++) {
        JSAMPROW rows[1] = {w->row};
        image_quantise_row(image, i, y, lo, hi, 8, w->row);
        jpeg_write_scanlines(jpeg, rows, 1);
    }
    jpeg_finish_compress(jpeg);
}

static int write_guarded(struct writer *w, const kiln_tensor *image, int64_t i, double lo,
                         double hi, int quality, const char *text)
{
    if (setjmp(w->errors.jump))
        return failed(&w->errors);
    write_body(w, image, i, lo, hi, quality, text);
    return KILN_OK;
}

int image_jpeg_encode(const kiln_tensor *image, int64_t i, double lo, double hi, int quality,
                      const char *text, struct image_buffer *out)
{
    int64_t c = image->shape[1], h = image->shape[2], w = image->shape[3];
    if (c != 1 && c != 3)
        return fail(KILN_ERR_SHAPE, "a JPEG has 1 or 3 channels, not %lld", (long long)c);
    if (w > JPEG_MAX_DIMENSION || h > JPEG_MAX_DIMENSION)
        return fail(KILN_ERR_SHAPE, "a JPEG has at most %ldx%ld pixels, not %lldx%lld",
                    (long)JPEG_MAX_DIMENSION, (long)JPEG_MAX_DIMENSION, (long long)w, (long long)h);
    if (quality < 1 || quality > 100)
        return fail(KILN_ERR_ARG, "the quality of a JPEG is 1 to 100, not %d", quality);
    struct writer *r = calloc(1, sizeof(*r));
    uint8_t *row = malloc((size_t)(w * c));
    int e = KILN_ERR_MEMORY;
    if (r && row) {
        r->out = out;
        r->row = row;
        r->destination.init_destination = on_init;
        r->destination.empty_output_buffer = on_full;
        r->destination.term_destination = on_end;
        r->jpeg.err = error_manager(&r->errors);
        r->jpeg.client_data = &r->errors;
        e = write_guarded(r, image, i, lo, hi, quality, text);
        jpeg_destroy_compress(&r->jpeg);
    } else {
        fail(e, "out of memory");
    }
    free(row);
    free(r);
    return e;
}

int image_jpeg_text(const uint8_t *bytes, size_t n, char **text)
{
    struct image_buffer b = {0};
    size_t at = 0, length, prefix = strlen(com_prefix);
    int marker, found = 0;
    const uint8_t *body;
    *text = NULL;
    while (image_jpeg_segment(bytes, n, &at, &marker, &body, &length)) {
        if (marker != JPEG_COM || length < prefix || memcmp(body, com_prefix, prefix) ||
            memchr(body, 0, length) || b.n + length > IMAGE_TEXT_MAX)
            continue;
        found = 1;
        if (image_buffer_add(&b, body + prefix, length - prefix))
            goto no_memory;
    }
    if (!found)
        return KILN_OK;
    if (image_buffer_add(&b, "", 1))
        goto no_memory;
    *text = (char *)b.data;
    return KILN_OK;
no_memory:
    free(b.data);
    return fail(KILN_ERR_MEMORY, "out of memory");
}
