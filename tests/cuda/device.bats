#!/usr/bin/env bats
# --device cuda says in one line what is missing, whatever that is; nothing else needs it.
# SPDX-License-Identifier: MIT
load ../common

@test "without a backend, --device cuda says so" {
    KILN_CUDA_BACKEND=$BATS_TEST_TMPDIR/none.so run_apart kiln -d cuda randn 1x1x8x8
    [ "$status" = 2 ]
    [ "$(wc -l <<<"$stderr")" = 1 ]
    [[ $stderr == "kiln: --device cuda: the CUDA backend: "*none.so* ]]
}

@test "a shared object that is no backend is named" {
    run env KILN_CUDA_BACKEND="$top_builddir/plugins/cfg.so" "$top_builddir/kiln" -d cuda:1 list
    [ "$status" = 2 ]
    [[ $output == "kiln: --device cuda:1: "*cfg.so" is of another version of kiln" ]]
}

@test "a device that is none is refused" {
    for name in cuda: cuda:x cuda:-1 cuda0 gpu; do
        run kiln -d "$name" list
        [ "$status" = 2 ]
        [[ $output == *"--device: wants cpu or cuda[:N], not '$name'" ]]
    done
}

@test "KILN_DEVICE is the option" {
    KILN_DEVICE=cpu run kiln version
    [ "$status" = 0 ]
    KILN_DEVICE=tpu run kiln version
    [ "$status" = 2 ]
}

@test "version -v tells of GPUs, or why there are none" {
    KILN_CUDA_BACKEND=$BATS_TEST_TMPDIR/none.so run kiln version -v
    [ "$status" = 0 ]
    [[ $output == *"no GPU: the CUDA backend: "* ]]
}

@test "check-gpu says in one line what is missing" {
    run env BUILD="$BATS_TEST_TMPDIR/none" "$top_srcdir/scripts/check-gpu"
    [ "$status" = 2 ]
    [ "$output" = "check-gpu: no build in '$BATS_TEST_TMPDIR/none': BUILD names its folder" ]
    [ -x "$top_builddir/tests/cuda/device_ref" ] || skip "no C++ compiler"
    run env BUILD="$top_builddir" KILN_CUDA_BACKEND="$BATS_TEST_TMPDIR/none.so" \
        "$top_srcdir/scripts/check-gpu"
    [ "$status" = 2 ]
    [ "${#lines[@]}" = 1 ]
    : >"$BATS_TEST_TMPDIR/none.so"
    run env BUILD="$top_builddir" KILN_CUDA_BACKEND="$BATS_TEST_TMPDIR/none.so" \
        "$top_srcdir/scripts/check-gpu"
    [ "$status" = 2 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == "check-gpu: --device cuda: the CUDA backend: "* ]]
}
