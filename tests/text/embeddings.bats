#!/usr/bin/env bats
# Prompts that were encoded before: values from every kind of file, and what is said when one is not
# there. The files' values are ramps of quarters (tests/reference/embeddings.py): exact.
# SPDX-License-Identifier: MIT
load ../common
load ../host/host

setup() {
    cd "$BATS_TEST_TMPDIR"
    golden=$top_srcdir/tests/golden
}

# values FILE PROMPT: of its embedding, in one line. "encode" keeps "" too, which may stand first.
values() {
    local i=0
    kiln blank 1x1x1x1 ! prompt "$2" ! embeddings "$1" ! encode ! save out.safetensors
    tensor out.safetensors "cond.$i" | xargs printf '%g ' # of the image's prompt, prompt 0
}

# ramp START: six values.
ramp() {
    awk -v a="$1" 'BEGIN { for (i = 0; i < 6; i++) printf "%g ", a + i / 4 }'
}

@test "a dictionary of torch.save, through a reader that runs nothing" {
    for prompt in "a pencil" "" "a man. wearing a hat"; do
        [ "$(values "$golden/torch-prompts.pth" "$prompt")" = "$(ramp -1)" ]
    done
}

@test "safetensors with any text as a name, in every type of float" {
    bank=$golden/text/prompts.safetensors
    [ "$(values "$bank" "")" = "$(ramp 0)" ]
    [ "$(values "$bank" "a pencil")" = "$(ramp 1)" ]
    [ "$(values "$bank" 'say "cheese"!')" = "$(ramp 2)" ]
    [ "$(values "$bank" "größe 🚀")" = "$(ramp 3)" ]
    [ "$(values "$bank" cond.0)" = "$(ramp 4)" ] # a prompt like any other: this is no State
}

@test "the first axis of 1 goes, the shape is that of the tokens" {
    kiln blank 1x1x1x1 ! embeddings "$golden/torch-prompts.pth" ! encode "a pencil" ! save out.safetensors
    grep -aq '"cond.0":{"dtype":"F32","shape":\[2,3\]' out.safetensors
    grep -aq '"cond.1":{"dtype":"F32","shape":\[2,3\]' out.safetensors
}

@test ".npy is the embedding of the empty prompt" {
    for name in half single fortran; do
        [ "$(values "$golden/text/$name.npy" "")" = "$(ramp -1)" ]
    done
    refuses 1 'no embedding of "a pencil" is in' \
        kiln blank 1x1x1x1 ! embeddings "$golden/text/half.npy" ! encode "a pencil" ! save x.safetensors
    [ ! -e x.safetensors ]
}

@test "a State that 'encode' filled is a bank" {
    kiln blank 1x1x1x1 ! embeddings "$golden/text/prompts.safetensors" ! \
        encode "a pencil" 'say "cheese"!' ! save bank.safetensors
    [ "$(values bank.safetensors "")" = "$(ramp 0)" ]
    [ "$(values bank.safetensors "a pencil")" = "$(ramp 1)" ]
    [ "$(values bank.safetensors 'say "cheese"!')" = "$(ramp 2)" ]
    refuses 1 'no embedding of "cond.0"' \
        kiln blank 1x1x1x1 ! embeddings bank.safetensors ! encode cond.0 ! save x.safetensors
    kiln blank 1x1x1x1 ! save empty.safetensors
    refuses 1 "put 'encode' before 'save'" \
        kiln blank 1x1x1x1 ! embeddings empty.safetensors ! encode ! save x.safetensors
}

@test "a prompt that is not there: the nearest are named, the first first" {
    refuses 1 'no embedding of "A pensil" is in '"$golden"'/torch-prompts.pth; the nearest of 3: "a pencil", ' \
        kiln blank 1x1x1x1 ! embeddings "$golden/torch-prompts.pth" ! encode "A pensil" ! save x.safetensors
    # A long one is cut, and between characters.
    long=$(printf 'ü%.0s' {1..300})
    refuses 1 'no embedding of "üüü' \
        kiln blank 1x1x1x1 ! embeddings "$golden/torch-prompts.pth" ! encode "$long" ! save x.safetensors
    iconv -f UTF-8 -t UTF-8 refuses.err >/dev/null
}

@test "files that hold no embeddings" {
    refuses 1 "no embeddings are in it" \
        kiln blank 1x1x1x1 ! embeddings "$golden/text/none.safetensors" ! encode ! save x.safetensors
    refuses 1 'the embedding of "flat" is not of shape [tokens,width]' \
        kiln blank 1x1x1x1 ! embeddings "$golden/text/prompts.safetensors" ! encode flat ! save x.safetensors
    refuses 1 'byte order of another machine' \
        kiln blank 1x1x1x1 ! embeddings "$golden/text/big.npy" ! encode ! save x.safetensors
    refuses 1 'it holds no floats' \
        kiln blank 1x1x1x1 ! embeddings "$golden/text/whole.npy" ! encode ! save x.safetensors
    refuses 1 'not of shape [tokens,width]' \
        kiln blank 1x1x1x1 ! embeddings "$golden/text/flat.npy" ! encode ! save x.safetensors
    head -c 100 "$golden/text/half.npy" >cut.npy
    refuses 1 'cut.npy: it is cut off' kiln blank 1x1x1x1 ! embeddings cut.npy ! encode ! save x.safetensors
    refuses 1 "no model 'nothing.pth'" kiln blank 1x1x1x1 ! embeddings nothing.pth ! encode ! save x.safetensors
    refuses 1 "torch-legacy.pt: the old format of torch.save" \
        kiln blank 1x1x1x1 ! embeddings "$golden/torch-legacy.pt" ! encode ! save x.safetensors
    [ ! -e x.safetensors ]
}
