#!/usr/bin/env bats
# Whole chains against PyTorch: the nets are tiny and trained for a moment, files as public code writes
# them, in half precision; the draws are torch's own, made again from the seed, or those of a file.
#
# Tolerances: the truth was computed in double from the same float32 weights and draws. What strays is
# single precision in the nets, some 1e-6 of an estimate. Division by sqrt(alpha_bar) = 0.22 at t = 300
# makes five times that of it, and guidance of 5 up to nine times more; but each step pulls x back to
# where digits are, so that errors die away rather than add up over 300 steps. PyTorch's own float32
# ends at most 6e-6 away from its float64 (tests/reference/sampling.py prints how far); limits are five
# times that, relative to values above 1. Guidance of 4.99 ends 5e-4 away, one step more 6e-2.
#
# That is --precision exact. By default, machines with AMX multiply numbers of 16 bits, made of two
# bfloat16: 2^-17 instead of 2^-24 of each product, hence the second limit.
# SPDX-License-Identifier: MIT
load ../common
load compare

setup_file() {
    export golden=$top_srcdir/tests/golden
    export class=$golden/sampling-class.safetensors time=$golden/sampling-time.safetensors
    export plain=$golden/sampling-plain.safetensors draws=$golden/sampling-draws.safetensors
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    export KILN_PRECISION=exact
}

# matches LIMIT NAME FILE [SKIP]: the image in FILE is the golden NAME.
matches() {
    floats "$golden/sampling.safetensors" "$2" | sed 's/^[^ ]*/image/' >want
    floats "$3" image >got
    close "$1" got want
}

torch() {
    local seed=$1
    shift
    kiln --rng torch -s "$seed" "$@"
}

@test "ancestral sampling with guidance through all 300 steps" {
    torch 11 randn 3x1x28x28 ! mnist-unet "$class" ! prompt 3 "" 7 ! cfg 5 ! trace 200,50 ! ddpm >end.st
    matches 3e-5 walk.x0 end.st
    # In the trace t = 200 comes first.
    kiln take trace <end.st >trace.st
    for t in 200 50; do
        floats "$golden/sampling.safetensors" walk.t$t
    done | sed 's/^[^ ]*/image/' >want
    floats trace.st image >got
    close 3e-5 got want
}

@test "the same in the default precision" {
    unset KILN_PRECISION
    torch 11 randn 3x1x28x28 ! mnist-unet "$class" ! prompt 3 "" 7 ! cfg 5 ! ddpm >end.st
    matches 1e-3 walk.x0 end.st
}

@test "the same through pipes, and from the recorded chain" {
    torch 11 randn 3x1x28x28 | kiln mnist-unet "$class" | kiln prompt 3 "" 7 | kiln cfg 5 |
        kiln ddpm to=200 >half.st
    matches 3e-5 walk.t200 half.st
    kiln run half.st >again.st
    floats again.st image >got
    floats half.st image >want
    close 0 got want
}

@test "posterior variance through all 300 steps" {
    torch 12 randn 2x1x28x28 ! mnist-unet "$time" ! ddpm variance=posterior >out.st
    matches 3e-5 posterior out.st
}

@test "ddim in 20 and in 50 steps" {
    torch 13 randn 2x1x28x28 ! mnist-unet "$time" ! ddim 20 >out.st
    matches 3e-5 ddim20 out.st
    torch 13 randn 2x1x28x28 ! mnist-unet "$class" ! prompt 1 8 ! cfg 5 ! ddim 50 >out.st
    matches 3e-5 ddim50 out.st
}

@test "draws of a file, one for each step but the last" {
    kiln --rng "$draws" randn 2x1x28x28 ! mnist-unet "$time" ! ddpm 6 >out.st
    matches 3e-5 ddpm6 out.st
    kiln --rng "$draws" randn 2x1x28x28 ! mnist-unet "$time" ! ddim 6 eta=0.5 >out.st
    matches 3e-5 ddim6 out.st
    # One step more wants one draw more.
    refused 1 draw.000006 kiln --rng "$draws" randn 2x1x28x28 ! mnist-unet "$time" ! ddpm 7
    refused 1 draw.000000 kiln --rng "$draws" randn 3x1x28x28
}

@test "an image is noised, then denoised with another prompt" {
    torch 14 digits test images=0:2 ! mnist-unet "$class" ! prompt 3 9 ! noise t=150 ! cfg 5 ! ddpm >out.st
    matches 3e-5 edit out.st
}

@test "one evaluation: noise and clean image" {
    torch 15 digits test images=0:2 ! mnist-unet "$class" ! prompt 3 "" ! noise t=100 >noisy.st
    kiln predict eps <noisy.st >out.st
    matches 1e-5 predict.eps out.st
    kiln predict x0 <noisy.st >out.st
    matches 1e-5 predict.x0 out.st
    kiln denoise <noisy.st >out.st
    matches 1e-5 predict.x0 out.st
}

@test "an anagram with guidance" {
    torch 16 randn 2x1x28x28 ! mnist-unet "$class" ! cfg 5 ! anagram 6 9 view="rotate 180" ! ddim 10 >out.st
    matches 3e-5 anagram out.st
}

@test "the plain net takes sigma as t and answers with the clean image" {
    digits=(digits test images=0:2)
    kiln "${digits[@]}" ! mnist-unet "$plain" ! at 0.5 ! predict x0 >out.st
    matches 1e-5 plain.x0 out.st
    torch 17 "${digits[@]}" ! mnist-unet "$plain" ! noise sigma=0.5 ! denoise >out.st
    matches 1e-5 plain.denoise out.st
    # eps = (x - x0) / sigma
    kiln "${digits[@]}" ! mnist-unet "$plain" ! at 0.5 ! predict eps >eps.st
    kiln "${digits[@]}" ! save x.st format=safetensors
    paste <(floats x.st image) <(floats eps.st image) | awk '{ print $1, $2 - 0.5 * $4 }' >got
    floats "$golden/sampling.safetensors" plain.x0 | sed 's/^[^ ]*/image/' >want
    close 1e-5 got want
}

# What a net makes is in its range, so that black is 0 in a picture of it.
@test "pictures of samples are in the range of the net" {
    torch 13 randn 2x1x28x28 ! mnist-unet "$time" ! ddim 20 ! tee out.safetensors ! grid 2 gap=0 ! \
        save out.png
    grep -aq '"kiln.range":"0,1"' out.safetensors
    kiln load out.png range=unit ! compare [ load out.safetensors ! clamp ! grid 2 gap=0 ] limit=0.01
}
