#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
    cp "$top_srcdir/share/photos/cat.png" .
}

@test "a State file: image, t, ids, prompts, pending lines, kept images, chain" {
    kiln -q -s 5 digits test images=0:3 ! keep orig ! mnist-unet arch=class hidden=8 \
        ! prompt 3 'a "b"' 5 ! cfg 5 ! noise t=250 ! save s.safetensors
    run kiln inspect s.safetensors
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "document 0 of 1" ]
    [[ $output =~ image\ +3x1x28x28,\ values\ 0\.\.1 ]]
    [[ $output =~ id\ +0\.\.2 ]]
    [[ $output =~ $'\n'\ +t\ +250$'\n' ]]
    [[ $output == *'prompts   "3" "a \"b\"" "5"'* ]]
    [[ $output =~ net\ +1x28x28,\ estimates\ eps.*t\ 1\.\.300 ]]
    [[ $output =~ pending\ +mnist-unet\ arch=class\ hidden=8$'\n'\ +cfg\ 5 ]]
    [[ $output =~ kept\ +orig\ F32\ 3x1x28x28 ]]
    [[ $output =~ seed\ +5, ]]
    [[ $output =~ chain\ +digits\ test ]]
    run kiln inspect s.safetensors --json
    [ "$status" -eq 0 ]
    [[ $output == *'"kind": "stream"'* ]]
    [[ $output == *'"seed": "5"'* ]]
}

@test "t that differ, pure noise, and none" {
    kiln -q load cat.png ! resize 32x32 ! noise t=10,20,30 schedule=cosine ! save s.safetensors
    [[ $(kiln inspect s.safetensors) == *"t         10 20 30"* ]]
    kiln randn 2x1x8x8 ! save n.safetensors
    [[ $(kiln inspect n.safetensors) == *"t         noise"* ]]
    [[ $(kiln inspect --json n.safetensors) == *'"noise"'* ]]
    kiln load cat.png ! save c.safetensors
    [[ $(kiln inspect c.safetensors) == *"t         clean"* ]]
}

@test "each document of a stream on standard input" {
    run bash -c 'kiln digits test images=0:3 ! split | kiln inspect -'
    [ "$status" -eq 0 ]
    [ "$(grep -c '^document' <<<"$output")" -eq 3 ]
    [[ $output == *"document 2 of 3"* ]]
}

@test "a stream that ends in an error: status 3, the documents before it are shown" {
    run bash -c 'kiln nosuchnode 2>/dev/null | kiln inspect -'
    [ "$status" -eq 3 ]
    [[ $output == "kiln: inspect: upstream: "* ]]
    kiln digits test images=0:3 ! split | cat >three.safetensors
    head -c $(($(stat -c %s three.safetensors) - 100)) three.safetensors >cut.safetensors
    run kiln inspect cut.safetensors
    [ "$status" -eq 1 ]
    [[ $output == *"document 1 of 3"*"cut off"* ]]
}

@test "pictures: size, depth, chain" {
    kiln -s 9 load cat.png ! resize 64x48 ! gray ! save out.png bits=16
    run kiln inspect out.png
    [ "$status" -eq 0 ]
    [[ $output =~ picture\ +PNG,\ 64x48,\ gray,\ 16\ bits ]]
    [[ $output =~ chain\ +load\ cat.png ]]
    [[ $output =~ seed\ +9 ]]
    [[ $(kiln inspect out.png --json) == *'"width": 64'* ]]
    kiln load cat.png ! save out.jpg meta=none
    run kiln inspect out.jpg
    [[ $output == *"JPEG"* ]]
    [[ $output =~ chain\ +none ]]
    head -c 300 out.png >bad.png
    run kiln inspect bad.png
    [ "$status" -eq 1 ]
    [[ $output == "kiln: inspect: bad.png: "* ]]
}

@test "weights: parameters, bytes, metadata, tensors" {
    golden=$top_srcdir/tests/golden/mnist-weights-class.safetensors
    [ -r "$golden" ] || skip
    run kiln inspect "$golden"
    [ "$status" -eq 0 ]
    [[ $output == *"18,433 parameters"* ]]
    [[ $output == *"arch class, hidden 6, T 300"* ]]
    [[ $output == *"kiln.objective = eps"* ]]
    [[ $output =~ class1\.0\.weight\ +F32\ +12x10 ]]
    cp "$golden" mine.safetensors
    [[ $(kiln -M . inspect mine) == *"18,433 parameters"* ]]
    [[ $(kiln inspect mine.safetensors --json) == *'"parameters": 18433'* ]]
    head -c 200 "$golden" >cut.safetensors
    run kiln inspect cut.safetensors
    [ "$status" -eq 1 ]
}

@test "a model by name: -M in order, then KILN_MODELS, then the installed ones" {
    mkdir a b c d
    for place in a b c; do
        kiln -q blank 1x1x28x28 ! mnist-unet arch=class hidden=8 ! train $place/mnist-class.safetensors epochs=1 batch=1 >/dev/null
    done
    # where ARG...: the folder in which that run finds it.
    where() {
        kiln "$@" inspect mnist-class | head -1
    }
    [ "$(where -M a -M b)" = a/mnist-class.safetensors ]
    [ "$(where -M d -M b -M a)" = b/mnist-class.safetensors ]
    export KILN_MODELS=d:c:b
    [ "$(where)" = c/mnist-class.safetensors ]
    [ "$(where -M b)" = b/mnist-class.safetensors ]
    [ "$(where -M d)" = c/mnist-class.safetensors ]
    [[ $(KILN_MODELS=d where) == */share/*models/mnist-class.safetensors ]]
    # A file here is meant before any of them.
    cp a/mnist-class.safetensors mnist-class
    [ "$(where -M b)" = mnist-class ]
    rm mnist-class
    # The nets that run are those that inspect shows.
    kiln randn 1x1x28x28 ! mnist-unet c/mnist-class.safetensors ! ddim 2 >want
    kiln randn 1x1x28x28 ! mnist-unet mnist-class ! ddim 2 >got
    kiln load got ! compare want
}

@test "the numbers of parameters are those of PyTorch" {
    golden=$top_srcdir/tests/golden/mnist-ckpt-t.pt
    [ -r "$golden" ] || skip
    # batch norm's statistics are no parameters: 129 tensors of which 17 x 3 are buffers
    run kiln inspect "$golden"
    [ "$status" -eq 0 ]
    [[ $output == *"2,125 parameters, 101 other values, in 129 tensors"* ]]
}

@test "plugins and nodes" {
    run kiln inspect "$top_builddir/plugins/cfg.so"
    [ "$status" -eq 0 ]
    [[ $output == *"org.kiln.cfg"*"SDK"*"licence   MIT"*"cfg (combinator)"* ]]
    [ "$(kiln inspect blur)" = "$(kiln help blur)" ]
    [[ $(kiln inspect blur --json) == *'"kind": "node"'* ]]
}

@test "what is nothing of that kind" {
    run kiln inspect nothing
    [ "$status" -eq 1 ]
    [ "$output" = "kiln: inspect: 'nothing' is no file, model or node" ]
    echo hello >text
    run kiln inspect text
    [ "$status" -eq 1 ]
    mkdir empty
    run kiln inspect empty
    [ "$status" -eq 1 ]
    run kiln inspect
    [ "$status" -eq 2 ]
    run kiln inspect a b
    [ "$status" -eq 2 ]
}
