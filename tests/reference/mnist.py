# SPDX-License-Identifier: MIT
"""The MNIST UNets in PyTorch: what tests/net and tests/train compare with.

Written with torch 2.15.0, safetensors 0.8.0. Seeds are in the code. Run:
    python -P tests/reference/mnist.py tests/golden
Everything is computed in float64 from float32 weights and inputs, then rounded to float32.
"""
import math
import os
import struct
import sys
from collections import OrderedDict

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

CLASSES = 10


def conv(ci, co):
    return nn.Conv2d(ci, co, 3, 1, 1)


class Block(nn.Module):
    """A convolution, batch norm, GELU."""

    def __init__(self, layer, co):
        super().__init__()
        self.conv, self.norm = layer, nn.BatchNorm2d(co)

    def forward(self, x):
        return F.gelu(self.norm(self.conv(x)))


def linear(ci, co):
    return nn.Sequential(nn.Linear(ci, co), nn.GELU(), nn.Linear(co, co))


class Net(nn.Module):
    """arch: plain, time or class. skip_first: the order of the two inputs of each concat."""

    def __init__(self, arch, d, skip_first=False):
        super().__init__()
        self.arch, self.skip_first = arch, skip_first
        double = lambda ci, co: [Block(conv(ci, co), co), Block(conv(co, co), co)]
        down = lambda ci, co: [Block(nn.Conv2d(ci, co, 3, 2, 1), co)] + double(co, co)
        up = lambda ci, co: [Block(nn.ConvTranspose2d(ci, co, 4, 2, 1), co)] + double(co, co)
        seq = lambda blocks: nn.Sequential(*blocks)
        setattr(self, "in", seq(double(1, d)))
        self.down1, self.down2 = seq(down(d, d)), seq(down(d, 2 * d))
        self.unflatten = Block(nn.ConvTranspose2d(2 * d, 2 * d, 7, 7, 0), 2 * d)
        self.up1, self.up2 = seq(up(4 * d, d)), seq(up(2 * d, d))
        self.out = seq(double(2 * d, d))
        self.head = conv(d, 1)
        if arch != "plain":
            self.time1 = linear(1, 2 * d)
            if arch == "class":
                self.class1 = linear(CLASSES, 2 * d)
            self.time2 = linear(1, d)
            if arch == "class":
                self.class2 = linear(CLASSES, d)

    def concat(self, a, skip):
        return torch.cat([skip, a] if self.skip_first else [a, skip], 1)

    def forward(self, x, t=None, h=None):
        a0 = getattr(self, "in")(x)
        a1 = self.down1(a0)
        a2 = self.down2(a1)
        u = self.unflatten(F.gelu(F.avg_pool2d(a2, 7)))
        flat = lambda v: v[:, :, None, None]
        if self.arch == "class":
            u = flat(self.class1(h)) * u
        if self.arch != "plain":
            u = u + flat(self.time1(t))
        r = self.up1(self.concat(u, a2))
        if self.arch == "class":
            r = flat(self.class2(h)) * r
        if self.arch != "plain":
            r = r + flat(self.time2(t))
        r = self.up2(self.concat(r, a1))
        return self.head(self.out(self.concat(r, a0)))


def weights(net):
    """Names and tensors as kiln writes them."""
    return {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}


def single(tensors):
    return {k: v.detach().to(torch.float32).contiguous().clone() for k, v in tensors.items()}


def meta(arch, d, objective):
    return {"kiln.net": '{"kind":"mnist-unet","arch":"%s","hidden":%d,"T":300,'
                        '"beta_start":0.0001,"beta_end":0.02}' % (arch, d),
            "kiln.objective": objective}


def shake(net, seed):
    """Norms that are no identity."""
    torch.manual_seed(seed)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.uniform_(m.bias, -0.5, 0.5)
            nn.init.uniform_(m.running_mean, -0.3, 0.3)
            nn.init.uniform_(m.running_var, 0.2, 1.5)


def one_hot(labels):
    return torch.stack([F.one_hot(torch.tensor(k), CLASSES) if k >= 0 else torch.zeros(CLASSES)
                        for k in labels]).double()


def net_golden(arch, d, seed, folder):
    """A forward pass in both modes, and every gradient."""
    torch.manual_seed(seed)
    net = Net(arch, d)
    shake(net, seed + 1)
    save_file(single(weights(net)), f"{folder}/mnist-weights-{arch}.safetensors",
              metadata=meta(arch, d, "denoise" if arch == "plain" else "eps"))
    out = {}
    net.double()
    x = torch.randn(3, 1, 28, 28)
    t = torch.tensor([1.0, 150.0, 300.0])
    labels = [7, -1, 3]
    args = {"plain": (), "time": (t[:, None].double() / 300,),
            "class": (t[:, None].double() / 300, one_hot(labels))}[arch]
    dout = torch.randn(3, 1, 28, 28) / 784
    net.eval()
    with torch.no_grad():
        out["test.eval"] = net(x.double(), *args).float()
    net.train()
    y = net(x.double(), *args)
    y.backward(dout.double())
    out.update({"test.x": x, "test.t": t, "test.label": torch.tensor(labels), "test.dout": dout})
    out["test.train"] = y.detach().float()
    out.update(single({"grad." + k: p.grad for k, p in net.named_parameters()}))
    out.update(single({"after." + k: v for k, v in weights(net).items() if "running" in k}))
    save_file(out, f"{folder}/mnist-net-{arch}.safetensors")


IMAGES, BATCH, STEPS, EPOCHS, T = 5, 2, 20, 7, 300
LR, LR_END, SIGMA = 1e-3, 1e-4, 0.5


def draws(path):
    """Data and draws of a short training; the last batch of each epoch has one image."""
    torch.manual_seed(100)
    d = {"data.image": torch.randint(0, 256, (IMAGES, 1, 28, 28)).float() / 255,
         "data.label": torch.tensor([3, 1, 4, 1, 5]),
         "train.t": torch.randint(1, T + 1, (STEPS, BATCH)),
         "train.noise": torch.randn(STEPS, BATCH, 1, 28, 28),
         "train.keep": (torch.rand(STEPS, BATCH) > 0.3).float()}
    d["train.order"] = torch.full((STEPS, BATCH), -1)
    per_epoch = math.ceil(IMAGES / BATCH)
    for epoch in range(EPOCHS):
        order = torch.randperm(IMAGES)
        for k in range(per_epoch):
            step = epoch * per_epoch + k
            if step < STEPS:
                part = order[k * BATCH:(k + 1) * BATCH]
                d["train.order"][step, :len(part)] = part
    save_file(d, path)
    return d


def train(net, d, objective, dtype):
    net.train().to(dtype)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, (LR_END / LR) ** (1 / EPOCHS))
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), 0)
    per_epoch = math.ceil(IMAGES / BATCH)
    losses = []
    for step in range(STEPS):
        if step and step % per_epoch == 0:
            scheduler.step()
        index = d["train.order"][step]
        index = index[index >= 0]
        n = len(index)
        x0, e = d["data.image"][index].to(dtype), d["train.noise"][step, :n].to(dtype)
        t = d["train.t"][step, :n]
        shape = lambda v: v.to(dtype)[:, None, None, None]
        if objective == "eps":
            a, s, target = shape(alpha_bar[t - 1].sqrt()), shape((1 - alpha_bar[t - 1]).sqrt()), e
        elif objective == "flow":
            s, target = shape(t.double() / T), e - x0
            a = 1 - s
        else:
            a, s, target, t = 1, SIGMA, x0, torch.full((n,), SIGMA)
        h = one_hot(d["data.label"][index].tolist()).to(dtype) * d["train.keep"][step, :n, None]
        args = {"plain": (), "time": (t[:, None].to(dtype) / T,),
                "class": (t[:, None].to(dtype) / T, h.to(dtype))}[net.arch]
        loss = F.mse_loss(net(a * x0 + s * e, *args), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def wanders(name):
    """Biases before a norm have no gradient but rounding, and their running means follow them."""
    return name.endswith("running_mean") or (name.endswith(".conv.bias") and name != "head.bias")


def train_golden(arch, d_hidden, seed, d, folder):
    for objective in {"plain": ["denoise"]}.get(arch, ["eps", "flow", "denoise"]):
        torch.manual_seed(seed)
        net = Net(arch, d_hidden)
        start = single(weights(net))
        save_file(start, f"{folder}/mnist-start-{arch}.safetensors",
                  metadata=meta(arch, d_hidden, "denoise" if arch == "plain" else "eps"))
        losses = train(net, d, objective, torch.float64)
        out = {k: v for k, v in single(weights(net)).items() if not wanders(k)}
        out["losses"] = torch.tensor(losses, dtype=torch.float64)
        save_file(out, f"{folder}/mnist-train-{arch}-{objective}.safetensors")
        # How far float32 goes from float64 in torch itself: where the tolerances come from.
        again = Net(arch, d_hidden)
        again.load_state_dict(start, strict=False)
        losses32 = train(again, d, objective, torch.float32)
        worst = max((float((v - weights(again)[k]).abs().max()), k) for k, v in out.items()
                    if k != "losses")
        print(arch, objective, "first and last loss %.6f %.6f" % (losses[0], losses[-1]),
              "float32: losses off by %.1e," % max(abs(a - b) / a for a, b in zip(losses, losses32)),
              "weights by %.1e (%s)" % worst)


# The names of three public codes, in their order of definition, and our stem for each.
def names_t(arch):
    out = [(f"input_conv.layers.{i}", f"in.{i}") for i in (0, 1)]
    for k in (0, 1):
        out += [(f"down_blocks.{k}.layers.0", f"down{k + 1}.0")]
        out += [(f"down_blocks.{k}.layers.1.layers.{i}", f"down{k + 1}.{i + 1}") for i in (0, 1)]
    out += [("unflatten", "unflatten")]
    for k in (0, 1):
        out += [(f"up_blocks.{k}.layers.0", f"up{k + 1}.0")]
        out += [(f"up_blocks.{k}.layers.1.layers.{i}", f"up{k + 1}.{i + 1}") for i in (0, 1)]
    out += [(f"out_conv1.layers.{i}", f"out.{i}") for i in (0, 1)]
    out = [(f"{a}.{p}", f"{b}.{q}") for a, b in out for p, q in (("conv", "conv"), ("bn", "norm"))]
    out += [("out_conv2", "head")]
    for a, b in (("fc_lower", "time1"), ("fc_higher", "time2")):
        out += [(f"{a}.layers.{i}", f"{b}.{i}") for i in (0, 2)]
    return out


def names_x(arch):
    pair = lambda a, b, first: [(f"{a}.conv{i + 1}.conv", f"{b}.{i + first}") for i in (0, 1)]
    out = pair("conv_in", "in", 0)
    for k in (1, 2):
        out += [(f"down{k}.downconv.downconv", f"down{k}.0")]
        out += pair(f"down{k}.convblock", f"down{k}", 1)
    out += [("unflatten.unflatten", "unflatten")]
    for k in (1, 2):
        out += [(f"up{k}.upconv.upconv", f"up{k}.0")] + pair(f"up{k}.convblock", f"up{k}", 1)
    out += pair("conv_out", "out", 0)
    out = [(f"{a}.{p}", f"{b}.{q}") for a, b in out for p, q in (("0", "conv"), ("1", "norm"))]
    out += [("final_conv", "head")]
    for a, b in (("fc1_t", "time1"), ("fc1_c", "class1"), ("fc2_t", "time2"), ("fc2_c", "class2")):
        out += [(f"{a}.block.{i}", f"{b}.{i}") for i in (0, 2)]
    return out


def names_j(arch):
    pair = lambda a, b, first: [(f"{a}.conv{i + 1}", f"{b}.{i + first}") for i in (0, 1)]
    out = pair("convblock1", "in", 0) + pair("convblock2", "out", 0)
    for k in (1, 2):
        out += [(f"downblock{k}.downconv", f"down{k}.0")]
        out += pair(f"downblock{k}.convblock", f"down{k}", 1)
    out = [(f"{a}.{p}", f"{b}.{q}") for a, b in out for p, q in (("conv", "conv"), ("bn", "norm"))]
    out += [("unflatten.unflatten", "unflatten.conv"), ("unflatten.bn", "unflatten.norm")]
    ups = []
    for k in (1, 2):  # from the image down
        ups += [(f"upblock{k}.upconv", f"up{3 - k}.0")] + pair(f"upblock{k}.convblock", f"up{3 - k}", 1)
    out += [(f"{a}.{p}", f"{b}.{q}") for a, b in ups for p, q in (("conv", "conv"), ("bn", "norm"))]
    time = "_time" if arch == "class" else ""
    blocks = [(f"fcblock2{time}", "time2"), ("fcblock2_class", "class2"),
              (f"fcblock3{time}", "time1"), ("fcblock3_class", "class1")]
    for a, b in blocks:
        if arch == "class" or "class" not in a:
            out += [(f"{a}.fc{i + 1}", f"{b}.{2 * i}") for i in (0, 1)]
    return out + [("conv", "head")]


def renamed(net, names):
    have, out = net.state_dict(), OrderedDict()
    for theirs, ours in names:
        for leaf in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            if f"{ours}.{leaf}" in have:
                out[f"{theirs}.{leaf}"] = have[f"{ours}.{leaf}"].clone()
    assert len(out) == len(have), (len(out), len(have))
    return out


def checkpoint_golden(folder):
    """Files as public code saves them, and what its nets answer."""
    torch.manual_seed(200)
    x, t, labels = torch.randn(2, 1, 28, 28), torch.tensor([10.0, 42.0]), [2, -1]
    want = {"x": x, "t": t, "label": torch.tensor(labels)}
    betas = torch.linspace(1e-4, 0.03, 50)
    alphas = 1 - betas
    cases = {"t": ("time", names_t, False), "x": ("class", names_x, False),
             "j": ("class", names_j, True), "j-time": ("time", names_j, True)}
    for seed, (name, (arch, table, skip_first)) in enumerate(cases.items()):
        torch.manual_seed(300 + seed)
        net = Net(arch, 2, skip_first)
        shake(net, 400 + seed)
        state = renamed(net, table(arch))
        steps = 300
        if name == "x":  # a module of its own around the net, with the schedule
            steps = 50
            state = OrderedDict((f"unet.{k}", v) for k, v in state.items())
            state["ddpm_schedule.betas"], state["ddpm_schedule.alphas"] = betas, alphas
            state["ddpm_schedule.alpha_bars"] = torch.cumprod(alphas, 0)
        net.double().eval()
        args = [t[:, None].double() / steps] + ([one_hot(labels)] if arch == "class" else [])
        with torch.no_grad():
            want[f"answer.{name}"] = net(x.double(), *args).float()
        torch.save(state, f"{folder}/mnist-ckpt-{name}.pt")
        save_file(state, f"{folder}/mnist-ckpt-{name}.safetensors")
        if name == "t":  # names that nobody knows, in the order of the forward pass
            unknown = OrderedDict((f"p{1000 - i}", v) for i, (k, v) in enumerate(state.items())
                                  if not k.endswith("num_batches_tracked"))
            torch.save(unknown, f"{folder}/mnist-ckpt-unknown.pt")
    want["alpha_bar"] = torch.cumprod(1 - betas.double(), 0)
    save_file(want, f"{folder}/mnist-ckpt.safetensors")


def idx_golden(d, folder):
    """The data of draws() as a folder of IDX files, for the program itself."""
    os.makedirs(folder, exist_ok=True)
    image = (d["data.image"] * 255).round().to(torch.uint8)
    assert torch.equal(image.float() / 255, d["data.image"])
    head = lambda kind, *sizes: struct.pack(f">I{len(sizes)}I", 0x800 + kind, *sizes)
    with open(f"{folder}/train-images-idx3-ubyte", "wb") as f:
        f.write(head(3, IMAGES, 28, 28) + image.numpy().tobytes())
    with open(f"{folder}/train-labels-idx1-ubyte", "wb") as f:
        f.write(head(1, IMAGES) + d["data.label"].to(torch.uint8).numpy().tobytes())


def sample(net, labels, scale, dtype):
    """All 300 steps from torch.manual_seed(7), noise of variance beta, none at the last."""
    torch.manual_seed(7)
    n = len(labels)
    net.to(dtype).eval()
    beta = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    ab = torch.cumprod(1 - beta, 0)
    x = torch.randn(n, 1, 28, 28).to(dtype)
    with torch.no_grad():
        for t in range(T, 0, -1):
            z = torch.randn(n, 1, 28, 28).to(dtype) if t > 1 else 0
            at, prev = ab[t - 1], ab[t - 2] if t > 1 else torch.tensor(1.0, dtype=torch.float64)
            b, a = beta[t - 1], 1 - beta[t - 1]
            time = torch.full((n, 1), t / T, dtype=dtype)
            if net.arch == "class":
                h = one_hot(labels).to(dtype)
                uncond = net(x, time, torch.zeros_like(h))
                eps = uncond + scale * (net(x, time, h) - uncond)
            else:
                eps = net(x, time)
            x0 = (x - (1 - at).sqrt() * eps) / at.sqrt()
            x = prev.sqrt() * b / (1 - at) * x0 + a.sqrt() * (1 - prev) / (1 - at) * x
            x = (x + b.sqrt() * z).to(dtype)
    return x


def sample_golden(folder):
    out = {}
    for seed, arch in ((1, "time"), (2, "class")):
        net = Net(arch, 6)
        with safe_open(f"{folder}/mnist-weights-{arch}.safetensors", "pt") as f:
            net.load_state_dict({k: f.get_tensor(k) for k in f.keys()}, strict=False)
        x = sample(net, [3, 8], 5, torch.float64)
        again = sample(net, [3, 8], 5, torch.float32)
        print(f"samples of {arch}: up to %.3g, float32 off by %.1e"
              % (x.abs().max(), (x - again).abs().max()))
        save_file({"image": x.float()}, f"{folder}/mnist-sample-{arch}.safetensors",
                  metadata={"kiln.stream": "1", "kiln.doc": "0", "kiln.docs": "1",
                            "kiln.range": "0,1"})


def main(folder):
    torch.set_num_threads(1)
    for seed, arch in enumerate(("plain", "time", "class")):
        net_golden(arch, 6, 10 * seed, folder)
    d = draws(f"{folder}/mnist-draws.safetensors")
    for seed, arch in enumerate(("plain", "time", "class")):
        train_golden(arch, 4, 500 + seed, d, folder)
    idx_golden(d, f"{folder}/mnist-five")
    checkpoint_golden(folder)
    sample_golden(folder)


if __name__ == "__main__":
    main(sys.argv[1])
