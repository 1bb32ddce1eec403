# Shared by the tests of the host: `load host` after `load ../common`.
# SPDX-License-Identifier: MIT

# An untrained net, the same bytes in every process: fast, and its values say as much of the host as
# those of a good one.
net=(mnist-unet arch=class hidden=8)

# refuses STATUS TEXT COMMAND...: the command ends with that status and prints one line, with TEXT in
# it, on standard error.
refuses() {
    local want=$1 text=$2 status=0
    shift 2
    "$@" </dev/null >refuses.out 2>refuses.err || status=$?
    printf 'command: %s\nstatus: %s\n' "$*" "$status"
    cat refuses.err
    [ "$status" = "$want" ] && [ "$(wc -l <refuses.err)" = 1 ] && grep -qF -- "$text" refuses.err
}

# The words of the chain. (Not chain=(...): there, bash takes [ x ] for an index.)
chain_is() {
    chain=("$@")
}
chain_add() {
    chain+=("$@")
}

# parts WORD...: the chain's parts between its own "!" (not those in brackets) as part_from, part_to:
# places in the list of words.
parts() {
    local depth=0 i=0 word
    part_from=(0)
    part_to=()
    for word; do
        case $word in
        '[') depth=$((depth + 1)) ;;
        ']') depth=$((depth - 1)) ;;
        '!') [ "$depth" -gt 0 ] || { part_to+=("$i"); part_from+=("$((i + 1))"); } ;;
        esac
        i=$((i + 1))
    done
    part_to+=("$i")
}

# from_part K: part K and all after it, each in a process of its own.
from_part() {
    local k=$1
    local words=("${chain[@]:${part_from[k]}:$((part_to[k] - part_from[k]))}")
    if [ "$((k + 1))" = "${#part_from[@]}" ]; then
        kiln "${words[@]}"
    elif [ "$k" = 0 ]; then
        kiln "${options[@]}" "${words[@]}" | from_part 1
    else
        kiln "${words[@]}" | from_part "$((k + 1))"
    fi
}

# every_cut FILE: runs "chain" with "options" in one process, cut in two at each of its "!", and cut
# at all of them; what lies in FILE afterwards (standard output where no part writes it) must be the
# same bytes each time.
every_cut() {
    local file=$1 k to from
    set -o pipefail
    parts "${chain[@]}"
    rm -f "$file" whole.out
    kiln "${options[@]}" "${chain[@]}" >out
    [ -e "$file" ] || cp out "$file"
    mv "$file" whole.out
    [ -s whole.out ]
    for k in $(seq 1 $((${#part_from[@]} - 1))); do
        to=${part_to[k - 1]} from=${part_from[k]}
        kiln "${options[@]}" "${chain[@]:0:to}" | kiln "${chain[@]:from}" >out
        [ -e "$file" ] || cp out "$file"
        cmp "$file" whole.out || { echo "cut before: ${chain[*]:from}"; return 1; }
        rm "$file"
    done
    from_part 0 >out
    [ -e "$file" ] || cp out "$file"
    cmp "$file" whole.out || { echo "cut everywhere: ${chain[*]}"; return 1; }
    rm "$file"
}

# bytes_of N: as 8 bytes, little-endian.
bytes_of() {
    local n=$1 i
    for i in 1 2 3 4 5 6 7 8; do
        printf "\\x$(printf %02x $((n & 255)))"
        n=$((n >> 8))
    done
}

# image_of FILE: the bytes of a State's image.
image_of() {
    local size from to
    size=$(od -An -N8 -tu8 "$1" | tr -d ' ')
    read -r from to < <(head -c $((8 + size)) "$1" | tail -c "$size" |
        sed -n 's/.*"image":{[^}]*"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/p' && echo)
    [ -n "$to" ] || return 1
    dd if="$1" iflag=skip_bytes,count_bytes skip=$((8 + size + from)) count=$((to - from)) status=none
}

# same_image FILE FILE: of two States, bit for bit.
same_image() {
    image_of "$1" >same_image.1 && image_of "$2" >same_image.2
    [ -s same_image.1 ] && cmp same_image.1 same_image.2
}

# draws SHAPE...: a file of random numbers as --rng FILE takes them, each shape as N,C,H,W.
draws() {
    local header='' at=0 k=0 shape n
    for shape; do
        n=$((${shape//,/*} * 4))
        header+=${header:+,}$(printf '"draw.%06d":{"dtype":"F32","shape":[%s],"data_offsets":[%d,%d]}' \
            "$k" "$shape" "$at" "$((at + n))")
        at=$((at + n)) k=$((k + 1))
    done
    header="{$header}"
    bytes_of ${#header}
    printf %s "$header"
    kiln -s 1 randn "1x1x1x$((at / 4))" >draws.st
    image_of draws.st
}

sanitized() {
    grep -q __asan_init "$(command -v kiln)"
}

# little_memory: 4 GB of address space at most; a sanitizer needs more than that for itself, and so
# do many threads.
little_memory() {
    export KILN_THREADS=2
    sanitized || ulimit -v 4000000
}

# plugin NAME [OPTION...] <SOURCE: NAME.so in the folder "plugins", compiled with nothing but the SDK.
plugin() {
    local name=$1
    shift
    mkdir -p plugins
    cat >"$name.c"
    ${CC:-cc} -std=c11 -O1 -fPIC -shared -fvisibility=hidden -I"$top_srcdir/sdk/include" "$@" \
        -o "plugins/$name.so" "$name.c" -lm
}
