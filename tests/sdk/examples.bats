#!/usr/bin/env bats
# The examples and the templates of the SDK: built outside the tree, loaded, and run by the chain that
# each of them gives as its example.
# SPDX-License-Identifier: MIT
load ../common

setup_file() {
    export plugins=$BATS_FILE_TMPDIR/plugins
    mkdir "$plugins"
    for source in "$top_srcdir"/sdk/examples/*.c; do
        ${CC:-cc} -std=c11 -O2 -fPIC -shared -fvisibility=hidden -I"$top_srcdir/sdk/include" \
            -o "$plugins/$(basename "$source" .c).so" "$source" -lm
    done
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    cp "$top_srcdir/share/photos/cat.png" .
}

# The chain of an example, as words.
chain_of() {
    sed -n 's/^.*\.example = "\(.*\)",$/\1/p' "$top_srcdir/sdk/examples/$1.c"
}

runs() {
    local chain
    chain=$(chain_of "$1")
    echo "kiln $chain"
    [ -n "$chain" ]
    kiln -P "$plugins" help "$1"
    # shellcheck disable=SC2086
    kiln -P "$plugins" $chain
}

@test "source stripes" { runs stripes; [ -s out.png ]; }
@test "filter sepia" { runs sepia; [ -s out.png ]; }
@test "filter hue" { runs hue; [ -s out.png ]; }
@test "sink match" { runs match; }
@test "encoder letters" { runs letters; [ -s bank.safetensors ]; }
@test "predictor gaussian" { runs gaussian; [ -s out.png ]; }
@test "combinator guide" { runs guide; [ -s out.png ]; }
@test "combinator ensemble" { runs ensemble; [ -s out.png ]; }
@test "sampler midpoint" { runs midpoint; [ -s out.png ]; }
@test "hook expose" { runs expose; [ -s out.png ]; }
@test "trainer sgd" { runs sgd; [ -s w.st ]; }

@test "match fails where images differ" {
    run kiln -P "$plugins" load cat.png ! flip ! match cat.png
    [ "$status" = 1 ]
    [[ $output == *"match: differs by"* ]]
}

@test "hue turns back what it turned" {
    kiln -P "$plugins" load cat.png ! hue 77 ! hue -77 ! match cat.png limit=1e-5
}

# sepia of white, by its own coefficients: the rows sum to 1.351, 1.203 and 0.937, and stop at 1.
@test "sepia gives the tones that its table says" {
    kiln -P "$plugins" blank 1x3x2x2 value=1 ! sepia >out.st
    tensor out.st image | awk '{ want = NR <= 8 ? 1 : 2 * 0.937 - 1; d = $1 - want
        if (d > 1e-6 || d < -1e-6) exit 1 } END { exit NR != 12 }'
}

# The prompt "" has mean 0; the deviation of its images is 0.2, and of 12288 values that of their mean
# 0.0018, that of their deviation 0.0013.
@test "midpoint samples what gaussian stands for" {
    kiln -P "$plugins" randn 16x3x16x16 ! gaussian ! midpoint 50 >out.st
    tensor out.st image | awk '{ s += $1; q += $1 * $1 }
        END { m = s / NR; d = sqrt(q / NR - m * m); print "mean", m, "deviation", d
              exit !(NR == 12288 && m * m < 1e-4 && d > 0.19 && d < 0.21) }'
}

# 0.3 of the way from -1 to 1.
@test "expose gives images of the mean that it was told" {
    kiln -P "$plugins" randn 2x3x16x16 ! gaussian ! expose 0.3 ! ddim 20 >out.st
    tensor out.st image | awk '{ s += $1 } END { m = s / NR; print "mean", m
        exit !(NR == 1536 && m > -0.41 && m < -0.39) }'
}

@test "kiln new makes a plugin of each kind that passes its own test" {
    for kind in source filter sink encoder predictor combinator hook sampler trainer; do
        kiln new "$kind" "my-$kind"
        MAKEFLAGS='' make -s -C "my-$kind" check
    done
}
