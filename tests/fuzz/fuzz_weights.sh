#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzzes the readers of weights with clang's libFuzzer, for SECONDS each (180). Run it from the root
# of the tree: tests/fuzz/fuzz_weights.sh [SECONDS]. Not a part of make check.
set -eu
seconds=${1:-180}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
common="host/safetensors.c host/safetensors_write.c host/tensor.c host/error.c host/util.c"
torch="host/torch_file.c host/zip.c host/pickle.c host/pickle_torch.c"
for name in safetensors torch; do
    mkdir "$dir/corpus-$name"
    # shellcheck disable=SC2086
    "${CC:-clang}" -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION \
        ${EXTRA_CFLAGS:-} -Isdk/include "tests/fuzz/fuzz_$name.c" \
        $common $torch -ljansson -lz -lm -lpthread -o "$dir/fuzz_$name"
done
cp tests/golden/torch-*.pt* "$dir/corpus-torch"
for file in tests/golden/torch-*.pt*; do # the pickle alone
    unzip -p "$file" '*/data.pkl' > "$dir/corpus-torch/$(basename "$file").pkl" 2>/dev/null || :
done
for file in tests/golden/*.safetensors; do # the header alone, which ends where the blanks do
    length=$(od -An -tu4 -N4 "$file" | tr -d ' ')
    dd if="$file" bs=1 skip=8 count="$length" of="$dir/corpus-safetensors/$(basename "$file")" \
        2>/dev/null
done
for name in safetensors torch; do
    echo "fuzz_$name, $seconds s"
    "$dir/fuzz_$name" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 \
        -print_final_stats=1 "$dir/corpus-$name" 2>"$dir/log" || {
        tail -n 60 "$dir/log"
        exit 1
    }
    grep -E 'stat::|DONE' "$dir/log"
done
