#!/usr/bin/env bats
# What README and docs/ show is right: chains are checked by --dry-run, C compiles. docs-long.bats runs
# the chains.
# SPDX-License-Identifier: MIT
load ../common
load ../if/if
load examples

setup_file() {
    build_random_if
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    examples_inputs
}

@test "every chain in README and docs passes --dry-run" {
    count=0
    while IFS= read -r line; do
        echo "$line"
        count=$((count + 1))
        bash -c "$(dry "$line")"
    done < <(examples sh | grep '^kiln .*[!|]' | grep -v 'kiln run\|contrast')
    [ "$count" -ge 12 ]
}

@test "the C code in the guide compiles without a warning" {
    examples_c whole >whole.c
    examples_c table >table.c
    for source in whole.c table.c; do
        [ -s "$source" ]
        ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Wno-unused-const-variable \
            -Wno-unused-variable -I"$top_srcdir/sdk/include" -fsyntax-only "$source"
    done
}

@test "the pages of the nodes say what the program says" {
    KILN=$(command -v kiln) "$top_srcdir/scripts/doc-pages" "$BATS_TEST_TMPDIR/nodes"
    diff -r "$top_srcdir/docs/nodes" nodes || {
        echo "run scripts/doc-pages"
        false
    }
}

@test "links in README and docs lead somewhere" {
    for page in "$top_srcdir"/README.md "$top_srcdir"/docs/*.md "$top_srcdir"/docs/nodes/*.md; do
        for link in $(grep -o '](\([^)#]*\)' "$page" | cut -c3- | grep -v '^https\?:'); do
            echo "$page: $link"
            [ -e "$(dirname "$page")/$link" ]
        done
    done
}
