// stripes: a source. Documents of one image each, whose stripes grow finer from one to the next.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { SHAPE, DOCS };
static const kiln_param params[] = {
    {"shape", KILN_INTS, KILN_PARAM_POSITIONAL | KILN_PARAM_SIZE, "3x64x64", NULL, "CxHxW", 1,
     4096},
    {"docs", KILN_INT, 0, "1", NULL, "documents", 1, 1000},
};

struct stripes {
    kiln_self base;
    int64_t made;
};

static int create(kiln_self *self)
{
    if (self->args[SHAPE].n != 3)
        return kiln_fail(self, KILN_ERR_ARG, "shape: wants CxHxW");
    return KILN_OK;
}

static int next(kiln_self *self, kiln_document *doc)
{
    struct stripes *s = (struct stripes *)self;
    const int64_t *chw = self->args[SHAPE].is, docs = self->args[DOCS].i;
    if (s->made == docs)
        return KILN_END;
    int e = self->host->tensor_new(self->host, NULL, KILN_F32, 4,
                                   (int64_t[]){1, chw[0], chw[1], chw[2]}, &doc->image);
    if (e)
        return e;
    float *pixel = kiln_f32(doc->image);
    const double waves = (double)++s->made;
    for (int64_t i = 0; i < kiln_numel(doc->image); i++)  // [-1,1] is what doc->lo, hi say already
        pixel[i] =
            (float)sin(6.28318530717958647693 * waves * (double)(i % chw[2]) / (double)chw[2]);
    doc->first = s->made - 1;  // ids differ, so that noise does
    doc->total = docs;
    return KILN_OK;
}

static const kiln_source_ops source = {.size = sizeof(source), .next = next};
static const kiln_node stripes = {
    .size = sizeof(stripes),
    .name = "stripes",
    .summary = "upright stripes, finer in each document",
    .example = "stripes 3x64x64 docs=3 ! batch ! grid ! save out.png",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct stripes),
    .create = create,
    .source = &source,
};
KILN_PLUGIN("org.example.stripes", "1.0", "CC0-1.0", &stripes);
