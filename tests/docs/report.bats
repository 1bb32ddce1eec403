#!/usr/bin/env bats
# scripts/report on the figures that cost little; all of them are in report-long.bats.
# SPDX-License-Identifier: MIT
load ../common
load report

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    mkdir pages
    report --only A1.1,B1 --markdown pages out >log 2>&1
}

setup() {
    cd "$BATS_FILE_TMPDIR"
}

@test "a page with the figures asked for, that stands alone" {
    alone out/index.html
    [ "$(grep -o '<figure id="[^"]*"' out/index.html | cut -d'"' -f2 | tr '\n' ' ')" = \
        "A1.1 B1.1 B1.2 B1.2.1 B1.2.1-digits B1.2.2 " ]
    [ "$(grep -c '<figure' out/index.html)" -eq "$(grep -c '<pre><code>' out/index.html)" ]
    [ "$(tail -c 8 out/index.html)" = "</html>" ]
}

@test "each command, pasted, gives the figure above it" {
    repeats out
}

@test "docs/report.md was made with these commands" {
    grep -q '^### A1.1 ' pages/report.md
    pages pages/report.md | while IFS= read -r line; do
        grep -Fxq -- "$line" "$top_srcdir/docs/report.md" || { echo "$line"; exit 1; }
    done
    cmp pages/report/b11.svg "$top_srcdir/docs/report/b11.svg"
    # No net has a part in this one; the last bits of a resize may differ between processors.
    kiln load pages/report/a11.png ! compare "$top_srcdir/docs/report/a11.png" limit=0.01
}

@test "run again, it keeps what it has" {
    touch -d '1 hour ago' out/*.png
    touch since
    report --only A1.1,B1 out 2>/dev/null
    [ -z "$(find out -maxdepth 1 -name '*.png' -newer since)" ]
}

@test "what is wrong is said in a line, and nothing is made" {
    for arguments in "" "--bogus made" "--net nowhere made" "--only Z9 made" "--only A1.1 since/made"; do
        # shellcheck disable=SC2086
        run_apart report $arguments
        echo "$arguments: $stderr"
        [ "$status" -ne 0 ]
        [[ "${stderr##*$'\n'}" == "report: "* ]]
        [ -z "$output" ]
        [ ! -e made/index.html ]
    done
}
