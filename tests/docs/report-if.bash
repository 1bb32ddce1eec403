# For tests of scripts/report --net: `load report-if` after `load ../if/if`.
# SPDX-License-Identifier: MIT

# Folders I and II of random weights, and embeddings of the report's prompts for them.
if_folders() {
    random_if tiny-I I
    random_if tiny-II II
    kiln blank 1x1x1x1 ! t5 "$top_srcdir/tests/golden/t5" ! encode "a high quality photo" "a rocket ship" \
        "a pencil" "an oil painting of a snowy mountain village" "a man wearing a hat" \
        "an oil painting of people around a campfire" "an oil painting of an old man" \
        "a lithograph of waterfalls" "a lithograph of a skull" "a photo of a man" \
        "a photo of the amalfi cost" ! save bank.safetensors
}

# wider FILE WIDTH [BY]: a PNG is BY pixels wider than WIDTH; without BY any number less than WIDTH.
wider() {
    local size
    size=$(od -An -tu1 -j 16 -N 4 "$1" | awk '{ print ($3 * 256) + $4 }')
    echo "$1: $size"
    if [ -n "${3:-}" ]; then
        [ "$size" -eq $(($2 + $3)) ]
    else
        [ "$size" -gt "$2" ] && [ "$size" -lt $((2 * $2)) ]
    fi
}
