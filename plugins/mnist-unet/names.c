// How the tensors of these nets are called: our own names, and those of public PyTorch code for
// the same nets. Only the stems stand here; ".weight", ".bias" and the norm's four follow.
// SPDX-License-Identifier: MIT
#include "net.h"

#include <string.h>

// clang-format off
const struct scheme schemes[N_SCHEMES] = {
    {.what = "kiln",
     .conv = {
        [IN_0] = {"in.0.conv", "in.0.norm"},
        [IN_1] = {"in.1.conv", "in.1.norm"},
        [DOWN1_0] = {"down1.0.conv", "down1.0.norm"},
        [DOWN1_1] = {"down1.1.conv", "down1.1.norm"},
        [DOWN1_2] = {"down1.2.conv", "down1.2.norm"},
        [DOWN2_0] = {"down2.0.conv", "down2.0.norm"},
        [DOWN2_1] = {"down2.1.conv", "down2.1.norm"},
        [DOWN2_2] = {"down2.2.conv", "down2.2.norm"},
        [UNFLATTEN] = {"unflatten.conv", "unflatten.norm"},
        [UP1_0] = {"up1.0.conv", "up1.0.norm"},
        [UP1_1] = {"up1.1.conv", "up1.1.norm"},
        [UP1_2] = {"up1.2.conv", "up1.2.norm"},
        [UP2_0] = {"up2.0.conv", "up2.0.norm"},
        [UP2_1] = {"up2.1.conv", "up2.1.norm"},
        [UP2_2] = {"up2.2.conv", "up2.2.norm"},
        [OUT_0] = {"out.0.conv", "out.0.norm"},
        [OUT_1] = {"out.1.conv", "out.1.norm"},
        [HEAD] = {"head", NULL}},
     .fc = {
        [TIME1] = {"time1.0", "time1.2"},
        [CLASS1] = {"class1.0", "class1.2"},
        [TIME2] = {"time2.0", "time2.2"},
        [CLASS2] = {"class2.0", "class2.2"}}},

    {.what = "layers",
     .conv = {
        [IN_0] = {"input_conv.layers.0.conv", "input_conv.layers.0.bn"},
        [IN_1] = {"input_conv.layers.1.conv", "input_conv.layers.1.bn"},
        [DOWN1_0] = {"down_blocks.0.layers.0.conv", "down_blocks.0.layers.0.bn"},
        [DOWN1_1] = {"down_blocks.0.layers.1.layers.0.conv", "down_blocks.0.layers.1.layers.0.bn"},
        [DOWN1_2] = {"down_blocks.0.layers.1.layers.1.conv", "down_blocks.0.layers.1.layers.1.bn"},
        [DOWN2_0] = {"down_blocks.1.layers.0.conv", "down_blocks.1.layers.0.bn"},
        [DOWN2_1] = {"down_blocks.1.layers.1.layers.0.conv", "down_blocks.1.layers.1.layers.0.bn"},
        [DOWN2_2] = {"down_blocks.1.layers.1.layers.1.conv", "down_blocks.1.layers.1.layers.1.bn"},
        [UNFLATTEN] = {"unflatten.conv", "unflatten.bn"},
        [UP1_0] = {"up_blocks.0.layers.0.conv", "up_blocks.0.layers.0.bn"},
        [UP1_1] = {"up_blocks.0.layers.1.layers.0.conv", "up_blocks.0.layers.1.layers.0.bn"},
        [UP1_2] = {"up_blocks.0.layers.1.layers.1.conv", "up_blocks.0.layers.1.layers.1.bn"},
        [UP2_0] = {"up_blocks.1.layers.0.conv", "up_blocks.1.layers.0.bn"},
        [UP2_1] = {"up_blocks.1.layers.1.layers.0.conv", "up_blocks.1.layers.1.layers.0.bn"},
        [UP2_2] = {"up_blocks.1.layers.1.layers.1.conv", "up_blocks.1.layers.1.layers.1.bn"},
        [OUT_0] = {"out_conv1.layers.0.conv", "out_conv1.layers.0.bn"},
        [OUT_1] = {"out_conv1.layers.1.conv", "out_conv1.layers.1.bn"},
        [HEAD] = {"out_conv2", NULL}},
     .fc = {
        [TIME1] = {"fc_lower.layers.0", "fc_lower.layers.2"},
        [TIME2] = {"fc_higher.layers.0", "fc_higher.layers.2"}}},

    {.what = "blocks",
     .conv = {
        [IN_0] = {"conv_in.conv1.conv.0", "conv_in.conv1.conv.1"},
        [IN_1] = {"conv_in.conv2.conv.0", "conv_in.conv2.conv.1"},
        [DOWN1_0] = {"down1.downconv.downconv.0", "down1.downconv.downconv.1"},
        [DOWN1_1] = {"down1.convblock.conv1.conv.0", "down1.convblock.conv1.conv.1"},
        [DOWN1_2] = {"down1.convblock.conv2.conv.0", "down1.convblock.conv2.conv.1"},
        [DOWN2_0] = {"down2.downconv.downconv.0", "down2.downconv.downconv.1"},
        [DOWN2_1] = {"down2.convblock.conv1.conv.0", "down2.convblock.conv1.conv.1"},
        [DOWN2_2] = {"down2.convblock.conv2.conv.0", "down2.convblock.conv2.conv.1"},
        [UNFLATTEN] = {"unflatten.unflatten.0", "unflatten.unflatten.1"},
        [UP1_0] = {"up1.upconv.upconv.0", "up1.upconv.upconv.1"},
        [UP1_1] = {"up1.convblock.conv1.conv.0", "up1.convblock.conv1.conv.1"},
        [UP1_2] = {"up1.convblock.conv2.conv.0", "up1.convblock.conv2.conv.1"},
        [UP2_0] = {"up2.upconv.upconv.0", "up2.upconv.upconv.1"},
        [UP2_1] = {"up2.convblock.conv1.conv.0", "up2.convblock.conv1.conv.1"},
        [UP2_2] = {"up2.convblock.conv2.conv.0", "up2.convblock.conv2.conv.1"},
        [OUT_0] = {"conv_out.conv1.conv.0", "conv_out.conv1.conv.1"},
        [OUT_1] = {"conv_out.conv2.conv.0", "conv_out.conv2.conv.1"},
        [HEAD] = {"final_conv", NULL}},
     .fc = {
        [TIME1] = {"fc1_t.block.0", "fc1_t.block.2"},
        [CLASS1] = {"fc1_c.block.0", "fc1_c.block.2"},
        [TIME2] = {"fc2_t.block.0", "fc2_t.block.2"},
        [CLASS2] = {"fc2_c.block.0", "fc2_c.block.2"}}},

// The up blocks of these are numbered from the image down.
#define NUMBERED                                                                                   \
    {                                                                                              \
        [IN_0] = {"convblock1.conv1.conv", "convblock1.conv1.bn"},                                 \
        [IN_1] = {"convblock1.conv2.conv", "convblock1.conv2.bn"},                                 \
        [DOWN1_0] = {"downblock1.downconv.conv", "downblock1.downconv.bn"},                        \
        [DOWN1_1] = {"downblock1.convblock.conv1.conv", "downblock1.convblock.conv1.bn"},          \
        [DOWN1_2] = {"downblock1.convblock.conv2.conv", "downblock1.convblock.conv2.bn"},          \
        [DOWN2_0] = {"downblock2.downconv.conv", "downblock2.downconv.bn"},                        \
        [DOWN2_1] = {"downblock2.convblock.conv1.conv", "downblock2.convblock.conv1.bn"},          \
        [DOWN2_2] = {"downblock2.convblock.conv2.conv", "downblock2.convblock.conv2.bn"},          \
        [UNFLATTEN] = {"unflatten.unflatten", "unflatten.bn"},                                     \
        [UP1_0] = {"upblock2.upconv.conv", "upblock2.upconv.bn"},                                  \
        [UP1_1] = {"upblock2.convblock.conv1.conv", "upblock2.convblock.conv1.bn"},                \
        [UP1_2] = {"upblock2.convblock.conv2.conv", "upblock2.convblock.conv2.bn"},                \
        [UP2_0] = {"upblock1.upconv.conv", "upblock1.upconv.bn"},                                  \
        [UP2_1] = {"upblock1.convblock.conv1.conv", "upblock1.convblock.conv1.bn"},                \
        [UP2_2] = {"upblock1.convblock.conv2.conv", "upblock1.convblock.conv2.bn"},                \
        [OUT_0] = {"convblock2.conv1.conv", "convblock2.conv1.bn"},                                \
        [OUT_1] = {"convblock2.conv2.conv", "convblock2.conv2.bn"},                                \
        [HEAD] = {"conv", NULL},                                                                   \
    }
    {.what = "numbered", .skip_first = 1, .conv = NUMBERED,
     .fc = {
        [TIME1] = {"fcblock3.fc1", "fcblock3.fc2"},
        [TIME2] = {"fcblock2.fc1", "fcblock2.fc2"}}},
    {.what = "numbered, with class", .skip_first = 1, .conv = NUMBERED,
     .fc = {
        [TIME1] = {"fcblock3_time.fc1", "fcblock3_time.fc2"},
        [CLASS1] = {"fcblock3_class.fc1", "fcblock3_class.fc2"},
        [TIME2] = {"fcblock2_time.fc1", "fcblock2_time.fc2"},
        [CLASS2] = {"fcblock2_class.fc1", "fcblock2_class.fc2"}}},
};
// clang-format on

const char *list_name(const struct scheme *scheme, int arch, int i, const char **leaf)
{
    static const char *const leaves[PER_CONV] = {"weight", "bias",         "weight",
                                                 "bias",   "running_mean", "running_var"};
    if (i < FC_LIST) {
        *leaf = leaves[i % PER_CONV];
        return i % PER_CONV < GAMMA ? scheme->conv[i / PER_CONV].conv
                                    : scheme->conv[i / PER_CONV].norm;
    }
    for (int fc = 0; fc < N_FC; fc++) {
        int k = i - fc_first(arch, fc);
        if (!has_fc(arch, fc) || k < 0 || k >= PER_FC)
            continue;
        *leaf = leaves[k % 2];
        return scheme->fc[fc][k / 2];
    }
    return NULL;
}
