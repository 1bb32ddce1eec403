// SPDX-License-Identifier: MIT
#include "sample.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "finite.h"
#include "preview.h"
#include "progress.h"
#include "runtime.h"

struct sampling {
    struct stack stack;
    struct instance *sampler;
    kiln_rows rows;
    kiln_run run;
    const kiln_level *levels;
    uint32_t i;                // step in hand
    kiln_estimate **estimate;  // lent to the sampler until its step returns
    size_t n_estimates;
    kiln_tensor *x0;  // of the last evaluation, when a hook may want it
};

const char **row_prompts(const int64_t *prompt, int64_t n)
{
    const char **text = xcalloc((size_t)n, sizeof(char *));
    for (int64_t i = 0; i < n; i++)
        text[i] = prompt[i] < 0 ? NULL : prompt_text(prompt[i]);
    return text;
}

kiln_rows state_rows(const struct state *s, const kiln_tensor *const *in, uint32_t n_in)
{
    return (kiln_rows){.size = sizeof(kiln_rows),
                       .n = s->n,
                       .id = s->id,
                       .t = s->t,
                       .prompt = row_prompts(s->prompt, s->n),
                       .lo = s->lo,
                       .hi = s->hi,
                       .net = s->net ? &s->net->net : NULL,
                       .in = in,
                       .n_in = n_in};
}

const char *net_name_of(const struct state *s)
{
    const struct pending *p = state_find_pending(s, KIND_PREDICTOR);
    return p ? p->bound->def->node->name : "the net";
}

int check_net_size(const kiln_net *net, const kiln_tensor *image, const char *name)
{
    const int64_t *want = net->chw, *have = image->shape + 1;
    int64_t multiple = net->multiple;
    int channels = have[0] == want[0];
    int size = multiple ? have[1] % multiple == 0 && have[2] % multiple == 0
                        : have[1] == want[1] && have[2] == want[2];
    if (channels && size)
        return KILN_OK;
    char *put = xformat("%s%s",
                        channels       ? ""
                        : want[0] == 1 ? "gray"
                        : want[0] == 3 ? "rgb"
                                       : "…",
                        channels || size ? "" : " ! ");
    struct text t = {0};
    text_add(&t, put);
    free(put);
    if (!size) {
        int64_t w = want[2], h = want[1];
        if (multiple) {
            w = (have[2] + multiple / 2) / multiple * multiple;
            h = (have[1] + multiple / 2) / multiple * multiple;
            w = w ? w : multiple;
            h = h ? h : multiple;
        }
        text_format(&t, "resize %lldx%lld", (long long)w, (long long)h);
    }
    char of[64] = "";
    if (multiple)
        snprintf(of, sizeof(of), " (sides a multiple of %lld)", (long long)multiple);
    int e = fail(KILN_ERR_SHAPE, "%s wants %s%s, the image is %s: put '%s' before it", name,
                 shape_text(3, want), of, shape_text(3, have), t.s);
    text_free(&t);
    return e;
}

// ---- evaluation ---------------------------------------------------------------------------------

static kiln_step step_of(struct sampling *m, const struct hook *h, kiln_rows *rows, int after)
{
    *rows = m->rows;
    rows->in = h->in;
    rows->n_in = h->n_in;
    double *t = (double *)(uintptr_t)rows->t;
    for (int64_t i = 0; i < rows->n; i++)
        t[i] = m->levels[m->i + (after ? 1u : 0u)].t;
    return (kiln_step){.size = sizeof(kiln_step),
                       .i = m->i,
                       .n = m->run.n_steps,
                       .from = &m->levels[m->i],
                       .to = &m->levels[m->i + 1],
                       .rows = rows,
                       .x0 = m->x0};
}

static int call_hook(struct sampling *m, struct hook *h, const kiln_step *step, kiln_tensor *x,
                     int (*fn)(kiln_self *, const kiln_step *, kiln_tensor *))
{
    struct context context = {.state = m->stack.state, .use = h->line->use, .line = h->line};
    kiln_step seen = *step;
    kiln_tensor *x0 = NULL, *side = NULL;
    instance_enter(h->instance, &context);
    int e = instance_side(h->instance, step->x0, TENSOR_READ, &x0);
    e = e ? e : instance_side(h->instance, x, TENSOR_UPDATE, &side);
    seen.x0 = x0;
    return instance_leave(h->instance, e ? e : fn(h->instance->self, &seen, side));
}

// The estimate as x0 for hooks, which may change it; then it goes back to its kind.
static int hooks_estimate(struct sampling *m, const kiln_tensor *x, kiln_estimate *out)
{
    const struct levels *levels = &m->stack.levels;  // of the question that was answered
    int changed = 0;
    tensor_unref(m->x0);
    m->x0 = NULL;
    kiln_tensor *x0 = NULL;
    int e = levels_convert(levels, out->value, (int)out->pred, KILN_X0, x, &x0);
    for (size_t k = 0; k < m->stack.n_hooks && !e; k++) {
        struct hook *h = &m->stack.hook[k];
        const kiln_hook_ops *ops = instance_node(h->instance)->hook;
        if (!ops->estimate)
            continue;
        if (tensor_shared(x0)) {
            kiln_tensor *own;
            e = tensor_clone(x0, &own);
            if (e)
                break;
            tensor_unref(x0);
            x0 = own;
        }
        kiln_rows rows;
        kiln_step step = step_of(m, h, &rows, 0);
        e = call_hook(m, h, &step, x0, ops->estimate);
        changed |= e == KILN_OK;
        e = e == KILN_SAME ? KILN_OK : e;
    }
    if (!e && changed) {
        kiln_tensor *value;
        e = levels_convert(levels, x0, KILN_X0, (int)out->pred, x, &value);
        if (!e) {
            tensor_unref(out->value);
            out->value = value;
        }
    }
    if (e)
        tensor_unref(x0);
    else
        m->x0 = x0;
    return e;
}

// The estimate as the sampler sees it.
static int estimate_side(const struct instance *x, kiln_estimate *e)
{
    kiln_tensor *value, *var;
    int code = instance_side(x, e->value, TENSOR_READ, &value);
    code = code ? code : instance_side(x, e->var, TENSOR_READ, &var);
    if (!code) {
        e->value = value;
        e->var = var;
    }
    return code;
}

static int run_eval(const kiln_run *run, int pred, const kiln_tensor *given, double t,
                    const kiln_estimate **out)
{
    struct sampling *m = run->priv;
    kiln_tensor *x;
    int code = tensor_adopt(given, &x);
    if (code)
        return code;
    kiln_level level = kiln_level_at(run->net, t);
    for (uint32_t i = 0; i <= run->n_steps; i++)
        if (run->level[i].t == t)
            level = run->level[i];
    kiln_estimate *e = xcalloc(1, sizeof(*e));
    code = stack_eval(&m->stack, pred, x, level, m->i, run->n_steps, e);
    if (!code && (m->stack.n_hooks || preview_wanted()))
        code = hooks_estimate(m, x, e);
    tensor_unref(x);
    code = code ? code : estimate_side(m->sampler, e);
    if (code) {
        estimate_free(e);
        free(e);
        return code;
    }
    GROW(m->estimate, m->n_estimates);
    m->estimate[m->n_estimates++] = e;
    *out = e;
    return KILN_OK;
}

static void take_back(struct sampling *m)
{
    for (size_t i = 0; i < m->n_estimates; i++) {
        estimate_free(m->estimate[i]);
        free(m->estimate[i]);
    }
    m->n_estimates = 0;
}

// ---- the walk -----------------------------------------------------------------------------------

static int walk(struct sampling *m, struct context *context, kiln_tensor *x, double from, double to)
{
    const kiln_sampler_ops *ops = instance_node(m->sampler)->sampler;
    kiln_self *self = m->sampler->self;
    int e = KILN_OK;
    if (ops->begin) {
        instance_enter(m->sampler, context);
        e = instance_leave(m->sampler, ops->begin(self, &m->run));
    }
    for (m->i = 0; m->i < m->run.n_steps && !e; m->i++) {
        double done = from + (to - from) * (double)m->i / (double)m->run.n_steps;
        char note[64];
        snprintf(note, sizeof(note), "step %u/%u", m->i + 1, m->run.n_steps);
        e = progress_at(done, note);
        for (size_t k = 0; k < m->stack.n_hooks && !e; k++) {
            struct hook *h = &m->stack.hook[k];
            kiln_rows rows;
            kiln_step step = step_of(m, h, &rows, 0);
            if (instance_node(h->instance)->hook->before)
                e = call_hook(m, h, &step, x, instance_node(h->instance)->hook->before);
        }
        for (int64_t i = 0; i < m->rows.n; i++)
            ((double *)(uintptr_t)m->rows.t)[i] = m->levels[m->i].t;
        kiln_tensor *side;
        e = e ? e : instance_side(m->sampler, x, TENSOR_UPDATE, &side);
        if (!e) {
            instance_enter(m->sampler, context);
            e = instance_leave(m->sampler, ops->step(self, &m->run, m->i, side));
        }
        take_back(m);
        for (size_t k = 0; k < m->stack.n_hooks && !e; k++) {
            struct hook *h = &m->stack.hook[k];
            kiln_rows rows;
            kiln_step step = step_of(m, h, &rows, 1);
            if (instance_node(h->instance)->hook->after)
                e = call_hook(m, h, &step, x, instance_node(h->instance)->hook->after);
        }
        const struct finite_step where = {m->i, m->run.n_steps, m->levels[m->i].t};
        e = e ? e : finite_check(x, m->sampler->bound, &where);
        if (!e && m->x0)
            preview(m->x0, m->rows.lo, m->rows.hi, m->i + 1 == m->run.n_steps);
    }
    tensor_unref(m->x0);
    m->x0 = NULL;
    return e ? e : finite_settle();
}

// The rows of equal t, on their own way.
static int run_cohort(struct sampling *m, struct state *s, const int64_t *row, int64_t n,
                      const kiln_tensor *const *in, uint32_t n_in, struct context *context,
                      double from, double to, double *t_end)
{
    const kiln_net *net = m->stack.net;
    const kiln_sampler_ops *ops = instance_node(m->sampler)->sampler;
    int64_t *id = xcalloc((size_t)n, sizeof(*id)), *prompt = xcalloc((size_t)n, sizeof(*prompt));
    double *t = xcalloc((size_t)n, sizeof(*t));
    for (int64_t i = 0; i < n; i++) {
        id[i] = s->id[row[i]];
        prompt[i] = s->prompt[row[i]];
        t[i] = s->t[row[i]];
    }
    const char **text = row_prompts(prompt, n);
    m->rows = (kiln_rows){.size = sizeof(kiln_rows),
                          .n = n,
                          .id = id,
                          .t = t,
                          .prompt = text,
                          .lo = net->lo,
                          .hi = net->hi,
                          .net = net,
                          .in = in,
                          .n_in = n_in};
    const double *list;
    uint32_t steps = 0;
    kiln_level *levels = NULL;
    kiln_tensor *x = NULL;
    instance_enter(m->sampler, context);
    int e = ops->plan(m->sampler->self, net, t[0], &list, &steps);
    if (!e && (steps < 1 || steps > 1000000))
        e = fail(KILN_ERR_INTERNAL, "plans %u steps", steps);
    if (!e) {
        levels = xcalloc(steps + 1u, sizeof(*levels));
        for (uint32_t i = 0; i <= steps; i++)
            levels[i] = kiln_level_at(net, list[i]);
    }
    e = instance_leave(m->sampler, e);
    if (!e)
        e = tensor_pick_rows(s->image, n, row, &x);
    e = e ? e : instance_inputs(m->sampler, (const kiln_tensor **)(uintptr_t)in, n_in);
    if (!e)
        e = stack_rows(&m->stack, &m->rows, row, prompt);
    if (!e) {
        m->levels = levels;
        m->run = (kiln_run){.size = sizeof(kiln_run),
                            .n_steps = steps,
                            .rows = &m->rows,
                            .net = net,
                            .level = levels,
                            .eval = run_eval,
                            .priv = m};
        e = walk(m, context, x, from, to);
    }
    for (int64_t i = 0; i < n && !e; i++)
        t_end[row[i]] = levels[steps].t < 0 ? KILN_CLEAN : levels[steps].t;
    if (!e && n == s->n)  // all there are, in their order
        state_set_image(s, tensor_ref(x));
    for (int64_t i = 0; i < n && n < s->n && !e; i++)
        e = tensor_copy_rows(s->image, row[i], x, i, 1);
    tensor_unref(x);
    free(levels);
    free(text);
    free(id);
    free(prompt);
    free(t);
    return e;
}

static int check_start(const struct bound *b, struct state *s, const kiln_net *net)
{
    int clean = 1, noisy = 1;
    for (int64_t i = 0; i < s->n; i++) {
        clean = clean && s->t[i] < 0;
        noisy = noisy && s->t[i] >= 0;
    }
    int takes_clean = b->def->node->flags & KILN_NODE_TAKES_CLEAN;
    if (!s->n)
        return fail(KILN_ERR_ARG, "there is no image to work on");
    if (!noisy && !takes_clean)
        return fail(KILN_ERR_ARG, "nothing to denoise: put 'noise t=…' or 'randn' before it");
    int e = check_net_size(net, s->image, net_name_of(s));
    if (!e && clean)
        e = state_to_range(s, net->lo, net->hi);
    if (!e && noisy) {  // x_t is in the net's terms, whoever drew it; so is what becomes of it
        s->lo = net->lo;
        s->hi = net->hi;
    }
    return e;
}

// --dry-run: all checks and the plan, nothing encoded, loaded or evaluated.
static int plan_only(struct sampling *m, struct bound *b, struct state *s, struct context *context)
{
    const double *list;
    uint32_t steps = 0, most = 0;
    int e = stack_tree(s, b->def->node->name, &m->stack);
    if (!e) {
        e = check_start(b, s, m->stack.net);
        if (e)
            node_fail(b, e);
    }
    for (int64_t i = 0; i < s->n && !e; i++) {
        instance_enter(m->sampler, context);
        e = instance_leave(m->sampler, instance_node(m->sampler)
                                           ->sampler->plan(m->sampler->self, m->stack.net, s->t[i],
                                                           &list, &steps));
        most = steps > most ? steps : most;
        if (!e)
            s->t[i] = list[steps] < 0 ? KILN_CLEAN : list[steps];
    }
    if (!e)
        printf("# %s: %u steps\n", b->def->node->name, most);
    stack_free(&m->stack);
    return e;
}

static void clear_stack(struct state *s)
{
    for (size_t i = s->n_pending; i-- > 0;)
        if (s->pending[i].kind != KIND_ENCODER)
            state_drop_pending(s, i);
}

int sampler_run(struct bound *b, struct state *s, const kiln_tensor *const *in, uint32_t n_in)
{
    struct sampling m = {0};
    struct context context = {.state = s, .use = state_draws(s, b->def->node->name)};
    int64_t *row = xcalloc((size_t)s->n, sizeof(*row));
    double *t_end = xcalloc((size_t)s->n, sizeof(*t_end));
    char *seen = xcalloc((size_t)s->n, 1);
    kiln_tensor *own = NULL;
    int e = instance_get(b, 1, &m.sampler);
    if (!e && runtime.dry_run) {
        e = plan_only(&m, b, s, &context);
        if (!e)
            clear_stack(s);
        free(row);
        free(t_end);
        free(seen);
        return e;
    }
    if (!e) {
        progress_begin(b->def->node->name);
        e = stack_build(s, b->def->node->name, &m.stack);
        if (!e) {
            e = check_start(b, s, m.stack.net);
            if (e)
                node_fail(b, e);
        }
        if (!e)
            e = tensor_clone(s->image, &own);
        if (!e)
            state_set_image(s, own);
        for (int64_t done = 0; done < s->n && !e;) {
            int64_t n = 0;
            double t = KILN_CLEAN;
            for (int64_t i = 0; i < s->n; i++) {
                if (seen[i] || (n && s->t[i] != t))
                    continue;
                t = s->t[i];
                seen[i] = 1;
                row[n++] = i;
            }
            e = run_cohort(&m, s, row, n, in, n_in, &context, (double)done / (double)s->n,
                           (double)(done + n) / (double)s->n, t_end);
            done += n;
        }
        stack_free(&m.stack);
        progress_end();
    }
    if (!e) {
        memcpy(s->t, t_end, (size_t)s->n * sizeof(*t_end));
        clear_stack(s);
        if (context.drew)
            state_count_draw(s, b->def->node->name);
    }
    free(m.estimate);
    free(row);
    free(t_end);
    free(seen);
    return e;
}
