#!/usr/bin/env bats
# Filters and figures in the program: what chains of them give, which serve as views, and what is
# refused with which status.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
    cp "$top_srcdir/share/photos/cat.png" .
}

# same CHAIN… : the chain leaves the digits as they are.
same() {
    kiln digits test images=0:4 ! "$@" ! compare [ digits test images=0:4 ]
}

# shape CHAIN… : the shape of the image that it makes.
shape() {
    kiln "$@" ! save shape.safetensors
    grep -ao '"image":{[^}]*' shape.safetensors | grep -o '"shape":\[[0-9,]*' | cut -d[ -f2
}

# refused STATUS WORD CHAIN… : it fails with that status and says something with WORD.
refused() {
    local want=$1 word=$2
    shift 2
    run kiln "$@"
    echo "$status: $output"
    [[ " $want " == *" $status "* ]]
    [[ $output == *"$word"* ]]
}

# map.safetensors: for each of 28x28 pixels the position in the flipped image.
flip_map() {
    local header x y
    header='{"map":{"dtype":"I64","shape":[28,28],"data_offsets":[0,6272]}}'
    {
        printf '%b' "$(printf '\\x%02x\\0\\0\\0\\0\\0\\0\\0' ${#header})"
        printf '%s' "$header"
        for ((y = 27; y >= 0; y--)); do
            for ((x = 0; x < 28; x++)); do
                printf '%b' "$(printf '\\x%02x\\x%02x\\0\\0\\0\\0\\0\\0' \
                    $(((y * 28 + x) % 256)) $(((y * 28 + x) / 256)))"
            done
        done
    } >map.safetensors
}

@test "filters that undo themselves or each other leave the image as it is" {
    same flip ! flip
    same flip horizontal ! flip horizontal
    same rotate ! rotate 270
    same rotate 180 ! rotate 180
    same roll 5 3 ! roll dx=-5 dy=-3
    same skew ! skew factor=-1.5
    same circle ! circle
    same hinge ! hinge ! hinge ! hinge
    same rgb ! channels bgr ! channels bgr ! channels r
    same rgb ! gray
    same resize 28x28 ! crop 28x28 ! clamp
    same blend [ flip ] 0
    same blend [ flip ] 1 ! flip
    same blur 0
    # These round: 1 - (1 - x), 2 x - 1.
    kiln digits test images=0:4 ! negate ! negate ! compare [ digits test images=0:4 ] limit=1e-7
    kiln digits test images=0:4 ! range signed ! range unit ! \
        compare [ digits test images=0:4 ] limit=1e-7
}

@test "compare fails beyond its limit" {
    refused 1 max digits test images=0:4 ! flip ! compare [ digits test images=0:4 ]
    kiln digits test images=0:4 ! flip ! compare [ digits test images=0:4 ] limit=1
    refused 1 psnr digits test images=0 ! blur 1 ! compare [ digits test images=0 ] metric=psnr \
        limit=60
}

@test "figures have the sizes that their parts say" {
    [ "$(shape digits test images=0:7 ! grid)" = 1,1,88,88 ]
    [ "$(shape digits test images=0:7 ! grid 7 gap=0)" = 1,1,28,196 ]
    [ "$(shape digits test images=0:3 ! hstack [ ] [ rgb ! resize 14 ])" = 3,3,28,44 ]
    [ "$(shape digits test images=0:3 ! vstack [ grid 3 ] [ flip ! grid 3 ] gap=1)" = 1,1,57,88 ]
    [ "$(shape load cat.png ! resize 64 ! crop 50x40)" = 1,3,40,50 ]
    [ "$(shape blank 2x3x5x7)" = 2,3,5,7 ]
    [ "$(shape digits test images=0:3 ! rect 1,2,3,4)" = 3,1,28,28 ]
}

@test "captions change nothing but the room for them" {
    kiln digits test images=0:4 ! grid 2 labels=prompt title=Digits ! save a.png
    kiln digits test images=0:4 ! grid 2 labels=prompt title=Digits ! compare a.png limit=0.002
    refused 1 labels digits test images=0:4 ! grid labels=a labels=b
}

@test "a map of positions rearranges, as picture or tensor" {
    flip_map
    kiln digits test images=0:4 ! index map.safetensors ! compare [ digits test images=0:4 ! flip ]
    kiln digits test images=0:4 ! index [ blank 1x1x28x28 value=-1 ] ! show
}

@test "views are found to be orthogonal, and linear filters linear; others are refused" {
    flip_map
    net=(mnist-unet arch=class hidden=8)
    for view in flip "flip horizontal" "rotate 90" "rotate 180" "roll 3 4" skew "permute 4" \
        "permute 28" jigsaw circle hinge negate "channels 0" "flip ! negate ! jigsaw"; do
        kiln randn 1x1x28x28 ! "${net[@]}" ! anagram 6 9 view="$view" ! ddpm 1 ! save view.png
    done
    kiln randn 1x1x28x28 ! "${net[@]}" ! anagram 6 9 view=flip ! ddpm 2 ! save flip.safetensors
    kiln randn 1x1x28x28 ! "${net[@]}" ! anagram 6 9 view="index map.safetensors" ! ddpm 2 ! \
        compare flip.safetensors
    for view in "blur 1" motion-blur clamp "resize 14 ! resize 28"; do
        refused 1 orthogonal randn 1x1x28x28 ! "${net[@]}" ! anagram 6 9 view="$view" ! ddpm 1 ! \
            save view.png
    done
    refused 1 size randn 1x1x28x28 ! "${net[@]}" ! anagram 6 9 view="crop 20" ! ddpm 1 ! save v.png
    for filter in "blur 1.5" motion-blur "gray keep=yes" "resize 14 ! resize 28"; do
        kiln randn 1x1x28x28 ! "${net[@]}" ! hybrid 6 9 filter="$filter" ! ddpm 1 ! save hybrid.png
    done
    refused 1 linear randn 1x1x28x28 ! "${net[@]}" ! hybrid 6 9 filter=clamp ! ddpm 1 ! save h.png
}

@test "values that make no sense are refused" {
    refused "1 2" size digits test ! crop 1x2x3 ! show
    refused "1 2" box digits test ! rect 1,2,3 ! show
    refused "1 2" kernel digits test ! blur 2 kernel=6 ! show
    refused "1 2" order digits test ! channels xyz ! show
    refused "1 2" shape blank 3x4x5 ! show
    refused "1 2" path digits test ! animate out.jpg
}

@test "what does not fit the image is refused with its sizes" {
    refused 1 28x28 digits test images=0 ! crop 30 ! show
    refused 1 28x28 digits test images=0 ! crop 20 x=9 ! show
    refused 1 28x28 digits test images=0 ! rect 20,20,9,9 ! show
    refused 1 28x28 digits test images=0 ! permute 8 ! show
    refused 1 kernel digits test images=0 ! blur 20 ! show
    refused 1 rgb digits test images=0 ! channels bgr ! show
    refused 1 joined digits test images=0:3 ! hstack [ ] [ digits test images=0:2 ] ! show
}

@test "animations are written whole" {
    kiln digits test images=0:5 ! animate a.gif
    kiln digits test images=0:5 ! rgb ! animate a.png ms=40 loop=no
    [ "$(head -c 6 a.gif)" = GIF89a ]
    [ "$(grep -aoc acTL a.png)" -ge 1 ]
    kiln load a.png ! compare [ digits test images=0 ! rgb ] limit=0.01
    [ "$(ls)" = "$(printf '%s\n' a.gif a.png cat.png)" ]
}

@test "every example of a node's help runs" {
    for node in $(kiln list | awk '{ print $1 }'); do
        case $node in
        resize | crop | flip | rotate | roll | skew | permute | jigsaw | circle | hinge | negate | \
            channels | index | blur | motion-blur | gray | rgb | range | clamp | rect | mask | blend | \
            compare | blank | grid | hstack | vstack | animate) ;;
        *) continue ;;
        esac
        example=$(kiln help "$node" | sed -n '/^Example/,/^$/p' | tail -n +2)
        echo "$example"
        [ "$example" ]
        bash -c "$example" >/dev/null
    done
}
