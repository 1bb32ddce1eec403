#!/usr/bin/env python3
# Makes tests/golden/kernels.safetensors: inputs and what PyTorch makes of them, for the reference
# kernels. Inputs are float32; PyTorch computes in float64, and results are rounded to float32 once.
# Pillow's resizes of "F" images are float32 inside.
#
#     tests/reference/kernels.py tests/golden/kernels.safetensors
#
# Made with PyTorch 2.15.0, Pillow 13.0.0, safetensors 0.8.0; seed 5.
# SPDX-License-Identifier: MIT
import math
import sys

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

torch.manual_seed(5)
tensors = {}


def put(case, **values):
    for name, value in values.items():
        if value is not None:
            value = value.detach()
            if value.dtype == torch.float64:
                value = value.float()
            tensors[f"{case}.{name}"] = value.contiguous().clone()


def rand(*shape, scale=1.0, shift=0.0):
    """Float32 numbers, held as float64, that want a gradient."""
    x = torch.randn(*shape, dtype=torch.float32) * scale + shift
    return x.float().double().requires_grad_()


def nhwc(x):
    return x.movedim(1, -1) if x is not None else None


def conv(case, n, ci, co, h, w, k, s, p, transposed=False, act=None, add=False, scale=1.0):
    x = rand(n, ci, h, w)
    weight = rand(ci, co, k, k, scale=0.3) if transposed else rand(co, ci, k, k, scale=0.3)
    bias = rand(co)
    f = F.conv_transpose2d if transposed else F.conv2d
    y = f(x, weight, bias, stride=s, padding=p)
    dy = torch.randn_like(y).float().double()
    y.backward(dy)
    plus = rand(*y.shape) if add else None
    out = scale * (y + plus if add else y)
    if act:
        out = act(out)
    put(case, x=nhwc(x), w=weight, bias=bias, dout=nhwc(dy), out=nhwc(out), add=nhwc(plus),
        dx=nhwc(x.grad), dw=weight.grad, dbias=bias.grad)


conv("conv3", 2, 3, 5, 7, 6, 3, 1, 1)
conv("conv3s2", 2, 4, 3, 7, 8, 3, 2, 1)
conv("conv4t", 2, 3, 4, 3, 4, 4, 2, 1, transposed=True)
conv("conv7t", 2, 4, 2, 1, 1, 7, 7, 0, transposed=True)
conv("conv1", 1, 6, 5, 3, 3, 1, 1, 0, act=F.silu, add=True, scale=0.5)
conv("conv3g", 1, 2, 3, 4, 4, 3, 1, 1, act=F.gelu)

x, w, b, add = rand(5, 7), rand(4, 7), rand(4), rand(5, 4)
y = F.linear(x, w, b)
dy = torch.randn_like(y).float().double()
y.backward(dy)
put("linear", x=x, w=w, bias=b, add=add, dout=dy, out=F.gelu(y, approximate="tanh") + add,
    dx=x.grad, dw=w.grad, dbias=b.grad)

# Attention: 2 heads, 3 queries, 4 keys and 2 more in front, of which the second row uses 5.
q, k, v, k2, v2 = rand(2, 3, 8), rand(2, 4, 8), rand(2, 4, 8), rand(2, 2, 8), rand(2, 2, 8)
bias, valid = rand(2, 3, 6), torch.tensor([6, 5], dtype=torch.int32)


def heads(t):
    return t.reshape(t.shape[0], t.shape[1], 2, 4).transpose(1, 2)


mask = torch.arange(6)[None, :] < valid[:, None]
whole = bias[None].masked_fill(~mask[:, None, None, :], float("-inf"))
out = F.scaled_dot_product_attention(heads(q), heads(torch.cat([k2, k], 1)),
                                     heads(torch.cat([v2, v], 1)), attn_mask=whole, scale=0.7)
put("attention", q=q, k=k, v=v, k2=k2, v2=v2, bias=bias, valid=valid,
    out=out.transpose(1, 2).reshape(2, 3, 8))

# Norms
x, x2, g, b, ss = (rand(2, 4, 3, 5, shift=1), rand(2, 2, 3, 5), rand(6), rand(6), rand(2, 12))
y = F.group_norm(torch.cat([x, x2], 1), 2, g, b, eps=1e-5)
y = (1 + ss[:, :6, None, None]) * y + ss[:, 6:, None, None]
put("group_norm", x=nhwc(x), x2=nhwc(x2), gamma=g, beta=b, scale_shift=ss, out=nhwc(F.silu(y)))
x, g, b = rand(4, 9, shift=2), rand(9), rand(9)
put("layer_norm", x=x, gamma=g, beta=b, out=F.layer_norm(x, (9,), g, b, eps=1e-5))
put("rms_norm", x=x, gamma=g, out=F.rms_norm(x, (9,), g, eps=1e-6))
x, g, b = rand(3, 4, 2, 3, shift=3), rand(4), rand(4)
mean, var = rand(4).detach(), rand(4).detach().abs().float().double()
put("batch_norm", x=nhwc(x), gamma=g, beta=b, mean=mean, var=var,
    out=nhwc(F.gelu(F.batch_norm(x, mean, var, g, b, False, 0.1, 1e-5))))
after_mean, after_var = mean.clone(), var.clone()
y = F.gelu(F.batch_norm(x, after_mean, after_var, g, b, True, 0.1, 1e-5))
dy = torch.randn_like(y).float().double()
y.backward(dy)
put("batch_norm", out_train=nhwc(y), mean_after=after_mean, var_after=after_var, dout=nhwc(dy),
    dx=nhwc(x.grad), dgamma=g.grad, dbeta=b.grad)

# Activations, over the whole range that matters, with slopes
x = torch.linspace(-12, 12, 193).double().requires_grad_()
for name, f in (("silu", F.silu), ("gelu", F.gelu),
                ("gelu_tanh", lambda t: F.gelu(t, approximate="tanh"))):
    y = f(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    put("act", **{"x": x, name: y, name + "_slope": slope})

# Pooling, affine
x = rand(2, 3, 6, 4)
y = F.avg_pool2d(x, 2)
dy = torch.randn_like(y).float().double()
y.backward(dy)
put("avg_pool", x=nhwc(x), out=nhwc(y), dout=nhwc(dy), dx=nhwc(x.grad))
x, m, a = rand(2, 3, 2, 4), rand(2, 4), rand(2, 4)
y = x * m[:, None, None] + a[:, None, None]
dy = torch.randn_like(y).float().double()
y.backward(dy)
put("affine", x=x, mul=m, add=a, out=y, dout=dy, dx=x.grad, dmul=m.grad, dadd=a.grad)

# Samplers
# of rows whose limit is 1, the quantile itself, and the maximum
x = torch.randn(3, 2, 5, 7) * torch.tensor([0.1, 1.0, 2.0])[:, None, None, None]
x = x.double()
s = torch.quantile(x.abs().reshape(3, -1), 0.93, dim=1).clamp(1, 2.5)[:, None, None, None]
put("threshold", x=x, out=torch.maximum(torch.minimum(x, s), -s) / s)

# Resizes of [1,2,h,w]; torch where it has the case, else Pillow
x = rand(1, 2, 13, 10)
put("resize", x=x)
for size in ((7, 4), (29, 21), (13, 6)):
    for mode, aa, corners in (("bilinear", 1, 0), ("bicubic", 1, 0), ("bilinear", 0, 0),
                              ("bicubic", 0, 0), ("bilinear", 0, 1), ("bicubic", 0, 1),
                              ("area", 0, 0), ("nearest", 0, 0), ("nearest-exact", 1, 0)):
        kw = {"align_corners": bool(corners)} if mode in ("bilinear", "bicubic") else {}
        if aa and mode != "nearest-exact":
            kw["antialias"] = True
        out = F.interpolate(x, size=size, mode=mode, **kw)
        put("resize", **{f"{mode.split('-')[0]}.{aa}{corners}.{size[0]}x{size[1]}": out})
    for name, method in (("lanczos", Image.LANCZOS), ("area", Image.BOX)):
        planes = [numpy.asarray(Image.fromarray(p.float().detach().numpy(), mode="F").resize(
            (size[1], size[0]), method)) for p in x[0]]
        out = torch.from_numpy(numpy.stack(planes))[None]
        put("resize", **{f"{name}.10.{size[0]}x{size[1]}": out})

# Separable blur
x, kx, ky = rand(2, 2, 5, 8), rand(5), rand(3)
weight = (ky[:, None] * kx[None, :]).expand(2, 1, 3, 5)
put("convolve", x=x, kx=kx, ky=ky,
    reflect=F.conv2d(F.pad(x, (2, 2, 1, 1), mode="reflect"), weight, groups=2),
    zero=F.conv2d(x, weight, groups=2, padding=(1, 2)),
    along=F.conv2d(F.pad(x, (2, 2, 0, 0), mode="reflect"),
                   kx[None, :].expand(2, 1, 1, 5), groups=2))

# Training: the loss, and three steps of Adam
y, t = rand(3, 1, 4, 5), rand(3, 1, 4, 5)
loss = F.mse_loss(y, t)
loss.backward()
put("mse", y=y, target=t, loss=loss[None], dy=y.grad)
p = rand(23)
opt = torch.optim.Adam([p], lr=1e-2)
put("adam", value0=p)
for step in range(1, 4):
    g = torch.randn(23).float().double() * 10.0 ** float(torch.randint(-6, 3, (1,)))
    p.grad = g.float().double()
    opt.step()
    put("adam", **{f"grad{step}": p.grad, f"value{step}": p})
put("adam", m=opt.state[p]["exp_avg"], v=opt.state[p]["exp_avg_sq"])

# Position encoding of timesteps, cosines first; the angles as PyTorch rounds them in single precision
t, i = torch.tensor([0.0, 1.0, 37.0, 999.0]).double(), torch.arange(4).float()
rate = torch.exp((i * -math.log(10000) / 4).double()).float()
angle = (t.float()[:, None] * rate).double()
put("sinusoid", t=t, out=torch.cat([angle.cos(), angle.sin()], 1))

save_file(tensors, sys.argv[1])
print(f"{len(tensors)} tensors, torch {torch.__version__}")
