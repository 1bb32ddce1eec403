// A plugin for scripts/bench: a hook that writes the seconds of each step of a run but the first, a
// line each, which start, loading and what is computed once per prompt are no part of.
// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L
#include <kiln/kiln.h>
#include <stdio.h>
#include <time.h>

enum { FILE_NAME };
static const kiln_param params[] = {
    {"file", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL, "where times are written", 0, 0},
};

struct steps {
    kiln_self base;
    double last;  // end of the step before
};

static int after(kiln_self *self, const kiln_step *step, kiln_tensor *x)
{
    struct steps *s = (struct steps *)self;
    struct timespec t;
    (void)x;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec, took = now - s->last;
    s->last = now;
    if (!step->i)
        return KILN_OK;
    FILE *to = fopen(self->args[FILE_NAME].s, "a");
    if (!to)
        return kiln_fail(self, KILN_ERR_IO, "cannot open '%s'", self->args[FILE_NAME].s);
    fprintf(to, "%.9g\n", took);
    return fclose(to) ? kiln_fail(self, KILN_ERR_IO, "cannot write it") : KILN_OK;
}

static const kiln_hook_ops hook = {.size = sizeof(hook), .after = after};
static const kiln_node steps = {
    .size = sizeof(steps),
    .name = "bench-steps",
    .summary = "write the time of each step",
    .example =
        "randn 1x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! bench-steps s.txt ! ddpm ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct steps),
    .hook = &hook,
};
KILN_PLUGIN("org.kiln.bench-steps", "1.0", "MIT", &steps);
