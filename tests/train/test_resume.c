// A training that is cut off at any moment and goes on ends in the bits of one that was not; and
// what is refused before it can do harm.
// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L  // fork, kill, nanosleep
#include "tests/train/train_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUT "test_resume.tmp.safetensors"
#define LOG "test_resume.tmp.tsv"
#define PLOT "test_resume.tmp.png"

// Five images in batches of two: three steps an epoch, twelve in all.
static const char *const words[] = {"out=" OUT, "epochs=4", "batch=2",    "lr_end=1e-4", "every=1",
                                    "keep=2,4", "log=" LOG, "plot=" PLOT, "resume=yes",  NULL};
static const char *const net[] = {"arch=class", "hidden=2", NULL};
enum { STEPS = 12 };

static void clean(void)
{
    unlink(OUT);
    unlink(OUT ".ckpt");
    unlink(LOG);
    unlink(PLOT);
    unlink(PLOT ".part");
    unlink("test_resume.tmp.e2.safetensors");
    unlink("test_resume.tmp.e4.safetensors");
}

static int exists(const char *path)
{
    return !access(path, F_OK);
}

static char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("no file %s", path);
    char *p = malloc(1 << 20);
    assert_non_null(p);
    *n = fread(p, 1, 1 << 20, f);
    fclose(f);
    return p;
}

struct result {
    char *bytes;
    size_t n;
    double loss[STEPS];
};

static void read_result(struct result *r)
{
    char line[256];
    r->bytes = slurp(OUT, &r->n);
    FILE *f = fopen(LOG, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    for (int i = 0; i < STEPS; i++) {
        double step = 0;
        if (!fgets(line, sizeof(line), f) || sscanf(line, "%lf %*f %lf", &step, &r->loss[i]) != 2)
            fail_msg("the log ends before step %d", i + 1);
        assert_int_equal((int)step, i + 1);
    }
    assert_null(fgets(line, sizeof(line), f));
    fclose(f);
}

static void assert_result(const struct result *want)
{
    struct result got;
    read_result(&got);
    assert_int_equal(got.n, want->n);
    assert_memory_equal(got.bytes, want->bytes, want->n);
    assert_memory_equal(got.loss, want->loss, sizeof(want->loss));
    free(got.bytes);
}

static void run(const char *const *args)
{
    struct test_job j;
    test_job_open(&j, net, 0);
    if (test_train(&j, args))
        fail_msg("%s", stub_error(j.net.host));
    test_job_close(&j);
}

static void uninterrupted(struct result *r)
{
    clean();
    run(words);
    read_result(r);
    assert_true(exists(PLOT));
    clean();
}

static int left;  // steps until the process is killed

static int count_down(struct test_job *j)
{
    (void)j;
    if (!left--)
        kill(getpid(), SIGKILL);
    return KILN_OK;
}

// Runs in a process of its own, killed before step k + 1 of it; 1: it came to its end.
static int run_killed(int k)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct test_job j;
        test_job_open(&j, net, 0);
        j.on_forward = count_down;
        left = k;
        _exit(test_train(&j, words) ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status))
        fail_msg("a run after a kill failed");
    return WIFEXITED(status);
}

static void killed_before_any_step_it_ends_in_the_same_bits(void **state)
{
    struct result want;
    (void)state;
    uninterrupted(&want);
    for (int k = 0; k < STEPS; k++) {
        clean();
        assert_false(run_killed(k));
        run(words);
        assert_result(&want);
    }
    free(want.bytes);
    clean();
}

static void killed_again_and_again_it_ends_in_the_same_bits(void **state)
{
    struct result want;
    int runs = 1;
    (void)state;
    uninterrupted(&want);
    while (!run_killed(4) && runs < 20)  // an epoch has three steps, so each run gets one further
        runs++;
    assert_int_equal(runs, 4);
    assert_result(&want);
    free(want.bytes);
    clean();
}

static void killed_at_a_random_moment_it_ends_in_the_same_bits(void **state)
{
    struct result want;
    const char *given = getenv("TEST_SEED");
    unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
    int killed = 0;
    (void)state;
    print_message("TEST_SEED=%u\n", seed);
    srand(seed);
    uninterrupted(&want);
    for (int round = 0; round < 20; round++) {
        struct timespec wait = {0, (long)(rand() % 40000) * 1000};
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            run(words);
            _exit(0);
        }
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        killed += WIFSIGNALED(status);
        if (WIFEXITED(status))  // it was complete: from the start again
            clean();
    }
    print_message("%d of 20 runs were killed\n", killed);
    run(words);
    assert_result(&want);
    free(want.bytes);
    clean();
}

static void interrupted_it_says_how_to_go_on(void **state)
{
    struct result want;
    (void)state;
    uninterrupted(&want);
    for (int k = 1; k < STEPS; k++) {
        struct test_job j;
        char text[80];
        test_job_open(&j, net, 0);
        stub_cancel_at(j.net.host, k);
        assert_int_equal(test_train(&j, words), KILN_ERR_CANCEL);
        snprintf(text, sizeof(text), "interrupted at step %d of %d; '" OUT ".ckpt'", k, STEPS);
        if (strncmp(stub_error(j.net.host), text, strlen(text)))
            fail_msg("%s", stub_error(j.net.host));
        assert_non_null(strstr(stub_error(j.net.host), "resume=yes"));
        assert_false(exists(OUT));
        test_job_close(&j);
        run(words);
        assert_result(&want);
        clean();
    }
    free(want.bytes);
}

static void epochs_are_kept(void **state)
{
    size_t n, n2, n4;
    (void)state;
    clean();
    run(words);
    char *all = slurp(OUT, &n);
    char *two = slurp("test_resume.tmp.e2.safetensors", &n2);
    char *four = slurp("test_resume.tmp.e4.safetensors", &n4);
    assert_int_equal(n, n4);
    assert_memory_equal(all, four, n);
    assert_int_equal(n, n2);
    assert_memory_not_equal(all, two, n);
    // Going on with what is complete changes nothing, and brings back a file that was moved away.
    unlink(OUT);
    run(words);
    char *again = slurp(OUT, &n2);
    assert_int_equal(n, n2);
    assert_memory_equal(all, again, n);
    free(all);
    free(two);
    free(four);
    free(again);
    clean();
}

// Training with these words, and perhaps another seed, fails with that text.
static void refused(const char *const *args, const char *const *other_net, uint64_t seed,
                    const char *text)
{
    struct test_job j;
    test_job_open(&j, other_net ? other_net : net, 0);
    stub_set_seed(j.net.host, seed);
    int e = test_train(&j, args);
    if (e >= 0 || !strstr(stub_error(j.net.host), text))
        fail_msg("%d '%s' instead of '%s'", e, stub_error(j.net.host), text);
    test_job_close(&j);
}

static void another_training_is_not_gone_on_with(void **state)
{
    (void)state;
    clean();
    assert_false(run_killed(5));
    refused((const char *[]){"out=" OUT, "epochs=4", "batch=2", "lr_end=1e-4", NULL}, NULL, 0,
            "'" OUT ".ckpt' holds a training");
    refused((const char *[]){"out=" OUT, "epochs=4", "batch=2", "lr_end=1e-4", "lr=2e-3",
                             "p_uncond=0.2", "resume=yes", NULL},
            NULL, 0, "lr was 0.001, is 0.002; p_uncond was 0.1");
    refused((const char *[]){"out=" OUT, "epochs=5", "batch=2", "lr_end=1e-4", "resume=yes", NULL},
            NULL, 0, "epochs was 4, is 5");
    refused((const char *[]){"out=" OUT, "epochs=4", "batch=3", "lr_end=1e-4", "resume=yes", NULL},
            NULL, 0, "batch was 2, is 3");
    refused((const char *[]){"out=" OUT, "epochs=4", "batch=2", "lr_end=1e-4", "resume=yes",
                             "objective=flow", NULL},
            NULL, 0, "objective was eps, is flow");
    refused(words, NULL, 1, "the random numbers (seed)");
    refused(words, (const char *[]){"arch=time", "hidden=2", NULL}, 0, "the net differs");
    run(words);
    clean();
}

// Without a rate that hangs on their number there may be more epochs, and they change nothing.
static void epochs_may_be_added_at_a_constant_rate(void **state)
{
    size_t n, m;
    (void)state;
    clean();
    run((const char *[]){"out=" OUT, "epochs=3", "batch=2", NULL});
    char *want = slurp(OUT, &n);
    clean();
    run((const char *[]){"out=" OUT, "epochs=1", "batch=2", NULL});
    run((const char *[]){"out=" OUT, "epochs=3", "batch=2", "resume=yes", NULL});
    char *got = slurp(OUT, &m);
    assert_int_equal(n, m);
    assert_memory_equal(want, got, n);
    free(want);
    free(got);
    clean();
}

static void what_is_there_is_not_overwritten(void **state)
{
    (void)state;
    clean();
    run(words);
    unlink(OUT ".ckpt");
    refused((const char *[]){"out=" OUT, NULL}, NULL, 0, "'" OUT "' is there already");
    refused(words, NULL, 0, "without a checkpoint to go on from");
    clean();
}

static int never(struct test_job *j)
{
    (void)j;
    fail_msg("a step was made");
    return KILN_OK;
}

static void a_place_that_cannot_be_written_to_shows_before_the_first_step(void **state)
{
    static const char *const where[][2] = {{"out=no/such/folder/a.safetensors", NULL},
                                           {"out=" OUT, "log=no/such/folder/a.tsv"},
                                           {"out=" OUT, "plot=no/such/folder/a.png"}};
    (void)state;
    clean();
    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        struct test_job j;
        test_job_open(&j, net, 0);
        j.on_forward = never;
        assert_true(test_train(&j, (const char *[]){where[i][0], where[i][1], NULL}) < 0);
        assert_non_null(strstr(stub_error(j.net.host), "no/such/folder"));
        assert_false(exists(OUT ".ckpt"));  // it would be in the way of the next try
        test_job_close(&j);
    }
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    clean();
    refused((const char *[]){"out=" OUT, "log=/dev/full", NULL}, NULL, 0, "/dev/full");
    clean();
}

static int spoil(struct test_job *j)
{
    if (!left--)
        kiln_f32(j->base.weight[0].value)[0] = NAN;
    return KILN_OK;
}

static void a_loss_that_is_no_number_ends_it(void **state)
{
    struct test_job j;
    (void)state;
    clean();
    test_job_open(&j, net, 0);
    j.on_forward = spoil;
    left = 4;
    assert_true(test_train(&j, words) < 0);
    assert_non_null(strstr(stub_error(j.net.host), "nan at step 5"));
    test_job_close(&j);
    run(words);  // the checkpoint of the first epoch was not harmed
    clean();
}

static void data_that_does_not_fit_is_refused(void **state)
{
    struct test_job j;
    (void)state;
    clean();
    refused((const char *[]){"out=" OUT, NULL}, (const char *[]){"arch=plain", "hidden=2", NULL}, 0,
            "objective=denoise");
    test_job_open(&j, net, 0);
    j.documents = 0;
    assert_true(test_train(&j, words) < 0);
    assert_string_equal(stub_error(j.net.host), "no images to train on");
    j.documents = 2;
    const double t[] = {-1, 5};
    j.part_rows[1].t = t;
    assert_true(test_train(&j, words) < 0);
    assert_non_null(strstr(stub_error(j.net.host), "noised"));
    j.told = 0;
    j.part_rows[1].t = NULL;
    j.part[1]->shape[2] = 14;
    j.part[1]->shape[3] = 56;
    assert_true(test_train(&j, words) < 0);
    assert_non_null(strstr(stub_error(j.net.host), "1x28x28, not 1x14x56"));
    test_job_close(&j);
    clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_before_any_step_it_ends_in_the_same_bits),
        cmocka_unit_test(killed_again_and_again_it_ends_in_the_same_bits),
        cmocka_unit_test(killed_at_a_random_moment_it_ends_in_the_same_bits),
        cmocka_unit_test(interrupted_it_says_how_to_go_on),
        cmocka_unit_test(epochs_are_kept),
        cmocka_unit_test(another_training_is_not_gone_on_with),
        cmocka_unit_test(epochs_may_be_added_at_a_constant_rate),
        cmocka_unit_test(what_is_there_is_not_overwritten),
        cmocka_unit_test(a_place_that_cannot_be_written_to_shows_before_the_first_step),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(a_loss_that_is_no_number_ends_it),
        cmocka_unit_test(data_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
