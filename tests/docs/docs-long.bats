#!/usr/bin/env bats
# Runs the examples of README and docs/, top to bottom.
# SPDX-License-Identifier: MIT
load ../common
load ../if/if
load examples

setup_file() {
    build_random_if
}

@test "every command in README and docs runs" {
    cd "$BATS_TEST_TMPDIR"
    examples_inputs
    while IFS= read -r line; do
        echo "$line"
        bash -o pipefail -c "$line" </dev/null >out
    done < <(examples sh | grep '^kiln ' | grep -v contrast)
}

@test "the plugin of the guide builds, loads and runs" {
    cd "$BATS_TEST_TMPDIR"
    examples_inputs
    examples_c whole >contrast.c
    ${CC:-cc} -std=c11 -O2 -fPIC -shared -I"$top_srcdir/sdk/include" -o contrast.so contrast.c -lm
    while IFS= read -r line; do
        echo "$line"
        bash -c "$line" </dev/null >out
    done < <(examples sh | grep '^kiln .*contrast')
    [ -s out.png ]
}
