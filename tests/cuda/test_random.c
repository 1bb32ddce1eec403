// The device's random numbers are the host's to the bit; conversions round as the host's do; the
// memory of the emulated device is out of the host's reach.
// SPDX-License-Identifier: MIT
#include "host/random.h"
#include "kernels/cuda/services.h"
#include "kernels/half.h"
#include "tests/support/stub_host.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static kiln_host *host;

static kiln_tensor *new_tensor(int dtype, int64_t n, int64_t row)
{
    kiln_tensor *t;
    assert_int_equal(host->tensor_new(host, NULL, dtype, 2, (int64_t[]){n, row}, &t), 0);
    return t;
}

static void test_draws(void **state)
{
    enum { N = 150 };  // more rows than one launch takes
    const int64_t sizes[] = {1, 3, 4, 5, 784, 4097};
    static float want[4097];
    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
        for (int kind = RANDOM_NORMAL; kind <= RANDOM_UNIFORM; kind++) {
            int64_t n = sizes[s] > 1000 ? 2 : N;
            struct cuda_random_row rows[N];
            struct random_key key[N];
            kiln_tensor *out = new_tensor(KILN_F32, n, sizes[s]);
            for (int64_t i = 0; i < n; i++) {
                key[i] = (struct random_key){7, random_node("noise", 1), i, 690 - (double)i, 3};
                struct random_row r = random_row(&key[i], (enum random_kind)kind);
                memcpy(&rows[i], &r, sizeof(r));
            }
            assert_int_equal(kind == RANDOM_NORMAL ? cuda_normal(host, rows, out)
                                                   : cuda_uniform(host, rows, out),
                             0);
            for (int64_t i = 0; i < n; i++) {
                if (kind == RANDOM_NORMAL)
                    random_normal(&key[i], 0, want, (size_t)sizes[s]);
                else
                    random_uniform(&key[i], 0, want, (size_t)sizes[s]);
                assert_memory_equal(kiln_f32(out) + i * sizes[s], want,
                                    (size_t)sizes[s] * sizeof(float));
            }
            host->tensor_free(host, out);
        }
}

static void test_convert(void **state)
{
    (void)state;
    kiln_tensor *x = new_tensor(KILN_F32, 1, 4), *half = new_tensor(KILN_F16, 1, 4);
    kiln_tensor *bf = new_tensor(KILN_BF16, 1, 4), *wide = new_tensor(KILN_F64, 1, 4);
    const float values[4] = {1.0009766f, -3.14159f, 65519, 1e-7f};
    memcpy(kiln_f32(x), values, sizeof(values));
    assert_int_equal(cuda_convert(host, x, half), 0);
    assert_int_equal(cuda_convert(host, x, bf), 0);
    assert_int_equal(cuda_convert(host, bf, wide), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(((uint16_t *)half->data)[i], f16_of_float(values[i]));
        assert_int_equal(((uint16_t *)bf->data)[i], bf16_of_float(values[i]));
        assert_true(((double *)wide->data)[i] == (double)float_of_bf16(bf16_of_float(values[i])));
    }
    host->tensor_free(host, x);
    host->tensor_free(host, half);
    host->tensor_free(host, bf);
    host->tensor_free(host, wide);
}

static void test_finite(void **state)
{
    (void)state;
    kiln_tensor *x = new_tensor(KILN_F32, 3, 100), *flag = stub_tensor_i32(host, 1, (int32_t[]){0});
    for (int i = 0; i < 300; i++)
        kiln_f32(x)[i] = 3e38f;
    assert_int_equal(cuda_finite(host, x, flag), 0);
    assert_int_equal(*(int32_t *)flag->data, 0);
    kiln_f32(x)[299] = -INFINITY;
    assert_int_equal(cuda_finite(host, x, flag), 0);
    assert_int_equal(*(int32_t *)flag->data, 1);
    host->tensor_free(host, x);
    host->tensor_free(host, flag);
}

#ifdef CHECK_DEVICE
const struct cuda_backend *cuda_backend_of_test(void);
#else
extern const struct cuda_backend kiln_cuda_backend;
#define cuda_backend_of_test() (&kiln_cuda_backend)
#endif

static void test_memory(void **state)
{
    const struct cuda_backend *b = cuda_backend_of_test();
    float in[64], out[64] = {0};
    void *p, *q;
    (void)state;
    assert_int_equal(b->open(0), 0);
    assert_int_equal(b->open(1 << 20), KILN_ERR_DEVICE);
    assert_int_equal(b->alloc(sizeof(in), &p), 0);
    assert_int_equal(b->alloc(sizeof(in), &q), 0);
    for (int i = 0; i < 64; i++)
        in[i] = (float)i;
    assert_int_equal(b->to_device(p, in, sizeof(in)), 0);
    assert_int_equal(b->copy(q, p, sizeof(in)), 0);
    assert_int_equal(b->to_host(out, q, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(in));
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        volatile float *mine = p;
        _exit(*mine > 0);
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    b->free(p);
    b->free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_finite),
        cmocka_unit_test(test_memory),
    };
    host = stub_host_new();
    int failed = cmocka_run_group_tests_name("cuda services", tests, NULL, NULL);
    return stub_host_free(host) ? 1 : failed;
}
