// t5: prompts to embeddings by the encoder of T5.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "caption.h"
#include "t5.h"
#include "text.h"

enum { P_MODEL, P_CLEAN };
static const kiln_param params[] = {
    {"model", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL,
     "folder of a pipeline (text_encoder/, tokenizer/), or of the encoder with its spiece.model", 0,
     0},
    {"clean", KILN_BOOL, 0, "no", NULL,
     "clean prompts as captions from the web; no: lower case, without blanks around", 0, 0},
};

static int create(kiln_self *self)
{
    return t5_open((struct t5 *)self);
}

static void destroy(kiln_self *self)
{
    t5_close((struct t5 *)self);
}

static int tokenize(struct t5 *s, const char *text, int32_t *id, int32_t *valid)
{
    char *caption = s->base.args[P_CLEAN].i ? caption_clean(text) : caption_plain(text);
    size_t left = 0;
    *valid = caption ? tokens_encode(s->tokens, caption, id, &left) : -1;
    free(caption);
    if (*valid < 0)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    if (left) {
        char line[300];
        snprintf(line, sizeof(line), "the last %zu tokens of \"%.*s\" are beyond the %d that count",
                 left, text_clip(text, 80), text, TOKENS_LENGTH);
        s->base.host->log(s->base.host, KILN_LOG_WARNING, line);
    }
    return KILN_OK;
}

// At most so many at once: the memory of a text is some 20 MB in the largest T5.
enum { TOGETHER = 16 };

static int encode_some(struct t5 *s, uint32_t n, const char *const *text, kiln_tensor **out)
{
    int32_t id[TOGETHER * TOKENS_LENGTH], valid[TOGETHER];
    int e = KILN_OK;
    for (uint32_t i = 0; i < n && !e; i++)
        e = tokenize(s, text[i], id + i * TOKENS_LENGTH, &valid[i]);
    return e ? e : t5_forward(s, n, id, valid, out);
}

static int encode_all(kiln_self *self, uint32_t n, const char *const *text, kiln_tensor **out)
{
    struct t5 *s = (struct t5 *)self;
    int e = KILN_OK;
    for (uint32_t i = 0; i < n; i++)
        out[i] = NULL;
    for (uint32_t i = 0; i < n && !e; i += TOGETHER)
        e = encode_some(s, n - i < TOGETHER ? n - i : TOGETHER, text + i, out + i);
    for (uint32_t i = 0; i < n && e; i++) {
        self->host->tensor_free(self->host, out[i]);
        out[i] = NULL;
    }
    return e;
}

static int encode(kiln_self *self, const char *text, kiln_tensor **out)
{
    return encode_all(self, 1, &text, out);
}

static const kiln_encoder_ops encoder = {
    .size = sizeof(encoder), .encode = encode, .encode_all = encode_all};
const kiln_node text_t5 = {
    .size = sizeof(text_t5),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "t5",
    .summary = "text embeddings by the encoder of T5, whose weights pass through memory in turn",
    .example = "blank 1x1x1x1 ! t5 IF-I-L ! encode \"a pencil\" ! save bank.safetensors",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct t5),
    .needs = "kiln.ops/1 kiln.weights/1 kiln.paths/1",
    .create = create,
    .destroy = destroy,
    .encoder = &encoder,
};
