#!/usr/bin/env bats
# The nets of DeepFloyd IF on a device that is none, with small random weights, beside the CPU, which is
# compared with diffusers in tests/if.
#
# Tolerance: that of tests/if/walks.bats, 2e-4 of the largest value for each step.
# SPDX-License-Identifier: MIT
load ../common
load ../parity/compare
load ../if/if
load device

setup_file() {
    build_random_if
    cd "$BATS_FILE_TMPDIR"
    random_if tiny-I I # half weights
    random_if tiny-II II
    cp "$top_srcdir/tests/golden/if/prompts.pth" .
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return
    rm -f ./*.safetensors
    use_emulated
}

bank=(embeddings prompts.pth)

# alike STEPS CHAIN...: on both.
alike() {
    local steps=$1
    shift
    both "$@"
    within "$(awk -v n="$steps" 'BEGIN { print 2e-4 * n }')" cuda.safetensors cpu.safetensors
}

@test "stage I: guidance, thresholding, rows of different prompts" {
    alike 3 randn 2x3x16x16 ! "${bank[@]}" ! if-unet I ! prompt "a rocket ship" "a pencil" ! cfg 7 ! \
        threshold ! ddpm 3
}

@test "stage II on what stage I made, which stays on the device" {
    chain=(randn 2x3x16x16 ! "${bank[@]}" ! if-unet I ! prompt "a pencil" ! cfg 3 ! threshold ! ddpm 2 !
        if-unet II noise_level=50 ! prompt "a pencil" ! randn size=32x32 ! cfg 4 ! threshold)
    alike 4 "${chain[@]}" ! ddpm 2
    per_step 1 0 "${chain[@]}" ! ddpm
}

@test "stage II with one small picture for all images" {
    kiln randn 1x3x16x16 ! "${bank[@]}" ! if-unet I ! ddpm 1 ! save small.safetensors
    alike 2 randn 2x3x32x32 ! "${bank[@]}" ! if-unet II lowres=small.safetensors ! prompt "a pencil" ! \
        threshold ! ddpm 2
}

@test "an anagram in both stages" {
    alike 4 randn 1x3x16x16 ! "${bank[@]}" ! if-unet I ! cfg 7 ! \
        anagram "a pencil" "a rocket ship" view="rotate 90" ! threshold ! ddpm 2 ! \
        if-unet II ! randn size=32x32 ! cfg 4 ! anagram "a pencil" "a rocket ship" view=negate ! \
        threshold ! ddpm 2
}

@test "a hybrid, whose filter is of this size" {
    alike 2 randn 1x3x24x24 ! "${bank[@]}" ! if-unet I ! cfg 7 ! hybrid "a rocket ship" "a pencil" ! \
        threshold ! ddpm 2
}

@test "inpainting" {
    alike 3 load "$top_srcdir/share/photos/cat.png" ! resize 16x16 ! "${bank[@]}" ! if-unet I ! \
        prompt "a pencil" ! inpaint [ rect 5,3,8,9 ] ! randn size=16x16 ! cfg 7 ! threshold ! ddpm 3
}

@test "T5 reads the prompt there" {
    both blank 1x1x1x1 ! t5 "$top_srcdir/tests/golden/t5" ! encode "a pencil"
    floats cpu.safetensors >cpu.txt
    floats cuda.safetensors >cuda.txt
    close 1e-5 cuda.txt cpu.txt
    alike 2 randn 1x3x16x16 ! t5 "$top_srcdir/tests/golden/t5" ! if-unet I ! prompt "a rocket ship" ! \
        threshold ! ddpm 2
}

# The text too: what makes it keys and values brings weights of its own each time.
@test "a step copies the levels of noise to the device, and nothing back" {
    chain=(randn 2x3x16x16 ! "${bank[@]}" ! if-unet I ! prompt "a rocket ship" "a pencil")
    per_step 1 0 "${chain[@]}" ! ddpm
    per_step 1 0 "${chain[@]}" ! cfg 7 ! ddpm
}

@test "the steps of both stages are recorded, and give the same bits" {
    same_bits randn 2x3x16x16 ! "${bank[@]}" ! if-unet I ! prompt "a pencil" ! cfg 3 ! threshold ! ddpm 3 ! \
        if-unet II ! prompt "a pencil" ! randn size=32x32 ! cfg 4 ! threshold ! ddpm 3
    [ "$graphs $replays" = "2 4" ]
}

@test "weights of 16 bits stay so on the device" {
    # Two bytes of each weight of unet/: those of the text, and of norms and biases, are a third.
    local size kept
    size=$(stat -c %s I/unet/*.safetensors)
    chain=(randn 1x3x16x16 ! "${bank[@]}" ! if-unet I)
    copies 1 "${chain[@]}" ! prompt "a pencil" ! ddpm
    kept=$peak
    chain+=(weights=fp32)
    copies 1 "${chain[@]}" ! prompt "a pencil" ! ddpm
    echo "$kept and $peak bytes, the file has $size"
    [ $((peak - kept)) -gt $((size * 2 / 3)) ]
}

@test "half precision of the device does not want a processor that has it" {
    # One step from noise; operands rounded to 8 and 11 bits, in some 30 layers.
    chain=(randn 1x3x16x16 ! "${bank[@]}" ! if-unet I ! prompt "a pencil" ! cfg 3 ! ddim steps=1)
    kiln "${chain[@]}" ! save exact.safetensors
    kiln -d cuda --precision bf16 "${chain[@]}" ! save bf16.safetensors
    within 1e-2 bf16.safetensors exact.safetensors
    kiln -d cuda --precision fp16 "${chain[@]}" ! save fp16.safetensors
    within 1e-3 fp16.safetensors exact.safetensors
    run cmp exact.safetensors fp16.safetensors
    [ "$status" != 0 ]
}
