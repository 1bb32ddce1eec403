// The timesteps that samplers visit, against diffusers; where they begin and end; what is refused.
// SPDX-License-Identifier: MIT
#include "tests/scheduler/harness.h"

#include <string.h>

struct fixture {
    kiln_host *h;
    struct test_net if_net, mnist, plain;
};

static int setup(void **state)
{
    static struct fixture f;
    f.h = test_host();
    f.if_net = net_new(COSINE);
    f.mnist = net_new(MNIST);
    f.plain = net_new(PLAIN);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    net_free(&f->if_net);
    net_free(&f->mnist);
    net_free(&f->plain);
    test_host_free(f->h);
    return 0;
}

// ddpm with up to three arguments.
static struct walk planned(struct fixture *f, struct test_net *net, double t_start, int code,
                           const char *a, const char *b, const char *c)
{
    const char *args[] = {a, b, c, NULL};
    struct walk w = {.host = f->h,
                     .node = node_of("scheduler", "ddpm"),
                     .args = args,
                     .net = net,
                     .t_start = t_start};
    int e = walk_only_plan(&w);
    if (e != code)
        fail_msg("%s %s: code %d, %s", a ? a : "", b ? b : "", e, stub_error(f->h));
    w.args = NULL;
    return w;
}

static void assert_list(const struct walk *w, int n, const double *t)
{
    assert_int_equal(w->n, n - 1);
    for (int i = 0; i < n; i++)
        if (w->t[i] != t[i])
            fail_msg("entry %d is %g, not %g", i, w->t[i], t[i]);
}
#define LIST(w, ...)                                                                               \
    assert_list(w, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

static void same_as_golden(const struct walk *w, const char *name, double first)
{
    int64_t n;
    const int32_t *want = golden_ints(name, &n);
    if (w->n != n)
        fail_msg("%s: %u timesteps, not %d", name, w->n, (int)n);
    for (int64_t i = 0; i < n; i++)
        if (w->t[i] != first + want[i])
            fail_msg("%s: entry %d is %g, not %g", name, (int)i, w->t[i], first + want[i]);
    assert_true(w->t[n] < 0);
}

static void spacings_are_those_of_diffusers(void **state)
{
    struct fixture *f = *state;
    static const char *const spacing[] = {"leading", "trailing", "linspace"};
    static const int thousand[] = {1,  2,  5,  7,   10,  15,  20,  27,  30,  40,
                                   48, 50, 96, 100, 150, 200, 333, 500, 1000};
    static const int mnist[] = {10, 43, 300};
    char name[64], steps[32], how[32];
    for (size_t s = 0; s < 3; s++) {
        snprintf(how, sizeof(how), "spacing=%s", spacing[s]);
        for (size_t i = 0; i < sizeof(thousand) / sizeof(*thousand); i++) {
            snprintf(name, sizeof(name), "timesteps.%s.%d", spacing[s], thousand[i]);
            if (s == 1 && thousand[i] == 200)  // the library's ends in t = -1
                continue;
            snprintf(steps, sizeof(steps), "steps=%d", thousand[i]);
            struct walk w = planned(f, &f->if_net, KILN_NOISE, 0, steps, how, NULL);
            same_as_golden(&w, name, 0);
        }
        for (size_t i = 0; i < sizeof(mnist) / sizeof(*mnist); i++) {
            snprintf(name, sizeof(name), "timesteps300.%s.%d", spacing[s], mnist[i]);
            snprintf(steps, sizeof(steps), "steps=%d", mnist[i]);
            struct walk w = planned(f, &f->mnist, KILN_NOISE, 0, steps, how, NULL);
            same_as_golden(&w, name, 1);
        }
    }
}

static void named_lists_are_those_of_diffusers(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"fast27",   "smart27", "smart50", "smart100",
                                        "smart185", "super27", "super40", "super100"};
    char name[64], arg[64];
    for (size_t i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "timesteps.%s", names[i]);
        snprintf(arg, sizeof(arg), "timesteps=%s", names[i]);
        struct walk w = planned(f, &f->if_net, KILN_NOISE, 0, arg, NULL, NULL);
        same_as_golden(&w, name, 0);
    }
}

static void without_arguments_the_net_says_how_many(void **state)
{
    struct fixture *f = *state;
    struct walk w = planned(f, &f->mnist, KILN_NOISE, 0, NULL, NULL, NULL);
    assert_int_equal(w.n, 300);
    assert_true(w.t[0] == 300 && w.t[299] == 1 && w.t[300] < 0);
    w = planned(f, &f->if_net, KILN_NOISE, 0, NULL, NULL, NULL);
    assert_int_equal(w.n, 50);
    assert_true(w.t[0] == 980 && w.t[49] == 0);
}

static void strides_walk_the_multiples_from_the_image(void **state)
{
    struct fixture *f = *state;
    struct walk w = planned(f, &f->if_net, 690, 0, "stride=30", "to=0", NULL);
    assert_int_equal(w.n, 23);  // 690, 660, ... 30, then 0 is reached
    for (int i = 0; i <= 23; i++)
        assert_true(w.t[i] == 690 - 30 * i);
    w = planned(f, &f->if_net, KILN_NOISE, 0, "stride=30", "to=0", NULL);
    assert_int_equal(w.n, 33);
    assert_true(w.t[0] == 990 && w.t[33] == 0);
    w = planned(f, &f->if_net, KILN_NOISE, 0, "stride=30", NULL, NULL);
    assert_int_equal(w.n, 34);
    assert_true(w.t[33] == 0 && w.t[34] < 0);
    w = planned(f, &f->mnist, KILN_NOISE, 0, "stride=100", NULL, NULL);
    LIST(&w, 300, 200, 100, -1);
}

static void lists_and_ranges_are_read(void **state)
{
    struct fixture *f = *state;
    struct walk w = planned(f, &f->if_net, KILN_NOISE, 0, "timesteps=990:-1:-330", NULL, NULL);
    LIST(&w, 990, 660, 330, 0, -1);
    w = planned(f, &f->if_net, KILN_NOISE, 0, "timesteps=999,976.5,800:500:-100,3", NULL, NULL);
    LIST(&w, 999, 976.5, 800, 700, 600, 3, -1);
}

static void the_list_is_cut_at_the_image(void **state)
{
    struct fixture *f = *state;
    // On the list, and between its entries: it goes in front.
    struct walk w = planned(f, &f->if_net, 600, 0, "steps=5", NULL, NULL);
    LIST(&w, 600, 400, 200, 0, -1);
    w = planned(f, &f->if_net, 650, 0, "steps=5", NULL, NULL);
    LIST(&w, 650, 600, 400, 200, 0, -1);
    w = planned(f, &f->if_net, 0, 0, "steps=5", NULL, NULL);
    LIST(&w, 0, -1);
    w = planned(f, &f->if_net, 999, 0, "timesteps=500,250", "to=100", NULL);
    LIST(&w, 999, 500, 250, 100);
}

static void to_stops_where_it_says(void **state)
{
    struct fixture *f = *state;
    struct walk w = planned(f, &f->if_net, KILN_NOISE, 0, "steps=5", "to=300", NULL);
    LIST(&w, 800, 600, 400, 300);
    w = planned(f, &f->if_net, KILN_NOISE, 0, "steps=5", "to=400", NULL);
    LIST(&w, 800, 600, 400);
    // Where timesteps begin with 1, 0 is clean.
    w = planned(f, &f->mnist, 3, 0, "to=0", NULL, NULL);
    LIST(&w, 3, 2, 1, -1);
    w = planned(f, &f->mnist, 3, 0, "to=1", NULL, NULL);
    LIST(&w, 3, 2, 1);
    planned(f, &f->if_net, 300, KILN_ERR_ARG, "steps=5", "to=300", NULL);
    assert_non_null(strstr(stub_error(f->h), "t = 300 already"));
    planned(f, &f->if_net, KILN_NOISE, KILN_ERR_ARG, "steps=5", "to=900", NULL);
    planned(f, &f->if_net, KILN_NOISE, KILN_ERR_ARG, "to=1000", NULL, NULL);
    planned(f, &f->if_net, KILN_NOISE, KILN_ERR_ARG, "to=-1", NULL, NULL);
    planned(f, &f->if_net, KILN_NOISE, KILN_ERR_ARG, "to=dirty", NULL, NULL);
}

static void a_net_that_takes_sigma_walks_evenly(void **state)
{
    struct fixture *f = *state;
    struct walk w = planned(f, &f->plain, 0.5, 0, "steps=4", NULL, NULL);
    LIST(&w, 0.5, 0.375, 0.25, 0.125, -1);
    w = planned(f, &f->plain, 0.5, 0, "timesteps=0.8,0.4,0.1", NULL, NULL);
    LIST(&w, 0.5, 0.4, 0.1, -1);
    w = planned(f, &f->plain, 0, 0, "steps=4", NULL, NULL);
    LIST(&w, 0, -1);
    planned(f, &f->plain, KILN_NOISE, KILN_ERR_ARG, "steps=4", NULL, NULL);
    assert_non_null(strstr(stub_error(f->h), "noise sigma"));
    planned(f, &f->plain, 0.5, KILN_ERR_ARG, "stride=2", NULL, NULL);
    planned(f, &f->plain, 0.5, KILN_ERR_ARG, "timesteps=smart50", NULL, NULL);
}

static void bad_lists_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "timesteps=1,2",      "timesteps=10,10",    "timesteps=1000", "timesteps=10,-1",
        "timesteps=10:-5:-3", "timesteps=fast28",   "timesteps=10:0", "timesteps=10:0:0",
        "timesteps=a",        "timesteps=3:2:-1:1", "timesteps=9e2",  "timesteps=1;2",
        "timesteps=--1",      "timesteps=.",        "steps=1001",     "timesteps=,",
        "timesteps=5:5:-1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        planned(f, &f->if_net, KILN_NOISE, KILN_ERR_ARG, bad[i], NULL, NULL);
        assert_true(strlen(stub_error(f->h)) > 0);
    }
    planned(f, &f->if_net, KILN_NOISE, KILN_ERR_ARG, "steps=5", "stride=5", NULL);
    planned(f, &f->if_net, KILN_NOISE, KILN_ERR_ARG, "timesteps=5", "stride=5", NULL);
    planned(f, &f->if_net, KILN_NOISE, KILN_ERR_ARG, "stride=5", "spacing=linspace", NULL);
    planned(f, &f->mnist, KILN_NOISE, KILN_ERR_ARG, "timesteps=smart185", NULL, NULL);
    planned(f, &f->mnist, 0.5, KILN_ERR_ARG, NULL, NULL, NULL);
    planned(f, &f->mnist, 301, KILN_ERR_ARG, NULL, NULL, NULL);
    assert_non_null(strstr(stub_error(f->h), "timesteps 1 to 300"));
}

static void dpmpp_begins_where_there_is_signal(void **state)
{
    struct fixture *f = *state;
    const char *args[] = {"steps=20", "spacing=linspace", NULL};
    struct walk w = {.host = f->h,
                     .node = node_of("scheduler", "dpmpp"),
                     .args = args,
                     .net = &f->if_net,
                     .t_start = KILN_NOISE};
    assert_int_equal(walk_only_plan(&w), 0);
    kiln_level l = kiln_level_at(&f->if_net.net, w.t[0]);
    kiln_level above = kiln_level_at(&f->if_net.net, w.t[0] + 1);
    assert_int_equal(w.n, 20);
    assert_true(w.t[0] < 999 && w.t[1] == 946);
    assert_true(log(l.alpha / l.sigma) >= -5.1 && log(above.alpha / above.sigma) < -5.1);
    w.t_start = 999;  // the image is there
    assert_int_equal(walk_only_plan(&w), 0);
    assert_true(w.t[0] == 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spacings_are_those_of_diffusers),
        cmocka_unit_test(named_lists_are_those_of_diffusers),
        cmocka_unit_test(without_arguments_the_net_says_how_many),
        cmocka_unit_test(strides_walk_the_multiples_from_the_image),
        cmocka_unit_test(lists_and_ranges_are_read),
        cmocka_unit_test(the_list_is_cut_at_the_image),
        cmocka_unit_test(to_stops_where_it_says),
        cmocka_unit_test(a_net_that_takes_sigma_walks_evenly),
        cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(dpmpp_begins_where_there_is_signal),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
