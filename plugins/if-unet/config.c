// config.json: the numbers of the net, and that it is one of IF's. Fields that old files lack have
// the value that all five published nets have.
// SPDX-License-Identifier: MIT
#include <string.h>

#include "unet.h"

int config_field(struct unet *s, const kiln_file *f, const char *document, const char *name,
                 double *number, const char **text)
{
    char pointer[80];
    snprintf(pointer, sizeof(pointer), "/%s", name);
    return kiln_get_weights(&s->base)->json(f, document, pointer, number, text);
}

static int field(struct unet *s, const char *name, double *number, const char **text)
{
    return config_field(s, s->file, "config.json", name, number, text);
}

// A whole number; def -1: it must be there.
static int whole(struct unet *s, const char *name, int64_t def, int64_t max, int64_t *out)
{
    double number;
    const char *text;
    int e = field(s, name, &number, &text);
    if (e < 0)
        return e;
    if (e == KILN_END && def < 0)
        return unet_bad(s, "config.json: '%s' is missing", name);
    *out = def;
    if (e == KILN_END)
        return KILN_OK;
    if (text || !(number >= 1 && number <= (double)max) || number != (double)(int64_t)number)
        return unet_bad(s, "config.json: '%s' is not a whole number from 1 to %lld", name,
                        (long long)max);
    *out = (int64_t)number;
    return KILN_OK;
}

static int real(struct unet *s, const char *name, double def, double *out)
{
    const char *text;
    int e = field(s, name, out, &text);
    if (e == KILN_END)
        *out = def;
    else if (!e && (text || !(*out > 0 && *out < 1e6)))
        return unet_bad(s, "config.json: '%s' is not a number above 0", name);
    return e < 0 ? e : KILN_OK;
}

// One number per level, or one for all.
static int per_level(struct unet *s, const char *name, int64_t def, int64_t max, int64_t *out)
{
    char first[80];
    double number;
    const char *text;
    int e = KILN_OK;
    snprintf(first, sizeof(first), "%s/0", name);
    int is_list = field(s, first, &number, &text) == KILN_OK;
    for (int64_t i = 0; i < s->config.levels && !e; i++) {
        char item[80];
        snprintf(item, sizeof(item), is_list ? "%s/%lld" : "%s", name, (long long)i);
        e = whole(s, item, is_list ? -1 : def, max, &out[i]);
    }
    return e;
}

// What must be as in all of IF's nets: a text, or where that is NULL a number; absent is right.
struct fixed {
    const char *name, *text;
    double number;
};
static const struct fixed fixed[] = {
    {"_class_name", "UNet2DConditionModel", 0},
    {"mid_block_type", "UNetMidBlock2DSimpleCrossAttn", 0},
    {"cross_attention_norm", "group_norm", 0},
    {"encoder_hid_dim_type", "text_proj", 0},
    {"addition_embed_type", "text", 0},
    {"resnet_time_scale_shift", "scale_shift", 0},
    {"time_embedding_type", "positional", 0},
    {"flip_sin_to_cos", NULL, 1},
    {"freq_shift", NULL, 0},
    {"center_input_sample", NULL, 0},
    {"only_cross_attention", NULL, 0},
    {"mid_block_only_cross_attention", NULL, 0},
    {"dual_cross_attention", NULL, 0},
    {"class_embeddings_concat", NULL, 0},
    {"conv_in_kernel", NULL, 3},
    {"conv_out_kernel", NULL, 3},
    // These say more of other nets: absent, or null, they are not in the way.
    {"num_class_embeds", "null", 0},
    {"num_attention_heads", "null", 0},
    {"time_cond_proj_dim", "null", 0},
    {"timestep_post_act", "null", 0},
};

static int check_fixed(struct unet *s)
{
    for (size_t i = 0; i < KILN_COUNT(fixed); i++) {
        const struct fixed *f = &fixed[i];
        double number;
        const char *text;
        int e = field(s, f->name, &number, &text);
        if (e < 0)
            return e;
        int same = f->text ? text && !strcmp(text, f->text) : !text && number == f->number;
        if (e == KILN_END || same)
            continue;
        char is[64], wants[64];
        if (text)
            snprintf(is, sizeof(is), "'%.50s'", text);
        else
            snprintf(is, sizeof(is), "%g", number);
        if (f->text)
            snprintf(wants, sizeof(wants), "'%s'", f->text);
        else
            snprintf(wants, sizeof(wants), "%g", f->number);
        return unet_bad(s, "config.json: '%s' is %s: a UNet of IF has %s", f->name, is, wants);
    }
    return KILN_OK;
}

// The blocks by their names; both ways must be mirrors of each other.
static int read_blocks(struct unet *s)
{
    static const char *const names[2][2] = {
        {"ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"},
        {"ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"}};
    struct config *c = &s->config;
    for (int up = 0; up < 2; up++)
        for (int64_t i = 0; i <= c->levels; i++) {
            const char *list = up ? "up_block_types" : "down_block_types", *text;
            char item[80];
            double number;
            snprintf(item, sizeof(item), "%s/%lld", list, (long long)i);
            int e = field(s, item, &number, &text);
            if (e < 0)
                return e;
            if (up && !i && e == KILN_END)
                break;  // the mirror of the way down
            if ((e == KILN_END) != (i == c->levels))
                return unet_bad(s,
                                "config.json: '%s' has not as many entries as "
                                "'block_out_channels', which has %lld",
                                list, (long long)c->levels);
            if (i == c->levels)
                break;
            int attention = text && !strcmp(text, names[up][1]);
            if (!attention && (!text || strcmp(text, names[up][0])))
                return unet_bad(s, "config.json: block '%.60s' is none of IF's: %s, %s",
                                text ? text : "", names[up][0], names[up][1]);
            int64_t level = up ? c->levels - 1 - i : i;
            if (up && attention != c->attention[level])
                return unet_bad(s, "config.json: 'up_block_types' is not the mirror of "
                                   "'down_block_types'");
            c->attention[level] = attention;
        }
    return KILN_OK;
}

static int read_levels(struct unet *s)
{
    struct config *c = &s->config;
    double number;
    const char *text;
    for (c->levels = 0;; c->levels++) {
        char item[80];
        snprintf(item, sizeof(item), "block_out_channels/%lld", (long long)c->levels);
        int e = field(s, item, &number, &text);
        if (e < 0)
            return e;
        if (e == KILN_END)
            break;
        if (c->levels == MAX_LEVELS)
            return unet_bad(s, "config.json: 'block_out_channels' has more than %d entries",
                            (int)MAX_LEVELS);
    }
    if (!c->levels)
        return unet_bad(s, "config.json: 'block_out_channels' is missing");
    int e = per_level(s, "block_out_channels", -1, MAX_WIDTH, c->width);
    e = e ? e : read_blocks(s);
    e = e ? e : per_level(s, "layers_per_block", -1, MAX_LAYERS, c->layers);
    return e ? e : per_level(s, "attention_head_dim", 64, MAX_WIDTH, c->head);
}

// "gelu" and the like, NULL for absent: KILN_ACT_NONE.
static int read_act(struct unet *s, const char *name, int *act)
{
    double number;
    const char *text;
    int e = field(s, name, &number, &text);
    if (e < 0)
        return e;
    *act = KILN_ACT_NONE;
    if (e == KILN_END)
        return KILN_OK;
    if (text && !strcmp(text, "gelu"))
        *act = KILN_ACT_GELU;
    else if (text && (!strcmp(text, "silu") || !strcmp(text, "swish")))
        *act = KILN_ACT_SILU;
    else
        return unet_bad(s, "config.json: '%s' is neither 'gelu' nor 'silu'", name);
    return KILN_OK;
}

// The embedding goes through the activation before each resnet, or, in stage II, once at the end.
static int read_embedding(struct unet *s)
{
    struct config *c = &s->config;
    double skip = 0, number;
    const char *text, *type = NULL;
    int act;
    int e = read_act(s, "act_fn", &c->act);
    c->act = c->act ? c->act : KILN_ACT_GELU;
    e = e ? e : read_act(s, "time_embedding_act_fn", &act);
    if (e)
        return e;
    if (act && act != c->act)
        return unet_bad(s, "config.json: 'time_embedding_act_fn' and 'act_fn' differ");
    e = field(s, "resnet_skip_time_act", &skip, &text);
    if (e < 0)
        return e;
    c->n_emb_acts = (act != KILN_ACT_NONE) + (skip == 0);
    e = field(s, "class_embed_type", &number, &type);
    if (e < 0)
        return e;
    if (!e && (!type || strcmp(type, "timestep")))
        return unet_bad(s, "config.json: 'class_embed_type' is neither null nor 'timestep'");
    c->class_embedding = type != NULL;
    return KILN_OK;
}

static int read_sample_size(struct unet *s)
{
    struct config *c = &s->config;
    double number;
    const char *text;
    if (field(s, "sample_size/0", &number, &text) == KILN_OK) {
        int e = whole(s, "sample_size/0", -1, MAX_WIDTH, &c->sample[0]);
        return e ? e : whole(s, "sample_size/1", -1, MAX_WIDTH, &c->sample[1]);
    }
    int e = whole(s, "sample_size", c->in > 3 ? 256 : 64, MAX_WIDTH, &c->sample[0]);
    c->sample[1] = c->sample[0];
    return e;
}

static int check_widths(struct unet *s)
{
    const struct config *c = &s->config;
    for (int64_t i = 0; i < c->levels; i++) {
        if (c->width[i] % c->groups)
            return unet_bad(s,
                            "config.json: a block of %lld channels cannot be normed in %lld "
                            "groups",
                            (long long)c->width[i], (long long)c->groups);
        if (c->attention[i] && c->width[i] % c->head[i])
            return unet_bad(s,
                            "config.json: a block of %lld channels has no whole number of heads "
                            "of %lld",
                            (long long)c->width[i], (long long)c->head[i]);
    }
    if (c->width[c->levels - 1] % c->head[c->levels - 1] || c->embed % c->pool_heads ||
        c->context % CROSS_GROUPS || c->width[0] % 2)
        return unet_bad(s, "config.json: 'block_out_channels', 'attention_head_dim', "
                           "'encoder_hid_dim', 'cross_attention_dim' or "
                           "'addition_embed_type_num_heads' do not go together");
    if (c->in != 3 && c->in != 6)
        return unet_bad(s, "config.json: 'in_channels' is %lld: stage I has 3, stage II 6",
                        (long long)c->in);
    if (c->out != 3 && c->out != 6)
        return unet_bad(s,
                        "config.json: 'out_channels' is %lld: a UNet of IF has 6, or 3 without "
                        "variance",
                        (long long)c->out);
    if (c->class_embedding != (c->in == 6))
        return unet_bad(s, "config.json: 'class_embed_type' and 'in_channels' are of two stages");
    return KILN_OK;
}

int config_read(struct unet *s)
{
    struct config *c = &s->config;
    int e = check_fixed(s);
    e = e ? e : read_levels(s);
    e = e ? e : read_embedding(s);
    e = e ? e : whole(s, "in_channels", -1, MAX_WIDTH, &c->in);
    e = e ? e : whole(s, "out_channels", 6, MAX_WIDTH, &c->out);
    e = e ? e : whole(s, "encoder_hid_dim", 4096, MAX_WIDTH, &c->embed);
    e = e ? e : whole(s, "cross_attention_dim", -1, MAX_WIDTH, &c->context);
    e = e ? e : whole(s, "time_embedding_dim", 4 * c->width[0], 4 * MAX_WIDTH, &c->time);
    e = e ? e : whole(s, "addition_embed_type_num_heads", 64, MAX_WIDTH, &c->pool_heads);
    e = e ? e : whole(s, "norm_num_groups", 32, MAX_WIDTH, &c->groups);
    e = e ? e : real(s, "norm_eps", 1e-5, &c->eps);
    e = e ? e : real(s, "resnet_out_scale_factor", 1, &c->scale[0]);
    e = e ? e : real(s, "mid_block_scale_factor", 1, &c->scale[1]);
    e = e ? e : read_sample_size(s);
    return e ? e : check_widths(s);
}
