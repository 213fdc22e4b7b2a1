#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trainings of a server on the command line.

usage: test_training.py TIMBRED [unittest arguments]
"""
import math
import struct
import unittest
import wave

import test_cli
import test_models

MISSING, BUSY = test_cli.MISSING, test_cli.BUSY


class TestTraining(test_models.Models):
    def record(self, name, hz, seconds=4):
        with wave.open(self.path(name), "wb") as out:
            out.setparams((1, 2, 16000, 0, "NONE", ""))
            out.writeframes(b"".join(
                struct.pack("<h", int(9000 * sum(math.sin(2 * math.pi * k * hz * i / 16000) / k
                                                 for k in (1, 2, 3)) / 2))
                for i in range(16000 * seconds)))

    def state(self, name):
        return self.json("training", "show", name)["state"]

    def test_start_to_keep(self):
        self.start()
        for i, name in enumerate(("a 1#.wav", "b.wav")):
            self.record(name, 330 * (1 + i / 2))
        made = self.json("training", "start", "a 1#.wav", "b.wav", "--name", "Pipe",
                         "--instrument", "flute", "--minutes", "60", "--batch", "1",
                         "--seconds", "0.25")
        self.assertEqual((made["name"], made["batch"], made["voice"]), ("Pipe", 1, "flute"))
        self.call("training", "start", "pipe", status=BUSY)
        self.assertIn("Pipe", self.error)
        self.call("training", "start", "b.wav", "--name", "Later", status=BUSY)
        told = self.error
        later = self.json("dataset", "show", "later")
        self.assertIn(f"kept as data set {later['uuid']}", told)
        self.call("dataset", "rm", "pipe", status=BUSY)
        self.assertIn("training", self.error)
        self.until(lambda: self.json("training", "show", "pipe")["step"] > 0)
        self.assertIn("running", self.call("training", "ls"))
        self.assertIn("step", self.call("training", "show", made["uuid"]))
        self.call("training", "stop", "pipe")
        self.until(lambda: self.state("pipe") == "stopped")
        self.call("training", "stop", "pipe", status=BUSY)
        self.check_clips("pipe")
        self.check_resume("pipe")
        kept = self.json("training", "keep", "pipe", "--name", "My pipe", "--licence", "CC0-1.0")
        self.assertEqual((kept["name"], kept["licence"]), ("My pipe", "CC0-1.0"))
        self.assertIn("My pipe", self.call("model", "ls"))
        self.assertIn("My pipe", self.call("training", "keep", "pipe", "--name", "My pipe"))
        self.assertEqual(self.json("training", "rm", "pipe"), {})
        self.assertEqual(self.call("training", "ls"), "")
        self.assertIn("My pipe", self.call("model", "ls"))
        self.assertEqual(self.json("model", "rm", "My pipe"), {})

    def check_clips(self, name):
        for of in ("original", "model"):
            self.call("training", "clip", name, "0", "--of", of, "-o", f"{of}.wav")
            with wave.open(self.path(f"{of}.wav"), "rb") as clip:
                self.assertEqual((clip.getframerate(), clip.getnchannels()), (16000, 1))
        self.call("training", "clip", name, "999", "-o", "none.wav", status=MISSING)
        for index in ("-1", "x", "10000", ""):
            self.call("training", "clip", "--", name, index, status=test_cli.USAGE, where=False)
            self.assertIn("is not the number of a clip, 0 to 9999", self.error)

    def check_resume(self, name):
        again = self.json("training", "resume", name, "--minutes", "30")
        self.assertEqual(again["state"], "running")
        self.call("training", "resume", name, status=BUSY)
        self.call("training", "stop", name)
        self.until(lambda: self.state(name) == "stopped")

    def test_create_and_add(self):
        self.start()
        for name in ("a 1#.wav", "b.wav", "c.wav"):
            self.record(name, 330, seconds=1)
        with open(self.path("notes.txt"), "w", encoding="utf-8") as f:
            f.write("no sound")
        made = self.json("dataset", "create", "Reeds", "a 1#.wav", "--instrument", "oboe",
                         "--labels", "known", "--licence", "CC0-1.0", "--credit", "Me")
        self.assertEqual([made[k] for k in ("name", "instrument", "labels", "licence", "credit")],
                         ["Reeds", "oboe", "known", "CC0-1.0", "Me"])
        self.assertRegex(self.call("dataset", "add", "reeds", "b.wav"), r"Reeds .* 2 recordings")
        self.call("dataset", "add", "reeds", "c.wav", "b.wav", status=BUSY)
        self.assertIn("b.wav", self.error)
        self.call("dataset", "add", "reeds", "notes.txt", status=test_cli.USAGE)
        self.assertIn("notes.txt", self.error)
        self.call("dataset", "add", "reeds", "nowhere.wav", status=MISSING)
        names = [r["name"] for r in self.json("dataset", "show", made["uuid"])["recordings"]]
        self.assertEqual(names, ["a 1#.wav", "b.wav", "c.wav"], "those before the fault stay")
        self.call("dataset", "add", "nothing", "b.wav", status=MISSING)
        self.call("dataset", "add", "reeds", status=test_cli.USAGE)
        self.call("dataset", "create", "Empty")
        self.call("dataset", "create", "Half", "b.wav", "notes.txt", status=test_cli.USAGE)
        self.call("dataset", "create", "", status=test_cli.USAGE)
        self.assertIn("name: ", self.error)
        self.assertEqual([s["name"] for s in self.json("dataset", "ls")["items"]],
                         ["Empty", "Reeds"], "the newest first")

    def test_datasets(self):
        self.start()
        self.assertEqual(self.call("dataset", "ls"), "")
        for name in ("a 1#.wav", "b.wav", "c.wav"):
            self.record(name, 330, seconds=1)
        self.call("training", "start", "a 1#.wav", "b.wav", "c.wav", "--name", "Reeds",
                  "--instrument", "oboe", "--minutes", "0.05", "--batch", "1")
        self.until(lambda: self.state("reeds") not in ("running", "preparing"))
        self.assertRegex(self.call("dataset", "ls"), r"Reeds +oboe .* 3 recordings")
        one = self.json("dataset", "show", "reeds")
        self.assertEqual([r["name"] for r in one["recordings"]], ["a 1#.wav", "b.wav", "c.wav"])
        self.assertIn("a 1#.wav", self.call("dataset", "show", one["uuid"]))
        self.assertEqual(self.call("dataset", "rm", "reeds", "a 1#.wav", "c.wav"), "")
        self.assertEqual(self.json("dataset", "ls")["items"][0]["count"], 1)
        self.assertRegex(self.call("dataset", "ls"), r" open +1 recording +0\.0 MiB\n$")
        self.call("dataset", "rm", "reeds", "a 1#.wav", status=MISSING)
        self.assertIn("a 1#.wav", self.error)
        self.assertEqual(self.json("dataset", "rm", "reeds"), {})
        self.assertEqual(self.json("dataset", "ls")["items"], [])
        self.stop()
        self.call("dataset", "ls", status=test_cli.UNAVAILABLE)

    def test_no_recording_leaves_nothing(self):
        self.start()
        self.record("a.wav", 330, seconds=1)
        with open(self.path("notes.txt"), "w", encoding="utf-8") as f:
            f.write("no sound")
        self.call("training", "start", "a.wav", "notes.txt", status=test_cli.USAGE)
        self.assertIn("notes.txt", self.error)
        self.assertEqual(self.call("dataset", "ls"), "")
        self.assertEqual(self.call("training", "ls"), "")

    def test_two_of_one_name(self):
        self.start()
        self.record("a.wav", 330, seconds=1)
        for _ in range(2):
            self.call("training", "start", "a.wav", "--name", "Twin", "--minutes", "0.05")
            self.until(lambda: all(t["state"] != "running"
                                   for t in self.json("training", "ls")["items"]))
        self.call("dataset", "rm", "twin", status=test_cli.USAGE)
        self.assertIn("give the uuid", self.error)
        for one in self.json("dataset", "ls")["items"]:
            self.call("dataset", "rm", one["uuid"])
        self.assertEqual(self.call("dataset", "ls"), "")

    def test_what_is_not_there(self):
        self.start()
        for command in ("show", "stop", "keep", "start", "rm", "resume"):
            self.call("training", command, "nothing", status=MISSING)
        for command in ("show", "rm"):
            self.call("dataset", command, "nothing", status=MISSING)
            self.assertIn("nothing: no such data set", self.error)
        self.assertEqual(self.call("training", "ls"), "")


if __name__ == "__main__":
    unittest.main()
