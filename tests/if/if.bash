# Shared by the tests of if-unet: `load if` after `load ../common`.
# SPDX-License-Identifier: MIT

# build_random_if: the program random_if, for the tests of one file; in setup_file.
build_random_if() {
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 -I"$top_srcdir" -o "$BATS_FILE_TMPDIR/random_if" \
        "$top_srcdir/tests/if/random_if.c" "$top_srcdir/tests/if/nets.c" -lm
    export PATH=$BATS_FILE_TMPDIR:$PATH
}
