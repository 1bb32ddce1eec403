#!/usr/bin/env bats
# Training in the program against PyTorch, by draws of a file: weights after twenty steps of every net
# and objective. (tests/train has the losses.)
#
# Tolerance: PyTorch's own float32 strays from its float64 by at most 1e-6 of a weight in these runs
# (tests/reference/mnist.py prints how far); ours sums in another order: 1e-5, and 1e-5 of each value.
# Biases before a norm, and the running means that follow them, are not compared: their gradient is
# rounding alone, and Adam makes steps of full size out of it.
# SPDX-License-Identifier: MIT
load ../common
load compare

setup() {
    cd "$BATS_TEST_TMPDIR"
    export KILN_PRECISION=exact
    golden=$top_srcdir/tests/golden
    data=(digits train dir="$golden/mnist-five")
    recipe=(epochs=7 batch=2 lr=1e-3 lr_end=1e-4)
}

given() {
    kiln --rng "$golden/mnist-draws.safetensors" "${data[@]}" ! "$@"
}

@test "weights after twenty steps are those of PyTorch" {
    for case in plain:denoise time:eps time:flow time:denoise class:eps class:flow class:denoise; do
        arch=${case%:*} objective=${case#*:}
        echo "$arch $objective"
        given mnist-unet "$golden/mnist-start-$arch.safetensors" ! \
            train $objective.$arch.safetensors objective=$objective "${recipe[@]}" >state
        floats $objective.$arch.safetensors >got
        floats "$golden/mnist-train-$arch-$objective.safetensors" >want
        [ "$(cut -d ' ' -f 1 want | sort -u | wc -l)" -gt 60 ]
        close 1e-5 got want
    done
    # They differ from each other by far more, so that the comparison means something.
    floats eps.time.safetensors >got
    floats "$golden/mnist-train-time-flow.safetensors" >want
    run close 1e-3 got want
    [ "$status" -ne 0 ]
}

@test "the run ends when the draws do, and draws that do not fit are refused" {
    time=(mnist-unet "$golden/mnist-start-time.safetensors")
    given "${time[@]}" ! train a.safetensors epochs=1000 batch=2 log=log.tsv >state
    [ "$(tail -n 1 log.tsv | cut -f 1)" -eq 20 ]
    refused 1 train.order given "${time[@]}" ! train b.safetensors batch=3
    data+=(images=0:2)
    refused 1 "of 2" given "${time[@]}" ! train b.safetensors batch=2
}

@test "threads do not change the weights" {
    for threads in 1 3; do
        kiln -j $threads -s 5 "${data[@]}" ! mnist-unet arch=class hidden=8 ! \
            train $threads.safetensors epochs=4 batch=3 >state
    done
    cmp 1.safetensors 3.safetensors
}

@test "a folder of IDX files of one's own" {
    # Two images of 28x28, black and of level 51; a 4 and a 2.
    mkdir own
    {
        printf '\0\0\10\3\0\0\0\2\0\0\0\34\0\0\0\34'
        head -c 784 /dev/zero
        head -c 784 /dev/zero | tr '\0' '\63'
    } >own/train-images-idx3-ubyte
    printf '\0\0\10\1\0\0\0\2\4\2' | gzip >own/train-labels-idx1-ubyte.gz
    kiln digits train dir=own images=1 >state
    floats state image | awk '$2 < 0.1999999 || $2 > 0.2000001 { exit bad = 1 } END { exit bad || NR != 784 }'
    grep -aq '"kiln.prompts":"\[\\"2\\"\]"' state
    kiln digits train dir=own ! mnist-unet arch=class hidden=2 ! \
        train own.safetensors epochs=2 log=own.tsv >state
    [ "$(tail -n 1 own.tsv | cut -f 1)" -eq 2 ]
    kiln randn 1x1x28x28 ! mnist-unet own.safetensors ! prompt 4 ! ddim 2 >state
}

@test "epochs kept, log and plot" {
    kiln -s 1 "${data[@]}" ! mnist-unet arch=time hidden=2 ! \
        train a.safetensors epochs=3 batch=2 keep=1,3 log=a.tsv plot=a.png every=2 lr_end=1e-4 >state
    [ -e a.e1.safetensors ]
    [ ! -e a.e2.safetensors ]
    cmp a.e3.safetensors a.safetensors
    [ "$(head -n 1 a.tsv)" = "step	epoch	loss	lr	images_s" ]
    # First, last, and every second of nine steps: 1 2 4 6 8 9.
    [ "$(tail -n +2 a.tsv | cut -f 1,2 | tr '\t\n' ': ')" = "1:1 2:1 4:2 6:2 8:3 9:3 " ]
    # Seven digits of the loss at least, and the rate of each epoch.
    tail -n +2 a.tsv | awk -F '\t' '
        { digits = $3; gsub(/^0*\.0*|\./, "", digits); rate = 1e-3 * 0.1 ^ (($2 - 1) / 3); d = $4 - rate
          if (length(digits) < 7 || d > 1e-11 || d < -1e-11 || !($5 > 0)) { print; bad = 1 } }
        END { exit bad }'
    [ "$(head -c 8 a.png | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ]
    kiln load a.png ! resize 80x50 ! save small.png
}
