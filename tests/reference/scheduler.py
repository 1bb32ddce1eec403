#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Truth for tests/scheduler: writes scheduler.safetensors and scheduler-draws.safetensors.

Run, from the root of the tree: python -P tests/reference/scheduler.py tests/golden. Made with Python
3.11, torch 2.15.0, diffusers 0.42.1, numpy 2.4.6; seeds 7 and 3.

Timesteps, single steps and whole walks come from the schedulers of diffusers, whose tables are put in
double precision first. The ancestral sampling of the MNIST nets is written out from its formulas.
"""
import sys

import diffusers.schedulers.scheduling_ddim as ddim_module
import diffusers.schedulers.scheduling_ddpm as ddpm_module
import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
)
from diffusers.pipelines.deepfloyd_if import timesteps as if_lists
from safetensors.torch import save_file

torch.manual_seed(7)
out = {}
x = torch.randn(2, 3, 4, 4, dtype=torch.float64).float()
eps = torch.randn(2, 3, 4, 4, dtype=torch.float64).float()
z = torch.randn(2, 3, 4, 4, dtype=torch.float64).float()
var = torch.rand(2, 3, 4, 4, dtype=torch.float64).float() * 2.4 - 1.2  # outside of [-1,1] too
out |= {"x": x, "eps": eps, "z": z, "var": var}
X, EPS, Z, VAR = (v.double() for v in (x, eps, z, var))


# Schedules, in double.
def cosine(n=1000):
    f = lambda u: np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2
    i = np.arange(n)
    return np.minimum(1 - f((i + 1) / n) / f(i / n), 0.999)


def linear(n):
    return np.linspace(1e-4, 0.02, n)


def alphas_cumprod(betas):
    return torch.from_numpy(np.cumprod(1 - betas))


out["cosine"] = alphas_cumprod(cosine())
out["linear"] = alphas_cumprod(linear(1000))


def in_double(scheduler, betas):
    scheduler.betas = torch.from_numpy(betas)
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = alphas_cumprod(betas)
    return scheduler


# Timesteps. Some counts of trailing end in t = -1 in diffusers; those are left out.
for spacing in ("leading", "trailing", "linspace"):
    for n in (1, 2, 5, 7, 10, 15, 20, 27, 30, 40, 48, 50, 96, 100, 150, 200, 333, 500, 1000):
        if spacing == "trailing" and n == 200:
            continue
        s = DDPMScheduler(timestep_spacing=spacing)
        s.set_timesteps(n)
        t = s.timesteps.int()
        assert len(t) == n and t.min() >= 0
        out[f"timesteps.{spacing}.{n}"] = t
    s = DDPMScheduler(num_train_timesteps=300, timestep_spacing=spacing)
    for n in (10, 43, 300):
        s.set_timesteps(n)
        out[f"timesteps300.{spacing}.{n}"] = s.timesteps.int()
NAMED = "fast27 smart27 smart50 smart100 smart185 super27 super40 super100".split()
for name in NAMED:
    out[f"timesteps.{name}"] = torch.tensor(getattr(if_lists, f"{name}_timesteps")).int()

# Single steps of ddpm over a list, with the noise given.
ddpm_module.randn_tensor = ddim_module.randn_tensor = lambda *a, **k: Z
for name, kind in (("posterior", "fixed_small"), ("beta", "fixed_large"), ("learned", "learned_range")):
    s = in_double(
        DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type=kind, clip_sample=False),
        cosine(),
    )
    s.set_timesteps(timesteps=list(range(990, -1, -30)))
    for t in (990, 690, 30, 0):
        answer = torch.cat([EPS, VAR], 1) if kind == "learned_range" else EPS
        y = s.step(answer, t, X).prev_sample
        out[f"ddpm.{name}.{t}"] = y.double()

# The same with learned variance between neighbours of each named list, near its start, in its middle
# and at its end.
s = in_double(
    DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", clip_sample=False),
    cosine(),
)
for name in NAMED:
    steps = getattr(if_lists, f"{name}_timesteps")
    s.set_timesteps(timesteps=steps)
    below = next(i for i, t in enumerate(steps) if t <= 990)
    for k, i in enumerate((below, len(steps) // 2, len(steps) - 2)):
        y = s.step(torch.cat([EPS, VAR], 1), steps[i], X).prev_sample
        out[f"ddpm.{name}.{k}"] = y.double()
        out[f"ddpm.{name}.{k}.t"] = torch.tensor(steps[i : i + 2]).int()

# ddim, 20 steps of 50 timesteps.
for prefix, betas in (("ddim", linear(1000)), ("ddim-cosine", cosine())):
    s = in_double(DDIMScheduler(clip_sample=False, set_alpha_to_one=True), betas)
    s.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    s.set_timesteps(20)
    for eta in (0, 0.5, 1):
        for t in (950, 500, 50, 0):
            y = s.step(EPS, t, X, eta=eta, variance_noise=Z if t else Z * 0).prev_sample
            out[f"{prefix}.{eta}.{t}"] = y.double()

# Whole walks on data of which eps is known: every pixel N(mean, 0.3^2).
mean = torch.linspace(-0.8, 0.8, 48, dtype=torch.float64).reshape(1, 3, 4, 4)
out["mean"] = mean.float()
mean = out["mean"].double()


def exact_eps(y, ab):
    a, s2 = ab**0.5, 1 - ab
    return s2**0.5 * (y - a * mean) / (a * a * 0.09 + s2)


# On the cosine schedule the library begins where log(alpha / sigma) is at least lambda_min_clipped.
clipped = {}
for kind, least, last in (("clipped", -5.1, 999), ("clipped-3", -3, 970), ("unclipped", -np.inf, 1000)):
    for spacing in ("linspace", "leading", "trailing"):
        s = DPMSolverMultistepScheduler(
            trained_betas=cosine(), lambda_min_clipped=least, timestep_spacing=spacing
        )
        s.set_timesteps(20)
        clipped[f"{kind}.{spacing}"] = (cosine(), s.timesteps.tolist())
        out[f"{kind}.{spacing}"] = s.timesteps.int()
        assert 900 < s.timesteps[0] < last

lists = {
    "linear.short": (linear(1000), list(range(900, -1, -100))),
    "linear.long": (linear(1000), list(range(950, -1, -50))),
    "cosine.long": (cosine(), list(range(960, -1, -48))),
} | clipped
for name, (betas, steps) in lists.items():
    ab = alphas_cumprod(betas)
    for order in (1, 2, 3):
        s = DPMSolverMultistepScheduler(
            trained_betas=betas, solver_order=order, algorithm_type="dpmsolver++", thresholding=False
        )
        s.set_timesteps(timesteps=steps)
        at = ab[torch.tensor(steps)]
        s.sigmas = torch.cat([((1 - at) / at) ** 0.5, torch.zeros(1, dtype=torch.float64)])
        y = X
        for i, t in enumerate(s.timesteps):
            # In float by their choice; the steps themselves are in the type of sigmas.
            y = s.step(exact_eps(y.double(), at[i]), t, y.double()).prev_sample
        out[f"dpmpp.{order}.{name}"] = y.double()
    s = EulerDiscreteScheduler(trained_betas=betas)
    s.set_timesteps(timesteps=steps)
    s.sigmas = torch.cat([((1 - at) / at) ** 0.5, torch.zeros(1, dtype=torch.float64)])
    s.is_scale_input_called = True
    y = X / at[0] ** 0.5
    for i, t in enumerate(s.timesteps):
        e = exact_eps(y.double() * at[i] ** 0.5, at[i])
        y = s.step(e, t, y.double()).prev_sample
    out[f"euler.{name}"] = y.double()

# Ancestral sampling as the MNIST nets want it: beta_t, t = 1..300, alpha_bar_0 = 1, no noise at t = 1.
beta = np.concatenate([[0], linear(300)])
ab = np.cumprod(1 - beta)
for t in (300, 100, 2, 1):
    a, b = ab[t], ab[t - 1]
    x0 = (X - np.sqrt(1 - a) * EPS) / np.sqrt(a)
    mu = np.sqrt(b) * beta[t] / (1 - a) * x0 + np.sqrt(1 - beta[t]) * (1 - b) / (1 - a) * X
    out[f"mnist.{t}"] = mu + np.sqrt(beta[t]) * (Z if t > 1 else 0 * Z)

save_file({k: v.contiguous() for k, v in out.items()}, sys.argv[1] + "/scheduler.safetensors")

# Inpainting with ddpm and torch's random numbers, for the order in which they are drawn: the start; in
# each step ddpm's, then inpaint's; none in the last one. The net is sdk/examples/gaussian.c at size 4
# with the prompt "red", the image is 0.25 everywhere, new are the pixels 1 and 2 of each side.
torch.manual_seed(3)
file = {}


def draw():
    z = torch.randn(2, 3, 4, 4)
    file[f"draw.{len(file):06}"] = z
    return z.double()


def level(t):
    u = torch.tensor(1.55 * (t + 1) / 1000, dtype=torch.float64)
    return torch.cos(u) ** 2


ramp = (2 * torch.arange(4) - 4).double() / 4
m = torch.sin(torch.arange(1, 4).double() * ord("r")).reshape(3, 1, 1) * ramp
mask = torch.zeros(4, 4, dtype=torch.float64)
mask[1:3, 1:3] = 1
y = draw()
for t in range(900, -1, -100):
    a, b = level(t), level(t - 100) if t else torch.tensor(1.0, dtype=torch.float64)
    e = (1 - a).sqrt() * (y - a.sqrt() * m) / (0.04 * a + 1 - a)
    x0 = (y - (1 - a).sqrt() * e) / a.sqrt()
    beta = 1 - a / b
    y = b.sqrt() * beta / (1 - a) * x0 + (a / b).sqrt() * (1 - b) / (1 - a) * y
    known = torch.full_like(y, 0.25)
    if t:
        y += beta.sqrt() * draw()
        known = b.sqrt() * known + (1 - b).sqrt() * draw()
    y = mask * y + (1 - mask) * known
file["image"] = y.float()
save_file(file, sys.argv[1] + "/scheduler-draws.safetensors")
