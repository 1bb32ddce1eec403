#!/usr/bin/env bats
# scripts/check-gpu with the device that is none: everything but sanitizers and times. Minutes.
# SPDX-License-Identifier: MIT
load ../common

@test "check-gpu passes on the emulated device, and its report tells" {
    export KILN_CUDA_BACKEND=$top_builddir/tests/cuda/kiln-cuda-emulated.so
    [ -e "$KILN_CUDA_BACKEND" ] || skip "no C++ compiler"
    BUILD=$top_builddir "$top_srcdir/scripts/check-gpu" --quick "$BATS_TEST_TMPDIR/report.md"
    tail -n 1 "$BATS_TEST_TMPDIR/report.md" | grep '^27 passed, 0 failed\.$'
    grep 'emulated on the CPU' "$BATS_TEST_TMPDIR/report.md"
}
