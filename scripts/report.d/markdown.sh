# The page as Markdown with its pictures beside it, for sites that show such files. To be sourced.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154

# copy_picture FILE: a drawing gets white paper, since outside of a page it does not know what it lies on.
copy_picture() {
    if [[ $1 == *.svg ]]; then
        sed '1s/>/><rect width="100%" height="100%" fill="#fff"\/>/' "$1" >"$markdown/report/$1"
    else
        cp "$1" "$markdown/report/$1"
    fi
}

markdown_figure() {
    local file what
    printf '### %s\n\n' "$(heading "$1")"
    [ -z "${tables[$1]}" ] || page_table "$1"
    while IFS=$'\t' read -r file what; do
        [ -n "$file" ] || continue
        copy_picture "$file" || return 1
        printf '![%s](report/%s)\n\n' "$what" "$file"
    done <<<"${pictures[$1]}"
    printf '%s\n\n```bash\n%s\n```\n\n' "${text[$1]:-}" "${commands[$1]}"
}

markdown_page() {
    local id
    printf '# Pixel diffusion, figure by figure\n\n'
    printf 'Made by `scripts/report`. Below each figure stands the command that made it.\n\n'
    while IFS= read -r id; do
        if [[ $id == '#'* ]]; then
            printf '## %s\n\n%s\n\n' "${title[$id]}" "${text[$id]}"
        else
            markdown_figure "$id"
        fi
    done < <(shown)
    if shows_nets; then
        printf '## How far the nets were trained\n\n%s\n\n' "$nets_text"
        page_nets
    fi
}

write_markdown() {
    mkdir -p "$markdown/report" && markdown_page >"$state/markdown.part" &&
        mv "$state/markdown.part" "$markdown/report.md" || die "cannot write '$markdown/report.md'"
}
