#!/usr/bin/env bats
# Prompts through an encoder to a net: each is encoded once, where and when 'encode' says, and what a
# net made of a prompt by one encoder is not taken for another's.
# SPDX-License-Identifier: MIT
load ../common
load ../host/host

# An encoder that tells what it encodes, and a net whose estimate is x minus the mean embedding.
setup() {
    cd "$BATS_TEST_TMPDIR"
    plugin words <<'END'
#include <kiln/kiln.h>
static const kiln_param params[] = {
    {"value", KILN_FLOAT, KILN_PARAM_POSITIONAL, "0.5", NULL, "in all places", -9, 9},
    {"rows", KILN_INT, 0, "2", NULL, "number of them; that of \"odd\" has one more", 1, 1e7}};
static const kiln_param stage[] = {
    {"stage", KILN_INT, KILN_PARAM_POSITIONAL, "1", NULL, "to tell nets apart", 1, 9}};
static int one(kiln_self *self, const char *text, kiln_tensor **out)
{
    char line[200];
    snprintf(line, sizeof(line), "encodes '%s'", text);
    self->host->log(self->host, KILN_LOG_WARNING, line);
    int64_t shape[] = {self->args[1].i + (text[0] == 'o' && text[1] == 'd'), 2};
    int e = self->host->tensor_new(self->host, NULL, KILN_F32, 2, shape, out);
    for (int64_t i = 0; i < 2 * shape[0] && !e; i++)
        kiln_f32(*out)[i] = (float)self->args[0].f;
    return e;
}
static int all(kiln_self *self, uint32_t n, const char *const *text, kiln_tensor **out)
{
    int e = 0;
    char line[100];
    snprintf(line, sizeof(line), "together %u", n);
    self->host->log(self->host, KILN_LOG_WARNING, line);
    for (uint32_t i = 0; i < n && !e; i++)
        e = one(self, text[i], &out[i]);
    return e;
}
static int describe(kiln_self *self, kiln_net *net)
{
    (void)self;
    net->flags = KILN_NET_TEXT;
    net->pred = KILN_X0;
    net->variance = KILN_VARIANCE_BETA;
    net->chw[0] = 1, net->chw[1] = net->chw[2] = 2;
    net->n_cond = 1, net->steps = 2, net->lo = -1, net->hi = 1;
    return 0;
}
static int encode(kiln_self *self, const char *text, const kiln_tensor *emb, kiln_tensor **cond)
{
    (void)text;
    int e = self->host->tensor_new(self->host, NULL, KILN_F32, emb->ndim, emb->shape, cond);
    return e ? e : self->host->tensor_copy(self->host, *cond, emb);
}
static int predict(kiln_self *self, const kiln_query *q, kiln_estimate *out)
{
    (void)self;
    for (int64_t i = 0; i < kiln_numel(q->x); i++)
        kiln_f32(out->value)[i] = kiln_f32(q->cond[0])[i / 4 * q->cond[0]->shape[1]];
    return 0;
}
static const kiln_encoder_ops words_ops = {.size = sizeof(words_ops), .encode = one};
static const kiln_encoder_ops together_ops = {
    .size = sizeof(together_ops), .encode = one, .encode_all = all};
static const kiln_predictor_ops net_ops = {
    .size = sizeof(net_ops), .describe = describe, .encode = encode, .predict = predict};
static const kiln_node words = {.size = sizeof(words), .name = "words", .summary = "w",
    .example = "words", .params = KILN_PARAMS(params), .encoder = &words_ops};
static const kiln_node together = {.size = sizeof(together), .name = "together", .summary = "t",
    .example = "together", .params = KILN_PARAMS(params), .encoder = &together_ops};
static const kiln_node net = {.size = sizeof(net), .name = "textnet", .summary = "n",
    .example = "textnet", .params = KILN_PARAMS(stage), .predictor = &net_ops};
KILN_PLUGIN("org.example.words", "1", "CC0-1.0", &words, &together, &net);
END
    export KILN_PLUGINS=plugins
    trap "cat err" ERR
}

# encoded: what was, a line each, in order of text.
encoded() { sed -n "s/.*encodes '\(.*\)'.*/\1/p" err | sort; }

@test "each distinct prompt is encoded once, over documents and branches" {
    kiln randn 4x1x2x2 docs=3 ! clamp ! words ! textnet ! prompt a b ! noise sigma=1 ! \
        cfg 3 negative=n ! denoise ! batch ! save out.safetensors 2>err
    [ "$(encoded)" = $'a\nb\nn' ]
    kiln blank 2x1x2x2 ! words ! textnet ! prompt a ! noise sigma=1 ! anagram a b view=flip ! cfg 3 ! \
        denoise ! textnet ! cfg 4 ! noise sigma=1 ! denoise ! save out.safetensors 2>err
    [ "$(encoded)" = $'\na\nb' ]
}

@test "the same prompt for a second net in the process is not encoded again" {
    kiln randn 2x1x2x2 docs=2 ! clamp ! words ! textnet ! prompt a b ! noise sigma=1 ! cfg 3 ! denoise ! \
        textnet 2 ! noise sigma=1 ! cfg 4 negative=n ! denoise ! batch ! save out.safetensors 2>err
    [ "$(encoded)" = $'\na\nb\nn' ]
    # What was encoded after a net has run is known to 'encode' too, and the other way round.
    kiln blank 1x1x2x2 ! words ! textnet ! prompt a ! noise sigma=1 ! denoise ! encode b ! textnet 2 ! \
        noise sigma=1 ! prompt a b ! denoise ! save out.safetensors 2>err
    [ "$(encoded)" = $'\na\nb' ]
}

@test "of embeddings that are kept, those not wanted for longest go" {
    for p in a b c; do
        kiln blank 1x1x1x1 ! prompt $p >$p.st
    done
    # 48 MiB each, and two of them are kept: "" is wanted each time.
    kiln load a.st b.st c.st c.st a.st ! words rows=6291456 ! encode 2>err >/dev/null
    [ "$(encoded)" = $'\na\na\nb\nc' ]
}

@test "prompts go to an encoder together where it takes them so" {
    kiln randn 4x1x2x2 docs=2 ! clamp ! together ! textnet ! prompt a b a a ! noise sigma=1 ! cfg 3 ! \
        denoise ! batch ! save out.safetensors 2>err
    [ "$(grep -c 'together 3' err)" = 1 ]
    [ "$(encoded)" = $'\na\nb' ]
    kiln blank 1x1x1x1 ! together ! encode x y x ! save out.safetensors 2>err
    [ "$(encoded)" = $'\nx\ny' ]
    grep -q 'together 3' err
}

@test "encode works early: in another process nothing is left to encode" {
    kiln blank 2x1x2x2 ! words ! textnet ! prompt a b ! noise sigma=1 ! encode n 2>err >early
    [ "$(encoded)" = $'\na\nb\nn' ]
    kiln cfg 3 negative=n ! denoise ! save out.safetensors <early 2>err
    [ ! -s err ]
    [ "$(tensor out.safetensors image | sort -u | xargs printf '%g')" = 0.5 ]
}

@test "another encoder is another embedding, though the net is the same" {
    for second in 0.5 -0.25; do
        kiln blank 1x1x2x2 ! words 0.5 ! textnet ! prompt a ! noise sigma=1 ! \
            vstack [ denoise ] [ words "$second" ! denoise ] gap=0 ! save out.safetensors 2>err
        [ "$(tensor out.safetensors image | sort -g | uniq | xargs printf '%g ')" = \
            "$(printf '%s\n' "$second" 0.5 | sort -g | uniq | xargs printf '%g ')" ]
    done
}

@test "embeddings of two shapes are refused" {
    kiln blank 1x1x2x2 ! words ! textnet ! prompt odd ! noise sigma=1 ! cfg 3 ! denoise ! \
        save x.safetensors 2>err && return 1
    grep -q 'words: the embedding of "\(odd\|\)" is' err
    [ ! -e x.safetensors ]
}

@test "'encode' adds the empty prompt, and of a file that lacks it does without" {
    golden=$top_srcdir/tests/golden
    kiln blank 1x1x1x1 ! embeddings "$golden/text/prompts.safetensors" ! encode "a pencil" ! \
        save all.safetensors
    grep -aq 'cond\.1' all.safetensors
    refuses 1 'no embedding of ""' \
        kiln blank 1x1x1x1 ! embeddings "$golden/text/one.safetensors" ! encode "" ! save x.safetensors
    kiln blank 1x1x1x1 ! embeddings "$golden/text/one.safetensors" ! encode "a pencil" ! \
        save one.safetensors
    grep -aq 'cond\.0' one.safetensors
    ! grep -aq 'cond\.1' one.safetensors || false
}
