// SPDX-License-Identifier: MIT
#include "tests/if/nets.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
static const struct if_net nets[] = {
    {"IF-I-M", 0, 64, {192, 384, 576, 768}, {3, 3, 3, 3}, 3, 64, 4096, 64, 768, 768},
    {"IF-I-L", 0, 64, {320, 640, 960, 1280}, {3, 3, 3, 3}, 3, 64, 4096, 64, 1280, 1280},
    {"IF-I-XL", 0, 64, {704, 1408, 2112, 2816}, {3, 3, 3, 3}, 3, 64, 4096, 64, 2816, 2816},
    {"IF-II-M", 1, 256, {128, 256, 512, 768, 768}, {2, 2, 3, 3, 3}, 2, 64, 4096, 64, 768, 768},
    {"IF-II-L", 1, 256, {160, 320, 640, 960, 1280}, {2, 2, 3, 5, 5}, 2, 64, 4096, 64, 1280, 1280},
    // Real in all but size: heads of 64, one and two of them; neighbours of equal width; layers
    // that are no palindrome.
    {"small-I", 0, 16, {64, 64, 128, 128}, {2, 2, 2, 2}, 3, 64, 32, 2, 64, 256},
    {"small-II", 1, 32, {64, 64, 64, 128, 128}, {1, 1, 2, 1, 2}, 2, 64, 32, 2, 64, 192},
    // As few operations as go, at the real sizes of images.
    {"tiny-I", 0, 64, {32, 32, 64}, {1, 1, 1}, 1, 64, 32, 2, 32, 128},
    {"tiny-II", 1, 256, {32, 32, 32, 32, 64}, {1, 1, 1, 1, 1}, 1, 64, 32, 2, 32, 64},
};
// clang-format on

const struct if_net *if_net_find(const char *name)
{
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++)
        if (!strcmp(nets[i].name, name))
            return &nets[i];
    return NULL;
}

int if_net_blocks(const struct if_net *net)
{
    int n = 0;
    while (net->width[n])
        n++;
    return n;
}

int64_t if_tensor_numel(const struct if_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

// ---- tensors ------------------------------------------------------------------------------------

static struct if_tensor *add(struct if_tensors *all, const char *prefix, const char *name,
                             const char *leaf)
{
    all->tensor = realloc(all->tensor, (size_t)(all->n + 1) * sizeof(*all->tensor));
    if (!all->tensor)
        abort();
    struct if_tensor *t = &all->tensor[all->n++];
    *t = (struct if_tensor){.rank = 1};
    snprintf(t->name, sizeof(t->name), "%s%s%s", prefix, name, leaf);
    return t;
}

static void bias(struct if_tensors *all, const char *prefix, const char *name, int n)
{
    struct if_tensor *t = add(all, prefix, name, ".bias");
    t->shape[0] = n;
    t->spread = 0.2;
}

static void norm(struct if_tensors *all, const char *prefix, const char *name, int n)
{
    struct if_tensor *t = add(all, prefix, name, ".weight");
    t->shape[0] = n;
    t->mean = 1;
    t->spread = 0.3;
    bias(all, prefix, name, n);
}

// A layer whose result has gain times the deviation of what goes in. kernel 0: linear.
static void layer(struct if_tensors *all, const char *prefix, const char *name, int in, int out,
                  int kernel, double gain)
{
    struct if_tensor *t = add(all, prefix, name, ".weight");
    t->rank = kernel ? 4 : 2;
    t->shape[0] = out;
    t->shape[1] = in;
    t->shape[2] = t->shape[3] = kernel;
    t->spread = gain * sqrt(3.0 * out / (double)if_tensor_numel(t));
    bias(all, prefix, name, out);
}

static void resnet(struct if_tensors *all, const struct if_net *net, const char *prefix, int in,
                   int out)
{
    norm(all, prefix, "norm1", in);
    layer(all, prefix, "conv1", in, out, 3, 1);
    layer(all, prefix, "time_emb_proj", net->time, 2 * out, 0, 0.7);
    norm(all, prefix, "norm2", out);
    layer(all, prefix, "conv2", out, out, 3, 0.7);
    if (in != out)
        layer(all, prefix, "conv_shortcut", in, out, 1, 1);
}

// Queries and keys are large enough to prefer some places by far.
static void attention(struct if_tensors *all, const struct if_net *net, const char *prefix, int c)
{
    norm(all, prefix, "group_norm", c);
    norm(all, prefix, "norm_cross", net->cross);
    layer(all, prefix, "to_q", c, c, 0, 1.5);
    layer(all, prefix, "to_k", c, c, 0, 1.5);
    layer(all, prefix, "to_v", c, c, 0, 1);
    layer(all, prefix, "add_k_proj", net->cross, c, 0, 1.5);
    layer(all, prefix, "add_v_proj", net->cross, c, 0, 1);
    layer(all, prefix, "to_out.0", c, c, 0, 0.7);
}

static void prefixed(char out[64], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, 64, format, args);
    va_end(args);
}

static int has_attention(const struct if_net *net, int block)
{
    return block >= if_net_blocks(net) - net->attended;
}

// A block on the way down (way "down") or up; in: channels that enter each of the n resnets.
static void block(struct if_tensors *all, const struct if_net *net, const char *way, int index,
                  int of, const int *in, int n)
{
    int c = net->width[of], last = if_net_blocks(net) - 1;
    char prefix[64];
    for (int l = 0; l < n; l++) {
        prefixed(prefix, "%s_blocks.%d.resnets.%d.", way, index, l);
        resnet(all, net, prefix, in[l], c);
        prefixed(prefix, "%s_blocks.%d.attentions.%d.", way, index, l);
        if (has_attention(net, of))
            attention(all, net, prefix, c);
    }
    prefixed(prefix, "%s_blocks.%d.%ssamplers.0.", way, index, way);
    if (index != last)
        resnet(all, net, prefix, c, c);
}

// Time, class and text on their way into one vector.
static void embedding(struct if_tensors *all, const struct if_net *net)
{
    static const char *const kind[] = {"time_embedding.", "class_embedding."};
    for (int i = 0; i <= net->second; i++) {
        layer(all, kind[i], "linear_1", net->width[0], net->time, 0, 1.4);
        layer(all, kind[i], "linear_2", net->time, net->time, 0, 1.4);
    }
    norm(all, "add_embedding.", "norm1", net->text);
    struct if_tensor *t = add(all, "add_embedding.", "pool.", "positional_embedding");
    t->rank = 2;
    t->shape[0] = 1;
    t->shape[1] = net->text;
    t->spread = 1;
    layer(all, "add_embedding.", "pool.q_proj", net->text, net->text, 0, 1.5);
    layer(all, "add_embedding.", "pool.k_proj", net->text, net->text, 0, 1.5);
    layer(all, "add_embedding.", "pool.v_proj", net->text, net->text, 0, 1);
    layer(all, "add_embedding.", "proj", net->text, net->time, 0, 1);
    norm(all, "add_embedding.", "norm2", net->time);
    layer(all, "", "encoder_hid_proj", net->text, net->cross, 0, 1);
}

struct if_tensors if_net_tensors(const struct if_net *net)
{
    struct if_tensors all = {NULL, 0};
    const int *width = net->width;
    int blocks = if_net_blocks(net), skip[64], n = 0, in[16], c = width[0];
    layer(&all, "", "conv_in", net->second ? 6 : 3, c, 3, 1);
    embedding(&all, net);
    skip[n++] = c;
    for (int b = 0; b < blocks; b++) {
        for (int l = 0; l < net->layers[b]; l++) {
            in[l] = l ? width[b] : c;
            skip[n++] = width[b];
        }
        block(&all, net, "down", b, b, in, net->layers[b]);
        c = width[b];
        if (b + 1 < blocks)
            skip[n++] = c;
    }
    resnet(&all, net, "mid_block.resnets.0.", c, c);
    attention(&all, net, "mid_block.attentions.0.", c);
    resnet(&all, net, "mid_block.resnets.1.", c, c);
    for (int u = 0; u < blocks; u++) {
        int b = blocks - 1 - u;
        for (int l = 0; l <= net->layers[b]; l++) {
            in[l] = c + skip[--n];
            c = width[b];
        }
        block(&all, net, "up", u, b, in, net->layers[b] + 1);
    }
    norm(&all, "", "conv_norm_out", c);
    layer(&all, "", "conv_out", c, 6, 3, 1);
    return all;
}

// ---- configuration ------------------------------------------------------------------------------

static void list(FILE *out, const char *key, const int *v, int n)
{
    fprintf(out, "  \"%s\": [", key);
    for (int i = 0; i < n; i++)
        fprintf(out, "%s\n    %d", i ? "," : "", v[i]);
    fputs("\n  ],\n", out);
}

static void types(FILE *out, const struct if_net *net, int up)
{
    int n = if_net_blocks(net);
    fprintf(out, "  \"%s_block_types\": [", up ? "up" : "down");
    for (int i = 0; i < n; i++)
        fprintf(out, "%s\n    \"%s%s\"", i ? "," : "",
                has_attention(net, up ? n - 1 - i : i) ? "SimpleCrossAttn" : "Resnet",
                up ? (has_attention(net, n - 1 - i) ? "UpBlock2D" : "UpsampleBlock2D")
                   : (has_attention(net, i) ? "DownBlock2D" : "DownsampleBlock2D"));
    fputs("\n  ],\n", out);
}

void if_net_config(const struct if_net *net, FILE *out)
{
    int n = if_net_blocks(net), even = 1;
    const char *scale = net->second ? "1.4142271248762552" : "1.0";
    for (int i = 1; i < n; i++)
        even &= net->layers[i] == net->layers[0];
    fprintf(out,
            "{\n"
            "  \"_class_name\": \"UNet2DConditionModel\",\n"
            "  \"_diffusers_version\": \"0.42.1\",\n"
            "  \"act_fn\": \"gelu\",\n"
            "  \"addition_embed_type\": \"text\",\n"
            "  \"addition_embed_type_num_heads\": %d,\n"
            "  \"addition_time_embed_dim\": null,\n"
            "  \"attention_head_dim\": %d,\n"
            "  \"attention_type\": \"default\",\n",
            net->pool_heads, net->head);
    list(out, "block_out_channels", net->width, n);
    fprintf(out,
            "  \"center_input_sample\": false,\n"
            "  \"class_embed_type\": %s,\n"
            "  \"class_embeddings_concat\": false,\n"
            "  \"conv_in_kernel\": 3,\n"
            "  \"conv_out_kernel\": 3,\n"
            "  \"cross_attention_dim\": %d,\n"
            "  \"cross_attention_norm\": \"group_norm\",\n",
            net->second ? "\"timestep\"" : "null", net->cross);
    types(out, net, 0);
    fprintf(out,
            "  \"downsample_padding\": 1,\n"
            "  \"dropout\": 0.0,\n"
            "  \"dual_cross_attention\": false,\n"
            "  \"encoder_hid_dim\": %d,\n"
            "  \"encoder_hid_dim_type\": \"text_proj\",\n"
            "  \"flip_sin_to_cos\": true,\n"
            "  \"freq_shift\": 0,\n"
            "  \"in_channels\": %d,\n",
            net->text, net->second ? 6 : 3);
    if (even && !net->second)
        fprintf(out, "  \"layers_per_block\": %d,\n", net->layers[0]);
    else
        list(out, "layers_per_block", net->layers, n);
    fprintf(out,
            "  \"mid_block_only_cross_attention\": null,\n"
            "  \"mid_block_scale_factor\": %s,\n"
            "  \"mid_block_type\": \"UNetMidBlock2DSimpleCrossAttn\",\n"
            "  \"norm_eps\": 1e-05,\n"
            "  \"norm_num_groups\": 32,\n"
            "  \"num_attention_heads\": null,\n"
            "  \"num_class_embeds\": null,\n"
            "  \"only_cross_attention\": false,\n"
            "  \"out_channels\": 6,\n"
            "  \"projection_class_embeddings_input_dim\": null,\n"
            "  \"resnet_out_scale_factor\": %s,\n"
            "  \"resnet_skip_time_act\": %s,\n"
            "  \"resnet_time_scale_shift\": \"scale_shift\",\n"
            "  \"reverse_transformer_layers_per_block\": null,\n"
            "  \"sample_size\": %d,\n"
            "  \"time_cond_proj_dim\": null,\n"
            "  \"time_embedding_act_fn\": %s,\n",
            scale, scale, net->second ? "true" : "false", net->sample_size,
            net->second ? "\"gelu\"" : "null");
    if (net->second)
        fprintf(out, "  \"time_embedding_dim\": %d,\n", net->time);
    else
        fputs("  \"time_embedding_dim\": null,\n", out);
    fputs("  \"time_embedding_type\": \"positional\",\n"
          "  \"timestep_post_act\": null,\n"
          "  \"transformer_layers_per_block\": 1,\n",
          out);
    types(out, net, 1);
    fputs("  \"upcast_attention\": false,\n  \"use_linear_projection\": false\n}\n", out);
}

void if_net_scheduler(const struct if_net *net, int noising, FILE *out)
{
    fprintf(out,
            "{\n"
            "  \"_class_name\": \"DDPMScheduler\",\n"
            "  \"_diffusers_version\": \"0.42.1\",\n"
            "  \"beta_end\": 0.02,\n"
            "  \"beta_schedule\": \"squaredcos_cap_v2\",\n"
            "  \"beta_start\": 0.0001,\n"
            "  \"clip_sample\": true,\n"
            "  \"clip_sample_range\": 1.0,\n"
            "  \"dynamic_thresholding_ratio\": %s,\n"
            "%s"
            "  \"num_train_timesteps\": 1000,\n"
            "  \"prediction_type\": \"epsilon\",\n"
            "  \"sample_max_value\": %s,\n"
            "  \"thresholding\": %s,\n"
            "  \"trained_betas\": null,\n"
            "  \"variance_type\": \"%s\"\n"
            "}\n",
            noising ? "0.995" : "0.95", noising ? "" : "  \"lambda_min_clipped\": -5.1,\n",
            net->second || noising ? "1.0" : "1.5", noising ? "false" : "true",
            noising ? "fixed_small" : "learned_range");
}
