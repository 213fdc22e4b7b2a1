#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our training step against PyTorch's (Debian's python3-torch), taken in turns on two threads.

usage: paired.py BENCH_TRAIN_STEP [PRESET...]

The same work: a batch of 16 x 4 s at 16 kHz through decoder, synthesiser and reverb, multi-scale
spectral loss, backward, clipping and AdamW. After one step of each to warm up, two of ours follow
each of PyTorch's; times_faster compares the shortest of both. JSON; without PyTorch says so.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
ROUNDS = {"hpn-reduced": 4, "wavetable-reduced": 4, "ddx7-reduced": 6, "ddx7-full": 4,
          "hpn-full": 2, "wavetable-full": 2}
THREADS = 2


def python_with_torch():
    for python in ("/usr/bin/python3", sys.executable):
        done = subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL,
                              check=False)
        if done.returncode == 0:
            return python
    return None


class Stepper:
    """Takes steps for lines."""

    def __init__(self, command, blas_threads):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": str(blas_threads)})

    def step(self, preset):
        self.process.stdin.write(preset + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def compare(preset, ours, theirs):
    values = (ours.step(preset)["values"], theirs.step(preset)["values"])
    own, their = [], []
    for _ in range(ROUNDS[preset]):
        their.append(theirs.step(preset)["seconds"])
        own += [ours.step(preset)["seconds"] for _ in range(2)]
    return {"preset": preset, "seconds": min(own), "torch_seconds": min(their),
            "times_faster": min(their) / min(own), "all": own, "torch_all": their,
            "values": values[0], "torch_values": values[1]}


def main(command, *presets):
    python = python_with_torch()
    if not python:
        print(json.dumps({"skipped": "no PyTorch: apt-get install python3-torch"}))
        return
    ours = Stepper([command, "lines"], 1)
    theirs = Stepper([python, os.path.join(HERE, "torch_step.py"), str(THREADS)], THREADS)
    results = [compare(preset, ours, theirs) for preset in presets or ROUNDS]
    ours.end()
    theirs.end()
    print(json.dumps({"threads": THREADS, "load_average": os.getloadavg()[0],
                      "presets": results}))


main(*sys.argv[1:])
