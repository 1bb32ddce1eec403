#!/usr/bin/env bats
# kiln a ! b ! c and kiln a | kiln b | kiln c give the same bytes, wherever a chain is cut: in two at
# each of its "!", and everywhere at once.
# SPDX-License-Identifier: MIT
load ../common
load host

setup() {
    cd "$BATS_TEST_TMPDIR"
    options=()
    cp "$top_srcdir/share/photos/cat.png" .
}

@test "a net, prompts, guidance and a sampler" {
    options=(-s 7)
    chain_is randn 3x1x28x28 ! "${net[@]}" ! prompt 1 2 3 ! cfg 5 ! ddpm 3
    every_cut all.st
    chain_add ! grid 3 ! save out.png
    every_cut out.png
}

@test "prompts with blanks, quotes, marks, newlines, and the empty one" {
    chain_is blank 1x1x8x8 ! prompt 'a; b' 'say "x ! y"' text='!' text='[' $'two\nlines\t' '' "it's \\n" 'ä€🔥' text=text=1 \
        '#no comment' '$HOME' ! noise sigma=0.5 ! prompt 'x=1 y' ! flip
    every_cut out.st
    chain_add ! select 5 ! save out.png
    every_cut out.png
}

@test "control characters, and bytes that are no UTF-8, in prompts" {
    chain_is blank 1x1x2x2 ! prompt $'\x01\x1f\x7f' $'a\rb' ! flip
    every_cut out.st
    refuses 2 "UTF-8" kiln blank 1x1x2x2 ! prompt $'\xff'
}

@test "brackets with images" {
    chain_is load cat.png ! resize 16x16 ! hstack [ flip ] [ ] [ vstack [ gray ! rgb ] cat.png gap=0 ! resize 16x16 ] \
        ! resize 8x8 ! mask mask= [ rect 0,0,4,4 ] ! save out.png
    every_cut out.png
}

@test "a kept image, taken and named" {
    chain_is load cat.png ! resize 8x8 ! keep orig ! blur 1 ! keep soft ! negate ! hstack @orig [ ] @soft \
        [ take orig ! noise sigma=0.1 ! take soft ] ! take orig
    every_cut out.st
    chain_is load cat.png ! resize 8x8 ! keep orig ! blur 1 ! negate ! hstack @orig [ ] ! save out.png
    every_cut out.png
}

@test "what a node captured when it was named" {
    options=(-s 3)
    chain_is digits test images=0:2 ! keep orig ! "${net[@]}" ! prompt 3 ! inpaint [ rect 0,0,28,14 ] ! randn ! \
        cfg 2 ! ddpm 3 ! hstack @orig [ ]
    every_cut out.st
    kiln blank 1x1x28x28 ! rect 3,3,9,20 ! save hole.png
    chain_is digits test images=0:2 ! "${net[@]}" ! inpaint hole.png paste=yes ! randn ! ddpm 3 ! grid ! \
        save out.png
    every_cut out.png
}

@test "an image given by a pipe of its own" {
    kiln blank 1x1x28x28 ! rect 3,3,9,20 ! gray >hole.st
    kiln digits test images=0 ! "${net[@]}" ! inpaint <(cat hole.st) ! randn ! ddpm 2 >one.st
    kiln digits test images=0 | kiln "${net[@]}" | kiln inpaint <(cat hole.st) | kiln randn | kiln ddpm 2 >two.st
    tensor one.st image >one && tensor two.st image >two
    cmp one two
}

@test "branches: anagram" {
    options=(-s 5)
    chain_is randn 2x1x28x28 ! "${net[@]}" ! cfg 5 ! anagram 6 9 view="rotate 180" ! ddpm 3
    every_cut out.st
    chain_is randn 2x1x28x28 ! "${net[@]}" ! anagram 6 [ prompt 9 ! cfg 3 ] 1 view="roll 3 4" view="flip ! negate" \
        ! cfg 2 ! ddpm 3
    every_cut out.st
}

@test "branches: hybrid, regions, mix" {
    chain_is randn 2x1x28x28 ! "${net[@]}" ! cfg 5 ! hybrid 0 1 filter="blur 1.5" ! ddim 3
    every_cut out.st
    chain_is randn 2x1x28x28 ! "${net[@]}" ! cfg 2 ! regions 0 [ anagram 6 9 view= [ rotate 180 ] ] \
        mask= [ blank 1x1x28x28 ! rect 0,0,28,14 ] ! ddim 3
    every_cut out.st
    chain_is randn 2x1x28x28 ! "${net[@]}" ! mix [ prompt 1 ! cfg 3 ] [ mnist-unet arch=class hidden=8 ! prompt 2 ] \
        weights=0.75,0.25 ! ddim 3
    every_cut out.st
}

@test "several documents" {
    options=(-s 9)
    chain_is randn 2x1x28x28 docs=3 first=4 ! "${net[@]}" ! prompt 1 2 ! cfg 2 ! ddpm 2
    every_cut out.st
    chain_is load cat.png cat.png ! resize 8x8 ! noise sigma=0,0.5 ! blur 1 ! split ! flip
    every_cut out.st
}

@test "documents joined and parted" {
    chain_is digits test images=0:5 ! split ! noise sigma=0,0.5,1 ! batch 2 ! select -1,0,2 ! repeat 2 ! batch ! \
        grid 3 ! save out.png
    every_cut out.png
    chain_is digits test images=0:5 ! split ! keep a ! "${net[@]}" ! inpaint [ rect 0,0,9,9 ] ! randn ! batch 2 ! \
        ddim 2 ! hstack [ take a ] [ ] ! split ! noise t=9
    every_cut out.st
}

@test "a sweep of noise levels" {
    chain_is digits test images=0 ! "${net[@]}" ! prompt 8 ! noise t=250,150,50 ! cfg 2 ! ddpm timesteps=250,150,50 ! \
        "${net[@]}" ! noise t=20,10,5 ! ddim timesteps=20,10
    every_cut out.st
}

@test "a trace, and two samplers one after the other" {
    chain_is randn 1x1x28x28 ! "${net[@]}" ! prompt 7 ! cfg 2 ! trace every=1 ! ddpm 4 ! keep end ! take trace ! \
        grid ! hstack @end ! save out.png
    every_cut out.png
    chain_is randn 1x1x28x28 ! "${net[@]}" ! prompt 7 ! ddpm 2 ! noise t=100 ! "${net[@]}" ! cfg 3 ! ddpm 2
    every_cut out.st
}

@test "torch's random numbers, and those of a file" {
    options=(-s 3 --rng torch)
    chain_is randn 1x1x28x28 docs=2 ! "${net[@]}" ! prompt 1 ! ddpm 3
    every_cut out.st
    # Odd numbers of draws, so that half a pair of normals waits.
    chain_is blank 1x1x3x5 ! noise sigma=0.5 ! blur 1 kernel=3 ! noise sigma=1 ! gray ! noise sigma=2
    every_cut out.st
    draws 1,1,28,28 1,1,28,28 1,1,28,28 1,1,28,28 >draws.safetensors
    options=(--rng draws.safetensors)
    chain_is randn 1x1x28x28 ! "${net[@]}" ! ddpm 3
    every_cut out.st
}

@test "in the middle: a tee of the State" {
    options=(-s 2)
    chain_is randn 2x1x28x28 ! "${net[@]}" ! tee mid.safetensors ! cfg 3 ! ddpm 2
    every_cut out.st
    chain_is randn 2x1x28x28 ! "${net[@]}" ! prompt 4 ! tee mid.safetensors ! cfg 3 ! ddpm 2
    every_cut mid.safetensors
}

@test "a picture on standard input begins a chain as load - does" {
    kiln load - ! resize 8x8 <cat.png >one.st
    kiln resize 8x8 <cat.png >two.st
    cat cat.png | kiln resize 8x8 | cat >three.st
    cmp one.st two.st
    cmp one.st three.st
}
