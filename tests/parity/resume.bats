#!/usr/bin/env bats
# A training that is stopped inside of the writing of any of its files goes on to the same bits.
# SPDX-License-Identifier: MIT
load ../common
load compare

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    ${CC:-cc} -std=c11 -shared -fPIC -o die.so "$top_srcdir/tests/parity/die.c" -ldl
    # A checkpoint at the start and of three epochs, an epoch kept, the plot, and the end.
    run_of whole
    tail -n +2 whole/log.tsv | cut -f 1-4 >whole/log
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    whole=$BATS_FILE_TMPDIR/whole
}

words() {
    words=(digits train dir="$top_srcdir/tests/golden/mnist-five" ! mnist-unet arch=class hidden=4 !
        train "$1/out.safetensors" epochs=3 batch=2 lr_end=1e-4 keep=2 log="$1/log.tsv" plot="$1/loss.png"
        every=1 resume=yes)
}

run_of() {
    mkdir -p "$1"
    words "$1"
    kiln -s 4 "${words[@]}" >/dev/null
}

# stopped DIR CALL N [SIGNAL]: a run that gets the signal in call N; its status, 0 when it never came so far.
stopped() {
    mkdir -p "$1"
    words "$1"
    status=0
    ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 LD_PRELOAD=$BATS_FILE_TMPDIR/die.so DIE_IN=$2 \
        DIE_AT=$3 DIE_SIGNAL=${4:-9} kiln -s 4 "${words[@]}" >/dev/null 2>stopped.err || status=$?
}

same() {
    cmp "$1/out.safetensors" "$whole/out.safetensors"
    cmp "$1/out.e2.safetensors" "$whole/out.e2.safetensors"
    tail -n +2 "$1/log.tsv" | cut -f 1-4 | cmp - "$whole/log"
    [ -s "$1/loss.png" ]
}

# every_call CALL STRIDE AT_LEAST: stopped in each STRIDE-th of such calls.
every_call() {
    local n=1 runs=0
    while :; do
        stopped "$1$n" "$1" "$n"
        [ "$status" -ne 0 ] || break
        [ "$status" -eq 137 ]
        run_of "$1$n"
        same "$1$n"
        n=$((n + $2))
        runs=$((runs + 1))
    done
    same "$1$n"
    echo "stopped in $runs calls of $1"
    [ "$runs" -ge "$3" ]
}

@test "killed before any of its files gets its name" {
    every_call rename 1 6
}

@test "killed while files go to the disk" {
    every_call fsync 1 6
}

@test "killed half-way through writing data" {
    every_call write 151 4
}

@test "killed again and again" {
    for n in 1 2 3; do
        stopped again rename 4
        [ "$status" -eq 137 ]
    done
    run_of again
    same again
}

@test "interrupted while a checkpoint is written, it ends that and says how to go on" {
    for n in 1 2 4; do
        stopped int$n fsync $n 2
        cat stopped.err
        [ "$status" -eq 130 ]
        grep -q "resume=yes" stopped.err
        [ ! -e int$n/out.safetensors ]
        [ -z "$(find int$n -name '.*')" ]
        run_of int$n
        same int$n
    done
}

@test "what differs from the run of the checkpoint is named" {
    stopped a fsync 3
    [ "$status" -eq 137 ]
    go() { # SEED CHANGED WORD…
        local seed=$1 word i
        shift
        words a
        for word; do
            for i in "${!words[@]}"; do
                [ "${words[i]%%=*}" != "${word%%=*}" ] || words[i]=$word
            done
        done
        kiln -s "$seed" "${words[@]}"
    }
    cp a/out.safetensors.ckpt before
    refused 1 "batch was 2, is 3" go 4 batch=3
    refused 1 "lr_end was 0.0001, is 0.0002" go 4 lr_end=2e-4
    refused 1 "epochs was 3, is 4" go 4 epochs=4
    refused 1 seed go 5
    refused 1 net go 4 arch=time
    refused 1 images go 4 dir="$top_srcdir/share/mnist"
    refused 1 resume=yes go 4 resume=no
    cmp before a/out.safetensors.ckpt
    go 4 >/dev/null
    same a
}

@test "a full disk ends it, and what was there stays" {
    stopped a fsync 3
    cp a/out.safetensors.ckpt before
    words a
    small() { (ulimit -f 16 && kiln -s 4 "${words[@]}"); }
    refused 1 "cannot write" small
    cmp before a/out.safetensors.ckpt
    run_of a
    same a
}
