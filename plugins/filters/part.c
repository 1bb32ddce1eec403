// Rows and planes of an image as tensors, and sizes as people write them.
// SPDX-License-Identifier: MIT
#include "filters.h"

static void part(struct filters_part *p, const kiln_tensor *image, int64_t offset, int64_t channels)
{
    const int64_t *s = image->shape;
    int64_t shape[4] = {1, channels, s[2], s[3]};
    int64_t strides[4] = {channels * s[2] * s[3], s[2] * s[3], s[3], 1};
    p->tensor = *image;
    p->tensor.byte_offset += (uint64_t)offset * sizeof(float);
    for (int k = 0; k < 4; k++) {
        p->shape[k] = shape[k];
        p->strides[k] = strides[k];
    }
    p->tensor.shape = p->shape;
    p->tensor.strides = p->strides;
}

void filters_row(struct filters_part *p, const kiln_tensor *image, int64_t row)
{
    const int64_t *s = image->shape;
    part(p, image, row * s[1] * s[2] * s[3], s[1]);
}

void filters_plane(struct filters_part *p, const kiln_tensor *image, int64_t row, int64_t channel)
{
    const int64_t *s = image->shape;
    part(p, image, (row * s[1] + channel) * s[2] * s[3], 1);
}

int filters_size(const kiln_self *self, const kiln_value *size, int64_t *width, int64_t *height)
{
    if (size->n != 1 && size->n != 2)
        return kiln_fail(self, KILN_ERR_ARG, "size: wants one number or WxH, such as 64x48");
    *width = size->is[0];
    *height = size->n == 2 ? size->is[1] : -1;
    return KILN_OK;
}
