# SPDX-License-Identifier: MIT
"""Halves a net that kiln trained, for shipping: weights in F16, norms and biases in F32.

    python -P tests/reference/half.py trained.safetensors share/models/mnist-class.safetensors

The norms stay as they are, since a running variance may be smaller than F16 resolves. Written for
safetensors 0.8.0 and torch 2.15.0.
"""
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

with safe_open(sys.argv[1], "pt") as f:
    tensors = {k: f.get_tensor(k) for k in f.keys()}
    metadata = f.metadata()
for name, t in tensors.items():
    if name.endswith(".weight") and t.dim() > 1:
        tensors[name] = t.to(torch.float16)
        assert torch.isfinite(tensors[name]).all(), name
save_file(tensors, sys.argv[2], metadata=metadata)
