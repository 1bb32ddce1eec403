// Single steps and whole walks against diffusers and against plain formulas, with given estimates
// and noise. Steps are done in float on numbers below 250 (x0 at t = 990); half an ulp of that,
// weighted, and of the result, below 20, stay under 2e-6. Walks of 10 to 20 steps on data that pull
// towards their mean do not add up to more than 3e-6. SPDX-License-Identifier: MIT
#include "tests/scheduler/harness.h"

#include <string.h>

static const double step_limit = 2e-6, walk_limit = 3e-6;

struct fixture {
    kiln_host *h;
    kiln_tensor *x, *eps, *z, *var, *mean;
};

static int setup(void **state)
{
    static struct fixture f;
    f.h = test_host();
    f.x = golden(f.h, "x");
    f.eps = golden(f.h, "eps");
    f.z = golden(f.h, "z");
    f.var = golden(f.h, "var");
    f.mean = golden(f.h, "mean");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    kiln_tensor *all[] = {f->x, f->eps, f->z, f->var, f->mean};
    for (int i = 0; i < 5; i++)
        f->h->tensor_free(f->h, all[i]);
    test_host_free(f->h);
    return 0;
}

// Walks x from t_start with up to three arguments, compares with a golden result, returns draws.
static int compare(struct fixture *f, struct test_net *net, const char *sampler, double t_start,
                   const char *const *args, const char *want, double limit)
{
    kiln_tensor *y = golden(f->h, want);
    struct walk w = {.host = f->h,
                     .node = node_of("scheduler", sampler),
                     .args = args,
                     .net = net,
                     .t_start = t_start,
                     .x = copy_of(f->h, f->x)};
    give_noise(f->h, f->z);
    if (walk_run(&w))
        fail_msg("%s: %s", want, stub_error(f->h));
    double d = max_difference(w.x, y);
    if (!(d <= limit))
        fail_msg("%s: differs by %g", want, d);
    f->h->tensor_free(f->h, w.x);
    f->h->tensor_free(f->h, y);
    give_noise(f->h, NULL);
    return 0;
}

static void ddpm_steps_over_a_list(void **state)
{
    struct fixture *f = *state;
    static const char *const variance[] = {"posterior", "beta", "learned"};
    static const int from[] = {990, 690, 30, 0};
    struct test_net net = net_new(COSINE);
    char name[64], to[32], how[32];
    net.eps = f->eps;
    for (int v = 0; v < 3; v++)
        for (int i = 0; i < 4; i++) {
            net.var = v == 2 ? f->var : NULL;
            snprintf(name, sizeof(name), "ddpm.%s.%d", variance[v], from[i]);
            snprintf(how, sizeof(how), "variance=%s", variance[v]);
            snprintf(to, sizeof(to), "to=%d", from[i] - 30);
            const char *args[] = {"stride=30", how, from[i] ? to : "to=clean", NULL};
            compare(f, &net, "ddpm", from[i], args, name, step_limit);
        }
    net_free(&net);
}

static void ddpm_steps_over_the_named_lists(void **state)
{
    struct fixture *f = *state;
    static const char *const lists[] = {"fast27",   "smart27", "smart50", "smart100",
                                        "smart185", "super27", "super40", "super100"};
    struct test_net net = net_new(COSINE);
    char name[64], list[64], to[32];
    int64_t n;
    net.eps = f->eps;
    net.var = f->var;
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof(name), "ddpm.%s.%d.t", lists[i], k);
            const int32_t *t = golden_ints(name, &n);
            snprintf(name, sizeof(name), "ddpm.%s.%d", lists[i], k);
            snprintf(list, sizeof(list), "timesteps=%s", lists[i]);
            snprintf(to, sizeof(to), "to=%d", t[1]);
            const char *args[] = {list, to, NULL};
            compare(f, &net, "ddpm", t[0], args, name, step_limit);
        }
    net_free(&net);
}

static void ddpm_takes_the_variance_that_the_net_states(void **state)
{
    struct fixture *f = *state;
    struct test_net net = net_new(COSINE);
    const char *args[] = {"stride=30", "to=660", NULL};
    net.eps = f->eps;
    net.var = f->var;
    compare(f, &net, "ddpm", 690, args, "ddpm.learned.690", step_limit);
    net.var = NULL;  // a stack that lost it
    compare(f, &net, "ddpm", 690, args, "ddpm.posterior.690", step_limit);
    net.net.variance = KILN_VARIANCE_BETA;
    compare(f, &net, "ddpm", 690, args, "ddpm.beta.690", step_limit);
    const char *learned[] = {"variance=learned", NULL};
    struct walk w = {.host = f->h,
                     .node = node_of("scheduler", "ddpm"),
                     .args = learned,
                     .net = &net,
                     .t_start = 690};
    assert_int_equal(walk_only_plan(&w), KILN_ERR_ARG);
    net_free(&net);
}

static void ddpm_samples_mnist_as_published(void **state)
{
    struct fixture *f = *state;
    static const int from[] = {300, 100, 2, 1};
    struct test_net net = net_new(MNIST);
    char name[64], to[32];
    net.eps = f->eps;
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "mnist.%d", from[i]);
        snprintf(to, sizeof(to), "to=%d", from[i] - 1);
        const char *args[] = {to, NULL};
        compare(f, &net, "ddpm", from[i], args, name, step_limit);
    }
    net_free(&net);
}

static void no_noise_is_drawn_on_the_last_step(void **state)
{
    struct fixture *f = *state;
    static const char *const samplers[] = {"ddpm", "ddim", "dpmpp", "euler", "denoise"};
    static const int want[] = {4, 4, 0, 0, 0};
    struct test_net net = net_new(COSINE);
    net.eps = f->eps;
    net.var = f->var;
    for (int i = 0; i < 5; i++) {
        const char *args[] = {i == 4 ? NULL : "steps=5", i == 1 ? "eta=0.5" : NULL, NULL};
        struct walk w = {.host = f->h,
                         .node = node_of("scheduler", samplers[i]),
                         .args = args,
                         .net = &net,
                         .t_start = KILN_NOISE,
                         .x = copy_of(f->h, f->x)};
        give_noise(f->h, NULL);
        assert_int_equal(walk_run(&w), 0);
        assert_int_equal(draws, want[i]);
        f->h->tensor_free(f->h, w.x);
    }
    net_free(&net);
}

static void ddim_steps(void **state)
{
    struct fixture *f = *state;
    static const char *const eta[] = {"0", "0.5", "1"};
    static const int from[] = {950, 500, 50, 0};
    static const enum schedule schedule[] = {LINEAR, COSINE};
    char name[64], to[32], how[32];
    for (int k = 0; k < 2; k++) {
        struct test_net net = net_new(schedule[k]);
        net.eps = f->eps;
        for (int v = 0; v < 3; v++)
            for (int i = 0; i < 4; i++) {
                snprintf(name, sizeof(name), "ddim%s.%s.%d", k ? "-cosine" : "", eta[v], from[i]);
                snprintf(how, sizeof(how), "eta=%s", eta[v]);
                snprintf(to, sizeof(to), "to=%d", from[i] - 50);
                const char *args[] = {"steps=20", how, from[i] ? to : "to=clean", NULL};
                compare(f, &net, "ddim", from[i], args, name, step_limit);
            }
        net_free(&net);
    }
}

static void solvers_walk_as_in_diffusers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *list;
        enum schedule schedule;
    } walks[] = {{"linear.short", "timesteps=900:-1:-100", LINEAR},
                 {"linear.long", "timesteps=950:-1:-50", LINEAR},
                 {"cosine.long", "timesteps=960:-1:-48", COSINE}};
    char name[64], order[32];
    for (int i = 0; i < 3; i++) {
        struct test_net net = net_new(walks[i].schedule);
        net.answer = gaussian;
        net.mean = f->mean;
        for (int k = 1; k <= 3; k++) {
            snprintf(name, sizeof(name), "dpmpp.%d.%s", k, walks[i].name);
            snprintf(order, sizeof(order), "order=%d", k);
            const char *args[] = {walks[i].list, order, NULL};
            compare(f, &net, "dpmpp", KILN_NOISE, args, name, walk_limit);
        }
        const char *args[] = {walks[i].list, NULL};
        snprintf(name, sizeof(name), "euler.%s", walks[i].name);
        compare(f, &net, "euler", KILN_NOISE, args, name, walk_limit);
        // In exact arithmetic the same walk.
        compare(f, &net, "ddim", KILN_NOISE, args, name, walk_limit);
        net_free(&net);
    }
}

// The lists that the library makes of the cosine schedule where lambda_min_clipped is least.
static void walk_clipped(struct fixture *f, const char *clipped, double least)
{
    static const char *const spacing[] = {"leading", "trailing", "linspace"};
    struct test_net net = net_new(COSINE);
    char name[32], golden_name[64], list[256], order[32];
    net.answer = gaussian;
    net.mean = f->mean;
    net.net.lambda_min = least;
    for (int i = 0; i < 3; i++) {
        int64_t n;
        snprintf(name, sizeof(name), "%s.%s", clipped, spacing[i]);
        const int32_t *t = golden_ints(name, &n);
        int at = snprintf(list, sizeof(list), "timesteps=");
        for (int64_t k = 0; k < n; k++)
            at += snprintf(list + at, sizeof(list) - (size_t)at, "%s%d", k ? "," : "", t[k]);
        for (int k = 1; k <= 3; k++) {
            snprintf(golden_name, sizeof(golden_name), "dpmpp.%d.%s", k, name);
            snprintf(order, sizeof(order), "order=%d", k);
            const char *args[] = {list, order, NULL};
            compare(f, &net, "dpmpp", KILN_NOISE, args, golden_name, walk_limit);
        }
        const char *args[] = {list, NULL};
        snprintf(golden_name, sizeof(golden_name), "euler.%s", name);
        if (t[0] < 999) {  // where the library's x / alpha, in float, has digits left
            compare(f, &net, "euler", KILN_NOISE, args, golden_name, walk_limit);
            compare(f, &net, "ddim", KILN_NOISE, args, golden_name, walk_limit);
        }
        if (i == 0)
            continue;
        // These begin with the last timestep that is allowed: a list that begins later is cut
        // there.
        const char *steps[] = {"steps=20", "spacing=linspace", NULL};
        struct walk w = {.host = f->h,
                         .node = node_of("scheduler", "dpmpp"),
                         .args = steps,
                         .net = &net,
                         .t_start = KILN_NOISE};
        assert_int_equal(walk_only_plan(&w), 0);
        assert_true(w.t[0] == t[0]);
    }
    net_free(&net);
}

static void solvers_walk_the_cosine_schedule_from_its_signal(void **state)
{
    walk_clipped(*state, "clipped", 0);  // -5.1 where the net says nothing
    walk_clipped(*state, "clipped", -5.1);
    walk_clipped(*state, "clipped-3", -3);
    walk_clipped(*state, "unclipped", -1000);
}

static void denoise_and_predict_ask_once(void **state)
{
    struct fixture *f = *state;
    struct test_net net = net_new(COSINE);
    kiln_level l = kiln_level_at(&net.net, 500);
    net.eps = f->eps;
    net.var = f->var;
    static const char *const what[] = {"what=eps", "what=x0", "what=variance", NULL};
    for (int i = 0; i < 4; i++) {
        const char *args[] = {what[i], NULL};
        struct walk w = {.host = f->h,
                         .node = node_of("scheduler", what[i] ? "predict" : "denoise"),
                         .args = args,
                         .net = &net,
                         .t_start = 500,
                         .x = copy_of(f->h, f->x)};
        net.calls = 0;
        assert_int_equal(walk_run(&w), 0);
        assert_int_equal(net.calls, 1);
        assert_true(w.n == 1 && w.t[0] == 500 && w.t[1] < 0);
        for (int64_t k = 0; k < kiln_numel(w.x); k++) {
            double e = (double)kiln_f32(f->eps)[k], x = (double)kiln_f32(f->x)[k];
            double want = i == 0   ? e
                          : i == 2 ? (double)kiln_f32(f->var)[k]
                                   : (x - l.sigma * e) / l.alpha;
            assert_near((double)kiln_f32(w.x)[k], want, 1e-6);
        }
        f->h->tensor_free(f->h, w.x);
    }
    net.var = NULL;
    const char *args[] = {"what=variance", NULL};
    struct walk w = {.host = f->h,
                     .node = node_of("scheduler", "predict"),
                     .args = args,
                     .net = &net,
                     .t_start = KILN_NOISE,
                     .x = copy_of(f->h, f->x)};
    assert_int_equal(walk_run(&w), KILN_ERR_ARG);
    assert_true(w.t[0] == 999);  // noise is the last timestep
    f->h->tensor_free(f->h, w.x);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ddpm_steps_over_a_list),
        cmocka_unit_test(ddpm_steps_over_the_named_lists),
        cmocka_unit_test(ddpm_takes_the_variance_that_the_net_states),
        cmocka_unit_test(ddpm_samples_mnist_as_published),
        cmocka_unit_test(no_noise_is_drawn_on_the_last_step),
        cmocka_unit_test(ddim_steps),
        cmocka_unit_test(solvers_walk_as_in_diffusers),
        cmocka_unit_test(solvers_walk_the_cosine_schedule_from_its_signal),
        cmocka_unit_test(denoise_and_predict_ask_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
