#!/usr/bin/env bats
# What the class net that ships draws, read by a classifier that knows genuine digits alone. The bounds
# are those that are promised, not those that are reached: docs/quality.md has these.
# SPDX-License-Identifier: MIT
load ../common
load illusions

setup_file() {
    built read "$BATS_TEST_DIRNAME/read.c"
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    export KILN_PLUGINS=$BATS_FILE_TMPDIR/plugins
    classifier=$top_srcdir/tests/golden/digit-classifier.safetensors
}

# It is right about 99.4% of the test set, as measured in PyTorch, where it was made.
@test "the classifier reads genuine digits" {
    kiln digits test images=0:300 ! read "$classifier" >read
    awk -F'\t' 'NR > 1 { n++; right += $2 == $3 } END { print right; exit !(n == 300 && right >= 294) }' read
}

@test "6 and 9 in one image: at least 30 of 100 seeds read as both" {
    kiln -s 1 randn 10x1x28x28 ! "${class[@]}" ! cfg 5 ! anagram 6 9 view="rotate 180" ! ddpm 20 ! save a.safetensors
    kiln load a.safetensors ! read "$classifier" >6
    kiln load a.safetensors ! rotate 180 ! read "$classifier" >9
    paste 6 9 | awk -F'\t' 'NR > 1 { n++; both += $3 == 6 && $17 == 9 } END { print both; exit !(n == 10 && both >= 3) }'
}

@test "the lower half made anew shows the prompted digit, in 80 of 100, and joins the upper half" {
    kiln digits test images=0:20 ! "${class[@]}" ! inpaint [ rect 0,14,28,14 ! blur 1 ] ! randn ! cfg 3 ! \
        ddpm 20 variance=posterior ! save new.safetensors
    kiln load new.safetensors ! read "$classifier" >read
    awk -F'\t' 'NR > 1 { n++; right += $2 == $3 } END { print right; exit !(n == 20 && right >= 16) }' read
    # The step across the seam is at most 1.5 times that beside it, in mean squares. Of genuine digits
    # it is 0.75 to 0.95 times; halves of two digits, cut and pasted, have 4.7 times.
    step() {
        kiln load new.safetensors ! keep all ! crop 28x1 x=0 y="$1" ! \
            compare [ take all ! crop 28x1 x=0 y="$2" ] metric=mse limit=1e30 2>&1 | awk '{ print $NF }'
    }
    less "$(step 13 14)" "$(awk -v a="$(step 12 13)" -v b="$(step 14 15)" 'BEGIN { print (a + b) / 2 }')" 1.5
}

@test "the less noise, the more of the original stays: on 20 digits, six levels" {
    last=1e9
    for t in 270 240 200 150 100 50; do
        kiln digits test images=0:20 ! "${class[@]}" ! prompt 8 ! noise t=$t ! cfg 5 ! ddpm stride=15 ! \
            save e.safetensors
        kiln digits test images=0:20 ! save orig.safetensors
        now=$(far e.safetensors orig.safetensors)
        less "$now" "$last"
        last=$now
    done
}

# reads STATE DIGIT… [-- VIEW…]: how many of its images, seen through the view, read as these digits.
reads() {
    local state=$1 digits=()
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        digits+=("$1")
        shift
    done
    shift $(($# > 0))
    kiln load "$state" ! ${1:+"$@" !} read "$classifier" >read
    awk -F'\t' -v want="${digits[*]}" 'BEGIN { n = split(want, d, " ") }
        NR > 1 { right += $3 == d[(NR - 2) % n + 1] } END { print right + 0 }' read
}

@test "free composition: most images are what they should be, in every view" {
    # Three views: 8 of 8 were seen in each.
    kiln randn 8x1x28x28 ! "${class[@]}" ! cfg 5 ! anagram 2 2 5 view="rotate 180" view=flip ! ddpm 20 ! save a.safetensors
    [ "$(reads a.safetensors 2)" -ge 6 ] && [ "$(reads a.safetensors 2 -- rotate 180)" -ge 6 ]
    [ "$(reads a.safetensors 5 -- flip)" -ge 6 ]
    # A genuine 6, edited from six levels into one that is a 9 when turned: 6 of 6.
    kiln digits test images=11 ! "${class[@]}" ! noise t=270,240,200,150,100,50 ! cfg 5 ! \
        anagram 6 9 view="rotate 180" ! ddpm stride=15 ! save a.safetensors
    [ "$(reads a.safetensors 6)" -ge 5 ] && [ "$(reads a.safetensors 9 -- rotate 180)" -ge 5 ]
    # Over a 0 that stays from far: 7 of 8, and the blurred 0 is there to 0.0003, where the images
    # themselves are 0.07 from it.
    kiln digits test images=3 ! repeat 8 ! save zero.safetensors
    kiln load zero.safetensors ! "${class[@]}" ! prompt 0 6 8 9 5 3 2 4 ! inpaint keep="blur 3" ! randn ! cfg 5 ! \
        ddpm 20 ! save a.safetensors
    [ "$(reads a.safetensors 0 6 8 9 5 3 2 4)" -ge 6 ]
    kiln load a.safetensors ! blur 3 ! save far.safetensors
    kiln load zero.safetensors ! blur 3 ! save want.safetensors
    less "$(far far.safetensors want.safetensors)" "$(far a.safetensors zero.safetensors)" 0.02
}
