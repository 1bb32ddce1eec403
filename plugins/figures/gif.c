// GIF through giflib, with one palette for all frames.
// SPDX-License-Identifier: MIT
#include "animate.h"
#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

static int write_bytes(GifFileType *gif, const GifByteType *bytes, int n)
{
    return (int)fwrite(bytes, 1, (size_t)n, gif->UserData);
}

// The extension that browsers read the number of repetitions from; 0: for ever.
static int put_loop(GifFileType *gif)
{
    static const GifByteType for_ever[3] = {1, 0, 0};
    return EGifPutExtensionLeader(gif, APPLICATION_EXT_FUNC_CODE) == GIF_OK &&
           EGifPutExtensionBlock(gif, 11, "NETSCAPE2.0") == GIF_OK &&
           EGifPutExtensionBlock(gif, sizeof(for_ever), for_ever) == GIF_OK &&
           EGifPutExtensionTrailer(gif) == GIF_OK;
}

static int put_frame(GifFileType *gif, const struct frames *f, uint8_t *index)
{
    GraphicsControlBlock control = {
        .DisposalMode = DISPOSE_DO_NOT,
        .DelayTime = (int)(f->ms + 5) / 10,  // hundredths of a second
        .TransparentColor = NO_TRANSPARENT_COLOR,
    };
    GifByteType bytes[4];
    size_t n = EGifGCBToExtension(&control, bytes);
    if (EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, (int)n, bytes) != GIF_OK ||
        EGifPutImageDesc(gif, 0, 0, (int)f->width, (int)f->height, false, NULL) != GIF_OK)
        return 0;
    for (size_t y = 0; y < f->height; y++)
        if (EGifPutLine(gif, index + y * f->width, (int)f->width) != GIF_OK)
            return 0;
    return 1;
}

static int put_all(GifFileType *gif, const struct frames *f, const ColorMapObject *colours,
                   uint8_t *index)
{
    EGifSetGifVersion(gif, true);
    if (EGifPutScreenDesc(gif, (int)f->width, (int)f->height, 8, 0, colours) != GIF_OK ||
        (f->loop && !put_loop(gif)))
        return 0;
    for (size_t i = 0; i < f->n; i++)
        if (!put_frame(gif, f, index + i * f->width * f->height))
            return 0;
    return 1;
}

int animate_gif(const struct frames *f, FILE *file, const char **why)
{
    uint8_t palette[256][3], *index = malloc(f->n * f->width * f->height);
    GifColorType colour[256];
    int error = 0, ok = 0;
    if (!index || !animate_palette(f, palette, index)) {
        *why = "out of memory";
        free(index);
        return 0;
    }
    for (int i = 0; i < 256; i++)
        colour[i] = (GifColorType){palette[i][0], palette[i][1], palette[i][2]};
    ColorMapObject *colours = GifMakeMapObject(256, colour);
    GifFileType *gif = colours ? EGifOpen(file, write_bytes, &error) : NULL;
    if (gif) {
        ok = put_all(gif, f, colours, index);
        if (!ok)
            *why = GifErrorString(gif->Error);
        ok &= EGifCloseFile(gif, &error) == GIF_OK;
    }
    if (!ok && !*why)
        *why = error ? GifErrorString(error) : "out of memory";
    GifFreeMapObject(colours);
    free(index);
    return ok;
}
