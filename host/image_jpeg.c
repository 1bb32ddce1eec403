// SPDX-License-Identifier: MIT
#include "image_jpeg.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#include <jerror.h>

static void on_error(j_common_ptr jpeg)
{
    struct jpeg_errors *e = jpeg->client_data;
    e->no_memory = e->no_memory || jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    jpeg->err->format_message(jpeg, e->message);
    longjmp(e->jump, 1);
}

// libjpeg goes on after damage and fills in gray: for us most of its warnings are errors.
static void on_message(j_common_ptr jpeg, int level)
{
    struct jpeg_errors *e = jpeg->client_data;
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

struct jpeg_error_mgr *jpeg_error_manager(struct jpeg_errors *e)
{
    jpeg_std_error(&e->manager);
    e->manager.error_exit = on_error;
    e->manager.emit_message = on_message;
    e->manager.output_message = no_output;
    return &e->manager;
}

int jpeg_failed(const struct jpeg_errors *e)
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

int jpeg_strips_new(struct jpeg_strips *s, int64_t row_bytes, int64_t rows)
{
    enum { STRIP_BYTES = 256 << 10, LEAST = 16 };  // rows: of a block of the codec
    s->row_bytes = row_bytes;
    s->most = STRIP_BYTES / row_bytes / LEAST * LEAST;
    s->most = s->most < LEAST ? LEAST : s->most;
    s->most = s->most < rows ? s->most : rows;
    s->codec.rows = malloc((size_t)(2 * s->most * row_bytes));
    if (!s->codec.rows)
        return fail(KILN_ERR_MEMORY, "out of memory");
    s->other.rows = s->codec.rows + s->most * row_bytes;
    return KILN_OK;
}

void jpeg_strips_free(struct jpeg_strips *s)
{
    free(s->codec.rows < s->other.rows ? s->codec.rows : s->other.rows);
}

void jpeg_strips_swap(struct jpeg_strips *s)
{
    struct jpeg_strip codec = s->codec;
    s->codec = s->other;
    s->other = codec;
}

int image_jpeg_text(const uint8_t *bytes, size_t n, char **text)
{
    struct image_buffer b = {0};
    size_t at = 0, length, prefix = strlen(JPEG_COM_PREFIX);
    int marker, found = 0;
    const uint8_t *body;
    *text = NULL;
    while (image_jpeg_segment(bytes, n, &at, &marker, &body, &length)) {
        if (marker != JPEG_COM || length < prefix || memcmp(body, JPEG_COM_PREFIX, prefix) ||
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
