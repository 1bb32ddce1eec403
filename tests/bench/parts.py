# SPDX-License-Identifier: MIT
"""The parts of scripts/bench. Each yields rows: (what, sides), sides as of sides.in_turn; with the
operations and the precision of kiln where these say something."""
import os
import shutil
import sys

from sides import HERE, Missing, Ops, Torch, in_turn, run

ROOT = os.path.dirname(os.path.dirname(HERE))


class Row:
    def __init__(self, what, sides, operations=0.0, note=""):
        self.what, self.sides, self.operations, self.note = what, sides, operations, note


def kiln_side(bench, chain, per=1.0, options=(), threads=None):
    """The whole program, per as many units of work."""
    def side():
        seconds, memory, _ = run(
            [bench.kiln, "-j", str(threads or bench.threads), *options, *chain])
        return seconds / per, memory
    return side


def torch_sides(bench, job, request, **options):
    """Sides of PyTorch by variant, and the workers to close. What does not start is missing."""
    sides, workers = {}, []
    for variant in bench.torch:
        name = "PyTorch " + variant
        try:
            worker = Torch(bench, job, variant, **options)
        except Missing as e:
            sides[name] = lambda e=e: (_ for _ in ()).throw(e)
            continue
        workers.append(worker)
        sides[name] = lambda worker=worker: worker.time(**request)
    return sides, workers


def close(things):
    for thing in things:
        thing.close()


def precisions(bench):
    """kiln's, by the name of the side: bf16 where the processor has matrix units for it."""
    return {"kiln": [], "kiln exact": ["--precision", "exact"],
            **({"kiln bf16": ["--precision", "bf16"]} if bench.has_bf16 else {})}


def step_side(bench, steps, options=(), threads=None):
    """Steps of training but the first, which brings the memory."""
    log = os.path.join(bench.work, "step.tsv")

    def side():
        for name in os.listdir(bench.work):
            if name.startswith("step."):
                os.unlink(os.path.join(bench.work, name))
        _, memory, _ = run([bench.kiln, "-j", str(threads or bench.threads), *options, "digits",
                            "train", f"images=0:{128 * steps}", "!", "mnist-unet", "arch=time",
                            "!", "train", os.path.join(bench.work, "step.safetensors"),
                            "epochs=1", "every=1", f"log={log}"])
        with open(log, encoding="ascii") as f:
            rows = [line.split("\t") for line in f.read().splitlines()[1:]]
        return [128 / float(row[4]) for row in rows[1:]], memory
    return side


def mnist_step(bench):
    """training step of the MNIST time net, 64 channels, batch 128"""
    steps = 4 if bench.quick else 8
    sides = {name: step_side(bench, steps, options) for name, options in precisions(bench).items()}
    torch, workers = torch_sides(bench, "mnist-step", {"repeats": steps // 2})
    rounds = 2 if bench.quick else bench.rounds
    yield Row("MNIST training step, batch 128", in_turn(rounds, {**sides, **torch}), 205.6e9)
    close(workers)


def sample_chain(bench, digits, steps, *hook):
    return ["randn", f"{digits}x1x28x28", "!", "mnist-unet", "mnist-class", "!", "prompt",
            *"0123456789", "!", "cfg", "5", "!", *hook, "ddpm", str(steps), "!", "save",
            os.path.join(bench.work, "sample.safetensors")]


def steps_side(bench, chain, options=(), threads=None):
    """The times of the steps of a run but the first, by a hook in the chain: bench-steps LOG."""
    log = os.path.join(bench.work, "steps.txt")

    def side():
        if not os.path.exists(os.path.join(bench.cache, "bench-steps.so")):
            raise Missing("no plugin that times steps")
        open(log, "w").close()
        _, memory = kiln_side(bench, chain("bench-steps", log, "!"), 1,
                              ("-P", bench.cache, *options), threads)()
        with open(log, encoding="ascii") as f:
            return [float(line) for line in f], memory
    return side


def sample_side(bench, steps, options=(), threads=None):
    """A step of a run on average."""
    side = steps_side(bench, lambda *hook: sample_chain(bench, 40, steps, *hook), options, threads)

    def mean():
        seconds, memory = side()
        return sum(seconds) / len(seconds), memory
    return mean


def mnist_sample(bench):
    """class sampling: 40 digits with guidance, per step"""
    steps = 30 if bench.quick else 300
    sides = {name: sample_side(bench, steps, options)
             for name, options in precisions(bench).items() if name != "kiln exact"}
    torch, workers = torch_sides(bench, "mnist-sample", {"steps": steps, "repeats": 1})
    rounds = 2
    yield Row(f"40 digits, guidance, per step of {steps}", in_turn(rounds, {**sides, **torch}),
              80 * 68.3e9 / 128)
    close(workers)


def mnist_epoch(bench):
    """an epoch of training, whole programs from start to end"""
    images = 1280 if bench.quick else 60000
    chain = ["digits", "train", f"images=0:{images}", "!", "mnist-unet", "arch=time", "!", "train",
             os.path.join(bench.work, "epoch.safetensors"), "epochs=1"]

    def kiln(options):
        def side():
            for name in os.listdir(bench.work):
                if name.startswith("epoch."):
                    os.unlink(os.path.join(bench.work, name))
            return kiln_side(bench, chain, 1, options)()
        return side

    def torch(variant):
        def side():
            import time
            begin = time.monotonic()
            worker = Torch(bench, "mnist-epoch", variant, images=images, folder=bench.work,
                           digits=os.path.join(ROOT, "share", "mnist"))
            seconds = time.monotonic() - begin
            memory = worker.ask({})["rss"]
            worker.close()
            return seconds, memory
        return side

    sides = {"kiln": kiln([])}
    if bench.has_bf16:
        sides["kiln bf16"] = kiln(["--precision", "bf16"])
    sides.update({f"PyTorch {v}": torch(v) for v in bench.torch})
    yield Row(f"an epoch of {images} digits, whole program", in_turn(1, sides))


def if_side(bench, name, shape, before, options=(), threads=None):
    """A call of a net of DeepFloyd IF: the steps of a run but the first."""
    if "if-unet" not in bench.nodes:
        raise Missing("this kiln has no if-unet")
    steps = 3 if bench.quick else 5
    folder = os.path.join(bench.cache, name)
    run([sys.executable, os.path.join(HERE, "if_nets.py"), name, bench.cache])
    prompts = os.path.join(bench.work, "prompts.safetensors")
    import numpy
    from safetensors.numpy import save_file
    save_file({p: numpy.random.default_rng(0).standard_normal((77, 4096), numpy.float32)
               for p in ("", "a photo")}, prompts)

    times = ",".join(str(900 - 30 * i) for i in range(steps + 1))
    return steps_side(bench, lambda *hook: [
        *before, "embeddings", prompts, "!", "if-unet", folder, "!", "prompt", "a photo", "!",
        "randn", f"size={shape}", "!", "cfg", "7", "!", *hook, "ddpm", f"timesteps={times}",
        f"to={900 - 30 * steps}", "!", "save", os.path.join(bench.work, "if.safetensors")],
        options, threads)


def if_call(bench, name, operations, shape, before):
    sides = {side: if_side(bench, name, shape, before, options)
             for side, options in precisions(bench).items()}
    torch, workers = torch_sides(bench, "unet", {"repeats": 1 if bench.quick else 3}, net=name)
    yield Row(f"{name} call, guidance in one batch of 2", in_turn(bench.rounds, {**sides, **torch}),
              operations, "kiln: a step; text, kept between calls, is not in it")
    close(workers)


def if1(bench):
    """a call of IF-I-M, full size, random weights in fp16"""
    yield from if_call(bench, "IF-I-M", 458.9e9, "64x64", ["blank", "1x3x64x64", "!"])


def if2(bench):
    """a call of IF-II-M, full size, random weights in fp16"""
    yield from if_call(bench, "IF-II-M", 3403.4e9, "256x256", ["blank", "1x3x64x64", "!"])


def ops_sides(bench):
    sides = {"kiln": Ops(bench)}
    if bench.has_bf16:
        sides["kiln bf16"] = Ops(bench, "bf16")
    return sides


def t5(bench):
    """a layer of the T5-XXL encoder, 77 tokens"""
    sides = ops_sides(bench)
    torch, workers = torch_sides(bench, "t5", {"repeats": 3})
    seen = {}

    def side(name):
        def one():
            median, _, seen["operations"], _ = sides[name].time("t5 1 77", 3)
            return median, 0
        return one

    found = in_turn(bench.rounds, {**{name: side(name) for name in sides}, **torch})
    yield Row("T5-XXL layer, 77 tokens", found, seen.get("operations", 0), "weights from F16")
    close(list(sides.values()) + workers)


CASES = [  # as in ops.c: conv IMAGES CI CO SIZE KERNEL STRIDE TRANSPOSED …
    "conv 128 64 64 28 3 1 0", "conv 128 128 128 14 3 1 0", "conv 128 64 64 28 3 2 0",
    "conv 128 128 64 14 4 2 1", "conv 2 192 192 64 3 1 0", "conv 2 384 384 32 3 1 0",
    "conv 2 576 576 16 3 1 0", "conv 2 768 768 8 3 1 0", "conv 2 384 192 64 1 1 0",
    "conv_dx 128 64 64 28 3 1 0", "conv_dw 128 64 64 28 3 1 0", "conv_dw 128 128 128 14 3 1 0",
    "linear 2048 384 1152 0", "linear 512 576 1728 0", "linear 2 768 1536 0",
    "linear 77 4096 4096 0", "attention 2 1024 1024 77 6 64", "attention 2 256 256 77 9 64",
    "attention 2 64 64 77 12 64", "group_norm 2 64 192", "group_norm 2 32 384",
    "batch_norm 128 28 64", "gelu 2 64 384",
]
QUICK = [c for c in CASES if not c.startswith(("conv 128 1", "conv 2 57", "linear 512"))]


def ops(bench):
    """single operations, PyTorch's functions beside"""
    sides = ops_sides(bench)
    workers = {}
    for variant in bench.torch:
        workers["PyTorch " + variant] = Torch(bench, "ops", variant)
    repeats = 5 if bench.quick else 9
    for case in QUICK if bench.quick else CASES:
        seen = {}

        def kiln(name):
            def one():
                median, _, seen["operations"], _ = sides[name].time(case, repeats)
                return median, 0
            return one

        def torch(name):
            return lambda: (workers[name].time(what=case, repeats=repeats)[0], 0)

        found = in_turn(bench.rounds, {**{name: kiln(name) for name in sides},
                                       **{name: torch(name) for name in workers}})
        yield Row(case, found, seen.get("operations", 0))
    close(list(sides.values()) + list(workers.values()))


def by_threads(bench, what, side):
    """side(threads) gives a side; the ratio is that of one thread's time to all threads'."""
    sides = {"kiln": side(bench.threads), "kiln, 1 thread": side(1)}
    return Row(f"{what}, {bench.threads} threads", in_turn(bench.rounds, sides))


def scaling(bench):
    """from one thread to all: a training step, sampling, an IF-I-M call, a photo"""
    if bench.threads < 2:
        raise Missing("there is one processor")
    yield by_threads(bench, "MNIST training step", lambda n: step_side(bench, 4, (), n))
    steps = 10 if bench.quick else 50
    yield by_threads(bench, f"40 digits, guidance, per step of {steps}", lambda n: sample_side(
        bench, steps, (), n))
    photo_chain = ["load", bench.photo(), "!", "blur", "2", "!", "save",
                   os.path.join(bench.work, "photo-out.jpg")]
    yield by_threads(bench, "photo blurred, JPEG to JPEG",
                     lambda n: kiln_side(bench, photo_chain, 1, (), n))
    yield by_threads(bench, "IF-I-M call", lambda n: if_side(
        bench, "IF-I-M", "64x64", ["blank", "1x3x64x64", "!"], (), n))


def linear(bench):
    """cost by steps, batch and pixels: time per unit, which would be the same"""
    base = 10 if bench.quick else 50

    def sides(side):
        return in_turn(bench.rounds, {"kiln": side(1), "kiln, twice": side(2),
                                      "kiln, 4 times": side(4)})

    yield Row(f"20 digits, per step of {base} and more", sides(lambda n: kiln_side(
        bench, sample_chain(bench, 20, base * n), base * n)))
    yield Row(f"{base} steps, per digit of 20 and more", sides(lambda n: kiln_side(
        bench, sample_chain(bench, 20 * n, base), 20 * n)))
    ops = Ops(bench)
    pixels = {1: "1500 2000", 2: "1500 4000", 4: "3000 4000"}
    yield Row("blur 17x17, per 3 megapixels", sides(lambda n: lambda: (
        ops.time(f"blur {pixels[n]} 17", 3)[0] / n, 0)))
    ops.close()

    def if_part(n):
        side = if_side(bench, "IF-I-M", f"64x{64 * n}", ["blank", f"1x3x64x{64 * n}", "!"])

        def part():
            seconds, memory = side()
            return [s / n for s in seconds], memory
        return part

    yield Row("IF-I-M call, per 64x64 pixels", in_turn(bench.rounds, {
        "kiln": if_part(1), "kiln, twice": if_part(2)}), note="attention grows with the square")


def start(bench):
    """start-up of the programs"""
    def python(code):
        return lambda: run([sys.executable, "-c", code])[:2]

    png = os.path.join(bench.work, "start.png")
    yield Row("start, nothing done", in_turn(5, {
        "kiln": kiln_side(bench, ["version"]), "python -c 'import torch'": python("import torch"),
        "python, torch and diffusers": python("import torch, diffusers")}))
    yield Row("start, write a picture", in_turn(5, {
        "kiln": kiln_side(bench, ["blank", "1x3x64x64", "!", "save", png])}))


def cut(bench, words):
    """The chain as a shell pipeline, one process a node."""
    import shlex
    nodes, node = [], []
    for word in words + ["!"]:
        if word == "!":
            nodes.append(shlex.join([bench.kiln, "-j", str(bench.threads), *node]))
            node = []
        else:
            node.append(word)
    return ["sh", "-c", " | ".join(nodes)]


def pipe(bench):
    """one process, and the same chain cut into a process per node"""
    steps = "10" if bench.quick else "50"
    digits = ["randn", "8x1x28x28", "!", "mnist-unet", "mnist-class", "!", "prompt", "7", "!",
              "cfg", "5", "!", "ddpm", steps, "!", "grid", "!", "save",
              os.path.join(bench.work, "pipe.png")]
    photo = ["load", bench.photo(), "!", "resize", "1000x750", "!", "blur", "2", "!", "save",
             os.path.join(bench.work, "pipe.png")]
    for what, chain in (("8 digits", digits), ("a 12 megapixel photo", photo)):
        yield Row(f"{what}: one process, one per node", in_turn(bench.rounds, {
            "kiln": kiln_side(bench, chain),
            "kiln cut": lambda chain=chain: run(cut(bench, chain))[:2]}))


# As kiln writes JPEG: colour at full resolution, quality 92, and up to a megapixel Huffman codes of
# the picture's own.
VIPS_JPEG = "[Q=92,subsample_mode=off]"
VIPS_SMALL_JPEG = "[Q=92,optimize_coding,subsample_mode=off]"
# Where weights fall below the least that libvips takes, which is 3.7 sigma to kiln's 4, in whole
# numbers or floats; left alone, libvips stops below 0.2.
GAUSS = ["gaussblur", "2", "--min-ampl", "0.001"]


def picture_sides(bench, out, options, kiln, vips, magick):
    sides = {"kiln": kiln_side(bench, ["load", bench.photo(), "!", *kiln, "!", "save", out])}
    env = {"VIPS_CONCURRENCY": str(bench.threads), "MAGICK_THREAD_LIMIT": str(bench.threads)}
    if shutil.which("vips"):
        for name, words in vips.items():
            sides[name] = lambda words=words: run(
                ["vips", words[0], bench.photo(), out + options, *words[1:]], env)[:2]
    if shutil.which("convert"):
        sides["ImageMagick"] = lambda: run(
            ["convert", bench.photo(), *magick, "-quality", "92", out], env)[:2]
    return sides


def in_memory(bench, what, vips):
    """The operation alone: kiln's on floats in memory, libvips' from and to its own uncompressed
    files of bytes, which the system keeps in memory."""
    kiln = Ops(bench)
    sides = {"kiln": lambda: (kiln.time(what, 3)[0], 0)}
    if shutil.which("vips"):
        env = {"VIPS_CONCURRENCY": str(bench.threads)}
        raw, out = os.path.join(bench.work, "photo.v"), os.path.join(bench.work, "out.v")
        if not os.path.exists(raw):
            run(["vips", "copy", bench.photo(), raw])
        for name, words in vips.items():
            sides[name] = lambda words=words: run(["vips", words[0], raw, out, *words[1:]], env)[:2]
    found = in_turn(bench.rounds, sides)
    kiln.close()
    return found


def photo(bench):
    """resize and blur of a 12 megapixel photo, beside libvips and ImageMagick"""
    jpg = os.path.join(bench.work, "photo-out.jpg")
    resize = ["resize", "0.25", "--kernel", "lanczos3"]
    blurs = {"libvips": GAUSS, "libvips float": GAUSS + ["--precision", "float"],
             "libvips, cut early": ["gaussblur", "2"]}
    yield Row("photo to a quarter, JPEG to JPEG", in_turn(bench.rounds, picture_sides(
        bench, jpg, VIPS_SMALL_JPEG, ["resize", "1000x750", "filter=lanczos"],
        {"libvips": resize}, ["-filter", "Lanczos", "-resize", "1000x750"])))
    yield Row("photo blurred, sigma 2, JPEG to JPEG", in_turn(bench.rounds, picture_sides(
        bench, jpg, VIPS_JPEG, ["blur", "2"], blurs, ["-gaussian-blur", "8x2"])))
    yield Row("to a quarter alone", in_memory(bench, "resize 3000 4000 750 1000", {
        "libvips": resize}), note="libvips: a process from file to file, both uncompressed bytes")
    yield Row("blur alone, 17x17", in_memory(bench, "blur 3000 4000 17", blurs), note="the same")


PARTS = {"mnist-step": mnist_step, "mnist-sample": mnist_sample, "mnist-epoch": mnist_epoch,
         "if1": if1, "if2": if2, "t5": t5, "ops": ops, "start": start, "pipe": pipe,
         "photo": photo,
         "scaling": scaling, "linear": linear}
# The others take minutes each, whatever is left out of them.
QUICK_PARTS = ["mnist-step", "mnist-sample", "if1", "t5", "ops", "photo"]
