#!/usr/bin/env bats
# scripts/fetch-weights, with a client in PATH that takes the hub's part.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
    fetch=$top_srcdir/scripts/fetch-weights
    mkdir bin hub
    mkdir -p hub/unet hub/text_encoder
    cp "$top_srcdir/tests/golden/text/prompts.safetensors" hub/unet/diffusion_pytorch_model.fp16.safetensors
    cp "$top_srcdir"/tests/golden/t5/half/* hub/text_encoder
    # Gets what the patterns name, and notes how it was called.
    cat >bin/hf <<'END'
#!/bin/bash
[ "$1" != version ] || { echo "huggingface_hub version: 0.36.2"; exit; }
printf '%s\n' "$@" >"$HUB.called"
[ ! -e "$HUB.refuses" ] || exit 1
shift 2
while [ $# -gt 0 ]; do
    case $1 in
    --include) list=1 ;;
    --local-dir) list='' dir=$2 ;;
    *) [ -z "$list" ] || patterns+=("$1") ;;
    esac
    shift
done
cd "$HUB"
for pattern in "${patterns[@]}"; do
    for file in $pattern; do
        [ ! -e "$file" ] || { mkdir -p "$OLDPWD/$dir/$(dirname "$file")" && cp "$file" "$OLDPWD/$dir/$file"; }
    done
done
END
    chmod +x bin/hf
    PATH=$PWD/bin:$PATH
    export HUB=$PWD/hub
}

@test "says what, from where and how much before it begins, and asks" {
    run "$fetch" IF-I-L </dev/null
    [ "$status" -eq 1 ]
    [[ $output == *"https://huggingface.co/DeepFloyd/IF-I-L-v1.0"* ]]
    [[ $output == *"about 1872 MB"* ]]
    [[ $output == *"licence"*"nothing was downloaded"* ]]
    [ ! -e hub.called ]
}

@test "gets the half precision files of the net, or of the text encoder too" {
    "$fetch" --yes IF-I-M net
    grep -qx DeepFloyd/IF-I-M-v1.0 hub.called
    [ -e net/unet/diffusion_pytorch_model.fp16.safetensors ]
    [ ! -e net/text_encoder ]
    run "$fetch" --yes --text IF-I-XL net
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"about 18135 MB"*"text_encoder: 3 file(s), complete"* ]]
    run "$fetch" --yes t5
    [ "$status" -eq 0 ]
    [ -e t5/text_encoder/model.safetensors.index.fp16.json ]
    [ ! -e t5/unet ]
}

@test "a file that is cut off, or a shard that is missing, is found" {
    head -c 500 hub/unet/diffusion_pytorch_model.fp16.safetensors >cut
    mv cut hub/unet/diffusion_pytorch_model.fp16.safetensors
    run "$fetch" --yes IF-II-M net
    [ "$status" -eq 1 ]
    [[ $output == *"has 500 bytes, its header says "* ]]
    rm hub/text_encoder/model.fp16-00002-of-00003.safetensors
    run "$fetch" --yes t5 enc
    [ "$status" -eq 1 ]
    [[ $output == *"model.fp16-00002-of-00003.safetensors, which "*" is missing"* ]]
}

@test "without the licence, and with a wrong line, it says so" {
    touch hub.refuses
    run "$fetch" --yes IF-I-M
    [ "$status" -eq 1 ]
    [[ $output == *"the licence accepted on https://huggingface.co/DeepFloyd/IF-I-M-v1.0"* ]]
    run "$fetch" --yes IF-III
    [ "$status" -eq 2 ]
    run "$fetch" --bogus IF-I-M
    [ "$status" -eq 2 ]
    run "$fetch"
    [ "$status" -eq 2 ]
}

@test "a client that throws part of a file away gives way to one of its own" {
    mkdir -p own/bin
    sed 's/"\$HUB.called"/"$HUB.called.own"/' bin/hf >own/bin/hf
    chmod +x own/bin/hf
    export KILN_HF_VENV=$PWD/own
    "$fetch" --yes IF-I-M net
    [ ! -e hub.called.own ]
    sed -i 's/version: 0.36.2/version: 1.10.2/' bin/hf
    "$fetch" --yes IF-I-M net
    [ -e hub.called.own ]
}
