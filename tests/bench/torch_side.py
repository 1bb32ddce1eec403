# SPDX-License-Identifier: MIT
"""PyTorch's side of scripts/bench: JOB VARIANT THREADS OPTIONS. Answers each line of JSON on standard
input with one: {"seconds": [...], "rss": MB}."""
import contextlib
import gzip
import json
import os
import resource
import sys
import time

import numpy
import torch
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "reference"))
from mnist import Net  # noqa: E402
sys.path.pop(0)  # not for others: diffusers looks for a module that is named as one of ours

JOB, VARIANT, THREADS = sys.argv[1], sys.argv[2], int(sys.argv[3])
OPTIONS = json.loads(sys.argv[4])
LAST = VARIANT != "default"  # channels last


def cast():
    return torch.autocast("cpu", torch.bfloat16) if VARIANT == "bf16" else contextlib.nullcontext()


def layout(x):
    return x.contiguous(memory_format=torch.channels_last) if LAST and x.dim() == 4 else x


def timed(step, repeats):
    seconds = []
    for _ in range(repeats):
        begin = time.monotonic()
        step()
        seconds.append(time.monotonic() - begin)
    return seconds


def mnist_net(arch, hidden=64):
    net = Net(arch, hidden)
    return net.to(memory_format=torch.channels_last) if LAST else net


def mnist_step():
    """A training step of the time net on noise."""
    torch.manual_seed(0)
    net = mnist_net("time")
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    x = layout(torch.randn(128, 1, 28, 28))
    noise = layout(torch.randn(128, 1, 28, 28))
    t = torch.rand(128, 1)

    def step():
        adam.zero_grad(set_to_none=True)
        with cast():
            y = net(x, t)
        F.mse_loss(y.float(), noise).backward()
        adam.step()

    step()
    return lambda request: timed(step, request["repeats"])


def mnist_sample():
    """DDPM with guidance for 40 digits: the report's loop."""
    net = mnist_net("class").eval()
    beta = torch.linspace(1e-4, 0.02, 300)
    alpha = 1 - beta
    bar = torch.cumprod(alpha, 0)
    h = F.one_hot(torch.arange(40) % 10, 10).float()

    @torch.inference_mode()
    def sample(steps):
        x = torch.randn(40, 1, 28, 28)
        for i in range(steps - 1, -1, -1):
            with cast():
                both = net(layout(torch.cat([x, x])), torch.full((80, 1), (i + 1) / 300),
                           torch.cat([torch.zeros_like(h), h])).float()
            u, c = both.chunk(2)
            eps = u + 5 * (c - u)
            x0 = (x - (1 - bar[i]).sqrt() * eps) / bar[i].sqrt()
            before = bar[i - 1] if i else torch.tensor(1.0)
            x = (before.sqrt() * beta[i] * x0 + alpha[i].sqrt() * (1 - before) * x) / (1 - bar[i])
            if i:
                x = x + beta[i].sqrt() * torch.randn_like(x)

    sample(1)
    return lambda request: [s / request["steps"] for s in
                            timed(lambda: sample(request["steps"]), request["repeats"])]


def mnist_epoch():
    """A whole epoch, as a script would have it; the time counts from the start of the process."""
    net = mnist_net("time")
    folder = OPTIONS["digits"]
    with gzip.open(os.path.join(folder, "train-images-idx3-ubyte.gz")) as f:
        data = numpy.frombuffer(f.read(), numpy.uint8, offset=16).reshape(-1, 1, 28, 28)
    data = torch.from_numpy(data[:OPTIONS["images"]].astype(numpy.float32) / 127.5 - 1)
    bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 300), 0)
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    for rows in torch.randperm(len(data)).split(128):
        t = torch.randint(0, 300, (len(rows),))
        x, noise = data[rows], torch.randn(len(rows), 1, 28, 28)
        a = bar[t].reshape(-1, 1, 1, 1)
        adam.zero_grad(set_to_none=True)
        with cast():
            y = net(layout(a.sqrt() * x + (1 - a).sqrt() * noise), (t[:, None] + 1) / 300)
        F.mse_loss(y.float(), noise).backward()
        adam.step()
    torch.save(net.state_dict(), os.path.join(OPTIONS["folder"], "epoch.pt"))
    return None


def unet():
    """A call of a UNet of DeepFloyd IF, both halves of the guidance in one batch."""
    from if_nets import build
    net = build(OPTIONS["net"], OPTIONS["cache"]).eval()
    net = net.to(memory_format=torch.channels_last) if LAST else net
    size, channels = net.config.sample_size, net.config.in_channels
    x = layout(torch.randn(2, channels, size, size))
    text = torch.randn(2, 77, 4096)
    labels = torch.tensor([250, 250]) if channels == 6 else None

    @torch.inference_mode()
    def step():
        with cast():
            net(x, 500, text, class_labels=labels)

    step()
    return lambda request: timed(step, request["repeats"])


class T5Layer(torch.nn.Module):
    """The encoder layer of T5 v1.1 XXL."""

    def __init__(self):
        super().__init__()
        wide, hidden = 4096, 10240
        linear = lambda i, o: torch.nn.Linear(i, o, bias=False)
        self.q, self.k, self.v, self.o = (linear(wide, wide) for _ in range(4))
        self.wi_0, self.wi_1, self.wo = linear(wide, hidden), linear(wide, hidden), linear(hidden, wide)
        self.norm1, self.norm2 = torch.nn.RMSNorm(wide), torch.nn.RMSNorm(wide)

    def forward(self, x, bias):
        y = self.norm1(x)
        heads = lambda z: z.reshape(*z.shape[:2], 64, 64).transpose(1, 2)
        y = F.scaled_dot_product_attention(heads(self.q(y)), heads(self.k(y)), heads(self.v(y)),
                                           attn_mask=bias, scale=1.0)
        x = x + self.o(y.transpose(1, 2).reshape(x.shape))
        y = self.norm2(x)
        return x + self.wo(F.gelu(self.wi_0(y), approximate="tanh") * self.wi_1(y))


def t5():
    layer = T5Layer()
    if VARIANT == "bf16":  # all of it, as its users do
        layer = layer.bfloat16()
    x = torch.randn(1, 77, 4096, dtype=layer.q.weight.dtype)
    bias = torch.randn(1, 64, 77, 77, dtype=layer.q.weight.dtype)

    @torch.inference_mode()
    def step():
        layer(x, bias)

    step()
    return lambda request: timed(step, request["repeats"])


def make_op(name, n):
    """A function that does what an operation of ops.c does with these numbers."""
    if name in ("conv", "conv_dx", "conv_dw"):
        images, ci, co, size, k, s, transposed = n
        pad = (k - s + 1) // 2 if transposed else k // 2
        x = layout(torch.randn(images, ci, size, size))
        w = torch.randn((ci, co, k, k) if transposed else (co, ci, k, k))
        w = layout(w)
        bias = torch.randn(co)
        if name == "conv":
            op = F.conv_transpose2d if transposed else F.conv2d
            return lambda: op(x, w, bias, s, pad)
        out = (size - 1) * s + k - 2 * pad if transposed else (size + 2 * pad - k) // s + 1
        d = layout(torch.randn(images, co, out, out))
        mask = [name == "conv_dx", name == "conv_dw", False]
        if VARIANT == "bf16":
            x, w, d = x.bfloat16(), w.bfloat16(), d.bfloat16()
        return lambda: torch.ops.aten.convolution_backward(
            d, x, w, None, [s, s], [pad, pad], [1, 1], bool(transposed), [0, 0], 1, mask)
    if name == "linear":
        rows, i, o, _half = n
        x, layer = torch.randn(rows, i), torch.nn.Linear(i, o)
        return lambda: layer(x)
    if name == "attention":
        images, l, m, m2, heads, width = n
        q = torch.randn(images, heads, l, width)
        k, v = (torch.randn(images, heads, m + m2, width) for _ in range(2))
        if VARIANT == "bf16":
            q, k, v = q.bfloat16(), k.bfloat16(), v.bfloat16()
        return lambda: F.scaled_dot_product_attention(q, k, v, scale=0.125)
    images, size, c = n
    x = layout(torch.randn(images, c, size, size))
    gamma, beta = torch.randn(c), torch.randn(c)
    if VARIANT == "bf16":
        x = x.bfloat16()
    if name == "group_norm":
        scale, shift = (torch.randn(images, c, 1, 1, dtype=x.dtype) for _ in range(2))
        g, b = gamma.to(x.dtype), beta.to(x.dtype)
        return lambda: F.gelu(F.group_norm(x, 32, g, b) * (1 + scale) + shift)
    if name == "batch_norm":
        mean, var = torch.zeros(c), torch.ones(c)
        return lambda: F.gelu(F.batch_norm(x, mean, var, gamma, beta, True))
    if name == "gelu":
        return lambda: F.gelu(x)
    raise SystemExit(f"no operation {name}")


def ops():
    made = {}

    @torch.no_grad()
    def answer(request):
        key = request["what"]
        if key not in made:
            name, *numbers = key.split()
            made.clear()
            made[key] = make_op(name, [int(i) for i in numbers])
            with cast():
                made[key]()
        with cast():
            return timed(made[key], request["repeats"])

    return answer


def main():
    # Answers have standard output to themselves: libraries may print there too.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(THREADS)
    torch.set_num_interop_threads(1)
    jobs = {"mnist-step": mnist_step, "mnist-sample": mnist_sample, "mnist-epoch": mnist_epoch,
            "unet": unet, "t5": t5, "ops": ops}
    answer = jobs[JOB]()
    for line in sys.stdin:
        request = json.loads(line)
        seconds = answer(request) if request and answer else []
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "rss": rss}), file=answers, flush=True)


main()
