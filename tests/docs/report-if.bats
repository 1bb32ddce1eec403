#!/usr/bin/env bats
# scripts/report --net on folders of DeepFloyd IF with random weights: what the figures show is noise, but
# each is there, of the right size and made by its command. All of them are in report-long.bats.
# SPDX-License-Identifier: MIT
load ../common
load ../if/if
load report
load report-if

setup_file() {
    build_random_if
    cd "$BATS_FILE_TMPDIR"
    if_folders
}

setup() {
    cd "$BATS_FILE_TMPDIR"
}

@test "figures of stage I, and the commands that made them" {
    report --net I --embeddings bank.safetensors --only A0,A1.3,A1.9 out
    alone out/index.html
    [ "$(grep -o '<figure id="[^"]*"' out/index.html | cut -d'"' -f2 | tr '\n' ' ')" = "A0 A1.3 A1.9 " ]
    # Four pictures of 64 pixels in a row, three times as large, with gaps and a column of words.
    wider out/a13.png $((4 * 64 * 3 + 3 * 2 * 3))
    wider out/a19-1.png $((2 * 64 * 2 + 2 * 2)) 0
    repeats out
}

@test "without embeddings the text encoder of the folder is asked" {
    cp -r "$top_srcdir"/tests/golden/t5/text_encoder "$top_srcdir"/tests/golden/t5/tokenizer I/
    report --net I --only A1.5 other
    grep -q "t5 $PWD/I ! if-unet $PWD/I ! prompt" <(commands other/index.html)
    wider other/a15.png $((5 * 64 * 2 + 4 * 2)) 0
}

@test "a folder that is none, a stage that is missing" {
    run_apart report --net I --stage2 nowhere bad
    [ "$status" -eq 1 ] && [ "$stderr" = "report: --stage2: 'nowhere' is not there" ] && [ ! -e bad ]
    run_apart report --stage2 II bad
    [ "$status" -eq 2 ] && [ ! -e bad ]
    mkdir -p hollow
    run_apart report --net hollow --embeddings bank.safetensors --only A1.5 bad
    [ "$status" -eq 1 ] && [[ "$stderr" == *"A1.5: this failed with status 1"* ]] && [ ! -e bad/index.html ]
}
