# SPDX-License-Identifier: MIT
"""Files of embeddings as people have them: safetensors with prompts as names, and NumPy's format.

Run: python tests/reference/embeddings.py (from the root of the tree). Written with torch 2.15.0,
safetensors 0.8.0, NumPy 2. No random numbers: values are ramps of quarters, exact in every type.
"""
import os

import numpy as np
import torch
from safetensors.torch import save_file

OUT = os.path.join(os.path.dirname(__file__), "..", "golden", "text")


def ramp(*shape, start=-1):
    n = int(np.prod(shape))
    return (np.arange(n) / 4 + start).reshape(shape)


def main():
    os.makedirs(OUT, exist_ok=True)
    bank = {"": (torch.float16, 0, (1, 3, 2)), "a pencil": (torch.float16, 1, (1, 3, 2)),
            'say "cheese"!': (torch.bfloat16, 2, (3, 2)), "größe 🚀": (torch.float32, 3, (3, 2)),
            "cond.0": (torch.float64, 4, (3, 2)), "flat": (torch.float32, 5, (6,))}
    tensors = {k: torch.from_numpy(ramp(*s, start=v)).to(t) for k, (t, v, s) in bank.items()}
    tensors["count"] = torch.tensor([6])  # no embedding
    save_file(tensors, os.path.join(OUT, "prompts.safetensors"))
    save_file({"a pencil": tensors["a pencil"].clone()}, os.path.join(OUT, "one.safetensors"))
    save_file({"count": torch.tensor([6])}, os.path.join(OUT, "none.safetensors"))
    for name, array in {
        "half": ramp(3, 2).astype("<f2"), "single": ramp(1, 3, 2).astype("<f4"),
        "fortran": np.asfortranarray(ramp(3, 2).astype("<f8")), "big": ramp(3, 2).astype(">f4"),
        "whole": np.arange(6).reshape(3, 2), "flat": ramp(6).astype("<f4"),
    }.items():
        np.save(os.path.join(OUT, name + ".npy"), array)


if __name__ == "__main__":
    main()
