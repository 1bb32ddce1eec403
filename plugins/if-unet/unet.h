// if-unet: the UNets of DeepFloyd IF, stage I (from noise) and stage II (from noise and a small
// picture), as diffusers stores them: a UNet2DConditionModel in a folder.
//
// Letters in shapes: n rows, h w the size of a map, c channels, L text tokens, E the width of a
// token's embedding, X that of the context which attention sees, T that of the time embedding.
// Feature maps are [n,h,w,c]. Names of tensors and of fields in config.json are diffusers'.
// SPDX-License-Identifier: MIT
#ifndef IF_UNET_UNET_H
#define IF_UNET_UNET_H

#include <kiln/ext/ops.h>
#include <kiln/ext/weights.h>
#include <kiln/live.h>
#include <kiln/node.h>

enum { P_MODEL, P_WEIGHTS, P_NOISE_LEVEL, P_LOWRES };
enum { WEIGHTS_AUTO, WEIGHTS_FP16, WEIGHTS_FP32 };
enum { MAX_LEVELS = 8, MAX_LAYERS = 16, MAX_WIDTH = 1 << 16, MAX_T = 100000 };

// What config.json says. A level is one size of map: a block of the way down and one of the way up.
struct config {
    int64_t levels, width[MAX_LEVELS], layers[MAX_LEVELS], head[MAX_LEVELS];  // head: its channels
    int attention[MAX_LEVELS];
    int64_t in, out;  // channels
    int64_t sample[2];
    int64_t embed, context, time;  // E, X, T
    int64_t pool_heads, groups;
    int class_embedding;   // of the noise level: stage II
    int act, n_emb_acts;   // enum kiln_act; how often it acts on the sum of the embeddings
    double eps, scale[2];  // outputs of resnets are divided by scale: [1] those in the middle
};

// What scheduler_config.json says, of the noise that the net was trained on.
struct schedule {
    double *alpha, *sigma;  // [T]
    int64_t T;
    int pred, variance;                          // enum kiln_pred, kiln_variance
    int spacing;                                 // enum kiln_spacing
    double offset, limit, quantile, lambda_min;  // steps_offset, sample_max_value, ...
    kiln_level lowres;                           // of the picture that stage II begins with
};

// A layer with weights: "<name>.weight" and, all but the positions, "<name>.bias".
enum kind { NONE, CONV, SHORTCUT, LINEAR, NORM, POSITIONS };
struct module {
    char name[80];
    enum kind kind;
    int once;          // used once per prompt, in encode: read when needed, not kept
    int64_t shape[4];  // of the weight; 1x1 for SHORTCUT
    kiln_packed *w;
    kiln_tensor *gamma, *bias;
};

enum {
    CONV_IN,
    TIME_1,
    TIME_2,
    CLASS_1,
    CLASS_2,
    PROJECTION,
    POOL_NORM1,
    POOL_POSITIONS,
    POOL_Q,
    POOL_K,
    POOL_V,
    POOL_PROJ,
    POOL_NORM2,
    NORM_OUT,
    CONV_OUT,
    N_FIXED
};

enum { NORM1, CONV1, TIME_PROJ, NORM2, CONV2, CONV_SHORTCUT, RESNET_MODULES };
struct resnet {
    int first;   // of its modules; shortcut NONE where input and output have equal channels
    int sample;  // -1: halves the map, 1: doubles it
    int middle;
    int64_t in, out;  // channels; in counts those of a map of the way down
};

enum { GROUP_NORM, TO_Q, TO_K, TO_V, TO_OUT, NORM_CROSS, ADD_K, ADD_V, ATTENTION_MODULES };
struct attention {
    int first, heads;
    int64_t width;
};

enum {
    MAX_RESNETS = 2 * MAX_LEVELS * (MAX_LAYERS + 2) + 2,
    MAX_ATTENTIONS = 2 * MAX_LEVELS * (MAX_LAYERS + 1) + 1,
    CROSS_GROUPS = 32,  // of NORM_CROSS, whatever norm_num_groups says
};

struct unet {
    kiln_self base;
    int described, loaded;
    struct config config;
    struct schedule schedule;
    kiln_file *file;  // mapped and checked
    char where[201];  // the folder that is read, for messages
    char *json;       // of unet_inspect
    struct module *module;
    int n_modules, room;
    // In the order of the forward pass.
    struct resnet resnet[MAX_RESNETS];
    struct attention attention[MAX_ATTENTIONS];
    int n_resnets, n_attentions;
};

// KILN_ERR_IO, with the folder before the reason.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int unet_bad(struct unet *s, const char *format, ...);

// config.c
int config_read(struct unet *s);
// A field of a JSON file of the folder: a number or a text; *text NULL: a number. KILN_END: absent.
int config_field(struct unet *s, const kiln_file *f, const char *document, const char *name,
                 double *number, const char **text);

// layout.c: fills modules, resnets and attentions from config, and compares them with the file.
int layout_build(struct unet *s);
int layout_check(struct unet *s);
int32_t module_ndim(const struct module *m);

// schedule.c
int schedule_read(struct unet *s, const char *base);
void schedule_free(struct schedule *s);

// weights.c
int unet_found(struct unet *s);     // 0: nothing there is a UNet
int unet_describe(struct unet *s);  // finds folder and files, reads configuration and headers
int unet_load(struct unet *s);
void unet_unload(struct unet *s);  // the weights alone
void unet_free(struct unet *s);    // back to what was not described
// A weight as it is kept: as stored, or as the parameter weights says; norms and biases are F32.
int module_load(struct unet *s, struct module *m);
void module_unload(struct unet *s, struct module *m);

// pass.c: the tensors of one pass. After the first error steps do nothing and give NULL.
struct pass {
    struct unet *s;
    const kiln_host *host;
    const kiln_ops *ops;
    int e;
    kiln_live live;
};
void pass_begin(struct pass *p, struct unet *s);
int pass_end(struct pass *p);  // frees what is left, gives the error
kiln_tensor *pass_new(struct pass *p, int32_t ndim, const int64_t *shape);  // a feature map
void pass_free(struct pass *p, const kiln_tensor *t);
kiln_tensor *pass_linear(struct pass *p, int module, const kiln_tensor *x, int act,
                         const kiln_tensor *add);
void pass_linears(struct pass *p, int n, const int *modules, const kiln_tensor *x,
                  kiln_tensor **out);
kiln_tensor *pass_group_norm(struct pass *p, int module, const kiln_tensor *x,
                             const kiln_tensor *skip, int64_t groups, double eps,
                             const kiln_tensor *scale_shift, int act);

// text.c: what a prompt is to the net: [0] what it adds to the time embedding [T], then keys and
// values [L,c] of each attention.
int text_encode(struct unet *s, const kiln_tensor *embedding, kiln_tensor **cond);

// lowres.c
int lowres_prepare(struct unet *s, const kiln_rows *rows, kiln_tensor *aux);

// inspect.c
int unet_inspect(struct unet *s, const char **json);

// forward.c
int unet_predict(struct unet *s, const kiln_query *q, kiln_estimate *out);

#endif
