# SPDX-License-Identifier: MIT
"""What the scripts about DeepFloyd IF share: folders of random nets, embeddings, the nets in PyTorch.

The weights are those of tests/if/random_if.c, which is compiled here: the files hold results alone.
"""
import os
import subprocess
import sys
import tempfile

import diffusers
import torch
from diffusers import UNet2DConditionModel
from diffusers.utils import logging
from safetensors.torch import save_file

logging.set_verbosity_error()
torch.set_num_threads(1)
torch.set_grad_enabled(False)

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
GOLDEN = os.path.join(TESTS, "golden", "if")
WORK = tempfile.TemporaryDirectory()
WIDTH, TOKENS = 32, 77

COURSE = [
    "an oil painting of a snowy mountain village", "a photo of the amalfi cost", "a photo of a man",
    "a photo of a hipster barista", "a photo of a dog", "an oil painting of people around a campfire",
    "an oil painting of an old man", "a lithograph of waterfalls", "a lithograph of a skull",
    "a man wearing a hat", "a high quality photo", "", "a rocket ship", "a pencil",
]


def save(tensors, name):
    """In float32 among the golden files, with what made it."""
    made = {"made by": f"tests/reference/if/{os.path.basename(sys.argv[0])}",
            "torch": torch.__version__, "diffusers": diffusers.__version__}
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, os.path.join(GOLDEN, name), made)


def random_if():
    """The program, compiled once."""
    out = os.path.join(WORK.name, "random_if")
    if not os.path.exists(out):
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-I", os.path.join(TESTS, ".."),
                        "-o", out, *(os.path.join(TESTS, "if", f) for f in ("random_if.c", "nets.c")),
                        "-lm"], check=True)
    return out


def folder(net, dtype="fp32"):
    """A pipeline folder, made once."""
    out = os.path.join(WORK.name, f"{net}-{dtype}")
    if not os.path.exists(out):
        subprocess.run([random_if(), "--dtype", dtype, net, out], check=True)
    return out


def load(net, dtype="fp32"):
    """The net in float32, with nothing missing and nothing left over."""
    more = {"variant": "fp16"} if dtype == "fp16" else {}
    unet, info = UNet2DConditionModel.from_pretrained(
        os.path.join(folder(net, dtype), "unet"), output_loading_info=True, torch_dtype=torch.float32,
        **more)
    assert not any(info.values()), info
    return unet.eval()


def embeddings():
    """Prompt to [1,77,32] F16: the dictionary that prompts.pth holds."""
    g = torch.Generator().manual_seed(5)
    return {p: torch.randn(1, TOKENS, WIDTH, generator=g).half() for p in COURSE}


def embedded(prompts):
    bank = embeddings()
    return torch.cat([bank[p] for p in prompts]).float()


def _bars():
    """alpha_bar of the cosine schedule (Nichol and Dhariwal 2021, eq. 17), of betas in float32."""
    u = (torch.arange(1001, dtype=torch.float64) / 1000 + 0.008) / 1.008 * torch.pi / 2
    f = torch.cos(u) ** 2
    beta = (1 - f[1:] / f[:-1]).clamp(max=0.999).float()
    return torch.cumprod((1 - beta).double(), 0)


BARS = _bars()
