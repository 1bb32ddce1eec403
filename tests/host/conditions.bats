#!/usr/bin/env bats
# What a net has made of prompts is kept from call to call and from document to document, but no more
# than 256 MiB of what is not wanted at the moment: here a prompt is 90 MB to the net, which says each
# time that it is asked for one.
# SPDX-License-Identifier: MIT
load ../common
load host

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    plugin large <<'C'
#include <kiln/kiln.h>
#include <string.h>
enum { FLOATS = 22500000 };
static int describe(kiln_self *self, kiln_net *net)
{
    static const double alpha[] = {0.9, 0.5}, sigma[] = {0.4, 0.8};
    (void)self;
    net->chw[0] = 1;
    net->chw[1] = net->chw[2] = 4;
    net->pred = KILN_EPS;
    net->alpha = alpha;
    net->sigma = sigma;
    net->n_t = net->steps = 2;
    net->lo = -1;
    net->hi = 1;
    net->n_cond = 1;
    return KILN_OK;
}
static int encode(kiln_self *self, const char *text, const kiln_tensor *emb, kiln_tensor **cond)
{
    const kiln_host *h = self->host;
    (void)emb;
    h->log(h, KILN_LOG_WARNING, text);
    int e = h->tensor_new(h, NULL, KILN_F32, 1, (int64_t[]){FLOATS}, &cond[0]);
    if (!e)
        memset(kiln_f32(cond[0]), 0, FLOATS * sizeof(float));
    return e;
}
static int predict(kiln_self *self, const kiln_query *q, kiln_estimate *out)
{
    (void)self;
    memset(kiln_f32(out->value), 0, (size_t)kiln_numel(q->x) * sizeof(float));
    return KILN_OK;
}
static const kiln_predictor_ops ops = {
    .size = sizeof(ops), .describe = describe, .encode = encode, .predict = predict};
static const kiln_node node = {.size = sizeof(node), .name = "large", .summary = "much per prompt",
                               .example = "randn 1x1x4x4 ! large ! ddim 2", .predictor = &ops};
KILN_PLUGIN("org.example.large", "1", "MIT", &node);
C
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    export KILN_PLUGINS=$BATS_FILE_TMPDIR/plugins
}

@test "over documents, the oldest go" {
    for p in a b c; do
        kiln blank 1x1x4x4 ! prompt $p >$p.st
    done
    kiln load a.st b.st c.st a.st b.st a.st ! large ! noise t=1 ! ddim 2 ! save %d.safetensors 2>said
    # The fourth finds 270 MB and keeps its own: b goes, not a; and comes again with the fifth.
    [ "$(sed 's/.*: //' said | tr '\n' ' ')" = "a b c b " ]
}

@test "over the batches of a call" {
    chain=(randn 5x1x4x4 ! large ! prompt a b c d e ! ddim 2 ! save out.safetensors)
    # Five prompts, and beside them the rows of four batches at most, where those of all would be 900 MB.
    kiln --max-batch 1 --max-memory 820M "${chain[@]}" 2>said
    [ "$(sed 's/.*: //' said | tr '\n' ' ')" = "a b c d e " ]
    rm out.safetensors
    run kiln --max-batch 1 --max-memory 600M "${chain[@]}"
    [ "$status" -eq 1 ]
    [[ $output == *"MB for a tensor of 1x22500000 are not to be had"* ]]
    [ ! -e out.safetensors ]
}
