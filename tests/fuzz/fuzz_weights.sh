#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzzes the readers of weights and embeddings with clang's libFuzzer, for SECONDS each (180), one
# after the other. Run it from the root of the tree:
#
#     tests/fuzz/fuzz_weights.sh [SECONDS [NAME...]]      NAME: safetensors, torch, npy; none: all
#
# It begins with tests/fuzz/corpus.tar.xz and the golden files. With CORPUS=DIR what it finds is kept in
# DIR/NAME, for the next run. Not a part of make check.
set -eu
seconds=${1:-180}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- safetensors torch npy
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
common="host/safetensors.c host/safetensors_write.c host/tensor.c host/heap.c host/twin*.c host/error.c host/util.c"
common="$common host/torch_file.c host/zip.c host/pickle*.c"

# Files of the right kind, into $dir/seed-NAME.
seed() {
    tar -xJf tests/fuzz/corpus.tar.xz -C "$dir" "$1"
    mv "$dir/$1" "$dir/seed-$1"
    case $1 in
    torch)
        cp tests/golden/torch-*.pt* "$dir/seed-torch"
        for file in tests/golden/torch-*.pt*; do # the pickle alone
            unzip -p "$file" '*/data.pkl' >"$dir/seed-torch/$(basename "$file").pkl" 2>/dev/null || :
        done
        ;;
    safetensors)
        for file in tests/golden/*.safetensors; do # the header alone, which ends where the blanks do
            length=$(od -An -tu4 -N4 "$file" | tr -d ' ')
            dd if="$file" bs=1 skip=8 count="$length" of="$dir/seed-safetensors/$(basename "$file")" \
                2>/dev/null
        done
        ;;
    npy) cp tests/golden/text/*.npy "$dir/seed-npy" ;;
    esac
}

for name; do
    sources=$common
    [ "$name" != npy ] || sources=plugins/text/npy.c
    # shellcheck disable=SC2086
    "${CC:-clang}" -std=c11 -D_GNU_SOURCE= -g -O1 -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION \
        ${EXTRA_CFLAGS:-} -Isdk/include -I. "tests/fuzz/fuzz_$name.c" \
        $sources -ljansson -lz -lm -lpthread -o "$dir/fuzz_$name"
    seed "$name"
    corpus=${CORPUS:-$dir/kept}/$name
    mkdir -p "$corpus"
    echo "fuzz_$name, $seconds s"
    "$dir/fuzz_$name" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=60 \
        -artifact_prefix="$corpus.found-" -print_final_stats=1 "$corpus" "$dir/seed-$name" \
        2>"$dir/log" || {
        tail -n 60 "$dir/log"
        exit 1
    }
    grep -E 'stat::|DONE' "$dir/log"
done
