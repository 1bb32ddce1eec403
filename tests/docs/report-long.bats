#!/usr/bin/env bats
# The whole of scripts/report: on the nets that ship, on nets trained for it, on DeepFloyd IF.
# SPDX-License-Identifier: MIT
load ../common
load ../if/if
load report
load report-if

@test "every figure of the report, and each command gives its figure" {
    cd "$BATS_TEST_TMPDIR"
    mkdir pages
    report --markdown pages out
    alone out/index.html
    diff <(pages pages/report.md) <(pages "$top_srcdir/docs/report.md")
    for id in A0 A1.1 A1.2 A1.3 A1.4 A1.5 A1.6 A1.7 A1.7.1 A1.7.2 A1.7.3 A1.8 A1.9 \
        C1 C2 C3 C4 C5 C6 C7 B1.1 B1.2 B1.2.1 B1.2.2 B2.1 B2.2 B2.3 B2.4 B2.5; do
        grep -q "<figure id=\"$id\"" out/index.html
    done
    repeats out
}

@test "every figure with nets of its own, and the grids of the epochs kept" {
    cd "$BATS_TEST_TMPDIR"
    report --train --epochs 6 --images 300 --hidden 4 out
    alone out/index.html
    for file in b121-digits-e1 b121-digits-e5 b23-e5 b23-e6 b25-e1 b25-e5 b25-e6 a18-1 c7; do
        [ -s "out/$file.png" ]
    done
    # Part A asks the net that was trained.
    [ "$(commands out/index.html | grep -c 'mnist-unet class.safetensors')" -gt 10 ]
    ! commands out/index.html | grep -q 'mnist-unet mnist-'
}

@test "every figure of part A on DeepFloyd IF, with two stages" {
    build_random_if
    cd "$BATS_TEST_TMPDIR"
    if_folders
    report --net I --stage2 II --embeddings bank.safetensors --only A,C out
    alone out/index.html
    for id in A0 A1.1 A1.2 A1.3 A1.4 A1.5 A1.6 A1.7 A1.7.1 A1.7.2 A1.7.3 A1.8 A1.9 C1 C2 C3 C4; do
        grep -q "<figure id=\"$id\"" out/index.html
    done
    wider out/a0-15.png $((3 * 256 + 2 * 2))
    wider out/a17.png $((7 * 64 * 2 + 6 * 4)) 0
    wider out/a18-256.png $((2 * 256 + 2)) 0
    wider out/c1.png $((2 * 64 * 2 + 4)) 0
}
