// Maps that lie in two tensors side by side, as the inputs of a layer behind a skip connection do.
// SPDX-License-Identifier: MIT
#include <string.h>

#include "conv_pass.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct conv_map conv_map(const kiln_tensor *t, const kiln_tensor *behind)
{
    struct conv_map m = {{t, behind}, {t->shape[t->ndim - 1], 0}};
    if (behind)
        m.c[1] = behind->shape[behind->ndim - 1];
    return m;
}

int map_f32(const kiln_host *h, const struct conv_map *m, struct map_f32 *f)
{
    memset(f, 0, sizeof(*f));
    for (int k = 0; k < 2 && m->c[k]; k++) {
        f->c[k] = m->c[k];
        f->data[k] = as_f32(h, m->t[k], &f->owner[k]);
        if (!f->data[k])
            return KILN_ERR_MEMORY;
    }
    return KILN_OK;
}

void map_f32_free(const kiln_host *h, struct map_f32 *f)
{
    h->tensor_free(h, f->owner[0]);
    h->tensor_free(h, f->owner[1]);
}

void map_pixels(const struct map_f32 *f, int64_t first, int64_t pixels, int64_t row, float *to)
{
    for (int64_t i = first; i < first + pixels; i++, to += row) {
        memcpy(to, f->data[0] + i * f->c[0], (size_t)f->c[0] * sizeof(float));
        if (f->c[1])
            memcpy(to + f->c[0], f->data[1] + i * f->c[1], (size_t)f->c[1] * sizeof(float));
    }
}

void conv_finish(const kiln_packed *p, const struct conv_pass *pass, const float *sums,
                 int64_t c_row, const int64_t *pixel, int64_t rows, int64_t first, int64_t columns)
{
    enum { ROWS = 32 };
    int64_t at[ROWS], end = smaller(p->o, first + columns);
    int second = pass->out[1] && first >= pass->out_c[0];
    struct epilogue e = pass->epilogue;
    e.out = pass->out[second];
    if (e.bias)
        e.bias += first;
    int64_t c = pass->out_c[second], o = second ? first - pass->out_c[0] : first;
    int64_t here = pass->out[1] && !second ? smaller(end, c) : end;
    for (int64_t r = 0; r < rows; r += ROWS) {
        int64_t n = smaller(ROWS, rows - r);
        for (int64_t i = 0; i < n; i++)
            at[i] = pixel[r + i] < 0 ? -1 : pixel[r + i] * c + o;
        p->kind->isa->finish(&e, sums + r * c_row, c_row, at, n, here - first);
    }
    if (here < end)
        conv_finish(p, pass, sums + here - first, c_row, pixel, rows, here, end - here);
}

// Rows of two tensors to those of one, or back.
struct join_job {
    char *part[2], *both;
    size_t bytes[2];  // of a row
    int apart;
};

static int join_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct join_job *j = ctx;
    (void)chunk;
    for (int64_t r = begin; r < end; r++) {
        char *both = j->both + (size_t)r * (j->bytes[0] + j->bytes[1]);
        for (int k = 0; k < 2; both += j->bytes[k++]) {
            char *part = j->part[k] + (size_t)r * j->bytes[k];
            memcpy(j->apart ? part : both, j->apart ? both : part, j->bytes[k]);
        }
    }
    return KILN_OK;
}

static int join(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b,
                const kiln_tensor *both, int apart)
{
    enum { GRAIN = 1 << 14 };
    struct join_job job = {{tensor_at(a), tensor_at(b)}, tensor_at(both), {0, 0}, apart};
    int64_t ca = a->shape[3], cb = b->shape[3];
    job.bytes[0] = (size_t)ca * (a->dtype.bits / 8u);
    job.bytes[1] = (size_t)cb * (b->dtype.bits / 8u);
    return h->parallel_for(h, kiln_numel(a) / ca, GRAIN / (ca + cb) + 1, join_rows, &job);
}

int conv_pair_new(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b,
                  kiln_tensor **both)
{
    static const int types[] = {KILN_F32, KILN_F16, KILN_BF16};
    const int64_t *s = a->shape, shape[] = {s[0], s[1], s[2], s[3] + b->shape[3]};
    return h->tensor_new(h, NULL, types[tensor_type(a)], 4, shape, both);
}

int conv_pair_join(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b,
                   kiln_tensor *both)
{
    return join(h, a, b, both, 0);
}

int conv_pair_split(const kiln_host *h, const kiln_tensor *both, kiln_tensor *a, kiln_tensor *b)
{
    return join(h, a, b, both, 1);
}
