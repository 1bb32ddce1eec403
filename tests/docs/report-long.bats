#!/usr/bin/env bats
# The whole of scripts/report on the nets that ship.
# SPDX-License-Identifier: MIT
load ../common
load report

@test "every figure of the report, and each command gives its figure" {
    cd "$BATS_TEST_TMPDIR"
    report out
    alone out/index.html
    for id in A0 A1.1 A1.2 A1.3 A1.4 A1.5 A1.6 A1.7 A1.7.1 A1.7.2 A1.7.3 A1.8 A1.9 \
        B1.1 B1.2 B1.2.1 B1.2.2 B2.1 B2.2 B2.3 B2.4 B2.5; do
        grep -q "<figure id=\"$id\"" out/index.html
    done
    repeats out
}
