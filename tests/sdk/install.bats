#!/usr/bin/env bats
# `make install` with DESTDIR, and what an author of plugins does with the result.
# SPDX-License-Identifier: MIT
load ../common

setup_file() {
    export root=$BATS_FILE_TMPDIR/root
    MAKEFLAGS='' make -s -C "$top_builddir" install DESTDIR="$root" \
        prefix=/usr exec_prefix=/usr libdir=/usr/lib datarootdir=/usr/share >/dev/null 2>&1
}

@test "everything is installed" {
    [ -x "$root/usr/bin/kiln" ]
    for plugin in "$top_builddir"/plugins/*.so; do
        [ -e "$root/usr/lib/kiln/plugins/$(basename "$plugin")" ]
    done
    [ -e "$root/usr/share/kiln/mnist/train-images-idx3-ubyte.gz" ]
    [ -e "$root/usr/share/kiln/template/filter.c" ]
    [ -e "$root/usr/include/kiln/kiln.h" ]
}

@test "what is installed runs where it was not made for" {
    "$root/usr/bin/kiln" -P "$root/usr/lib/kiln/plugins" blank 1x1x4x4 ! negate ! \
        save "$BATS_TEST_TMPDIR/out.png"
    [ -s "$BATS_TEST_TMPDIR/out.png" ]
}

@test "pkg-config kiln is enough to build a plugin" {
    # The .pc file names the prefix that was configured; the file tree stands in its place.
    [ -z "$(grep @ "$top_builddir/kiln.pc")" ]
    mkdir "$root/pc"
    { echo prefix=/usr; echo includedir=/usr/include; grep -v '^\(prefix\|includedir\)=' "$top_builddir/kiln.pc"; } \
        >"$root/pc/kiln.pc"
    export PKG_CONFIG_PATH=$root/pc PKG_CONFIG_SYSROOT_DIR=$root
    ${CC:-cc} -std=c11 -fPIC -shared $(${PKG_CONFIG:-pkg-config} --cflags kiln) \
        -o "$BATS_TEST_TMPDIR/sepia.so" "$top_srcdir/sdk/examples/sepia.c" -lm
    [ "$(${PKG_CONFIG:-pkg-config} --variable=plugindir kiln)" ]
}

@test "make uninstall leaves no file behind" {
    MAKEFLAGS='' make -s -C "$top_builddir" uninstall DESTDIR="$root" \
        prefix=/usr exec_prefix=/usr libdir=/usr/lib datarootdir=/usr/share >/dev/null 2>&1
    rm -rf "$root/pc"
    [ -z "$(find "$root" -type f)" ]
}
