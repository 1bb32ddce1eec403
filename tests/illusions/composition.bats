#!/usr/bin/env bats
# Stacks made of stacks, on the class net that ships. What one evaluation of each says is put together
# again from single prompts by other nodes: blend, flip, blur, mask.
# SPDX-License-Identifier: MIT
load ../common
load illusions

setup_file() {
    built odd_views "$BATS_TEST_DIRNAME/odd_views.c"
    cd "$BATS_FILE_TMPDIR"
    kiln -s 3 digits test images=0:2 ! "${class[@]}" ! noise t=150 ! save x.safetensors
    for p in 0 1 2 3; do
        e $p "" prompt $p
    done
}

setup() {
    cd "$BATS_FILE_TMPDIR"
    export KILN_PLUGINS=$BATS_FILE_TMPDIR/plugins
}

# e NAME VIEW NODES…: what the nodes over the class net say of x seen through VIEW, seen back from it
# (VIEW undoes itself).
e() {
    local name=$1 view=$2
    shift 2
    # shellcheck disable=SC2086
    kiln load x.safetensors ${view:+! $view} ! "${class[@]}" ! "$@" ! predict ${view:+! $view} ! \
        save "$name.safetensors"
}

# is LIMIT NODES…: they say what want.safetensors holds.
is() {
    local limit=$1
    shift
    e have "" "$@"
    equal "$limit" have.safetensors want.safetensors
}

# Limits: each node rounds once or twice at values up to 4, an ulp of which is 2.4e-7; guidance of
# strength 3 takes that five times.

@test "an anagram inside a mask" {
    e f1 flip prompt 1
    kiln load 0.safetensors ! blend f1.safetensors 0.5 ! save anagram.safetensors
    kiln load 2.safetensors ! blend anagram.safetensors 1 mask= [ rect 4,4,20,20 ] ! save want.safetensors
    is 1e-6 regions mask= [ rect 4,4,20,20 ] [ anagram 0 1 ] 2
    # Soft masks are shares.
    kiln load 2.safetensors ! blend anagram.safetensors 1 mask= [ rect 4,4,20,20 ! blur 2 ] ! save want.safetensors
    is 1e-6 regions mask= [ rect 4,4,20,20 ! blur 2 ] [ anagram 0 1 ] 2
}

@test "regions: the first mask wins, the last branch has the rest; a mask of ones is its branch" {
    kiln load 2.safetensors ! blend 1.safetensors 1 mask= [ rect 10,0,18,28 ] ! \
        blend 0.safetensors 1 mask= [ rect 0,0,14,28 ] ! save want.safetensors
    is 0 regions 0 1 2 mask= [ rect 0,0,14,28 ] mask= [ rect 10,0,18,28 ]
    cp 0.safetensors want.safetensors
    is 0 regions 0 1 2 mask= [ blank 1x1x28x28 value=1 ] mask= [ rect 0,0,14,28 ]
    cp 1.safetensors want.safetensors
    is 0 regions 0 1 2 mask= [ blank 1x1x28x28 value=-1 ] mask= [ blank 1x1x28x28 value=1 ]
    cp 2.safetensors want.safetensors
    is 0 regions 0 2 mask= [ blank 1x1x28x28 value=-1 ]
}

@test "regions of anagrams" {
    e f1 flip prompt 1
    e r3 "rotate 180" prompt 3
    kiln load 0.safetensors ! blend f1.safetensors 0.5 ! save a.safetensors
    kiln load 2.safetensors ! blend r3.safetensors 0.5 ! save b.safetensors
    kiln load b.safetensors ! blend a.safetensors 1 mask= [ rect 0,0,28,14 ] ! save want.safetensors
    is 1e-6 regions mask= [ rect 0,0,28,14 ] [ anagram 0 1 ] [ anagram 2 3 view="rotate 180" ]
}

@test "a hybrid: far through the filter, near the rest; the components sum to the identity" {
    for filter in "blur 2" "motion-blur 5" "resize 14 ! resize 28" "mask [ rect 0,0,9,28 ]"; do
        echo "$filter"
        # shellcheck disable=SC2086
        kiln load 0.safetensors ! $filter ! save far.safetensors
        # near - F near = near + (-F near): of 2 (near/2 - F near/2), as blend halves.
        # shellcheck disable=SC2086
        kiln load 1.safetensors ! $filter ! gain -1 ! blend 1.safetensors 0.5 ! gain 2 ! \
            blend far.safetensors 0.5 ! gain 2 ! save want.safetensors
        is 4e-6 hybrid 0 1 filter="$filter"
    done
    cp 2.safetensors want.safetensors
    is 0 hybrid 2 2 filter="blur 2"
}

@test "an anagram of hybrids" {
    e a "" hybrid 0 1 filter="blur 2"
    e b "rotate 180" hybrid 2 3 filter="blur 1"
    kiln load a.safetensors ! blend b.safetensors 0.5 ! save want.safetensors
    is 1e-6 anagram [ hybrid 0 1 filter="blur 2" ] [ hybrid 2 3 filter="blur 1" ] view="rotate 180"
}

@test "a mix of prompts, of guidances, of two nets" {
    kiln load 0.safetensors ! blend 1.safetensors 0.25 ! save want.safetensors
    is 1e-6 mix 0 1 weights=0.75,0.25
    # A negative weight moves away: 1.5 e0 - 0.5 e1 = 2 (0.75 e0 - 0.25 e1).
    kiln load 1.safetensors ! gain -1 ! blend 0.safetensors 0.75 ! gain 2 ! save want.safetensors
    is 2e-6 mix 0 1 weights=1.5,-0.5
    kiln load x.safetensors ! mnist-unet mnist-time ! predict ! save time.safetensors
    kiln load 0.safetensors ! blend time.safetensors 0.4 ! save want.safetensors
    is 1e-6 mix 0 [ mnist-unet mnist-time ] weights=0.6,0.4
    e g0 "" prompt 0 ! cfg 3
    kiln load g0.safetensors ! blend time.safetensors 0.5 ! save want.safetensors
    is 1e-6 mix [ prompt 0 ! cfg 3 ] [ mnist-unet mnist-time ]
    # Autoguidance: away from the weaker net.
    kiln load time.safetensors ! gain -1 ! blend 0.safetensors 0.6666666667 ! gain 3 ! save want.safetensors
    is 4e-6 mix 0 [ mnist-unet mnist-time ] weights=2,-1
}

@test "guidance below, above and inside: where it stands does not matter" {
    e want "" cfg 3 ! anagram 0 [ regions 1 2 mask= [ rect 0,0,14,28 ] ] view="rotate 180"
    is 1e-5 anagram 0 [ regions 1 2 mask= [ rect 0,0,14,28 ] ] view="rotate 180" ! cfg 3
    is 1e-5 anagram [ prompt 0 ! cfg 3 ] [ cfg 3 ! regions 1 2 mask= [ rect 0,0,14,28 ] ] view="rotate 180"
    is 1e-5 anagram [ prompt 0 ! cfg 3 ] [ regions 1 2 mask= [ rect 0,0,14,28 ] ! cfg 3 ] view="rotate 180"
    # And with a prompt to move away from.
    kiln load 3.safetensors ! gain -1 ! blend 0.safetensors 0.6 ! gain 5 ! save want.safetensors
    is 1e-5 prompt 0 ! cfg 3 negative=3
    e want "" cfg 3 negative=3 ! anagram 0 1
    is 1e-5 anagram 0 1 ! cfg 3 negative=3
}

@test "three views" {
    e r1 "rotate 180" prompt 1
    e f2 flip prompt 2
    kiln load 0.safetensors ! blend r1.safetensors 0.5 ! blend f2.safetensors 0.3333333333 ! save want.safetensors
    is 2e-6 anagram 0 1 2 view="rotate 180" view=flip
}

@test "a prompt for each image inside a branch" {
    kiln load 0.safetensors ! select 0 ! save a.safetensors
    kiln load 1.safetensors ! select 1 ! save b.safetensors
    kiln load a.safetensors b.safetensors ! batch ! save want.safetensors
    is 0 mix [ prompt 0 1 ]
    e f2 flip prompt 2
    kiln load want.safetensors ! blend f2.safetensors 0.5 ! save want.safetensors
    is 1e-6 anagram [ prompt 0 1 ] 2
}

@test "whole runs: every cut of a composition gives the same bytes, and looking changes nothing" {
    load ../host/host
    options=(-s 5)
    chain_is randn 2x1x28x28 ! "${class[@]}" ! cfg 3 ! \
        regions mask= [ rect 0,0,28,14 ] [ anagram 6 [ hybrid 1 7 filter="blur 1" ] view="rotate 180" ] 3 ! \
        threshold 1 ! ddim 2
    every_cut out.st
    kiln -s 5 "${chain[@]}" >plain.st
    parts "${chain[@]}"
    for look in "tee look.safetensors" "keep look" "trace every=1"; do
        for to in "${part_to[@]}"; do
            # shellcheck disable=SC2086
            kiln -s 5 "${chain[@]:0:to}" ! $look "${chain[@]:to}" >looked.st 2>/dev/null
            same_image looked.st plain.st || { echo "$look after ${chain[*]:0:to}"; return 1; }
            # The record names it.
            head -c 4000 looked.st | tr -d '\0' | grep -q "${look%% *}"
        done
    done
}

@test "whole runs: image by image, level by level, the same bits" {
    stack=(cfg 3 ! anagram 6 9 view="rotate 180")
    kiln -s 2 randn 18x1x28x28 ! "${class[@]}" ! "${stack[@]}" ! ddpm 2 ! select 17 ! save a.safetensors
    kiln -s 2 randn 1x1x28x28 first=17 ! "${class[@]}" ! "${stack[@]}" ! ddpm 2 ! save b.safetensors
    equal 0 a.safetensors b.safetensors
    # SDEdit of an anagram: one command for all levels, or one for each.
    kiln -s 2 digits test images=11 ! "${class[@]}" ! noise t=200,120,40 ! "${stack[@]}" ! ddpm stride=40 ! \
        save all.safetensors
    i=0
    for t in 200 120 40; do
        kiln -s 2 digits test images=11 ! "${class[@]}" ! noise t=$t ! "${stack[@]}" ! ddpm stride=40 ! \
            save one.safetensors
        kiln load all.safetensors ! select $i ! save part.safetensors
        equal 0 one.safetensors part.safetensors
        kiln digits test images=11 ! save orig.safetensors
        far part.safetensors orig.safetensors >far.$t
        i=$((i + 1))
    done
    # The less noise, the more of the digit stays.
    less "$(cat far.120)" "$(cat far.200)"
    less "$(cat far.40)" "$(cat far.120)"
}

@test "identity anagrams and equal prompts are plain guidance, in whole runs" {
    kiln -s 2 randn 2x1x28x28 ! "${class[@]}" ! prompt 5 ! cfg 3 ! ddpm 3 ! save plain.safetensors
    same() { # LIMIT NODES…
        local limit=$1
        shift
        kiln -s 2 randn 2x1x28x28 ! "${class[@]}" ! cfg 3 ! "$@" ! ddpm 3 ! save have.safetensors
        equal "$limit" have.safetensors plain.safetensors
    }
    same 0 anagram 5 5 view= [ ]
    same 0 anagram 5 5 view="roll 0"
    same 0 anagram 5 5 view= [ ] reduce=alternate
    same 0 hybrid 5 5 filter="blur 1.5"
    same 0 regions 5 1 mask= [ blank 1x1x28x28 value=1 ]
    same 0 mix 5
    # Thirds are rounded; the first step of three divides by alpha = 0.22, twice.
    same 1e-4 anagram 5 5 5 view= [ ] view= [ ]
    same 1e-4 mix 5 5 5
    same 1e-4 regions 5 5 mask= [ rect 0,0,9,28 ! blur 1 ]
}
