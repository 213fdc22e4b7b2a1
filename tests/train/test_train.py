#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""timbred train as people use it: killed, stopped, twice at once, on a full disk.

usage: test_train.py TIMBRED MAKE_TONES [unittest arguments]
"""
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

TIMBRED, MAKE_TONES = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
TINY = {"--family": "hpn", "--width": "8", "--harmonics": "20", "--bands": "17",
        "--reverb": "0.05", "--batch": "2", "--seconds": "0.3", "--threads": "2",
        "--rate": "0.005", "--warm-up": "5"}


def options(more):
    """The tiny preset, with what more says instead."""
    left = [word for key, value in TINY.items() if key not in more for word in (key, value)]
    return left + list(more)


def values(path):
    """The tensors of a model file, without its header (which has the time in it)."""
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    return data[8 + length:]


def metadata(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        return json.loads(f.read(length))["__metadata__"]


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="tb-train-")
        cls.data = os.path.join(cls.top, "tones")
        subprocess.run([MAKE_TONES, cls.data], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.top)

    def setUp(self):
        self.run_dir = tempfile.mkdtemp(dir=self.top)

    def path(self, name):
        return os.path.join(self.run_dir, name)

    def train(self, *more, run_dir=None, data=None, **how):
        command = [TIMBRED, "train", data or self.data, run_dir or self.run_dir,
                   *options(more)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                              **how)

    def start(self, *more):
        command = [TIMBRED, "train", self.data, self.run_dir, *options(more)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.wait(),
                                 process.stderr.close()))
        return process

    def wait_for(self, name, process):
        until = time.monotonic() + 60
        while not os.path.exists(self.path(name)):
            self.assertIsNone(process.poll(), "it ended by itself")
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)

    def test_presets(self):
        done = subprocess.run([TIMBRED, "train", "--presets", "--json"], capture_output=True,
                              check=True)
        sizes = {(p["family"], p["preset"]): p["parameters"] for p in json.loads(done.stdout)}
        self.assertEqual(sizes[("hpn", "full")], 4314408)
        self.assertEqual(sizes[("hpn", "reduced")], 23512)

    def test_a_model_comes_out(self):
        done = self.train("--steps", "60", "--validate", "20", "--json", "--name", "Tones",
                          "--instrument", "flute")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(lines[-1]["end"], "all steps done")
        self.assertEqual(lines[-1]["step"], 60)
        self.assertTrue(0 < lines[-1]["test"] < lines[0]["loss"])
        said = metadata(lines[-1]["model"])
        self.assertEqual((said["name"], said["instrument"], said["licence"], said["credit"]),
                         ("Tones", "flute", "CC0-1.0", "nobody"))
        self.assertEqual((said["loudness_kind"], said["analysis"]), ("rms_db", "exact"))
        self.assertIn("60 steps", said["training"])
        self.assertEqual(len(said["uuid"]), 36)
        with open(self.path("log.jsonl"), encoding="utf-8") as f:
            self.assertEqual([json.loads(line) for line in f], lines[:-1])
        warm = self.train("--from", lines[-1]["model"], "--steps", "2", "--json",
                          run_dir=self.path("warm"))
        self.assertEqual(warm.returncode, 0, warm.stderr)
        warm = json.loads(warm.stdout.splitlines()[-1])
        self.assertLess(warm["test"], 1.5 * lines[-1]["test"])
        self.assertIn('; from "Tones"', metadata(warm["model"])["training"])

    def test_killed_runs_end_the_same(self):
        for family in ("hpn", "ddx7", "wavetable"):
            straight, killed = self.path(family + "-straight"), self.path(family + "-killed")
            more = ["--family", family, "--validate", "10", "--steps", "90", "--dropout", "0.3",
                    "--uncorrected"]
            done = self.train(*more, run_dir=straight)
            self.assertEqual(done.returncode, 0, done.stderr)
            kills = 0
            for _ in range(20):
                command = [TIMBRED, "train", self.data, killed, *options(more), "--checkpoint", "0"]
                process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
                try:
                    process.wait(timeout=0.1 + 0.15 * kills)  # also when the machine is busy
                    break
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    kills += 1
            self.assertEqual(process.returncode, 0)
            self.assertGreater(kills, 0)
            self.assertEqual(values(os.path.join(straight, "model.safetensors")),
                             values(os.path.join(killed, "model.safetensors")), family)

    def test_stops_clean(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.run_dir = tempfile.mkdtemp(dir=self.top)
            process = self.start("--validate", "5", "--checkpoint", "0")
            self.wait_for("checkpoint", process)
            process.send_signal(number)
            self.assertEqual(process.wait(timeout=30), 0)
            self.assertIn("stopped after", process.stderr.read())
            self.assertGreater(len(values(self.path("model.safetensors"))), 1000)

    def test_one_training_a_folder(self):
        process = self.start("--checkpoint", "0")
        self.wait_for("checkpoint", process)
        done = self.train("--steps", "5")
        self.assertEqual(done.returncode, 75)
        self.assertIn("another training", done.stderr)
        self.assertIsNone(process.poll())

    def test_damaged_checkpoints(self):
        self.assertEqual(self.train("--steps", "5").returncode, 0)
        self.assertEqual(self.train("--steps", "8").returncode, 0)
        with open(self.path("checkpoint"), "r+b") as f:
            f.seek(5000)
            f.write(b"????")
        done = self.train("--steps", "9")
        self.assertEqual(done.returncode, 0)
        self.assertIn("damaged; trying the one before it", done.stderr)
        self.assertIn("going on from step 5", done.stderr)
        for name in ("checkpoint", "checkpoint.old"):
            with open(self.path(name), "r+b") as f:
                f.truncate(3000)
        done = self.train("--steps", "9")
        self.assertEqual(done.returncode, 65)
        self.assertIn("no sound checkpoint; --fresh", done.stderr)
        self.assertEqual(self.train("--steps", "9", "--fresh").returncode, 0)

    def test_another_network_or_data(self):
        self.assertEqual(self.train("--steps", "2").returncode, 0)
        done = self.train("--width", "9")
        self.assertEqual(done.returncode, 75)
        self.assertIn("another network", done.stderr)
        self.assertEqual(self.train("--threads", "1").returncode, 75)

    def test_full_disk(self):
        self.assertEqual(self.train("--steps", "5", "--validate", "5").returncode, 0)
        with open(self.path("checkpoint"), "rb") as f:
            before = f.read()

        def small():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        done = self.train("--steps", "8", "--checkpoint", "0", preexec_fn=small)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("training goes on", done.stderr)
        with open(self.path("checkpoint"), "rb") as f:
            self.assertEqual(f.read(), before)
        done = self.train("--steps", "6")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("going on from step 5", done.stderr)

    def test_bad_input(self):
        folder = os.path.join(self.top, "empty")
        os.makedirs(folder, exist_ok=True)
        for wrong, status, text in (
                (["--batch", "65"], 2, "--batch"), (["--rate", "0"], 2, "--rate"),
                (["--bands", "20"], 2, "n_bands"), (["--ratios", "1,2"], 2, "--ratios"),
                (["--from", "/nowhere"], 66, "/nowhere"),
                (["--from", self.data + "/audio.f32"], 65, "audio.f32")):
            more = ["--family", "ddx7"] if "--ratios" in wrong else []
            done = self.train(*wrong, *more)
            self.assertEqual(done.returncode, status, (wrong, done.stderr))
            self.assertIn(text, done.stderr)
        self.assertEqual(self.train(data=folder).returncode, 66)
        self.assertEqual(subprocess.run([TIMBRED, "train", self.data], capture_output=True,
                                        check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[1:])
