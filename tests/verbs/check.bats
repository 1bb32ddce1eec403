#!/usr/bin/env bats
# check finds each of the faults that bad.c can have.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# Fails when the command does not; "!" alone would not end a test.
none() {
    if "$@"; then return 1; fi
}

build() {
    ${CC:-cc} -std=c11 -O1 -fPIC -shared -fvisibility=hidden -DFAULT="$1" -w \
        -I"$top_srcdir/sdk/include" -o bad.so "$top_srcdir/tests/verbs/bad.c" -lm
}

# finds FAULT PATTERN: status 1 and a line FAIL that matches.
finds() {
    build "$1"
    run kiln check bad.so
    echo "$output"
    [ "$status" -eq 1 ]
    grep -q "^FAIL  .*$2" <<<"$output"
}

@test "a good plugin passes" {
    build GOOD
    run kiln check bad.so
    echo "$output"
    [ "$status" -eq 0 ]
    none grep FAIL <<<"$output"
    grep -q '^ok    bad.so: load: org.example.bad 1, SDK 1.0$' <<<"$output"
    grep -q '^ok    bad: threads: ' <<<"$output"
    grep -q '^note  bad: can be a view$' <<<"$output"
}

@test "results that depend on earlier calls" { finds REMEMBERS 'again: another result'; }
@test "an input that is written to" { finds WRITES_INPUT 'input: was written to'; }
@test "rows that depend on each other" { finds MIXES_ROWS 'rows: an image alone'; }
@test "NaN" { finds GIVES_NAN 'values: not all are finite'; }
@test "a crash on an odd size" { finds CRASHES 'bad: crashes (signal 6)'; }
@test "a leak" { finds LEAKS 'leaks: [0-9]* bytes'; }
@test "results that depend on threads" { finds THREADS_MATTER 'bad: threads: \|again: '; }
@test "a random number of its own" { finds RANDOM 'again: \|memory: \|threads: '; }
@test "a parameter without help" { finds NO_HELP 'parameter: amount: the help text'; }
@test "a default that does not parse" { finds BAD_DEFAULT 'parameter: amount: the default: wants a number'; }
@test "no example" { finds NO_EXAMPLE 'example: missing'; }
@test "an example of something else" { finds BAD_EXAMPLE 'example: does not use the node'; }
@test "the name of a verb" { finds VERB_NAME "bad.so: load: .*verb"; }
@test "a failure without a message" { finds SILENT_FAILURE 'errors: fails without a message'; }
@test "an inverse that is none" { finds BAD_INVERSE 'bad: inverse: '; }
@test "noise that does not stay noise" { finds NOISE_LOST 'bad: noise: '; }
@test "a result in the input's place that is another" { finds NOT_IN_PLACE 'bad: in place: '; }
@test "another major version" { finds OTHER_MAJOR 'load: is built for version 7'; }
@test "a crash when it is loaded" { finds CRASHES_ON_LOAD 'load: crashes when it is loaded'; }
@test "a hang when it is loaded" { finds HANGS_LOAD 'load: hangs when it is loaded'; }

@test "what is no plugin" {
    echo hello >bad.so
    run kiln check bad.so
    [ "$status" -eq 1 ]
    [[ $output == "FAIL  bad.so: load: "* ]]
    run kiln check missing.so
    [ "$status" -eq 1 ]
    run kiln check
    [ "$status" -eq 2 ]
}

# A changed copy of a plugin that is installed, say.
@test "the file that was named is checked, whatever others of its name there are" {
    build GOOD
    mkdir first
    cp bad.so first/bad.so
    build NO_EXAMPLE
    run kiln -P first check bad.so
    [ "$status" -eq 1 ]
    [[ $output == *"FAIL "*"example"* ]]
    run kiln -P . check first/bad.so
    [ "$status" -eq 0 ]
}

@test "kiln's own plugins pass" {
    for plugin in "$top_builddir"/plugins/*.so; do
        run kiln check "$plugin"
        grep FAIL <<<"$output" || true
        [ "$status" -eq 0 ]
    done
}
