# SPDX-License-Identifier: MIT
"""What is timed: the kiln program, single operations in it, PyTorch in processes of its own, and
other programs."""
import json
import os
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# Big tensors are otherwise given back to the system, and faulted in again, with each step.
TUNED = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296",
         "MALLOC_TOP_PAD_": "268435456"}


class Missing(Exception):
    """Something that a part needs is not there, or failed: one line."""


def run(command, env=None, cwd=None):
    """Seconds of a command, and its peak memory in MB; 0 if that is below ours, which it begins
    with."""
    begin = time.monotonic()
    with open(os.devnull) as none, subprocess.Popen(
            command, stdin=none, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
            env=None if env is None else {**os.environ, **env}) as p:
        out, err = p.stdout.read(), p.stderr.read()  # what they write is short
        _, status, usage = os.wait4(p.pid, 0)
        seconds = time.monotonic() - begin
        p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        line = (err.decode(errors="replace").strip().splitlines() or ["no message"])[0]
        raise Missing(f"{os.path.basename(command[0])}: {line}")
    known = usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, usage.ru_maxrss / 1024 if known else 0, out.decode(errors="replace")


class Ops:
    """kiln's operations, one by one, on request."""

    def __init__(self, bench, precision="fast"):
        plugin = os.path.join(bench.cache, "bench-ops.so")
        if not os.path.exists(plugin):
            raise Missing("no plugin that times operations")
        read, write = os.pipe()
        self.process = subprocess.Popen(
            [bench.kiln, "-j", str(bench.threads), "--precision", precision, "-P", bench.cache,
             "bench-ops", f"/dev/fd/{write}", "!", "show"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[write], text=True)
        os.close(write)
        self.replies = os.fdopen(read)

    def time(self, what, repeats):
        """Median and best seconds, operations, bytes."""
        try:
            self.process.stdin.write(f"{what} {repeats}\n")
            self.process.stdin.flush()
        except OSError:
            raise Missing("the operations of kiln ended") from None
        words = self.replies.readline().split()
        if len(words) != 4 or words[0] == "error":
            raise Missing(f"{what}: {' '.join(words[1:]) or 'no answer'}")
        return [float(w) for w in words]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.replies.close()


class Torch:
    """A process with PyTorch: default, tuned (channels last, malloc thresholds) or bf16 (tuned, and
    autocast)."""

    def __init__(self, bench, job, variant, **options):
        env = {**os.environ, "OMP_NUM_THREADS": str(bench.threads), "OMP_WAIT_POLICY": "PASSIVE",
               "KMP_BLOCKTIME": "0", "PYTHONWARNINGS": "ignore", "HF_HUB_OFFLINE": "1"}
        if variant != "default":
            env.update(TUNED)
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "torch_side.py"), job, variant,
             str(bench.threads), json.dumps({"cache": bench.cache, **options})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=env)
        self.ask({})  # when it is ready

    def ask(self, request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass
        line = self.process.stdout.readline()
        if not line:
            err = self.process.stderr.read().strip().splitlines() or ["it ended"]
            raise Missing(f"PyTorch: {err[-1]}")
        return json.loads(line)

    def time(self, **request):
        """Seconds of each repeat, and the process' peak memory in MB."""
        answer = self.ask(request)
        return answer["seconds"], answer["rss"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def in_turn(rounds, sides):
    """sides: name -> function that returns seconds, or a list of them, and peak memory. Each is
    called once a round. name -> (median, best, memory), or the text of what was missing."""
    seconds = {name: [] for name in sides}
    memory = dict.fromkeys(sides, 0.0)
    missing = {}
    for _ in range(rounds):
        for name, side in sides.items():
            if name in missing:
                continue
            try:
                times, peak = side()
            except Missing as e:
                missing[name] = str(e)
                continue
            seconds[name] += times if isinstance(times, list) else [times]
            memory[name] = max(memory[name], peak or 0)
    return {name: missing.get(name) or (statistics.median(s), min(s), memory[name])
            for name, s in seconds.items()}
