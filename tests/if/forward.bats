#!/usr/bin/env bats
# One evaluation of small random nets against diffusers: tests/reference/if/forward.py.
#
# The truth is in double, but for the angles of the sinusoid, which are single as where nets are trained.
# Single precision in some forty layers leaves 1e-6 of the largest value in PyTorch; the limit is five times
# that. The library's own answers, of which another last bit in one or two of a hundred angles takes 5e-6
# more, are met within 5e-5, and so is the truth by the default precision, where a convolution by
# Winograd's F(4,3) errs by 4e-6.
# SPDX-License-Identifier: MIT
load ../common
load if

setup_file() {
    export golden=$top_srcdir/tests/golden/if
    build_random_if
    cd "$BATS_FILE_TMPDIR"
    for net in small-I small-II; do
        for dtype in fp32 fp16 bf16; do
            random_if --dtype $dtype $net $net-$dtype
        done
    done
}

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# answers LIMIT CASE FOLDER T ARGS… : eps and var of a case are the golden ones. ARGS: of if-unet, then
# prompts after "--".
answers() {
    local limit=$1 case=$2 net=$3 t=$4 args=() what=$2.${single:+float32.}
    shift 4
    while [ "$1" != -- ]; do
        args+=("$1")
        shift
    done
    shift
    pick "$golden/forward.safetensors" $case.x x.st
    if pick "$golden/forward.safetensors" $case.low low.st; then
        pick "$golden/forward.safetensors" $case.z z.st draw.000000
        args+=(lowres=low.st)
        export KILN_RNG=z.st
    fi
    for part in eps variance; do
        pick "$golden/forward.safetensors" "$what${part:0:3}" want.st
        kiln load x.st ! embeddings "$golden/prompts.pth" ! if-unet "$net" "${args[@]}" ! prompt "$@" ! \
            at "$t" ! predict $part ! save got.st format=safetensors
        within "$limit" got.st want.st
    done
}

both() {
    KILN_PRECISION=exact answers 5e-6 "$@"
    answers 5e-5 "$@"
}

@test "stage I in F32, sizes and batches" {
    cd "$BATS_FILE_TMPDIR"
    both I.a small-I-fp32 0 -- "a pencil" ""
    both I.b small-I-fp32 1 -- "a rocket ship"
    both I.c small-I-fp32 500 -- "a photo of a dog" "a pencil" "a rocket ship"
    both I.d small-I-fp32 990 -- "a photo of a man"
    single=1 answers 5e-5 I.d small-I-fp32 990 -- "a photo of a man"
}

@test "stage I in F16 and BF16" {
    cd "$BATS_FILE_TMPDIR"
    both I.e small-I-fp16 250 -- "a pencil" "a photo of a man"
    both I.f small-I-bf16 250 -- "a pencil"
}

@test "stage II in F32, sizes, batches and noise levels" {
    cd "$BATS_FILE_TMPDIR"
    both II.a small-II-fp32 0 -- "a pencil" ""
    both II.b small-II-fp32 999 noise_level=0 -- "a rocket ship"
    both II.c small-II-fp32 500 noise_level=999 -- "a photo of a man"
    single=1 answers 5e-5 II.c small-II-fp32 500 noise_level=999 -- "a photo of a man"
}

@test "stage II in F16 and BF16" {
    cd "$BATS_FILE_TMPDIR"
    both II.d small-II-fp16 250 noise_level=50 -- "a pencil"
    both II.e small-II-bf16 750 -- "a pencil"
}

# The same weights: the same bits, whatever the files are like.
@test "shards, the folder of the net alone, a relative path" {
    cd "$BATS_FILE_TMPDIR"
    mkdir -p parts
    for dtype in fp32 fp16 bf16; do
        random_if --dtype $dtype --shards 3 small-I "parts/$dtype"
        ask() {
            kiln blank 1x3x16x16 ! embeddings "$golden/prompts.pth" ! if-unet "$1" ! prompt "a pencil" ! \
                at 250 ! predict
        }
        ask small-I-$dtype >one.st
        ask parts/$dtype >parts.st
        ask "$PWD/small-I-$dtype/unet" >unet.st
        kiln load one.st ! compare parts.st
        kiln load one.st ! compare unet.st
    done
}
