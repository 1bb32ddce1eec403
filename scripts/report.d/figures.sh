# The figures of the report: what each is, and how those that are missing are made. To be sourced.
#
#     section ID TITLE <<…        a heading, and a text in HTML
#     figure ID TITLE <<…         the command, run in OUT as it stands
#     uses NET…                   nets that the command needs: with another one it is run again
#     early                       made before those that stand above it: a training
#     picture FILE TEXT           what it makes; the text stands for the picture where there is none
#     table CORNER COLUMN… -- ROW…    instead of a picture: the numbers that kiln compare prints
#     says <<…                    what one sees, in HTML
#
# Under OUT/.report/ stand, by ID: .sh, the command; .done, what it was made of; .time, the seconds it
# took; .log, what it said.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash

die() {
    note ''
    printf 'report: %s\n' "$*" >&2
    exit 1
}

# The line of progress; in a terminal each takes the place of the one before.
note() {
    if [ -t 2 ]; then
        printf '\r\033[K%s' "$*" >&2
    elif [ -n "$*" ]; then
        printf '%s\n' "$*" >&2
    fi
}

# ---- the folder ------------------------------------------------------------------------------------

open_folder() {
    if [ -e "$1" ] && [ ! -d "$1" ]; then
        die "'$1' is there and is no folder"
    fi
    if [ -d "$1" ] && [ ! -d "$1/.report" ] && [ -n "$(ls -A "$1")" ]; then
        die "'$1' is not empty and holds no report: name another folder"
    fi
    mkdir -p "$1/.report/bin" || die "cannot make the folder '$1'"
    out=$(cd "$1" && pwd)
    state=$out/.report
    exec 9>"$state/lock" || die "cannot write in '$1'"
    flock -n 9 || die "another report is being made in '$1'"
    ln -sfn "$kiln" "$state/bin/kiln" && ln -sfn "$root/scripts" "$out/scripts" ||
        die "cannot write in '$1'"
    PATH=$state/bin:$PATH
    cd "$out" || exit 1
}

close_folder() {
    local status=$?
    note ''
    rm -f "$out/scripts" "$state"/*.part
    [ $status -lt 128 ] || printf 'report: interrupted; the same command goes on from here\n' >&2
}

# ---- what there is ---------------------------------------------------------------------------------

entries=()   # IDs in order, of sections with a # in front
declare -A title needs pictures tables text

section() {
    entries+=("#$1")
    title[#$1]=$2
    text[#$1]=$(cat)
}

# wanted ID: --only does not leave it out
wanted() {
    local one list
    [ -n "$only" ] || return 0
    IFS=, read -ra list <<<"$only"
    for one in "${list[@]}"; do
        [[ $1 != "$one"* ]] || return 0
    done
    return 1
}

figure() {
    current=$1
    entries+=("$1")
    title[$1]=$2
    needs[$1]=
    pictures[$1]=
    tables[$1]=
    commands[$1]=$(cat)
}
declare -A commands

uses() {
    needs[$current]=$(printf '%s\n' "$@")
}

early() {
    is_early[$current]=yes
}
declare -A is_early

picture() {
    pictures[$current]+="$1"$'\t'"$2"$'\n'
}

table() {
    tables[$current]=$(printf '%s\n' "$@")
}

says() {
    text[$current]=$(cat)
}

# ---- making them -----------------------------------------------------------------------------------

# The file or folder of a net.
net_path() {
    if [ -e "$1" ]; then
        printf '%s\n' "$1"
    else
        kiln inspect "$1" --json 2>/dev/null | sed -n 's/^  "path": "\(.*\)",\{0,1\}$/\1/p'
    fi
}

# What a figure is made of, beside what every run gives the same: its command, its nets.
made_of() {
    local one path
    cksum <<<"${commands[$1]}"
    while IFS= read -r one; do
        path=$(net_path "$one")
        if [ -f "$path" ]; then
            printf '%s %s\n' "$one" "$(cksum <"$path")"
        elif [ -d "$path" ]; then
            # Weights of a folder are large: their sizes and dates have to do.
            printf '%s %s\n' "$one" "$(find -L "$path" -type f -printf '%P %s %T@\n' | sort | cksum)"
        fi
    done <<<"${needs[$1]}"
}

is_made() {
    local file what
    [ -f "$state/$1.done" ] && [ "$(cat "$state/$1.done")" = "$2" ] || return 1
    while IFS=$'\t' read -r file what; do
        [ -z "$file" ] || [ -s "$file" ] || return 1
    done <<<"${pictures[$1]}"
    [ -z "${tables[$1]}" ] || [ -s "$state/$1.log" ]
}

# A training with other parameters begins anew.
forget_training() {
    local file
    [ -f "$state/$1.sh" ] || return 0
    [ "$(cat "$state/$1.sh")" != "${commands[$1]}" ] || return 0
    for file in $(sed -n 's/.* ! train \([^ ]*\.safetensors\) .*/\1/p' "$state/$1.sh"); do
        rm -f "$file" "$file.ckpt"
    done
}

# made ID NUMBER OF
make_one() {
    local id=$1 before=$SECONDS of status made
    of=$(made_of "$id")
    if is_made "$id" "$of"; then
        return 0
    fi
    note "[$2/$3] $id ${title[$id]}"
    rm -f "$state/$id.done"
    forget_training "$id"
    printf '%s\n' "${commands[$id]}" >"$state/$id.sh" || die "cannot write in '$out'"
    if [ -t 2 ] && [ -z "${tables[$id]}" ]; then  # kiln draws its progress itself
        bash -e "$state/$id.sh" </dev/null 9>&-
        status=$?
    else
        bash -e "$state/$id.sh" >"$state/$id.log" 2>&1 </dev/null 9>&-
        status=$?
    fi
    if [ $status -ge 128 ]; then
        exit 130
    elif [ $status -ne 0 ]; then
        note ''
        [ ! -s "$state/$id.log" ] || tail -n 20 "$state/$id.log" >&2
        die "$id: this failed with status $status, in '$out':"$'\n'"${commands[$id]}"
    fi
    made=$((SECONDS - before))
    printf '%s\n' "$of" >"$state/$id.done.part" && printf '%s\n' "$made" >"$state/$id.time" &&
        mv "$state/$id.done.part" "$state/$id.done" || die "cannot write in '$out'"
    is_made "$id" "$of" || {
        rm -f "$state/$id.done"
        die "$id: this did not make all that it should:"$'\n'"${commands[$id]}"
    }
}

make_all() {
    local id n=0 list=() later=()
    for id in "${entries[@]}"; do
        if [[ $id == '#'* ]] || ! wanted "$id"; then
            continue
        elif [ -n "${is_early[$id]:-}" ]; then
            list+=("$id")
        else
            later+=("$id")
        fi
    done
    list+=("${later[@]}")
    [ ${#list[@]} -gt 0 ] || die "--only: no figure '$only'"
    for id in "${list[@]}"; do
        n=$((n + 1))
        make_one "$id" "$n" "${#list[@]}"
    done
    note ''
}
