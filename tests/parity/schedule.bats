#!/usr/bin/env bats
# The schedule of the digit nets: alpha_bar of t = 1..300, beta linear from 1e-4 to 0.02.
# SPDX-License-Identifier: MIT
load ../common
load compare

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# doubles FILE NAME: the values of an F64 tensor.
doubles() {
    local size from to
    size=$(od -An -N8 -tu8 "$1" | tr -d ' ')
    read -r from to <<<"$(tail -c +9 "$1" | head -c "$size" |
        sed 's/.*"'"$2"'":{"dtype":"F64"[^}]*"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/')"
    od -An -v -w8 -tf8 -j $((8 + size + from)) -N $((to - from)) "$1"
}

@test "alpha_bar has the published values" {
    kiln randn 1x1x28x28 ! mnist-unet hidden=1 >s.st
    [ "$(doubles s.st alpha | wc -l)" -eq 300 ]
    grep -aq '"kiln.t_first":"1"' s.st
    doubles s.st alpha >alpha
    doubles s.st sigma >sigma
    paste alpha sigma | awk '
        function off(a, b) { return a > b ? a - b : b - a }
        BEGIN {
            want[1] = 0.9999; want[10] = 0.996012; want[100] = 0.711620
            want[150] = 0.467055; want[200] = 0.259115; want[300] = 0.0480584
            bar = 1
        }
        {
            bar *= 1 - (0.0001 + 0.0199 * (NR - 1) / 299)
            if (off($1 * $1, bar) > 1e-12 || off($1 * $1 + $2 * $2, 1) > 1e-12) bad = bad " " NR
            if (NR in want) { seen++; if (off($1 * $1, want[NR]) > 6e-7) bad = bad " " NR }
        }
        END { print seen " values, wrong:" bad; exit bad != "" || seen != 6 }'
}

# With the same draws, a white and a black image differ by sqrt(alpha_bar) everywhere.
@test "noise keeps as much of the image as the schedule says" {
    for value in 1 -1; do
        kiln blank 1x1x28x28 value=$value ! mnist-unet hidden=1 ! noise t=1,10,100,150,200,300 >n$value.st
    done
    paste <(floats n1.st image) <(floats n-1.st image) | awk '
        BEGIN { split("0.9999 0.996012 0.711620 0.467055 0.259115 0.0480584", bar) }
        {
            d = $2 - $4 - sqrt(bar[int((NR - 1) / 784) + 1])
            if (d < 0) d = -d
            if (d > most) most = d
        }
        END { print most; exit !(most < 2e-6 && NR == 4704) }'
}

@test "a net of another schedule has that one" {
    kiln randn 1x1x28x28 ! mnist-unet T=10 beta_start=0.1 beta_end=0.3 hidden=1 ! ddpm to=5 >s.st
    doubles s.st alpha | awk '
        { bar = NR == 1 ? 0.9 : bar * (0.9 - 0.2 * (NR - 1) / 9); d = $1 * $1 - bar
          if (d > 1e-12 || d < -1e-12) exit bad = 1 }
        END { exit bad || NR != 10 }'
}
