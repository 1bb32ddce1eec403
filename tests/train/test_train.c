// Twenty steps of each net and objective against PyTorch, with the same draws.
//
// Tolerances: PyTorch's own single precision strays from its double by at most 3e-7 of a loss and
// 1e-6 of a weight in these runs; ours sums in another order, so 2e-6 and 1e-5. Biases before a
// norm are left out, with the running means that follow them: their gradient is rounding alone, and
// Adam makes steps of full size out of it.
// SPDX-License-Identifier: MIT
#include "tests/train/train_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OUT "test_train.tmp.safetensors"

static void clean(void)
{
    unlink(OUT);
    unlink(OUT ".ckpt");
    unlink("test_train.tmp.tsv");
}

// The losses as the log has them, of every step.
static void compare_losses(kiln_host *h, const kiln_file *want)
{
    kiln_tensor *losses = golden_tensor(h, want, "losses", KILN_F64);
    char line[256];
    FILE *f = fopen("test_train.tmp.tsv", "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    assert_string_equal(line, "step\tepoch\tloss\tlr\timages_s\n");
    for (int i = 0; i < 20; i++) {
        double step, epoch, loss, lr, expect = ((const double *)tensor_data(losses))[i];
        assert_non_null(fgets(line, sizeof(line), f));
        assert_int_equal(sscanf(line, "%lf\t%lf\t%lf\t%lf", &step, &epoch, &loss, &lr), 4);
        assert_int_equal((int)step, i + 1);
        assert_int_equal((int)epoch, i / 3 + 1);
        if (!(fabs(loss - expect) <= 2e-6 * expect))
            fail_msg("step %d: a loss of %.9g instead of %.9g", i + 1, loss, expect);
        if (!(fabs(lr - 1e-3 * pow(0.1, floor(i / 3.0) / 7)) < 1e-11))
            fail_msg("step %d: a rate of %.9g", i + 1, lr);
    }
    assert_null(fgets(line, sizeof(line), f));
    fclose(f);
    tensor_unref(losses);
}

static void compare_weights(kiln_host *h, const kiln_file *want)
{
    kiln_file *got;
    const char *name;
    int dtype, compared = 0;
    int32_t ndim;
    int64_t shape[8];
    assert_int_equal(test_weights.open(h, OUT, &got), 0);
    for (uint64_t i = 0; !test_weights.entry(want, i, &name, &dtype, &ndim, shape); i++) {
        if (!strcmp(name, "losses"))
            continue;
        kiln_tensor *a = golden_tensor(h, got, name, 0), *b = golden_tensor(h, want, name, 0);
        assert_close(a, b, 1e-5, 1e-5, name);
        tensor_unref(a);
        tensor_unref(b);
        compared++;
    }
    assert_true(compared > 60);
    test_weights.close(h, got);
}

static void learns_as_pytorch(const char *arch, const char *objective)
{
    struct test_job j;
    char model[5000], goal[40], name[80];
    clean();
    snprintf(name, sizeof(name), "mnist-start-%s.safetensors", arch);
    snprintf(model, sizeof(model), "model=%s", golden_path(name));
    snprintf(goal, sizeof(goal), "objective=%s", objective);
    test_job_open(&j, (const char *[]){model, NULL}, 1);
    int e = test_train(&j, (const char *[]){"out=" OUT, goal, "epochs=7", "batch=2", "lr=1e-3",
                                            "lr_end=1e-4", "sigma=0.5", "every=1",
                                            "log=test_train.tmp.tsv", NULL});
    if (e)
        fail_msg("%s", stub_error(j.net.host));
    assert_string_equal(j.done, OUT);
    snprintf(name, sizeof(name), "mnist-train-%s-%s.safetensors", arch, objective);
    kiln_file *want = golden_open(j.net.host, name);
    compare_losses(j.net.host, want);
    compare_weights(j.net.host, want);
    test_weights.close(j.net.host, want);

    kiln_file *got;
    assert_int_equal(test_weights.open(j.net.host, OUT, &got), 0);
    assert_string_equal(test_weights.meta(got, "kiln.objective"), objective);
    test_weights.close(j.net.host, got);
    test_job_close(&j);
    clean();
}

static void plain_net_learns_to_denoise(void **state)
{
    (void)state;
    learns_as_pytorch("plain", "denoise");
}

static void time_net_learns_the_noise(void **state)
{
    (void)state;
    learns_as_pytorch("time", "eps");
}

static void time_net_learns_the_flow(void **state)
{
    (void)state;
    learns_as_pytorch("time", "flow");
}

static void time_net_learns_to_denoise(void **state)
{
    (void)state;
    learns_as_pytorch("time", "denoise");
}

static void class_net_learns_the_noise(void **state)
{
    (void)state;
    learns_as_pytorch("class", "eps");
}

static void class_net_learns_the_flow(void **state)
{
    (void)state;
    learns_as_pytorch("class", "flow");
}

static void class_net_learns_to_denoise(void **state)
{
    (void)state;
    learns_as_pytorch("class", "denoise");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_net_learns_to_denoise), cmocka_unit_test(time_net_learns_the_noise),
        cmocka_unit_test(time_net_learns_the_flow),    cmocka_unit_test(time_net_learns_to_denoise),
        cmocka_unit_test(class_net_learns_the_noise),  cmocka_unit_test(class_net_learns_the_flow),
        cmocka_unit_test(class_net_learns_to_denoise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
