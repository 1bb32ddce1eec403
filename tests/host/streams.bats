#!/usr/bin/env bats
# Streams that are cut, corrupt or joined wrongly, and stages that fail, are killed or are not read:
# which status each process of a pipe ends with, and who says what.
# SPDX-License-Identifier: MIT
load ../common
load host

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    kiln -s 1 randn 2x1x6x5 docs=2 ! prompt 'a "b"' c ! keep k >two.st
    kiln "${net[@]}" ! cfg 2 <two.st >pending.st
    half=$(($(stat -c %s two.st) / 2))
    head -c $half two.st >first.st
    tail -c +$((half + 1)) two.st >second.st
    # Both documents have one size, so that the half is the place between them.
    [ "$(head -c 8 first.st | od -An -tu8)" = "$(head -c 8 second.st | od -An -tu8)" ]
    # Of documents whose number is not known in advance, with a document for the end.
    kiln randn 1x1x2x2 docs=2 ! batch 1 ! split ! split >unknown.st
    grep -aq kiln.end unknown.st
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    cp "$BATS_FILE_TMPDIR"/*.st .
    header=$(head -c 8 two.st | od -An -tu8 | tr -d ' ')
    size=$(stat -c %s two.st)
    half=$((size / 2))
}

# stages COMMAND: runs a pipe in a shell without pipefail. Its status is that of its last stage, as
# "status" in the order of stages is in "statuses", and what was said, line by line, in "said".
stages() {
    status=0
    bash -c "$1; echo \${PIPESTATUS[@]} >statuses" 2>said || status=$?
    statuses=$(cat statuses)
    echo "statuses: $statuses; said:"
    cat said
}

# lasts STATUS: the shell sees this status of the pipe, dash too.
in_dash() {
    local status=0
    dash -c "$1" 2>/dev/null || status=$?
    echo "dash: $status"
    [ "$status" = "$2" ]
}

@test "a stream that is whole passes" {
    kiln flip <two.st | kiln flip | cat >same.st
    kiln flip <two.st >once.st
    [ -s same.st ]
    kiln flip <unknown.st | kiln save u%d.png
    [ -e u0.png ] && [ -e u1.png ] && [ ! -e u2.png ]
}

@test "a stream that is cut off anywhere fails, says where, and so do all stages below" {
    ends="$(seq 1 16) $(seq 17 61 $((8 + header))) $((7 + header)) $((8 + header)) $((9 + header))"
    ends+=" $(seq $((10 + header)) 53 $((half - 1))) $((half - 1)) $((half + 1)) $((half + 5)) $((half + 8))"
    ends+=" $((half + 9)) $((half + 8 + header)) $((size - 1))"
    for n in $ends; do
        where="cut off in "
        [ "$n" -ge 8 ] || where="or ends in its first bytes"
        stages "head -c $n two.st | kiln flip | kiln save out%d-%i.png"
        [ "$statuses" = "0 1 3" ]
        [ "$(wc -l <said)" = 2 ]
        head -1 said | grep -q "^kiln: standard input .*$where"
        tail -1 said | grep -q "^kiln: upstream: standard input .*$where"
    done
    in_dash "head -c 700 two.st | kiln flip | kiln save out%d.png" 3
    # What came whole before the cut was done.
    [ "$(ls out*)" = "$(printf 'out0-0.png\nout0-1.png')" ]
}

@test "a stage that is gone between documents is missed by the stage below" {
    stages "head -c $half two.st | kiln flip | kiln flip | kiln save out%d-%i.png"
    [ "$statuses" = "0 3 3 3" ]
    [ "$(cat said)" = "kiln: upstream: cut off after document 1 of 2" ]
    stages "head -c 0 two.st | kiln flip | kiln save out%d-%i.png"
    [ "$statuses" = "0 3 3" ]
    [ "$(cat said)" = "kiln: upstream: standard input is empty: the stage above gave nothing" ]
    n=$(grep -abo '{"__metadata__":{"kiln.end"' unknown.st | cut -d: -f1)
    stages "head -c $((n - 8)) unknown.st | kiln flip | kiln save out%d-%i.png"
    [ "$statuses" = "0 3 3" ]
    [ "$(cat said)" = "kiln: upstream: cut off after document 2" ]
}

@test "a stage that is killed between documents is missed by the stage below" {
    mkfifo gate
    kiln load first.png gate 2>/dev/null || true
    kiln blank 1x1x2x2 ! save first.png
    (kiln load first.png gate & echo $! >pid; wait $!) 2>/dev/null | kiln flip | kiln save out%d.png 2>said &
    pipe=$!
    for _ in $(seq 100); do
        [ ! -e out0.png ] || break
        sleep 0.05
    done
    [ -e out0.png ]
    kill -9 "$(cat pid)"
    status=0
    wait $pipe || status=$?
    [ "$status" = 3 ]
    [ "$(cat said)" = "kiln: upstream: cut off after document 1" ]
}

@test "nothing on standard input" {
    for input in /dev/null empty; do
        : >empty
        status=0
        kiln flip <$input >out 2>said || status=$?
        [ "$status" = 3 ]
        [ "$(cat said)" = "kiln: standard input is empty: the stage above gave nothing" ]
    done
    refuses 1 "cannot read 'standard input'" sh -c 'kiln flip <&-'
    refuses 1 "it is a directory" sh -c 'kiln load /'
    refuses 1 "standard input" sh -c 'kiln flip </'
}

@test "what is no stream is told" {
    seq 100 >text
    refuses 1 "is no PNG, JPEG or stream of kiln" sh -c 'kiln flip <text'
    printf 'short' >short
    refuses 1 "is no PNG, JPEG or stream of kiln" sh -c 'kiln flip <short'
    # Lengths of a header that cannot be.
    for length in 0 1 16777217 4294967296 9223372036854775807; do
        { bytes_of $length; cat text; } >lying
        refuses 1 "header" sh -c 'kiln flip <lying'
    done
    { bytes_of 9; echo '{"a":{}}'; } >bad.st
    refuses 1 "document 0" sh -c 'kiln flip <bad.st'
}

@test "one bit turned in the header is found or harmless, never more than one line" {
    found=0
    header=$(head -c 8 pending.st | od -An -tu8 | tr -d ' ')
    for at in $(seq 0 8) $(seq 9 23 $((8 + header))); do
        for bit in 1 32; do
            cp pending.st bad.st
            byte=$(od -An -tu1 -j "$at" -N 1 pending.st | tr -d ' ')
            # shellcheck disable=SC2059
            printf "\\x$(printf %02x $((byte ^ bit)))" |
                dd of=bad.st bs=1 seek="$at" conv=notrunc status=none
            status=0
            timeout 10 kiln flip <bad.st >out 2>said || status=$?
            case $status in
            0) [ ! -s said ] ;;
            1 | 3) found=$((found + 1)); [ "$(wc -l <said)" = 1 ] ;;
            *) echo "byte $at bit $bit: status $status"; cat said; return 1 ;;
            esac
        done
    done
    [ "$found" -gt 50 ]
}

@test "documents joined wrongly" {
    stages "cat two.st two.st | kiln save out%d-%i.png"
    [ "$statuses" = "0 1" ] && [ "$(wc -l <said)" = 1 ]
    stages "cat first.st first.st | kiln save again%d-%i.png"
    [ "$statuses" = "0 1" ] && grep -q "document '0' where 1 was expected" said
    stages "cat second.st first.st | kiln save back%d-%i.png"
    [ "$statuses" = "0 1" ] && grep -q "document '1' where 0 was expected" said
    kiln randn 1x1x2x2 docs=3 >three.st
    third=$(($(stat -c %s three.st) / 3))
    { cat first.st; head -c $((2 * third)) three.st | tail -c $third; } >mixed.st
    stages "kiln save mixed%d-%i.png <mixed.st"
    [ "$statuses" = 1 ] && grep -q "document 1 is of another stream" said
    stages "cat unknown.st unknown.st | kiln flip | kiln save twice%d-%i.png"
    [ "$statuses" = "0 1 3" ] && grep -q "goes on after its end" said
}

@test "bytes after the last document are not passed over in silence" {
    stages "{ cat two.st; echo rubbish; } | kiln save out%d-%i.png"
    [ "$statuses" = "0 1" ] && [ "$(wc -l <said)" = 1 ]
}

@test "an error travels down: the stage that failed says it, the last one repeats it, others relay" {
    stages "kiln blank 1x1x2x2 | kiln select 5 | kiln flip | kiln flip | kiln save out.png"
    [ "${statuses#* }" = "1 3 3 3" ]
    [ "$(sort said)" = "kiln: select: index: 5, but there are 1 images (0..0)
kiln: upstream: select: index: 5, but there are 1 images (0..0)" ]
    in_dash "kiln blank 1x1x2x2 | kiln select 5 | kiln flip | kiln save out.png" 3
    # The last one may write a stream to a file.
    stages "kiln blank 1x1x2x2 | kiln select 5 | kiln flip >out.st"
    [ "${statuses#* }" = "1 3" ] && [ "$(wc -l <said)" = 2 ]
    [ ! -e out.png ]
}

@test "an error of usage travels down too" {
    stages "kiln nosuch | kiln flip | kiln save out.png"
    [ "$statuses" = "2 3 3" ] && [ "$(wc -l <said)" = 2 ]
    stages "kiln blank 1x1x2x2 | kiln flp | kiln flip | kiln save out.png"
    [ "${statuses#* }" = "2 3 3" ] && [ "$(wc -l <said)" = 2 ]
    grep -q "upstream: no node 'flp': did you mean 'flip'?" said
    stages "kiln load nosuch.png | kiln save out.png"
    [ "$statuses" = "1 3" ] && [ "$(wc -l <said)" = 2 ]
    # before there is a chain, too
    for wrong in "-z blank 1x1x2x2" "-s x blank 1x1x2x2" "blank 1x1x2x2 [" "run" "run nosuch"; do
        stages "kiln $wrong | kiln flip | kiln save out.png"
        [[ $statuses == [12]" 3 3" ]] && [ "$(wc -l <said)" = 2 ]
        grep -q '^kiln: upstream: ' said
    done
    stages "KILN_THREADS=x kiln blank 1x1x2x2 | kiln save out.png"
    [ "$statuses" = "2 3" ] && grep -q '^kiln: upstream: KILN_THREADS: ' said
    # a verb has no stage below
    [ -z "$(kiln -z list 2>/dev/null)" ]
    stages "kiln blank 1x1x2x2 | kiln save out.xyz"
    [ "${statuses#* }" = 2 ] && [ "$(wc -l <said)" = 1 ]
    [ ! -e out.png ]
}

@test "a document that fails ends the stream after those before it" {
    kiln blank 1x1x4x4 ! save a.png
    kiln blank 1x3x4x4 ! save b.png
    stages "kiln load a.png a.png b.png a.png | kiln mnist-unet hidden=8 | kiln flip | kiln blend a.png 0.5 | kiln save out%d.png"
    [ "${statuses##* }" = 3 ]
    [ -e out1.png ] && [ ! -e out2.png ] && [ ! -e out3.png ]
}

@test "a document without its end is not the end" {
    grep -abo kiln.end unknown.st
    stages "kiln randn 1x1x2x2 docs=2 | kiln batch 1 | kiln split | kiln split | kiln save out%d.png"
    [ "$status" = 0 ] && [ -e out1.png ]
}

@test "a reader that went away ends a stage in silence, as SIGPIPE does" {
    stages "kiln randn 1x1x64x64 docs=1000 | kiln flip | head -c 10 >/dev/null"
    [ "$statuses" = "141 141 0" ]
    [ ! -s said ]
    stages "kiln randn 1x1x64x64 docs=1000 ! save - format=safetensors | head -c 10 >/dev/null"
    [ ! -s said ]
}

@test "a stage below that refuses its words stops the work above" {
    begin=$SECONDS
    stages "kiln randn 64x1x28x28 ! mnist-unet arch=class ! prompt 3 ! cfg 5 ! ddpm 300 | kiln flp"
    [ "$statuses" = "141 2" ]
    [ "$(wc -l <said)" = 1 ]
    [ $((SECONDS - begin)) -lt 20 ]
}

@test "an interruption ends with 130, and the stage below with 3" {
    stages "timeout --preserve-status -s INT 2 kiln randn 64x1x28x28 ! mnist-unet arch=class ! prompt 3 ! cfg 5 ! ddpm 300 | kiln save out.png"
    [ "$statuses" = "130 3" ]
    [ "$(cat said)" = "kiln: interrupted
kiln: upstream: interrupted" ]
    # While it waits for its input, too.
    stages "sleep 3 | timeout --preserve-status -s INT 0.5 kiln flip ! save out.png"
    [ "${statuses##* }" = 130 ]
    stages "{ head -c 700 two.st; sleep 3; } | timeout --preserve-status -s INT 0.5 kiln flip ! save out.png"
    [ "${statuses##* }" = 130 ]
    mkfifo gate
    sleep 3 >gate &
    stages "timeout --preserve-status -s INT 0.5 kiln load gate ! save out.png"
    [ "$statuses" = 130 ]
    [ -z "$(ls out* 2>/dev/null)" ]
}

@test "a long header, a large tensor: refused by what the document says, before memory is taken" {
    text='{"image":{"dtype":"F32","shape":[1,1,100000,100000],"data_offsets":[0,40000000000]}}'
    { bytes_of ${#text}; printf %s "$text"; } >huge.st
    (little_memory && refuses 1 "MB for a tensor of 1x1x100000x100000 are not to be had" sh -c 'kiln --max-memory 1G flip <huge.st')
    text='{"image":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}}'
    { bytes_of ${#text}; printf %s "$text"; } >overflow.st
    refuses 1 "document 0" sh -c 'kiln flip <overflow.st'
    text='{"image":{"dtype":"F32","shape":[1,1,0,4],"data_offsets":[0,0]}}'
    { bytes_of ${#text}; printf %s "$text"; } >none.st
    refuses 1 "image" sh -c 'kiln flip <none.st'
}

@test "what may wait in a stream is what has no effect outside it" {
    line() {
        local text
        text='{"__metadata__":{"kiln.pending":"[{\"line\":\"'$1'\",\"no\":0,\"use\":0}]"},"image":{"dtype":"F32","shape":[1,1,1,1],"data_offsets":[0,4]}}'
        bytes_of ${#text}
        printf %s "$text"
        printf '\0\0\0\0'
    }
    line "tee path=/tmp/x.png" >bad.st
    refuses 1 "(tee) cannot be a pending line" sh -c 'kiln flip <bad.st'
    line "save path=x.png" >bad.st
    refuses 1 "(save) cannot be a pending line" sh -c 'kiln flip <bad.st'
    line "train out=x" >bad.st
    refuses 1 "(train) cannot be a pending line" sh -c 'kiln flip <bad.st'
    line "cfg scale=" >bad.st
    refuses 1 "a pending line: cfg: scale" sh -c 'kiln flip <bad.st'
    line "nosuch" >bad.st
    refuses 1 "a pending line: no node 'nosuch'" sh -c 'kiln flip <bad.st'
    line "cfg ! cfg" >bad.st
    refuses 1 "a pending line: one node was expected" sh -c 'kiln flip <bad.st'
    line "cfg scale=3" >good.st
    kiln flip <good.st >out.st
}

@test "a document that lacks what has a default is read" {
    text='{"image":{"dtype":"F32","shape":[2,1,1,1],"data_offsets":[0,8]}}'
    { bytes_of ${#text}; printf %s "$text"; printf '\0\0\0\0\0\0\0\0'; } >plain.st
    kiln flip <plain.st >out.st
    [ "$(tensor out.st image | tr -d ' \n')" = 00 ]
    kiln -q load plain.st ! compare out.st
    for field in '"id":{"dtype":"I64","shape":[3],"data_offsets":[8,32]}' \
        '"t":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}' \
        '"prompt":{"dtype":"I32","shape":[2,1],"data_offsets":[8,16]}'; do
        text='{"image":{"dtype":"F32","shape":[2,1,1,1],"data_offsets":[0,8]},'$field'}'
        { bytes_of ${#text}; printf %s "$text"; head -c 32 /dev/zero; } >bad.st
        refuses 1 "has not the type or shape that 2 images want" sh -c 'kiln flip <bad.st'
    done
}

@test "an image that somebody else wrote may be half precision, or without batch and channels" {
    for image in '"F16","shape":[1,1,2,2]' '"F16","shape":[2,2]' '"U8","shape":[1,2,4]'; do
        text='{"image":{"dtype":'$image',"data_offsets":[0,8]}}'
        { bytes_of ${#text}; printf %s "$text"; printf '\0\74\0\0\0\0\0\300'; } >plain.st
        want="1 0 0 -2" # the bits of these as halves
        [[ $image == *U8* ]] && want="0 60 0 0 0 0 0 192"
        kiln load plain.st >loaded.st
        [ "$(tensor loaded.st image | xargs)" = "$want" ]
        kiln roll <plain.st >read.st
        [ "$(tensor read.st image | xargs)" = "$want" ]
    done
    text='{"image":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    { bytes_of ${#text}; printf %s "$text"; head -c 8 /dev/zero; } >bad.st
    refuses 1 "bad.st: 'image' is a tensor of 2, not an image" kiln load bad.st
    # a document of ours has one form
    text='{"__metadata__":{"kiln.stream":"1"},"image":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}'
    { bytes_of ${#text}; printf %s "$text"; head -c 8 /dev/zero; } >bad.st
    refuses 1 "standard input: 'image' is a tensor of 2x2, not float32" sh -c 'kiln roll <bad.st'
}

@test "with --keep-going what is good comes through, and the status tells of the rest" {
    kiln blank 1x1x4x4 ! tee a.png ! save c.png
    head -c 40 a.png >b.png
    status=0
    kiln -k load a.png b.png c.png ! flip ! save one%d.png 2>said || status=$?
    [ "$status" = 1 ]
    [ "$(cat said)" = "kiln: load: b.png: the PNG is truncated" ]
    [ "$(ls one*.png)" = "$(printf 'one0.png\none2.png')" ]
    stages "kiln -k load a.png b.png c.png | kiln flip | kiln save two%d.png"
    [ "${statuses##* }" = 1 ]
    [ "$(ls two*.png)" = "$(printf 'two0.png\ntwo2.png')" ]
    # Without it, the first bad one is the last.
    stages "kiln load a.png b.png c.png | kiln flip | kiln save three%d.png"
    [ "$statuses" = "1 3 3" ]
    [ "$(ls three*.png)" = three0.png ]
}

@test "an error document from anywhere becomes one clean line" {
    document() {
        local text='{"__metadata__":{"kiln.error":"'$1'","kiln.stream":"1"}}'
        bytes_of ${#text}
        printf %s "$text"
    }
    document '{\"code\":-4,\"message\":\"it rains\\nand \\u001b[31mpours\"}' >bad.st
    refuses 3 "kiln: upstream: it rains?and ?[31mpours" sh -c 'kiln flip <bad.st'
    for text in '' x '{}' '[]' '{\"message\":7}' '{\"message\":\"' '{\"code\":99999999999999999999}'; do
        document "$text" >bad.st
        refuses 3 "kiln: upstream: " sh -c 'kiln flip <bad.st'
    done
}
