# SPDX-License-Identifier: MIT
"""PyTorch's side of scripts/check-gpu: WORK WAY [DEVICE]. Prints the seconds of one unit of work.

WORK   mnist-step    a training step of the class net, 64 channels, batch 128
       mnist-sample  a step of sampling 40 digits with guidance
       if-i-m        a call of DeepFloyd IF-I-M in fp16, guidance in one batch of 2 (wants diffusers)
       if-ii-m       likewise
WAY    eager, or compiled (torch.compile)
DEVICE cuda; cpu: tiny sizes, to see that the script works
"""
import os
import sys
import time

import torch
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "reference"))
from mnist import Net  # noqa: E402
sys.path[0] = HERE

WORK, WAY = sys.argv[1], sys.argv[2]
DEVICE = sys.argv[3] if len(sys.argv) > 3 else "cuda"
TINY = DEVICE == "cpu"
LAST = torch.channels_last


def compiled(net):
    return torch.compile(net) if WAY == "compiled" else net


def mnist_step():
    n = 4 if TINY else 128
    net = Net("class", 4 if TINY else 64).to(DEVICE, memory_format=LAST)
    adam = torch.optim.Adam(net.parameters(), 1e-3, fused=not TINY)
    run = compiled(net)
    x, noise = (torch.randn(n, 1, 28, 28, device=DEVICE).contiguous(memory_format=LAST)
                for _ in range(2))
    t, h = torch.rand(n, 1, device=DEVICE), F.one_hot(torch.arange(n, device=DEVICE) % 10, 10).float()

    def step():
        adam.zero_grad(set_to_none=True)
        F.mse_loss(run(x, t, h), noise).backward()
        adam.step()
    return step


def mnist_sample():
    n = 2 if TINY else 40
    net = compiled(Net("class", 4 if TINY else 64).to(DEVICE, memory_format=LAST).eval())
    x = torch.randn(n, 1, 28, 28, device=DEVICE)
    h = F.one_hot(torch.arange(n, device=DEVICE) % 10, 10).float()
    t, both = torch.full((2 * n, 1), 0.5, device=DEVICE), torch.cat([torch.zeros_like(h), h])

    @torch.inference_mode()
    def step():
        u, c = net(torch.cat([x, x]).contiguous(memory_format=LAST), t, both).chunk(2)
        return 1.01 * (x - 0.1 * (u + 5 * (c - u))) + 0.1 * torch.randn_like(x)
    return step


def unet(name):
    from diffusers import UNet2DConditionModel
    from if_nets import NETS
    config = dict(NETS[name])
    if TINY:
        depth = len(config["block_out_channels"])
        config.update(block_out_channels=[32] * depth, layers_per_block=1, sample_size=2 ** depth,
                      encoder_hid_dim=64, cross_attention_dim=32, attention_head_dim=32,
                      addition_embed_type_num_heads=4)
    torch.manual_seed(0)
    type_ = torch.float32 if TINY else torch.float16
    net = UNet2DConditionModel(**config).to(DEVICE, type_, memory_format=LAST).eval()
    size, channels, text_width = net.config.sample_size, net.config.in_channels, config["encoder_hid_dim"]
    run = compiled(net)
    x = torch.randn(2, channels, size, size, device=DEVICE, dtype=type_).contiguous(memory_format=LAST)
    text = torch.randn(2, 77, text_width, device=DEVICE, dtype=type_)
    t = torch.tensor(500, device=DEVICE)
    labels = torch.tensor([250, 250], device=DEVICE) if channels == 6 else None

    @torch.inference_mode()
    def step():
        return run(x, t, text, class_labels=labels, return_dict=False)
    return step


def seconds(step):
    """The median; each one waited for."""
    wait = (lambda: None) if TINY else torch.cuda.synchronize
    times = []
    for i in range(4 if TINY else 40):
        begin = time.perf_counter()
        step()
        wait()
        times.append(time.perf_counter() - begin)
    times = sorted(times[len(times) // 4:])  # the first ones compile
    return times[len(times) // 2]


if __name__ == "__main__":
    # As its users are told to have it: tf32, and the fastest convolutions.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    work = {"mnist-step": mnist_step, "mnist-sample": mnist_sample,
            "if-i-m": lambda: unet("IF-I-M"), "if-ii-m": lambda: unet("IF-II-M")}
    print("%.6f" % seconds(work[WORK]()))
