// Resampling: the taps of both axes by one thread per output row and column, then along rows and
// along columns. Nothing is copied from the host, so that a graph can hold it.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"
#include "kernels/taps.h"

namespace
{

// Per output: where its taps begin and how many they are, then their weights.
struct axis {
    int64_t n, m, most;
    double *at;  // [m,2 + most]
};

struct taps_body {
    axis a;
    int filter, antialias, align_corners;
    ON_DEVICE void at(int64_t i) const
    {
        double *own = a.at + i * (2 + a.most);
        struct taps t = {0, 0, own + 2};
        taps_one_output(&t, filter, antialias, align_corners, i, a.n, a.m);
        own[0] = (double)t.first;
        own[1] = (double)t.count;
    }
};

// x [outer,n,inner] -> [outer,m,inner]
struct resize_body {
    axis a;
    const float *x;
    float *out;
    int64_t inner;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t o = i / inner % a.m, outer = i / (inner * a.m);
        const double *own = a.at + o * (2 + a.most);
        int64_t first = (int64_t)own[0], count = (int64_t)own[1];
        double sum = 0;
        for (int64_t j = 0; j < count; j++)
            sum += own[2 + j] * (double)x[(outer * a.n + first + j) * inner + i % inner];
        out[i] = (float)sum;
    }
};

int resize(const kiln_host *h, const kiln_tensor *x, int filter, int antialias, int align_corners,
           kiln_tensor *out)
{
    int64_t planes = x->shape[0] * x->shape[1], height = x->shape[2], width = x->shape[3];
    axis ax = {width, out->shape[3], taps_most(width, out->shape[3]), nullptr};
    axis ay = {height, out->shape[2], taps_most(height, out->shape[2]), nullptr};
    int64_t size_x = ax.m * (2 + ax.most), size_y = ay.m * (2 + ay.most);
    scratch taps(h, x, 2 * (size_x + size_y)), rows(h, x, planes * height * ax.m);
    int err = taps.err ? taps.err : rows.err;
    if (err)
        return err;
    ax.at = reinterpret_cast<double *>(taps.get());
    ay.at = ax.at + size_x;
    err = for_each(h, ax.m, taps_body{ax, filter, antialias, align_corners});
    err = err ? err : for_each(h, ay.m, taps_body{ay, filter, antialias, align_corners});
    err = err ? err : for_each(h, planes * height * ax.m, resize_body{ax, f32(x), rows.get(), 1});
    return err ? err : for_each(h, kiln_numel(out), resize_body{ay, rows.get(), f32(out), ax.m});
}

}  // namespace

void cuda_resize(kiln_ops *ops)
{
    ops->resize = resize;
}
