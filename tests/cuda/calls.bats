#!/usr/bin/env bats
# What a call of a net asks of a GPU, those of DeepFloyd IF at their real sizes (scripts/cuda-calls): launches do
# not grow unseen, and half precision reaches the kernels that are made for it.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    [ -e "$top_builddir/tests/cuda/kiln-cuda-emulated.so" ] || skip "no C++ compiler"
    cd "$BATS_TEST_TMPDIR" || return
}

# calls MOST NET: no more launches than that.
calls() {
    BUILD=$top_builddir "$top_srcdir/scripts/cuda-calls" "$2" >table
    grep '| all |' table
    [ "$(awk -F '|' '$2 == " all " { print $4 + 0 }' table)" -le "$1" ]
}

@test "launches of a call of IF-I-M and IF-II-M, and of the net of digits" {
    calls 363 IF-I-M
    calls 381 IF-II-M
    calls 41 mnist-class
}

@test "products and attention of a call in half precision are those on the matrix units" {
    BUILD=$top_builddir "$top_srcdir/scripts/cuda-calls" --list IF-I-M >list
    # All but the first convolution, of three channels.
    awk -F '\t' '$1 ~ /^(conv|linears?)$/ && $5 !~ /pipelined_[a-z]*<f16,f16,f16/' list >others
    cat others
    [ "$(wc -l <others)" -le 1 ]
    [ "$(grep -c '^attention.*attention_half_kernel<f16>' list)" = "$(grep -c '^attention' list)" ]
    # Maps are of float nowhere but where an image becomes one, which samplers combine with others.
    [ "$(grep -v '^to_n\|^combine' list | grep -c '<float')" = 0 ]
    # The net of digits: but for the image, and what is made of a number or of ten.
    BUILD=$top_builddir "$top_srcdir/scripts/cuda-calls" --list mnist-class >list
    awk -F '\t' '$1 ~ /^(conv|linear)$/ && $5 !~ /pipelined_[a-z]*<f16,f16,f16/' list >others
    cat others
    [ "$(grep -c '^conv' others) $(grep -c '^linear' others)" = "1 4" ]
    [ "$(grep -v '^combine' list | grep -c '<float')" = 0 ]
}

@test "launches of a step of a training: 243, two of them Adam for 86 tensors" {
    KILN_EMULATED_LISTING=list KILN_CUDA_BACKEND=$top_builddir/tests/cuda/kiln-cuda-emulated.so \
        kiln -d cuda digits train images=0:384 ! mnist-unet arch=class ! \
        train w.safetensors epochs=1 batch=128 >/dev/null
    [ "$(cut -f 5 list | wc -w)" -le 243 ]
    [ "$(grep -c '^adams' list)" = 2 ] # of 64 tensors, and the rest
    # Under bf16 maps are, too, and all products but those of one channel or ten on the matrix units.
    rm -f w.safetensors*
    KILN_EMULATED_LISTING=list KILN_CUDA_BACKEND=$top_builddir/tests/cuda/kiln-cuda-emulated.so \
        kiln -d cuda --precision bf16 digits train images=0:384 ! mnist-unet arch=class ! \
        train w.safetensors epochs=1 batch=128 >/dev/null
    [ "$(cut -f 5 list | wc -w)" -le 246 ]
    grep '<float' list | grep -v '^combine\|^packs' && false
    awk -F '\t' '$1 ~ /^(conv|linear)/ && $5 !~ /pipelined_[a-z]*<bf16,bf16/' list >others
    cat others
    [ "$(wc -l <others)" -le 12 ]
}
