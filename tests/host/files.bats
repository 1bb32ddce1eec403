#!/usr/bin/env bats
# Files that cannot be written or read: nothing half-done is left, and one line says why.
# SPDX-License-Identifier: MIT
load ../common
load host

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir out
}

# nothing_left: neither a file nor a temporary one.
nothing_left() {
    [ -z "$(ls -A out)" ]
}

@test "a full disk" {
    refuses 1 "no space left on device" sh -c 'kiln blank 1x1x4x4 >/dev/full'
    refuses 1 "no space left on device" kiln blank 1x1x4x4 ! save /dev/full
    refuses 1 "no space left on device" sh -c 'kiln blank 1x1x4x4 ! save - >/dev/full'
    refuses 1 "no space left on device" sh -c 'kiln blank 1x1x4x4 ! save - format=safetensors >/dev/full'
    refuses 1 "no space left on device" kiln blank 1x1x4x4 ! tee /dev/full ! flip
    refuses 1 "cannot write" sh -c 'kiln blank 1x1x4x4 ! show >/dev/full'
    refuses 1 "cannot write" sh -c 'kiln -n blank 1x1x4x4 >/dev/full'
    refuses 1 "cannot write" sh -c 'kiln list >/dev/full'
}

@test "a file that grows too large leaves nothing" {
    for name in a.png a.jpg a.safetensors; do
        # Noise does not compress.
        refuses 1 "file too large" bash -c "ulimit -f 20; kiln randn 1x3x256x256 ! save out/$name"
        nothing_left
    done
}

@test "what was there stays when the new file fails" {
    kiln blank 1x1x4x4 ! save out/a.png
    cp out/a.png before.png
    refuses 1 "file too large" bash -c "ulimit -f 20; kiln randn 1x3x256x256 ! save out/a.png"
    cmp out/a.png before.png
    [ "$(ls -A out)" = a.png ]
}

@test "a folder that is not there, or is none, or takes no files" {
    refuses 1 "there is no directory 'nowhere'" kiln blank 1x1x4x4 ! save nowhere/a.png
    : >file
    refuses 1 "there is no directory 'file'" kiln blank 1x1x4x4 ! save file/a.png
    refuses 1 "cannot write '/proc/a.png'" kiln blank 1x1x4x4 ! save /proc/a.png
    [ "$(id -u)" != 0 ] || skip "root may write everywhere"
    chmod a-w out
    refuses 1 "cannot write 'out/a.png': permission denied" kiln blank 1x1x4x4 ! save out/a.png
}

@test "the folder is looked for before the work" {
    begin=$SECONDS
    refuses 1 "there is no directory 'nowhere'" \
        kiln randn 64x1x28x28 ! mnist-unet arch=class ! cfg 5 ! ddpm 300 ! save nowhere/a.png
    [ $((SECONDS - begin)) -lt 10 ]
}

@test "a directory for a file" {
    mkdir out/d.png
    refuses 1 "it is a directory" kiln blank 1x1x4x4 ! save out/d.png
    refuses 1 "it is a directory" kiln load out/d.png
    refuses 1 "it is a directory" kiln blank 1x1x4x4 ! hstack out/d.png
    refuses 2 "ends in none of .png" kiln blank 1x1x4x4 ! save out
    refuses 1 "it is a directory" kiln blank 1x1x4x4 ! save out format=png
    refuses 1 "it is a directory" kiln load list=out
}

@test "a file that is not there or cannot be read" {
    refuses 1 "cannot open 'nosuch.png': no such file or directory" kiln load nosuch.png
    refuses 1 "cannot open 'nosuch.png': no such file or directory" kiln blank 1x1x4x4 ! hstack nosuch.png
    refuses 1 "no such file or directory" kiln load list=nosuch.txt
    : >empty.png
    refuses 1 "empty.png is empty" kiln load empty.png
    ln -s loop.png loop.png
    refuses 1 "cannot open 'loop.png'" kiln load loop.png
    refuses 1 "'-' is standard input, and that is a terminal" \
        script -qec "kiln load - 2>&1 >/dev/null | tee /dev/stderr; exit 1" /dev/null || true
    [ "$(id -u)" != 0 ] || skip "root may read everything"
    : >secret.png && chmod 0 secret.png
    refuses 1 "permission denied" kiln load secret.png
}

@test "corrupt pictures" {
    kiln randn 1x3x32x32 ! save a.png
    kiln randn 1x3x32x32 ! save a.jpg
    for name in a.png a.jpg; do
        head -c 60 $name >short-$name
        refuses 1 "short-$name" kiln load short-$name
        refuses 1 "standard input" sh -c "kiln flip <short-$name"
    done
    cp a.png bad.png
    printf 'X' | dd of=bad.png bs=1 seek=200 conv=notrunc status=none
    refuses 1 "bad.png" kiln load bad.png
    # 200000 x 200000 pixels, in a file of 33 bytes.
    printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x03\x0d\x40\0\x03\x0d\x40\x08\x02\0\0\0' >huge.png
    printf '\x94\x9b\xd4\x4e' >>huge.png
    (little_memory && refuses 1 "huge.png" kiln load huge.png)
}

@test "two documents or images for one file are refused" {
    kiln blank 1x1x4x4 ! save a.png
    refuses 1 "was written by this chain already" kiln load a.png a.png ! save out/b.png
    refuses 1 "2 images for one file: put 'grid' before it, or %i in the name" \
        kiln blank 2x1x4x4 ! save out/c.png
    refuses 1 "was written by this chain already" kiln blank 1x1x4x4 ! tee out/d.png ! flip ! save out/d.png
    kiln load a.png a.png ! save out/e%d.png
    kiln blank 2x1x4x4 ! save out/f%i.png
    kiln load a.png ! flip ! save a.png
    refuses 2 "means nothing" kiln blank 1x1x4x4 ! save out/%x.png
    refuses 2 "means nothing" kiln blank 1x1x4x4 ! save out/a%
}

@test "a killed run leaves no temporary file" {
    mkfifo gate
    (kiln randn 1x3x64x64 ! tee out/a.png ! hstack gate ! save out/b.png 2>/dev/null & echo $! >pid; wait $!) &
    run=$!
    for _ in $(seq 100); do
        [ ! -e out/a.png ] || break
        sleep 0.05
    done
    kill -TERM "$(cat pid)"
    status=0
    wait $run || status=$?
    [ "$status" = 130 ]
    [ "$(ls -A out)" = a.png ]
}
