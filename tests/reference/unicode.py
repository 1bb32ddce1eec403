# SPDX-License-Identifier: MIT
"""Writes plugins/text/unicode_table.h: what Python's re and str know of characters.

Run: python tests/reference/unicode.py (from the root of the tree). Written with Python 3.11 (Unicode
14.0). Only facts go in: which code points are words, digits and blanks, and their lower case.
"""
import html.entities
import os
import re
import sys

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "plugins", "text", "unicode_table.h")


def ranges(pattern):
    match = re.compile(pattern).match
    out = []
    for c in range(sys.maxunicode + 1):
        if 0xD800 <= c < 0xE000 or not match(chr(c)):
            continue
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def lower():
    """[first, last, stride, distance]: of every stride-th from first to last."""
    out = []
    for c in range(sys.maxunicode + 1):
        to = chr(c).lower()
        if len(to) != 1 or ord(to) == c:  # U+0130 alone becomes two
            continue
        d = ord(to) - c
        last = out[-1] if out else None
        if last and last[3] == d and c - last[1] == 1 and last[2] in (0, 1):
            last[1], last[2] = c, 1
        elif last and last[3] == d and c - last[1] == 2 and last[2] in (0, 2):
            last[1], last[2] = c, 2
        else:
            out.append([c, c, 0, d])
    return [[a, b, s or 1, d] for a, b, s, d in out]


def table(f, kind, name, rows, say):
    f.write(f"\nstatic const {kind} {name}[] = {{\n")
    line = "   "
    for row in rows:
        item = " {" + ", ".join(say(row)) + "},"
        if len(line) + len(item) > 100:
            f.write(line + "\n")
            line = "   "
        line += item
    f.write(line + "\n};\n")


def main():
    assert "İ".lower() == "i̇" and len("İ".lower()) == 2
    with open(OUT, "w") as f:
        f.write("// Written by tests/reference/unicode.py (Unicode 14.0); see unicode.c.\n"
                "// SPDX-License-Identifier: MIT\n// clang-format off\n"
                "struct range { uint32_t first, last; };\n"
                "struct lower { uint32_t first, last; int32_t stride, distance; };\n"
                "struct entity { const char *name; uint32_t code; };\n")
        two = lambda r: ["0x%x" % r[0], "0x%x" % r[1]]
        table(f, "struct range", "word_ranges", ranges(r"\w"), two)
        table(f, "struct range", "digit_ranges", ranges(r"\d"), two)
        table(f, "struct range", "space_ranges", ranges(r"\s"), two)
        table(f, "struct lower", "lower_ranges", lower(),
              lambda r: ["0x%x" % r[0], "0x%x" % r[1], str(r[2]), str(r[3])])
        table(f, "struct entity", "entities", sorted(html.entities.name2codepoint.items()),
              lambda r: ['"%s"' % r[0], "0x%x" % r[1]])


main()
