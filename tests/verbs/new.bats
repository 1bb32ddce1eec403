#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# Fails when the command does not; "!" alone would not end a test.
none() {
    if "$@"; then return 1; fi
}

@test "a plugin of each kind is made, builds without a warning and passes the check" {
    for kind in source filter encoder predictor combinator hook sampler trainer sink; do
        run kiln new $kind my-$kind
        [ "$status" -eq 0 ]
        for file in my-$kind.c Makefile test.sh README.md; do
            [ -s my-$kind/$file ]
            none grep '@[A-Z]*@' my-$kind/$file
        done
        make -C my-$kind CC="${CC:-cc}" CFLAGS='-O1 -Wall -Wextra -Wpedantic -Werror'
        run kiln check my-$kind/my-$kind.so
        echo "$output"
        [ "$status" -eq 0 ]
    done
}

@test "make check tests it" {
    kiln new filter sepia
    make -C sepia
    make -C sepia check
}

@test "make check prints no stream, whatever the kind gives" {
    for kind in filter trainer; do
        kiln new $kind my-$kind
        make -C my-$kind check >said
        grep -q '^ok: kiln ' said
        none grep -qa __metadata__ said
    done
}

@test "make install puts it where every chain finds it" {
    kiln new filter sepia
    HOME=$PWD/home
    for XDG_DATA_HOME in "$PWD/data" ''; do
        export HOME XDG_DATA_HOME
        run kiln help sepia
        [ "$status" -eq 2 ]
        make -C sepia install
        kiln help sepia | grep -q "^sepia"
        kiln blank 1x1x4x4 ! sepia ! save out.png
        kiln version -v | grep -q "${XDG_DATA_HOME:-$HOME/.local/share}/kiln/plugins"
    done
    [ -e data/kiln/plugins/sepia.so ]
    [ -e home/.local/share/kiln/plugins/sepia.so ]
    # Models likewise; -M and KILN_MODELS come first.
    mkdir -p home/.local/share/kiln/models given
    cp "$top_srcdir/share/models/mnist-time.safetensors" home/.local/share/kiln/models/mnist-class.safetensors
    cp "$top_srcdir/share/models/mnist-time.safetensors" given/mnist-class.safetensors
    [ "$(kiln inspect mnist-class | head -1)" = "$HOME/.local/share/kiln/models/mnist-class.safetensors" ]
    [ "$(KILN_MODELS=given kiln inspect mnist-class | head -1)" = given/mnist-class.safetensors ]
}

@test "names that C knows already are fine" {
    for name in gamma double log params run-2 ops; do
        kiln new filter $name
        make -C $name CFLAGS='-O1 -Wall -Wextra -Werror'
    done
}

@test "an existing folder or file is refused, and left alone" {
    mkdir sepia
    echo mine >sepia/sepia.c
    run kiln new filter sepia
    [ "$status" -eq 2 ]
    [[ $output == *"'sepia' exists already"* ]]
    [ "$(cat sepia/sepia.c)" = mine ]
}

@test "bad names and kinds are refused" {
    for name in Sepia 9lives -x a_b a/b ../x 'a b' help run '' trailing- flip load; do
        run kiln new filter "$name"
        [ "$status" -eq 2 ]
        [ -z "$(ls)" ]
    done
    run kiln new filtr x
    [ "$status" -eq 2 ]
    [[ $output == *"no kind 'filtr'"* ]]
    run kiln new filter
    [ "$status" -eq 2 ]
}

@test "where nothing can be written, nothing is left" {
    [ "$(id -u)" -ne 0 ] || skip "root writes anywhere"
    mkdir locked
    chmod 555 locked
    cd locked
    run kiln new filter x
    [ "$status" -eq 1 ]
    [ ! -e x ]
}
