// Copying pictures into a larger one.
// SPDX-License-Identifier: MIT
#include "figures.h"

void figures_fill(kiln_tensor *image, double value)
{
    int64_t n = kiln_numel(image);
    float *v = kiln_f32(image);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)value;
}

void figures_paste(const kiln_tensor *in, int64_t from, kiln_tensor *out, int64_t to, int64_t y,
                   int64_t x, int64_t scale)
{
    const int64_t *s = in->shape, *t = out->shape;
    for (int64_t c = 0; c < t[1]; c++) {
        const float *src = kiln_f32(in) + (from * s[1] + (s[1] == 1 ? 0 : c)) * s[2] * s[3];
        float *dst = kiln_f32(out) + (to * t[1] + c) * t[2] * t[3] + y * t[3] + x;
        for (int64_t v = 0; v < s[2] * scale; v++)
            for (int64_t u = 0; u < s[3] * scale; u++)
                dst[v * t[3] + u] = src[v / scale * s[3] + u / scale];
    }
}
