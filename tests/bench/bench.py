# SPDX-License-Identifier: MIT
"""The program behind scripts/bench, which says what it does."""
import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time

import parts
from sides import Missing, Ops, run


def processor():
    """Its name, and the set of its flags."""
    model, flags = platform.processor() or platform.machine(), set()
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
            elif line.startswith("flags"):
                flags = set(line.split(":", 1)[1].split())
    return model, flags


class Bench:
    """What all parts share."""

    def __init__(self, args):
        self.kiln, self.cache, self.quick = args.kiln, args.cache, args.quick
        self.threads = args.threads or len(os.sched_getaffinity(0))
        self.rounds = 2 if args.quick else 5
        self.work = tempfile.mkdtemp(prefix="kiln-bench-")
        self.nodes = {line.split()[0] for line in run([self.kiln, "list"])[2].splitlines()
                      if line.startswith("  ") and line.split()}
        try:
            run([self.kiln, "--precision", "bf16", "blank", "1x1x4x4", "!", "save",
                 os.path.join(self.work, "bf16.png")])
            self.has_bf16 = True
        except Missing:
            self.has_bf16 = False
        # Without instructions for it, PyTorch takes more than ten times as long in bf16 as in fp32.
        self.torch = ["default", "tuned"] + ["bf16"] * bool(
            processor()[1] & {"avx512_bf16", "amx_bf16"})
        self.peaks = self.measure_peaks()

    def measure_peaks(self):
        """What the processor does at most: GFLOP/s by name, GB/s of reading."""
        peaks = {}
        try:
            ops = Ops(self)
            kinds = [("fp32", "0 0")] + [("bf16", "2 1")] * self.has_bf16
            if os.environ.get("KILN_CPU") not in ("ref", "avx2"):
                kinds.append(("fp32", "1 0"))
            for name, what in kinds:
                try:
                    median, best, operations, _ = ops.time("peak " + what, 9)
                    peaks[name] = max(peaks.get(name, 0), operations / best / 1e9)
                except Missing:
                    pass
            _, best, _, size = ops.time("peak 3 0", 5)
            peaks["read"] = size / best / 1e9
            ops.close()
        except Missing as e:
            print(f"bench: peaks: {e}", file=sys.stderr)
        return peaks

    def photo(self):
        path = os.path.join(self.work, "photo.jpg")
        if not os.path.exists(path):
            small = os.path.join(parts.ROOT, "share", "photos", "astronaut.jpg")
            run([self.kiln, "load", small, "!", "resize", "4000x3000", "!", "save", path])
        return path


def machine(bench):
    """Lines that say what was measured where."""
    model, flags = processor()
    sets = [name for flag, name in (("avx2", "AVX2"), ("avx512f", "AVX-512"),
                                    ("amx_bf16", "AMX")) if flag in flags]
    versions = []
    for package in ("torch", "diffusers"):  # not imported: children would inherit the memory
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    for program in ("vips", "convert"):
        if shutil.which(program):
            versions.append(run([program, "--version"])[2].split("\n")[0].split("http")[0].strip())
    cap = os.environ.get("KILN_CPU")
    peak = ", ".join(f"{value:.0f} {'GB/s' if name == 'read' else 'GFLOP/s'} {name}"
                     for name, value in bench.peaks.items())
    return [f"{model}, {len(os.sched_getaffinity(0))} processors: {', '.join(sets)}"
            + (f"; KILN_CPU={cap}" if cap else ""),
            f"{run([bench.kiln, 'version'])[2].splitlines()[0]}; {'; '.join(versions)}",
            f"{bench.threads} threads; measured peaks: {peak or 'none'}",
            f"load average before the run: {os.getloadavg()[0]:.1f} "
            f"(of {os.cpu_count()}: what is above 0 took time from all sides)"]


def show_time(seconds):
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


# A side is compared with the kiln of its precision.
def compared_with(name):
    return "kiln bf16" if name.endswith("bf16") else "kiln"


def markdown(row, bench):
    """Lines of the table: one for each side."""
    lines = []
    for name, found in row.sides.items():
        what = row.what if not lines else ""
        if isinstance(found, str):
            lines.append(f"| {what} | {name} | – | | | | {found} |")
            continue
        median, _, memory = found
        base = row.sides.get(compared_with(name))
        ratio = "" if name == compared_with(name) or not base or isinstance(base, str) else \
            f"{median / base[0]:.2f}"
        rate = share = ""
        if row.operations:
            flops = row.operations / median / 1e9
            rate = f"{flops:.0f}"
            peak = bench.peaks.get("bf16" if name.endswith("bf16") else "fp32")
            share = f"{100 * flops / peak:.0f}%" if peak else ""
        lines.append(f"| {what} | {name} | {show_time(median)} | {ratio} | {rate} {share} | "
                     f"{f'{memory:.0f}' if memory else ''} | {row.note if not lines else ''} |")
    return lines


HEAD = ["| work | by | time | ratio | GFLOP/s, of peak | peak MB | |",
        "|---|---|---:|---:|---:|---:|---|"]


def main():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--kiln")
    parser.add_argument("--cache")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", default="bench")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("part", nargs="*")
    args = parser.parse_args()
    if args.list:
        for name, part in parts.PARTS.items():
            quick = "" if name in parts.QUICK_PARTS else " (--quick leaves it out, unless named)"
            print(f"{name:14}{part.__doc__}{quick}")
        return 0
    for name in args.part:
        if name not in parts.PARTS:
            parser.error(f"no part '{name}': {', '.join(parts.PARTS)}")
    try:
        bench = Bench(args)
    except Missing as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    head = machine(bench)
    text = [f"- {line}" for line in head] + ["", *HEAD]
    table = ["\t".join(("part", "work", "by", "median_s", "best_s", "gflops", "peak_mb", "missing"))]
    print("\n".join(text), flush=True)
    for name in args.part or (parts.QUICK_PARTS if args.quick else parts.PARTS):
        began = time.monotonic()
        try:
            for row in parts.PARTS[name](bench):
                lines = markdown(row, bench)
                print("\n".join(lines), flush=True)
                text += lines
                for side, found in row.sides.items():
                    values = ("", "", "", "", found) if isinstance(found, str) else (
                        f"{found[0]:.6g}", f"{found[1]:.6g}",
                        f"{row.operations / found[0] / 1e9:.6g}" if row.operations else "",
                        f"{found[2]:.0f}" if found[2] else "", "")
                    table.append("\t".join((name, row.what, side, *values)))
        except Missing as e:
            line = f"| {name} | | – | | | | skipped: {e} |"
            print(line, flush=True)
            text.append(line)
        print(f"bench: {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    os.makedirs(args.out, exist_ok=True)
    for path, lines in (("bench.md", text), ("bench.tsv", ["# " + line for line in head] + table)):
        with open(os.path.join(args.out, path), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    shutil.rmtree(bench.work)
    return 0


sys.exit(main())
