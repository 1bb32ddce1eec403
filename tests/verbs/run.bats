#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
    cp "$top_srcdir/share/photos/cat.png" .
}

# Fails when the command does not; "!" alone would not end a test.
none() {
    if "$@"; then return 1; fi
}

@test "the chain of a picture runs again to the same bytes, with its seed" {
    kiln -q -s 11 load cat.png ! resize 32x32 ! noise sigma=0.3 ! save out.png
    run kiln run out.png ! save again.png
    [ "$status" -eq 0 ]
    [ "$output" = "kiln: run: this chain reads cat.png" ]
    cmp out.png again.png
    kiln -q run out.png ! save quiet.png
    cmp out.png quiet.png
    kiln -q -s 12 run out.png ! save other.png
    none cmp -s out.png other.png
}

@test "of a State file and a JPEG too" {
    kiln -q -s 2 randn 1x3x16x16 ! negate ! save s.safetensors
    kiln -q run s.safetensors ! save s2.safetensors
    cmp s.safetensors s2.safetensors
    kiln -q -s 2 randn 1x3x16x16 ! save s.jpg
    kiln -q run s.jpg ! save s2.jpg
    cmp s.jpg s2.jpg
}

@test "recorded tees and sinks write nothing, in brackets neither" {
    kiln -q load cat.png ! resize 16x16 ! tee one.png ! hstack [ tee two.png ] [ negate ] ! save out.png
    rm one.png two.png
    kiln -q run out.png ! save again.png
    [ ! -e one.png ]
    [ ! -e two.png ]
    kiln load out.png ! compare again.png
}

@test "a recorded training is not run" {
    kiln -q digits train images=0:8 ! mnist-unet hidden=4 ! train n.safetensors epochs=1 batch=4 >s.safetensors || skip
    rm -f n.safetensors*
    run kiln run s.safetensors
    [ "$status" -eq 2 ]
    [[ $output == *"trains a net and writes files"* ]]
    [ ! -e n.safetensors ]
}

@test "a chain file: comments, newlines, quotes, names" {
    cat >c.kiln <<'END'
# A picture, smaller
load $FILE !
  resize ${size}16x16 ! # not a shell
END
    run kiln run c.kiln FILE=cat.png
    [ "$status" -ne 0 ] # ${} is no name
    cat >c.kiln <<'END'
# A picture, smaller
load $FILE ! resize $size !
  prompt "two words # $FILE" ! # the end
  save $OUT.png
END
    size=16x16 kiln run c.kiln FILE=cat.png OUT='my out'
    [ -s 'my out.png' ]
    [[ $(kiln recipe 'my out.png') == *"prompt 'two words # \$FILE'"* ]]
    size=8 kiln run c.kiln size=16x16 FILE=cat.png OUT=b
    cmp 'my out.png' b.png # what is given wins over the environment
}

@test "a name without a value, and values that are none" {
    echo 'load $NO_SUCH_NAME ! show' >c.kiln
    run kiln run c.kiln
    [ "$status" -eq 2 ]
    [[ $output == *'$NO_SUCH_NAME has no value'* ]]
    run kiln run c.kiln cat.png
    [ "$status" -eq 2 ]
    [[ $output == *"'cat.png' is no NAME=VALUE"* ]]
    kiln load cat.png ! save out.png
    run kiln run out.png X=1
    [ "$status" -eq 2 ]
}

@test "a value with blanks and marks stays one word" {
    echo 'load cat.png ! prompt $P ! save out.png' >c.kiln
    kiln run c.kiln P='! [ a ]'
    [[ $(kiln recipe out.png) == *"'! [ a ]'"* ]]
    kiln run c.kiln P='!'
    [[ $(kiln recipe out.png) == *"prompt 'text=!'" ]]
}

@test "what follows ! is added, and its errors are usage errors" {
    echo 'load cat.png' >c.kiln
    kiln run c.kiln ! resize 16x16 ! save out.png
    [[ $(kiln inspect out.png) == *16x16* ]]
    run kiln run c.kiln !
    [ "$status" -eq 2 ]
    run kiln run c.kiln ! [
    [ "$status" -eq 2 ]
    run kiln run c.kiln ! nosuch
    [ "$status" -eq 2 ]
}

@test "files that hold no chain" {
    for text in '' '# only this' 'kiln load cat.png' 'load cat.png ! [' 'load "cat'; do
        printf '%s\n' "$text" >c.kiln
        run kiln run c.kiln
        [ "$status" -eq 2 ]
        [[ $output == "kiln: run: c.kiln: "* ]]
    done
    run kiln run missing
    [ "$status" -ne 0 ]
    run kiln run "$top_builddir/plugins/cfg.so"
    [ "$status" -eq 2 ]
    run kiln run .
    [ "$status" -ne 0 ]
    run kiln run
    [ "$status" -eq 2 ]
}
