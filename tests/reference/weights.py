# SPDX-License-Identifier: MIT
"""Golden weights files: canonical safetensors, and what torch.save writes.

Run: python tests/reference/weights.py (from the root of the tree). Written with Python 3, torch
2.15.0, safetensors 0.8.0. No random numbers: values are small ramps, exact in every type.
"""
import collections
import json
import os
import struct

import torch
from safetensors import safe_open
from safetensors.torch import save_file

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden")
NAMES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
         torch.int32: "I32", torch.int64: "I64", torch.uint8: "U8"}


def path(name):
    return os.path.join(GOLDEN, name)


def ramp(dtype, *shape):
    n = 1
    for s in shape:
        n *= s
    if dtype == torch.uint8:
        return torch.arange(n).to(dtype).reshape(shape)
    return (torch.arange(n, dtype=torch.float64) / 4 - 1).to(dtype).reshape(shape)


def raw(t):
    return t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def quote(text):
    return json.dumps(text, ensure_ascii=False)


def canonical(file, tensors, meta):
    """The canonical form, built without our code: sorted by bytes, compact, padded to 64."""
    key = lambda s: s.encode()
    parts = []
    if meta:
        parts.append('"__metadata__":{%s}' % ",".join(
            quote(k) + ":" + quote(meta[k]) for k in sorted(meta, key=key)))
    at, data = 0, b""
    for name in sorted(tensors, key=key):
        t = tensors[name]
        data += raw(t)
        parts.append('%s:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}' % (
            quote(name), NAMES[t.dtype], ",".join(map(str, t.shape)), at, len(data)))
        at = len(data)
    header = ("{" + ",".join(parts) + "}").encode()
    header += b" " * (-(len(header) + 8) % 64)
    with open(file, "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header + data)
    with safe_open(file, "pt") as f:  # the library agrees
        assert set(f.keys()) == set(tensors) and (f.metadata() or {}) == meta
        for name, t in tensors.items():
            assert torch.equal(f.get_tensor(name), t)


def safetensors_files():
    canonical(path("canonical.safetensors"), {
        "b.weight": ramp(torch.float32, 2, 3), "a": ramp(torch.uint8, 3),
        "": ramp(torch.int64), "é": ramp(torch.float16, 5), "Z": ramp(torch.bfloat16, 1, 2),
        'quote"back\\slash': ramp(torch.float64, 2), "empty": ramp(torch.float32, 0, 7),
        "c": ramp(torch.int32, 1, 1, 1, 1, 1, 1, 1, 2),
    }, {"kiln.stream": "1", "text": 'a "quoted"\n\ttext\x01\x7f \\ ü 😀', "": "empty key"})
    # The library's own order (by falling alignment) and its own header.
    save_file({"half": ramp(torch.float16, 3), "n": ramp(torch.int64), "w": ramp(torch.float32, 2, 2),
               "u": ramp(torch.uint8, 5)}, path("library.safetensors"),
              metadata={"format": "pt"})


def torch_files():
    """Small state dicts, as torch.save writes them. Every tensor is a ramp unless said."""
    base = ramp(torch.float32, 4, 6)
    odd = collections.OrderedDict()
    odd["t"] = base.t()  # not contiguous
    odd["slice"] = base[1:3, ::2]
    odd["wide"] = ramp(torch.float32, 1, 3).expand(2, 3)  # stride 0
    odd["last"] = ramp(torch.float32, 1, 2, 2, 3).to(memory_format=torch.channels_last)
    torch.save(odd, path("torch-strided.pt"))
    types = {str(t).split(".")[1]: ramp(t, 3) for t in NAMES}
    types["int8"], types["int16"] = ramp(torch.int8, 9) * 4, ramp(torch.int16, 9) * 300
    types["bool"] = torch.tensor([True, False, True])
    types["scalar"], types["empty"] = ramp(torch.int64), ramp(torch.float32, 0, 3)
    torch.save(types, path("torch-types.pt"))
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    for p in net.parameters():
        p.data.copy_(ramp(torch.float32, *p.shape))
    torch.save({"model": net.state_dict(), "parameter": net[0].weight, "epoch": 7, "lr": 0.1,
                "note": "a \u00fc", "done": True, "none": None, "seed": -(2**40), "big": 2**70,
                "list": [ramp(torch.float16, 2), (ramp(torch.float64, 1), 3)],
                "": ramp(torch.uint8, 2)}, path("torch-nested.pt"))
    # Prompts as keys, other protocols, a single tensor.
    torch.save({"a pencil": ramp(torch.float16, 1, 2, 3), "": ramp(torch.float16, 1, 2, 3),
                "a man. wearing a hat": ramp(torch.float16, 1, 2, 3)}, path("torch-prompts.pth"))
    torch.save({"w": ramp(torch.float32, 2, 2), "k": {1: 2.5}}, path("torch-protocol4.pt"),
               pickle_protocol=4)
    torch.save(ramp(torch.float32, 2, 2), path("torch-tensor.pt"))
    torch.save(net, path("torch-module.pt"))
    torch.save({"w": ramp(torch.float32, 2)}, path("torch-legacy.pt"),
               _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path("torch-script.pt"))


if __name__ == "__main__":
    os.makedirs(GOLDEN, exist_ok=True)
    safetensors_files()
    torch_files()
