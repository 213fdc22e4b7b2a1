# SPDX-License-Identifier: GPL-3.0-or-later
"""The null device keeps the time of a sound card, and the file device does not wait."""
import os
import subprocess
import tempfile
import time

from daemon import PROGRAM, RUNNING, Daemon, check


def measure(d, rate, seconds):
    a = d.status()
    time.sleep(seconds)
    b = d.status()
    return (b["frames"] - a["frames"]) / rate / ((b["clock_ns"] - a["clock_ns"]) / 1e9)


def pacing(rate, block, seconds=4):
    """A machine that stalls loses time in any program, so the best of four tries counts."""
    with Daemon("--audio.driver=null", f"--audio.rate={rate}", f"--audio.block={block}",
                "--midi.sequencer=false") as d:
        d.wait_playing()
        time.sleep(0.3)
        tolerance = 0.0005 + 2 * block / rate / seconds
        paces = []
        while len(paces) < 4 and not (paces and abs(paces[-1] - 1) < tolerance):
            paces.append(measure(d, rate, seconds))
        check(abs(paces[-1] - 1) < tolerance, f"{rate} Hz, {block} frames: pace {paces}")
        s = d.status()
        check(s["state"] == RUNNING and s["block"] == block and s["rate_hz"] == rate,
              "state, rate and block are told")
        check(d.memory_kb() <= 24 * 1024, f"resident {d.memory_kb()} kB <= 24 MB")


def file_device():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.wav")
        start = time.monotonic()
        run = subprocess.run([PROGRAM, "serve", f"--state={folder}", "--server.port=0",
                              "--server.listen=127.0.0.1", "--audio.driver=file",
                              f"--audio.device={path}", "--seconds=60"],
                             capture_output=True, text=True, timeout=60, check=False)
        took = time.monotonic() - start
        check(run.returncode == 0, f"the file is written, {took:.2f} s for 60 s of sound")
        check(took < 30, "faster than real time")
        size = os.path.getsize(path)
        expected = 60 * 48000 * 2 * 4
        check(expected <= size < expected + 1024, f"{size} bytes: 60 s of stereo float")


def refusals():
    run = subprocess.run([PROGRAM, "serve", "--audio.driver=file", "--state=/tmp",
                          "--audio.device=/nowhere/x.wav"], capture_output=True, text=True,
                         timeout=20, check=False)
    check(run.returncode != 0 and "/nowhere/x.wav" in run.stderr, "a bad path is refused by name")


pacing(48000, 64)
pacing(44100, 32, 2)
pacing(96000, 1024, 2)
file_device()
refusals()
