#!/usr/bin/env bats
# What people look at while and after a chain runs: show, --preview, animations. What show prints,
# character by character, is in tests/image/test_show.c; frames in tests/filters/test_figures.c.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
    export LC_ALL=C.UTF-8
    unset COLUMNS NO_COLOR COLORTERM
}

# columns FILE: the characters in each line, as a list without repetition.
columns() {
    while IFS= read -r line; do
        echo "${#line}"
    done <"$1" | sort -un | tr '\n' ' '
}

@test "show into a file or a pipe: shades without colour, in the width asked for" {
    kiln digits test images=0 ! show width=28 >shown
    ! grep -q $'\033' shown
    [ "$(columns shown)" = "28 " ] && [ "$(grep -c . shown)" -eq 14 ]
    # The bar of this 7, and black paper above it.
    [ "$(grep -m 1 -n '[^ ]' shown | cut -d: -f1)" -eq 4 ] && grep -q '^ *[░▒▓█]\{8,\} *$' shown
    kiln digits test images=0 ! show width=14 >half
    [ "$(columns half)" = "14 " ] && [ "$(grep -c . half)" -eq 7 ]
    # What is wider is brought to 80 columns, where nothing says how many there are.
    kiln load cat.png ! show >cat
    [ "$(columns cat)" = "80 " ] && [ "$(grep -c . cat)" -eq 40 ]
}

@test "show where there are no half blocks: letters, and no byte beyond ASCII" {
    LC_ALL=en_US.ISO-8859-1 kiln digits test images=0 ! show width=28 >shown
    [ -s shown ] && ! LC_ALL=C grep -q '[^ -~]' shown
}

@test "show in a terminal: true colour, 256 colours, none" {
    command -v script >/dev/null && [ -c /dev/ptmx ] && [ -d /dev/pts ] || skip "no pseudo terminal"
    seen() {
        script -qec "env $* $(command -v kiln) load cat.png ! show width=20" /dev/null </dev/null
    }
    seen TERM=xterm-256color COLORTERM=truecolor >shown
    grep -q $'\033\[38;2;' shown
    seen TERM=xterm-256color >shown
    grep -q $'\033\[38;5;' shown && ! grep -q ';2;' shown
    seen TERM=xterm-256color NO_COLOR=1 >shown
    ! grep -q $'\033\[[34]8;' shown
    seen TERM=dumb >shown
    ! grep -q $'\033\[[34]8;' shown && ! grep -q '[▀▄█]' shown
}

@test "--preview is there while a chain samples, whole at each look, and ends with the image" {
    kiln --preview live.png randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 3 ! cfg 5 ! ddpm ! \
        save out.safetensors &
    pid=$!
    looks=0
    while [ ! -e out.safetensors ] && kill -0 $pid 2>/dev/null; do
        if [ -e live.png ]; then
            kiln load live.png ! crop 56x56 ! save look.png
            looks=$((looks + 1))
        fi
        sleep 0.05
    done
    wait $pid
    echo "$looks looks"
    [ "$looks" -ge 1 ]
    # Four images in two rows, as the last step made them.
    kiln load out.safetensors ! grid 2 gap=0 ! save want.png
    kiln load live.png ! compare want.png
    [ "$(ls -A)" = "$(printf '%s\n' live.png look.png out.safetensors want.png)" ]
}

@test "a preview that cannot be written is said once, and the image comes" {
    run_apart kiln --preview nowhere/live.png randn 1x1x28x28 ! mnist-unet mnist-class ! ddpm 3 ! \
        save out.png
    [ "$status" -eq 0 ] && [ -s out.png ]
    [ "$(grep -c -- '--preview' <<<"$stderr")" -eq 1 ]
}

# hex FILE: its bytes in one line.
hex() {
    od -An -v -tx1 "$1" | tr -d ' \n'
}

@test "animations run for ever, or once" {
    trace=(randn 1x1x28x28 ! mnist-unet mnist-class ! prompt 3 ! trace every=1 ! ddpm 4 ! take trace)
    netscape=21ff0b4e45545343415045322e30  # the extension that says how often
    kiln "${trace[@]}" ! animate forever.gif ms=70
    hex forever.gif | grep -q "${netscape}0301000000"  # 0: for ever
    # Graphics controls, with a delay of 7 hundredths: one for each image of the trace.
    # The start and four steps.
    [ "$(hex forever.gif | grep -o '21f904..0700' | wc -l)" -eq 5 ]
    kiln "${trace[@]}" ! animate once.gif loop=no
    ! hex once.gif | grep -q "$netscape"
    kiln "${trace[@]}" ! animate forever.png
    hex forever.png | grep -q "6163544c0000000500000000"  # acTL: 5 frames; 0 plays: for ever
}
