#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of every kind play a model: timbred render --model M --input WAV out.wav.

usage: test_transfer.py TIMBRED [unittest arguments]
"""
import math
import os
import random
import struct
import unittest

import test_cli
from model_maker import write_model

RATE = 48000


def wav(path, samples, rate=48000, bits=16, channels=1):
    """samples: -1..1 and beyond, clipped as a converter does; bits 8, 16, 24 or 32 (float)."""
    def frame(v):
        if bits == 32:
            return struct.pack("<f", v)
        full = (1 << (bits - 1)) - 1
        whole = round(max(-1, min(1, v)) * full)
        if bits == 8:
            return bytes([whole + 128])
        return struct.pack("<i", whole)[:bits // 8]

    data = b"".join(frame(v) * channels for v in samples)
    width = channels * bits // 8
    kind = 3 if bits == 32 else 1
    with open(path, "wb") as f:
        f.write(struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16,
                            kind, channels, rate, rate * width, width, bits, b"data", len(data)))
        f.write(data)
    return path


def tone(hz, seconds, rate, level=0.3):
    return [level * sum(math.sin(2 * math.pi * k * hz * i / rate) / k for k in (1, 2, 3)
                        if k * hz < rate / 2) for i in range(int(seconds * rate))]


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    at = data.index(b"data") + 8
    return struct.unpack(f"<{(len(data) - at) // 4}f", data[at:])


def strength(x, hz):
    """Of the first four harmonics of hz in x, whose window is Hann."""
    total = 0.0
    for k in range(1, 5):
        turn = 2 * math.pi * k * hz / RATE
        re = sum(v * math.cos(turn * i) for i, v in enumerate(x))
        im = sum(v * math.sin(turn * i) for i, v in enumerate(x))
        total += math.hypot(re, im)
    return total


def cents_off(x, hz):
    """How far the strongest pitch within half a semitone lies from hz."""
    n = len(x)
    x = [v * (0.5 - 0.5 * math.cos(2 * math.pi * i / n)) for i, v in enumerate(x)]
    return max(range(-50, 51, 5), key=lambda c: strength(x, hz * 2 ** (c / 1200)))


class Transfer(test_cli.Folder):
    def setUp(self):
        super().setUp()
        self.model = self.path("model.safetensors")
        write_model(self.model, pitch_low_hz="100", pitch_high_hz="1000",
                    loudness_low_db="-60", loudness_high_db="-20")

    def render(self, source, *options, out="out.wav"):
        return self.run_raw("render", "--model", self.model, "--input", source, self.path(out),
                            "--mono", "--dry", "--tail", "0.5", *options)

    def test_every_format_plays_at_its_pitch(self):
        for rate, bits, channels in ((8000, 16, 1), (11025, 8, 1), (16000, 16, 2), (44100, 24, 2),
                                     (48000, 32, 1), (96000, 24, 1), (192000, 16, 1)):
            with self.subTest(rate=rate, bits=bits, channels=channels):
                source = wav(self.path("in.wav"), tone(330, 0.6, rate), rate, bits, channels)
                done = self.render(source)
                self.assertEqual(done.returncode, 0, done.stderr)
                sound = read(self.path("out.wav"))
                self.assertGreater(max(map(abs, sound)), 0.003)
                self.assertLessEqual(abs(cents_off(sound[12000:20000], 330)), 20)

    def test_the_same_bytes_again_and_shifted(self):
        source = wav(self.path("in.wav"), tone(220, 0.5, 44100), 44100)
        for out in ("a.wav", "b.wav"):
            self.assertEqual(self.render(source, out=out).returncode, 0)
        with open(self.path("a.wav"), "rb") as a, open(self.path("b.wav"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        done = self.render(source, "--set", "transfer.octave=1", "--set", "transfer.semitones=-5")
        self.assertEqual(done.returncode, 0, done.stderr)
        shifted = 440 * 2 ** (-5 / 12)
        self.assertLessEqual(abs(cents_off(read(self.path("out.wav"))[12000:20000], shifted)), 20)

    def test_what_is_no_phrase_is_silent_or_bounded(self):
        dice = random.Random(1)
        kinds = {"silence": [0.0] * 24000, "dc": [0.5] * 24000, "short": [0.1],
                 "noise": [dice.uniform(-0.5, 0.5) for _ in range(24000)],
                 "clipping": [math.copysign(1, v) for v in tone(196, 0.5, 48000)],
                 "nan": [float("nan")] * 24000,
                 "infinite": [float("inf")] * 2400, "huge": [1e30] * 2400}
        for kind, samples in kinds.items():
            with self.subTest(kind=kind):
                done = self.render(wav(self.path("in.wav"), samples, 48000, 32))
                self.assertEqual(done.returncode, 0, done.stderr)
                sound = read(self.path("out.wav"))
                self.assertTrue(all(abs(v) <= 1 for v in sound))
                loudest = max(map(abs, sound), default=0)
                self.assertTrue(kind == "clipping" or loudest < 1e-4, f"{kind}: {loudest}")
                if kind == "clipping":
                    self.assertGreater(loudest, 0.003)

    def test_bad_files_are_refused_by_name(self):
        good = wav(self.path("good.wav"), tone(330, 0.1, 48000))
        with open(good, "rb") as f:
            data = f.read()
        bad = {"empty": b"", "text": b"no sound at all, but long enough for a head of 44 bytes",
               "no samples": data[:40] + bytes(4), "slow": data[:24] + struct.pack("<I", 4000)
               + data[28:], "fast": data[:24] + struct.pack("<I", 384000) + data[28:],
               "cut head": data[:30]}
        for kind, content in bad.items():
            with self.subTest(kind=kind):
                with open(self.path("bad.wav"), "wb") as f:
                    f.write(content)
                done = self.render(self.path("bad.wav"))
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(b"bad.wav", done.stderr)
                self.assertFalse(os.path.exists(self.path("out.wav")))
        with open(self.path("bad.wav"), "wb") as f:  # the head promises more than there is
            f.write(data[:len(data) // 2])
        self.assertEqual(self.render(self.path("bad.wav")).returncode, 0)

    def test_an_input_needs_a_model(self):
        done = self.run_raw("render", "--model", "none", "--input", self.path("x.wav"),
                            self.path("out.wav"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"--input", done.stderr)


if __name__ == "__main__":
    unittest.main()
