# For the tests of the report's commands: `load commands` after `load ../common` and `load if`.
# SPDX-License-Identifier: MIT

# command_files: in the working directory, the files that the commands name: folders of nets that are as
# small as goes under the names of real ones, with a text encoder; embeddings; pictures.
command_files() {
    local photos=$top_srcdir/share/photos name
    random_if tiny-I IF-I-L
    random_if --seed 2 tiny-I IF-I-M
    random_if tiny-II IF-II-L
    ln -s "$top_srcdir"/tests/golden/t5/{text_encoder,tokenizer} IF-I-L/
    ln -s "$top_srcdir/tests/golden/if/prompts.pth" .
    for name in campanile:coffee professor:astronaut berkeley:rocket face:astronaut; do
        ln -s "$photos/${name#*:}.jpg" "${name%:*}.jpg"
    done
    kiln load "$photos/cat.png" ! resize 64x64 ! tee me.png ! rect 20,10,24,24 ! save hole.png
    kiln load me.png ! rect 16,16,32,32 ! save disc.png
    mkdir my bin
    printf '#!/bin/sh\ncat "%s"\n' "$PWD/campanile.jpg" >bin/wl-paste
    chmod +x bin/wl-paste
    PATH=$PWD/bin:$PATH
    P="a high quality photo"
}

setup_file() {
    build_random_if
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    command_files
}

# is_png WxH FILE…
is_png() {
    local size=$1 file got
    shift
    for file; do
        got=$(od -An -tu1 -j16 -N8 "$file" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }')
        echo "$file: $got"
        [ "$got" = "$size" ]
    done
}
