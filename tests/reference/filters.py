#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Truth for tests/filters: writes tests/golden/filters.safetensors.

Run, from the root of the tree: python -P tests/reference/filters.py PHOTO
tests/golden/filters.safetensors, where PHOTO is scikit-image's data/chelsea.png (CC0, by Stefan van
der Walt). Made with Python 3.11, torch 2.15.0, torchvision 0.29.2, Pillow 13.0.0, numpy 2.4.6.

Resizing, blur and crops are those of Pillow, torch and torchvision. The rearrangements are written
out here in numpy, from their definitions, without a look at the program.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as T
from PIL import Image
from safetensors.numpy import save_file

out = {}
photo = Image.open(sys.argv[1]).convert("RGB").resize((96, 64), Image.Resampling.BICUBIC)
rgb = np.asarray(photo)  # [64,96,3]
out["photo"] = rgb.transpose(2, 0, 1).copy()
out["photo.L"] = np.asarray(photo.convert("L"))
signed = torch.from_numpy(out["photo"]).to(torch.float32) / 127.5 - 1  # [3,64,96]


# Resizing one channel in float: Pillow's mode "F". Cases: name, top, left, h, w -> W, H.
pillow = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
    "nearest": None,
}


def nearest(a, size):
    """The pixel under the centre. Pillow means the same, but adds up positions in floating point, so
    that a centre on a border may fall to either side."""
    for axis, m in ((1, size[0]), (0, size[1])):
        n = a.shape[axis]
        a = np.take(a, [(2 * i + 1) * n // (2 * m) for i in range(m)], axis)
    return a


green = signed[1]
for name, filt in pillow.items():
    for case, part, size in (
        ("down", green, (31, 23)),
        ("up", green[20:44, 30:62], (53, 45)),
        ("mixed", green[20:44, 30:62], (20, 47)),
    ):
        image = Image.fromarray(part.numpy())
        assert image.mode == "F"
        if name == "nearest":
            y = nearest(part.numpy(), size)
            theirs = np.asarray(image.resize(size, Image.Resampling.NEAREST))
            assert (y == theirs).mean() > 0.9
        else:
            y = np.asarray(image.resize(size, filt))
        out[f"resize.{name}.{case}"] = np.ascontiguousarray(y).astype(np.float32)
x = green[None, None]
for mode in ("bilinear", "bicubic", "area", "nearest"):
    y = F.interpolate(x.double(), (23, 31), mode=mode)[0, 0]  # it finds positions in x's type
    out[f"resize.{mode}.alias"] = y.to(torch.float32).numpy()
# torch's antialiased filters agree with Pillow's.
for mode in ("bilinear", "bicubic"):
    y = F.interpolate(x, (23, 31), mode=mode, antialias=True)[0, 0].numpy()
    assert np.abs(y - out[f"resize.{mode}.down"]).max() < 2e-6

# Sizes: [h, w, size, height, width of the result] of torchvision's resize to a shorter side.
sizes = []
for h, w, size in ((427, 640, 64), (640, 427, 64), (786, 599, 64), (100, 100, 33), (31, 97, 50),
                   (97, 31, 7), (1, 3, 2)):
    r = T.resize(torch.zeros(1, h, w), [size])
    sizes.append([h, w, size, r.shape[1], r.shape[2]])
out["sizes"] = np.array(sizes, dtype=np.int32)

# Centre crops: [h, w, crop height, crop width, top, left].
crops = []
for h, w, ch, cw in ((64, 95, 64, 64), (64, 97, 64, 64), (21, 20, 10, 11), (28, 28, 20, 20),
                     (7, 9, 4, 2), (5, 5, 5, 5), (13, 10, 2, 3)):
    ramp = torch.arange(h * w).reshape(1, h, w)
    first = int(T.center_crop(ramp, [ch, cw])[0, 0, 0])
    crops.append([h, w, ch, cw, first // w, first % w])
out["crops"] = np.array(crops, dtype=np.int32)

# Blur, and the diagonal box.
out["blur.33.2"] = T.gaussian_blur(signed[:1, :48, :64], [33, 33], [2.0, 2.0])[0].numpy()
out["blur.7.2"] = T.gaussian_blur(signed[:, 10:23, 40:59], [7, 7], [2.0, 2.0]).numpy()
diagonal = (torch.eye(7, dtype=torch.float64) / 7)[None, None]
part = signed[:, None, 10:23, 40:59].double()
out["motion.7"] = F.conv2d(part, diagonal, padding=3)[:, 0].to(torch.float32).numpy()


# Rearrangements: for each pixel of the result, the position it comes from.
def splitmix(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        yield z ^ (z >> 31)


def shuffle(seed, stream, n):
    draws = splitmix((seed % 2**64) ^ next(splitmix(stream)))
    order = list(range(n))
    for i in reversed(range(1, n)):
        while True:
            r = next(draws)
            if r < 2**64 - 2**64 % (i + 1):
                break
        j = r % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def permute(a, blocks, seed):
    h, w = a.shape
    tiles = a.reshape(blocks, h // blocks, blocks, w // blocks).transpose(0, 2, 1, 3)
    tiles = tiles.reshape(blocks * blocks, h // blocks, w // blocks)[shuffle(seed, 0, blocks**2)]
    tiles = tiles.reshape(blocks, blocks, h // blocks, w // blocks).transpose(0, 2, 1, 3)
    return tiles.reshape(h, w)


def skew(a, factor):
    columns = [np.roll(a[:, i], int(factor * (i - a.shape[1] / 2))) for i in range(a.shape[1])]
    return np.stack(columns, 1)


def circle(a, radius):
    h, w = a.shape
    y, x = np.mgrid[:h, :w] + 0.5
    inside = np.hypot(y - h / 2, x - w / 2) < radius * min(h, w)
    return np.where(inside, np.rot90(a, 2), a)


def hinge(a):
    a = a.copy()
    s = a.shape[0] // 3
    for i in range(3):
        for j in range(3):
            square = a[i * s : i * s + s, j * s : j * s + s]
            square[:] = np.rot90(square, -1 if (i + j) % 2 == 0 else 1).copy()
    return a


views = {
    "flip.vertical": lambda a: np.flipud(a),
    "flip.horizontal": lambda a: np.fliplr(a),
    "rotate.90": lambda a: np.rot90(a, -1),
    "rotate.180": lambda a: np.rot90(a, 2),
    "rotate.270": lambda a: np.rot90(a, 1),
    "roll": lambda a: np.roll(a, (-3, 5), (0, 1)),
    "roll.far": lambda a: np.roll(a, (1000, -1001), (0, 1)),
    "skew": lambda a: skew(a, 1.5),
    "skew.back": lambda a: skew(a, -0.7),
    "circle": lambda a: circle(a, 0.375),
    "circle.most": lambda a: circle(a, 0.5),
    "hinge": hinge,
    "permute.3": lambda a: permute(a, 3, 0),
    "permute.1": lambda a: permute(a, 1, 0),
    "permute.seed": lambda a: permute(a, 3, -12345678901),
}
for h, w in ((15, 15), (12, 9), (64, 64)):
    ramp = np.arange(h * w, dtype=np.int32).reshape(h, w)
    for name, view in views.items():
        if (name == "hinge" and h != w) or (h == 64 and name not in ("hinge", "circle", "skew")):
            continue
        out[f"view.{name}.{w}x{h}"] = np.ascontiguousarray(view(ramp)).astype(np.int32)
ramp = np.arange(64 * 64, dtype=np.int32).reshape(64, 64)
out["view.permute.8.64x64"] = permute(ramp, 8, 7).astype(np.int32)
assert (hinge(ramp) == ramp).sum() == 136
assert abs((circle(ramp, 0.375) != ramp).mean() - 0.44) < 0.01
assert (skew(skew(ramp, 1.5), -1.5) == ramp).all()

save_file(out, sys.argv[2], metadata={"made by": "tests/reference/filters.py"})
print(len(out), "tensors")
