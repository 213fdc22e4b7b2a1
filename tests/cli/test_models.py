#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models on the command line, the zoo at every start, what a device cannot afford.

usage: test_models.py TIMBRED [unittest arguments]
"""
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
import unittest

import test_cli
from model_maker import write_model

OK, FAILED, MISSING, BUSY = test_cli.OK, test_cli.FAILED, test_cli.MISSING, test_cli.BUSY
DAMAGED = test_cli.DAMAGED
ZOO = os.path.join(os.path.dirname(os.path.realpath(__file__)), *("..", "..", "models", "zoo"))
UUIDS = [f"00000000-1111-4222-8333-{i:012}" for i in range(4)]


class Models(test_cli.Folder):
    """A daemon whose zoo is a folder of this test."""

    def setUp(self):
        super().setUp()
        self.daemon = None
        self.addCleanup(self.stop)
        os.mkdir(self.path("zoo"))
        with open(self.config, "a", encoding="utf-8") as f:
            f.write(f"[models]\nzoo = {self.path('zoo')}\n")

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.daemon = subprocess.Popen(
                [test_cli.TIMBRED, "serve", "--state", self.path("state"), "--config",
                 self.config], stdout=log, stderr=subprocess.STDOUT,
                env=test_cli.environment(self.folder), cwd=self.folder)
        self.until(lambda: self.run_raw("status", "--config", self.config, "--state",
                                        self.path("state")).returncode == OK)

    def stop(self, how=signal.SIGTERM):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(how)
            self.daemon.wait(10)

    def until(self, holds):
        for _ in range(400):
            found = holds()
            if found:
                return found
            time.sleep(0.05)
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            self.fail(f.read())

    def listed(self, n):
        """The models, once there are n of them."""
        return self.until(lambda: (lambda got: got["items"] if got["total"] == n else None)(
            self.json("model", "ls")))


class TestCommands(Models):
    def test_in_out_use(self):
        write_model(self.path("a.safetensors"), name="Flute small", instrument="flute")
        write_model(self.path("b.safetensors"), name="Violin", seed=2)
        self.start()
        made = self.json("model", "import", "a.safetensors", "b.safetensors")["models"]
        self.assertEqual([m["name"] for m in made], ["Flute small", "Violin"])
        self.assertIn("Flute small", self.call("model", "ls", "flute"))
        self.assertEqual(self.json("model", "info", "violin")["uuid"], made[1]["uuid"])
        self.assertIn("Violin", self.call("model", "info", made[1]["uuid"]))
        self.call("model", "export", "violin", "-o", "out.safetensors")
        with open(self.path("out.safetensors"), "rb") as out, \
                open(self.path("b.safetensors"), "rb") as was:
            self.assertEqual(out.read(), was.read())
        piped = self.run_raw("model", "export", "violin", "--json", "-o", "-", "--state",
                             self.path("state"), "--config", self.config)
        with open(self.path("b.safetensors"), "rb") as was:
            self.assertEqual(piped.stdout, was.read())  # nothing told behind it
        state = self.json("model", "use", "violin", "--b", "flute small")
        self.assertEqual(state["model"]["uuid"], made[1]["uuid"])
        self.assertEqual(state["model_b"]["uuid"], made[0]["uuid"])
        self.call("model", "rm", "violin", status=BUSY)
        self.call("model", "rm", "violin", "--force")
        self.call("model", "use", "none", "--b", "none")
        self.call("model", "info", "violin", status=MISSING)
        with open(self.path("bad.safetensors"), "wb") as f:
            f.write(b"\xff" * 100)
        self.call("model", "import", "bad.safetensors", status=test_cli.USAGE)
        self.assertIn("bad.safetensors: no model file", self.error)

    def test_a_smaller_self_takes_the_place(self):
        whole = write_model(self.path("whole.safetensors"), name="Reed", uuid=UUIDS[0])
        self.start()
        self.call("model", "import", whole)
        self.call("quantize", whole, "small.safetensors", "--to", "f16", "--keep-uuid", where=False)
        self.call("model", "import", "small.safetensors", status=BUSY)
        self.assertIn("another version; --replace puts this one in its place", self.error)
        self.call("model", "import", "small.safetensors", "--replace")
        models = self.json("model", "ls")["items"]
        self.assertEqual([(m["uuid"], m["bytes"]) for m in models],
                         [(UUIDS[0], os.path.getsize(self.path("small.safetensors")))])

    def test_info_of_a_file(self):
        write_model(self.path("a.safetensors"), name="Alone")
        info = self.json("model", "info", "./a.safetensors")
        self.assertEqual(info["meta"]["name"], "Alone")
        self.assertGreater(info["first_us"], 0)
        self.assertNotIn("fm", info)
        shipped = os.path.join(ZOO, "trumpet-ddx7-reduced.safetensors")
        fm = self.json("model", "info", shipped)["fm"]
        self.assertEqual((fm["algorithm"], fm["ratios"]), (18, [1, 1, 1, 1, 3.2, 8.5]))
        told = self.call("model", "info", shipped)
        self.assertRegex(told, r"fm\.ratios +\[1\.0,1\.0,1\.0,1\.0,3\.2,8\.5\]")
        self.assertRegex(told, r'fm\.routing +\{"carriers":\[1\],"edges":\[\[2,1\],')
        with open(self.path("a.safetensors"), "ab") as f:
            f.write(b"x")
        self.call("model", "info", "./a.safetensors", status=DAMAGED)
        self.assertIn("bytes after the last tensor", self.error)

    def test_render(self):
        write_model(self.path("a.safetensors"), name="One")
        write_model(self.path("b.safetensors"), name="Two", seed=5)
        notes = ["--notes", "A4:100:0:0.3,E5:90:0.1:0.3", "--tail", "1"]

        def render(*args):
            self.call("render", *args, *notes, "-o", "x.wav")
            with open(self.path("x.wav"), "rb") as f:
                return f.read()

        self.call("render", "--model", "./a.safetensors", "y.wav", *notes)
        with open(self.path("y.wav"), "rb") as f:
            one = f.read()
        self.assertEqual(one, render("--model", "./a.safetensors"), "the same bytes")
        self.assertNotEqual(one, render("--model", "./b.safetensors"))
        pair = render("--model", "./a.safetensors", "--model-b", "./b.safetensors", "--set",
                      "ab.mix=0.5")
        self.assertNotEqual(one, pair)
        portable = render("--model", "./a.safetensors", "--cpu", "portable")
        self.assertEqual(len(one) // 100, len(portable) // 100)
        self.call("render", "-o", "x.wav", status=test_cli.USAGE)
        self.call("render", "--model", "./c.safetensors", "x.wav", status=MISSING)
        self.start()
        self.call("model", "import", "a.safetensors")
        self.assertEqual(one, render("--model", "one"), "from the server")
        self.call("model", "use", "one")
        self.stop()
        self.assertEqual(one, render("--model", "one"), "from the store")


    def test_bench(self):
        write_model(self.path("a.safetensors"), name="One")
        result = self.json("bench", "--model", "./a.safetensors", "--voices", "1,4", "--blocks",
                           "256", "--seconds", "0.05", "--no-paced")
        self.assertEqual(result["models"][0]["name"], "One")
        steady = [r for r in result["results"] if r["scenario"] == "steady"]
        self.assertEqual([r["sounding"] for r in steady], [1, 4])
        self.assertEqual([(line["mode"], line["block"]) for line in result["highest"]],
                         [("offline", 256)])
        self.assertIn(result["highest"][0]["voices"], (0, 1, 4))
        text = self.call("bench", "--model", "./a.safetensors", "--voices", "1", "--blocks", "256",
                         "--seconds", "0.05", "--no-paced", "--no-stress")
        self.assertIn("hold the deadline at p99", text)

    def test_bench_of_several_here_and_there(self):
        write_model(self.path("a.safetensors"), name="One")
        write_model(self.path("b.safetensors"), name="Two", seed=2)
        cases = ("--voices", "1,2", "--blocks", "256", "--seconds", "0.05", "--no-stress")
        self.start()
        self.call("model", "import", "a.safetensors", "b.safetensors")
        port, token = re.search(r":(\d+)/#token=(\S+)", self.call("url")).groups()
        there = ("--remote", f"http://127.0.0.1:{port}", "--token", token, "--force")
        for where in (("--no-paced",), there):
            result = self.json("bench", "--model", "two,none,one", *cases, *where)
            self.assertEqual([m and m["name"] for m in result["models"]], ["Two", None, "One"])
            modes = ["offline"] if "--no-paced" in where else ["offline", "paced"]
            rows = [(r["model"], r["mode"], r["voices"]) for r in result["results"]
                    if r["scenario"] == "steady"]
            wanted = [(model, mode, n) for model in ("Two", None, "One") for n in (1, 2)
                      for mode in modes]
            self.assertEqual(sorted(rows, key=str), sorted(wanted, key=str))
            lines = [(line["model"], line["mode"]) for line in result["highest"]]
            self.assertEqual(sorted(lines, key=str), sorted(
                [(model, mode) for model in ("Two", None, "One") for mode in modes], key=str))
        text = self.call("bench", "--model", "none,./a.safetensors", *cases, "--no-paced")
        self.assertRegex(text, r"(?s)\nFM:\n  .*\nOne:\n  \d+ voices hold the deadline at p99")
        self.call("bench", "--model", "./a.safetensors", *there, status=test_cli.USAGE)
        self.assertIn("not there", self.error)
        self.call("bench", "--model", "lute", *there, status=MISSING)


class TestZoo(Models):
    def write(self, i, **more):
        write_model(self.path("zoo", f"m{i}.safetensors"), uuid=UUIDS[i], name=f"Flute {i}",
                    instrument="flute", licence="CC0-1.0", credit="Nobody", **more)

    def test_empty(self):
        self.start()
        self.assertEqual(self.json("model", "ls")["total"], 0)

    def test_shipped_models_and_their_patches(self):
        self.write(0, size="full")
        self.write(1, seed=2)
        with open(self.path("zoo", "broken.safetensors"), "wb") as f:
            f.write(b"nothing")
        self.start()
        first, second = self.listed(2)
        self.assertTrue(first["factory"])
        self.call("model", "rm", first["uuid"], status=test_cli.DENIED)
        patches = self.json("patch", "ls", "--tag", "neural")["items"]
        self.assertEqual([p["name"] for p in patches], ["Flute 0", "Flute 1"])
        self.assertEqual(patches[0]["category"], "Winds")
        self.assertEqual(patches[0]["tags"], ["neural", "hpn", "full"])
        state = self.json("patch", "load", "Flute 0")
        self.assertEqual(state["model"]["uuid"], UUIDS[0])
        time.sleep(0.8)
        self.stop(signal.SIGKILL)
        self.write(0, size="full", seed=9)  # an upgrade: other weights, the same uuid
        self.start()
        self.until(lambda: self.json("model", "info", UUIDS[0])["sha256"] != first["sha256"])
        self.until(lambda: self.json("status")["audio"]["state"] == "running")
        now = self.json("model", "info", UUIDS[0])
        patch = self.until(lambda: (lambda p: p if p["model"]["sha256"] == now["sha256"] else None)(
            self.json("patch", "show", "Flute 0")))
        self.assertEqual(patch["model"]["uuid"], UUIDS[0])
        state = self.json("patch", "load", "Flute 0")
        self.assertEqual(state["model"], dict(patch["model"], missing=False))
        self.stop()
        os.unlink(self.path("zoo", "m1.safetensors"))
        self.start()
        self.listed(1)
        self.call("patch", "load", "Flute 1", status=BUSY)
        self.assertIn("Flute 1", self.error)
        self.assertIn("not on this device", self.error)

    def test_a_shipped_file_without_a_uuid_keeps_its_place(self):
        write_model(self.path("zoo", "plain.safetensors"), name="Plain")
        self.start()
        first = self.listed(1)[0]
        self.stop()
        write_model(self.path("zoo", "plain.safetensors"), name="Plain", seed=4)
        self.start()
        second = self.until(lambda: (lambda m: m if m["sha256"] != first["sha256"] else None)(
            self.listed(1)[0]))
        self.assertEqual(second["uuid"], first["uuid"])
        self.assertEqual(self.json("patch", "load", "Plain")["model"]["sha256"],
                         second["sha256"])
        self.stop()
        write_model(self.path("zoo", "plain.safetensors"), name="Plain", uuid=UUIDS[3])
        self.start()
        self.until(lambda: self.listed(1)[0]["uuid"] == UUIDS[3])

    def test_a_start_without_changes_reads_none(self):
        self.write(0)
        self.start()
        before = self.listed(1)[0]
        self.stop()
        self.start()
        time.sleep(0.5)
        self.assertEqual(self.listed(1)[0], before)

    def test_what_a_device_cannot_afford(self):
        self.write(0)
        self.write(1, seed=2)
        self.start()
        self.listed(2)
        self.stop()
        with sqlite3.connect(self.path("state", "timbred.db")) as db:
            db.execute("UPDATE model SET first_us = 5000, further_us = 900 WHERE uuid = ?",
                       (UUIDS[0],))
        db.close()
        self.start()
        model = self.json("model", "info", UUIDS[0])
        self.assertFalse(model["affordable"])
        self.assertEqual(model["cost"]["voices"], 0)
        self.assertEqual(model["why"], "one voice takes 125 % of a core, 70 % are allowed; "
                                       "Flute 1 fits")
        for command in (["model", "use", UUIDS[0]], ["patch", "load", "Flute 0"]):
            self.call(*command, status=BUSY)
            self.assertIn("too much for this device", self.error)
            self.assertIn("Flute 1 fits", self.error)
        state = self.json("model", "use", UUIDS[0], "--force")
        self.assertEqual(state["model"]["uuid"], UUIDS[0])


if __name__ == "__main__":
    unittest.main()
