# SPDX-License-Identifier: MIT
"""Golden random numbers: Philox, and the streams of torch's CPU generator.

Run: python tests/reference/random_streams.py (from the root of the tree, on x86-64 with AVX2). Written with
Python 3, NumPy 2.4.6, torch 2.15.0; the seeds stand below.
"""
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden")


def philox(ctr, key):
    """Philox4x32-10 from the paper, on Python integers."""
    c, k = list(ctr), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def row(seed, name, nth, ident, t, use, kind):
    """The key of a row, as host/random.h describes it."""
    mask = (1 << 64) - 1
    h = 0xCBF29CE484222325
    for b in name.encode() + b"\0" + nth.to_bytes(8, "little"):
        h = (h ^ b) * 0x100000001B3 & mask
    s = [0x6B696C6E, kind, use, 0]
    for w in (seed, h, ident & mask, int(np.float64(t).view(np.uint64))):
        s = [a ^ b for a, b in zip(s, philox(s, (w & 0xFFFFFFFF, w >> 32)))]
    return s[:2], s[2:]


def words(key, place, first, n):
    out = []
    for b in range(first, first + n):
        out += philox([b & 0xFFFFFFFF, b >> 32] + list(place), key)
    return np.array(out, dtype=np.uint64)


def fma(a, b, c):
    """float32(a * b + c), rounded once: the sum in double is rounded to odd, then to float."""
    a, b, c = (np.asarray(v, np.float32).astype(np.float64) for v in (a, b, c))
    p = a * b  # exact
    s = p + c
    v = s - p
    rest = (p - (s - v)) + (c - v)  # s + rest is the exact sum
    even = (s.view(np.int64) & 1) == 0
    odd = np.nextafter(s, np.where(rest > 0, np.inf, -np.inf))
    return np.where((rest != 0) & even, odd, s).astype(np.float32)


def horner(x, coefficients):
    y = np.float32(coefficients[0]) + np.zeros_like(x)
    for c in coefficients[1:]:
        y = fma(x, y, np.full_like(x, c))
    return y


def normals(w):
    """The transform of host/random.c, step by step in float32."""
    f32 = np.float32
    w = w.astype(np.uint32).reshape(-1, 2, 2)
    b, angle = w[..., 0].reshape(-1), w[..., 1].reshape(-1)
    upper = b >= 2**31
    small = (np.where(upper, ~b, b).astype(np.int32).astype(f32) + f32(0.5)) * f32(2.0**-32)
    u = np.where(upper, f32(1) - small, small)
    m, e = np.frexp(u)
    low = m < np.uint32(0x3F3504F3).view(f32)
    m, e = np.where(low, m * f32(2), m), np.where(low, e - 1, e)
    f = np.where(upper & (e == 0), -small, m - f32(1))
    p = horner(f, [-0.0763694048, 0.127624854, -0.131595507, 0.142015398, -0.166234106,
                   0.200012431, -0.250008196, 0.333333313, -0.5])
    ln = fma(e.astype(f32), np.full_like(f, 0.693147182), fma(f * f, p, f))
    r = np.sqrt(f32(-2) * ln)
    quarter = (angle + np.uint32(2**29)) >> np.uint32(30)
    a = (angle - (quarter << np.uint32(30))).view(np.int32).astype(f32) * f32(2.0**-32)
    z = a * a
    y = horner(z, [-76.8297501, 81.6266708, -41.3418698, 6.28318548]) * a
    x = horner(z, [58.5568848, -85.4230652, 64.9391403, -19.7392082, 1.0])
    c = np.choose(quarter, [x, -y, -x, y])
    s = np.choose(quarter, [y, x, -y, -x])
    out = np.stack([r * c, r * s], -1).reshape(-1)
    u1, turn = (b + 0.5) * 2.0**-32, angle * 2.0**-32
    r = np.sqrt(-2 * np.log(u1))
    exact = np.stack([r * np.cos(2 * np.pi * turn), r * np.sin(2 * np.pi * turn)], -1).reshape(-1)
    assert np.abs(out - exact).max() < 1e-6 and out.dtype == f32
    return out


def philox_rows():
    """1024 elements of three rows of (seed, name, nth, id, t, use), from a block on."""
    out = {}
    for i, (args, first) in enumerate([
            ((0, "randn", 0, 0, float("inf"), 0), 0),
            ((12345678901234567890, "ddpm", 3, 41, 690.0, 2), 5),
            ((7, "noise", 1, -1, 0.25, 1), (1 << 32) - 3)]):
        out[f"normal.{i}"] = torch.from_numpy(normals(words(*row(*args, 1), first, 256)))
        w = (words(*row(*args, 2), first, 256) >> np.uint64(8)).astype(np.float32)
        out[f"uniform.{i}"] = torch.from_numpy(w * np.float32(2.0**-24))
    assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    return out


def torch_streams():
    """What follows torch.manual_seed(N), call after call; the test makes the same calls."""
    out = {}
    for n in (16, 17, 31, 100, 784, 1570):
        torch.manual_seed(n)
        out[f"randn.{n}"] = torch.randn(n)
    torch.manual_seed(-5)
    out["batch"] = torch.randn(3, 1, 28, 28).flatten()
    torch.manual_seed(1 << 40 | 9)
    # Small and large requests in turn: half of a pair waits across the others.
    out["mixed.0"] = torch.randn(5)
    out["mixed.1"] = torch.rand(7)
    out["mixed.2"] = torch.randn(40)
    out["mixed.3"] = torch.randn(2)
    out["mixed.4"] = torch.randn(3)
    out["mixed.5"] = torch.randint(-3, 1000, (50,))
    out["mixed.6"] = torch.randint(0, 1 << 40, (50,))
    out["mixed.7"] = torch.randperm(300)
    out["mixed.8"] = torch.empty(20).normal_(0.5, 2.5)
    out["mixed.9"] = torch.empty(9).normal_(0.5, 2.5)
    out["mixed.10"] = torch.empty(50).uniform_(-0.125, 0.3)
    t = torch.empty(1, 3, 4, 4).to(memory_format=torch.channels_last).normal_()
    out["mixed.11"] = t.permute(0, 2, 3, 1).flatten()
    loader = torch.utils.data.DataLoader(range(100), batch_size=32, shuffle=True)
    for epoch in range(2):
        out[f"mixed.{12 + epoch}"] = torch.cat(list(loader))
    out["mixed.14"] = torch.randn(33)
    torch.manual_seed(3)
    out["long"] = torch.randn(400000)[-64:].clone()
    save_file(out, os.path.join(GOLDEN, "random-torch.safetensors"),
              metadata={"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()})


if __name__ == "__main__":
    torch_streams()
    save_file(philox_rows(), os.path.join(GOLDEN, "random-philox.safetensors"),
              metadata={"python": sys.version.split()[0], "numpy": np.__version__})
