# SPDX-License-Identifier: MIT
"""Do samples look like the digits asked for? Asks a classifier that was trained on genuine MNIST.

    python -P tests/reference/quality.py MNIST_FOLDER CLASSIFIER.pt SAMPLES.safetensors...

Trains CLASSIFIER.pt first if it is not there. SAMPLES are States that kiln saved: image, prompt,
kiln.prompts. Written for torch 2.15.0 and safetensors 0.8.0; seed 0.
"""
import gzip
import json
import os
import sys

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F


def idx(folder, name, head):
    with gzip.open(f"{folder}/{name}-ubyte.gz") as f:
        return torch.frombuffer(bytearray(f.read()), dtype=torch.uint8)[head:]


def load(folder, which):
    x = idx(folder, f"{which}-images-idx3", 16).reshape(-1, 1, 28, 28).float() / 255
    return x, idx(folder, f"{which}-labels-idx1", 8).long()


def classifier():
    block = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
    return nn.Sequential(*block(1, 24), *block(24, 24), nn.MaxPool2d(2), *block(24, 48),
                         *block(48, 48), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.4),
                         nn.Linear(48 * 49, 10))


def train(folder, epochs=3):
    torch.manual_seed(0)
    net, (x, y) = classifier(), load(folder, "train")
    steps = epochs * (len(x) // 128)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for k in range(len(x) // 128):
            batch = order[128 * k:128 * (k + 1)]
            loss = F.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net


def main(folder, path, *samples):
    if os.path.exists(path):
        net = classifier()
        net.load_state_dict(torch.load(path))
    else:
        net = train(folder)
        torch.save(net.state_dict(), path)
    net.eval()
    with torch.no_grad():
        x, y = load(folder, "t10k")
        right = sum(int((net(a).argmax(1) == b).sum()) for a, b in zip(x.split(500), y.split(500)))
        print(f"classifier: {right / len(x):.2%} of the test set")
        for sample in samples:
            with safe_open(sample, "pt") as f:
                prompts = json.loads(f.metadata()["kiln.prompts"])
                image = f.get_tensor("image")
                want = torch.tensor([int(prompts[i]) for i in f.get_tensor("prompt")])
            got = net(image.clamp(0, 1)).argmax(1)
            wrong = [f"{i}: {int(a)} seen as {int(b)}" for i, (a, b) in enumerate(zip(want, got))
                     if a != b]
            print(f"{sample}: {len(want) - len(wrong)} of {len(want)} agree", *wrong, sep="\n  ")


if __name__ == "__main__":
    main(*sys.argv[1:])
