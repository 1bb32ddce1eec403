# For bats files: `load ../common` (from tests/AREA/). Gives
#   top_srcdir, top_builddir   of `make check`; by hand: this tree, and _build in it
#   kiln                       the program that was built, found in PATH first
#   run_apart COMMAND...       as run, but output is standard output alone, and stderr the other
#   tensor FILE NAME           the values of an F32 tensor of the first document, a line each
# and takes over neither the caller's KILN_* nor plugins and models that the caller installed.
# SPDX-License-Identifier: MIT
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${top_srcdir:=$here}"
: "${top_builddir:=$here/_build}"
export top_srcdir top_builddir
PATH=$top_builddir:$PATH
if [ -n "${run_tap_folder:-}" ] && [ "$BATS_FILE_TMPDIR" = "$run_tap_folder" ]; then
    BATS_TEST_TMPDIR=$(mktemp -d "$run_tap_folder/test.XXXXXX")
fi
unset "${!KILN_@}"
export XDG_DATA_HOME=/nonexistent

run_apart() {
    local said
    said=$(mktemp "$BATS_TEST_TMPDIR/stderr.XXXXXX")
    status=0
    output=$("$@" 2>"$said") || status=$?
    stderr=$(cat "$said")
    rm "$said"
}

tensor() {
    local size header from to
    size=$(od -An -N8 -tu8 "$1" | tr -d ' ')
    header=$(head -c $((8 + size)) "$1" | tail -c "$size")
    read -r from to < <(sed -n \
        's/.*"'"$2"'":{[^}]*"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/p' <<<"$header")
    [ -n "$to" ] || return 1
    od -An -v -w4 -tf4 -j $((8 + size + from)) -N $((to - from)) "$1"
}
