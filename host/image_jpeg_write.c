// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "image_jpeg.h"
#include "pool.h"

struct writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_destination_mgr destination;
    struct jpeg_errors errors;
    struct image_buffer *out;
    uint8_t part[4096];
    const kiln_tensor *image;
    int64_t i;
    double lo, hi;
    int quality;
    const char *text;
    struct jpeg_strips strips;
};

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
    size_t left = strlen(text), prefix = strlen(JPEG_COM_PREFIX);
    do {
        size_t n = left < JPEG_COM_MAX - prefix ? left : JPEG_COM_MAX - prefix;
        jpeg_write_m_header(jpeg, JPEG_COM, (unsigned)(prefix + n));
        for (size_t i = 0; i < prefix; i++)
            jpeg_write_m_byte(jpeg, JPEG_COM_PREFIX[i]);
        for (size_t i = 0; i < n; i++)
            jpeg_write_m_byte(jpeg, (unsigned char)*text++);
        left -= n;
    } while (left);
}

static int write_start(struct writer *w)
{
    j_compress_ptr jpeg = &w->jpeg;
    const int64_t *shape = w->image->shape;
    jpeg_create_compress(jpeg);
    jpeg->dest = &w->destination;
    jpeg->image_width = (JDIMENSION)shape[3];
    jpeg->image_height = (JDIMENSION)shape[2];
    jpeg->input_components = (int)shape[1];
    jpeg->in_color_space = shape[1] == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, w->quality, TRUE);
    jpeg->dct_method = JDCT_ISLOW;
    int full = w->quality >= 90 || shape[1] == 1;  // colour at full resolution
    jpeg->comp_info[0].h_samp_factor = full ? 1 : 2;
    jpeg->comp_info[0].v_samp_factor = full ? 1 : 2;
    // Tables of its own make a file smaller by some percent; a large one is written in one pass.
    enum { TABLES = 1 << 20 };
    jpeg->optimize_coding = shape[2] * shape[3] <= TABLES;
    jpeg_start_compress(jpeg, TRUE);
    if (w->text)
        write_text(jpeg, w->text);
    return KILN_OK;
}

static int write_strip(struct writer *w)
{
    struct jpeg_strip *s = &w->strips.codec;
    for (int64_t i = 0; i < s->n; i++) {
        JSAMPROW row = s->rows + i * w->strips.row_bytes;
        jpeg_write_scanlines(&w->jpeg, &row, 1);
    }
    return KILN_OK;
}

static int write_end(struct writer *w)
{
    jpeg_finish_compress(&w->jpeg);
    return KILN_OK;
}

static int write_guarded(struct writer *w, int (*part)(struct writer *))
{
    if (setjmp(w->errors.jump))
        return jpeg_failed(&w->errors);
    return part(w);
}

static int write_side(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    struct writer *w = ctx;
    const struct jpeg_strip *s = &w->strips.other;
    int e = KILN_OK;
    (void)chunk;
    for (int64_t side = begin; side < end && !e; side++)
        if (side == 0)
            e = write_guarded(w, write_strip);
        else
            for (int64_t i = 0; i < s->n; i++)
                image_quantise_row(w->image, w->i, s->y + i, w->lo, w->hi, 8,
                                   s->rows + i * w->strips.row_bytes);
    return e;
}

static int write_all(struct writer *w)
{
    struct jpeg_strips *s = &w->strips;
    int64_t height = w->image->shape[2];
    int e = jpeg_strips_new(s, w->image->shape[1] * w->image->shape[3], height);
    if (!e)
        e = write_guarded(w, write_start);
    for (int64_t y = 0; !e && (y < height || s->other.n); y += s->most) {
        jpeg_strips_swap(s);
        s->other.y = y;
        s->other.n = y < height ? height - y : 0;
        s->other.n = s->other.n < s->most ? s->other.n : s->most;
        e = s->codec.n && s->other.n ? pool_for(2, 1, write_side, w)
            : s->codec.n             ? write_side(w, 0, 1, 0)
                                     : write_side(w, 1, 2, 0);
    }
    return e ? e : write_guarded(w, write_end);
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
    if (!r)
        return fail(KILN_ERR_MEMORY, "out of memory");
    r->image = image;
    r->i = i;
    r->lo = lo;
    r->hi = hi;
    r->quality = quality;
    r->text = text;
    r->out = out;
    r->destination.init_destination = on_init;
    r->destination.empty_output_buffer = on_full;
    r->destination.term_destination = on_end;
    r->jpeg.err = jpeg_error_manager(&r->errors);
    r->jpeg.client_data = &r->errors;
    int e = write_all(r);
    jpeg_destroy_compress(&r->jpeg);
    jpeg_strips_free(&r->strips);
    free(r);
    return e;
}
