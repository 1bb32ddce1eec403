// @NAME@: an encoder. The embedding of a text is its length.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>
#include <string.h>

static int encode(kiln_self *self, const char *text, kiln_tensor **out)
{
    int e = self->host->tensor_new(self->host, NULL, KILN_F32, 1, (int64_t[]){1}, out);
    if (!e)
        kiln_f32(*out)[0] = (float)strlen(text);
    return e;
}

static const kiln_encoder_ops ops = {.size = sizeof(ops), .encode = encode};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "text to its length",
    .example = "randn 1x1x1x1 ! @NAME@ ! encode abc ! save out.safetensors",
    .encoder = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
