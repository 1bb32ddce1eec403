# SPDX-License-Identifier: MIT
"""Digits sampled by PyTorch: what tests/parity compares the whole program with.

Written with torch 2.15.0 and safetensors 0.8.0, on x86-64 with AVX2. Seeds are in the code. Run:
    python -P tests/reference/sampling.py share/mnist tests/golden
Trains three tiny nets for a moment, so that walks stay where digits are, and writes them in half
precision under the names of three public codes. Samples in float64 from these weights and from float32
draws of torch's generator, which the program makes again; prints how far float32 strays from that.
"""
import sys

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, __file__.rpartition("/")[0])
from classifier import load  # noqa: E402
from mnist import Net, names_j, names_t, names_x, one_hot, renamed  # noqa: E402

T, HIDDEN, STEPS, BATCH = 300, 8, 500, 64
NETS = {"plain": names_j, "time": names_t, "class": names_x}


def train(arch, x, y):
    torch.manual_seed(len(arch))
    net = Net(arch, HIDDEN, skip_first=arch == "plain")
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T), 0)
    for step in range(STEPS):
        index = torch.randint(len(x), (BATCH,))
        x0, e, t = x[index], torch.randn(BATCH, 1, 28, 28), torch.randint(1, T + 1, (BATCH,))
        keep = (torch.rand(BATCH) > 0.1).float()[:, None]
        a = alpha_bar[t - 1][:, None, None, None]
        target = x0 if arch == "plain" else e
        xt = x0 + 0.5 * e if arch == "plain" else a.sqrt() * x0 + (1 - a).sqrt() * e
        h = one_hot(y[index].tolist()).float() * keep
        args = {"plain": (), "time": (t[:, None] / T,), "class": (t[:, None] / T, h)}[arch]
        loss = ((net(xt, *args) - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    print(f"{arch}: last loss {loss.item():.3f}", flush=True)
    return net


def save_net(net, path):
    """In half precision, but for the schedule."""
    state = renamed(net, NETS[net.arch](net.arch))
    if net.arch == "class":
        betas = torch.linspace(1e-4, 0.02, T)
        state = {f"unet.{k}": v for k, v in state.items()}
        state["ddpm_schedule.betas"], state["ddpm_schedule.alphas"] = betas, 1 - betas
        state["ddpm_schedule.alpha_bars"] = torch.cumprod(1 - betas, 0)
    half = lambda k, v: v.half() if v.is_floating_point() and not k.startswith("ddpm") else v
    save_file({k: half(k, v.contiguous()) for k, v in state.items()}, path)


def restore(arch, path):
    """The net as it was written, and alpha_bar of t = 0..T."""
    stored, net = load_file(path), Net(arch, HIDDEN, skip_first=arch == "plain")
    prefix = "unet." if arch == "class" else ""
    for theirs, ours in NETS[arch](arch):
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            if f"{ours}.{leaf}" in net.state_dict():
                net.state_dict()[f"{ours}.{leaf}"].copy_(stored[f"{prefix}{theirs}.{leaf}"])
    beta = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    if arch == "class":
        beta = stored["ddpm_schedule.betas"].double()
    alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)])
    return net.eval(), alpha_bar.tolist()


class Sampler:
    """Chains of the program, in one precision. draw(shape) gives float32 normal numbers."""

    def __init__(self, folder, dtype):
        self.nets = {a: restore(a, f"{folder}/sampling-{a}.safetensors") for a in NETS}
        self.dtype = dtype
        for net, _ in self.nets.values():
            net.to(dtype)

    def eps(self, arch, x, t, prompts=None):
        tt = torch.full((len(x), 1), t / T, dtype=self.dtype)
        h = () if arch == "time" else (one_hot(prompts).to(self.dtype),)
        return self.nets[arch][0](x, tt, *h)

    def guided(self, scale, prompts):
        """Ho and Salimans: away from the estimate for the zero vector."""
        def f(x, t):
            none = self.eps("class", x, t, [-1] * len(x))
            return none + scale * (self.eps("class", x, t, prompts) - none)
        return f

    def anagram(self, scale, first, second):
        turn = lambda v: torch.rot90(v, 2, (2, 3))
        a, b = (lambda n: (self.guided(scale, [first] * n), self.guided(scale, [second] * n)))(2)
        return lambda x, t: (a(x, t) + turn(b(turn(x), t))) / 2

    def noised(self, arch, x0, t, draw):
        bar = self.nets[arch][1][t]
        return bar ** 0.5 * x0.to(self.dtype) + (1 - bar) ** 0.5 * draw(x0.shape).to(self.dtype)

    def x0(self, arch, x, t, eps):
        bar = self.nets[arch][1][t]
        return (x - (1 - bar) ** 0.5 * eps) / bar ** 0.5

    def ddpm(self, arch, eps, x, times, draw, posterior=False, at=()):
        """Ho et al. 2020, algorithm 2; also between timesteps that are no neighbours."""
        bars, seen = self.nets[arch][1], {}
        x = x.to(self.dtype)
        for t, s in zip(times, times[1:] + [0]):
            a, b = bars[t], bars[s]
            alpha = a / b
            beta = 1 - alpha
            mean = (b ** 0.5 * beta * self.x0(arch, x, t, eps(x, t))
                    + alpha ** 0.5 * (1 - b) * x) / (1 - a)
            sigma = (beta * (1 - b) / (1 - a) if posterior else beta) ** 0.5
            x = mean + sigma * draw(x.shape).to(self.dtype) if s else mean
            if s in at:
                seen[s] = x
        return x, seen

    def ddim(self, arch, eps, x, times, draw=None, eta=0.0):
        """Song et al. 2021, equation 12."""
        bars = self.nets[arch][1]
        x = x.to(self.dtype)
        for t, s in zip(times, times[1:] + [0]):
            a, b, e = bars[t], bars[s], eps(x, t)
            sigma = eta * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
            x0 = self.x0(arch, x, t, e)
            x = b ** 0.5 * x0 + (1 - b - sigma ** 2) ** 0.5 * e
            if eta and s:
                x = x + sigma * draw(x.shape).to(self.dtype)
        return x


def leading(steps):
    return [1 + T // steps * k for k in reversed(range(steps))]


def seeded(seed):
    generator = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(tuple(shape), generator=generator)


def listed(draws):
    waiting = iter(draws)
    return lambda shape: next(waiting).reshape(shape)


def cases(s, digits, draws):
    """Name: tensor. Each block is a test of tests/parity/sampling.bats."""
    time = lambda x, t: s.eps("time", x, t)
    every, two = list(range(T, 0, -1)), (2, 1, 28, 28)
    out = {}

    draw = seeded(11)
    out["walk.x0"], seen = s.ddpm("class", s.guided(5, [3, -1, 7]), draw((3, 1, 28, 28)), every, draw,
                                  at=(200, 50))
    out.update({f"walk.t{t}": x for t, x in seen.items()})
    draw = seeded(12)
    out["posterior"], _ = s.ddpm("time", time, draw(two), every, draw, posterior=True)
    draw = seeded(13)
    x = draw(two)
    out["ddim20"] = s.ddim("time", time, x, leading(20))
    out["ddim50"] = s.ddim("class", s.guided(5, [1, 8]), x, leading(50))
    draw = listed(draws)
    out["ddpm6"], _ = s.ddpm("time", time, draw(two), leading(6), draw)
    draw = listed(draws)
    out["ddim6"] = s.ddim("time", time, draw(two), leading(6), draw, eta=0.5)

    draw = seeded(14)
    x = s.noised("class", digits, 150, draw)
    out["edit"], _ = s.ddpm("class", s.guided(5, [3, 9]), x, list(range(150, 0, -1)), draw)
    x = s.noised("class", digits, 100, seeded(15))
    out["predict.eps"] = s.eps("class", x, 100, [3, -1])
    out["predict.x0"] = s.x0("class", x, 100, out["predict.eps"])
    out["anagram"] = s.ddim("class", s.anagram(5, 6, 9), seeded(16)(two), leading(10))

    plain = s.nets["plain"][0]
    out["plain.x0"] = plain(digits.to(s.dtype))
    out["plain.denoise"] = plain((digits + 0.5 * seeded(17)(two).double()).to(s.dtype))
    return out


def main(data, folder):
    torch.set_num_threads(1)
    x, y = load(data, "train")
    for arch in NETS:
        save_net(train(arch, x, y), f"{folder}/sampling-{arch}.safetensors")
    draws = list(seeded(10)((6, 2, 1, 28, 28)))
    save_file({f"draw.{i:06d}": v.clone() for i, v in enumerate(draws)},
              f"{folder}/sampling-draws.safetensors")
    digits = load(data, "t10k")[0][:2]
    with torch.no_grad():
        want, got = (cases(Sampler(folder, d), digits, draws) for d in (torch.float64, torch.float32))
    for name, v in want.items():
        print(f"{name:14} {v.min():8.3f} to {v.max():7.3f}, float32 off by"
              f" {(v - got[name]).abs().max():.1e}")
    save_file({k: v.float().contiguous() for k, v in want.items()}, f"{folder}/sampling.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
