// The timesteps that a sampler visits. Spacings as in diffusers (Lin et al. 2024, table 2), counted
// from the net's first timestep.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1000000 };

// DeepFloyd IF's lists: the timesteps are cut into equal sections, low to high, and so many are
// taken of each, first and last included.
static const struct {
    const char *name;
    unsigned char count[24];  // up to a 0
} named[] = {
    {"fast27", {10, 10, 3, 2, 2}},
    {"smart27", {7, 4, 2, 1, 2, 4, 7}},
    {"smart50", {10, 6, 4, 3, 2, 2, 3, 4, 6, 10}},
    {"smart100", {1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 10, 13}},
    {"smart185", {1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20}},
    {"super27", {1, 1, 1, 1, 1, 1, 1, 2, 5, 13}},
    {"super40", {2, 2, 2, 2, 2, 2, 3, 4, 6, 15}},
    {"super100", {4, 4, 6, 6, 8, 8, 10, 10, 14, 30}},
};

double net_first_t(const kiln_net *net)
{
    return net->n_t ? (double)net->t_first : 0;
}

double net_last_t(const kiln_net *net)
{
    return net->n_t ? (double)(net->t_first + net->n_t - 1) : HUGE_VAL;
}

int check_t(const kiln_self *self, const kiln_net *net, double t)
{
    if (t >= net_first_t(net) && t <= net_last_t(net))
        return KILN_OK;
    if (!net->n_t)
        return kiln_fail(self, KILN_ERR_ARG, "t = %g, but the net takes sigma as t: 0 or more", t);
    return kiln_fail(self, KILN_ERR_ARG, "t = %g, but the net has the timesteps %g to %g", t,
                     net_first_t(net), net_last_t(net));
}

void walk_free(struct walk *walk)
{
    free(walk->t);
    *walk = (struct walk){0};
}

static int push(kiln_self *self, struct walk *w, double t)
{
    if (w->n > LONGEST)
        return kiln_fail(self, KILN_ERR_ARG, "timesteps: more than %d", (int)LONGEST);
    if (w->n == w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        double *more = realloc(w->t, room * sizeof(*more));
        if (!more)
            return kiln_fail(self, KILN_ERR_MEMORY, "no memory for %zu timesteps", room);
        w->t = more;
        w->room = room;
    }
    w->t[w->n++] = t;
    return KILN_OK;
}

// ---- lists --------------------------------------------------------------------------------------

static int spaced(kiln_self *self, const kiln_net *net, int64_t steps, struct walk *w)
{
    int64_t n_t = net->n_t;
    double first = net_first_t(net), last = (double)(n_t - 1);
    int e = KILN_OK;
    if (steps > n_t)
        return kiln_fail(self, KILN_ERR_ARG, "steps: %lld, but the net has %lld timesteps",
                         (long long)steps, (long long)n_t);
    // The difference is rounded once more on purpose: it decides ties.
    double down = (double)n_t - (double)n_t / (double)steps - (double)n_t;
    double up = steps > 1 ? last / (double)(steps - 1) : 0;
    int64_t spacing = self->args[WALK_SPACING].i;
    if (spacing == WALK_AUTO)
        spacing = WALK_LEADING + (int64_t)net->spacing;
    int64_t by = n_t / steps, offset = by * (steps - 1) + net->offset < n_t ? net->offset : 0;
    for (int64_t i = 0; i < steps && !e; i++) {
        int64_t k = steps - 1 - i;
        double t = 0;
        switch (spacing) {
        case WALK_LEADING:
            t = (double)(by * k + offset);
            break;
        case WALK_TRAILING:
            t = rint((double)n_t + (double)i * down) - 1;
            break;
        default:
            t = k && k == steps - 1 ? last : rint((double)k * up);
        }
        e = push(self, w, first + t);
    }
    return e;
}

static int strided(kiln_self *self, const kiln_net *net, int64_t stride, struct walk *w)
{
    int e = KILN_OK;
    int64_t last = net->t_first + net->n_t - 1;
    for (int64_t t = last / stride * stride; t >= net->t_first && !e; t -= stride)
        e = push(self, w, (double)t);
    return e;
}

static int sections(kiln_self *self, const kiln_net *net, const char *name,
                    const unsigned char *count, struct walk *w)
{
    int64_t n = 0, start = net->n_t;
    while (count[n])
        n++;
    for (int64_t s = n - 1; s >= 0; s--) {
        int64_t size = net->n_t / n + (s < net->n_t % n);
        if (size < count[s])
            return kiln_fail(self, KILN_ERR_ARG, "timesteps: %s is too fine for the net's %lld",
                             name, (long long)net->n_t);
        start -= size;
        double at[256], u = 0, by = count[s] > 1 ? (double)(size - 1) / (count[s] - 1) : 1;
        for (int i = 0; i < count[s]; i++, u += by)  // added up, as the lists were made
            at[i] = rint(u);
        int e = KILN_OK;
        for (int i = count[s] - 1; i >= 0 && !e; i--)
            e = push(self, w, net_first_t(net) + (double)start + at[i]);
        if (e)
            return e;
    }
    return KILN_OK;
}

// A decimal number without an exponent, whatever the locale; NULL: none there.
static const char *number(const char *s, double *out)
{
    int negative = *s == '-';
    double v = 0, scale = 1;
    int digits = 0;
    s += negative || *s == '+';
    for (; *s >= '0' && *s <= '9'; s++, digits++)
        v = 10 * v + (*s - '0');
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++, digits++) {
            v = 10 * v + (*s - '0');
            scale *= 10;
        }
    *out = (negative ? -v : v) / scale;
    return digits && digits < 16 ? s : NULL;
}

// "a", "a:b" or "a:b:step", b excluded.
static const char *range(kiln_self *self, const char *s, struct walk *w, int *e)
{
    double v[3] = {0, 0, 1};
    int k = 0;
    for (;;) {
        s = number(s, &v[k++]);
        if (!s || *s != ':' || k == 3)
            break;
        s++;
    }
    if (!s || (*s && *s != ',') || (k > 1 && v[2] == 0)) {
        *e = kiln_fail(self, KILN_ERR_ARG,
                       "timesteps: '%s' is no list like 999,800 or 990:-1:-30, and no name that "
                       "kiln help shows",
                       self->args[WALK_TIMESTEPS].s);
        return NULL;
    }
    if (k == 1)
        *e = push(self, w, v[0]);
    for (int64_t i = 0; k > 1 && !*e; i++) {
        double t = v[0] + (double)i * v[2];
        if (v[2] > 0 ? t >= v[1] : t <= v[1])
            break;
        *e = push(self, w, t);
    }
    return *e ? NULL : s;
}

// The sections of a list that has a name; NULL: timesteps= is none.
static const unsigned char *named_list(const kiln_self *self)
{
    for (uint32_t i = 0; i < KILN_COUNT(named); i++)
        if (!strcmp(self->args[WALK_TIMESTEPS].s, named[i].name))
            return named[i].count;
    return NULL;
}

static int written_list(kiln_self *self, struct walk *w)
{
    const char *s = self->args[WALK_TIMESTEPS].s;
    int e = KILN_OK;
    while (s && *s && !e) {
        s = range(self, s, w, &e);
        if (s && *s == ',')
            s++;
    }
    for (size_t i = 1; i < w->n && !e; i++)
        if (!(w->t[i] < w->t[i - 1]))
            e = kiln_fail(self, KILN_ERR_ARG, "timesteps: %g after %g, but they have to descend",
                          w->t[i], w->t[i - 1]);
    if (!e && !w->n)
        e = kiln_fail(self, KILN_ERR_ARG, "timesteps: '%s' names none",
                      self->args[WALK_TIMESTEPS].s);
    return e;
}

static int listed(kiln_self *self, const kiln_net *net, struct walk *w)
{
    const unsigned char *count = named_list(self);
    if (count && !net->n_t)
        return kiln_fail(self, KILN_ERR_ARG, "timesteps: the net has none, say steps=");
    if (count)
        return sections(self, net, self->args[WALK_TIMESTEPS].s, count, w);
    int e = written_list(self, w);
    for (size_t i = 0; i < w->n && !e; i++)
        e = check_t(self, net, w->t[i]);
    return e;
}

// A net that takes sigma as t: evenly from the image's sigma.
static int even(kiln_self *self, double t_start, int64_t steps, struct walk *w)
{
    int e = KILN_OK;
    for (int64_t i = 0; i < steps && !e; i++)
        e = push(self, w, t_start * (double)(steps - i) / (double)steps);
    return e;
}

static int full_list(kiln_self *self, const kiln_net *net, double t_start, struct walk *w)
{
    const kiln_value *args = self->args;
    int64_t steps = args[WALK_STEPS].i, stride = args[WALK_STRIDE].i;
    int list = *args[WALK_TIMESTEPS].s != 0;
    if (args[WALK_SPACING].i != WALK_AUTO && !net->n_t)
        return kiln_fail(self, KILN_ERR_ARG, "spacing: the net has no timesteps");
    if (!net->n_t && !isfinite(t_start))
        return kiln_fail(self, KILN_ERR_ARG,
                         "the net takes sigma as t: put 'noise sigma=…' before it, not randn");
    if (list)
        return listed(self, net, w);
    if (stride && !net->n_t)
        return kiln_fail(self, KILN_ERR_ARG, "stride: the net has no timesteps, say steps=");
    if (stride)
        return strided(self, net, stride, w);
    steps = steps ? steps : net->steps;
    if (!steps)
        return kiln_fail(self, KILN_ERR_ARG, "the net has no default number of steps: say steps=");
    return net->n_t ? spaced(self, net, steps, w) : even(self, t_start, steps, w);
}

// The value of to=; net NULL: of any net.
static int read_to(kiln_self *self, const kiln_net *net, double *to)
{
    const char *s = self->args[WALK_TO].s;
    *to = KILN_CLEAN;
    if (!strcmp(s, "clean"))
        return KILN_OK;
    const char *end = number(s, to);
    if (!end || *end || *to < 0 || (net && *to > net_last_t(net)))
        return kiln_fail(self, KILN_ERR_ARG, "to: '%s' is neither clean nor a timestep%s", s,
                         net ? " of the net" : "");
    if (!net)
        return KILN_OK;
    // At or below the net's first level with nothing of noise in it is clean, too.
    // Where timesteps begin with 1, 0 is the clean image; where t is sigma, 0 is it too.
    if (*to < net_first_t(net) || kiln_level_at(net, *to).sigma <= 0)
        *to = KILN_CLEAN;
    return KILN_OK;
}

int walk_create(kiln_self *self)
{
    const kiln_value *args = self->args;
    int steps = args[WALK_STEPS].i > 0, stride = args[WALK_STRIDE].i > 0;
    int list = *args[WALK_TIMESTEPS].s != 0;
    struct walk w = {0};
    double to;
    if (steps + stride + list > 1)
        return kiln_fail(self, KILN_ERR_ARG, "say one of steps, stride and timesteps");
    if (args[WALK_SPACING].i != WALK_AUTO && (stride || list))
        return kiln_fail(self, KILN_ERR_ARG, "spacing: only with steps");
    int e = list && !named_list(self) ? written_list(self, &w) : KILN_OK;
    walk_free(&w);
    return e ? e : read_to(self, NULL, &to);
}

int walk_plan(kiln_self *self, const kiln_net *net, double t_start, struct walk *walk)
{
    double to;
    walk->n = 0;
    int e = isfinite(t_start) ? check_t(self, net, t_start) : KILN_OK;
    if (!e)
        e = read_to(self, net, &to);
    if (!e)
        e = full_list(self, net, t_start, walk);
    if (e)
        return e;
    size_t n = walk->n, at = 0;
    int front = isfinite(t_start);
    e = push(self, walk, 0);  // room for t_start in front and the end behind
    if (!e)
        e = push(self, walk, 0);
    if (e)
        return e;
    double *t = walk->t;
    memmove(t + 1, t, n * sizeof(*t));
    if (front)
        t[at++] = t_start;
    for (size_t i = 1; i <= n; i++)
        if (t[i] > to && !(front && t[i] >= t_start))
            t[at++] = t[i];
    if (!at || t[0] <= to)
        return front ? kiln_fail(self, KILN_ERR_ARG, "to: the image is at t = %g already", t_start)
                     : kiln_fail(self, KILN_ERR_ARG, "to: no timestep is above %g", to);
    t[at] = to;
    walk->n = at;
    return KILN_OK;
}

int plan_once(kiln_self *self, const kiln_net *net, double t_start, const double **t, uint32_t *n)
{
    double *list = ((struct once *)self)->t;
    list[0] = isfinite(t_start) ? t_start : net_last_t(net);
    list[1] = KILN_CLEAN;
    *t = list;
    *n = 1;
    if (!isfinite(list[0]))
        return kiln_fail(self, KILN_ERR_ARG,
                         "the net takes sigma as t: put 'noise sigma=…' before it, not randn");
    return check_t(self, net, list[0]);
}
