# The examples of README and docs/.
# SPDX-License-Identifier: MIT

# Files that the examples take to be there; the nets of DeepFloyd IF as small as goes, random.
examples_inputs() {
    cp "$top_srcdir/share/photos/cat.png" "$top_srcdir/tests/golden/if/prompts.pth" .
    kiln load cat.png ! resize 64x64 ! save rocket.png
    random_if tiny-I IF-I-M
    random_if tiny-II IF-II-M
    mkdir share
    ln -s "$top_srcdir/share/photos" share/photos
    printf 'step\tloss\n1\t1.0\n2\t0.5\n3\t0.3\n' >log.tsv
}

# The lines of all blocks of a language. There are no weights of t5 in this tree.
examples() {
    cat "$top_srcdir"/README.md "$top_srcdir"/docs/*.md "$top_srcdir"/docs/nodes/*.md |
        awk -v start='```'"$1" '$0 == start { on = 1; next } /^```/ { on = 0 } on' | grep -v ' t5 '
}

# The C blocks of the guide: "whole" files, which include kiln's header, or the "table"s that are
# only a part of one.
examples_c() {
    [ "$1" = whole ] || echo '#include <kiln/kiln.h>'
    awk -v want="$1" '
        function flush() { if (on && (text ~ /#include/) == (want == "whole")) printf "%s", text }
        $0 == "```c" { on = 1; text = ""; next }
        /^```/ { flush(); on = 0 }
        on { text = text $0 "\n" }
    ' "$top_srcdir/docs/writing-plugins.md"
}

# The same command line as a dry run of one process.
dry() {
    local line=${1/#kiln /kiln --dry-run }
    printf '%s\n' "${line// | kiln / ! }"
}
