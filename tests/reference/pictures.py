# SPDX-License-Identifier: MIT
"""A photo resized and blurred by torchvision: what tests/parity/pictures.bats compares the program with.

Written with torch 2.15.0, torchvision 0.29.2, Pillow 13.0.0 and safetensors 0.8.0. Run:
    python -P tests/reference/pictures.py share/photos/cat.png tests/golden/pictures.safetensors
In float64 from the pixels of the file, values in [-1,1].
"""
import sys

import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.v2 import InterpolationMode as Mode
from torchvision.transforms.v2 import functional as T


def main(photo, path):
    x = T.pil_to_tensor(Image.open(photo).convert("RGB")).double() / 255 * 2 - 1
    out = {"bicubic": T.resize(x, [24, 32], Mode.BICUBIC, antialias=True)}
    out["shorter"] = T.center_crop(T.resize(x, [24], Mode.BILINEAR, antialias=True), [24, 24])
    out["larger"] = T.resize(out["bicubic"], [50, 41], Mode.BICUBIC, antialias=True)
    out["blur7"] = T.gaussian_blur(out["bicubic"], [7, 7], [2.0, 2.0])
    out["blur33"] = T.gaussian_blur(out["larger"], [33, 33], [2.0, 2.0])
    save_file({k: v[None].float().contiguous() for k, v in out.items()}, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
