// What the nodes of this plugin share: the walk of a sampler through the timesteps, and the
// formulas of one step. All of them work on levels (alpha, sigma) and so for any net: variance
// preserving (alpha^2 + sigma^2 = 1, alpha_bar = alpha^2), variance exploding (alpha 1), or flow.
// SPDX-License-Identifier: MIT
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <kiln/kiln.h>

#define SCHEDULER_NODES                                                                            \
    &scheduler_randn, &scheduler_noise, &scheduler_at, &scheduler_ddpm, &scheduler_ddim,           \
        &scheduler_euler, &scheduler_dpmpp, &scheduler_denoise, &scheduler_predict,                \
        &scheduler_score, &scheduler_threshold

extern const kiln_node scheduler_randn, scheduler_noise, scheduler_at, scheduler_ddpm,
    scheduler_ddim, scheduler_euler, scheduler_dpmpp, scheduler_denoise, scheduler_predict,
    scheduler_score, scheduler_threshold;

// ---- timesteps.c: which timesteps a sampler visits ----------------------------------------------

// The parameters that every walking sampler begins with.
enum { WALK_STEPS, WALK_STRIDE, WALK_TIMESTEPS, WALK_SPACING, WALK_TO, WALK_N };
enum {
    WALK_AUTO,  // then enum kiln_spacing
    WALK_LEADING,
    WALK_TRAILING,
    WALK_LINSPACE
};
// clang-format off
#define WALK_PARAMS                                                                                \
    {"steps", KILN_INT, KILN_PARAM_POSITIONAL, "0", NULL,                                          \
     "number of steps from pure noise; 0: the net's default", 0, 1e6},                             \
    {"stride", KILN_INT, 0, "0", NULL,                                                             \
     "instead: the timesteps that are multiples of it; 0: not used", 0, 1e6},                      \
    {"timesteps", KILN_STRING, 0, "", NULL,                                                        \
     "instead: a descending list (999,800), ranges (990:-1:-30), or fast27, smart27, smart50, "    \
     "smart100, smart185, super27, super40, super100", 0, 0},                                      \
    {"spacing", KILN_ENUM, 0, "auto", "auto|leading|trailing|linspace",                            \
     "how steps are spread over the timesteps; auto: as the net says, or leading", 0, 0},          \
    {"to", KILN_STRING, 0, "clean", NULL,                                                          \
     "where to stop: clean, or a timestep, which is reached but not evaluated", 0, 0}
// clang-format on

struct walk {
    double *t;  // [n + 1] descending; the last one is reached only
    size_t n, room;
};

// create() of a walking sampler: refuses what is wrong whatever the net.
int walk_create(kiln_self *self);
// Fills walk from the arguments (WALK_PARAMS come first in the node's table): the list, cut at
// t_start, which goes in front unless it is KILN_NOISE, and at the end given by to=.
int walk_plan(kiln_self *self, const kiln_net *net, double t_start, struct walk *walk);
void walk_free(struct walk *walk);

// The state of a sampler that evaluates once, at the image's t (of pure noise: the last one), and
// leaves a clean image; plan_once is its plan().
struct once {
    kiln_self base;
    double t[2];
};
int plan_once(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n);

// The net's first and last timestep; of a net that takes sigma as t: 0 and infinity.
double net_first_t(const kiln_net *net);
double net_last_t(const kiln_net *net);
// Fails, naming the timesteps there are, when t is not between them.
int check_t(const kiln_self *self, const kiln_net *net, double t);

// ---- level.c: from one level to the next --------------------------------------------------------

// x_b = x x_a + x0 x0 + z z, z ~ N(0,1).
struct move {
    double x, x0, z;
};

// Ho et al. 2020, eq. 6 and 7, for any two levels: the mean of q(x_b | x_a, x0), its variance
// (posterior) and that of q(x_a | x_b) (beta). With z = 0. A step that ends clean gives x0.
struct move posterior_move(const kiln_level *a, const kiln_level *b, double *posterior,
                           double *beta);
// The same marginals with less noise: Song et al. 2021, eq. 12 and 16.
struct move ddim_move(const kiln_level *a, const kiln_level *b, double eta);
// log(alpha / sigma), at least min.
double log_snr(const kiln_level *l, double min);

// x = m.x x + m.x0 x0 + m.z z; z is drawn for the run's t when m.z > 0.
int apply_move(kiln_self *self, const kiln_run *run, struct move m, const kiln_tensor *x0,
               kiln_tensor *x);
// A sampler with one evaluation per step: asks for x0 at step i, then moves.
int eval_and_move(kiln_self *self, const kiln_run *run, uint32_t i, struct move m, kiln_tensor *x);

// ---- rows.c: rows of images ---------------------------------------------------------------------

// One row of x [n,...] as a tensor [1,...] over the same memory.
struct row {
    kiln_tensor tensor;
    int64_t shape[4], strides[4];
};
void row_of(struct row *row, const kiln_tensor *x, int64_t i);

// Plans k values over n images: one image gives k rows of its id, else k divides n and they cycle.
int plan_values(kiln_self *self, kiln_plan *plan, const double *value, uint32_t k);

#endif
