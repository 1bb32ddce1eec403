// @NAME@: a sink. Reports the mean of each document.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

static int put(kiln_self *self, const kiln_rows *rows, const kiln_tensor *image)
{
    char line[64];
    double sum = 0;
    for (int64_t i = 0; i < kiln_numel(image); i++)
        sum += (double)kiln_f32(image)[i];
    snprintf(line, sizeof(line), "%lld images, mean %.4f", (long long)rows->n,
             sum / (double)kiln_numel(image));
    self->host->log(self->host, KILN_LOG_INFO, line);
    return KILN_OK;
}

static const kiln_sink_ops ops = {.size = sizeof(ops), .put = put};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "report the mean",
    .example = "randn 4x1x16x16 ! @NAME@",
    .sink = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
