// SPDX-License-Identifier: MIT
#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pieces.h"

enum { MAX_MODEL_BYTES = 64 << 20 };

struct tokens {
    struct pieces *pieces;
    int32_t n_pieces;
};

static char *read_file(const char *path, size_t *n, char *why, size_t room)
{
    FILE *f = fopen(path, "rb");
    char *p = NULL;
    long size = -1;
    if (f && !fseek(f, 0, SEEK_END))
        size = ftell(f);
    if (!f)
        snprintf(why, room, "it cannot be opened");
    else if (size < 0 || fseek(f, 0, SEEK_SET))
        snprintf(why, room, "it cannot be read");
    else if (size > MAX_MODEL_BYTES)
        snprintf(why, room, "it is too large for a SentencePiece model");
    else if (!(p = malloc((size_t)size + 1)))
        snprintf(why, room, "out of memory");
    else if (fread(p, 1, (size_t)size, f) != (size_t)size) {
        snprintf(why, room, "it cannot be read");
        free(p);
        p = NULL;
    }
    if (f)
        fclose(f);
    *n = p ? (size_t)size : 0;
    return p;
}

int tokens_open(const char *path, struct tokens **out, char *why, size_t room)
{
    size_t n;
    *out = NULL;
    char *bytes = read_file(path, &n, why, room);
    if (!bytes)
        return -1;
    struct tokens *t = calloc(1, sizeof(*t));
    if (t)
        t->pieces = pieces_open(bytes, n, why, room);
    else
        snprintf(why, room, "out of memory");
    free(bytes);
    if (!t || !t->pieces) {
        free(t);
        return -1;
    }
    t->n_pieces = pieces_count(t->pieces);
    static const char *const special[] = {"<pad>", "</s>", "<unk>"};
    for (int32_t i = 0; i < 3; i++)
        if (pieces_id(t->pieces, special[i]) != i || t->n_pieces < 4) {
            snprintf(why, room, "it is not of T5's kind: piece %d is not '%s'", (int)i, special[i]);
            tokens_close(t);
            return -1;
        }
    *out = t;
    return 0;
}

void tokens_close(struct tokens *t)
{
    if (t)
        pieces_close(t->pieces);
    free(t);
}

int32_t tokens_count(const struct tokens *t)
{
    return t->n_pieces + TOKENS_EXTRA;
}

// The length of a special token at s, as the text spells it, and its id; 0: there is none.
static size_t special_at(const struct tokens *t, const char *s, int32_t *id)
{
    static const struct {
        const char *text;
        int32_t id;
    } special[] = {{"<pad>", TOKEN_PAD}, {"</s>", TOKEN_END}, {"<unk>", TOKEN_UNKNOWN}};
    static const char extra[] = "<extra_id_";
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (!strncmp(s, special[i].text, strlen(special[i].text))) {
            *id = special[i].id;
            return strlen(special[i].text);
        }
    if (strncmp(s, extra, sizeof(extra) - 1))
        return 0;
    const char *digit = s + sizeof(extra) - 1;
    size_t n = strspn(digit, "0123456789");
    if (n < 1 || n > 2 || digit[n] != '>' || (n == 2 && *digit == '0'))
        return 0;
    *id = t->n_pieces + TOKENS_EXTRA - 1 - (int32_t)strtol(digit, NULL, 10);
    return sizeof(extra) - 1 + n + 1;
}

struct row {
    int32_t *id;
    size_t n;  // of all; those from TOKENS_LENGTH on are not kept
};

static void add(struct row *r, int32_t id)
{
    if (r->n < TOKENS_LENGTH)
        r->id[r->n] = id;
    r->n++;
}

static int add_text(const struct tokens *t, struct row *r, const char *text, size_t n)
{
    size_t have = 0;
    int32_t *id = n ? pieces_encode(t->pieces, text, n, &have) : NULL;
    if (n && !id)
        return -1;
    for (size_t i = 0; i < have; i++)
        add(r, id[i]);
    free(id);
    return 0;
}

int32_t tokens_encode(const struct tokens *t, const char *text, int32_t *id, size_t *left)
{
    struct row r = {id, 0};
    size_t n = strlen(text), begin = 0, at = 0;
    int e = 0;
    char *s = malloc(n + 1);
    if (!s)
        return -1;
    memcpy(s, text, n + 1);
    // U+0085 (next line) counts as a blank, which SentencePiece does not know.
    for (char *p = s; (p = strstr(p, "\xc2\x85"));)
        p[0] = p[1] = ' ';
    // Between special tokens each part is a text of its own.
    while (at < n && !e) {
        int32_t special;
        size_t length = s[at] == '<' ? special_at(t, s + at, &special) : 0;
        if (!length) {
            at++;
            continue;
        }
        e = add_text(t, &r, s + begin, at - begin);
        add(&r, special);
        begin = at += length;
    }
    e = e ? e : add_text(t, &r, s + begin, n - begin);
    free(s);
    if (e)
        return -1;
    size_t used = r.n < TOKENS_LENGTH ? r.n : TOKENS_LENGTH - 1;
    *left = r.n - used;
    id[used++] = TOKEN_END;
    for (size_t i = used; i < TOKENS_LENGTH; i++)
        id[i] = TOKEN_PAD;
    return (int32_t)used;
}
