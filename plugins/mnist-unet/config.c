// What kind of net it is, and what it says of itself, before any weight is read.
// SPDX-License-Identifier: MIT
#include "net.h"
#include "params.h"

#include <stdlib.h>
#include <string.h>

// clang-format off
const struct conv_spec conv_specs[N_CONV] = {
    //              kernel, stride, pad, transposed   in  out
    [IN_0]      = {{3, 1, 1, 0}, 0, 1},
    [IN_1]      = {{3, 1, 1, 0}, 1, 1},
    [DOWN1_0]   = {{3, 2, 1, 0}, 1, 1},
    [DOWN1_1]   = {{3, 1, 1, 0}, 1, 1},
    [DOWN1_2]   = {{3, 1, 1, 0}, 1, 1},
    [DOWN2_0]   = {{3, 2, 1, 0}, 1, 2},
    [DOWN2_1]   = {{3, 1, 1, 0}, 2, 2},
    [DOWN2_2]   = {{3, 1, 1, 0}, 2, 2},
    [UNFLATTEN] = {{7, 7, 0, 1}, 2, 2},
    [UP1_0]     = {{4, 2, 1, 1}, 4, 1},
    [UP1_1]     = {{3, 1, 1, 0}, 1, 1},
    [UP1_2]     = {{3, 1, 1, 0}, 1, 1},
    [UP2_0]     = {{4, 2, 1, 1}, 2, 1},
    [UP2_1]     = {{3, 1, 1, 0}, 1, 1},
    [UP2_2]     = {{3, 1, 1, 0}, 1, 1},
    [OUT_0]     = {{3, 1, 1, 0}, 2, 1},
    [OUT_1]     = {{3, 1, 1, 0}, 1, 1},
    [HEAD]      = {{3, 1, 1, 0}, 1, 0},
};
// clang-format on

int has_fc(int arch, int fc)
{
    return arch == ARCH_CLASS || (arch == ARCH_TIME && (fc == TIME1 || fc == TIME2));
}

int fc_first(int arch, int fc)
{
    int at = FC_LIST;
    if (!has_fc(arch, fc))
        return -1;
    for (int k = 0; k < fc; k++)
        at += has_fc(arch, k) ? PER_FC : 0;
    return at;
}

int list_count(const struct config *c)
{
    int n = FC_LIST;
    for (int fc = 0; fc < N_FC; fc++)
        n += has_fc(c->arch, fc) ? PER_FC : 0;
    return n;
}

static int64_t width(int64_t hidden, int times)
{
    return times ? times * hidden : 1;
}

int32_t list_shape(const struct config *c, int i, int64_t *shape)
{
    if (i < FC_LIST) {
        const struct conv_spec *spec = &conv_specs[i / PER_CONV];
        int64_t ci = width(c->hidden, spec->ci), co = width(c->hidden, spec->co);
        shape[0] = co;
        if (i % PER_CONV != WEIGHT)
            return 1;
        shape[0] = spec->conv.transposed ? ci : co;
        shape[1] = spec->conv.transposed ? co : ci;
        shape[2] = shape[3] = spec->conv.kernel;
        return 4;
    }
    for (int fc = 0; fc < N_FC; fc++) {
        int k = i - fc_first(c->arch, fc);
        if (!has_fc(c->arch, fc) || k < 0 || k >= PER_FC)
            continue;
        int64_t in = fc == TIME1 || fc == TIME2 ? 1 : CLASSES;
        shape[0] = (fc == TIME1 || fc == CLASS1 ? 2 : 1) * c->hidden;
        shape[1] = k < 2 ? in : shape[0];
        return k % 2 ? 1 : 2;
    }
    return 0;
}

// x_t = alpha x0 + sigma e at t = 1 .. T: of the betas, or on the straight line of a flow.
static int schedule(struct net *s)
{
    const struct config *c = &s->config;
    int64_t T = c->T;
    if (c->objective == OBJECTIVE_DENOISE)
        return KILN_OK;
    s->alpha = calloc((size_t)T, sizeof(*s->alpha));
    s->sigma = calloc((size_t)T, sizeof(*s->sigma));
    if (!s->alpha || !s->sigma)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    double alpha_bar = 1, step = T > 1 ? (c->beta_end - c->beta_start) / (double)(T - 1) : 0;
    for (int64_t i = 0; i < T; i++) {
        if (c->objective == OBJECTIVE_FLOW) {
            s->sigma[i] = (double)(i + 1) / (double)T;
            s->alpha[i] = 1 - s->sigma[i];
            continue;
        }
        alpha_bar *= 1 - (c->beta ? c->beta[i] : c->beta_start + step * (double)i);
        s->alpha[i] = sqrt(alpha_bar);
        s->sigma[i] = sqrt(1 - alpha_bar);
    }
    return KILN_OK;
}

static const char *const arch_names[] = {"plain", "time", "class"};

static int write_json(struct net *s)
{
    const struct config *c = &s->config;
    int n = snprintf(s->json, sizeof(s->json),
                     "{\"kind\":\"mnist-unet\",\"arch\":\"%s\",\"hidden\":%lld,\"T\":%lld,"
                     "\"beta_start\":%.17g,\"beta_end\":%.17g}",
                     arch_names[c->arch], (long long)c->hidden, (long long)c->T, c->beta_start,
                     c->beta_end);
    if (!c->beta)
        return KILN_OK;
    size_t room = sizeof(s->json) + 32 * (size_t)c->T, at = (size_t)n - 1;
    s->long_json = malloc(room);
    if (!s->long_json)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    memcpy(s->long_json, s->json, at);
    for (int64_t i = 0; i < c->T; i++)
        at += (size_t)snprintf(s->long_json + at, room - at, "%s%.17g", i ? "," : ",\"betas\":[",
                               c->beta[i]);
    snprintf(s->long_json + at, room - at, "]}");
    return KILN_OK;
}

static int number(struct net *s, const kiln_file *f, const char *pointer, double *out)
{
    const char *text;
    int e = kiln_get_weights(&s->base)->json(f, "kiln.net", pointer, out, &text);
    if (e == KILN_END || (!e && text))
        return kiln_fail(&s->base, KILN_ERR_IO, "the model's kiln.net has no number '%s'",
                         pointer + 1);
    return e;
}

static int betas(struct net *s, const kiln_file *f)
{
    struct config *c = &s->config;
    double first;
    const char *text;
    if (kiln_get_weights(&s->base)->json(f, "kiln.net", "/betas/0", &first, &text) || text)
        return KILN_OK;
    c->beta = calloc((size_t)c->T, sizeof(*c->beta));
    int e = c->beta ? KILN_OK : kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; i < c->T && !e; i++) {
        char pointer[40];
        snprintf(pointer, sizeof(pointer), "/betas/%lld", (long long)i);
        e = number(s, f, pointer, &c->beta[i]);
    }
    return e;
}

// What train wrote beside the weights.
static int read_meta(struct net *s, const kiln_file *f)
{
    static const char *const objectives[] = {"eps", "denoise", "flow"};
    const kiln_weights *w = kiln_get_weights(&s->base);
    struct config *c = &s->config;
    const char *objective = w->meta(f, "kiln.objective"), *arch = NULL;
    double hidden, T;
    int e = w->json(f, "kiln.net", "/arch", &hidden, &arch);
    c->arch = c->objective = -1;
    for (int i = 0; i < 3; i++) {
        if (!e && arch && !strcmp(arch, arch_names[i]))
            c->arch = i;
        if (!strcmp(objective ? objective : "eps", objectives[i]))
            c->objective = i;
    }
    if (c->arch < 0 || c->objective < 0)
        return kiln_fail(&s->base, KILN_ERR_IO, "the model's metadata names no %s that is known",
                         c->arch < 0 ? "arch" : "objective");
    e = number(s, f, "/hidden", &hidden);
    e = e ? e : number(s, f, "/T", &T);
    e = e ? e : number(s, f, "/beta_start", &c->beta_start);
    e = e ? e : number(s, f, "/beta_end", &c->beta_end);
    if (e)
        return e;
    if (!(hidden >= 1 && hidden <= MAX_HIDDEN && T >= 1 && T <= MAX_T))
        return kiln_fail(&s->base, KILN_ERR_IO, "the model's metadata: hidden or T out of range");
    c->hidden = (int64_t)hidden;
    c->T = (int64_t)T;
    return betas(s, f);
}

int has_schedule_args(const struct net *s)
{
    const kiln_value *args = s->base.args;
    return args[P_T].set || args[P_BETA_START].set || args[P_BETA_END].set;
}

static int read_model(struct net *s, const char *path)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    kiln_file *f;
    int e = w->open(s->base.host, path, &f);
    if (e)
        return e;
    int ours = w->meta(f, "kiln.net") != NULL;
    if (ours && has_schedule_args(s))
        e = kiln_fail(&s->base, KILN_ERR_ARG,
                      "the model has a schedule of its own: leave T and the betas out");
    else if (ours)
        e = read_meta(s, f);
    e = e ? e : checkpoint_match(s, f, ours);
    w->close(s->base.host, f);
    return e;
}

static int check_betas(struct net *s)
{
    const struct config *c = &s->config;
    for (int64_t i = 0; c->beta && i < c->T; i++)
        if (!(c->beta[i] >= 0 && c->beta[i] < 1))
            return kiln_fail(&s->base, KILN_ERR_IO, "the model's beta %lld is %g, not in [0,1)",
                             (long long)i, c->beta[i]);
    if (!(c->beta_start >= 0 && c->beta_start < 1 && c->beta_end >= 0 && c->beta_end < 1))
        return kiln_fail(&s->base, KILN_ERR_IO, "the model's betas are not in [0,1)");
    return KILN_OK;
}

int net_describe(struct net *s)
{
    const kiln_value *args = s->base.args;
    struct config *c = &s->config;
    if (s->described)
        return KILN_OK;
    const char *path = args[P_MODEL].s;
    c->arch = (int)args[P_ARCH].i;
    c->hidden = args[P_HIDDEN].i;
    c->T = args[P_T].i;
    c->beta_start = args[P_BETA_START].f;
    c->beta_end = args[P_BETA_END].f;
    c->objective = c->arch == ARCH_PLAIN ? OBJECTIVE_DENOISE : OBJECTIVE_EPS;
    if (*path && (args[P_ARCH].set || args[P_HIDDEN].set))
        return kiln_fail(&s->base, KILN_ERR_ARG,
                         "arch and hidden are for a new net: leave them out beside a model");
    int e = *path ? read_model(s, path) : KILN_OK;
    e = e ? e : check_betas(s);
    e = e ? e : schedule(s);
    e = e ? e : write_json(s);
    s->described = !e;
    return e;
}

void net_config_free(struct net *s)
{
    free(s->config.beta);
    free(s->alpha);
    free(s->sigma);
    free(s->long_json);
    checkpoint_free(s->checkpoint);
}
