#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""timbred dataset as people use it, and what it hands to timbred train.

usage: test_dataset_command.py TIMBRED [unittest arguments]
"""
import glob
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import wave

TIMBRED = os.path.abspath(sys.argv.pop(1))
FONTS = sorted(glob.glob("/usr/share/sounds/sf2/*.sf2"), key=os.path.getsize)
TINY = ["--family", "hpn", "--width", "8", "--harmonics", "20", "--bands", "17", "--reverb", "0.05",
        "--batch", "2", "--seconds", "0.3", "--threads", "1", "--steps", "4"]


def tone(path, notes, rate=16000):
    """A WAV file of (Hz, seconds, level) one after the other, harmonics falling."""
    samples = []
    for hz, seconds, level in notes:
        n = int(seconds * rate)
        for i in range(n):
            edge = min(1, i / 400, (n - i) / 400)
            value = sum(math.sin(2 * math.pi * k * hz * i / rate) / k for k in range(1, 5))
            samples.append(int(32767 * level * edge * value))
    with wave.open(path, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def midi(path, notes):
    """A MIDI file of (key, start, end) in s at 480 ticks a beat of half a second."""
    events = sorted([(start, 0x90, key) for key, start, _ in notes] +
                    [(end, 0x80, key) for key, _, end in notes])
    body, now = b"", 0
    for time_s, status, key in events:
        ticks = int(time_s * 960)
        delta, now = ticks - now, ticks
        body += bytes([0x80 | delta >> 7, delta & 127]) + bytes([status, key, 64])
    body += b"\0\xff\x2f\0"
    with open(path, "wb") as f:
        f.write(b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480))
        f.write(b"MTrk" + struct.pack(">I", len(body)) + body)


class Dataset(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="tb-dataset-")
        self.folder = os.path.join(self.top, "in")
        self.out = os.path.join(self.top, "out")
        os.mkdir(self.folder)

    def tearDown(self):
        shutil.rmtree(self.top)

    def run_it(self, *words, status=0):
        done = subprocess.run([TIMBRED, "dataset", *words], capture_output=True, text=True,
                              check=False, timeout=120)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def pitches(self):
        with open(os.path.join(self.out, "f0.f32"), "rb") as f:
            data = f.read()
        return struct.unpack(f"<{len(data) // 4}f", data)

    def test_a_folder_becomes_a_set_and_a_set_a_model(self):
        for i in range(6):
            tone(os.path.join(self.folder, f"x_A4_{i}.wav"), [(440, 0.8, 0.05 * (i + 1))])
        with open(os.path.join(self.folder, "broken.flac"), "wb") as f:
            f.write(b"no")
        shown = self.run_it(self.folder, self.out, "--licence", "CC0-1.0").stdout
        self.assertIn("refused: broken.flac: unreadable", shown)
        self.assertIn("clips (train, validation, test)", shown)
        with open(os.path.join(self.out, "report.html"), encoding="utf-8") as f:
            page = f.read()
        self.assertIn("broken.flac", page)
        self.assertIn("<svg", page)
        subprocess.run([TIMBRED, "train", self.out, os.path.join(self.top, "run"), *TINY],
                       check=True, capture_output=True, timeout=120)

    def test_json_tells_everything(self):
        tone(os.path.join(self.folder, "x_A4.wav"), [(440, 1, 0.2)])
        report = json.loads(self.run_it(self.folder, self.out, "--json", "--name", "one").stdout)
        self.assertEqual(report["name"], "one")
        self.assertEqual(report["split_by"], "piece")
        self.assertEqual(report["sources"][0]["key"], 69)
        with open(os.path.join(self.out, "dataset.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f), report)

    def test_midi_beside_a_recording_labels_it(self):
        # even harmonics only: by itself it is heard an octave higher
        tone(os.path.join(self.folder, "take.wav"), [(440, 0.6, 0.2), (523.25, 0.6, 0.2)])
        midi(os.path.join(self.folder, "take.mid"), [(57, 0, 0.6), (60, 0.6, 1.2)])
        self.run_it(self.folder, self.out)
        found = {round(12 * math.log2(f / 440)) for f in self.pitches()}
        self.assertEqual(found, {-12, -9})
        with open(os.path.join(self.folder, "take.mid"), "wb") as f:
            f.write(b"MThd nonsense")
        self.assertIn("take.wav", self.run_it(self.folder, self.out, "--replace",
                                              status=65).stderr)

    def test_faults_are_told(self):
        self.assertIn("no recordings", self.run_it(self.folder, self.out, status=66).stderr)
        self.assertIn("OUT", self.run_it(self.folder, status=2).stderr)
        self.assertIn("--soundfont", self.run_it(self.folder, status=2).stderr)
        tone(os.path.join(self.folder, "a.wav"), [(440, 1, 0.2)])
        self.assertIn("levels", self.run_it(self.folder, self.out, "--levels", "loud",
                                            status=2).stderr)
        self.assertIn("labels", self.run_it(self.folder, self.out, "--labels", "/nonexistent",
                                            status=66).stderr)
        self.assertFalse(os.path.exists(self.out))

    @unittest.skipUnless(FONTS, "no soundfont in /usr/share/sounds/sf2")
    def test_a_soundfont_plays_phrases(self):
        words = [self.out, "--soundfont", FONTS[0], "--preset", "73", "--minutes", "0.4", "--json"]
        report = json.loads(self.run_it(*words).stdout)
        self.assertGreater(report["minutes"], 0.2)
        self.assertGreater(report["labels"]["agreement"], 0.85)
        again = json.loads(self.run_it(*words, "--replace").stdout)
        self.assertEqual(report["sha256"], again["sha256"])
        other = json.loads(self.run_it(*words, "--replace", "--seed", "2").stdout)
        self.assertNotEqual(report["sha256"], other["sha256"])


if __name__ == "__main__":
    unittest.main()
