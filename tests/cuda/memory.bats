#!/usr/bin/env bats
# What the nets of DeepFloyd IF take of a GPU's memory, at their real sizes, weights and maps, both halves of
# guidance in one batch (scripts/cuda-calls --memory): every block that is asked of the device counts, and
# those that wait to be used again. Beside that a GPU has the driver's own: a gigabyte is left for it.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    [ -e "$top_builddir/tests/cuda/kiln-cuda-emulated.so" ] || skip "no C++ compiler"
    cd "$BATS_TEST_TMPDIR" || return
}

# fits GIGABYTES NET...: with so much. Weights of float would be twice their files, of which what prompts alone
# need, and goes before the walk begins, is a fifth.
fits() {
    local most=$(($1 * 1000000000)) peak weights
    shift
    read -r -d '' peak weights < <(BUILD=$top_builddir "$top_srcdir/scripts/cuda-calls" --memory "$@") || true
    echo "$*: $peak bytes; files of $weights"
    [ "$peak" -le "$most" ]
    [ "$peak" -ge $((weights * 3 / 4)) ]
    [ "$peak" -le $((weights * 3 / 2)) ]
}

@test "IF-I-M and IF-II-M one after the other, with 5 GB" {
    fits 5 IF-I-M IF-II-M
}

@test "IF-I-XL with 23 GB" {
    fits 23 IF-I-XL
}

@test "a limit is kept, and a net that does not fit says how much it needs" {
    export BUILD=$top_builddir
    for limit in 1000 800; do # of which graphs take a part, and do not
        peak=$(OPTIONS="--max-memory ${limit}M" "$top_srcdir/scripts/cuda-calls" --memory IF-I-M | head -n 1)
        echo "$peak bytes with ${limit}M"
        [ "$peak" -le $((limit << 20)) ]
    done
    run env OPTIONS="--max-memory 6G" "$top_srcdir/scripts/cuda-calls" --memory IF-I-XL
    [ "$status" = 1 ]
    echo "$output"
    [[ $output == *" are not to be had on the GPU: "*"; the weights need 8609."*" MB in all" ]]
}
