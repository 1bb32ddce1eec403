# The page: all figures in one file that needs no other. To be sourced.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154

escape() {
    sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'
}

# Big-endian number of four bytes at an offset: of a PNG's header.
png_number() {
    od -An -tu1 -j "$2" -N 4 "$1" | awk '{ print (($1 * 256 + $2) * 256 + $3) * 256 + $4 }'
}

page_picture() {
    if [[ $1 == *.svg ]]; then
        cat "$1"
        return
    fi
    printf '<img alt="%s" width="%s" height="%s" src="data:image/png;base64,' "$(escape <<<"$2")" \
        "$(png_number "$1" 16)" "$(png_number "$1" 20)"
    base64 -w0 "$1"
    printf '">\n'
}

page_table() {
    printf '%s\n' "${tables[$1]}" '==' "$(sed -n 's/.*compare: [a-z]* //p' "$state/$1.log")" | awk '
        $0 == "==" { numbers = 1; next }
        numbers { value[n++] = $0; next }
        $0 == "--" { body = 1; next }
        body { row[r++] = $0; next }
        { column[c++] = $0 }
        END {
            printf "<table><tr>"
            for (i = 0; i < c; i++) printf "<th>%s</th>", column[i]
            for (k = 0; k < r; k++) {
                printf "</tr>\n<tr><th>%s</th>", row[k]
                for (i = 0; i < c - 1; i++) printf "<td>%.4f</td>", value[k * (c - 1) + i]
            }
            print "</tr></table>"
        }'
}

page_figure() {
    local file what
    printf '<figure id="%s">\n<h3>%s %s</h3>\n' "$1" "$1" "$(escape <<<"${title[$1]}")"
    [ -z "${tables[$1]}" ] || page_table "$1"
    while IFS=$'\t' read -r file what; do
        [ -z "$file" ] || page_picture "$file" "$what"
    done <<<"${pictures[$1]}"
    printf '<figcaption>%s\n<pre><code>%s</code></pre></figcaption>\n</figure>\n' "${text[$1]:-}" \
        "$(escape <<<"${commands[$1]}")"
}

page() {
    local id
    printf '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
    printf '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>kiln: the report</title>\n<style>\n'
    cat "$parts/style.css"
    printf '</style></head><body><main>\n<h1>Pixel diffusion, figure by figure</h1>\n'
    printf '<p>Made by %s. Below each figure stands the command that made it, ready to paste.</p>\n' \
        "$(kiln version | head -n 1 | escape)"
    for id in "${entries[@]}"; do
        if [[ $id == '#'* ]]; then
            printf '<h2>%s</h2>\n%s\n' "$(escape <<<"${title[$id]}")" "${text[$id]}"
        elif wanted "$id"; then
            page_figure "$id"
        fi
    done
    printf '</main></body></html>\n'
}

write_page() {
    local status
    # In a subshell of its own, as no condition, so that -e counts: a full disk ends it.
    (
        set -e
        page
    ) >"$state/page.part"
    status=$?
    if [ $status -ne 0 ] || [ "$(tail -c 8 "$state/page.part")" != "</html>" ] ||
        ! mv "$state/page.part" index.html; then
        die "cannot write '$out/index.html'"
    fi
    printf '%s\n' "$out/index.html"
}
