#!/usr/bin/env bats
# Views: what may be one, that it is undone exactly, and why others may not.
# SPDX-License-Identifier: MIT
load ../common
load illusions

setup_file() {
    built odd_views "$BATS_TEST_DIRNAME/odd_views.c"
    built gaussian "$top_srcdir/sdk/examples/gaussian.c"
    built hue "$top_srcdir/sdk/examples/hue.c"
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    export KILN_PLUGINS=$BATS_FILE_TMPDIR/plugins
}

# Without a prompt this net answers for each pixel alone, so that seen through a rearrangement it
# says the same, rearranged: the anagram is plain sampling if what the view does is undone exactly.
@test "the inverse of every shipped view undoes it, bit for bit" {
    kiln randn 2x3x24x24 ! gaussian 24 ! prompt "" ! ddpm 4 ! save plain.safetensors
    for view in flip "flip horizontal" "rotate 90" "rotate 180" "rotate 270" "roll 5 -3" skew "skew -0.7" \
        permute "permute 24 seed=3" "permute 3 seed=9" jigsaw "jigsaw seed=5" circle "circle 0.5" hinge negate \
        channels "channels 201" checkers arnold "flip ! negate ! jigsaw ! roll 1"; do
        echo "$view"
        for how in mean alternate; do
            kiln randn 2x3x24x24 ! gaussian 24 ! anagram "" "" view="$view" reduce=$how ! ddpm 4 ! \
                save v.safetensors
            equal 0 v.safetensors plain.safetensors
        done
    done
}

# One evaluation: e of the anagram is the mean of e(x, a) and V^-1 e(V x, b), by other nodes.
@test "an anagram is the mean of what its views say" {
    undo() {
        case $1 in
        "rotate 90") echo rotate 270 ;;
        "roll 5 -3") echo roll dx=-5 dy=3 ;;
        skew) echo skew factor=-1.5 ;;
        hinge) echo hinge ! hinge ! hinge ;;
        *) echo "$1" ;;
        esac
    }
    kiln digits test images=0:2 ! "${class[@]}" ! noise t=150 ! save x.safetensors
    kiln load x.safetensors ! "${class[@]}" ! prompt 6 ! predict ! save a.safetensors
    for view in flip "rotate 90" "rotate 180" "roll 5 -3" skew circle hinge; do
        echo "$view"
        # shellcheck disable=SC2046,SC2086
        kiln load x.safetensors ! $view ! "${class[@]}" ! prompt 9 ! predict ! $(undo "$view") ! \
            blend a.safetensors 0.5 ! save want.safetensors
        kiln load x.safetensors ! "${class[@]}" ! anagram 6 9 view="$view" ! predict ! \
            save have.safetensors
        # A sum of two floats, rounded in another order: an ulp or two of values up to 4.
        equal 1e-6 have.safetensors want.safetensors
        differ 1e-2 have.safetensors a.safetensors
    done
}

@test "a view for each branch, three branches, in turn or as a mean" {
    kiln digits test images=0 ! "${class[@]}" ! noise t=150 ! save x.safetensors
    for p in 1 2 3; do
        kiln load x.safetensors ! flip ! "${class[@]}" ! prompt $p ! predict ! flip ! save f$p.safetensors
        kiln load x.safetensors ! "${class[@]}" ! prompt $p ! predict ! save i$p.safetensors
    done
    kiln load i1.safetensors ! blend f2.safetensors 0.5 ! blend f3.safetensors 0.3333333333 ! save want.safetensors
    kiln load x.safetensors ! "${class[@]}" ! anagram 1 2 3 view=flip view=flip ! predict ! save have.safetensors
    equal 2e-6 have.safetensors want.safetensors
    # A view for each; the first one's is an empty chain in brackets: the image itself.
    kiln load x.safetensors ! "${class[@]}" ! anagram 1 2 3 view= [ ] view=flip view=flip ! predict ! \
        save each.safetensors
    equal 0 each.safetensors have.safetensors
    # In turn, the first step asks the first view alone.
    kiln load x.safetensors ! "${class[@]}" ! anagram 1 2 3 view=flip view=flip reduce=alternate ! predict ! \
        save first.safetensors
    equal 0 first.safetensors i1.safetensors
    # And three steps ask each once: as three runs of a step each.
    kiln load x.safetensors ! "${class[@]}" ! anagram 1 2 3 view=flip view=flip reduce=alternate ! \
        ddim timesteps=150,100,50 to=20 ! save whole.safetensors
    kiln load x.safetensors ! "${class[@]}" ! prompt 1 ! ddim timesteps=150 to=100 ! "${class[@]}" ! prompt 2 ! \
        flip ! ddim timesteps=100 to=50 ! "${class[@]}" ! prompt 3 ! ddim timesteps=50 to=20 ! flip ! \
        save parts.safetensors
    equal 1e-6 parts.safetensors whole.safetensors
}

# Without noise, drawn as zeros, x_t is alpha times the picture; and of the negative picture the same.
@test "of a net with pictures in [0,1] negate shows the negative picture" {
    header='{"draw.000000":{"dtype":"F32","shape":[1,1,28,28],"data_offsets":[0,3136]}}'
    {
        printf '%b' "$(printf '\\x%02x\\0\\0\\0\\0\\0\\0\\0' ${#header})"
        printf %s "$header"
        head -c 3136 /dev/zero
    } >zero.safetensors
    kiln --rng zero.safetensors digits test images=0 ! "${class[@]}" ! noise t=90 ! \
        anagram 7 7 view=negate view=negate ! predict ! save seen.safetensors
    kiln --rng zero.safetensors digits test images=0 ! negate ! "${class[@]}" ! noise t=90 ! prompt 7 ! \
        predict ! gain -1 ! save want.safetensors
    # alpha m is subtracted and added: a few ulp of the input, which the net may double some times.
    equal 1e-4 seen.safetensors want.safetensors
    kiln --rng zero.safetensors digits test images=0 ! "${class[@]}" ! noise t=90 ! prompt 7 ! predict ! \
        save plain.safetensors
    differ 0.1 seen.safetensors plain.safetensors
}

# map FORMULA: an I64 tensor [28,28] of what FORMULA, of x and y, says.
map() {
    local header x y from
    header='{"map":{"dtype":"I64","shape":[28,28],"data_offsets":[0,6272]}}'
    printf '%b' "$(printf '\\x%02x\\0\\0\\0\\0\\0\\0\\0' ${#header})"
    printf %s "$header"
    for ((y = 0; y < 28; y++)); do
        for ((x = 0; x < 28; x++)); do
            from=$(($1))
            printf '%b' "$(printf '\\x%02x\\x%02x\\0\\0\\0\\0\\0\\0' $((from % 256)) $((from / 256)))"
        done
    done
}

@test "a map as view: each document may have its own, images of one may not" {
    map '(27 - y) * 28 + x' >flip.safetensors
    map '(27 - y) * 28 + 27 - x' >turn.safetensors
    net=(mnist-unet arch=class hidden=8)
    i=0
    for view in flip "rotate 180"; do
        kiln randn 1x1x28x28 ! "${net[@]}" ! anagram 6 9 view="$view" ! ddim 2 ! save w$i.safetensors
        i=$((i + 1))
    done
    kiln load flip.safetensors turn.safetensors flip.safetensors ! keep map ! "${net[@]}" ! randn ! \
        anagram 6 9 view="index @map" ! ddim 2 ! save h%d.safetensors
    equal 0 h0.safetensors w0.safetensors
    equal 0 h1.safetensors w1.safetensors
    equal 0 h2.safetensors w0.safetensors
    refused "has 2 images of its own: here it takes one, for all" load flip.safetensors turn.safetensors ! batch ! \
        keep map ! "${net[@]}" ! randn ! anagram 6 9 view="index @map" ! ddim 2 ! save h.safetensors
}

@test "filters of other authors are views when they are orthogonal" {
    net=(gaussian 16)
    for view in checkers arnold "gain -1" pairs hue "hue 40 ! arnold"; do
        echo "$view"
        kiln randn 2x3x16x16 ! "${net[@]}" ! anagram red blue view="$view" ! ddim 2 ! save v.safetensors
    done
    # One that mixes values is undone up to rounding.
    kiln randn 2x3x16x16 ! "${net[@]}" ! prompt "" ! ddim 4 ! save plain.safetensors
    for view in pairs hue "hue 40"; do
        kiln randn 2x3x16x16 ! "${net[@]}" ! anagram "" "" view="$view" ! ddim 4 ! save v.safetensors
        equal 1e-5 v.safetensors plain.safetensors
    done
}

@test "what is not orthogonal is refused with the reason" {
    net=(gaussian 16)
    no() { refused "$2" randn 1x3x16x16 ! "${net[@]}" ! anagram red blue view="$1" ! ddim 1 ! save v.png; }
    # The three that are shipped elsewhere to show that they fail.
    no "swirl 135" "'swirl' is not orthogonal: noise would not stay noise, of strength 1 it becomes 0."
    no "blur 2" "'blur 2' is not orthogonal: noise would not stay noise"
    no gain "'gain' is not orthogonal: noise would not stay noise, of strength 1 it becomes 1.5"
    no clamp "'clamp' is not orthogonal: it is not even linear"
    no twins "'twins' is not orthogonal: noise would not stay noise"
    no pairs-alone "'pairs-alone' is orthogonal, but mixes values and has no inverse"
    no pairs-liar "'pairs-liar' is orthogonal, but mixes values and has no inverse"
    no "flip ! gain 2 ! rotate" "'flip ! gain 2 ! rotate' is not orthogonal"
    no "resize 8 ! resize 16" "is not orthogonal"
    no "crop 8" "'crop 8' changes the size from 3x16x16 to 3x8x8"
    no gray "'gray' changes the size"
}

@test "noise seen through a view is noise: mean 0, strength 1" {
    kiln randn 1x3x128x128 ! save n.safetensors
    kiln blank 1x3x128x128 value=0 ! save zero.safetensors
    for view in skew jigsaw hinge circle "permute 128" negate pairs "hue 77" arnold; do
        # shellcheck disable=SC2086
        kiln load n.safetensors ! $view ! save v.safetensors
        # The mean square of 49,152 values is that of the noise: moved or turned, up to rounding.
        awk -v a="$(far v.safetensors zero.safetensors)" -v b="$(far n.safetensors zero.safetensors)" \
            'BEGIN { exit !(a / b - 1 < 1e-5 && b / a - 1 < 1e-5 && a > 0.97 && a < 1.03) }'
        # Neighbours do not hang together: the mean square of a sum with the image moved by one is 2.
        kiln load v.safetensors ! blend [ roll 1 0 ] 0.5 ! save sum.safetensors
        awk -v a="$(far sum.safetensors zero.safetensors)" 'BEGIN { exit !(4 * a > 1.9 && 4 * a < 2.1) }'
    done
}
