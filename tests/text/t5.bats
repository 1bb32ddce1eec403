#!/usr/bin/env bats
# The T5 encoder against transformers, on a small one (tests/reference/t5.py), in the three layouts
# that people have.
#
# Tolerance: 5e-5 of the largest value: some dozens of sums in single precision, in another order.
# SPDX-License-Identifier: MIT
load ../common
load ../host/host

setup() {
    cd "$BATS_TEST_TMPDIR"
    golden=$top_srcdir/tests/golden
    kiln --dry-run blank 1x1x1x1 ! t5 "$golden/t5" ! show >/dev/null 2>why ||
        { grep -q 'without SentencePiece' why && skip "built without SentencePiece"; }
}

# encoder NAME: one of the golden encoders with the tokenizer beside its weights, as NAME.
encoder() {
    mkdir "$1"
    cp "$golden/t5/$1"/* "$1"
    cp "$golden/t5/tokenizer/spiece.model" "$1"
}

# close_to FILE ENCODER PROMPT: its embedding is that of the golden bank FILE.
close_to() {
    kiln blank 1x1x1x1 ! prompt "$3" ! embeddings "$golden/$1" ! encode ! save want.safetensors
    kiln blank 1x1x1x1 ! prompt "$3" ! t5 "$2" ! encode ! save have.safetensors
    paste <(tensor want.safetensors cond.0) <(tensor have.safetensors cond.0) | awk -v what="$3" '
        function abs(x) { return x < 0 ? -x : x }
        NF != 2 { exit 1 }
        { n++; d = abs($1 - $2); worst = d > worst ? d : worst; m = abs($1) > m ? abs($1) : m }
        END { printf "\"%s\": %d values, %g of %g\n", what, n, worst, m
              exit !(n == 77 * 32 && m > 0.1 && worst <= 5e-5 * m) }'
}

@test "single precision, a pipeline's folder, on every instruction set" {
    for cpu in ref avx2 avx512 amx; do
        export KILN_CPU=$cpu
        for prompt in "" "a pencil" "an oil painting of a snowy mountain village" "日本日本" \
            "$(printf 'a rocket ship %.0s' {1..40} | sed 's/ $//')"; do
            close_to t5-single.safetensors "$golden/t5" "$prompt"
        done
    done
}

@test "half precision in shards: activations beyond what a half holds" {
    encoder half
    for cpu in ref amx; do
        export KILN_CPU=$cpu
        close_to t5-half.safetensors half ""
        close_to t5-half.safetensors half "a man wearing a hat"
    done
}

@test "bfloat16, the tokenizer beside the encoder's folder, the model by its name" {
    mkdir -p models/net/text_encoder models/net/tokenizer
    cp "$golden/t5/brain"/* models/net/text_encoder
    cp "$golden/t5/tokenizer/spiece.model" models/net/tokenizer
    export KILN_MODELS=models
    close_to t5-brain.safetensors net "a dog"
    close_to t5-brain.safetensors models/net/text_encoder ""
}

@test "prompts are lowered and stripped" {
    kiln blank 1x1x1x1 ! t5 "$golden/t5" ! encode "  A GRÖẞE Pencil" "a größe pencil" ! save a.safetensors
    # "" is kept as well, last
    cmp <(tensor a.safetensors cond.0) <(tensor a.safetensors cond.1)
    ! cmp -s <(tensor a.safetensors cond.0) <(tensor a.safetensors cond.2) || false
}

@test "clean=yes cleans prompts as captions" {
    kiln blank 1x1x1x1 ! t5 "$golden/t5" clean=yes ! encode "a <b>pencil</b> @me img_1.jpg" "a pencil" ! \
        save a.safetensors
    cmp <(tensor a.safetensors cond.0) <(tensor a.safetensors cond.1)
}

@test "each prompt has the bits that it has alone, whatever the threads" {
    prompts=("a pencil" "a man" "" "a rocket ship")
    kiln -j 3 blank 1x1x1x1 ! t5 "$golden/t5" ! encode "${prompts[@]}" ! save all.safetensors
    for i in 0 1 3; do
        kiln -j 1 blank 1x1x1x1 ! t5 "$golden/t5" ! encode "${prompts[i]}" ! save one.safetensors
        cmp <(tensor all.safetensors "cond.$i") <(tensor one.safetensors cond.0)
    done
}

@test "a prompt that is too long is cut with a warning" {
    kiln blank 1x1x1x1 ! t5 "$golden/t5" ! encode "$(printf 'a man %.0s' {1..80})" ! \
        save a.safetensors 2>err
    grep -q 'tokens of "a man .*" are beyond the 77 that count' err
}

# broken TEXT: what the folder "broken" is refused with.
broken() {
    refuses 1 "$1" kiln blank 1x1x1x1 ! t5 broken ! encode a ! save x.safetensors
    rm -r broken
    cp -r "$golden/t5" broken
    [ ! -e x.safetensors ]
}

@test "folders that do not fit together" {
    mkdir -p broken/unet # as people have of a net whose text encoder they did not fetch
    touch broken/{model_index.json,unet/config.json}
    broken "t5: broken: neither a pipeline's folder nor its text_encoder/, with a config.json"
    # which puts a good one in its place
    sed -i 's/"d_ff": 56/"d_ff": 57/' broken/text_encoder/config.json
    broken "DenseReluDense.wi_0.weight' is [56,32], but config.json says [57,32]"
    sed -i 's/"num_layers": 3/"num_layers": 4/' broken/text_encoder/config.json
    broken "tensor 'encoder.block.3.layer.0.layer_norm.weight' is missing"
    sed -i 's/"num_layers": 3/"num_layers": 2/' broken/text_encoder/config.json
    broken "' is none of an encoder of 2 layers"
    sed -i 's/"gated-gelu"/"relu"/' broken/text_encoder/config.json
    broken "'feed_forward_proj' is 'relu': only T5 v1.1"
    sed -i '/"d_model"/d' broken/text_encoder/config.json
    broken "broken/text_encoder: config.json: 'd_model' is missing"
    sed -i 's/"num_heads": 5/"num_heads": "many"/' broken/text_encoder/config.json
    broken "'num_heads' is not a whole number"
    rm broken/text_encoder/*.safetensors
    broken "broken/text_encoder: no weights are beside config.json: model.safetensors or"
    mv broken/tokenizer/spiece.model broken/tokenizer/tokenizer.json
    broken "no tokenizer: it wants spiece.model there or in tokenizer/; tokenizer.json does not do"
    rm -r broken/tokenizer
    broken "no tokenizer"
    head -c 1000 "$golden/t5/tokenizer/spiece.model" >broken/tokenizer/spiece.model
    broken "spiece.model: it is no SentencePiece model"
    head -c 100000 "$golden/t5/text_encoder/model.safetensors" >broken/text_encoder/model.safetensors
    broken "truncated"
    refuses 1 "no model 'nothing'" kiln blank 1x1x1x1 ! t5 nothing ! encode a ! save x.safetensors
}
