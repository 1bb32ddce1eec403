# The nets of part B and of part A on digits: those that ship, or with --train those that are trained
# first. Sets class, time, denoiser (what mnist-unet is told), and their logs. To be sourced.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
class=mnist-class class_log=mnist-class.tsv
time=mnist-time time_log=mnist-time.tsv
denoiser=mnist-denoiser denoiser_log=mnist-denoiser.tsv

if [ -n "$train" ]; then
    class=class.safetensors class_log=b24.tsv
    time=time.safetensors time_log=b22.tsv
    denoiser=denoiser.safetensors denoiser_log=b121.tsv
    digits="digits train${images:+ images=0:$images}"
fi

# kept LIST: the epochs of the list that there will be, and the last.
kept() {
    local e list=()
    for e in ${1//,/ }; do
        [ "$e" -ge "${epochs:-999999}" ] || list+=("$e")
    done
    e=${1##*,}
    [ -z "$epochs" ] || [ "$epochs" -ge "$e" ] || e=$epochs
    list+=("$e")
    (
        IFS=,
        printf '%s\n' "${list[*]}"
    )
}

# How far a net was trained, by its log: epochs, mean loss of the last ten records, images per second.
log_of() {
    local path
    path=$(net_path "$1")
    path=${path%.safetensors}.tsv
    [ ! -f "$2" ] || path=$2
    printf '%s\n' "$path"
}

epochs_of() {
    tail -n 1 "$(log_of "$1" "$2")" 2>/dev/null | cut -f2
}

loss_of() {
    tail -n 10 "$(log_of "$1" "$2")" 2>/dev/null |
        awk -F '\t' '$3 > 0 { s += $3; n++ } END { if (n) printf "%.4f", s / n }'
}
