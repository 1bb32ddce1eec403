# What quickstart and test have in common; to be sourced by bash, from the root of the tree.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2016
build=_build

# say LINE...: each argument is a line.
say() {
    printf '%s\n' "$@"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Debian package, then how to see that what is wanted of it is there already, from whatever source.
build_needs='
gcc             command -v ${CC:-gcc}
libc6-dev       test -e /usr/include/stdio.h
make            command -v make
autoconf        command -v autoreconf
automake        command -v automake
pkg-config      command -v pkg-config
libpng-dev      pkg-config --exists libpng
libjpeg-dev     pkg-config --exists libjpeg
libjansson-dev  pkg-config --exists jansson
zlib1g-dev      pkg-config --exists zlib
libcairo2-dev   pkg-config --exists cairo
libgif-dev      test -e /usr/include/gif_lib.h
g++             command -v g++ || command -v clang++
libsentencepiece-dev  pkg-config --exists sentencepiece
'
test_needs='
libcmocka-dev   pkg-config --exists cmocka
bats            command -v bats
xz-utils        command -v xz
procps          command -v pkill
'

# install NEEDS: installs the packages whose check fails, saying which.
install() {
    local package check missing=()
    while read -r package check; do
        if [ -n "$package" ] && ! eval "$check" >/dev/null 2>&1; then
            missing+=("$package")
        fi
    done <<<"$1"
    [ ${#missing[@]} -gt 0 ] || return 0

    command -v apt-get >/dev/null ||
        die "this is no Debian or Ubuntu; please install what these packages hold: ${missing[*]}"
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            die "packages are missing, and there is no sudo. As root: apt-get install ${missing[*]}"
        # Without a terminal sudo cannot ask for a password.
        [ -t 0 ] || sudo -n true 2>/dev/null ||
            die "packages are missing, and sudo wants a password. As root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing: ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    # A failed update need not matter: the lists at hand may do.
    (logged "apt-get update" "${apt[@]}" update) || say "trying with the package lists at hand"
    (logged "apt-get install" "${apt[@]}" install --no-install-recommends "${missing[@]}") && return
    local unknown=()
    for package in "${missing[@]}"; do
        apt-cache show "$package" >/dev/null 2>&1 || unknown+=("$package")
    done
    [ ${#unknown[@]} -gt 0 ] || die "the packages could not be installed"
    die "apt knows no package ${unknown[*]}. On Ubuntu some are in the component 'universe', which" \
        "minimal systems leave out: add it to /etc/apt/sources.list.d, then 'apt-get update'"
}

# logged WHAT COMMAND...: runs it quietly; shows the end of what it wrote when it fails.
logged() {
    local what=$1 log=$build/build.log
    shift
    mkdir -p "$build"
    "$@" >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        die "$what failed; all of its output is in $log"
    }
}

# Builds in $build; a second time only what has changed.
build() {
    [ ! -e config.status ] || die "this tree was configured in place; run 'make distclean' first"
    if [ ! -e configure ]; then
        logged autoreconf autoreconf -i
    fi
    if [ ! -e "$build/Makefile" ]; then
        say "configuring in $build"
        logged configure env --chdir="$build" ../configure
    fi
    say "building in $build"
    logged make make -C "$build" -j "$(nproc)"
}
