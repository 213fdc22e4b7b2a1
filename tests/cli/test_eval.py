#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with finished models: quantize, distill.

usage: test_eval.py TIMBRED [unittest arguments]
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from model_maker import write_model

TIMBRED = os.path.abspath(sys.argv.pop(1))
OK, FAILED, USAGE, DAMAGED, MISSING = 0, 1, 2, 65, 66


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tb-eval-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.model = write_model(self.path("model.safetensors"))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def call(self, *args, status=OK):
        """Standard output as text; the exit status must be as told."""
        done = subprocess.run([TIMBRED, *args], capture_output=True, timeout=120, text=True,
                              cwd=self.folder, check=False)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout} {done.stderr}")
        self.error = done.stderr
        return done.stdout

    def call_json(self, *args):
        return json.loads(self.call(*args, "--json"))


class TestQuantize(Folder):
    def test_every_type(self):
        for to, most in (("f16", 1e-3), ("bf16", 1e-2), ("int8", 5e-2)):
            out = self.path(f"{to}.safetensors")
            report = self.call_json("quantize", self.model, out, "--to", to)
            self.assertEqual(report["bytes_after"], os.path.getsize(out))
            self.assertEqual(report["bytes_before"], os.path.getsize(self.model))
            self.assertLess(report["bytes_after"], report["bytes_before"])
            self.assertTrue(0 < report["control_error"] < most, report)
            self.assertLess(report["spectral_loss"], 2)
            self.assertEqual(report["tried_on"], "phrases")
            again = self.call_json("quantize", out, self.path("again"), "--to", "f16")
            self.assertGreater(again["bytes_after"], 0)
        self.assertIn("calibration", self.call("quantize", self.model, self.path("x")))

    def test_bounds_are_named(self):
        out = self.path("out")
        self.call("quantize", self.model, out, "--to", "int4", status=USAGE)
        self.assertIn("--to", self.error)
        self.call("quantize", self.model, status=USAGE)
        self.call("quantize", self.model, out, "--most-loss", "101", status=USAGE)
        self.assertIn("--most-loss", self.error)
        self.call("quantize", self.model, out, "--most-loss", "0", status=69)
        self.assertIn("--most-loss", self.error)
        self.call("quantize", self.model, out, "--data", self.path("none"), status=MISSING)
        self.call("quantize", self.path("none"), out, status=MISSING)
        self.assertFalse(os.path.exists(out))

    def test_damaged_models(self):
        with open(self.model, "rb") as f:
            whole = f.read()
        for cut in (b"", whole[:7], whole[:100], whole[:-1], whole + b"x"):
            with open(self.path("bad"), "wb") as f:
                f.write(cut)
            self.call("quantize", self.path("bad"), self.path("out"), status=DAMAGED)
            self.assertIn("bad", self.error)
        self.assertFalse(os.path.exists(self.path("out")))


class TestDistill(Folder):
    def test_bounds_are_named(self):
        run = self.path("run")
        self.call("distill", self.model, self.path("none"), run, status=MISSING)
        self.call("distill", self.path("none"), self.path("none"), run, status=MISSING)
        self.call("distill", self.model, self.path("none"), status=USAGE)
        self.call("distill", self.model, self.path("none"), run, "--mode", "feature",
                  status=USAGE)
        self.assertIn("--mode", self.error)
        self.call("distill", self.model, self.path("none"), run, "--width", "1", status=USAGE)
        self.assertIn("--width", self.error)

    def test_damaged_teacher(self):
        with open(self.model, "r+b") as f:
            f.truncate(1000)
        self.call("distill", self.model, self.path("none"), self.path("run"), status=DAMAGED)


if __name__ == "__main__":
    unittest.main(verbosity=2)
