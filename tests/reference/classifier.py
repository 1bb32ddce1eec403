# SPDX-License-Identifier: MIT
"""Do samples look like the digit that was asked for? A small classifier, trained on genuine MNIST.

    python -P tests/reference/classifier.py train share/mnist tests/golden/digit-classifier.safetensors
    python -P tests/reference/classifier.py test share/mnist WEIGHTS
    python -P tests/reference/classifier.py judge WEIGHTS SAMPLES.safetensors...
    python -P tests/reference/classifier.py halves share/mnist WEIGHTS

SAMPLES are States as kiln saves them, with images in [0,1] and a digit as the prompt of each.
Written with torch 2.15.0, safetensors 0.8.0 and numpy 2.4; seed 0. Weights are stored in half precision.
scripts/quality runs the classifier in C, by tests/illusions/read.c.
"""
import gzip
import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

EPOCHS, BATCH, RATE, SHIFT = 4, 128, 4e-3, 2


def idx(folder, name, head):
    with gzip.open(f"{folder}/{name}-ubyte.gz") as f:
        return torch.frombuffer(bytearray(f.read()), dtype=torch.uint8)[head:]


def load(folder, which):
    x = idx(folder, f"{which}-images-idx3", 16).reshape(-1, 1, 28, 28).float() / 255
    return x, idx(folder, f"{which}-labels-idx1", 8).long()


def block(ci, co, kernel):
    return [nn.Conv2d(ci, co, kernel, padding=kernel // 2), nn.BatchNorm2d(co), nn.ReLU()]


def classifier():
    """55,000 parameters."""
    return nn.Sequential(*block(1, 16, 5), nn.MaxPool2d(2), *block(16, 32, 3), nn.MaxPool2d(2),
                         *block(32, 64, 3), nn.Flatten(), nn.Linear(64 * 49, 10))


def shifted(x):
    """Each image moved by up to SHIFT pixels: samples need not be centred as MNIST is."""
    n, at = len(x), torch.arange(28)
    dy, dx = torch.randint(0, 2 * SHIFT + 1, (2, n))
    x = F.pad(x, [SHIFT] * 4)
    return x[torch.arange(n)[:, None, None], 0, (dy[:, None] + at)[:, :, None],
             (dx[:, None] + at)[:, None, :]][:, None]


def train(folder, path):
    torch.manual_seed(0)
    net, (x, y) = classifier(), load(folder, "train")
    per_epoch = len(x) // BATCH
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * per_epoch)
    for epoch in range(EPOCHS):
        for index in torch.randperm(len(x))[:per_epoch * BATCH].split(BATCH):
            loss = F.cross_entropy(net(shifted(x[index])), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
        print(f"epoch {epoch + 1}: last loss {loss.item():.4f}", flush=True)
    state = {k: v.half() for k, v in net.state_dict().items() if v.is_floating_point()}
    save_file(state, path, metadata={"made by": "tests/reference/classifier.py"})


def restore(path):
    net = classifier()
    net.load_state_dict({k: v.float() for k, v in load_file(path).items()}, strict=False)
    return net.eval()


def answers(net, x):
    with torch.no_grad():
        return torch.cat([net(part).argmax(1) for part in x.split(500)])


def test(folder, path):
    x, y = load(folder, "t10k")
    right = (answers(restore(path), x) == y).float().mean().item()
    print(f"classifier: {100 * right:.2f}% of the {len(x)} test images")


def state_file(path):
    """Images in [0,1], and the digits asked for."""
    with safe_open(path, "pt") as f:
        meta = f.metadata()
        lo, hi = (float(v) for v in meta.get("kiln.range", "-1,1").split(","))
        prompts = json.loads(meta["kiln.prompts"])
        image = (f.get_tensor("image") - lo) / (hi - lo)
        rows = f.get_tensor("prompt") if "prompt" in f.keys() else torch.zeros(len(image))
        return image.clamp(0, 1), torch.tensor([int(prompts[int(i)]) for i in rows])


def judge(path, *samples):
    net = restore(path)
    image, want = (torch.cat(v) for v in zip(*map(state_file, samples)))
    got = answers(net, image)
    for digit in range(10):
        of = got[want == digit]
        if len(of):
            others = [f"{v}: {c}" for v, c in zip(*of[of != digit].unique(return_counts=True))]
            print(f"{digit}  {100 * (of == digit).float().mean():6.2f}%  of {len(of)}",
                  "  seen as " + ", ".join(others) if others else "")
    print(f"all {100 * (got == want).float().mean():6.2f}%  of {len(want)}")


def halves(folder, path, count=1000):
    """What lower halves can do: under a genuine upper half, one of another genuine digit.

    For each of the first test digits and each class, the training digit of that class whose upper half is
    nearest gives its lower half. How many then read as the class, in percent, by the digit above.
    """
    net = restore(path)
    (above, digit), (x, y) = load(folder, "t10k"), load(folder, "train")
    above, digit = above[:count], digit[:count]
    upper = lambda v: v[:, 0, :14].flatten(1)
    reads = torch.empty(count, 10)
    for want in range(10):
        of = x[y == want]
        both = of[torch.cdist(upper(above), upper(of)).argmin(1)].clone()
        both[:, :, :14] = above[:, :, :14]
        reads[:, want] = 100. * (answers(net, both) == want)
    print("above\\below " + "".join(f"{d:5d}" for d in range(10)))
    for d in range(10):
        print(f"{d:11d} " + "".join(f"{v:5.0f}" for v in reads[digit == d].mean(0)))
    own = torch.eye(10, dtype=bool)[digit]
    print(f"its own {reads[own].mean():.1f}%, another {reads[~own].mean():.1f}%, any {reads.mean():.1f}%")


if __name__ == "__main__":
    {"train": train, "test": test, "judge": judge, "halves": halves}[sys.argv[1]](*sys.argv[2:])
