# SPDX-License-Identifier: MIT
"""One evaluation of a full-size UNet of DeepFloyd IF with random weights: kiln beside diffusers.

Run: python tests/reference/if/full.py [--keep FOLDER] KILN [NET [SIZE]] (NET: IF-I-M, SIZE: of the image, 64 or
256). Makes the net's folder with tests/if/random_if.c (in F16: 0.74 GB for IF-I-M, 1.9 GB for IF-I-L) and an
embedding of width 4096, asks both programs for the noise in one image at t = 500, in single precision, and fails
where they differ by more than 5e-5 of the largest value. Prints time and the largest resident set of each.
"""
import os
import subprocess
import sys
import tempfile
import time

LEVEL, T, LIMIT = 250, 500, 5e-5


def run(args, **more):
    """Seconds and the largest resident set in MB."""
    begin = time.monotonic()
    child = subprocess.Popen(args, **more)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, args
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def torch_side(folder):
    """In a process of its own, for its memory."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file, save_file
    torch.set_grad_enabled(False)
    unet = UNet2DConditionModel.from_pretrained(os.path.join(folder, "unet"), variant="fp16",
                                                torch_dtype=torch.float32).eval()
    given, more = load_file(os.path.join(folder, "x.st")), {}
    x = given["image"]
    if unet.config.in_channels == 6:
        x = torch.cat([x, load_file(os.path.join(folder, "aux.st"))["aux"]], 1)
        more["class_labels"] = torch.tensor([LEVEL])
    bank = load_file(os.path.join(folder, "bank.safetensors"))
    begin = time.monotonic()
    y = unet(x, torch.tensor(T), encoder_hidden_states=bank["a pencil"].float(), **more).sample
    print(f"diffusers, the call alone: {time.monotonic() - begin:.1f} s", flush=True)
    save_file({"eps": y[:, :3].contiguous()}, os.path.join(folder, "want.st"))


def inputs(folder, second, size):
    import torch
    from common import BARS
    from safetensors.torch import save_file
    g = torch.Generator().manual_seed(1)
    path = lambda name: os.path.join(folder, name)
    save_file({"image": torch.randn(1, 3, size, size, generator=g)}, path("x.st"))
    save_file({"a pencil": torch.randn(1, 77, 4096, generator=g).half()}, path("bank.safetensors"))
    if second:
        low = torch.rand(1, 3, size, size, generator=g) * 2 - 1  # as large as x: not resized
        z, bar = torch.randn(1, 3, size, size, generator=g), BARS[LEVEL]
        save_file({"image": low}, path("low.st"))
        save_file({"draw.000000": z}, path("z.st"))
        save_file({"aux": (bar.sqrt() * low + (1 - bar).sqrt() * z).float()}, path("aux.st"))


def main(kiln, net="IF-I-M", size=None, *, folder):
    from common import random_if
    from safetensors.torch import load_file
    second = net.startswith("IF-II")
    size = int(size or (256 if second else 64))
    if not os.path.exists(os.path.join(folder, "unet")):
        subprocess.run([random_if(), net, folder], check=True)
    inputs(folder, second, size)
    path = lambda name: os.path.join(folder, name)
    draws = ["--rng", path("z.st")] if second else []
    more = [f"noise_level={LEVEL}", f"lowres={path('low.st')}"] if second else []
    ours = run([kiln, *draws, "load", path("x.st"), "!", "embeddings", path("bank.safetensors"), "!", "if-unet",
                folder, *more, "!", "prompt", "a pencil", "!", "at", str(T), "!", "predict", "!", "save",
                path("got.st"), "format=safetensors"])
    theirs = run([sys.executable, __file__, "--torch", folder])
    got, want = load_file(path("got.st"))["image"], load_file(path("want.st"))["eps"]
    off = ((got - want).abs().max() / want.abs().max()).item()
    print(f"{net} at {size}: off by {off:.1e} of {want.abs().max():.2f}")
    for name, (seconds, mb) in (("kiln", ours), ("diffusers", theirs)):
        print(f"{name:10} {seconds:6.1f} s with start and loading, {mb:6.0f} MB at most")
    return 0 if off <= LIMIT else 1


if __name__ == "__main__":
    args = sys.argv[1:]
    if args[0] == "--torch":
        torch_side(args[1])
    elif args[0] == "--keep":
        sys.exit(main(*args[2:], folder=args[1]))
    else:
        with tempfile.TemporaryDirectory() as work:
            sys.exit(main(*args, folder=os.path.join(work, "net")))
