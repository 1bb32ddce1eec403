#!/usr/bin/env bats
# Steps as recorded graphs, on a device that is none: it keeps launches with their arguments and does them
# again at each replay, in memory that is NaN once it was given back. The bits are those of the same
# operations one by one (KILN_CUDA_GRAPHS=0).
# SPDX-License-Identifier: MIT
load ../common
load ../parity/compare
load device

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    use_emulated
}

net=(mnist-unet arch=class hidden=2)
start=(randn 2x1x28x28 ! "${net[@]}" ! prompt 7)

@test "the first step runs as it is, the second is recorded, and is done by replays from then on" {
    same_bits "${start[@]}" ! ddpm steps=6
    [ "$graphs $replays" = "1 5" ]
    local before=$launches
    counted "${start[@]}" ! ddpm steps=9
    [ "$graphs $replays" = "1 8" ]
    # A step of ddpm itself is launched: a few operations, and a check that it is finite.
    echo "$(((launches - before) / 3)) launches a step beside the graph of $recorded"
    [ $((launches - before)) -lt 30 ]
    [ "$recorded" -gt 20 ]
}

@test "guidance, rows of different prompts, calls of a few rows" {
    same_bits randn 5x1x28x28 ! "${net[@]}" ! prompt 7 1 2 3 4 ! cfg 5 ! ddpm steps=4
    [ "$graphs $replays" = "1 3" ]
    KILN_MAX_BATCH=3 same_bits randn 5x1x28x28 ! "${net[@]}" ! prompt 7 1 2 3 4 ! cfg 5 ! ddim steps=4
    [ "$graphs $replays" = "1 3" ]
}

@test "anagrams, hybrids, regions, mixtures" {
    same_bits "${start[@]}" ! anagram 7 3 view="rotate 180" ! cfg 3 ! ddim steps=4
    [ "$graphs $replays" = "1 3" ]
    # In the range 0 to 1 it turns about the middle, which depends on t.
    same_bits "${start[@]}" ! anagram 7 3 view=negate ! cfg 3 ! ddim steps=4
    [ "$graphs $replays" = "1 3" ]
    same_bits "${start[@]}" ! hybrid far=1 near=2 ! cfg 3 ! ddpm steps=4
    [ "$graphs $replays" = "1 3" ]
    same_bits "${start[@]}" ! regions mask= [ rect 4,4,9,9 ] 7 3 ! cfg 3 ! ddpm steps=4
    [ "$graphs $replays" = "1 3" ]
    same_bits "${start[@]}" ! mix 7 3 weights=0.25,0.75 ! ddpm steps=4
    [ "$graphs $replays" = "1 3" ]
}

@test "a conversion on the way, whose factors depend on t" {
    same_bits "${start[@]}" ! cfg 3 ! threshold 1 ! ddpm steps=5
    [ "$graphs $replays" = "1 4" ]
    same "${start[@]}" ! cfg 3 ! threshold 1 ! ddim steps=5
    same "${start[@]}" ! cfg 3 ! threshold 1.5 method=clip ! ddim steps=5
}

@test "steps that ask in turn are recorded each by itself" {
    same_bits "${start[@]}" ! anagram 7 3 view="rotate 180" reduce=alternate ! ddim steps=7
    [ "$graphs $replays" = "2 5" ] # 4 and 3 steps, of each the first by itself
}

@test "solvers that ask twice, or keep what was answered" {
    same_bits "${start[@]}" ! cfg 3 ! dpmpp steps=5
    [ "$graphs" = 1 ]
    same_bits "${start[@]}" ! euler steps=4
    [ "$graphs" = 1 ]
}

@test "images of different t, and one document after the other: each walk has its own" {
    same_bits digits test images=0:2 ! "${net[@]}" ! noise t=250,100 ! cfg 3 ! ddpm steps=3
    [ "$graphs $replays" = "2 4" ]
    KILN_EMULATED_COUNTS=counts kiln -d cuda randn 1x1x28x28 docs=2 ! "${net[@]}" ! ddpm steps=3 ! \
        save out-%d.png
    read_counts
    [ "$graphs $replays $dropped" = "2 4 2" ]
}

@test "hooks, which work between the steps" {
    same_bits digits test images=0:2 ! "${net[@]}" ! prompt 7 ! inpaint [ rect 4,4,9,9 ] ! \
        noise t=300 ! trace every=1 ! cfg 2 ! ddpm steps=4
    [ "$graphs $replays" = "1 4" ] # t = 300 is a step of its own
}

# plugin NAME FLAGS BODY: a combinator that does BODY, then is done.
plugin() {
    mkdir -p plugins
    cat >"$1.c" <<END
#include <kiln/ext/ops.h>
#include <kiln/kiln.h>
#include <signal.h>
#include <stdlib.h>
static int calls;
static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_tensor *value[] = {answer[0]->value, NULL};
    int e = KILN_OK;
    calls++;
    $3
    (void)h, (void)ops, (void)q, (void)out, (void)value;
    return e;
}
static const kiln_combinator_ops combinator = {.size = sizeof(combinator), .reduce = reduce};
static const kiln_node node = {.size = sizeof(node),
                               .flags = $2,
                               .name = "$1",
                               .summary = "for a test",
                               .self_size = sizeof(kiln_self),
                               .needs = "kiln.ops/1",
                               .combinator = &combinator};
KILN_PLUGIN("org.example.$1", "1.0", "MIT", &node);
END
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -shared -fPIC -I"$top_srcdir/sdk/include" -o "plugins/$1.so" "$1.c"
    export KILN_PLUGINS=$PWD/plugins
}
both_flags='KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE'

@test "a node that is not said to be capturable, or is of the CPU: nothing is recorded" {
    plugin quiet KILN_NODE_ANY_DEVICE ''
    same_bits "${start[@]}" ! quiet ! cfg 3 ! ddpm steps=4
    [ "$graphs $recorded" = "0 0" ]
    plugin home 0 'kiln_f32(out->value)[0] += 1;'
    same_bits "${start[@]}" ! home ! cfg 3 ! ddpm steps=4
    [ "$graphs $recorded" = "0 0" ]
}

@test "a node that may be recorded, of somebody else" {
    plugin half "$both_flags" \
        'e = ops->combine(h, 2, (double[]){0.5, 0.25}, (const kiln_tensor *[]){q->sigma, NULL}, value, out->value);'
    same_bits "${start[@]}" ! half ! cfg 3 ! ddpm steps=4
    [ "$graphs $replays" = "1 3" ]
    same "${start[@]}" ! half ! cfg 3 ! ddpm steps=4
}

@test "what does not go while a step is recorded: the steps run as they are" {
    plugin draws "$both_flags" 'e = h->normal(h, 0, NULL, NULL, out->value);'
    same_bits "${start[@]}" ! draws ! ddpm steps=4
    [ "$graphs" = 0 ]
    plugin looks "$both_flags" 'kiln_tensor *near;
        e = h->tensor_new(h, NULL, KILN_F32, 4, out->value->shape, &near);
        e = e ? e : h->tensor_copy(h, near, out->value);
        e = e ? e : h->tensor_copy(h, out->value, near);
        h->tensor_free(h, near);'
    same_bits "${start[@]}" ! looks ! cfg 2 ! ddpm steps=4
    [ "$graphs" = 0 ]
    plugin filter KILN_NODE_ANY_DEVICE ''
    sed -i 's/kiln_combinator_ops combinator = .*;/kiln_filter_ops filter = {.size = sizeof(filter), .run = run};/
        s/\.combinator = &combinator/.filter = \&filter/
        s/^static int reduce.*/static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,/
        s/^ *kiln_estimate \*out)/                  kiln_tensor *out)/
        s/answer\[0\]->value, NULL/in, NULL/
        s/(void)q/(void)rows/
        s/calls++;/e = ops->combine(h, 1, (double[]){0.5}, NULL, value, out);/' filter.c
    ${CC:-cc} -std=c11 -shared -fPIC -I"$top_srcdir/sdk/include" -o plugins/filter.so filter.c
    same_bits "${start[@]}" ! hybrid far=1 near=2 filter=filter ! ddpm steps=4
    [ "$graphs" = 0 ]
}

@test "an error while a step is recorded is the chain's" {
    plugin fails "$both_flags" \
        'if (calls > 1) e = kiln_fail(self, KILN_ERR_ARG, "not with me, call %d", calls);'
    KILN_EMULATED_COUNTS=counts run kiln -d cuda "${start[@]}" ! fails ! ddpm steps=4 ! save a.safetensors
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == "kiln: "*"fails: not with me, call 3" ]] # the second was recorded, and no more
    [ ! -e a.safetensors ]
    read_counts
    [ "$graphs" = 0 ]
}

@test "an interruption while a step is recorded ends the walk after it" {
    plugin stops "$both_flags" 'if (calls == 2) raise(SIGINT);'
    KILN_EMULATED_COUNTS=counts run kiln -d cuda "${start[@]}" ! stops ! ddpm steps=6 ! save a.safetensors
    [ "$status" = 130 ]
    [ ! -e a.safetensors ]
    read_counts
    [ "$graphs $replays $dropped" = "1 1 1" ]
}

@test "what is not finite in a replay is found, and its node is named" {
    # What the net sees grows with alpha, beyond the numbers in the last steps; what it says is left out.
    plugin grows "$both_flags" 'e = ops->combine(h, 1, (double[]){0}, NULL, value, out->value);'
    sed -i 's/^static const kiln_combinator_ops/static int expand(kiln_self *self, const kiln_query *q, kiln_query *const *child)\
{\
    const kiln_ops *ops = kiln_get_ops(self);\
    kiln_tensor *x;\
    const kiln_tensor *r[] = {q->alpha}, *of[] = {q->x};\
    int e = kiln_new_like(self->host, q->x, \&x);\
    for (int i = 0; i < 8 \&\& !e; i++) {\
        e = ops->combine(self->host, 1, (double[]){i ? 1 : 2e38}, r, of, x);\
        of[0] = x;\
    }\
    child[0]->x = x;\
    return e;\
}\
&/; s/\.reduce = reduce/.expand = expand, .reduce = reduce/' grows.c
    ${CC:-cc} -std=c11 -shared -fPIC -I"$top_srcdir/sdk/include" -o plugins/grows.so grows.c
    chain=("${start[@]}" ! grows ! ddim steps=8)
    run kiln -d cpu "${chain[@]}" ! save a.safetensors
    [ "$status" = 1 ]
    [[ $output == "kiln: ddim: mnist-unet: gives values that are not finite" ]]
    # Found when the walk has ended, so not in a step of ddim.
    KILN_EMULATED_COUNTS=counts run kiln -d cuda "${chain[@]}" ! save a.safetensors
    echo "$output"
    [ "$status" = 1 ]
    [ "$output" = "kiln: mnist-unet: gives values that are not finite" ]
    read_counts
    [ "$graphs" = 1 ]
    [ "$replays" -gt 1 ]
}

@test "where memory is short there are no graphs" {
    chain=("${start[@]}" ! cfg 3 ! dpmpp steps=5)
    # The least that the chain runs in.
    local low=0 high=4000000 middle
    while [ $((high - low)) -gt 2000 ]; do
        middle=$(((low + high) / 2))
        if KILN_CUDA_GRAPHS=0 kiln -d cuda --max-memory $middle "${chain[@]}" ! save plain.safetensors \
            2>/dev/null; then
            high=$middle
        else
            low=$middle
        fi
    done
    KILN_CUDA_GRAPHS=0 kiln -d cuda --max-memory $high "${chain[@]}" ! save plain.safetensors
    floats plain.safetensors >plain.txt
    local share
    for share in 100 102 104 106 108 110 120 150; do
        KILN_EMULATED_COUNTS=counts kiln -d cuda --max-memory $((high * share / 100)) "${chain[@]}" ! \
            save cuda.safetensors
        read_counts
        echo "in $share % of $high bytes $graphs graphs, $replays replays"
        [ "$graphs" = "$dropped" ]
        [ "$left" = 0 ]
        floats cuda.safetensors >cuda.txt
        diff plain.txt cuda.txt
        [ $share != 100 ] || [ "$replays" -lt 4 ]
    done
    [ "$graphs $replays" = "1 4" ]
}
