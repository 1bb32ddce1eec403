#!/usr/bin/env bats
# Inpainting: what is kept, to the byte; soft masks; a filter in place of a mask; the three ways.
# SPDX-License-Identifier: MIT
load ../common
load illusions

setup_file() {
    built odd_views "$BATS_TEST_DIRNAME/odd_views.c"
    built gaussian "$top_srcdir/sdk/examples/gaussian.c"
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    export KILN_PLUGINS=$BATS_FILE_TMPDIR/plugins
    cp "$top_srcdir/share/photos/cat.png" .
}

# outside FILE FILE BOX: two pictures are equal in every byte outside of the box, and differ in it.
outside() {
    kiln load "$1" ! mask [ rect "$3" ] ! save outside.1.png
    kiln load "$2" ! mask [ rect "$3" ] ! save outside.2.png
    kiln load outside.1.png ! compare outside.2.png
    differ 0.1 "$1" "$2"
}

@test "paste=yes leaves the pixels outside of the mask identical to the byte" {
    kiln load cat.png ! resize 16x16 ! save small.png
    for bits in 8 16; do
        for mode in renoise clean x0; do
            for to in clean 0 100; do
                kiln load small.png ! gaussian ! prompt red ! inpaint [ rect 4,4,8,8 ] mode=$mode paste=yes ! \
                    randn ! cfg 2 ! ddpm stride=100 to=$to ! save new.png bits=$bits
                outside new.png small.png 4,4,8,8
            done
        done
    done
    # Of the nets with pictures in [0,1], too, and of a batch.
    kiln digits test images=0:3 ! save d%i.png
    kiln digits test images=0:3 ! "${class[@]}" ! prompt 3 ! inpaint [ rect 0,0,28,14 ] paste=yes ! randn ! \
        cfg 3 ! ddpm 3 ! save n%i.png
    for i in 0 1 2; do
        outside n$i.png d$i.png 0,0,28,14
    done
}

@test "soft masks: where they are 0 it stays, where they are 1 it is new, between it is shared" {
    kiln load cat.png ! resize 16x16 ! save small.png
    soft="rect 5,5,6,6 ! blur 1 kernel=5"
    # shellcheck disable=SC2086
    kiln load small.png ! $soft ! save soft.png bits=16
    # As a chain, a file, and a pipe of another process: the same picture.
    kiln load small.png ! gaussian ! prompt red ! inpaint soft.png paste=yes ! randn ! ddim 10 ! save a.safetensors
    kiln load small.png ! gaussian ! prompt red ! inpaint <(kiln load soft.png) paste=yes ! randn ! ddim 10 ! \
        save b.safetensors
    # The stream has it in [-1,1] and back: an ulp.
    equal 1e-6 a.safetensors b.safetensors
    # shellcheck disable=SC2086
    kiln load small.png ! gaussian ! prompt red ! inpaint [ $soft ] paste=yes ! randn ! ddim 10 ! save c.safetensors
    equal 1e-3 a.safetensors c.safetensors
    kiln load a.safetensors ! save a.png
    outside a.png small.png 3,3,10,10
    # At the end x = m x' + (1 - m) photo: of a photo of one value less, it is 1 - m less.
    kiln load small.png ! gaussian ! prompt "" ! inpaint soft.png mode=clean ! randn ! ddim timesteps=500 ! \
        save p.safetensors
    kiln load small.png ! blend [ blank 1x3x16x16 value=-1 ] 0.5 ! save dark.safetensors
    kiln load dark.safetensors ! gaussian ! prompt "" ! inpaint soft.png mode=clean ! randn ! \
        ddim timesteps=500 ! save q.safetensors
    kiln load dark.safetensors ! gain -1 ! blend small.png 0.5 ! gain 2 ! mask soft.png fill=0 ! save want.safetensors
    kiln load q.safetensors ! gain -1 ! blend p.safetensors 0.5 ! gain 2 ! save have.safetensors
    equal 2e-6 have.safetensors want.safetensors
}

@test "the three ways differ in between, and each keeps the photo at the end" {
    kiln digits test images=0 ! save d.png
    for mode in renoise clean x0; do
        kiln digits test images=0 ! "${class[@]}" ! prompt 7 ! inpaint [ rect 0,0,28,14 ] mode=$mode ! randn ! \
            cfg 3 ! trace every=1 ! ddim 4 ! keep end ! take trace ! save $mode.safetensors
        # The fifth is the end. x0 puts the photo into the estimate that the last step arrives at.
        kiln load $mode.safetensors ! select 4 ! mask [ rect 0,0,28,14 ] ! save end.safetensors
        kiln load d.png ! range unit ! mask [ rect 0,0,28,14 ] ! save want.safetensors
        equal 1e-5 end.safetensors want.safetensors
        kiln load $mode.safetensors ! select 1 ! save $mode.1.safetensors
    done
    # After a step: the photo itself, or in noise.
    kiln load clean.1.safetensors ! mask [ rect 0,0,28,14 ] ! save one.safetensors
    equal 1e-7 one.safetensors want.safetensors  # the file is in [-1,1] and back
    differ 0.5 renoise.1.safetensors clean.1.safetensors
    differ 0.1 x0.1.safetensors clean.1.safetensors
    differ 0.1 x0.1.safetensors renoise.1.safetensors
}

@test "the noise of what is kept is that of noise t= at that level, of its own draw" {
    # Below the mask x at t = 100 is a photo + s z; the same z for each run that comes by, wherever it began.
    for from in 250 150; do
        kiln digits test images=0 ! "${class[@]}" ! prompt 7 ! inpaint [ rect 0,0,28,14 ] ! noise t=$from ! \
            ddim timesteps=$from,100 to=100 ! mask [ rect 0,0,28,14 ] ! save x$from.safetensors
    done
    equal 0 x250.safetensors x150.safetensors
}

@test "keep=FILTER: what a linear filter passes of the photo stays" {
    kiln digits test images=0:2 ! save photo.safetensors
    kiln load photo.safetensors ! blur 2 ! save far.safetensors
    for keep in none keep; do
        hook=()
        [ $keep = none ] || hook=(inpaint keep="blur 2" !)
        kiln load photo.safetensors ! "${class[@]}" ! prompt 3 ! "${hook[@]}" randn ! cfg 3 ! ddpm 10 ! \
            save $keep.safetensors
        kiln load $keep.safetensors ! blur 2 ! save $keep.far.safetensors
    done
    # From afar it is the photo; near, it is not.
    less "$(far keep.far.safetensors far.safetensors)" "$(far none.far.safetensors far.safetensors)" 0.1
    less "$(far keep.far.safetensors far.safetensors)" "$(far keep.safetensors photo.safetensors)" 0.2
    # A mask is the diagonal case: mask blanks what is new, the rest stays.
    kiln load photo.safetensors ! "${class[@]}" ! prompt 3 ! inpaint [ rect 0,0,28,14 ] ! randn ! ddpm 3 ! \
        save m.safetensors
    kiln load photo.safetensors ! "${class[@]}" ! prompt 3 ! inpaint keep= [ mask [ rect 0,0,28,14 ] ] ! randn ! \
        ddpm 3 ! save k.safetensors
    # x + (known - x) rounds where m x + (1 - m) known does not.
    equal 1e-5 m.safetensors k.safetensors
    refused "'clamp' is not linear" load photo.safetensors ! "${class[@]}" ! inpaint keep=clamp ! randn ! ddpm 1 ! \
        save x.png
}

@test "what to keep: the image of the moment, or image=" {
    kiln digits test images=0 ! "${class[@]}" ! prompt 3 ! inpaint [ rect 0,0,28,14 ] ! randn ! ddpm 2 ! \
        save a.safetensors
    kiln randn 1x1x28x28 ! "${class[@]}" ! prompt 3 ! inpaint [ rect 0,0,28,14 ] image= [ digits test images=0 ] ! \
        ddpm 2 ! save b.safetensors
    equal 0 a.safetensors b.safetensors
    refused "it takes the image of the moment, which is pure noise: put it before 'randn', or say image=" \
        randn 1x1x28x28 ! "${class[@]}" ! inpaint [ rect 0,0,28,14 ] ! ddpm 2 ! save x.png
    refused "resize it before inpaint" randn 1x1x28x28 ! "${class[@]}" ! inpaint [ rect 0,0,28,14 ] \
        image= [ blank 1x1x14x14 ] ! ddpm 2 ! save x.png
}

@test "SDEdit inside a mask, several levels at once, in any stack" {
    kiln digits test images=0:2 ! split ! "${class[@]}" ! inpaint [ rect 0,0,14,28 ] paste=yes ! noise t=200,60 ! \
        cfg 3 ! anagram 6 9 ! ddpm stride=40 ! batch ! save all.safetensors
    i=0
    for digit in 0 1; do
        for t in 200 60; do
            kiln digits test images=$digit ! "${class[@]}" ! inpaint [ rect 0,0,14,28 ] paste=yes ! noise t=$t ! \
                cfg 3 ! anagram 6 9 ! ddpm stride=40 ! save one.safetensors
            kiln load all.safetensors ! select $i ! save part.safetensors
            equal 0 one.safetensors part.safetensors
            kiln digits test images=$digit ! save d.png
            kiln load part.safetensors ! save part.png
            outside part.png d.png 0,0,14,28
            i=$((i + 1))
        done
    done
}
