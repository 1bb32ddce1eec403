// SPDX-License-Identifier: MIT
#include "preview.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "file.h"
#include "image_file.h"
#include "log.h"
#include "runtime.h"
#include "tensor.h"

static int broken;

int preview_wanted(void)
{
    return runtime.preview && !broken;
}

// All rows side by side, nearly square.
static int sheet(const kiln_tensor *x, kiln_tensor **out)
{
    int64_t n = x->shape[0], c = x->shape[1], h = x->shape[2], w = x->shape[3], cols = 1;
    while (cols * cols < n)
        cols++;
    int64_t rows = (n + cols - 1) / cols, shape[4] = {1, c, rows * h, cols * w};
    int e = tensor_home(x);
    e = e ? e : tensor_new(KILN_F32, 4, shape, out);
    if (e)
        return e;
    memset(tensor_data(*out), 0, tensor_bytes(*out));
    for (int64_t i = 0; i < n * c * h; i++) {
        int64_t y = i % h, k = i / h % c, r = i / h / c;
        memcpy(kiln_f32(*out) + (k * rows * h + r / cols * h + y) * cols * w + r % cols * w,
               kiln_f32(x) + i * w, (size_t)w * sizeof(float));
    }
    return KILN_OK;
}

void preview(const kiln_tensor *x0, double lo, double hi, int last)
{
    static time_t written;
    kiln_tensor *image = NULL;
    void *bytes = NULL;
    size_t n;
    if (!preview_wanted() || (!last && time(NULL) == written))
        return;
    written = time(NULL);
    int e = sheet(x0, &image);
    if (!e)
        e = image_encode(image, 0, lo, hi, IMAGE_PNG, 8, 92, NULL, &bytes, &n);
    if (!e)
        e = file_write_atomic(runtime.preview, bytes, n);
    if (e) {
        log_line(KILN_LOG_WARNING, "--preview: %s", fail_text());
        broken = 1;
    }
    free(bytes);
    tensor_unref(image);
}
