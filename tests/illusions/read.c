// read: a sink that says which digit each image shows, for measuring what nets draw. A plugin of
// its own, built from the SDK alone, and independent of the nets it judges: the classifier was
// trained on genuine MNIST by tests/reference/classifier.py and is run here by plain loops.
// SPDX-License-Identifier: MIT
#include <kiln/ext/weights.h>
#include <kiln/kiln.h>

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 28, DIGITS = 10, LAYERS = 3, LINEAR = 3, WIDEST = 16 * SIDE * SIDE };
enum { P_WEIGHTS };
static const kiln_param params[] = {
    {"weights", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL, "the classifier, a safetensors file",
     0, 0},
};

// Convolution, batch norm, ReLU, three times; the maximum of 2x2 after the first two; then linear.
static const struct layer {
    int64_t in, out, kernel, side;
} layers[LAYERS] = {{1, 16, 5, 28}, {16, 32, 3, 14}, {32, 64, 3, 7}};

struct read {
    kiln_self base;
    kiln_tensor *weight[LAYERS + 1];
    kiln_tensor *mul[LAYERS], *add[LAYERS + 1];  // of the folded norm; add[LINEAR]: the bias
    int head;                                    // is the heading written
};

static void destroy(kiln_self *self)
{
    struct read *r = (struct read *)self;
    for (int i = 0; i <= LAYERS; i++) {
        self->host->tensor_free(self->host, r->weight[i]);
        self->host->tensor_free(self->host, r->add[i]);
        if (i < LAYERS)
            self->host->tensor_free(self->host, r->mul[i]);
    }
}

static int get(kiln_self *self, kiln_file *f, int number, const char *what, int32_t ndim,
               const int64_t *shape, kiln_tensor **out)
{
    char name[64];
    snprintf(name, sizeof(name), "%d.%s", number, what);
    return kiln_get_weights(self)->tensor(self->host, f, name, NULL, KILN_F32, ndim, shape, out);
}

// y = (conv + bias - mean) gamma / sqrt(var + eps) + beta, as mul conv + add.
static int get_layer(kiln_self *self, kiln_file *f, int i)
{
    struct read *r = (struct read *)self;
    const struct layer *l = &layers[i];
    static const int number[LAYERS] = {0, 4, 8};  // in the sequence; its norm is the next one
    static const char *const name[] = {"bias", "weight", "bias", "running_mean", "running_var"};
    kiln_tensor *t[KILN_COUNT(name)] = {NULL};
    int e = get(self, f, number[i], "weight", 4, (int64_t[]){l->out, l->in, l->kernel, l->kernel},
                &r->weight[i]);
    for (uint32_t k = 0; k < KILN_COUNT(name) && !e; k++)
        e = get(self, f, number[i] + (k > 0), name[k], 1, &l->out, &t[k]);
    if (!e)
        e = kiln_new_like(self->host, t[0], &r->mul[i]);
    if (!e)
        e = kiln_new_like(self->host, t[0], &r->add[i]);
    for (int64_t c = 0; c < l->out && !e; c++) {
        float mul = kiln_f32(t[1])[c] / sqrtf(kiln_f32(t[4])[c] + 1e-5f);
        kiln_f32(r->mul[i])[c] = mul;
        kiln_f32(r->add[i])[c] = kiln_f32(t[2])[c] + mul * (kiln_f32(t[0])[c] - kiln_f32(t[3])[c]);
    }
    for (uint32_t k = 0; k < KILN_COUNT(name); k++)
        self->host->tensor_free(self->host, t[k]);
    return e;
}

static int load(kiln_self *self)
{
    struct read *r = (struct read *)self;
    const kiln_weights *weights = kiln_get_weights(self);
    kiln_file *f;
    if (r->weight[LINEAR])
        return KILN_OK;
    int e = weights->open(self->host, self->args[P_WEIGHTS].s, &f);
    if (e)
        return e;
    for (int i = 0; i < LAYERS && !e; i++)
        e = get_layer(self, f, i);
    if (!e)
        e = get(self, f, 12, "bias", 1, (int64_t[]){DIGITS}, &r->add[LINEAR]);
    if (!e)
        e = get(self, f, 12, "weight", 2, (int64_t[]){DIGITS, 64 * 49}, &r->weight[LINEAR]);
    weights->close(self->host, f);
    return e;
}

// in [ci,side,side] -> out [co,side,side], with 0 beyond the border.
static void convolve(const struct read *r, int i, const float *in, float *out)
{
    const struct layer *l = &layers[i];
    int64_t side = l->side, k = l->kernel, pad = k / 2;
    for (int64_t co = 0; co < l->out; co++)
        for (int64_t y = 0; y < side; y++)
            for (int64_t x = 0; x < side; x++) {
                const float *w = kiln_f32(r->weight[i]) + co * l->in * k * k;
                float sum = 0;
                for (int64_t ci = 0; ci < l->in; ci++)
                    for (int64_t v = 0; v < k; v++)
                        for (int64_t u = 0; u < k; u++) {
                            int64_t yy = y + v - pad, xx = x + u - pad;
                            if (yy >= 0 && yy < side && xx >= 0 && xx < side)
                                sum += w[(ci * k + v) * k + u] * in[(ci * side + yy) * side + xx];
                        }
                sum = kiln_f32(r->mul[i])[co] * sum + kiln_f32(r->add[i])[co];
                out[(co * side + y) * side + x] = sum > 0 ? sum : 0;
            }
}

static void halve(int64_t channels, int64_t side, float *x)
{
    int64_t half = side / 2;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < half; y++)
            for (int64_t u = 0; u < half; u++) {
                const float *from = x + (c * side + 2 * y) * side + 2 * u;
                float a = fmaxf(from[0], from[1]), b = fmaxf(from[side], from[side + 1]);
                x[(c * half + y) * half + u] = fmaxf(a, b);  // is read before it is written
            }
}

struct job {
    const struct read *read;
    const kiln_tensor *image;
    double lo, hi;
    double *p;  // [n,DIGITS]
    float *space;
};

static int judge(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct job *j = ctx;
    (void)chunk;
    for (int64_t row = begin; row < end; row++) {
        float *a = j->space + row * 2 * WIDEST, *b = a + WIDEST;
        double *p = j->p + row * DIGITS, most = -HUGE_VAL, sum = 0;
        for (int64_t i = 0; i < SIDE * SIDE; i++) {
            double v =
                ((double)kiln_f32(j->image)[row * SIDE * SIDE + i] - j->lo) / (j->hi - j->lo);
            a[i] = (float)(v < 0 ? 0 : v > 1 ? 1 : v);
        }
        for (int i = 0; i < LAYERS; i++) {
            convolve(j->read, i, a, b);
            if (i < LAYERS - 1)
                halve(layers[i].out, layers[i].side, b);
            float *swap = a;
            a = b;
            b = swap;
        }
        for (int d = 0; d < DIGITS; d++) {
            const float *w = kiln_f32(j->read->weight[LINEAR]) + d * 64 * 49;
            p[d] = (double)kiln_f32(j->read->add[LINEAR])[d];
            for (int i = 0; i < 64 * 49; i++)
                p[d] += (double)w[i] * (double)a[i];
            most = fmax(most, p[d]);
        }
        for (int d = 0; d < DIGITS; d++)
            sum += p[d] = exp(p[d] - most);
        for (int d = 0; d < DIGITS; d++)
            p[d] /= sum;
    }
    return KILN_OK;
}

static void print(struct read *r, const kiln_rows *rows, const double *p)
{
    if (!r->head++)
        printf("id\tprompt\tdigit\tp\tp0\tp1\tp2\tp3\tp4\tp5\tp6\tp7\tp8\tp9\n");
    for (int64_t i = 0; i < rows->n; i++, p += DIGITS) {
        const char *prompt = rows->prompt ? rows->prompt[i] : NULL;
        int best = 0;
        for (int d = 1; d < DIGITS; d++)
            best = p[d] > p[best] ? d : best;
        printf("%lld\t%s\t%d\t%.4f", (long long)rows->id[i], prompt && *prompt ? prompt : "-", best,
               p[best]);
        for (int d = 0; d < DIGITS; d++)
            printf("\t%.6f", p[d]);
        printf("\n");
    }
}

static int put(kiln_self *self, const kiln_rows *rows, const kiln_tensor *image)
{
    struct read *r = (struct read *)self;
    const int64_t *s = image->shape;
    if (s[1] != 1 || s[2] != SIDE || s[3] != SIDE)
        return kiln_fail(self, KILN_ERR_SHAPE, "wants 1x28x28, the image is %lldx%lldx%lld",
                         (long long)s[1], (long long)s[2], (long long)s[3]);
    int e = load(self);
    if (e)
        return e;
    struct job j = {.read = r, .image = image, .lo = rows->lo, .hi = rows->hi};
    j.p = malloc((size_t)rows->n * DIGITS * sizeof(*j.p));
    j.space = malloc((size_t)rows->n * 2 * WIDEST * sizeof(*j.space));
    if (!j.p || !j.space)
        e = kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    if (!e)
        e = self->host->parallel_for(self->host, rows->n, 1, judge, &j);
    if (!e)
        print(r, rows, j.p);
    free(j.p);
    free(j.space);
    return e;
}

static const kiln_sink_ops sink = {.size = sizeof(sink), .put = put};
static const kiln_node node = {
    .size = sizeof(node),
    .name = "read",
    .summary = "say which digit each image shows, with the probabilities of all ten",
    .example = "digits test images=0:4 ! read tests/golden/digit-classifier.safetensors",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct read),
    .needs = "kiln.weights/1",
    .destroy = destroy,
    .sink = &sink,
};
KILN_PLUGIN("org.kiln.test.read", "1.0", "MIT", &node);
