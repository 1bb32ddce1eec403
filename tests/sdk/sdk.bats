#!/usr/bin/env bats
# The SDK's headers by themselves, and what is built from them alone.
# SPDX-License-Identifier: MIT
load ../common

setup() {
    sdk=$top_srcdir/sdk/include
    warn="-Wall -Wextra -Wpedantic -Wshadow -Wundef -Werror"
    c="${CC:-cc} -std=c11 $warn -Wstrict-prototypes -Wmissing-prototypes"
}

@test "each header compiles alone as C11" {
    for header in "$sdk"/kiln/*.h "$sdk"/kiln/ext/*.h; do
        name=${header#"$sdk"/}
        echo "$name"
        echo "#include <$name>" | $c -I"$sdk" -fsyntax-only -x c -
    done
}

@test "each header compiles alone as C++17" {
    [ -n "${CXX:-$(command -v g++)}" ] || skip "no C++ compiler"
    for header in "$sdk"/kiln/*.h "$sdk"/kiln/ext/*.h; do
        name=${header#"$sdk"/}
        echo "$name"
        echo "#include <$name>" | ${CXX:-g++} -std=c++17 $warn -I"$sdk" -fsyntax-only -x c++ -
    done
}

@test "each header of the SDK is installed" {
    MAKEFLAGS= make -s -C "$top_builddir" install-data DESTDIR="$BATS_TEST_TMPDIR/root" \
        includedir=/include pkgconfigdir=/pc >/dev/null 2>&1
    diff -r "$sdk" "$BATS_TEST_TMPDIR/root/include"
}

@test "a tensor has the layout of DLPack's" {
    $c -I"$sdk" -fsyntax-only "$top_srcdir/tests/sdk/layout.c"
}

@test "a tensor has the layout of the DLPack header at hand" {
    echo "#include <dlpack/dlpack.h>" | ${CC:-cc} -fsyntax-only -x c - 2>/dev/null ||
        skip "no dlpack/dlpack.h"
    $c -I"$sdk" -DHAVE_DLPACK -fsyntax-only "$top_srcdir/tests/sdk/layout.c"
}

@test "our plugins compile with nothing but the SDK's headers in the include path" {
    for source in "$top_srcdir"/plugins/*/*.c; do
        echo "$source"
        # A copy of the folder: a path like ../../host leads nowhere from there.
        folder=$(dirname "$source")
        copy=$BATS_TEST_TMPDIR/$(basename "$folder")
        [ -d "$copy" ] || cp -r "$folder" "$copy"
        $c -I"$sdk" $(${PKG_CONFIG:-pkg-config} --cflags cairo) -fsyntax-only \
            "$copy/$(basename "$source")"
    done
}

@test "the examples compile without a warning" {
    for source in "$top_srcdir"/sdk/examples/*.c; do
        echo "$source"
        $c -Wdouble-promotion -Wcast-qual -Wvla -Wformat=2 -I"$sdk" -fsyntax-only "$source"
    done
}

@test "the templates compile without a warning" {
    for template in "$top_srcdir"/sdk/template/*.c; do
        echo "$template"
        sed 's/@NAME@/my-node/g; s/@IDENT@/my_node/g' "$template" >"$BATS_TEST_TMPDIR/my-node.c"
        $c -Wdouble-promotion -Wcast-qual -Wvla -Wformat=2 -I"$sdk" -fsyntax-only \
            "$BATS_TEST_TMPDIR/my-node.c"
    done
}

@test "a plugin can be written in C++" {
    [ -n "${CXX:-$(command -v g++)}" ] || skip "no C++ compiler"
    cat >"$BATS_TEST_TMPDIR/half.cc" <<'CC'
#include <kiln/kiln.h>
static int run(kiln_self *, const kiln_rows *, const kiln_tensor *in, kiln_tensor *out)
{
    for (int64_t i = 0; i < kiln_numel(in); i++)
        kiln_f32(out)[i] = kiln_f32(in)[i] / 2;
    return KILN_OK;
}
static kiln_filter_ops make_filter()
{
    kiln_filter_ops ops{};
    ops.size = sizeof(ops);
    ops.run = run;
    return ops;
}
static const kiln_filter_ops filter = make_filter();
static kiln_node make_node()
{
    kiln_node node{};
    node.size = sizeof(node);
    node.name = "half";
    node.summary = "half the contrast";
    node.filter = &filter;
    return node;
}
static const kiln_node half = make_node();
KILN_PLUGIN("org.example.half", "1.0", "CC0-1.0", &half);
CC
    ${CXX:-g++} -std=c++17 $warn -fvisibility=hidden -shared -fPIC -I"$sdk" \
        -o "$BATS_TEST_TMPDIR/half.so" "$BATS_TEST_TMPDIR/half.cc"
    nm -D --defined-only "$BATS_TEST_TMPDIR/half.so" | grep -w kiln_plugin_v1
}

@test "a plugin exports one symbol" {
    for plugin in "$top_builddir"/plugins/*.so; do
        echo "$plugin"
        [ "$(nm -D --defined-only "$plugin" | awk '{ print $3 }')" = kiln_plugin_v1 ]
    done
}
