// safetensors headers: the canonical writer against a file made in Python, and what the reader
// accepts and refuses.
// SPDX-License-Identifier: MIT
#include "golden.h"

#include "../../host/safetensors.h"

// The contents of canonical.safetensors, in an order of our own.
static const struct {
    const char *name;
    int dtype;
    int32_t ndim;
    int64_t shape[8];
} tensors[] = {
    {"b.weight", KILN_F32, 2, {2, 3}},
    {"a", KILN_U8, 1, {3}},
    {"", KILN_I64, 0, {0}},
    {"\xc3\xa9", KILN_F16, 1, {5}},
    {"Z", KILN_BF16, 2, {1, 2}},
    {"quote\"back\\slash", KILN_F64, 1, {2}},
    {"empty", KILN_F32, 2, {0, 7}},
    {"c", KILN_I32, 8, {1, 1, 1, 1, 1, 1, 1, 2}},
};
enum { N = sizeof(tensors) / sizeof(tensors[0]) };

static const struct st_string strings[] = {
    {"text", "a \"quoted\"\n\ttext\x01\x7f \\ \xc3\xbc \xf0\x9f\x98\x80"},
    {"kiln.stream", "1"},
    {"", "empty key"},
};

static void writes_the_canonical_form(void **state)
{
    (void)state;
    const char *name[N];
    kiln_tensor *tensor[N];
    uint32_t order[N];
    for (int i = 0; i < N; i++) {
        name[i] = tensors[i].name;
        tensor[i] = new_ramp(tensors[i].dtype, tensors[i].ndim, tensors[i].shape);
    }
    void *header;
    size_t n, want_n;
    assert_int_equal(st_header_write(N, name, (const kiln_tensor *const *)tensor, 3, strings, order,
                                     &header, &n),
                     0);
    unsigned char *want = slurp(golden("canonical.safetensors"), &want_n);
    assert_int_equal(n % 64, 0);
    assert_true(n <= want_n);
    assert_memory_equal(header, want, n);
    size_t at = n;
    for (int i = 0; i < N; i++) {
        const kiln_tensor *t = tensor[order[i]];
        assert_true(at + tensor_bytes(t) <= want_n);
        if (tensor_bytes(t))
            assert_memory_equal(tensor_data(t), want + at, tensor_bytes(t));
        at += tensor_bytes(t);
    }
    assert_int_equal(at, want_n);
    for (int i = 0; i < N; i++)
        tensor_unref(tensor[i]);
    free(header);
    free(want);
}

static void reads_what_it_writes(void **state)
{
    (void)state;
    size_t n;
    unsigned char *file = slurp(golden("canonical.safetensors"), &n);
    uint64_t length = 0;
    memcpy(&length, file, 8);
    struct st_header h;
    assert_int_equal(st_parse((const char *)file + 8, length, &h), 0);
    assert_int_equal(h.n_tensors, N);
    assert_int_equal(h.data_bytes, n - 8 - length);
    for (int i = 0; i < N; i++) {
        const struct st_tensor *t = st_find(&h, tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->dtype, tensors[i].dtype);
        assert_int_equal(t->ndim, tensors[i].ndim);
        for (int k = 0; k < t->ndim; k++)
            assert_int_equal(t->shape[k], tensors[i].shape[k]);
    }
    for (int i = 0; i < 3; i++)
        assert_string_equal(st_string(&h, strings[i].key), strings[i].value);
    assert_null(st_find(&h, "b"));
    assert_null(st_string(&h, "kiln"));
    st_free(&h);
    st_free(&h);
    free(file);
}

static void reads_the_library_s_order(void **state)
{
    (void)state;
    size_t n;
    unsigned char *file = slurp(golden("library.safetensors"), &n);
    uint64_t length = 0;
    memcpy(&length, file, 8);
    struct st_header h;
    assert_int_equal(st_parse((const char *)file + 8, length, &h), 0);
    assert_int_equal(h.n_tensors, 4);
    assert_int_equal(h.data_bytes, n - 8 - length);
    assert_string_equal(st_string(&h, "format"), "pt");
    const struct st_tensor *t = st_find(&h, "half");
    assert_int_equal(t->dtype, KILN_F16);
    assert_int_equal(t->end - t->begin, 6);
    st_free(&h);
    free(file);
}

#define A "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"
#define ONE(type, shape, offsets)                                                                  \
    "{\"a\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
    const char *header, *why;  // why: part of the message; NULL: accepted
} cases[] = {
    {"{}", NULL},
    {"{}  \n", NULL},
    {"{\"__metadata__\":{}}", NULL},
    {A "}", NULL},
    {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]}}", NULL},
    {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[3,4]}}", "overlaps"},
    {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "overlaps"},
    {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}", "overlaps"},
    {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[5,9]}}", "gap"},
    {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[5,5]}}", "gap"},
    {ONE("U8", "[4]", "[1,5]"), "gap"},
    {ONE("U8", "[5]", "[0,4]"), "offsets hold 4"},
    {ONE("F32", "[4]", "[0,4]"), "is 16 bytes"},
    {ONE("F32", "[]", "[0,0]"), "is 4 bytes"},
    {ONE("F32", "[4611686018427387904]", "[0,0]"), "overflows"},
    {ONE("F32", "[4294967296,4294967296]", "[0,0]"), "overflows"},
    {ONE("F32", "[4294967296,4294967296,0]", "[0,0]"), "overflows"},
    {ONE("F32", "[9223372036854775808]", "[0,0]"), "too big"},
    {ONE("F32", "[18446744073709551616]", "[0,0]"), "too big"},
    {ONE("F32", "[-1]", "[0,4]"), "not a whole number"},
    {ONE("F32", "[1.0]", "[0,4]"), "not a whole number"},
    {ONE("F32", "[true]", "[0,4]"), "not a whole number"},
    {ONE("F32", "[\"1\"]", "[0,4]"), "not a whole number"},
    {ONE("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), "more than 8"},
    {ONE("F32", "1", "[0,4]"), "'shape'"},
    {ONE("F32", "[1]", "[4,0]"), "data_offsets"},
    {ONE("F32", "[1]", "[-4,0]"), "data_offsets"},
    {ONE("F32", "[1]", "[0]"), "data_offsets"},
    {ONE("F32", "[1]", "[0,4,4]"), "data_offsets"},
    {ONE("F32", "[1]", "[0,4.0]"), "data_offsets"},
    {ONE("F32", "[1]", "null"), "'data_offsets'"},
    {ONE("F33", "[1]", "[0,4]"), "unknown type 'F33'"},
    {ONE("f32", "[1]", "[0,4]"), "unknown type"},
    {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", "'dtype'"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", "'dtype' is missing"},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", "'shape' is missing"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", "'data_offsets' is missing"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", "'x' is unknown"},
    {"{\"a\":[]}", "not an object"},
    {"{\"a\":null}", "not an object"},
    {"{\"__metadata__\":[]}", "not an object"},
    {"{\"__metadata__\":{\"k\":1}}", "'k' is not a string"},
    {"{\"__metadata__\":{\"k\":{}}}", "'k' is not a string"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "duplicate"},
    {"{\"a\":{},\"a\":{}}", "duplicate"},
    {A ",\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", "duplicate"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", "duplicate"},
    {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "NUL"},
    {"{\"a\":\"\xff\"}", "decode"},
    {"{\"\xc0\x80\":\"\"}", "decode"},
    {"{\"\xed\xa0\x80\":\"\"}", "decode"},
    {"{\"\\ud800\":\"\"}", "safetensors header"},
    {"", "'{'"},
    {" {}", "'{'"},
    {"[]", "'{'"},
    {"{", "safetensors header"},
    {"{}}", "safetensors header"},
    {"{} {}", "safetensors header"},
    {"{\"a\":", "safetensors header"},
    {"{\"a\":1e999}", "safetensors header"},
    {"{\"__metadata__\":{\"k\":\"\x01\"}}", "safetensors header"},
};

// One line that the user can read, and nothing left behind.
static void check_refused(const struct st_header *h, const char *why)
{
    if (!strstr(fail_text(), why))
        fail_msg("\"%s\" does not mention \"%s\"", fail_text(), why);
    assert_null(h->tensor);
    assert_null(h->priv);
}

static void refuses_what_is_not_strict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct st_header h;
        int e = st_parse(cases[i].header, strlen(cases[i].header), &h);
        if (!cases[i].why != !e)
            fail_msg("%s: %s", cases[i].header, e ? fail_text() : "accepted");
        if (e) {
            assert_int_equal(e, KILN_ERR_IO);
            check_refused(&h, cases[i].why);
        }
        st_free(&h);
    }
}

static void refuses_bytes_after_a_nul(void **state)
{
    (void)state;
    struct st_header h;
    assert_int_equal(st_parse("{}\0", 3, &h), KILN_ERR_IO);
    assert_int_equal(st_parse("{\"a\0\":{}}", 10, &h), KILN_ERR_IO);
    check_refused(&h, "safetensors header");
}

static void refuses_depth_and_size(void **state)
{
    (void)state;
    struct st_header h;
    size_t n = 1 << 20;
    char *deep = malloc(n);
    assert_non_null(deep);
    memset(deep, '[', n);
    memcpy(deep, "{\"a\":", 5);
    assert_int_equal(st_parse(deep, n, &h), KILN_ERR_IO);
    check_refused(&h, "depth");
    free(deep);
    n = SAFETENSORS_MAX_HEADER + 1;
    char *large = malloc(n);
    assert_non_null(large);
    memset(large, ' ', n);
    memcpy(large, "{}", 2);
    assert_int_equal(st_parse(large, n, &h), KILN_ERR_IO);
    check_refused(&h, "16 MiB");
    assert_int_equal(st_parse(large, n - 1, &h), 0);
    st_free(&h);
    free(large);
}

static void writer_refuses_what_no_reader_takes(void **state)
{
    (void)state;
    kiln_tensor *t = new_ramp(KILN_F32, 0, NULL);
    const kiln_tensor *two[] = {t, t};
    uint32_t order[2];
    void *out;
    size_t n;
    assert_int_equal(st_header_write(2, (const char *[]){"a", "a"}, two, 0, NULL, order, &out, &n),
                     KILN_ERR_ARG);
    assert_non_null(strstr(fail_text(), "two tensors"));
    assert_int_equal(
        st_header_write(1, (const char *[]){"__metadata__"}, two, 0, NULL, order, &out, &n),
        KILN_ERR_ARG);
    static const char *const broken[] = {"\xff",         "\xc0\x80",         "a\xe2\x82",
                                         "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        assert_int_equal(st_header_write(1, &broken[i], two, 0, NULL, order, &out, &n),
                         KILN_ERR_ARG);
        assert_non_null(strstr(fail_text(), "UTF-8"));
    }
    struct st_string twice[] = {{"k", "1"}, {"k", "2"}};
    assert_int_equal(st_header_write(0, NULL, NULL, 2, twice, order, &out, &n), KILN_ERR_ARG);
    size_t large = SAFETENSORS_MAX_HEADER;
    char *text = malloc(large + 1);
    assert_non_null(text);
    memset(text, 'x', large);
    text[large] = 0;
    struct st_string huge = {"k", text};
    assert_int_equal(st_header_write(0, NULL, NULL, 1, &huge, order, &out, &n), KILN_ERR_ARG);
    assert_non_null(strstr(fail_text(), "16 MiB"));
    free(text);
    tensor_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_canonical_form),
        cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(reads_the_library_s_order),
        cmocka_unit_test(refuses_what_is_not_strict),
        cmocka_unit_test(refuses_bytes_after_a_nul),
        cmocka_unit_test(refuses_depth_and_size),
        cmocka_unit_test(writer_refuses_what_no_reader_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
