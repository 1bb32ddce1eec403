// Captions written on a picture.
// SPDX-License-Identifier: MIT
#include "caption.h"
#include "figures.h"

#include <stdlib.h>

int figures_font(int64_t width)
{
    int64_t font = width / 7;
    return (int)(font < 12 ? 12 : font > 22 ? 22 : font);
}

int figures_text(kiln_self *self, const kiln_rows *rows, const struct caption *c, int font,
                 kiln_tensor *out, const struct place *p)
{
    const int64_t *s = out->shape;
    if (!c->n || p->width < 1 || p->height < 1)
        return KILN_OK;
    unsigned char *ink = malloc((size_t)(p->width * p->height));
    if (!ink || !caption_draw(c, font, ink, (int)p->width, (int)p->height)) {
        free(ink);
        return kiln_fail(self, KILN_ERR_MEMORY, "cannot draw text");
    }
    for (int64_t k = 0; k < s[1]; k++)
        for (int64_t v = 0; v < p->height; v++) {
            float *to = kiln_f32(out) + ((p->row * s[1] + k) * s[2] + p->y + v) * s[3] + p->x;
            for (int64_t u = 0; u < p->width; u++)
                to[u] = (float)(rows->hi - (rows->hi - rows->lo) * ink[v * p->width + u] / 255);
        }
    free(ink);
    return KILN_OK;
}
