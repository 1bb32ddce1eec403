# Shared by the tests of if-unet: `load if` after `load ../common`.
# SPDX-License-Identifier: MIT

# build_random_if: the program random_if, for the tests of one file; in setup_file.
build_random_if() {
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 -I"$top_srcdir" -o "$BATS_FILE_TMPDIR/random_if" \
        "$top_srcdir/tests/if/random_if.c" "$top_srcdir/tests/if/nets.c" -lm
    export PATH=$BATS_FILE_TMPDIR:$PATH
}

# pick FILE TENSOR OUT [NAME]: an F32 tensor of a safetensors file as the only one of another, as NAME.
pick() {
    local size shape from to header
    size=$(od -An -N8 -tu8 "$1" | tr -d ' ')
    read -r shape from to <<<"$(tail -c +9 "$1" | head -c "$size" |
        sed -n 's/.*"'"$2"'":{"dtype":"F32","shape":\[\([0-9,]*\)\],"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2 \3/p')"
    [ -n "$to" ] || return 1
    header="{\"${4-image}\":{\"dtype\":\"F32\",\"shape\":[$shape],\"data_offsets\":[0,$((to - from))]}}"
    {
        printf '%b' "$(printf '\\x%02x\\x%02x\\0\\0\\0\\0\\0\\0' $((${#header} & 255)) $((${#header} >> 8)))"
        printf '%s' "$header"
        tail -c +$((9 + size + from)) "$1" | head -c $((to - from))
    } >"$3"
}

# within LIMIT GOT WANT [FROM TO]: the image in a State file is the F32 tensor in another, one that pick
# made, within LIMIT of that one's largest value, or of 1; of GOT the values FROM to TO alone.
within() {
    local from=${4-1} to=${5-$}
    paste <(tensor "$2" image | sed -n "$from,${to}p") <(tensor "$3" image) | awk -v limit="$1" '
        function size(v) { return v < 0 ? -v : v }
        NF != 2 { bad++ }
        { d = size($1 - $2); if (!(d <= most)) most = d; if (size($2) > largest) largest = size($2) }
        END {
            if (largest < 1) largest = 1
            printf "off by %.2e of %.3g, %d values\n", most / largest, largest, NR
            exit bad || !NR || !(most <= limit * largest)
        }'
}
