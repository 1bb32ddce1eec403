#!/usr/bin/env bats
# help, list, version.
# SPDX-License-Identifier: MIT
load ../common
load ../if/if

# Fails when the command does not; "!" alone would not end a test.
none() {
    if "$@"; then return 1; fi
}

nodes() { kiln list | sed -n 's/^  \([a-z0-9-]\+\)  .*/\1/p' | sort -u; }

@test "help without a name names every verb and topic, and where to go next" {
    run kiln help
    [ "$status" -eq 0 ]
    for word in help list inspect recipe run new check version completion \
        'kiln help chain' 'kiln help pipe' 'kiln help prompt' 'kiln help range' \
        'kiln help errors' 'kiln help options' 'kiln list'; do
        [[ $output == *"$word"* ]]
    done
    [ "$(kiln --help)" = "$output" ]
}

@test "no page is wider than 80 columns" {
    for page in $(nodes) chain pipe prompt range errors options list inspect recipe run new check \
        version completion; do
        # The last line of a node says where its file is.
        wide=$(kiln help "$page" | grep -v '^From \|^  /' | LC_ALL=C.UTF-8 grep -E '^.{81,}') || continue
        echo "$page: $wide"
        false
    done
    none env LC_ALL=C.UTF-8 grep -E '^.{81,}' <<<"$(kiln help)"
}

@test "a page shows kind, parameters with type, default, choices, and the example" {
    run kiln help resize
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == "resize (filter): "* ]]
    [[ $output == *"resize SIZE [filter=ENUM] [antialias=BOOL]"* ]]
    [[ $output =~ '*size'\ +ints\ +required ]]
    [[ $output =~ ' filter'\ +enum\ +bicubic ]]
    [[ $output == *"bicubic, bilinear, lanczos, area, nearest"* ]]
    [[ $output =~ antialias\ +bool\ +yes ]]
    [[ $output == *"kiln load cat.png ! resize"* ]]
    [ "$(kiln resize --help)" = "$output" ]
    [ "$(kiln help org.kiln.filters:resize)" = "$output" ]
}

@test "a node that is two things says so, and lists take all that is left" {
    [[ $(kiln help randn) == "randn (source or filter): "* ]]
    [[ $(kiln help prompt) == *"prompt TEXT…"* ]]
}

@test "a topic that is also a node comes with both" {
    run kiln help range
    [[ $output == *"range (filter): "*"range: value ranges"* ]]
}

@test "an unknown name is answered with the nearest one, status 2" {
    run kiln help rezise
    [ "$status" -eq 2 ]
    [ "$output" = "kiln: help: nothing is called 'rezise': did you mean 'resize'?" ]
    run kiln help optoins
    [[ $output == *"did you mean 'options'?" ]]
    run kiln help xxxxxxxxxx
    [ "$status" -eq 2 ]
    [[ $output == *"no node 'xxxxxxxxxx'"* ]]
    run kiln help blur flip
    [ "$status" -eq 2 ]
}

# The example of a page as one line of shell.
example() {
    kiln help "$1" | sed -n '/^Example$/,/^$/p' | sed '1d; $d' | sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' -e 's/^ *//'
}

@test "every page has an example that passes the checks of a dry run" {
    cd "$BATS_TEST_TMPDIR"
    ln -s "$top_srcdir/share" share
    cp share/photos/cat.png .
    # Nets of the right kind, small.
    for arch in class time; do
        cp "$top_srcdir"/tests/golden/mnist-weights-$arch.safetensors mnist-$arch.safetensors
    done
    cp "$top_srcdir"/tests/golden/mnist-weights-plain.safetensors mnist-denoiser.safetensors
    echo $'step\tloss\n1\t0.5\n2\t0.25' >log.tsv
    cp "$top_srcdir"/tests/golden/torch-prompts.pth prompts.pth
    build_random_if
    random_if tiny-I IF-I-L
    cp -r "$top_srcdir"/tests/golden/t5/* IF-I-L
    export KILN_MODELS=.
    for name in $(nodes); do
        line=$(example "$name")
        echo "$line"
        [[ $line == "kiln "* ]]
        # The tokenizer's library need not be there.
        if [[ $line == *" t5 "* ]] && ! kiln --dry-run blank 1x1x1x1 ! t5 IF-I-L >/dev/null 2>why &&
            grep -q 'without SentencePiece' why; then
            continue
        fi
        bash -c "kiln --dry-run ${line#kiln }" >/dev/null </dev/null
    done
}

@test "list groups nodes by kind" {
    run kiln list
    [ "$status" -eq 0 ]
    for kind in sources filters predictors combinators hooks samplers trainers sinks; do
        [[ $'\n'$output == *$'\n'"$kind"$'\n'* ]]
    done
    run kiln list sampler
    [ "${lines[0]}" = samplers ]
    [[ $output == *"  ddpm "* ]]
    [[ $output != *"  blur "* ]]
    [ "$(kiln list samplers)" = "$output" ]
}

@test "list says which kinds there are" {
    run kiln list nosuch
    [ "$status" -eq 2 ]
    [[ $output == *"no kind 'nosuch': source, filter"* ]]
    run kiln list --wrong
    [ "$status" -eq 2 ]
}

@test "list --json has every node with its parameters" {
    kiln list --json >"$BATS_TEST_TMPDIR/list.json"
    [ "$(grep -c '^    "name": ' "$BATS_TEST_TMPDIR/list.json")" -eq "$(nodes | wc -l)" ]
    grep -A100 '"name": "resize"' "$BATS_TEST_TMPDIR/list.json" | grep -q '"default": "bicubic"'
}

@test "list names plugins that cannot be used, and goes on" {
    mkdir "$BATS_TEST_TMPDIR/p"
    echo 'not an object' >"$BATS_TEST_TMPDIR/p/broken.so"
    run kiln -P "$BATS_TEST_TMPDIR/p" list
    [ "$status" -eq 0 ]
    [[ $output == *"kiln: list: "*"broken.so: "* ]]
    [[ $output == *"  resize "* ]]
}

@test "version" {
    [[ $(kiln version) =~ ^kiln\ [0-9.]+,\ SDK\ 1\.0\.\.1\.[0-9]+$ ]]
    [ "$(kiln -V)" = "$(kiln version)" ]
    run kiln version -v
    [ "$status" -eq 0 ]
    for word in device plugins 'models' libraries libpng zlib jansson; do
        [[ $output == *"$word"* ]]
    done
    [[ $(KILN_CPU=ref kiln version -v) == *" ref, "* ]]
    run kiln version 1
    [ "$status" -eq 2 ]
}

@test "a full disk is an error, a closed pipe ends silently" {
    [ -w /dev/full ] || skip
    run bash -c 'kiln list >/dev/full'
    [ "$status" -eq 1 ]
    [[ $output == *"cannot write to standard output"* ]]
    cd "$BATS_TEST_TMPDIR"
    run bash -c 'kiln list --json 2>err | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}; cat err'
    [[ $output == 141 || $output == 0 ]]
}
