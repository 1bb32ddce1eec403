// scheduler_config.json: the noise that the net was trained on, and what samplers ask of it.
// Without the file it is that of IF's pipelines.
// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "unet.h"

static const char document[] = "scheduler_config.json";

static int number(struct unet *s, const kiln_file *f, const char *name, double def, double lo,
                  double hi, double *out)
{
    const char *text;
    int e = f ? config_field(s, f, document, name, out, &text) : KILN_END;
    if (e == KILN_END)
        *out = def;
    else if (!e && (text || !(*out >= lo && *out <= hi)))
        return unet_bad(s, "%s: '%s' is not a number from %g to %g", document, name, lo, hi);
    return e < 0 ? e : KILN_OK;
}

// The library's own default is -Infinity: no limit. MIN is beyond what alpha_bar in F32 can give.
static int least_lambda(struct unet *s, const kiln_file *f, double *out)
{
    enum { MIN = -1000 };
    static const char name[] = "lambda_min_clipped";
    const char *text;
    int e = f ? config_field(s, f, document, name, out, &text) : KILN_END;
    if (e == KILN_END)
        *out = -5.1;
    else if (!e && text && !strcmp(text, "-Infinity"))
        *out = MIN;
    else if (!e && (text || !(*out >= MIN && *out < 0)))
        return unet_bad(s, "%s: '%s' is neither -Infinity nor a number from %d to 0, 0 excluded",
                        document, name, (int)MIN);
    return e < 0 ? e : KILN_OK;
}

// One of the texts of list [n]; the first where the field is absent.
static int choice(struct unet *s, const kiln_file *f, const char *name, const char *const *list,
                  int n, int *out)
{
    double x;
    const char *text;
    int e = f ? config_field(s, f, document, name, &x, &text) : KILN_END;
    *out = 0;
    if (e)
        return e < 0 ? e : KILN_OK;
    for (int i = 0; i < n; i++)
        if (text && !strcmp(text, list[i])) {
            *out = i;
            return KILN_OK;
        }
    return unet_bad(s, "%s: '%s' is '%.60s', which is not known", document, name,
                    text ? text : "a number");
}

static double cosine(double u)
{
    const double pi = 3.14159265358979323846;
    double c = cos((u + 0.008) / 1.008 * pi / 2);
    return c * c;
}

enum { BETA_COSINE, BETA_LINEAR, BETA_SCALED_LINEAR };

static double beta_at(int kind, int64_t i, int64_t T, double start, double end)
{
    double u = T > 1 ? (double)i / (double)(T - 1) : 0;
    if (kind == BETA_LINEAR)
        return start + u * (end - start);
    if (kind == BETA_SCALED_LINEAR)
        return pow(sqrt(start) + u * (sqrt(end) - sqrt(start)), 2);
    return fmin(1 - cosine((double)(i + 1) / (double)T) / cosine((double)i / (double)T), 0.999);
}

// alpha_bar as the library keeps it, in F32: its product runs in double over 1 - beta in F32.
static int levels(struct unet *s, const kiln_file *f, double **alpha, double **sigma, int64_t *T)
{
    static const char *const kinds[] = {"squaredcos_cap_v2", "linear", "scaled_linear"};
    int kind;
    double n, start, end, bar = 1, first;
    const char *text;
    int e = choice(s, f, "beta_schedule", kinds, KILN_COUNT(kinds), &kind);
    e = e ? e : number(s, f, "num_train_timesteps", 1000, 1, MAX_T, &n);
    e = e ? e : number(s, f, "beta_start", 1e-4, 0, 0.999, &start);
    e = e ? e : number(s, f, "beta_end", 0.02, 0, 0.999, &end);
    if (e)
        return e;
    *T = (int64_t)n;
    if (f && config_field(s, f, document, "trained_betas/0", &first, &text) == KILN_OK)
        return unet_bad(s, "%s: 'trained_betas' is not known", document);
    if (f && config_field(s, f, document, "rescale_betas_zero_snr", &first, &text) == KILN_OK &&
        (text || first != 0))
        return unet_bad(s, "%s: 'rescale_betas_zero_snr' is not known", document);
    *alpha = calloc((size_t)*T, sizeof(**alpha));
    *sigma = calloc((size_t)*T, sizeof(**sigma));
    if (!*alpha || !*sigma)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; i < *T; i++) {
        bar *= (double)(1 - (float)beta_at(kind, i, *T, start, end));
        (*alpha)[i] = sqrt((double)(float)bar);
        (*sigma)[i] = sqrt(1 - (double)(float)bar);
    }
    return KILN_OK;
}

static int read_rest(struct unet *s, const kiln_file *f)
{
    static const char *const preds[] = {"epsilon", "sample", "v_prediction"};
    static const uint32_t pred_of[] = {KILN_EPS, KILN_X0, KILN_V};
    static const char *const spacings[] = {[KILN_SPACING_LEADING] = "leading",
                                           [KILN_SPACING_TRAILING] = "trailing",
                                           [KILN_SPACING_LINSPACE] = "linspace"};
    static const char *const variances[] = {"learned_range", "fixed_small", "fixed_small_log",
                                            "fixed_large", "fixed_large_log"};
    struct schedule *c = &s->schedule;
    int pred, variance, learned = s->config.out == 6;
    int e = choice(s, f, "prediction_type", preds, KILN_COUNT(preds), &pred);
    e = e ? e : choice(s, f, "variance_type", variances, KILN_COUNT(variances), &variance);
    if (e)
        return e;
    c->pred = (int)pred_of[pred];
    c->variance = variance == 0 && learned ? KILN_VARIANCE_LEARNED_RANGE
                  : variance >= 3          ? KILN_VARIANCE_BETA
                                           : KILN_VARIANCE_POSTERIOR;
    e = choice(s, f, "timestep_spacing", spacings, KILN_COUNT(spacings), &c->spacing);
    e = e ? e : number(s, f, "steps_offset", 0, 0, 1000, &c->offset);
    e = e ? e : number(s, f, "sample_max_value", s->config.in == 6 ? 1 : 1.5, 0, 1e6, &c->limit);
    e = e ? e : number(s, f, "dynamic_thresholding_ratio", 0.95, 0.001, 1, &c->quantile);
    return e ? e : least_lambda(s, f, &c->lambda_min);
}

// The folder of a scheduler beside that of the net: *out NULL where there is none.
static int open_beside(struct unet *s, const char *base, const char *name, kiln_file **out)
{
    static const char *const places[] = {"", "../"};
    struct stat st;
    *out = NULL;
    for (size_t i = 0; i < KILN_COUNT(places); i++) {
        char path[4400];
        snprintf(path, sizeof(path), "%s/%s%s/%s", base, places[i], name, document);
        if (stat(path, &st))
            continue;
        path[strlen(path) - sizeof(document)] = 0;
        snprintf(s->where, sizeof(s->where), "%.200s", path);
        return kiln_get_weights(&s->base)->open(s->base.host, path, out);
    }
    return KILN_OK;
}

static void close_file(struct unet *s, kiln_file *f)
{
    if (f)
        kiln_get_weights(&s->base)->close(s->base.host, f);
}

// Of the small picture: the schedule has a file of its own.
static int read_lowres(struct unet *s, const char *base)
{
    int64_t level = s->base.args[P_NOISE_LEVEL].i, T;
    double *alpha = NULL, *sigma = NULL;
    kiln_file *f;
    int e = open_beside(s, base, "image_noising_scheduler", &f);
    e = e ? e : levels(s, f, &alpha, &sigma, &T);
    if (!e && level >= T)
        e = kiln_fail(&s->base, KILN_ERR_ARG, "noise_level: the schedule's last timestep is %lld",
                      (long long)T - 1);
    if (!e)
        s->schedule.lowres = (kiln_level){(double)level, alpha[level], sigma[level]};
    free(alpha);
    free(sigma);
    close_file(s, f);
    return e;
}

int schedule_read(struct unet *s, const char *base)
{
    struct schedule *c = &s->schedule;
    kiln_file *f;
    int e = open_beside(s, base, "scheduler", &f);
    e = e ? e : levels(s, f, &c->alpha, &c->sigma, &c->T);
    e = e ? e : read_rest(s, f);
    close_file(s, f);
    return !e && s->config.in == 6 ? read_lowres(s, base) : e;
}

void schedule_free(struct schedule *s)
{
    free(s->alpha);
    free(s->sigma);
    s->alpha = s->sigma = NULL;
}
