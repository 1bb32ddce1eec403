// SHA-256 against the published examples: FIPS 180-4's (NIST, "SHA256.pdf" of the example values)
// and the million letters of FIPS 180-2. SPDX-License-Identifier: MIT
#include "host/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text, *hex;
} examples[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
     "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct sha256 s;
        char hex[SHA256_HEX + 1];
        sha256_init(&s);
        sha256_add(&s, examples[i].text, strlen(examples[i].text));
        sha256_hex(&s, hex);
        assert_string_equal(hex, examples[i].hex);
    }
}

// In pieces of one byte, of whole quarters of a block, and of one more.
static void test_million(void **state)
{
    char letters[2 * SHA256_BLOCK];
    (void)state;
    memset(letters, 'a', sizeof(letters));
    for (size_t piece = 1; piece <= sizeof(letters); piece++) {
        struct sha256 s;
        char hex[SHA256_HEX + 1];
        size_t n = 1000000;
        if (piece % 16 > 1)
            continue;
        sha256_init(&s);
        for (size_t at = 0; at < n; at += piece)
            sha256_add(&s, letters, n - at < piece ? n - at : piece);
        sha256_hex(&s, hex);
        assert_string_equal(hex,
                            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples),
                                       cmocka_unit_test(test_million)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
