# For tests/parity: tensors of two safetensors files, compared by number.
# SPDX-License-Identifier: MIT

# floats FILE [NAME]: the values of its F32 tensors, "name value" a line each, names as in the file.
floats() {
    local size
    size=$(od -An -N8 -tu8 "$1" | tr -d ' ')
    {
        tail -c +9 "$1" | head -c "$size" |
            grep -o '"[^"]*":{"dtype":"F32","shape":[^]]*\],"data_offsets":\[[0-9]*,[0-9]*\]' |
            sed 's/"\([^"]*\)".*\[\([0-9]*\),\([0-9]*\)\]$/t \1 \2 \3/'
        tail -c +$((9 + size)) "$1" | od -An -v -w4 -tf4
    } | awk -v only="${2-}" '
        BEGIN { at = 0 }
        $1 == "t" { if (only == "" || only == $2) { name[$3 / 4] = $2; end[$3 / 4] = $4 / 4 } next }
        at in name { now = name[at]; last = end[at] }
        at++ < last { print now, $1 }'
}

# close LIMIT GOT WANT: of two lists by floats, each tensor of WANT is in GOT within LIMIT plus LIMIT of
# each value. Tells the largest difference, and fails where there is more, or nothing to compare.
close() {
    awk -v limit="$1" '
        function size(v) { return v < 0 ? -v : v }
        FNR == NR { got[$1, n[$1]++] = $2; next }
        {
            key = $1 SUBSEP m[$1]++
            d = size(got[key] - $2)
            if (!(key in got) || !(d <= limit * (1 + size($2)))) {
                if (!bad++) print $1 ": value " m[$1] - 1 " is " got[key] ", not " $2
            }
            if (d > most) most = d
        }
        END {
            for (name in m) if (n[name] != m[name]) bad++
            print "largest difference " most + 0 " of " FNR " values"
            exit bad || !FNR
        }' "$2" "$3"
}

# refused STATUS WORD COMMAND…: it fails with that status, and says WORD.
refused() {
    local want=$1 word=$2 status=0
    shift 2
    "$@" >/dev/null 2>refused.err || status=$?
    echo "status $status: $(cat refused.err)"
    [ "$status" -eq "$want" ]
    grep -qF -- "$word" refused.err
}
