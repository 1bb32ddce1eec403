# For tests of scripts/report.
# SPDX-License-Identifier: MIT

report() {
    KILN=$(command -v kiln) "$top_srcdir/scripts/report" "$@"
}

# The commands of a page, each as it is pasted.
commands() {
    awk '/<pre><code>/ { on = 1 } on { print } /<\/code><\/pre>/ { on = 0 }' "$1" |
        sed 's/.*<pre><code>//; s/<\/code><\/pre>.*//; s/&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g'
}

# Nothing of the page lies elsewhere.
alone() {
    ! grep -oE '(src|href)="[^"]*"|url\([^)]*\)|@import.*' "$1" | grep -v -E '="(data:|#)'
}

# The commands of page FOLDER/index.html, run in an empty folder, give the pictures of FOLDER.
repeats() {
    local folder=$1 n=0 file
    rm -rf again
    mkdir again
    # `diagram` is named as it lies in the tree.
    ln -s "$top_srcdir/scripts" again/scripts
    commands "$folder/index.html" >again/all.sh
    (cd again && bash -e all.sh)
    for file in again/*.png; do
        kiln load "$file" ! compare "$folder/$(basename "$file")"
        n=$((n + 1))
    done
    [ "$n" -gt 0 ]
}

# The lines of a page in Markdown, but for numbers that were measured.
pages() {
    grep -v '^<t[ra]' "$1"
}
