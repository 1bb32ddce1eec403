// Files of torch.save: what PyTorch wrote is read, and nothing that is in a file is run or
// believed. SPDX-License-Identifier: MIT
#include "golden.h"

#include "../../host/torch_file.h"

static const struct torch_tensor *tensor_of(const struct torch_file *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_tensors; i++)
        if (!strcmp(f->tensor[i].name, name))
            return &f->tensor[i];
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static const char *string_of(const struct torch_file *f, const char *key)
{
    for (uint32_t i = 0; i < f->n_strings; i++)
        if (!strcmp(f->string[i].key, key))
            return f->string[i].value;
    return NULL;
}

// Elements as double; place[i] is the element of the ramp that belongs at i.
static void check(const struct torch_file *f, const char *name, int dtype, const int *place, int n)
{
    const struct torch_tensor *t = tensor_of(f, name);
    kiln_tensor *raw, *got;
    assert_int_equal(t->dtype, dtype);
    assert_int_equal(tensor_new(dtype, t->ndim, t->shape, &raw), 0);
    assert_int_equal(kiln_numel(raw), n);
    assert_int_equal(torch_copy(f, t, tensor_data(raw)), 0);
    assert_int_equal(tensor_convert(raw, KILN_F64, &got), 0);
    for (int i = 0; i < n; i++) {
        double want = ramp(dtype, place ? place[i] : i);
        if (((double *)tensor_data(got))[i] != want)
            fail_msg("%s[%d] is %g, want %g", name, i, ((double *)tensor_data(got))[i], want);
    }
    tensor_unref(raw);
    tensor_unref(got);
}

static unsigned char *open_golden(const char *name, struct torch_file *f)
{
    size_t n;
    unsigned char *p = slurp(golden(name), &n);
    if (torch_open(p, n, f))
        fail_msg("%s: %s", name, fail_text());
    return p;
}

static void reads_every_type(void **state)
{
    (void)state;
    struct torch_file f;
    unsigned char *p = open_golden("torch-types.pt", &f);
    static const struct {
        const char *name;
        int dtype;
    } plain[] = {{"float32", KILN_F32},   {"float64", KILN_F64}, {"float16", KILN_F16},
                 {"bfloat16", KILN_BF16}, {"int32", KILN_I32},   {"int64", KILN_I64},
                 {"uint8", KILN_U8}};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        check(&f, plain[i].name, plain[i].dtype, NULL, 3);
        assert_true(tensor_of(&f, plain[i].name)->plain);
    }
    check(&f, "scalar", KILN_I64, NULL, 1);
    assert_int_equal(tensor_of(&f, "scalar")->ndim, 0);
    check(&f, "empty", KILN_F32, NULL, 0);
    int32_t wide[9];
    unsigned char truth[3];
    assert_int_equal(torch_copy(&f, tensor_of(&f, "int8"), wide), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(wide[i], i < 1 ? -4 : i == 8 ? 4 : 0);
    assert_int_equal(torch_copy(&f, tensor_of(&f, "int16"), wide), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(wide[i], i < 1 ? -300 : i == 8 ? 300 : 0);
    assert_int_equal(torch_copy(&f, tensor_of(&f, "bool"), truth), 0);
    assert_memory_equal(truth, "\1\0\1", 3);
    torch_close(&f);
    free(p);
}

static void puts_strided_tensors_in_order(void **state)
{
    (void)state;
    struct torch_file f;
    unsigned char *p = open_golden("torch-strided.pt", &f);
    int transposed[24], last[12];
    for (int i = 0; i < 24; i++)
        transposed[i] = i % 4 * 6 + i / 4;
    for (int i = 0; i < 12; i++)
        last[i] = i;
    check(&f, "t", KILN_F32, transposed, 24);
    check(&f, "slice", KILN_F32, (int[]){6, 8, 10, 12, 14, 16}, 6);
    check(&f, "wide", KILN_F32, (int[]){0, 1, 2, 0, 1, 2}, 6);
    check(&f, "last", KILN_F32, last, 12);
    assert_false(tensor_of(&f, "t")->plain);
    torch_close(&f);
    free(p);
}

static void flattens_nested_dictionaries(void **state)
{
    (void)state;
    struct torch_file f;
    unsigned char *p = open_golden("torch-nested.pt", &f);
    check(&f, "model.0.weight", KILN_F32, NULL, 6);
    check(&f, "model.0.bias", KILN_F32, NULL, 2);
    check(&f, "model.1.weight", KILN_F32, NULL, 2);
    check(&f, "parameter", KILN_F32, NULL, 6);
    check(&f, "list.0", KILN_F16, NULL, 2);
    check(&f, "list.1.0", KILN_F64, NULL, 1);
    check(&f, "", KILN_U8, NULL, 2);
    const struct torch_tensor *t = tensor_of(&f, "model.1.num_batches_tracked");
    assert_int_equal(t->ndim, 0);
    assert_int_equal(t->dtype, KILN_I64);
    assert_int_equal(f.n_tensors, 11);
    for (uint32_t i = 1; i < f.n_tensors; i++)
        assert_true(strcmp(f.tensor[i - 1].name, f.tensor[i].name) < 0);
    static const char *const want[][2] = {
        {"epoch", "7"},
        {"lr", "0.1"},
        {"note", "a \xc3\xbc"},
        {"done", "true"},
        {"seed", "-1099511627776"},
        {"list.1.1", "3"},
    };
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_string_equal(string_of(&f, want[i][0]), want[i][1]);
    assert_null(string_of(&f, "none"));
    assert_null(string_of(&f, "big"));
    torch_close(&f);
    free(p);
}

static void reads_prompts_protocol_4_and_a_lone_tensor(void **state)
{
    (void)state;
    struct torch_file f;
    unsigned char *p = open_golden("torch-prompts.pth", &f);
    assert_int_equal(f.n_tensors, 3);
    check(&f, "a pencil", KILN_F16, NULL, 6);
    check(&f, "", KILN_F16, NULL, 6);
    check(&f, "a man. wearing a hat", KILN_F16, NULL, 6);
    torch_close(&f);
    free(p);
    p = open_golden("torch-protocol4.pt", &f);
    check(&f, "w", KILN_F32, NULL, 4);
    assert_string_equal(string_of(&f, "k.1"), "2.5");
    torch_close(&f);
    free(p);
    p = open_golden("torch-tensor.pt", &f);
    check(&f, "", KILN_F32, NULL, 4);
    torch_close(&f);
    free(p);
}

static void says_what_is_no_state_dict(void **state)
{
    (void)state;
    static const struct {
        const char *name, *why;
    } file[] = {
        {"torch-module.pt", "holds a whole pickled module (class "
                            "'torch.nn.modules.container.Sequential'), not a state dict: save "
                            "net.state_dict() instead"},
        {"torch-legacy.pt", "before PyTorch 1.6"},
        {"torch-script.pt", "TorchScript"},
        {"canonical.safetensors", "zip"},
    };
    for (size_t i = 0; i < sizeof(file) / sizeof(file[0]); i++) {
        struct torch_file f;
        size_t n;
        unsigned char *p = slurp(golden(file[i].name), &n);
        assert_int_equal(torch_open(p, n, &f), KILN_ERR_IO);
        if (!strstr(fail_text(), file[i].why))
            fail_msg("%s: %s", file[i].name, fail_text());
        free(p);
    }
}

// A checksum stands over each record: a changed byte is either refused or one that does not matter.
static void a_changed_byte_changes_no_number(void **state)
{
    (void)state;
    size_t n;
    unsigned char *p = slurp(golden("torch-nested.pt"), &n);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct torch_file f;
            p[i] ^= (unsigned char)(1 << bit);
            if (!torch_open(p, n, &f)) {
                float got[6];
                assert_int_equal(f.n_tensors, 11);
                if (!torch_copy(&f, tensor_of(&f, "model.0.weight"), got))
                    for (int k = 0; k < 6; k++)
                        assert_true((double)got[k] == ramp(KILN_F32, k));
                torch_close(&f);
            }
            p[i] ^= (unsigned char)(1 << bit);
        }
    free(p);
}

static void refuses_every_truncation(void **state)
{
    (void)state;
    size_t n;
    unsigned char *p = slurp(golden("torch-nested.pt"), &n);
    for (size_t i = 0; i < n; i++) {
        struct torch_file f;
        unsigned char *cut = malloc(i ? i : 1);  // so that a sanitizer sees the end
        assert_non_null(cut);
        memcpy(cut, p, i);
        assert_int_equal(torch_open(cut, i, &f), KILN_ERR_IO);
        free(cut);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(puts_strided_tensors_in_order),
        cmocka_unit_test(flattens_nested_dictionaries),
        cmocka_unit_test(reads_prompts_protocol_4_and_a_lone_tensor),
        cmocka_unit_test(says_what_is_no_state_dict),
        cmocka_unit_test(a_changed_byte_changes_no_number),
        cmocka_unit_test(refuses_every_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
