#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training in the background costs the engine that plays at 64 frames: in turns without and
with one, each with a witness (beside.py says what that is).
usage: training.py TIMBRED PEEK [SECONDS [ROUNDS]]

Prints JSON and ends with 1 where a figure is missed. 10 seconds a turn, 3 rounds without SECONDS.
"""
import math
import os
import struct
import sys
import time

import beside

TIMBRED, PEEK = (os.path.abspath(p) for p in sys.argv[1:3])
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 3
VOICES, RATE, WAIT_S = 16, 16000, 300


def recording(hz, seconds=6):
    """A note with a few partials, as WAV."""
    data = bytearray()
    for i in range(int(seconds * RATE)):
        t = i / RATE
        level = min(1, t / 0.05, (seconds - t) / 0.1) * 0.5
        x = level * sum(math.sin(2 * math.pi * k * hz * t) / k ** 2 for k in range(1, 6))
        data += struct.pack("<h", int(x * 20000))
    head = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVEfmt ", 16, 1, 1, RATE,
                       2 * RATE, 2, 16, b"data", len(data))
    return head + bytes(data)


def ask(daemon, method, path, body=None, headers=None):
    status, answer = daemon.json(method, path, body, headers, timeout=60)
    if status >= 300:
        raise RuntimeError(f"{method} {path}: {status} {answer}")
    return answer


def wait_for(daemon, uuid, wanted):
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        training = ask(daemon, "GET", f"/trainings/{uuid}")
        if wanted(training):
            return training
        time.sleep(0.2)
    raise RuntimeError(f"nothing within {WAIT_S} s: {training}")


def collect(daemon):
    uuid = ask(daemon, "POST", "/datasets", {"name": "tones"})["uuid"]
    for i in range(6):
        path = f"/datasets/{uuid}/recordings?filename=tone-{i}.wav"
        ask(daemon, "POST", path, recording(220 * 2 ** (i / 6)),
            {"Content-Type": "application/octet-stream"})
    return uuid


def play(daemon):
    beside.play_init_voice(daemon)
    for key in range(48, 48 + VOICES):
        ask(daemon, "POST", "/notes", {"key": key, "velocity": 90})


def turn(daemon):
    """Late blocks and those of the witness in one turn."""
    audio = beside.Beside(PEEK, daemon.process.pid)
    time.sleep(SECONDS)
    seen = audio.end()
    return {key: seen[key] for key in ("blocks", "late", "witness_late")}


def total(turns):
    return {key: sum(t[key] for t in turns) for key in turns[0]}


def measure(daemon):
    data = collect(daemon)
    play(daemon)
    idle, busy, steps, stops = [], [], 0, []
    uuid = None
    for _ in range(ROUNDS):
        idle.append(turn(daemon))
        if uuid is None:
            body = {"dataset": data, "family": "ddx7", "batch": 16, "seconds": 1, "minutes": 600}
            uuid = ask(daemon, "POST", "/trainings", body)["uuid"]
        else:
            ask(daemon, "POST", f"/trainings/{uuid}/resume", {})
        first = wait_for(daemon, uuid, lambda t: t["steps_per_s"] > 0)["step"]
        busy.append(turn(daemon))
        steps += ask(daemon, "GET", f"/trainings/{uuid}")["step"] - first
        began = time.monotonic()
        ask(daemon, "POST", f"/trainings/{uuid}/stop", "")
        wait_for(daemon, uuid, lambda t: t["state"] != "running")
        stops.append(time.monotonic() - began)
    without, trains = total(idle), total(busy)
    return {"seconds": SECONDS * ROUNDS, "voices": VOICES, "without": without, "with": trains,
            "late_beyond_witness": max(0, trains["late"] - trains["witness_late"]),
            "late_beyond_idle": max(0, trains["late"] - without["late"]),
            "steps_per_s": round(steps / (SECONDS * ROUNDS), 2),
            "stop_s": round(max(stops), 2), "load_average": os.getloadavg()[0]}


if __name__ == "__main__":
    sys.exit(beside.main("training", TIMBRED, measure))
