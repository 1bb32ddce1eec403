#!/usr/bin/env bats
# A photo read, resized and blurred, against torchvision in double. Tolerance: values up to 1, sums of
# some hundred products at most in single precision: 3e-6.
# SPDX-License-Identifier: MIT
load ../common
load compare

setup() {
    cd "$BATS_TEST_TMPDIR"
    kiln load "$top_srcdir/share/photos/cat.png" ! resize 32x24 >small.st
    kiln resize 41x50 <small.st >large.st
}

matches() {
    floats "$top_srcdir/tests/golden/pictures.safetensors" "$1" | sed 's/^[^ ]*/image/' >want
    floats "$2" image >got
    close 3e-6 got want
}

@test "resized, smaller and larger" {
    matches bicubic small.st
    matches larger large.st
    kiln load "$top_srcdir/share/photos/cat.png" ! resize 24 filter=bilinear ! crop 24x24 >out.st
    matches shorter out.st
}

@test "blurred" {
    kiln blur 2 kernel=7 <small.st >out.st
    matches blur7 out.st
    kiln blur 2 kernel=33 <large.st >out.st
    matches blur33 out.st
}
