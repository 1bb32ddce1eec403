#!/usr/bin/env bats
# Whole chains on a device that is none. They give the CPU's results, and the host copies nothing inside
# a step but the levels of noise.
# SPDX-License-Identifier: MIT
load ../common
load ../parity/compare
load ../if/if
load device

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    use_emulated
}

net=(mnist-unet arch=class hidden=2)

@test "a net by itself, ddpm" {
    same randn 3x1x28x28 ! "${net[@]}" ! prompt 7 ! ddpm steps=4
}

@test "guidance, ddpm, rows of different prompts" {
    same randn 5x1x28x28 ! "${net[@]}" ! prompt 7 1 2 3 4 ! cfg 5 ! ddpm steps=4
}

@test "calls of a few rows" {
    KILN_MAX_BATCH=3 same randn 5x1x28x28 ! "${net[@]}" ! prompt 7 1 2 3 4 ! cfg 5 ! ddim steps=3
}

@test "solvers that keep history" {
    same randn 2x1x28x28 ! "${net[@]}" ! prompt 7 ! cfg 5 ! dpmpp steps=4
    same randn 2x1x28x28 ! "${net[@]}" ! prompt 7 ! euler steps=4
}

@test "images of different t" {
    same digits test images=0:2 ! "${net[@]}" ! noise t=250,100 ! cfg 3 ! ddpm steps=4
}

@test "an anagram by a permutation, and by one with signs" {
    same randn 2x1x28x28 ! "${net[@]}" ! anagram 7 3 view="rotate 180" ! cfg 3 ! ddim steps=3
    same randn 2x1x28x28 ! "${net[@]}" ! anagram 7 3 view=negate ! cfg 3 ! ddim steps=3
}

@test "a hybrid, whose filter works on the device" {
    same randn 2x1x28x28 ! "${net[@]}" ! hybrid far=1 near=2 ! cfg 3 ! ddpm steps=3
}

@test "a combinator of branches and masks" {
    same randn 2x1x28x28 ! "${net[@]}" ! regions mask= [ rect 4,4,9,9 ] 7 3 ! cfg 3 ! ddpm steps=3
}

@test "inpainting" {
    same digits test images=0:2 ! "${net[@]}" ! prompt 7 ! inpaint [ rect 4,4,9,9 ] ! \
        noise t=300 ! cfg 2 ! ddpm steps=4
}

@test "trace keeps what was on the way" {
    same randn 2x1x28x28 ! "${net[@]}" ! prompt 7 ! trace every=1 ! cfg 4 ! euler steps=3 ! \
        take trace
}

@test "filters after a sampler, of the device and of the CPU" {
    same randn 2x1x28x28 ! "${net[@]}" ! prompt 7 ! ddpm steps=2 ! blur 2 ! resize 14x14 ! flip ! \
        keep a ! vstack [ take a ] [ take a ! negate ]
}

@test "torch's random numbers are made by the host and copied" {
    kiln --rng torch -d cpu randn 2x1x28x28 ! "${net[@]}" ! ddpm steps=3 ! save a.safetensors
    kiln --rng torch -d cuda randn 2x1x28x28 ! "${net[@]}" ! ddpm steps=3 ! save b.safetensors
    floats a.safetensors >a.txt
    floats b.safetensors >b.txt
    close 1e-5 b.txt a.txt
}

@test "cutting a chain into pipes changes no bit on the device either" {
    kiln -d cuda randn 2x1x28x28 ! "${net[@]}" ! prompt 7 ! cfg 5 ! ddpm steps=2 ! blur 1 ! \
        save whole.safetensors
    export KILN_DEVICE=cuda
    kiln randn 2x1x28x28 | kiln "${net[@]}" | kiln prompt 7 | kiln cfg 5 | kiln ddpm steps=2 |
        kiln blur 1 | kiln save cut.safetensors
    floats whole.safetensors >whole.txt
    floats cut.safetensors >cut.txt
    diff whole.txt cut.txt
}

@test "training steps: losses, and the weights that the norms leave alone" {
    for d in cpu cuda; do
        mkdir $d
        kiln -d $d digits train images=0:32 ! "${net[@]}" ! \
            train $d/w.safetensors epochs=2 batch=16 log=$d/log.tsv every=1 >/dev/null
        cut -f3 $d/log.tsv | sed 1d | sed 's/^/loss /' >$d/loss
        # A bias before a norm has no gradient but rounding, which Adam makes steps of.
        floats $d/w.safetensors | grep -v '\.conv\.bias ' >$d/weights
    done
    close 1e-6 cuda/loss cpu/loss
    # A step of Adam is +-lr where the gradient is all but zero: 4 steps of 1e-3 at worst. Nearly
    # all are alike to 1e-5.
    close 8e-3 cuda/weights cpu/weights
    paste cpu/weights cuda/weights |
        awk '{ d = $2 - $4; if (d < 0) d = -d; if (d > 1e-4) n++ } END { exit n > NR / 50 }'
}

@test "a plugin that asks kiln.ops alone runs there unchanged, and one for the CPU gets copies" {
    for kind in combinator sampler filter; do
        kiln new "$kind" "my-$kind"
        (cd "my-$kind" && cc -shared -fPIC -I"$top_srcdir/sdk/include" -o "my-$kind.so" ./*.c -lm)
        export KILN_PLUGINS=${KILN_PLUGINS-}${KILN_PLUGINS:+:}$PWD/my-$kind
    done
    same randn 2x1x28x28 ! "${net[@]}" ! prompt 7 ! my-combinator ! my-sampler ! my-filter
}

@test "a step copies the levels of noise to the device, and nothing back" {
    chain=(randn 2x1x28x28 ! "${net[@]}" ! prompt 7)
    per_step 1 0 "${chain[@]}" ! ddpm
    per_step 1 0 "${chain[@]}" ! cfg 5 ! ddpm
    per_step 1 0 "${chain[@]}" ! anagram 7 3 view="rotate 180" ! cfg 3 ! ddim
    per_step 1 0 "${chain[@]}" ! hybrid far=1 near=2 ! cfg 2 ! ddpm
    per_step 1 1 "${chain[@]}" ! trace every=1 ! cfg 4 ! ddpm
}

@test "what is not finite is found without waiting, and its node and step are named" {
    cat >burst.c <<'END'
#include <kiln/ext/ops.h>
#include <kiln/kiln.h>
static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    const kiln_ops *ops = kiln_get_ops(self);
    const double a[] = {q->step == 2 ? 1e30 : 1};
    const kiln_tensor *first[] = {answer[0]->value}, *second[] = {out->value};
    int e = ops->combine(self->host, 1, a, NULL, first, out->value);
    return e ? e : ops->combine(self->host, 1, a, NULL, second, out->value);
}
static const kiln_combinator_ops ops = {.size = sizeof(ops), .reduce = reduce};
static const kiln_node burst = {.size = sizeof(burst),
                                .flags = KILN_NODE_ANY_DEVICE,
                                .name = "burst",
                                .summary = "too much in the third step",
                                .self_size = sizeof(kiln_self),
                                .needs = "kiln.ops/1",
                                .combinator = &ops};
KILN_PLUGIN("org.example.burst", "1.0", "MIT", &burst);
END
    mkdir plugins
    ${CC:-cc} -std=c11 -shared -fPIC -I"$top_srcdir/sdk/include" -o plugins/burst.so burst.c
    export KILN_PLUGINS=$PWD/plugins
    chain=(randn 1x1x28x28 ! "${net[@]}" ! prompt 7 ! burst ! ddim steps=5)
    run kiln -d cpu "${chain[@]}" ! save a.png
    [ "$status" = 1 ]
    [[ $output == "kiln: ddim: step 3 of 5 (t = "*") gives values that are not finite" ]]
    on_cpu=$output
    run kiln -d cuda "${chain[@]}" ! save a.png
    [ "$status" = 1 ]
    [ "$output" = "$on_cpu" ]
    run kiln -d cuda "${chain[@]}" ! blur 1 ! save a.png  # and nothing goes on
    [ "$status" = 1 ]
    [ "$output" = "$on_cpu" ]
}

@test "a chain that does not fit says what it wanted and what was left" {
    chain=(randn 8x1x28x28 ! "${net[@]}" ! prompt 7 ! cfg 5 ! ddpm ! save a.png)
    run kiln -d cuda --max-memory 300K "${chain[@]}"
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == *"MB for a tensor of "*" are not to be had on the GPU: "*"--max-memory"* ]]
    run kiln -d cuda --max-memory 300K randn 1x1x28x28 ! mnist-unet mnist-class ! ddpm ! save a.png
    [ "$status" = 1 ]
    [[ $output == *"are not to be had on the GPU"*"; the weights need "*" MB in all" ]]
    KILN_EMULATED_MEMORY=300000 run kiln -d cuda "${chain[@]}"
    [ "$status" = 1 ]
    [[ $output == *"are not to be had on the GPU"* ]]
}

@test "a plugin's own kernel runs between the operations, in their order" {
    cat >kernel.c <<'END'
#include <stdint.h>
void twice(const uint32_t grid[3], const uint32_t block[3], void **args, void *(*memory)(void *))
{
    float *x = memory(*(void **)args[0]);
    for (int64_t i = 0; i < *(int64_t *)args[1] && i < (int64_t)grid[0] * block[0]; i++)
        x[i] *= 2;
}
END
    cat >twice.c <<'END'
#include <kiln/ext/cuda.h>
#include <kiln/ext/ops.h>
#include <kiln/kiln.h>
#include <string.h>
static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    const kiln_cuda *cuda = kiln_get_cuda(self);
    const double half = 0.5;
    void *function, *data = (char *)out->data + out->byte_offset;
    int64_t n = kiln_numel(out);
    void *args[] = {&data, &n};
    int e = kiln_get_ops(self)->combine(self->host, 1, &half, NULL, &in, out);
    e = e ? e : cuda->load(self->host, KERNEL, strlen(KERNEL), "twice", &function);
    for (int i = 0; i < 2 && !e; i++)
        e = cuda->launch(self->host, function, (uint32_t[]){(uint32_t)(n + 255) / 256, 1, 1},
                         (uint32_t[]){256, 1, 1}, 0, args);
    (void)rows;
    return e || cuda->capability < 75 || !cuda->stream(self->host) ? KILN_ERR_DEVICE : 0;
}
static const kiln_filter_ops ops = {.size = sizeof(ops), .run = run};
static const kiln_node twice = {.size = sizeof(twice),
                                .flags = KILN_NODE_ANY_DEVICE,
                                .name = "twice",
                                .summary = "by a kernel of its own",
                                .self_size = sizeof(kiln_self),
                                .needs = "kiln.ops/1 kiln.cuda/1",
                                .filter = &ops};
KILN_PLUGIN("org.example.twice", "1.0", "MIT", &twice);
END
    mkdir plugins
    flags="-std=c11 -shared -fPIC"
    ${CC:-cc} $flags -o kernel.so kernel.c
    ${CC:-cc} $flags -I"$top_srcdir/sdk/include" -DKERNEL="\"$PWD/kernel.so\"" \
        -o plugins/twice.so twice.c
    export KILN_PLUGINS=$PWD/plugins
    kiln -d cuda randn 2x1x28x28 ! twice ! twice ! save a.safetensors
    kiln randn 2x1x28x28 ! save b.safetensors
    floats a.safetensors >a.txt
    floats b.safetensors | awk '{ printf "%s %.9g\n", $1, 4 * $2 }' >b.txt
    close 1e-6 a.txt b.txt
    kiln randn 2x1x28x28 ! twice ! save a.png 2>why >/dev/null && false
    [ "$(cat why)" = "kiln: twice: needs the extension kiln.cuda/1, which --device cuda has" ]
}

@test "the parity tests of a real device run on this one" {
    cd "$top_srcdir"
    for t in ref vector random products pairs; do
        "$top_builddir/tests/cuda/device_$t" >"$BATS_TEST_TMPDIR/out" 2>&1 || {
            cat "$BATS_TEST_TMPDIR/out"
            false
        }
    done
}

@test "maps of 16 bits: an estimate of the net of digits, guided" {
    # One step from noise. Operands and maps of 11 and 8 bits in 18 layers leave some 4 units of the last bit,
    # of which guidance by 5 makes up to 9 times as much: 2e-3 and 2e-2 of the largest value; a third is seen.
    chain=(randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 3 1 5 ! cfg 5 ! ddim steps=1)
    kiln --precision exact "${chain[@]}" ! save exact.safetensors
    kiln -d cuda --precision fp16 "${chain[@]}" ! save fp16.safetensors
    within 2e-3 fp16.safetensors exact.safetensors
    kiln -d cuda --precision bf16 "${chain[@]}" ! save bf16.safetensors
    within 2e-2 bf16.safetensors exact.safetensors
    run within 1e-4 bf16.safetensors exact.safetensors
    [ "$status" != 0 ]
}

@test "a training in half precision goes as one in exact" {
    # Losses of eight steps: fp16 has weights of 11 bits, and operands, of maps of float; bf16 maps of 8, gradients
    # of maps among them. A tenth of the limits is seen.
    for p in exact fp16 bf16; do
        kiln -d cuda --precision $p digits train images=0:32 ! mnist-unet arch=class hidden=4 ! \
            train $p.safetensors epochs=2 batch=8 log=$p.tsv every=1 >/dev/null
        sed 1d $p.tsv | cut -f3 | sed 's/^/loss /' >$p.losses
    done
    close 1e-3 fp16.losses exact.losses
    close 1e-2 bf16.losses exact.losses
    run cmp fp16.losses exact.losses
    [ "$status" != 0 ]
}
