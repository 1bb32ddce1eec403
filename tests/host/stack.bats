#!/usr/bin/env bats
# Nets, guidance and samplers put together wrongly: what the message says to do about it.
# SPDX-License-Identifier: MIT
load ../common
load host

setup() {
    cd "$BATS_TEST_TMPDIR"
}

@test "a sampler without a net, a net without a sampler" {
    refuses 1 "ddpm: no net was named: put one before it" kiln randn 1x1x28x28 ! ddpm 2
    refuses 1 "predict: no net was named" kiln randn 1x1x28x28 ! predict eps
    refuses 1 "train: no net was named" kiln randn 1x1x28x28 ! train x.safetensors
    # A sampler clears the stack: the second one wants its own.
    refuses 1 "ddpm: no net was named" kiln randn 1x1x28x28 ! "${net[@]}" ! ddpm 2 ! noise t=30 ! ddpm 2
    refuses 1 "cfg: no net stands below it" kiln randn 1x1x28x28 ! cfg 2 ! ddpm 2
    refuses 0 "mnist-unet was never run: no sampler follows it" \
        kiln randn 1x1x28x28 ! "${net[@]}" ! save x.png
}

@test "two nets in one chain" {
    refuses 1 "the net mnist-unet was named already, and no sampler has used it" \
        kiln randn 1x1x28x28 ! "${net[@]}" ! "${net[@]}" ! ddpm 2
    refuses 1 "its net differs in channels, schedule or range from the other one" \
        kiln randn 1x1x28x28 ! "${net[@]}" ! anagram [ mnist-unet arch=time hidden=8 T=100 ] 2 ! ddim 2
}

@test "nothing to denoise" {
    refuses 1 "ddpm: nothing to denoise: put 'noise t=…' or 'randn' before it" \
        kiln digits test images=0 ! "${net[@]}" ! ddpm 2
    refuses 1 "noise: the image is noisy already (t = 3)" \
        kiln digits test images=0 ! "${net[@]}" ! noise t=3 ! noise t=4
}

@test "an image of the wrong size or channels: what to put before it" {
    cp "$top_srcdir/share/photos/cat.png" .
    refuses 1 "mnist-unet wants 1x28x28, the image is 3x256x256: put 'gray ! resize 28x28' before it" \
        kiln load cat.png ! "${net[@]}" ! noise t=3 ! ddim 2
    refuses 1 "the image is 1x27x28: put 'resize 28x28' before it" \
        kiln randn 1x1x27x28 ! "${net[@]}" ! ddim 2
    refuses 1 "the image is 3x28x28: put 'gray' before it" kiln randn 1x3x28x28 ! "${net[@]}" ! ddim 2
    # What it says helps.
    kiln load cat.png ! gray ! resize 28x28 ! "${net[@]}" ! noise t=3 ! ddim timesteps=3 >out.st
}

@test "timesteps that the net has not" {
    refuses 1 "t = 1000, but the net has the timesteps 1 to 300" \
        kiln digits test images=0 ! "${net[@]}" ! noise t=1000
    refuses 1 "t = 400, but the net has the timesteps 1 to 300" \
        kiln randn 1x1x28x28 ! "${net[@]}" ! ddim timesteps=400
    refuses 1 "400, but the net has 300 timesteps" kiln randn 1x1x28x28 ! "${net[@]}" ! ddim 400
    refuses 1 "say t=" kiln digits test images=0 ! "${net[@]}" ! noise sigma=0.5
}

@test "a prompt that the net does not know" {
    refuses 1 "a prompt is one of the digits 0 1 2 3 4 5 6 7 8 9, or empty, not 'cat'" \
        kiln randn 1x1x28x28 ! "${net[@]}" ! prompt cat ! ddpm 2
    refuses 1 "not 'dog'" kiln randn 1x1x28x28 ! "${net[@]}" ! cfg 2 negative=dog ! ddpm 2
    refuses 1 "not 'cow'" kiln randn 1x1x28x28 ! "${net[@]}" ! anagram 1 cow ! ddpm 2
}

@test "a model that is not there" {
    refuses 1 "no model 'nosuch'" kiln randn 1x1x28x28 ! mnist-unet nosuch ! ddim 2
}

@test "branches, views and masks that do not go together" {
    refuses 2 "anagram: wants two prompts or more" kiln randn 1x1x28x28 ! "${net[@]}" ! anagram 1 ! ddim 2
    refuses 2 "3 views for 2 branches" \
        kiln randn 1x1x28x28 ! "${net[@]}" ! anagram 1 2 view=flip view=flip view=flip ! ddim 2
    refuses 2 "regions: mask is missing" kiln randn 1x1x28x28 ! "${net[@]}" ! regions 1 2 ! ddim 2
    refuses 2 "1 weights for 2 branches" kiln randn 1x1x28x28 ! "${net[@]}" ! mix 1 2 weights=0.5 ! ddim 2
    refuses 2 "say what is new by a mask" kiln randn 1x1x28x28 ! "${net[@]}" ! inpaint ! ddim 2
    refuses 1 "a hook works on the whole image, not in a branch" \
        kiln randn 1x1x28x28 ! "${net[@]}" ! anagram [ trace every=1 ] 2 ! ddim 2
    refuses 1 "a branch cannot change the number of images" \
        kiln randn 1x1x28x28 ! "${net[@]}" ! anagram [ repeat 2 ] 2 ! ddim 2
}

@test "images that cannot be joined, prompts that cannot be given out" {
    refuses 1 "2 images cannot be joined with 3" kiln blank 2x1x4x4 ! hstack [ blank 3x1x4x4 ] [ ]
    refuses 1 "3 texts do not divide 2 images" kiln blank 2x1x4x4 ! prompt a b c
    refuses 1 "2 values for 3 images" kiln blank 3x1x4x4 ! noise sigma=1,2
    refuses 1 "batch: an image of 3x2x2 does not go with one of 1x4x4" \
        sh -c 'kiln blank 1x1x4x4 ! save a.png && kiln blank 1x3x2x2 ! save b.png && kiln load a.png b.png ! batch'
    refuses 1 "the images differ in size" kiln blank 1x1x4x4 ! compare [ blank 1x1x5x5 ]
    refuses 1 "blocks: 3 do not divide an image of 4x4" kiln blank 1x1x4x4 ! permute 3
    refuses 1 "nothing is kept as 'x': put 'keep x' before it" kiln blank 1x1x4x4 ! take x
    refuses 1 "nothing is kept as 'x': put 'keep x' before it" kiln blank 1x1x4x4 ! hstack @x
}

@test "a bracket that gives nothing, or too much" {
    kiln blank 1x1x4x4 ! save a.png
    refuses 1 "gives more than one document" kiln blank 1x1x4x4 ! hstack [ load a.png a.png ]
    refuses 1 "gives more than one document" kiln blank 2x1x4x4 ! hstack [ split ]
    kiln blank 2x1x4x4 ! hstack [ split ! batch ] >out.st
}

@test "a net that cannot be loaded says so for each document" {
    cp "$top_srcdir/tests/golden/mnist-ckpt-t.pt" net.pt
    printf x | dd of=net.pt bs=1 seek=$(($(stat -c %s net.pt) / 2)) conv=notrunc status=none
    run kiln -k randn 1x1x28x28 docs=2 ! mnist-unet net.pt ! ddpm 2 ! save %d.png
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[0]} == "kiln: mnist-unet: net.pt: damaged zip file: the checksum of "*" is wrong" ]]
    [ "${lines[1]}" = "${lines[0]}" ]
}

@test "draws that a file has not" {
    draws 1,1,28,28 1,1,28,28 >two.safetensors
    refuses 1 "draw.000002" kiln --rng two.safetensors randn 1x1x28x28 ! "${net[@]}" ! ddpm 3
    refuses 1 "'draw.000000' is of 1x1x28x28, 2x1x28x28 was asked for" \
        kiln --rng two.safetensors randn 2x1x28x28
    refuses 1 "--rng" kiln --rng nosuch.safetensors randn 1x1x28x28
    kiln --rng two.safetensors randn 1x1x28x28 ! "${net[@]}" ! ddpm 2 >out.st
}
