// letters: an encoder. The embedding of a text is how often each letter stands in it.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { LETTERS = 26 };

static int encode(kiln_self *self, const char *text, kiln_tensor **out)
{
    int e = self->host->tensor_new(self->host, NULL, KILN_F32, 1, (int64_t[]){LETTERS}, out);
    if (e)
        return e;
    float *count = kiln_f32(*out);
    for (int i = 0; i < LETTERS; i++)
        count[i] = 0;
    for (; *text; text++) {
        char lower = (char)(*text | 0x20);  // ASCII; parts of other letters are none of these
        if (lower >= 'a' && lower <= 'z')
            count[lower - 'a'] += 1;
    }
    return KILN_OK;
}

static const kiln_encoder_ops encoder = {.size = sizeof(encoder), .encode = encode};
static const kiln_node letters = {
    .size = sizeof(letters),
    .name = "letters",
    .summary = "text to the counts of its letters",
    .example = "blank 1x1x1x1 ! letters ! encode abba ! save bank.safetensors",
    .encoder = &encoder,
};
KILN_PLUGIN("org.example.letters", "1.0", "CC0-1.0", &letters);
