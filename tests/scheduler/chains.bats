#!/usr/bin/env bats
# Samplers and stacks in the program, on a net of which the best estimate is known: what has to be equal
# is equal, to the bit where nothing is rounded otherwise.
# SPDX-License-Identifier: MIT
load ../common

setup_file() {
    export net=$BATS_FILE_TMPDIR/net
    mkdir "$net"
    ${CC:-cc} -std=c11 -O2 -fPIC -shared -fvisibility=hidden -I"$top_srcdir/sdk/include" \
        -o "$net/gaussian.so" "$top_srcdir/sdk/examples/gaussian.c" -lm
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    kiln load "$top_srcdir/share/photos/cat.png" ! resize 16x16 >cat.st
}

k() { kiln -P "$net" "$@"; }

# equal LIMIT A B: the images of two State files.
equal() {
    k load "$2" ! compare "$3" limit="$1"
}

# The F64 tensor score of a State file, a line each.
scores() {
    local size from to
    size=$(od -An -N8 -tu8 "$1" | tr -d ' ')
    read -r from to < <(head -c $((8 + size)) "$1" | tail -c "$size" |
        sed -n 's/.*"score":{[^}]*"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/p')
    od -An -v -w8 -tf8 -j $((8 + size + from)) -N $((to - from)) "$1"
}

refused() { # STATUS WORD CHAIN…
    local want=$1 word=$2
    shift 2
    run k "$@"
    echo "$output"
    [ "$status" -eq "$want" ]
    [[ $output == *"$word"* ]]
}

@test "a sweep over t equals the separate runs" {
    for sampler in "ddpm stride=30" "ddim 20 eta=0.5" "dpmpp 20" "euler 20"; do
        k load cat.st ! gaussian ! prompt red ! noise t=690,301,30 ! cfg 2 ! $sampler >all.st
        for i in 0 1 2; do
            t=(690 301 30)
            k load cat.st ! gaussian ! prompt red ! noise t=${t[i]} ! cfg 2 ! $sampler >one.st
            k load all.st ! select $i >of-all.st
            equal 0 of-all.st one.st
        done
    done
}

@test "an image of a batch comes out the same alone" {
    for sampler in ddpm "ddim 20 eta=1" "dpmpp 10 order=3"; do
        k randn 5x3x16x16 ! gaussian ! prompt red ! cfg 3 ! $sampler ! select 3 >of-all.st
        k randn 1x3x16x16 first=3 ! gaussian ! prompt red ! cfg 3 ! $sampler >one.st
        equal 0 of-all.st one.st
    done
}

@test "a walk in two parts equals the whole where no history is kept" {
    for sampler in "ddim stride=50" "euler stride=50"; do
        k randn 2x3x16x16 ! gaussian ! prompt red ! $sampler >whole.st
        k randn 2x3x16x16 ! gaussian ! prompt red ! $sampler to=500 >half.st
        k load half.st ! gaussian ! prompt red ! $sampler >parts.st
        equal 0 whole.st parts.st
    done
}

@test "equal prompts make a hybrid, a mix and regions plain guidance" {
    k randn 2x3x16x16 ! gaussian ! prompt red ! cfg 3 ! euler 20 >plain.st
    k randn 2x3x16x16 ! gaussian ! cfg 3 ! hybrid red red filter="blur 1" ! euler 20 >h.st
    equal 0 plain.st h.st
    k randn 2x3x16x16 ! gaussian ! cfg 3 ! mix red red ! euler 20 >m.st
    equal 1e-6 plain.st m.st
    k randn 2x3x16x16 ! gaussian ! cfg 3 ! regions red red mask= [ rect 0,0,8,16 ] ! euler 20 >r.st
    equal 1e-6 plain.st r.st
}

@test "guidance of an anagram is an anagram of guidance" {
    k randn 2x3x16x16 ! gaussian ! cfg 3 ! anagram red blue view="rotate 180" ! euler 20 >a.st
    k randn 2x3x16x16 ! gaussian ! anagram red blue view="rotate 180" ! cfg 3 ! euler 20 >b.st
    equal 1e-5 a.st b.st
    # And neither is the one without guidance.
    k randn 2x3x16x16 ! gaussian ! anagram red blue view="rotate 180" ! euler 20 >c.st
    run equal 0.01 a.st c.st
    [ "$status" -eq 1 ]
}

@test "an anagram of one thing by the identity is plain sampling" {
    k randn 2x3x16x16 ! gaussian ! prompt red ! cfg 3 ! ddim 20 >plain.st
    k randn 2x3x16x16 ! gaussian ! cfg 3 ! anagram red red view="roll 0" ! ddim 20 >a.st
    equal 0 plain.st a.st
}

# The mean of e(x) and -e(-x) for data around m is e for data around 0, which "" stands for here.
@test "negate as a view turns the estimate back" {
    k randn 2x3x16x16 ! gaussian ! anagram red red view=negate ! ddim 20 >a.st
    k randn 2x3x16x16 ! gaussian ! prompt "" ! ddim 20 >b.st
    equal 1e-5 a.st b.st
}

@test "guidance without strength is the prompt, or none" {
    k randn 2x3x16x16 ! gaussian ! prompt red ! ddim 20 >plain.st
    k randn 2x3x16x16 ! gaussian ! prompt red ! cfg 1 ! ddim 20 >one.st
    equal 0 plain.st one.st
    k randn 2x3x16x16 ! gaussian ! prompt "" ! ddim 20 >null.st
    k randn 2x3x16x16 ! gaussian ! prompt red ! cfg 0 ! ddim 20 >zero.st
    equal 0 null.st zero.st
    k randn 2x3x16x16 ! gaussian ! prompt red ! cfg 0 negative=blue ! ddim 20 >blue.st
    k randn 2x3x16x16 ! gaussian ! prompt blue ! ddim 20 >want.st
    equal 0 want.st blue.st
}

@test "inpainting leaves every pixel outside of the mask as it was" {
    for how in "" paste=yes mode=clean "mode=x0 paste=yes"; do
        k load cat.st ! gaussian ! prompt red ! inpaint [ rect 4,4,8,8 ] $how ! randn ! cfg 2 ! ddpm 20 >new.st
        k load new.st ! mask [ rect 4,4,8,8 ] >around.st
        k load cat.st ! mask [ rect 4,4,8,8 ] >want.st
        equal 0 want.st around.st
        run equal 0.1 cat.st new.st
        [ "$status" -eq 1 ]
    done
    # Short of clean, paste alone brings them back.
    k load cat.st ! gaussian ! prompt red ! inpaint [ rect 4,4,8,8 ] paste=yes ! randn ! ddpm stride=50 to=0 >new.st
    k load new.st ! mask [ rect 4,4,8,8 ] >around.st
    equal 0 want.st around.st
}

@test "looking at a run does not change it" {
    k randn 2x3x16x16 ! gaussian ! prompt red ! ddpm 20 >plain.st
    k randn 2x3x16x16 ! gaussian ! prompt red ! trace every=5 ! ddpm 20 >looked.st
    equal 0 plain.st looked.st
}

@test "a trace holds the images on reaching t" {
    k randn 1x3x16x16 ! gaussian ! prompt red ! trace 500,100 ! ddim stride=50 ! take trace >trace.st
    k randn 1x3x16x16 ! gaussian ! prompt red ! ddim stride=50 to=500 >at500.st
    k load trace.st ! select 0 >first.st
    equal 0 at500.st first.st
    [ "$(k load trace.st ! grid labels=t ! save grid.png && echo drawn)" = drawn ]
}

@test "threshold keeps the image in range" {
    k randn 1x3x16x16 ! gaussian ! prompt red ! cfg 20 ! threshold 1 ! ddim 20 >t.st
    k load t.st ! clamp >clamped.st
    equal 0 t.st clamped.st
    k randn 1x3x16x16 ! gaussian ! prompt red ! cfg 20 ! ddim 20 >wild.st
    k load wild.st ! clamp >clamped.st
    run equal 0 wild.st clamped.st
    [ "$status" -eq 1 ]
}

@test "predict, at and denoise agree" {
    k load cat.st ! gaussian ! prompt red ! noise t=300 >noisy.st
    k load noisy.st ! gaussian ! prompt red ! denoise >d.st
    k load noisy.st ! gaussian ! prompt red ! at 300 ! predict x0 >p.st
    equal 0 d.st p.st
}

@test "score prefers the prompt that made the image" {
    k randn 1x3x16x16 ! gaussian ! prompt red ! ddim 50 >red.st
    # Rows of one image and two prompts; the better one comes first.
    k load red.st ! gaussian ! prompt blue red ! score >scores.st
    k load scores.st ! select 0 ! compare red.st
    k load red.st ! gaussian ! prompt blue red ! score ! sort ! select 0 >best.st
    [ "$(scores scores.st | wc -l)" = 2 ]
    [ "$(scores best.st)" = "$(scores scores.st | tail -n 1)" ]
    awk 'NR == 1 { blue = $1 } NR == 2 { exit !($1 < blue / 2) }' < <(scores scores.st)
}

# 10 steps in float against double: rounding of estimates that are divided by alpha = 0.17 at first.
@test "random numbers are drawn in the published order" {
    local golden=$top_srcdir/tests/golden/scheduler-draws.safetensors
    for rng in torch "$golden"; do
        k -s 3 --rng "$rng" blank 2x3x4x4 value=0.25 ! gaussian 4 ! prompt red ! inpaint [ rect 1,1,2,2 ] ! \
            randn ! ddpm 10 >drawn.st
        equal 1e-5 drawn.st "$golden"
    done
}

@test "what cannot be is refused" {
    refused 1 "nothing to denoise" load cat.st ! gaussian ! ddpm ! save x.png
    refused 1 "no limit" randn 1x3x16x16 ! gaussian ! threshold ! ddpm 5 ! save x.png
    refused 1 "1000 timesteps" randn 1x3x16x16 ! gaussian ! ddpm 2000 ! save x.png
    refused 2 "one of steps" randn 1x3x16x16 ! gaussian ! ddpm 20 stride=5 ! save x.png
    for sampler in ddpm ddim euler dpmpp; do
        refused 2 "$sampler: spacing: only with steps" randn 1x3x8x8 ! $sampler stride=5 spacing=trailing
        refused 2 "$sampler: timesteps: 'fast28' is no list" randn 1x3x8x8 ! $sampler timesteps=fast28
        refused 2 "$sampler: timesteps: 8 after 5, but they have to descend" \
            randn 1x3x8x8 ! $sampler timesteps=9,5,8
        refused 2 "$sampler: timesteps: ',' is no list" randn 1x3x8x8 ! $sampler timesteps=,
        refused 2 "$sampler: timesteps: '5:9:-1' names none" randn 1x3x8x8 ! $sampler timesteps=5:9:-1
        refused 2 "$sampler: to: 'end' is neither clean nor a timestep" randn 1x3x8x8 ! $sampler to=end
        refused 1 "$sampler: to: '1000' is neither clean nor a timestep of the net" \
            randn 1x3x16x16 ! gaussian ! $sampler to=1000 ! save x.png
    done
    refused 2 "randn: shape: wants NxCxHxW" randn 3x8x8
    refused 2 "randn: size: wants WxH" load cat.st ! randn size=8
    refused 2 "at: t: names none" load cat.st ! at t=
    refused 1 "no variance" randn 1x3x16x16 ! gaussian ! predict variance ! save x.png
    refused 1 "noisy already" load cat.st ! gaussian ! noise t=5 ! noise t=5 ! save x.png
    refused 1 "schedule=cosine" load cat.st ! noise t=5 ! save x.png
    refused 1 "0 to 999" load cat.st ! gaussian ! noise t=1000 ! save x.png
    refused 1 "clean" load cat.st ! gaussian ! noise t=5 ! score ! save x.png
}
