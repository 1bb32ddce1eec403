# SPDX-License-Identifier: MIT
"""The UNets of DeepFloyd IF of middle size with random weights, by diffusers; as pipeline folders
with a file in F16."""
import json
import os

import torch

COMMON = dict(
    act_fn="gelu", norm_num_groups=32, norm_eps=1e-5, attention_head_dim=64, out_channels=6,
    cross_attention_norm="group_norm", encoder_hid_dim=4096, encoder_hid_dim_type="text_proj",
    addition_embed_type="text", addition_embed_type_num_heads=64,
    resnet_time_scale_shift="scale_shift", mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    cross_attention_dim=768)


def blocks(depth, attended):
    """Block types of the way down and up: the last ones have attention."""
    down = ["ResnetDownsampleBlock2D"] * (depth - attended)
    down += ["SimpleCrossAttnDownBlock2D"] * attended
    up = ["SimpleCrossAttnUpBlock2D"] * attended + ["ResnetUpsampleBlock2D"] * (depth - attended)
    return dict(down_block_types=down, up_block_types=up)


NETS = {
    "IF-I-M": dict(COMMON, sample_size=64, in_channels=3, block_out_channels=[192, 384, 576, 768],
                   layers_per_block=3, **blocks(4, 3)),
    "IF-II-M": dict(COMMON, sample_size=256, in_channels=6,
                    block_out_channels=[128, 256, 512, 768, 768], layers_per_block=[2, 2, 3, 3, 3],
                    class_embed_type="timestep", time_embedding_act_fn="gelu",
                    time_embedding_dim=768, resnet_skip_time_act=True,
                    resnet_out_scale_factor=1.4142271248762552,
                    mid_block_scale_factor=1.4142271248762552, **blocks(5, 2)),
}

SCHEDULER = dict(
    _class_name="DDPMScheduler", num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2",
    beta_start=1e-4, beta_end=0.02, variance_type="learned_range", prediction_type="epsilon",
    thresholding=True, dynamic_thresholding_ratio=0.95, clip_sample=True)


def folder(name, cache):
    """The pipeline's folder; made where it is not there."""
    from diffusers import UNet2DConditionModel
    where = os.path.join(cache, name)
    if os.path.exists(os.path.join(where, "model_index.json")):
        return where
    torch.manual_seed(0)
    net = UNet2DConditionModel(**NETS[name])
    net.half().save_pretrained(os.path.join(where, "unet"), variant="fp16")
    second = name.startswith("IF-II")
    os.makedirs(os.path.join(where, "scheduler"), exist_ok=True)
    for part in ["scheduler"] + ["image_noising_scheduler"] * second:
        os.makedirs(os.path.join(where, part), exist_ok=True)
        with open(os.path.join(where, part, "scheduler_config.json"), "w", encoding="utf-8") as f:
            json.dump(dict(SCHEDULER, sample_max_value=1.0 if second else 1.5), f)
    with open(os.path.join(where, "model_index.json"), "w", encoding="utf-8") as f:
        json.dump({"_class_name": "IFSuperResolutionPipeline" if second else "IFPipeline",
                   "unet": ["diffusers", "UNet2DConditionModel"],
                   "scheduler": ["diffusers", "DDPMScheduler"]}, f)
    return where


def build(name, cache):
    """The net in PyTorch, in fp32."""
    from diffusers import UNet2DConditionModel
    return UNet2DConditionModel.from_pretrained(os.path.join(folder(name, cache), "unet"),
                                                variant="fp16", torch_dtype=torch.float32)


if __name__ == "__main__":
    import sys
    folder(sys.argv[1], sys.argv[2])
