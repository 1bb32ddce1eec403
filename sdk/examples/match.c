// match: a sink with an image for an argument: a file, a kept image, or a chain in brackets. Fails
// where the images that arrive differ from it by too much.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { IMAGE, LIMIT };
static const kiln_param params[] = {
    {"image", KILN_IMAGE, KILN_PARAM_POSITIONAL, NULL, NULL, "what to compare with", 0, 0},
    {"limit", KILN_FLOAT, 0, "0", NULL, "largest difference allowed", 0, 1e6},
};
enum { IN_IMAGE };  // images and masks are counted apart, in table order

static int put(kiln_self *self, const kiln_rows *rows, const kiln_tensor *image)
{
    const kiln_tensor *other = rows->in[IN_IMAGE];
    for (int d = 1; d < 4; d++)
        if (image->shape[d] != other->shape[d])
            return kiln_fail(self, KILN_ERR_SHAPE, "the images differ in channels or size");
    const int64_t length = kiln_numel(image), period = kiln_numel(other);
    double worst = 0;
    for (int64_t i = 0; i < length; i++)  // one image stands for all rows
        worst = fmax(worst, fabs((double)kiln_f32(image)[i] - (double)kiln_f32(other)[i % period]));
    if (worst > self->args[LIMIT].f)
        return kiln_fail(self, KILN_ERR_ARG, "differs by %g, %g is allowed", worst,
                         self->args[LIMIT].f);
    return KILN_OK;
}

static const kiln_sink_ops sink = {.size = sizeof(sink), .put = put};
static const kiln_node match = {
    .size = sizeof(match),
    .name = "match",
    .summary = "fail where images differ",
    .example = "load cat.png ! flip ! flip ! match cat.png",
    .params = KILN_PARAMS(params),
    .sink = &sink,
};
KILN_PLUGIN("org.example.match", "1.0", "CC0-1.0", &match);
