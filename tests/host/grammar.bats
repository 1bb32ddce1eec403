#!/usr/bin/env bats
# The words of a chain: what they mean, and what is refused before anything runs.
# SPDX-License-Identifier: MIT
load ../common
load host

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# meaning WORD...: the canonical chain, without what a dry run says of the first document.
meaning() {
    kiln -n "$@" </dev/null | grep -v '^#'
}

@test "a bracket works on a copy of the State" {
    kiln blank 1x1x2x2 value=-1 ! hstack [ ] [ negate ] gap=0 >both.st
    [ "$(tensor both.st image | tr -d ' ' | tr '\n' ,)" = "-1,-1,1,1,-1,-1,1,1," ]
}

@test "a source in a bracket starts anew" {
    kiln blank 1x1x1x1 value=-1 ! hstack [ ] [ blank 1x1x1x1 value=0.5 ] gap=0 >both.st
    [ "$(tensor both.st image | tr -d ' ' | tr '\n' ,)" = "-1,0.5," ]
}

@test "brackets nest, and may be empty" {
    kiln blank 1x1x1x1 value=-1 ! hstack [ hstack [ ] [ negate ] gap=0 ] [ ] gap=0 >both.st
    [ "$(tensor both.st image | tr -d ' ' | tr '\n' ,)" = "-1,1,-1," ]
}

@test "a bracket may be named" {
    kiln blank 1x1x2x1 value=1 ! mask mask= [ rect 0,0,1,1 ] fill=0.25 >named.st
    kiln blank 1x1x2x1 value=1 ! mask fill=0.25 [ rect 0,0,1,1 ] >by-place.st
    cmp named.st by-place.st
    [ "$(tensor named.st image | tr -d ' ' | tr '\n' ,)" = "0.25,1," ]
}

@test "brackets deeper than a person nests them are refused, not followed" {
    open=() close=()
    for _ in $(seq 70); do
        open+=(hstack '[')
        close+=(']')
    done
    refuses 2 "brackets are nested deeper than 64" \
        kiln blank 1x1x1x1 ! "${open[@]}" flip "${close[@]}"
}

@test "a word with = that names no parameter is a text where texts are taken" {
    meaning blank 1x1x1x1 ! prompt "x=1 y" a=b | grep -F 'prompt text="x=1 y" text=a=b'
    meaning blank 1x1x1x1 ! prompt text="text=1" | grep -F 'prompt text=text=1'
    refuses 2 "flip: no parameter 'x'" kiln blank 1x1x1x1 ! flip x=1
}

@test "names may repeat where a list is wanted, and nowhere else" {
    meaning blank 1x1x2x2 ! anagram a b c view=flip view="rotate 90" |
        grep -F 'view= [ flip axis=vertical ] view= [ rotate angle=90 ]'
    refuses 2 "blur: sigma: given twice" kiln blank 1x1x1x1 ! blur 1 sigma=2
    refuses 2 "mask: mask: given twice" kiln blank 1x1x1x1 ! mask mask= [ ] mask= [ ]
}

@test "lists of numbers have one canonical form" {
    # given canonical: what counts by one, or goes on for long, is a range.
    while read -r given canonical; do
        meaning blank 1x1x1x1 ! select "$given" | grep -Fx "! select index=$canonical"
        meaning blank 1x1x1x1 ! select "$canonical" | grep -Fx "! select index=$canonical"
    done <<'EOF'
0:512 0:512
0,1,2,3,4 0:5
3:0:-1 3:0:-1
0:7:3,-1 0,3,6,-1
5:-6:-5 5,0,-5
0:26:5 0:26:5
1,2 1,2
7,7,7 7,7,7
4,0:3,9,8,7 4,0:3,9:6:-1
EOF
    meaning blank 1x1x1x1 ! noise t=990:900:-30 | grep -F 't=990,960,930 '
    meaning blank 1x1x1x1 ! noise t=990:-1:-30 | grep -F 't=990:-1:-30 '
    meaning blank 1x1x1x1 ! noise sigma=0.5,1.5,2.5,3:6 | grep -F 'sigma=0.5,1.5,2.5,3:6 '
    meaning blank 1,2,3,4 ! resize 32,16 | tee out
    grep -F 'shape=1x2x3x4 ' out
    grep -F 'size=32x16 ' out
    refuses 2 "step of 0" kiln blank 1x1x1x1 ! select 0:3:0
    refuses 2 "digits: images: no number is in the range '5:2'" kiln digits test images=5:2
    for words in 1,,2 5: :5 x 1x a 1,2,x 0:1:2:3; do
        refuses 2 "not '$words'" kiln blank 1x1x1x1 ! select "$words"
    done
}

@test "a number is a number, whatever the locale says" {
    LC_ALL=de_DE.UTF-8 kiln -n blank 1x1x1x1 ! blur 1.5 kernel=3 | grep -F 'sigma=1.5'
    for word in nan inf 1,5 1.5.5 0x 1e999 '' ' 1' '1 '; do
        refuses 2 "sigma" kiln blank 1x1x1x1 ! blur sigma="$word"
    done
}

@test "the canonical chain means the chain" {
    chain_is blank 1x1x4x4 ! prompt 'a "b" \c' 'x ! y' '' $'two\nlines' ! tee '%d $x.png' ! \
        hstack [ ] [ rotate 90 ! flip ]
    meaning "${chain[@]}" >one.kiln
    meaning run one.kiln >two.kiln
    cmp one.kiln two.kiln
}

@test "an unknown node is told with the nearest name" {
    refuses 2 "no node 'flp': did you mean 'flip'?" kiln blank 1x1x1x1 ! flp
    refuses 2 "no node 'fblurr'" kiln blank 1x1x1x1 ! fblurr
    refuses 2 "no node 'zzzzzz'" kiln zzzzzz
    refuses 2 "no node 'reszie': did you mean 'resize'?" kiln blank 1x1x1x1 ! hstack [ reszie 4 ]
    refuses 2 "anagram: view: no node 'rotat': did you mean 'rotate'?" \
        kiln blank 1x1x1x1 ! anagram a b view="rotat 90"
}

@test "an unknown parameter is told with the nearest name" {
    refuses 2 "blur: no parameter 'kernl': did you mean 'kernel'?" kiln blank 1x1x1x1 ! blur 1 kernl=3
    refuses 2 "hinge takes no parameters" kiln blank 1x1x1x1 ! hinge x=1
    refuses 2 "mask: no parameter 'msk': did you mean 'mask'?" kiln blank 1x1x1x1 ! mask msk= [ ]
}

@test "an unknown option is told with the nearest name" {
    refuses 2 "did you mean '--seed'?" kiln --sed 1 blank 1x1x1x1
    refuses 2 "no node or verb 'hel': did you mean 'kiln help'?" kiln hel
    refuses 2 "no node 'rund': did you mean 'randn'?" kiln blank 1x1x1x1 ! rund
    refuses 2 "did you mean '--seed'?" kiln --sed=1 blank 1x1x1x1
    refuses 2 "no option '-z'" kiln -z blank 1x1x1x1
    refuses 2 "no option '-z'" kiln -zq blank 1x1x1x1
    refuses 2 "no option '-z'" kiln --quiet -qz blank 1x1x1x1
    refuses 2 "option -s wants a value" kiln -s
    refuses 2 "option -s wants a value" kiln -qs
    refuses 2 "option --quiet takes no value" kiln --quiet=1 blank 1x1x1x1
}

@test "a missing value is told with what is wanted" {
    refuses 2 "blur: sigma is missing" kiln blank 1x1x1x1 ! blur
    refuses 2 "prompt: text is missing" kiln blank 1x1x1x1 ! prompt
    refuses 2 "rotate: angle: wants one of 90, 180, 270, not ''" kiln blank 1x1x1x1 ! rotate angle=
    refuses 2 "load: path is missing" kiln load
}

@test "a value out of range is told with the range" {
    refuses 2 "blur: sigma: wants a number in 0..1000, not '-1'" kiln blank 1x1x1x1 ! blur -1
    refuses 2 "repeat: n: wants a whole number in 1.." kiln blank 1x1x1x1 ! repeat 0
    refuses 2 "not '99999999999999999999x1x1x1'" kiln blank 99999999999999999999x1x1x1
    refuses 2 "not '45'" kiln blank 1x1x1x1 ! rotate 45
    refuses 2 "--threads: wants a whole number in 0..1024, not '-1'" kiln -j -1 blank 1x1x1x1
    refuses 2 "KILN_THREADS: --threads: wants" env KILN_THREADS=x kiln blank 1x1x1x1
    refuses 2 "KILN_CPU: wants one of" env KILN_CPU=fast kiln blank 1x1x1x1
    refuses 2 "KILN_QUIET: wants yes or no, not 'maybe'" env KILN_QUIET=maybe kiln blank 1x1x1x1
    [ "$(KILN_DRY_RUN=no kiln blank 1x1x1x1 ! flip | head -c 3 | od -An -tx1)" = \
        "$(kiln blank 1x1x1x1 ! flip | head -c 3 | od -An -tx1)" ]
    [[ $(KILN_DRY_RUN=yes kiln blank 1x1x1x1) == "blank shape=1x1x1x1"* ]]
    refuses 2 "keep: name: wants letters" kiln blank 1x1x1x1 ! keep "a b"
    refuses 2 "sort: by: wants score, t or id, not 'size'" kiln blank 1x1x1x1 ! sort size
}

@test "a value too many, or of the wrong kind" {
    refuses 2 "blur: '2' is a value too many" kiln blank 1x1x1x1 ! blur 1 2
    refuses 2 "flip: a '[' too many" kiln blank 1x1x1x1 ! flip vertical [ ]
    refuses 2 "not a chain in brackets" kiln blank 1x1x1x1 ! rotate [ flip ]
    refuses 2 "wants a filter, cfg is a combinator" kiln blank 1x1x1x1 ! anagram a b view="cfg 5"
}

@test "brackets that do not match" {
    refuses 2 "a '[' of hstack has no ']'" kiln blank 1x1x1x1 ! hstack [ flip
    refuses 2 "a ']' has no '['" kiln blank 1x1x1x1 ! hstack flip ]
    refuses 2 "has no '['" kiln blank 1x1x1x1 ! mask mask=[ rect 0,0,1,1 ]
    refuses 2 "name is missing before '!'" kiln blank 1x1x1x1 ! hstack [ ! flip ]
    refuses 2 "name is missing before ']'" kiln blank 1x1x1x1 ! hstack [ flip ! ]
    refuses 2 "name is missing before '['" kiln [ blank 1x1x1x1 ]
    refuses 2 "name is missing before '!'" kiln blank 1x1x1x1 ! ! flip
    refuses 2 "name is missing after '!'" kiln blank 1x1x1x1 !
    refuses 2 "name is missing before '!'" kiln ! flip
}

@test "nodes where they cannot stand" {
    refuses 2 "save must stand last: 'tee'" kiln blank 1x1x1x1 ! save a.png ! flip
    refuses 2 "save must stand last" kiln blank 1x1x1x1 ! hstack [ save a.png ]
    refuses 2 "load makes images and must stand first" kiln blank 1x1x1x1 ! load a.png
    refuses 2 "blank makes images and must stand first" kiln flip ! blank 1x1x1x1
    refuses 2 "from size=" kiln blank 1x1x1x1 ! randn 1x1x1x1
    [ ! -e a.png ]
}

@test "--seed and --rng belong to the process that starts the chain" {
    refuses 2 "--seed belongs to the process that starts the chain" kiln -s 1 flip
    refuses 2 "--rng belongs to the process that starts the chain" kiln --rng torch flip
    kiln randn 1x1x2x2 >a.st
    KILN_SEED=5 KILN_RNG=torch kiln flip <a.st >b.st
    kiln flip <a.st >c.st
    cmp b.st c.st
    KILN_SEED=5 kiln randn 1x1x2x2 >d.st
    kiln -s 5 randn 1x1x2x2 >e.st
    cmp d.st e.st
}

@test "a terminal on standard input is an error at once" {
    script -qec true /dev/null </dev/null >/dev/null || skip "no pseudo terminal can be had"
    script -qec "kiln flip; echo status \$?" /dev/null </dev/null >typescript
    grep -F "nothing comes in: begin with load, randn or digits, or pipe a stream in" typescript
    grep "status 2" typescript
}

@test "a source leaves standard input alone" {
    printf 'a\nb\n' | while read -r name; do kiln blank 1x1x1x1 ! save "$name.png"; done
    [ -e a.png ] && [ -e b.png ]
}

@test "a terminal on standard output gets a line and a picture, no bytes of the stream" {
    script -qec true /dev/null </dev/null >/dev/null || skip "no pseudo terminal can be had"
    script -qec "kiln randn 2x1x8x8" /dev/null </dev/null >typescript
    grep -F "document 0 of 1: 2x1x8x8, pure noise, range -1..1" typescript
    ! grep -F __metadata__ typescript || false
}

@test "the shells pass the marks of the grammar as they are" {
    for shell in bash dash zsh fish; do
        command -v "$shell" >/dev/null || continue
        echo "$shell"
        "$shell" -c 'kiln blank 1x1x2x2 ! mask mask= [ rect 0,0,1,1 ] ! hstack [ ] [ flip ] ! save '"$shell.png"
        cmp "$shell.png" bash.png
    done
}
