#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
load ../common

# What bash would offer for the words typed so far.
offers() {
    COMP_LINE=$1
    COMP_POINT=${#1}
    COMPREPLY=()
    _kiln
    echo "${COMPREPLY[*]}"
}

@test "bash: verbs, options, nodes, parameters and values where they belong" {
    cd "$BATS_TEST_TMPDIR"
    kiln completion bash >script
    bash -n script
    source ./script
    [ "$(offers 'kiln recip')" = recipe ]
    [ "$(offers 'kiln --see')" = --seed ]
    [[ " $(offers 'kiln -s 3 ra') " == *" randn "* ]]
    [ -z "$(offers 'kiln -s ra')" ] # the value of an option
    [ "$(offers 'kiln load a.png ! resi')" = resize ]
    [ "$(offers 'kiln load a.png ! resize fi')" = filter= ]
    [[ "$(offers 'kiln load a.png ! resize filter=bi')" == *bicubic*bilinear* ]]
    [ "$(offers 'kiln load a.png ! resize antialias=y')" = yes ]
    [ "$(offers 'kiln load a.png ! hstack [ resize anti')" = antialias= ]
    [ "$(offers 'kiln load a.png ! hstack [ resize 3 ] ga')" = gap= ]
    [ "$(offers 'kiln completion f')" = fish ]
    [ "$(offers 'kiln list sam')" = sampler ]
    [ -z "$(offers 'kiln new --js')" ]
    [ "$(offers 'kiln run x.png ! sav')" = save ]
    [[ " $(offers 'kiln help opti') " == *" options "* ]]
}

@test "zsh: the script parses, and finds the node of a word" {
    command -v zsh || skip
    cd "$BATS_TEST_TMPDIR"
    kiln completion zsh >_kiln
    zsh -n _kiln
    run zsh -fc 'compdef() { :; }; source ./_kiln
        _kiln_place load a ! hstack [ resize 3
        _kiln_place load a ! hstack [ resize 3 ]
        _kiln_place -s 3
        _kiln_place run x !
        _kiln_values resize.filter'
    [ "$status" -eq 0 ]
    [ "$output" = $'node-resize\nnode-hstack\nfirst\nname\nbicubic bilinear lanczos area nearest' ]
}

@test "fish: offers the same" {
    command -v fish || skip
    cd "$BATS_TEST_TMPDIR"
    kiln completion fish >script.fish
    fish -n script.fish
    offer() { HOME=$BATS_TEST_TMPDIR fish -c "source script.fish; complete -C '$1'" | cut -f1; }
    [ "$(offer 'kiln recip')" = recipe ]
    [ "$(offer 'kiln load a ! resi')" = resize ]
    [ "$(offer 'kiln load a ! resize fi')" = "$(printf 'filter=\nfilter=area\nfilter=bicubic\nfilter=bilinear\nfilter=lanczos\nfilter=nearest')" ]
    [ "$(offer 'kiln load a ! hstack [ resize 3 ] ga')" = gap= ]
}

@test "other shells are refused" {
    run kiln completion csh
    [ "$status" -eq 2 ]
    run kiln completion
    [ "$status" -eq 2 ]
}
