#!/usr/bin/env bats
# scripts/report --train, with nets as small as they come.
# SPDX-License-Identifier: MIT
load ../common
load report

small=(--train --epochs 2 --images 1000 --hidden 2)

setup() {
    cd "$BATS_TEST_TMPDIR"
}

@test "nets are trained, and the page shows each epoch kept" {
    report "${small[@]}" --only B1.2.1 out
    alone out/index.html
    for file in b121.tsv b121.png denoiser.e1.safetensors denoiser.e2.safetensors b121-digits-e1.png b121-digits-e2.png; do
        [ -s "out/$file" ]
    done
    # Two epochs of four batches of 256.
    awk -F'\t' 'NR > 1 { step = $1; epoch = $2 } END { exit !(step == 8 && epoch == 2) }' out/b121.tsv
    grep -q '<th>denoiser.safetensors</th><td>[0-9]*</td><td>2</td><td>8</td>' out/index.html
    # The kept net is the one that made the figure.
    kiln recipe out/b121-digits-e1.png | grep -q 'mnist-unet denoiser.e1.safetensors'
    repeats out
}

@test "interrupted, the same command goes on to the same net" {
    # A group of its own gets the signal of the terminal.
    set -m
    report "${small[@]}" --only B1.2.1,B2.4 out 2>said &
    pid=$!
    set +m
    for _ in {1..600}; do
        [ ! -s out/b24.tsv ] || break
        sleep 0.05
    done
    kill -INT -- "-$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" -eq 130 ]
    [ "$(tail -n 1 said)" = "report: interrupted; the same command goes on from here" ]
    [ ! -e out/index.html ] && [ ! -e out/class.safetensors ] && [ -e out/class.safetensors.ckpt ]
    [ -e out/.report/B1.2.1.done ]  # what was done stays
    touch -d '1 hour ago' out/denoiser.safetensors
    touch since

    report "${small[@]}" --only B1.2.1,B2.4 out
    [ out/denoiser.safetensors -ot since ]
    alone out/index.html
    mkdir whole
    command=$(sed -n '1s/ resume=yes//p' out/.report/B2.4.sh)
    (cd whole && bash -c "$command" 2>/dev/null)
    cmp out/class.safetensors whole/class.safetensors
    cut -f 1-3 out/b24.tsv | diff - <(cut -f 1-3 whole/b24.tsv)
}

@test "other parameters, another net" {
    report "${small[@]}" --only B2.4 out 2>/dev/null
    mv out/class.safetensors before
    report --train --epochs 1 --images 1000 --hidden 2 --only B2.4 out 2>/dev/null
    [ "$(tail -n 1 out/b24.tsv | cut -f 2)" = 1 ]
    ! cmp -s before out/class.safetensors
}

@test "two at once in one folder: the second says so, and leaves it alone" {
    mkdir -p out/.report
    exec 8>out/.report/lock
    flock -n 8
    run_apart report --only B1.1 out
    [ "$status" -eq 1 ]
    [[ "$stderr" == "report: another report is being made in 'out'" ]]
    [ "$(ls -A out)" = .report ] && [ "$(ls -A out/.report)" = $'bin\nlock' ]
    exec 8>&-
    report --only B1.1 out
}

@test "the options of --train want numbers, and --train" {
    for arguments in "--train --epochs 0 out" "--train --hidden x out" "--train --images" "--epochs 3 out"; do
        # shellcheck disable=SC2086
        run_apart report $arguments
        [ "$status" -eq 2 ] && [ -z "$output" ] && [[ "$stderr" == "report: "* ]] && [ ! -e out ]
    done
}
