#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
    cp "$top_srcdir/share/photos/cat.png" .
}

@test "what was typed comes back, from PNG, JPEG and State" {
    for end in png jpg safetensors; do
        kiln -q -s 7 load cat.png ! resize 48 filter=area ! crop 40x40 ! keep a ! hstack @a [ blur 2 ! negate ] ! save out.$end
        run kiln recipe out.$end
        [ "$status" -eq 0 ]
        [[ $output == "kiln -s 7 load cat.png ! resize 48 filter=area ! crop "*" ! keep a ! hstack @a [ blur 2 ! negate ]" ]]
    done
}

@test "pasted into a shell, it makes the same picture" {
    kiln -s 3 randn 2x3x16x16 ! prompt $'it\'s "so"\nnew' '$HOME; x' ! permute 4 seed=2 ! grid 2 ! save out.png
    kiln recipe out.png >recipe.sh
    { head -c -1 recipe.sh; echo ' ! save again.png'; } >paste.sh
    cat paste.sh
    for shell in bash dash zsh; do
        command -v $shell || continue
        rm -f again.png
        $shell paste.sh
        cmp out.png again.png
    done
}

@test "seed 0 and rng kiln are not said, others are" {
    kiln randn 1x1x8x8 ! save out.png
    [[ $(kiln recipe out.png) =~ ^kiln\ randn\ 1[x,]1[x,]8[x,]8$ ]]
    kiln --rng torch -s 12345678901 randn 1x1x8x8 ! save out.png
    [[ $(kiln recipe out.png) == "kiln -s 12345678901 --rng torch randn "* ]]
}

@test "--full names all parameters" {
    kiln load cat.png ! blur 2 ! save out.png
    [ "$(kiln recipe --full out.png | head -1)" = "kiln load path=cat.png list= alpha=white range=signed ! blur sigma=2 kernel=0" ]
}

@test "each chain of a stream, once" {
    cp cat.png dog.png
    kiln load cat.png dog.png ! negate | kiln recipe - >both
    [ "$(cat both)" = $'kiln load cat.png ! negate\nkiln load dog.png ! negate' ]
    [ "$(kiln digits test images=0:3 ! split | kiln recipe - | wc -l)" -eq 1 ]
}

@test "files without a chain" {
    kiln load cat.png ! save out.png meta=none
    run kiln recipe out.png
    [ "$status" -eq 1 ]
    [ "$output" = "kiln: recipe: out.png: carries no chain" ]
    echo text >t
    run kiln recipe t
    [ "$status" -eq 1 ]
    [[ $output == *"no PNG, JPEG or State file" ]]
    run kiln recipe missing.png
    [ "$status" -eq 1 ]
    run kiln recipe
    [ "$status" -eq 2 ]
}
