#!/usr/bin/env bats
# Steps of a training as recorded graphs, on the device that is none: the bits of the same operations one by
# one, on batches, noise, levels, rates and moments that differ from step to step.
# SPDX-License-Identifier: MIT
load ../common
load device

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    use_emulated
    data=(digits train images=0:10)
    net=(mnist-unet arch=class hidden=2)
}

# trained OUT ARGS...: a training of $data and $net; its counts.
trained() {
    local out=$1
    shift
    mkdir -p "$out"
    KILN_EMULATED_COUNTS=counts kiln -d cuda "${data[@]}" ! "${net[@]}" ! \
        train "$out/w.safetensors" log="$out/log.tsv" every=1 "$@" >/dev/null
    read_counts
    cut -f1-4 "$out/log.tsv" >"$out/losses"
}

# same_training ARGS...: as graphs and one by one.
same_training() {
    rm -rf plain recorded
    KILN_CUDA_GRAPHS=0 trained plain "$@"
    [ "$graphs" = 0 ]
    one_by_one=$launches
    trained recorded "$@"
    echo "$graphs graphs of $recorded, $replays replays, $launches launches (before: $one_by_one)"
    diff plain/losses recorded/losses
    cmp plain/w.safetensors recorded/w.safetensors
    [ "$dropped" = "$graphs" ]
    [ "$left" = 0 ]
}

@test "of each size of a batch the first step runs as it is, the second is recorded, the others are replays" {
    same_training epochs=4 batch=5 # 8 steps of 5
    [ "$graphs $replays" = "1 7" ]
    local before=$launches
    same_training epochs=8 batch=5
    [ "$graphs $replays" = "1 15" ]
    # Beside the graph a step is the draws of noise alone; all else is copied.
    echo "$(((launches - before) / 8)) launches a step"
    [ $((launches - before)) = 8 ]
}

@test "a last batch that is short has a graph of its own" {
    same_training epochs=4 batch=4 # 4 4 2
    [ "$graphs $replays" = "2 10" ]
}

@test "every objective and net; a rate that falls, prompts that are dropped" {
    same_training epochs=3 batch=5 objective=flow lr_end=1e-4 p_uncond=0.5
    [ "$graphs $replays" = "1 5" ]
    net=(mnist-unet arch=time hidden=2)
    same_training epochs=3 batch=5
    net=(mnist-unet arch=plain hidden=2)
    same_training epochs=3 batch=5 objective=denoise
}

@test "a step copies its batch to the device, and nothing back until a row of the log is due" {
    one_run() {
        rm -rf out
        mkdir out
        KILN_EMULATED_COUNTS=counts kiln -d cuda "${data[@]}" ! "${net[@]}" ! \
            train out/w.safetensors batch=1 epochs="$1" >/dev/null
        read_counts
    }
    one_run 1 # 10 steps: rows of steps 1 and 10, one epoch
    local up=$to_device down=$to_host memory=$blocks
    one_run 3
    # Clean image, alpha, sigma, levels, prompts, rate.
    echo "to the device $(((to_device - up) / 20)) a step, to the host $((to_host - down)) in 20 steps"
    [ $((to_device - up)) = $((20 * 6)) ]
    [ "$memory" = "$blocks" ]
    # Two epochs: a row each; each writes a checkpoint, of weights, statistics and two moments, and asks for
    # the losses before.
    weights=$(kiln inspect out/w.safetensors.ckpt | grep -c 'F32')
    echo "$weights tensors in a checkpoint"
    [ $((to_host - down)) = $((2 * (weights + 2))) ]
}

@test "a run that goes on has the bits of one that was not stopped" {
    trained whole epochs=6 batch=4 keep=3
    trained parts epochs=3 batch=4
    trained parts epochs=6 batch=4 resume=yes keep=3
    [ "$graphs" = 2 ]
    cmp whole/w.safetensors parts/w.safetensors
    diff whole/losses parts/losses
    # And with steps one by one in its first half.
    KILN_CUDA_GRAPHS=0 trained mixed epochs=3 batch=4
    trained mixed epochs=6 batch=4 resume=yes
    cmp whole/w.safetensors mixed/w.safetensors
}

@test "draws of a file, with batches of any size" {
    kiln -d cpu "${data[@]}" ! "${net[@]}" ! train w.safetensors epochs=1 batch=4 >/dev/null
    same_training epochs=5 batch=3 p_uncond=0
    [ "$graphs" = 2 ]
    kiln --rng torch -d cpu "${data[@]}" ! "${net[@]}" ! train cpu.safetensors epochs=2 batch=4 \
        log=cpu.tsv every=1 >/dev/null
    kiln --rng torch -d cuda "${data[@]}" ! "${net[@]}" ! train cuda.safetensors epochs=2 batch=4 \
        log=cuda.tsv every=1 >/dev/null
    paste cpu.tsv cuda.tsv | sed 1d |
        awk '{ d = $3 - $8; if (d < 0) d = -d; if (d > 1e-5 * $3) bad = 1 } END { exit bad }'
}

@test "a loss that is not finite ends the run, and is told with its step, whenever it is looked at" {
    cat >big.c <<'END'
#include <kiln/kiln.h>
static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    int64_t size = kiln_numel(in) / rows->n;
    (void)self;
    for (int64_t i = 0; i < kiln_numel(in); i++)
        kiln_f32(out)[i] = kiln_f32(in)[i] * (rows->id[i / size] == 7 ? 3e38f : 1);
    return KILN_OK;
}
static const kiln_filter_ops ops = {.size = sizeof(ops), .run = run};
static const kiln_node big = {.size = sizeof(big),
                              .name = "big",
                              .summary = "one image beyond all that a net can take",
                              .self_size = sizeof(kiln_self),
                              .filter = &ops};
KILN_PLUGIN("org.example.big", "1.0", "MIT", &big);
END
    mkdir plugins
    ${CC:-cc} -std=c11 -shared -fPIC -I"$top_srcdir/sdk/include" -o plugins/big.so big.c
    export KILN_PLUGINS=$PWD/plugins
    for d in cpu cuda; do
        run kiln -d $d "${data[@]}" ! big ! "${net[@]}" ! \
            train $d.safetensors epochs=3 batch=1 every=100
        [ "$status" = 1 ]
        sed 's/loss is [^ ]*/loss is X/' <<<"$output" >$d.message
        [ ! -e $d.safetensors ]
    done
    cat cpu.message
    grep -q "the loss is X at step [2-9]: try a smaller lr" cpu.message
    diff cpu.message cuda.message
}

@test "where memory is short there are no graphs" {
    trained all epochs=4 batch=4
    local most=$peak least
    KILN_CUDA_GRAPHS=0 trained plain epochs=4 batch=4
    least=$peak
    echo "$least bytes one by one, $most with graphs"
    [ "$least" -lt "$most" ]
    # A tenth of what is taken one by one are freed blocks that wait.
    KILN_MAX_MEMORY=$((least * 9 / 10)) trained short epochs=4 batch=4
    echo "$graphs graphs, $replays replays, peak $peak"
    [ "$replays" -lt 10 ]
    cmp plain/w.safetensors short/w.safetensors
}
