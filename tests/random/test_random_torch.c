// The generator of PyTorch against what PyTorch drew, call by call.
// SPDX-License-Identifier: MIT
#include "../weights/golden.h"

#include "../../host/random.h"
#include "../../host/random_torch.h"
#include "../../host/weights_file.h"

static struct weights_file *file;

static int open_golden(void **state)
{
    (void)state;
    return weights_open(golden("random-torch.safetensors"), &file);
}

static int close_golden(void **state)
{
    (void)state;
    weights_close(file);
    return 0;
}

static kiln_tensor *want(const char *name)
{
    kiln_tensor *t;
    if (weights_tensor(file, name, 0, 0, NULL, &t))
        fail_msg("%s", fail_text());
    return t;
}

static void same_floats(const char *name, const float *got, int64_t n)
{
    kiln_tensor *t = want(name);
    assert_int_equal(kiln_numel(t), n);
    const float *w = kiln_f32(t);
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&w[i], &got[i], sizeof(*w)))
            fail_msg("%s[%d] is %a, want %a", name, (int)i, (double)got[i], (double)w[i]);
    tensor_unref(t);
}

static void same_integers(const char *name, const int64_t *got, int64_t n)
{
    kiln_tensor *t = want(name);
    assert_int_equal(kiln_numel(t), n);
    assert_memory_equal(tensor_data(t), got, (size_t)n * sizeof(*got));
    tensor_unref(t);
}

static void twister_known_answers(void **state)
{
    (void)state;
    struct torch_random r;
    uint32_t last = 0;
    torch_random_seed(&r, 5489);  // the reference implementation's default seed
    assert_int_equal(torch_random_u32(&r), 3499211612u);
    for (int i = 1; i < 10000; i++)
        last = torch_random_u32(&r);
    assert_int_equal(last, 4123659995u);  // of the C++ standard's mt19937
}

static void randn_of_every_size(void **state)
{
    (void)state;
    static const int sizes[] = {16, 17, 31, 100, 784, 1570};
    static float x[1570 + 3 * 784];
    struct torch_random r;
    char name[32];
    for (int i = 0; i < 12; i++) {
        int n = sizes[i % 6];
        random_use_vectors(i < 6);
        torch_random_seed(&r, (uint64_t)n);
        torch_random_normal(&r, x, (size_t)n);
        snprintf(name, sizeof(name), "randn.%d", n);
        same_floats(name, x, n);
    }
    random_use_vectors(1);
    torch_random_seed(&r, (uint64_t)-5);
    torch_random_normal(&r, x, 3 * 784);
    same_floats("batch", x, 3 * 784);
    torch_random_seed(&r, (uint64_t)-5);  // whole blocks: image by image gives the same
    for (int i = 0; i < 3; i++)
        torch_random_normal(&r, x + i * 784, 784);
    same_floats("batch", x, 3 * 784);
}

static void far_along_the_stream(void **state)
{
    (void)state;
    float *x = malloc(400000 * sizeof(*x));
    struct torch_random r;
    assert_non_null(x);
    torch_random_seed(&r, 3);
    torch_random_normal(&r, x, 400000);
    same_floats("long", x + 400000 - 64, 64);
    free(x);
}

// restore: after each call the state is made anew from its two numbers.
static void mixed_calls(int restore)
{
    const uint64_t seed = 1ull << 40 | 9;
    struct torch_random r;
    float x[64];
    int64_t k[300];
    torch_random_seed(&r, seed);
    for (int call = 0; call < 15; call++) {
        char name[32];
        snprintf(name, sizeof(name), "mixed.%d", call);
        static const int count[] = {5, 7, 40, 2, 3, 50, 50, 300, 20, 9, 50, 48, 100, 100, 33};
        size_t n = (size_t)count[call];
        switch (call) {
        case 1:
            torch_random_uniform(&r, x, n);
            break;
        case 5:
            torch_random_integers(&r, -3, 1000, k, n);
            break;
        case 6:
            torch_random_integers(&r, 0, 1ll << 40, k, n);
            break;
        case 7:
            torch_random_permutation(&r, k, n);
            break;
        case 8:
        case 9:
            torch_random_normal_with(&r, 0.5f, 2.5f, x, n);
            break;
        case 10:
            torch_random_uniform_in(&r, -0.125, 0.3, x, n);
            break;
        case 11:
            torch_random_normal_each(&r, x, n);
            break;
        case 12:
        case 13:
            torch_random_epoch(&r, k, n);
            break;
        default:
            torch_random_normal(&r, x, n);
        }
        if ((call >= 5 && call <= 7) || call == 12 || call == 13)
            same_integers(name, k, (int64_t)n);
        else
            same_floats(name, x, (int64_t)n);
        if (restore) {
            uint64_t drawn = r.drawn, waiting = r.waiting;
            memset(&r, 0x55, sizeof(r));
            assert_int_equal(torch_random_restore(&r, seed, drawn, waiting), 0);
            assert_true(r.drawn == drawn && r.waiting == waiting);
        }
    }
}

static void calls_of_all_kinds_in_turn(void **state)
{
    (void)state;
    mixed_calls(0);
}

static void goes_on_from_two_numbers(void **state)
{
    (void)state;
    struct torch_random r;
    mixed_calls(1);
    assert_int_equal(torch_random_restore(&r, 0, 10, 11), KILN_ERR_ARG);
    assert_int_equal(torch_random_restore(&r, 0, 10, 3), KILN_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twister_known_answers),    cmocka_unit_test(randn_of_every_size),
        cmocka_unit_test(far_along_the_stream),     cmocka_unit_test(calls_of_all_kinds_in_turn),
        cmocka_unit_test(goes_on_from_two_numbers),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
