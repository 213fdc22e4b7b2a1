# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw MIDI over a FIFO and a pty makes notes of the right pitch; both may vanish and come back."""
import os
import pty
import tempfile
import time

from daemon import Daemon, check, wait_for

CENTS_PER_OCTAVE = 1200


def cents(a, b):
    import math
    return CENTS_PER_OCTAVE * math.log2(a / b) if a > 0 else float("inf")


def write_fifo(path, data):
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, data)
    os.close(fd)


def silent(d):
    return d.tone(0.1)["rms"] < 1e-4


def main():
    with tempfile.TemporaryDirectory() as folder:
        fifo, link = os.path.join(folder, "fifo"), os.path.join(folder, "pty")
        os.mkfifo(fifo)
        master, slave = pty.openpty()
        os.symlink(os.ttyname(slave), link)
        with Daemon("--audio.driver=null", f"--midi.in={fifo},{link}",
                    "--midi.sequencer=false") as d:
            d.wait_playing()
            wait_for(lambda: open(f"/proc/{d.pid}/task/{d.pid}/comm").read(), 1, "up")
            time.sleep(0.2)
            for key, hz in ((69, 440.0), (60, 261.6256), (81, 880.0)):
                write_fifo(fifo, bytes([0x90, key, 100]))
                time.sleep(0.05)
                got = d.tone(0.5)
                off = cents(got["f0_hz"], hz)
                check(abs(off) < 0.5 and got["rms"] > 0.01,
                      f"key {key} over a FIFO: {got['f0_hz']:.2f} Hz, {off:+.2f} cents")
                write_fifo(fifo, bytes([0x80, key, 0]))
                wait_for(lambda: silent(d), 2, "silence after note off")

            os.write(master, bytes([0x90, 0xF8, 69, 100]))
            time.sleep(0.05)
            check(abs(cents(d.tone(0.4)["f0_hz"], 440.0)) < 0.5, "key 69 over a pty, clock between")
            before = d.status()["midi_events"]
            os.close(master)
            os.close(slave)
            wait_for(lambda: silent(d), 2, "a pulled cable ends its notes")
            check(d.status()["midi_events"] > before, "it was told as an event")

            master, slave = pty.openpty()
            os.unlink(link)
            os.symlink(os.ttyname(slave), link)
            wait_for(lambda: "is here" in d.said(), 2, "the pty comes back")
            os.write(master, bytes([0x90, 57, 100]))
            time.sleep(0.05)
            check(abs(cents(d.tone(0.4)["f0_hz"], 220.0)) < 0.5, "and plays")
            os.write(master, bytes([0x90, 57, 0]))
            wait_for(lambda: silent(d), 2, "silence")

            os.unlink(fifo)
            os.mkfifo(fifo)
            time.sleep(0.7)
            write_fifo(fifo, bytes([0x90, 69, 100]))
            time.sleep(0.05)
            check(d.tone(0.3)["rms"] > 0.01, "a FIFO made anew is found")
            write_fifo(fifo, os.urandom(200000) + bytes([0xF7, 0xB0, 120, 0]))
            check(d.status()["blocks"] > 0 and d.process.poll() is None,
                  "200 kB of rubbish do no harm")
            write_fifo(fifo, bytes([0xB0, 123, 0, 0xB0, 120, 0]))
            wait_for(lambda: silent(d), 3, "panic")


main()
