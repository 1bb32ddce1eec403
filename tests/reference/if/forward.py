# SPDX-License-Identifier: MIT
"""Forward passes of small random UNets of DeepFloyd IF, and a dictionary of embeddings for them.

Run: python tests/reference/if/forward.py [--check] (from the root of the tree). Written with Python 3.11,
torch 2.15.0, diffusers 0.42.1, safetensors 0.8.0; seeds are below. Writes tests/golden/if/forward.safetensors
and prompts.pth. Of each case: x, for stage II the small image low and its noise z, the answers eps and var.

Answers are computed in float64, but for the sinusoid's angle, which the library rounds to float32 whatever
the net is in: so are they here, but from an exp that is rounded to the nearest, as the library's is in all but
one or two of a hundred cases (that depends on the processor). "float32" marks two cases with the library's own
answer, in float32, as well.
--check takes the variation from each tensor in turn and prints where that shows least.
"""
import math
import os
import sys

import torch
import torch.nn.functional as F

from common import BARS, GOLDEN, embedded, embeddings, load, save

# name: net, type of the weights, batch and size, timestep, prompts, noise level and size of the small image
CASES = {
    "I.a": ("small-I", "fp32", (2, 16, 16), 0, ["a pencil", ""]),
    "I.b": ("small-I", "fp32", (1, 24, 16), 1, ["a rocket ship"]),
    "I.c": ("small-I", "fp32", (3, 8, 40), 500, ["a photo of a dog", "a pencil", "a rocket ship"]),
    "I.d": ("small-I", "fp32", (1, 16, 16), 990, ["a photo of a man"]),
    "I.e": ("small-I", "fp16", (2, 16, 16), 250, ["a pencil", "a photo of a man"]),
    "I.f": ("small-I", "bf16", (1, 16, 16), 250, ["a pencil"]),
    "II.a": ("small-II", "fp32", (2, 32, 32), 0, ["a pencil", ""], 250, (16, 16)),
    "II.b": ("small-II", "fp32", (1, 16, 16), 999, ["a rocket ship"], 0, (16, 16)),
    "II.c": ("small-II", "fp32", (1, 32, 48), 500, ["a photo of a man"], 999, (8, 12)),
    "II.d": ("small-II", "fp16", (1, 32, 16), 250, ["a pencil"], 50, (8, 8)),
    "II.e": ("small-II", "bf16", (1, 16, 32), 750, ["a pencil"], 250, (8, 16)),
}
FLOAT32 = ("I.d", "II.c")


class Sinusoid(torch.nn.Module):
    """Cosines, then sines, of t times a falling geometric series from 1, both in float32."""

    def __init__(self, width):
        super().__init__()
        exponent = -math.log(1e4) * torch.arange(width // 2, dtype=torch.float32) / (width // 2)
        self.rate = torch.exp(exponent.double()).float()

    def forward(self, t):
        phase = (t.float()[:, None] * self.rate).double()
        return torch.cat([phase.cos(), phase.sin()], 1)


def exact(unet):
    unet = unet.double()
    unet.time_proj = Sinusoid(unet.config.block_out_channels[0])  # of the noise level as well
    return unet


def inputs(seed, batch, low_size):
    g = torch.Generator().manual_seed(seed)
    n, h, w = batch
    out = {"x": torch.randn(n, 3, h, w, generator=g)}
    if low_size:
        out["low"] = torch.rand(n, 3, *low_size, generator=g) * 2 - 1
        out["z"] = torch.randn(n, 3, h, w, generator=g)
    return out


def answer(unet, given, t, prompts, level=None):
    dtype = unet.dtype
    x, more = given["x"].to(dtype), {}
    if level is not None:
        up = F.interpolate(given["low"].to(dtype), x.shape[2:], mode="bilinear", align_corners=True)
        a = BARS[level]
        x = torch.cat([x, (a.sqrt() * up + (1 - a).sqrt() * given["z"]).to(dtype)], 1)
        more["class_labels"] = torch.tensor([level] * len(x))
    y = unet(x, t, encoder_hidden_states=embedded(prompts).to(dtype), **more).sample
    return {"eps": y[:, :3], "var": y[:, 3:]}


def check(net):
    """Which tensor shows least: its values replaced by their mean, relative to the largest value."""
    unet = load(net)
    t, prompts, *level = next(c[3:] for c in CASES.values() if c[0] == net and c[2][0] == 2)
    case = (torch.tensor(700), prompts, *level[:1])
    given = inputs(0, (2, 32, 32) if level else (2, 16, 16), level[1] if level else None)
    want = torch.cat(list(answer(unet, given, *case).values()), 1)
    seen = {}
    for name, p in unet.named_parameters():
        old = p.clone()
        p.copy_(old.mean().expand_as(old))
        y = torch.cat(list(answer(unet, given, *case).values()), 1)
        seen[name] = ((y - want).abs().max() / want.abs().max()).item()
        p.copy_(old)
    least = sorted(seen, key=seen.get)
    print(net, *(f"{n} {seen[n]:.1e}" for n in least[:6]), sep="\n  ")
    assert least[0] == "add_embedding.pool.k_proj.bias"  # which adds the same to every logit
    assert seen[least[1]] > 2e-5, least[1]  # four times what the tests allow


def main():
    if "--check" in sys.argv:
        return [check(net) for net in ("small-I", "small-II")]
    os.makedirs(GOLDEN, exist_ok=True)
    torch.save(embeddings(), os.path.join(GOLDEN, "prompts.pth"))
    out, nets = {}, {}
    for i, (name, (net, dtype, batch, t, prompts, *low)) in enumerate(CASES.items()):
        given = inputs(i, batch, low[1] if low else None)
        case = (torch.tensor(t), prompts, *low[:1])
        single = answer(load(net, dtype), given, *case)
        nets.setdefault((net, dtype), exact(load(net, dtype)))
        want = answer(nets[net, dtype], given, *case)
        largest = max(v.abs().max() for v in want.values())
        off = max((want[k] - single[k]).abs().max() / largest for k in want)
        print(f"{name}: largest {largest:.2f}, library in float32 off by {off:.1e} of it", flush=True)
        out |= {f"{name}.{k}": v for k, v in (given | want).items()}
        if name in FLOAT32:
            out |= {f"{name}.float32.{k}": v for k, v in single.items()}
    save(out, "forward.safetensors")


if __name__ == "__main__":
    main()
