// Samplers on data of which everything is known: pixels N(m, d^2). Along the probability flow
// (x - alpha m) / sqrt(alpha^2 d^2 + sigma^2) stays what it is, so the exact end of a walk is
// known, and errors fall with the order of a solver. With noise, mean and variance follow by hand.
// SPDX-License-Identifier: MIT
#include "tests/scheduler/harness.h"

#include <string.h>

enum { ROWS = 32, PIXELS = ROWS * 48 };

static int setup(void **state)
{
    *state = test_host();
    return 0;
}

static int teardown(void **state)
{
    test_host_free(*state);
    return 0;
}

static double spread(const struct test_net *net, kiln_level l)
{
    double d = net->deviation;
    return sqrt(l.alpha * l.alpha * d * d + l.sigma * l.sigma);
}

static kiln_tensor *noise(kiln_host *h, double m, double s)
{
    kiln_tensor *x = stub_tensor(h, 4, (int64_t[]){ROWS, 3, 4, 4}, NULL);
    int64_t id[ROWS];
    for (int i = 0; i < ROWS; i++)
        id[i] = 1000 + i;
    h->normal(h, 9, id, NULL, x);
    for (int64_t i = 0; i < PIXELS; i++)
        kiln_f32(x)[i] = (float)(m + s * (double)kiln_f32(x)[i]);
    return x;
}

// Largest distance from the exact flow after a walk from t_start to to, args besides to=.
static double flow_error(kiln_host *h, struct test_net *net, const char *sampler, double t_start,
                         const char *to, const char *a, const char *b)
{
    char end[32];
    snprintf(end, sizeof(end), "to=%s", to);
    const char *args[] = {end, a, b, NULL};
    kiln_level from = kiln_level_at(&net->net, t_start);
    kiln_tensor *x = noise(h, from.alpha * 0.5, spread(net, from));
    struct walk w = {.host = h,
                     .node = node_of("scheduler", sampler),
                     .args = args,
                     .net = net,
                     .t_start = t_start,
                     .x = copy_of(h, x)};
    if (walk_run(&w))
        fail_msg("%s: %s", sampler, stub_error(h));
    kiln_level last = kiln_level_at(&net->net, w.t[w.n]);
    double worst = 0;
    for (int64_t i = 0; i < PIXELS; i++) {
        double u = ((double)kiln_f32(x)[i] - from.alpha * 0.5) / spread(net, from);
        double exact = last.alpha * 0.5 + spread(net, last) * u;
        worst = fmax(worst, fabs((double)kiln_f32(w.x)[i] - exact));
    }
    h->tensor_free(h, x);
    h->tensor_free(h, w.x);
    return worst;
}

static void errors_fall_with_the_order(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(LINEAR);
    net.answer = gaussian;
    static const struct {
        const char *sampler, *order;
        double rate;  // of the error, when steps are doubled
    } cases[] = {
        {"euler", NULL, 2},
        {"ddim", NULL, 2},
        {"dpmpp", "order=1", 2},
        {"dpmpp", "order=2", 4},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        // From 800 to 100: no end that is done with a lower order. 35 and 70 steps.
        double coarse =
            flow_error(h, &net, cases[i].sampler, 800, "100", "stride=20", cases[i].order);
        double fine =
            flow_error(h, &net, cases[i].sampler, 800, "100", "stride=10", cases[i].order);
        double rate = coarse / fine;
        // The next term of the error is still there at this number of steps.
        if (!(rate > 0.85 * cases[i].rate && rate < 1.3 * cases[i].rate))
            fail_msg("%s %s: error %g, then %g", cases[i].sampler,
                     cases[i].order ? cases[i].order : "", coarse, fine);
    }
    // The first two steps of order 3 are of lower order: it begins with small ones here.
    static const char list[] = "timesteps=800:796:-1,796:780:-4,780:100:-20";
    double two = flow_error(h, &net, "dpmpp", 800, "100", list, "order=2");
    double three = flow_error(h, &net, "dpmpp", 800, "100", list, "order=3");
    if (!(three < two / 3))
        fail_msg("order 3: error %g, order 2: %g", three, two);
    net_free(&net);
}

static void steps_are_exact_where_x0_does_not_change(void **state)
{
    // With deviation 0 the estimate is the mean all the way, which each of them integrates exactly.
    kiln_host *h = *state;
    struct test_net net = net_new(COSINE);
    net.answer = gaussian;
    net.deviation = 0;
    static const char *const samplers[] = {"ddim", "euler", "dpmpp"};
    for (int i = 0; i < 3; i++)
        assert_true(flow_error(h, &net, samplers[i], 990, "200", "steps=5", NULL) < 1e-5);
    net_free(&net);
}

static void flow_nets_walk_straight(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(FLOW);
    net.answer = gaussian;
    static const char *const samplers[] = {"ddim", "euler", "dpmpp"};
    // t = 999: alpha is 0 there, nothing may divide by it. Errors of few steps, but no more.
    for (int i = 0; i < 3; i++) {
        double coarse = flow_error(h, &net, samplers[i], 999, "clean", "steps=20", NULL);
        double fine = flow_error(h, &net, samplers[i], 999, "clean", "steps=200", NULL);
        if (!(fine < coarse && fine < 0.02))
            fail_msg("%s: error %g, then %g", samplers[i], coarse, fine);
    }
    // Euler's step is x + (t_b - t_a) flow, by hand.
    const char *args[] = {"to=299", "timesteps=599", NULL};
    kiln_tensor *x = noise(h, 0.2, 1);
    struct walk w = {.host = h,
                     .node = node_of("scheduler", "euler"),
                     .args = args,
                     .net = &net,
                     .t_start = 599,
                     .x = copy_of(h, x)};
    assert_int_equal(walk_run(&w), 0);
    kiln_level a = kiln_level_at(&net.net, 599);
    for (int64_t i = 0; i < PIXELS; i++) {
        double eps, x0, v = (double)kiln_f32(x)[i];
        gaussian(&net, i, v, a, &eps, &x0);
        assert_near((double)kiln_f32(w.x)[i], v + (0.3 - 0.6) * (eps - x0), 1e-6);
    }
    h->tensor_free(h, x);
    h->tensor_free(h, w.x);
    net_free(&net);
}

static void nets_that_take_sigma_work_too(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(PLAIN);
    net.answer = gaussian;
    static const char *const samplers[] = {"ddim", "euler", "dpmpp"};
    for (int i = 0; i < 3; i++) {
        double coarse = flow_error(h, &net, samplers[i], 2, "0.05", "steps=20", NULL);
        double fine = flow_error(h, &net, samplers[i], 2, "0.05", "steps=200", NULL);
        if (!(fine < coarse / 5 && fine < 0.02))
            fail_msg("%s: error %g, then %g", samplers[i], coarse, fine);
    }
    // Nothing to remove at sigma 0: the estimate is the result, and nothing divides by sigma.
    assert_true(flow_error(h, &net, "ddim", 0, "clean", "steps=3", NULL) < 1e-6);
    kiln_tensor *x = noise(h, 0.5, 0.3);
    struct walk w = {.host = h,
                     .node = node_of("scheduler", "denoise"),
                     .net = &net,
                     .t_start = 0,
                     .x = copy_of(h, x)};
    assert_int_equal(walk_run(&w), 0);
    assert_true(max_difference(w.x, x) < 1e-6);
    h->tensor_free(h, x);
    h->tensor_free(h, w.x);
    net_free(&net);
}

// Mean and variance of x after a walk with noise, by the formulas of Ho et al. 2020 in alpha_bar.
static void stochastic(kiln_host *h, struct test_net *net, const char *const *args,
                       const char *sampler, int beta_noise)
{
    double mean = 0, variance = 0;
    struct walk w = {.host = h,
                     .node = node_of("scheduler", sampler),
                     .args = args,
                     .net = net,
                     .t_start = KILN_NOISE,
                     .x = noise(h, 0, 1)};
    // Of these 1536 numbers, which are not quite 0 and 1.
    for (int64_t i = 0; i < PIXELS; i++)
        mean += (double)kiln_f32(w.x)[i] / PIXELS;
    for (int64_t i = 0; i < PIXELS; i++)
        variance += pow((double)kiln_f32(w.x)[i] - mean, 2) / PIXELS;
    if (walk_run(&w))
        fail_msg("%s: %s", sampler, stub_error(h));
    double d2 = net->deviation * net->deviation, m = 0.5;
    for (uint32_t i = 0; i < w.n; i++) {
        kiln_level la = kiln_level_at(&net->net, w.t[i]), lb = kiln_level_at(&net->net, w.t[i + 1]);
        double ab = la.alpha * la.alpha, ab_prev = lb.alpha * lb.alpha;
        double alpha = ab / ab_prev, beta = 1 - alpha;
        double c0 = sqrt(ab_prev) * beta / (1 - ab), cx = sqrt(alpha) * (1 - ab_prev) / (1 - ab);
        double noise2 = w.t[i + 1] < 0 ? 0 : beta_noise ? beta : beta * (1 - ab_prev) / (1 - ab);
        double gain = la.alpha * d2 / (ab * d2 + 1 - ab);  // x0 = m + gain (x - alpha m)
        mean = cx * mean + c0 * (m + gain * (mean - la.alpha * m));
        variance = pow(cx + c0 * gain, 2) * variance + noise2;
    }
    double got = 0, got2 = 0;
    for (int64_t i = 0; i < PIXELS; i++)
        got += (double)kiln_f32(w.x)[i] / PIXELS;
    for (int64_t i = 0; i < PIXELS; i++)
        got2 += pow((double)kiln_f32(w.x)[i] - got, 2) / PIXELS;
    // Five standard errors of mean and variance of that many numbers.
    assert_near(got, mean, 5 * sqrt(variance / PIXELS));
    assert_near(got2, variance, 5 * variance * sqrt(2. / PIXELS));
    h->tensor_free(h, w.x);
}

static void noise_has_the_mean_and_variance_that_formulas_say(void **state)
{
    kiln_host *h = *state;
    struct test_net net = net_new(MNIST);
    net.answer = gaussian;
    stochastic(h, &net, (const char *[]){"to=clean", NULL}, "ddpm", 1);
    stochastic(h, &net, (const char *[]){"steps=30", "variance=posterior", NULL}, "ddpm", 0);
    stochastic(h, &net, (const char *[]){"steps=30", "to=100", NULL}, "ddpm", 1);
    stochastic(h, &net, (const char *[]){"steps=30", "eta=1", "to=100", NULL}, "ddim", 0);
    net_free(&net);
}

static void rows_do_not_look_at_each_other(void **state)
{
    kiln_host *h = *state;
    static const char *const samplers[] = {"ddpm", "ddim", "dpmpp", "euler"};
    for (int i = 0; i < 4; i++) {
        struct test_net net = net_new(COSINE);
        net.answer = gaussian;
        const char *args[] = {"steps=10", i == 1 ? "eta=0.7" : NULL, NULL};
        struct walk all = {.host = h,
                           .node = node_of("scheduler", samplers[i]),
                           .args = args,
                           .net = &net,
                           .t_start = KILN_NOISE,
                           .x = noise(h, 0, 1)};
        struct walk one = all;
        one.x = stub_tensor(h, 4, (int64_t[]){1, 3, 4, 4}, kiln_f32(all.x));
        assert_int_equal(walk_run(&all), 0);
        assert_int_equal(walk_run(&one), 0);
        assert_memory_equal(kiln_f32(all.x), kiln_f32(one.x), 48 * sizeof(float));
        h->tensor_free(h, all.x);
        h->tensor_free(h, one.x);
        net_free(&net);
    }
}

static void a_run_knows_nothing_of_the_one_before(void **state)
{
    // One instance, a run that was stopped, and another: as if it were the first.
    kiln_host *h = *state;
    struct test_net net = net_new(LINEAR);
    net.answer = gaussian;
    const char *args[] = {"steps=20", "order=3", NULL};
    const kiln_node *node = node_of("scheduler", "dpmpp");
    struct walk w = {.host = h, .node = node, .args = args, .net = &net, .t_start = KILN_NOISE};
    kiln_self *self = stub_node_new(h, node, args);
    kiln_tensor *first = noise(h, 0, 1), *again = noise(h, 0, 1), *other = noise(h, 3, 2);
    w.x = other;
    net.cancel_at = 8;
    assert_int_equal(walk_instance(&w, self), KILN_ERR_CANCEL);
    w.x = first;
    assert_int_equal(walk_instance(&w, self), 0);
    stub_node_free(node, self);
    w.x = again;
    assert_int_equal(walk_run(&w), 0);
    assert_true(max_difference(first, again) == 0);
    h->tensor_free(h, first);
    h->tensor_free(h, again);
    h->tensor_free(h, other);
    net_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_fall_with_the_order),
        cmocka_unit_test(steps_are_exact_where_x0_does_not_change),
        cmocka_unit_test(flow_nets_walk_straight),
        cmocka_unit_test(nets_that_take_sigma_work_too),
        cmocka_unit_test(noise_has_the_mean_and_variance_that_formulas_say),
        cmocka_unit_test(rows_do_not_look_at_each_other),
        cmocka_unit_test(a_run_knows_nothing_of_the_one_before),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
