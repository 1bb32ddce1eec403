# Shared by the tests of the illusions: `load illusions` after `load ../common`.
# SPDX-License-Identifier: MIT

class=(mnist-unet mnist-class)

# built NAME FILE: the plugin NAME, of one C file, for the tests of one file: see KILN_PLUGINS.
built() {
    mkdir -p "$BATS_FILE_TMPDIR/plugins"
    ${CC:-cc} -std=c11 -O2 -fPIC -shared -fvisibility=hidden -I"$top_srcdir/sdk/include" \
        -o "$BATS_FILE_TMPDIR/plugins/$1.so" "$2" -lm
}

# equal LIMIT FILE FILE: the images of two files.
equal() {
    kiln load "$2" ! compare "$3" limit="$1"
}

differ() {
    run kiln load "$2" ! compare "$3" limit="$1"
    [ "$status" = 1 ] && [[ $output == *"is beyond the limit"* ]]
}

# far FILE FILE: the mean squared difference of their images.
far() {
    kiln load "$1" ! compare "$2" metric=mse limit=1e30 2>&1 | awk '{ print $NF }'
}

# less A B [FACTOR]: A < FACTOR B.
less() {
    echo "$1 < ${3:-1} * $2"
    awk -v a="$1" -v b="$2" -v f="${3:-1}" 'BEGIN { exit !(a < f * b) }'
}

# refused TEXT CHAIN…: with status 1, and TEXT in the one line on standard error.
refused() {
    local text=$1
    shift
    run kiln "$@" 2>&1 >/dev/null
    echo "$status: $output"
    [ "$status" = 1 ] && [ "${#lines[@]}" = 1 ] && [[ $output == *"$text"* ]]
}
