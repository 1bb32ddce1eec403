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
    local width wide=''
    if [[ $1 == *.svg ]]; then
        cat "$1"
        return
    fi
    width=$(png_number "$1" 16)
    [ "$width" -le 820 ] || wide=' class="wide"'  # wider than the page: see style.css
    printf '<img%s alt="%s" width="%s" height="%s" src="data:image/png;base64,' "$wide" \
        "$(escape <<<"$2")" "$width" "$(png_number "$1" 20)"
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

# heading ID: where the report has it, and its title. A section of several figures has them as B1, B1-name.
heading() {
    printf '%s %s\n' "${1%%-*}" "${title[$1]}"
}

page_figure() {
    local file what
    printf '<figure id="%s">\n<h3>%s</h3>\n' "$1" "$(heading "$1" | escape)"
    [ -z "${tables[$1]}" ] || page_table "$1"
    while IFS=$'\t' read -r file what; do
        [ -z "$file" ] || page_picture "$file" "$what"
    done <<<"${pictures[$1]}"
    printf '<figcaption>%s\n<pre><code>%s</code></pre></figcaption>\n</figure>\n' "${text[$1]:-}" \
        "$(escape <<<"${commands[$1]}")"
}

# shown: the IDs of this page, a section before its figures and none without any.
shown() {
    local id head=''
    for id in "${entries[@]}"; do
        if [[ $id == '#'* ]]; then
            head=$id
        elif wanted "$id"; then
            [ -z "$head" ] || printf '%s\n' "$head"
            head=
            printf '%s\n' "$id"
        fi
    done
}

# Any of part B, whose nets are trained: a pipe into grep -q would now and then end in SIGPIPE, and so false.
shows_nets() {
    [[ $'\n'$(shown) == *$'\nB'* ]]
}

page_contents() {
    local id open=''
    printf '<nav>\n'
    while IFS= read -r id; do
        if [[ $id == '#'* ]]; then
            printf '%s<h4><a href="#part-%s">%s</a></h4>\n<ul>\n' "$open" "${id#?}" "$(escape <<<"${title[$id]}")"
            open=$'</ul>\n'
        else
            printf '<li><a href="#%s">%s</a></li>\n' "$id" "$(heading "$id" | escape)"
        fi
    done < <(shown)
    printf '%s<h4><a href="#numbers">Numbers</a></h4>\n</nav>\n' "$open"
}

processor() {
    sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1
}

# How far each net was trained, and what its loss was on the way, as means of some ten records.
page_nets() {
    local name log
    printf '<table><tr><th>net</th><th>weights</th><th>epochs</th><th>steps</th>%s%s</tr>\n' \
        '<th>first loss</th><th>at 10%</th><th>at 50%</th><th>at the end</th>' '<th>images a second</th>'
    for name in denoiser time class; do
        log=${name}_log
        log=$(log_of "${!name}" "${!log}")
        [ -f "$log" ] || continue
        printf '<tr><th>%s</th><td>%s</td>' "${!name}" \
            "$(kiln inspect "${!name}" --json | sed -n 's/^  "parameters": \([0-9]*\),$/\1/p')"
        awk -F '\t' '
            function about(k,   i, s, n) {
                for (i = k - 4; i <= k + 5; i++) if (i in loss) { s += loss[i]; n++ }
                return s / n
            }
            NR > 1 { loss[++n] = $3; step = $1; epoch = $2; speed += $5 }
            END {
                printf "<td>%d</td><td>%d</td><td>%.2f</td>", epoch, step, loss[1]
                printf "<td>%.4f</td><td>%.4f</td><td>%.4f</td>", about(int(n / 10) + 1), about(int(n / 2) + 1), about(n - 4)
                printf "<td>%.0f</td></tr>\n", speed / n
            }' "$log"
    done
    printf '</table>\n'
}

nets_text="The denoiser's loss is the mean squared error of the digit, that of the other two that of the noise: always
to answer 0 would cost 0.11 and 1. The columns \"at\" are means of ten records of the log; the speed is that of the
machine that trained."

page_numbers() {
    local id sum=0 n=0 seconds
    printf '<h2 id="numbers">Numbers</h2>\n'
    if shows_nets; then
        printf '<p>How far the nets were trained. %s</p>\n' "$nets_text"
        page_nets
    fi
    printf '<p>How long each figure took here, in seconds.</p>\n<p class="times">'
    while IFS= read -r id; do
        [[ $id != '#'* ]] && [ -s "$state/$id.time" ] || continue
        seconds=$(cat "$state/$id.time")
        sum=$((sum + seconds)) n=$((n + 1))
        printf '<span>%s %s</span>\n' "$id" "$seconds"
    done < <(shown)
    printf '</p>\n<p>%s figures in %s min %s s, %s threads%s.</p>\n' "$n" $((sum / 60)) $((sum % 60)) \
        "${KILN_THREADS:-$(nproc)}" "$(processor | sed 's/^/ of /' | escape)"
}

page() {
    local id
    printf '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
    printf '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>kiln: the report</title>\n<style>\n'
    cat "$parts/style.css"
    printf '</style></head><body><main>\n<h1>Pixel diffusion, figure by figure</h1>\n'
    printf '<p>Made by %s. Below each figure stands the command that made it, ready to paste.</p>\n' \
        "$(kiln version | head -n 1 | escape)"
    [ -z "$train" ] || printf '<p>The nets were trained for this page; what is said under the figures was written beside %s</p>\n' \
        'those of the nets that ship.'
    page_contents
    while IFS= read -r id; do
        if [[ $id == '#'* ]]; then
            printf '<h2 id="part-%s">%s</h2>\n%s\n' "${id#?}" "$(escape <<<"${title[$id]}")" "${text[$id]}"
        else
            page_figure "$id"
        fi
    done < <(shown)
    page_numbers
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
