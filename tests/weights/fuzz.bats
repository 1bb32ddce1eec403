#!/usr/bin/env bats
# The fuzzers of tests/fuzz still build with the sources that they name, and run for a second.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$top_srcdir"
    echo 'int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return !b && n; }' |
        clang -x c -fsanitize=fuzzer,address,undefined -o "$BATS_TEST_TMPDIR/one" - 2>/dev/null ||
        skip "no clang with libFuzzer"
    command -v unzip >/dev/null || skip "no unzip"
}

@test "readers of weights and embeddings are fuzzed for a second each" {
    CC=clang run tests/fuzz/fuzz_weights.sh 1
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"fuzz_npy, 1 s"* ]]
}
