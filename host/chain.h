// The grammar of a chain, before any meaning: words to nodes with arguments.
//   chain := node { "!" node }   node := NAME { arg }   arg := WORD | NAME=WORD | [NAME=] "["
//   [chain] "]"
// SPDX-License-Identifier: MIT
#ifndef HOST_CHAIN_H
#define HOST_CHAIN_H

#include "util.h"

struct chain;

struct arg {
    char *word;           // as typed, "sigma=2" say; NULL for a bracket
    char *name;           // of a bracket: what stood before "=", or NULL
    struct chain *chain;  // of a bracket
};

struct node {
    char *name;
    struct arg *arg;
    size_t n_args;
};

struct chain {
    struct node *node;
    size_t n;
};

// A word, and whether it can be one of the marks "!", "[" and "]": a quoted one never is.
struct word {
    char *text;
    int quoted;
};

// Words to a chain; an empty list gives an empty chain. Fails with KILN_ERR_ARG.
int chain_parse(const struct word *word, size_t n, struct chain **out);
int chain_parse_argv(char *const *argv, int n, struct chain **out);
// Text to words: blanks and newlines divide, "…" with JSON's escapes keeps them (also in the middle
// of a word: text="a b"), # at the start of a word comments to the end of the line, $NAME is
// replaced by lookup (NULL: $ is plain).
int words_parse(const char *text, const char *(*lookup)(void *ctx, const char *name), void *ctx,
                struct word **word, size_t *n);
void words_free(struct word *word, size_t n);
int chain_parse_text(const char *text, struct chain **out);
void chain_free(struct chain *c);
struct chain *chain_copy(const struct chain *c);

// A value in canonical text: as it is, or as a JSON string where it would not come back as one
// word.
void text_word(struct text *t, const char *value);
// A word for a POSIX shell: as it is or in single quotes.
void text_shell(struct text *t, const char *word);

#endif
