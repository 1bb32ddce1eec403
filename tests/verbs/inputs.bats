#!/usr/bin/env bats
# What a chain has read stands in its record by size and digest. The digests are those of coreutils.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
    cp "$top_srcdir"/share/photos/{cat,house,heart}.png .
}

# reads FILE: the inputs of a record.
reads() {
    kiln recipe --full "$1" | sed -n 's/^# reads //p'
}

# is FILE: how the record tells of it.
is() {
    echo "$1: $(stat -c %s "$1") bytes, sha256 $(sha256sum "$1" | cut -d' ' -f1)"
}

@test "images, masks, brackets and pending lines: each file once" {
    kiln load cat.png ! blend house.png ! blend cat.png ! gray ! resize 28x28 ! mnist-unet mnist-class ! inpaint [ load heart.png ! resize 28x28 ] ! save out.png
    model=$top_srcdir/share/models/mnist-class.safetensors
    reads out.png >got
    cat got
    {
        is cat.png
        is house.png
        echo "mnist-class: $(stat -c %s "$model") bytes, sha256 $(sha256sum "$model" | cut -d' ' -f1)"
        is heart.png
    } | diff - got
}

@test "a file of random numbers is read too" {
    cp "$top_srcdir"/tests/golden/mnist-draws.safetensors draws
    kiln --rng draws blank 1x1x8x8 ! save out.png
    [ "$(reads out.png)" = "$(is draws)" ]
    KILN_RNG=draws kiln flip <cat.png | kiln save out.png
    [ "$(reads out.png)" = "$(is draws)" ]
    kiln --rng torch blank 1x1x8x8 ! save out.png
    [ -z "$(reads out.png)" ]
}

@test "inspect tells them" {
    kiln load cat.png ! blend house.png ! tee s.safetensors ! save out.png
    for f in s.safetensors out.png; do
        [[ $(kiln inspect $f | tr -s ' \n' ' ') == *" reads $(is cat.png) $(is house.png) "* ]]
        kiln inspect --json $f | tr -d ' \n' >got
        grep -q "\"inputs\":\[{\"path\":\"cat.png\",\"size\":$(stat -c %s cat.png),\"sha256\":\"$(sha256sum cat.png | cut -d' ' -f1)\"}" got
    done
}

@test "where the chain is cut changes nothing" {
    kiln load cat.png ! flip ! blend house.png ! save one.png
    kiln load cat.png | kiln flip | kiln blend house.png | kiln save two.png
    cmp one.png two.png
    kiln load cat.png ! blend house.png >one
    kiln load cat.png | kiln blend house.png >two
    cmp one two
    grep -qa kiln.inputs one
}

@test "paths as meta= says" {
    mkdir in
    mv cat.png in
    kiln load in/cat.png ! tee full.png meta=paths ! tee none.png meta=none ! save base.png
    [[ $(reads full.png) == "in/cat.png: "* ]]
    [[ $(reads base.png) == "cat.png: "* ]]
    ! grep -qa sha256 none.png
}

@test "what is written, kept or comes by a pipe is no input" {
    echo old >t.png
    kiln load cat.png ! keep a ! blend @a ! tee t.png ! tee t2.png ! blend t.png ! save out.png
    [ "$(reads out.png | cut -d: -f1 | tr '\n' ' ')" = "cat.png t.png " ]
    kiln load - <cat.png | kiln blend <(kiln load house.png) ! save out.png
    [ -z "$(reads out.png)" ]
    [[ $(kiln recipe out.png) == "kiln load - ! blend "* ]]
}

@test "a file that differs or is missing is told before the chain runs again" {
    kiln load cat.png ! blend house.png ! save out.png
    kiln run out.png ! save again.png 2>said
    [ "$(cat said)" = "kiln: run: this chain reads cat.png, house.png" ]
    cmp out.png again.png
    size=$(stat -c %s house.png)
    printf x >>house.png
    kiln run out.png 2>said >/dev/null || true
    grep -qx "kiln: run: input 'house.png' is not the one of the record: $size bytes then, $((size + 1)) now" said
    cp "$top_srcdir/share/photos/house.png" .
    printf '\0' | dd of=house.png bs=1 seek=100 conv=notrunc 2>/dev/null
    kiln run out.png 2>said >/dev/null || true
    grep -qx "kiln: run: input 'house.png' is not the one of the record: $size bytes then, $size now, with other contents" said
    mkdir away
    mv cat.png away # a photo of that name ships with kiln, and it is the same
    kiln blank 1x1x8x8 ! save mine.png
    kiln load mine.png ! save out.png
    rm mine.png
    ! kiln run out.png 2>said
    grep -qx "kiln: run: input 'mine.png' is missing here" said
}

@test "of a large file, its ends; of a folder, what is in it" {
    kiln blank 1x1x4096x4224 >big.safetensors # 66 MiB
    kiln load big.safetensors ! resize 8x8 ! save out.png
    want=$({ head -c 1048576 big.safetensors; tail -c 1048576 big.safetensors; } | sha256sum | cut -d' ' -f1)
    [ "$(reads out.png)" = "big.safetensors: $(stat -c %s big.safetensors) bytes, sha256_ends $want" ]
    mkdir -p set/deeper
    cp "$top_srcdir"/share/mnist/t10k-* set
    echo note >set/deeper/note
    echo hidden >set/.hidden
    kiln digits test images=0 dir=set ! save out.png
    want=$(cd set && find . -type f ! -name '.*' | sed 's,^\./,,' | LC_ALL=C sort | while read -r f; do
        echo "$f $(stat -c %s "$f") $(sha256sum "$f" | cut -d' ' -f1)"
    done | sha256sum | cut -d' ' -f1)
    reads out.png
    [[ $(reads out.png) == "set: "*" bytes, sha256_list $want" ]]
}

@test "a folder that holds much else is not read through" {
    mkdir set
    cp "$top_srcdir"/share/mnist/t10k-* set
    for ((i = 0; i < 512; i++)); do echo >set/$i; done
    kiln digits test images=0 dir=set ! save out.png
    [ -z "$(reads out.png)" ]
    rm set/[0-9]*
    for i in 1 2 3 4 5; do truncate -s 60M set/$i; done
    kiln digits test images=0 dir=set ! save out.png
    [ -z "$(reads out.png)" ]
    rm set/5
    kiln digits test images=0 dir=set ! save out.png
    [[ $(reads out.png) == "set: "*" sha256_list "* ]]
}

@test "documents that are joined are told in one line, and run again as they were" {
    cp cat.png "a b.png"
    kiln load house.png "a b.png" cat.png ! resize 16x16 ! batch ! grid 3 ! save all.png
    [ "$(kiln recipe all.png)" = "kiln load house.png 'a b.png' cat.png ! resize 16x16 ! batch ! grid 3" ]
    [ "$(reads all.png | wc -l)" = 3 ]
    kiln -q run all.png ! save again.png
    cmp all.png again.png
    kiln -s 4 randn 2x1x8x8 docs=5 first=3 ! batch 2 ! grid ! save n%d.png
    [[ $(kiln recipe n1.png) == "kiln -s 4 randn 2x1x8x8 docs=2 first=7 ! batch 2 ! grid" ]]
    for k in 0 1 2; do
        kiln run n$k.png ! save again.png
        cmp n$k.png again.png
    done
}

@test "inputs that are not as kiln writes them are refused" {
    kiln load cat.png >good
    for edit in 's/sha256/sha257/' 's/size/sizf/' 's/\\"path/\\"pazh/' \
        's/\(sha256[^0-9a-f]*\)./\1G/'; do
        sed "$edit" good >bad
        [ "$(cmp -l good bad | wc -l)" -gt 0 ]
        run kiln recipe bad
        echo "$edit: $output"
        [ "$status" = 1 ]
        [[ $output == *"'kiln.inputs' is not as kiln writes it" ]]
    done
}
