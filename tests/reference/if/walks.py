# SPDX-License-Identifier: MIT
"""Walks of DeepFloyd IF's samplers with small random nets: what tests/if compares the program with.

Run: python tests/reference/if/walks.py (from the root of the tree). Written with Python 3.11, torch 2.15.0,
diffusers 0.42.1, transformers 5.23.0, safetensors 0.8.0. Writes tests/golden/if/walks.safetensors: of each walk the images after
some of its steps ("name.step"), counted from 1, and what it began with.

The pipelines are the library's, in float32, with a CPU generator of the seed below. What it has none of
is written out: anagrams and hybrids (Geng et al. 2024), whose steps are the library's, and the loop, inpainting
and illusions of the course CS180, which takes multiples of a stride, ends on reaching t = 0, thresholds
nothing and adds noise in every step.
"""
import os

import torch
import torch.nn.functional as F
from common import BARS, TESTS, embedded, folder, load, save
from diffusers import (
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    IFImg2ImgPipeline,
    IFImg2ImgSuperResolutionPipeline,
    IFInpaintingPipeline,
    IFInpaintingSuperResolutionPipeline,
    IFPipeline,
    IFSuperResolutionPipeline,
)
from transformers import T5EncoderModel, T5Tokenizer

OUT = {}


class Nets:
    first, second = load("small-I"), load("small-II")


def keep(name, images, steps=None):
    """The images after the steps, counted from 1; None: all."""
    for i, x in enumerate(images, 1):
        if steps is None or i in steps or i == len(images):
            OUT[f"{name}.{i}"] = x.clone()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def scheduler(net, part="scheduler"):
    return DDPMScheduler.from_pretrained(os.path.join(folder(net), part))


def picture(seed, *shape):
    """Smooth, as pictures are."""
    x = torch.randn(*shape, generator=seeded(seed))
    return F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), 5, 1).mul(2.5).clamp(-1, 1)


# ---- the library's pipelines ---------------------------------------------------------------------

def pipeline(cls, unet, tokenizer=None, text_encoder=None):
    net, more = "small-I", {}
    if unet is Nets.second:
        net, more = "small-II", {"image_noising_scheduler": scheduler("small-II", "image_noising_scheduler")}
    p = cls(tokenizer=tokenizer, text_encoder=text_encoder, unet=unet, scheduler=scheduler(net),
            safety_checker=None, feature_extractor=None, watermarker=None, requires_safety_checker=False,
            **more)
    p.set_progress_bar_config(disable=True)
    return p


def run(p, seed, prompts, negative="", **more):
    seen = []
    out = p(prompt_embeds=embedded(prompts), negative_prompt_embeds=embedded([negative] * len(prompts)),
            generator=seeded(seed), output_type="pt",
            callback=lambda i, t, x: seen.append(x.clone()), **more).images
    assert torch.equal(out, seen[-1])
    return seen


def pipelines():
    p = pipeline(IFPipeline, Nets.first)
    keep("first", run(p, 1, ["a rocket ship", "a man wearing a hat"], height=16, width=16,
                      num_inference_steps=8, guidance_scale=7.0))
    keep("negative", run(p, 2, ["a pencil"], "a photo of a dog", height=16, width=24,
                         num_inference_steps=5, guidance_scale=5.0), [1, 3])
    keep("plain", run(p, 3, ["a pencil"], height=16, width=16, num_inference_steps=5,
                      guidance_scale=1.0), [1, 3])
    keep("list", run(p, 4, ["a photo of a man"], height=16, width=16, guidance_scale=7.0,
                     timesteps=[951, 800, 799, 500, 33, 0]))
    keep("named", run(p, 14, ["a photo of a man"], height=16, width=16, guidance_scale=7.0,
                      timesteps=[999, 800, 799, 600, 599, 500, 400, 399, 377, 355, 333, 311, 288, 266,
                                 244, 222, 200, 199, 177, 155, 133, 111, 88, 66, 44, 22, 0]), [7, 14])
    p.scheduler = DPMSolverMultistepScheduler.from_config(p.scheduler.config)
    keep("solver", run(p, 19, ["a pencil"], height=16, width=16, num_inference_steps=8, guidance_scale=7.0),
         [1, 2, 5])
    assert p.scheduler.timesteps.tolist() == [995, 871, 746, 622, 498, 373, 249, 124]

    low = picture(5, 1, 3, 16, 16)
    OUT["second.low"] = low
    p = pipeline(IFSuperResolutionPipeline, Nets.second)
    keep("second", run(p, 5, ["a rocket ship"], image=low, height=32, width=32, num_inference_steps=6,
                       guidance_scale=4.0))
    low = picture(6, 2, 3, 8, 12)
    OUT["wide.low"] = low
    keep("wide", run(p, 6, ["a rocket ship", "a pencil"], image=low, height=16, width=32,
                     num_inference_steps=5, guidance_scale=4.0, noise_level=50), [1, 3])

    image = picture(7, 1, 3, 16, 24)
    OUT["edit.image"] = image
    keep("edit", run(pipeline(IFImg2ImgPipeline, Nets.first), 7, ["a rocket ship"], image=image,
                     strength=0.7, num_inference_steps=10, guidance_scale=10.0))
    mask = torch.zeros(1, 1, 16, 24)
    mask[:, :, 3:12, 5:20] = 1
    keep("inpaint", run(pipeline(IFInpaintingPipeline, Nets.first), 8, ["a rocket ship"], image=image,
                        mask_image=mask, strength=1.0, num_inference_steps=8, guidance_scale=7.0))

    image, low = picture(15, 1, 3, 16, 32), OUT["second.low"]
    OUT["edit.second.image"] = image
    keep("edit.second", run(pipeline(IFImg2ImgSuperResolutionPipeline, Nets.second), 15, ["a pencil"],
                            original_image=image, image=low, strength=0.8, num_inference_steps=10,
                            guidance_scale=4.0), [1, 4])
    mask = torch.zeros(1, 1, 16, 32)
    mask[:, :, 2:14, 6:25] = 1
    keep("inpaint.second", run(pipeline(IFInpaintingSuperResolutionPipeline, Nets.second), 16, ["a pencil"],
                               original_image=image, mask_image=mask, image=low, strength=0.8,
                               num_inference_steps=10, guidance_scale=4.0), [1, 4])


def stages(name, p, seed, embeds, none):
    """One pipeline after the other, with the same generator."""
    more = {"prompt_embeds": embeds, "negative_prompt_embeds": none, "generator": seeded(seed),
            "output_type": "pt", "num_inference_steps": 5}
    small = p(height=16, width=16, guidance_scale=3.0, **more).images
    seen = []
    pipeline(IFSuperResolutionPipeline, Nets.second)(
        image=small, height=32, width=32, guidance_scale=2.0, callback=lambda i, t, x: seen.append(x.clone()),
        **more)
    OUT[f"{name}.small"] = small
    keep(name, seen, [1])


def two_stages():
    stages("two", pipeline(IFPipeline, Nets.first), 17, embedded(["a rocket ship"]), embedded([""]))
    t5 = os.path.join(TESTS, "golden", "t5")
    p = pipeline(IFPipeline, Nets.first, T5Tokenizer.from_pretrained(os.path.join(t5, "tokenizer")),
                 T5EncoderModel.from_pretrained(os.path.join(t5, "text_encoder")).eval())
    stages("words", p, 18, *p.encode_prompt(["A deer on a snowy Mountain "]))


# ---- estimates -----------------------------------------------------------------------------------

def guided(unet, prompt, scale, aux=None, level=250):
    """x, t and what goes with x to noise and variance (Ho and Salimans 2022)."""
    def f(x, t, aux=aux):
        n = len(x)
        more = {} if aux is None else {"class_labels": torch.tensor([level] * 2 * n)}
        x = x if aux is None else torch.cat([x, aux], 1)
        y = unet(torch.cat([x, x]), t, encoder_hidden_states=embedded([""] * n + [prompt] * n), **more).sample
        none, some = y.chunk(2)
        return none[:, :3] + scale * (some[:, :3] - none[:, :3]), some[:, 3:]
    return f


VIEWS = {  # there and back, of images and noise; the variance has no sign to turn
    "flip": (lambda v: v.flip(2), lambda v: v.flip(2), lambda v: v.flip(2)),
    "rotate180": (lambda v: v.rot90(2, (2, 3)), lambda v: v.rot90(2, (2, 3)), lambda v: v.rot90(2, (2, 3))),
    "rotate90": (lambda v: v.rot90(-1, (2, 3)), lambda v: v.rot90(1, (2, 3)), lambda v: v.rot90(1, (2, 3))),
    "negate": (lambda v: -v, lambda v: -v, lambda v: v),
}


def anagram(plain, turned, view, aux=None):
    there, back, back_variance = VIEWS[view]

    def f(x, t):
        e, v = plain(x, t, aux)
        e2, v2 = turned(there(x), t, None if aux is None else there(aux))
        return (e + back(e2)) / 2, (v + back_variance(v2)) / 2
    return f


def blur(x, size=33, sigma=2.0):
    """Gaussian of that many taps, the border mirrored."""
    at = torch.arange(size) - size // 2
    k = torch.exp(-at.double() ** 2 / (2 * sigma ** 2))
    k = (k / k.sum()).float()
    half = size // 2
    x = F.pad(x, (half, half, half, half), mode="reflect")
    x = F.conv2d(x, k.reshape(1, 1, 1, -1).repeat(3, 1, 1, 1), groups=3)
    return F.conv2d(x, k.reshape(1, 1, -1, 1).repeat(3, 1, 1, 1), groups=3)


def hybrid(far, near):
    def f(x, t):
        (a, va), (b, vb) = far(x, t), near(x, t)
        return blur(a) + b - blur(b), (va + vb) / 2
    return f


# ---- walks that are written out ------------------------------------------------------------------

def stepped(estimate, x, net, steps, g):
    """By the library's step, which thresholds."""
    s, seen = scheduler(net), []
    s.set_timesteps(steps)
    for t in s.timesteps:
        x = s.step(torch.cat(estimate(x, t), 1), t, x, generator=g).prev_sample
        seen.append(x)
    return seen


def forward(x, t, g):
    return (BARS[t] ** 0.5 * x + (1 - BARS[t]) ** 0.5 * torch.randn(x.shape, generator=g)).float()


def course(estimate, x, times, g, after=lambda x, t: x):
    seen = []
    for t, s in zip(times, times[1:]):
        a, b = BARS[t], BARS[s]
        e, v = estimate(x, torch.tensor(t))
        alpha = a / b
        beta = 1 - alpha
        x0 = (x - (1 - a) ** 0.5 * e) / a ** 0.5
        mean = b ** 0.5 * beta / (1 - a) * x0 + alpha ** 0.5 * (1 - b) / (1 - a) * x
        low, high = (beta * (1 - b) / (1 - a)).clamp(min=1e-20).log(), beta.log()
        share = (v + 1) / 2
        deviation = torch.exp((share * high + (1 - share) * low) / 2)
        x = after((mean + deviation * torch.randn(x.shape, generator=g)).float(), s)
        seen.append(x)
    return seen


def courses():
    times = list(range(990, -1, -30))
    g = seeded(9)
    x = torch.randn(1, 3, 16, 16, generator=g)
    keep("course", course(guided(Nets.first, "a rocket ship", 7), x, times, g), [1, 11, 22])

    image = OUT["edit.image"]
    g = seeded(10)
    keep("strip", course(guided(Nets.first, "a pencil", 1), forward(image, 690, g), times[10:], g),
         [5, 10, 15])
    g = seeded(11)
    mask = torch.zeros(1, 1, 16, 24)
    mask[:, :, 3:12, 5:20] = 1
    x = torch.randn(image.shape, generator=g)
    keep("course-inpaint", course(
        guided(Nets.first, "a rocket ship", 7), x, list(range(990, -1, -90)), g,
        after=lambda x, t: mask * x + (1 - mask) * forward(image, t, g)), [1, 6])
    g = seeded(12)
    x = torch.randn(1, 3, 24, 24, generator=g)
    keep("hybrid", course(hybrid(guided(Nets.first, "a rocket ship", 7), guided(Nets.first, "a pencil", 7)),
                          x, list(range(990, -1, -165)), g), [1, 3])


def illusions():
    low = OUT["second.low"]
    for i, view in enumerate(VIEWS):
        pair = [guided(Nets.first, p, 7) for p in ("a pencil", "a rocket ship")]
        g = seeded(20 + i)
        x = torch.randn(1, 3, 16, 16, generator=g)
        keep(f"{view}", stepped(anagram(*pair, view), x, "small-I", 5, g), [1, 3])
        g = seeded(30 + i)
        x = torch.randn(1, 3, 32, 32, generator=g)
        up = F.interpolate(low, (32, 32), mode="bilinear", align_corners=True)
        aux = forward(up, 50, g)
        pair = [guided(Nets.second, p, 4, level=50) for p in ("a pencil", "a rocket ship")]
        keep(f"{view}.second", stepped(anagram(*pair, view, aux), x, "small-II", 5, g), [1])


def main():
    pipelines()
    two_stages()
    courses()
    illusions()
    for name, v in OUT.items():
        print(f"{name:20} {list(v.shape)} {v.min():9.3f} to {v.max():8.3f}")
    save(OUT, "walks.safetensors")


if __name__ == "__main__":
    main()
