#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with finished models: quantize, prune, distill, eval.

usage: test_eval.py TIMBRED [unittest arguments]
"""
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

    def test_uuid(self):
        def uuid_in(path):
            with open(path, "rb") as f:
                header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
            return header["__metadata__"].get("uuid", "")

        uuid, out = "5d7a0c5e-0000-4000-8000-0000000000aa", self.path("out")
        named = write_model(self.path("named.safetensors"), uuid=uuid)
        self.call("quantize", named, out, "--to", "f16")
        self.assertEqual(uuid_in(out), "", "another model")
        self.call("quantize", named, out, "--to", "f16", "--keep-uuid")
        self.assertEqual(uuid_in(out), uuid)
        self.assertLess(os.path.getsize(out), os.path.getsize(named))
        os.remove(out)
        self.call("quantize", self.model, out, "--keep-uuid", status=USAGE)
        self.assertIn("--keep-uuid", self.error)
        self.assertFalse(os.path.exists(out))

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


class TestPrune(Folder):
    def test_without_data(self):
        out = self.path("out.safetensors")
        report = self.call_json("prune", self.model, out, "--width", "9")
        self.assertEqual((report["width_before"], report["width"]), (16, 9))
        self.assertLess(report["parameters"], report["parameters_before"])
        self.assertIsNone(report["loss"])
        self.call_json("prune", out, self.path("again"), "--width", "4")
        self.call_json("eval", self.path("again"), "--against", self.model, "--clips", "1")

    def test_bounds_are_named(self):
        out = self.path("out")
        for width in ("0", "16", "1024"):
            self.call("prune", self.model, out, "--width", width, status=USAGE)
            self.assertIn("width", self.error)
        self.call("prune", self.model, out, status=USAGE)
        self.assertIn("--width", self.error)
        self.call("prune", self.path("none"), out, "--width", "4", status=MISSING)
        self.call("prune", self.model, out, "--width", "4", "--data", self.path("none"),
                  status=MISSING)
        with open(self.model, "r+b") as f:
            f.truncate(999)
        self.call("prune", self.model, out, "--width", "4", status=DAMAGED)
        self.assertFalse(os.path.exists(out))


class TestEval(Folder):
    def make_dataset(self, name):
        """Tones that swell, in enough files for every split; where the data set is."""
        sounds, out = self.path("sounds"), self.path(name)
        os.mkdir(sounds)
        for i, note in enumerate(("A4", "B4", "C5", "D5", "E5", "F5", "G5", "A5", "G4", "F4")):
            with wave.open(os.path.join(sounds, f"{name}_{note}.wav"), "wb") as f:
                f.setparams((1, 2, 16000, 0, "NONE", ""))
                key = "C.D.EF.G.A.B".index(note[0]) + 12 * int(note[1])
                hz = 440 * 2 ** ((key - 57) / 12)
                f.writeframes(b"".join(struct.pack("<h", int(
                    9000 * math.sin(math.pi * t / 96000) * sum(
                        math.sin(2 * math.pi * hz * k * t / 16000) / k for k in (1, 2, 3))))
                    for t in range(96000)))
        self.call("dataset", sounds, out, "--name", name)
        return out

    def test_against_a_model(self):
        other = write_model(self.path("other.safetensors"), seed=2)
        page = self.path("page.html")
        result = self.call_json("eval", self.model, "--against", other, "--clips", "3",
                                "--html", page)
        self.assertEqual(result["clips"], 3)
        self.assertEqual(result["against"], other)
        itself = self.call_json("eval", self.model, "--against", self.model, "--clips", "3")
        self.assertGreater(result["loss"], itself["loss"])
        self.assertGreater(result["frechet"], 3 * itself["frechet"])
        for key in ("pitch_cents", "loudness_correlation", "silence_db", "us_per_frame"):
            self.assertIn(key, result)
        with open(page, encoding="utf-8") as f:
            text = f.read()
        self.assertEqual(text.count("<img"), 6)
        self.assertEqual(text.count("<audio"), 6)
        self.assertNotIn("nan", text.replace("base64", "").split("<h2>")[0])
        self.assertNotIn("src=\"http", text)
        self.assertIn("spectral loss", self.call("eval", self.model, "--against", other,
                                                 "--clips", "1"))

    def test_published_variants_are_heard(self):
        plain = self.call_json("eval", self.model, "--against", self.model, "--clips", "1")
        for option in ("--held", "--cut-noise"):
            result = self.call_json("eval", self.model, "--against", self.model, "--clips", "1",
                                    option)
            self.assertNotEqual(result["loss"], plain["loss"], option)

    def test_data_and_table(self):
        data = self.make_dataset("flute")
        result = self.call_json("eval", self.model, "--data", data)
        self.assertGreater(result["clips"], 0)
        self.assertGreater(result["loss"], 1)
        self.assertLess(result["reference"]["pitch_cents"], 10)
        self.assertLess(result["reference"]["loudness_db"], 2)
        small = self.call_json("quantize", self.model, self.path("small"), "--data", data)
        self.assertEqual(small["tried_on"], "clips")
        cut = self.call_json("prune", self.model, self.path("cut"), "--width", "8", "--data", data,
                             "--steps", "2", "--batch", "1", "--seconds", "0.5")
        self.assertEqual(cut["steps"], 2)
        self.assertGreater(cut["loss"], 0)
        student = self.path("student")
        self.call("distill", self.model, data, student, "--mode", "both", "--width", "4",
                  "--batch", "1", "--seconds", "0.5", "--steps", "2", "--copy-reverb",
                  status=USAGE)  # the teacher has no reverb
        self.assertIn("reverb", self.error)
        self.call("distill", self.model, data, student, "--mode", "both", "--width", "4",
                  "--batch", "1", "--seconds", "0.5", "--steps", "2", "--validate", "1")
        self.call_json("eval", os.path.join(student, "model.safetensors"), "--data", data)
        zoo = self.path("zoo")
        os.mkdir(zoo)
        write_model(os.path.join(zoo, "flute-a.safetensors"), name="Flute A")
        write_model(os.path.join(zoo, "b.safetensors"), name="B", instrument="Flute")
        write_model(os.path.join(zoo, "c.safetensors"), name="C", instrument="organ")
        lines = self.call("eval", "--table", zoo, "--data", data).splitlines()
        self.assertEqual([line.split("|")[1].strip() for line in lines[2:]], ["B", "C", "Flute A"])
        self.assertEqual(len({line.count("|") for line in lines}), 1)
        self.assertIn("| - |", lines[3])
        self.assertIn("c.safetensors", self.error)
        self.assertRegex(lines[2], r"\| -?[0-9.]+ \(-?[0-9.]+\) \|")  # the recordings' own
        rows = self.call_json("eval", "--table", zoo, "--data", data)
        self.assertEqual([row.get("loss") is not None for row in rows], [True, False, True])
        self.call("eval", "--table", self.path("none"), "--data", data, status=MISSING)
        other = write_model(self.path("other"), loudness_reference_db="0")
        self.call("eval", other, "--data", data, status=USAGE)
        self.assertIn("loudness_reference_db", self.error)
        self.call("eval", other, "--data", data, "--calibrate", status=USAGE)
        self.calibrated(data)
        with open(os.path.join(data, "audio.f32"), "r+b") as f:
            f.truncate(100)
        self.call("eval", self.model, "--data", data, status=DAMAGED)

    def calibrated(self, data):
        """A model that is bent where it is heard, after a correction that is far off."""
        bad = ";".join("0," + ",".join(["15"] * 16) for _ in range(3))
        model = write_model(self.path("bent"), loudness_offsets=bad)
        bent = self.call_json("eval", model, "--data", data)
        plain = self.call_json("eval", model, "--data", data, "--uncorrected")
        self.assertNotEqual(bent["loss"], plain["loss"])
        better = self.call_json("eval", model, "--data", data, "--calibrate")
        self.assertRegex(self.error, r"loudness error on \d+ training clips: [\d.]+ dB")
        self.assertNotEqual(better["loss"], bent["loss"])
        again = self.call_json("eval", model, "--data", data)
        self.assertEqual(again["loss"], better["loss"])
        with open(model, "rb") as f:
            self.assertNotIn(bad.encode(), f.read())

    def test_bounds_are_named(self):
        self.call("eval", self.model, "--against", self.model, "--calibrate", status=USAGE)
        self.assertIn("--calibrate", self.error)
        self.call("eval", self.model, status=USAGE)
        self.assertIn("--data", self.error)
        self.call("eval", status=USAGE)
        self.assertIn("MODEL", self.error)
        self.call("eval", self.model, "--table", self.folder, status=USAGE)
        self.call("eval", "--table", self.folder, status=USAGE)
        self.assertIn("--data", self.error)
        self.call("eval", self.model, "--data", self.path("none"), status=MISSING)
        self.call("eval", self.model, "--against", self.path("none"), status=MISSING)
        self.call("eval", self.model, "--against", self.model, "--clips", "0", status=USAGE)
        self.assertIn("--clips", self.error)
        slow = write_model(self.path("slow"), hop="128")
        self.call("eval", slow, "--against", self.model, status=69)
        self.assertIn("hop", self.error)
        self.call("eval", self.model, "--against", slow, status=69)
        page = self.path("no", "such", "folder.html")
        self.call("eval", self.model, "--against", self.model, "--clips", "1", "--html", page,
                  status=MISSING)


if __name__ == "__main__":
    unittest.main(verbosity=2)
