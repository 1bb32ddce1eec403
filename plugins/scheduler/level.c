// The formulas of one step between two noise levels. Everything is in double: the differences of
// numbers near 1 at small t would lose half their digits in float.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

// x_a = r x_b + noise of variance beta, r = alpha_a / alpha_b: how a follows b in the forward
// process.
static double forward_variance(const kiln_level *a, const kiln_level *b, double r)
{
    return fmax(0, a->sigma * a->sigma - r * r * b->sigma * b->sigma);
}

struct move posterior_move(const kiln_level *a, const kiln_level *b, double *posterior,
                           double *beta)
{
    if (b->sigma <= 0) {
        *posterior = *beta = 0;
        return (struct move){0, b->alpha, 0};
    }
    double r = a->alpha / b->alpha, sa2 = a->sigma * a->sigma, sb2 = b->sigma * b->sigma;
    *beta = forward_variance(a, b, r);
    *posterior = *beta * sb2 / sa2;
    return (struct move){r * sb2 / sa2, b->alpha * *beta / sa2, 0};
}

struct move ddim_move(const kiln_level *a, const kiln_level *b, double eta)
{
    if (b->sigma <= 0)
        return (struct move){0, b->alpha, 0};
    double s = eta * b->sigma / a->sigma * sqrt(forward_variance(a, b, a->alpha / b->alpha));
    // sqrt(sigma_b^2 - s^2) of e, e = (x - alpha_a x0) / sigma_a.
    double e = sqrt(fmax(0, b->sigma * b->sigma - s * s)) / a->sigma;
    return (struct move){e, b->alpha - e * a->alpha, s};
}

double log_snr(const kiln_level *l, double min)
{
    if (l->sigma <= 0)
        return HUGE_VAL;
    return l->alpha > 0 ? fmax(min, log(l->alpha / l->sigma)) : min;
}

int apply_move(kiln_self *self, const kiln_run *run, struct move m, const kiln_tensor *x0,
               kiln_tensor *x)
{
    const kiln_host *h = self->host;
    kiln_tensor *z = NULL;
    double a[3];
    const kiln_tensor *term[3];
    int k = 0, e = KILN_OK;
    if (m.z > 0) {
        e = kiln_new_like(h, x, &z);
        if (!e)
            e = h->normal(h, 0, run->rows->id, run->rows->t, z);
    }
    const double all[] = {m.x, m.x0, m.z};
    const kiln_tensor *of[] = {x, x0, z};
    for (int i = 0; i < 3; i++)
        if (all[i] != 0) {
            a[k] = all[i];
            term[k++] = of[i];
        }
    if (!e && k)
        e = kiln_get_ops(self)->combine(h, k, a, NULL, term, x);
    h->tensor_free(h, z);
    return e;
}

int eval_and_move(kiln_self *self, const kiln_run *run, uint32_t i, struct move m, kiln_tensor *x)
{
    const kiln_estimate *x0;
    int e = run->eval(run, KILN_X0, x, run->level[i].t, &x0);
    return e ? e : apply_move(self, run, m, x0->value, x);
}
