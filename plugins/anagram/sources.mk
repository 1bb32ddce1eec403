# SPDX-License-Identifier: MIT
anagram_sources = plugins/anagram/anagram.c
