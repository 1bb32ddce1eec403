// Prompts to tokens, against transformers' T5Tokenizer: the golden file has a tensor per prompt.
// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/weights_file.h"
#include "plugins/text/tokens.h"

static const char *golden(const char *name)
{
    static char path[2][4096];
    static int turn;
    const char *root = getenv("srcdir");
    char *p = path[turn++ % 2];
    snprintf(p, sizeof(path[0]), "%s/tests/golden/%s", root && *root ? root : ".", name);
    return p;
}

static struct tokens *open_tokens(void)
{
    struct tokens *t;
    char why[200];
    if (!tokens_open(golden("t5/tokenizer/spiece.model"), &t, why, sizeof(why)))
        return t;
    if (strstr(why, "without SentencePiece"))
        skip();
    fail_msg("%s", why);
    return NULL;
}

static void same_as_the_library(void **state)
{
    (void)state;
    struct tokens *t = open_tokens();
    struct weights_file *f;
    const struct weights_entry *e;
    uint64_t n = 0;
    assert_int_equal(weights_open(golden("t5-tokens.safetensors"), &f), 0);
    for (; (e = weights_entry(f, n)); n++) {
        int32_t id[TOKENS_LENGTH], want[TOKENS_LENGTH];
        size_t left;
        int32_t used = tokens_encode(t, e->name, id, &left), end = 0;
        assert_int_equal(e->shape[0], TOKENS_LENGTH);
        memcpy(want, e->data, sizeof(want));
        for (int i = 0; i < TOKENS_LENGTH; i++) {
            if (id[i] != want[i])
                fail_msg("\"%s\": token %d is %d, not %d", e->name, i, (int)id[i], (int)want[i]);
            if (want[i] != TOKEN_PAD)
                end = i + 1;
        }
        assert_true(used >= 1 && used >= end);
        assert_true(!left || used == TOKENS_LENGTH);
    }
    assert_in_range(n, 60, 1000);
    weights_close(f);
    tokens_close(t);
}

static void counts_what_is_cut_off(void **state)
{
    (void)state;
    struct tokens *t = open_tokens();
    char text[400] = "";
    int32_t id[TOKENS_LENGTH];
    size_t left;
    for (int i = 0; i < 40; i++)
        strcat(text, "</s>");
    assert_int_equal(tokens_encode(t, text, id, &left), 41);
    assert_int_equal(left, 0);
    for (int i = 0; i < 40; i++)
        strcat(text, "</s>");
    assert_int_equal(tokens_encode(t, text, id, &left), TOKENS_LENGTH);
    assert_int_equal(left, 4);
    assert_int_equal(tokens_encode(t, "", id, &left), 1);
    tokens_close(t);
}

static void refuses_what_is_no_model(void **state)
{
    (void)state;
    struct tokens *t = open_tokens();
    char why[200];
    tokens_close(t);
    assert_int_equal(tokens_open(golden("t5-tokens.safetensors"), &t, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "no SentencePiece model"));
    assert_int_equal(tokens_open(golden("nothing"), &t, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "cannot be opened"));
    assert_int_equal(tokens_open("/dev/null", &t, why, sizeof(why)), -1);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_the_library),
        cmocka_unit_test(counts_what_is_cut_off),
        cmocka_unit_test(refuses_what_is_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
