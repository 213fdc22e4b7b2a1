#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""timbred train under mpirun: two processes are one with the doubled batch.

usage: test_mpi.py TIMBRED MAKE_TONES [unittest arguments]; ends with 77 (skipped) without OpenMPI
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TIMBRED, MAKE_TONES = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
MODULE = os.path.join(os.path.dirname(TIMBRED), "timbred-mpi.so")
TINY = ["--reverb", "0.05", "--seconds", "0.3", "--warm-up", "5", "--json", "--width", "8",
        "--validate", "5"]
HPN = ["--family", "hpn", "--harmonics", "20", "--bands", "17"]
DDX7 = ["--family", "ddx7"]  # has dropout, so streams of random numbers in every thread
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1",
               "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl_tcp_if_include": "lo",
               "OMPI_MCA_rmaps_base_oversubscribe": "1"}


class TwoProcesses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="tb-mpi-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.data = os.path.join(cls.top, "tones")
        subprocess.run([MAKE_TONES, cls.data], check=True)

    def command(self, name, ranks, batch, threads, *more):
        together = ["mpirun", "-n", str(ranks), "--bind-to", "none"] if ranks > 1 else []
        return [*together, TIMBRED, "train", self.data, os.path.join(self.top, name), *TINY,
                "--batch", str(batch), "--threads", str(threads), *more]

    def train(self, *how):
        done = subprocess.run(self.command(*how), capture_output=True, text=True, timeout=120,
                              check=False, env=ENVIRONMENT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_for(self, path):
        until = time.monotonic() + 60
        while not (os.path.exists(path) and os.path.getsize(path)):
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)

    def checkpoint(self, name):
        with open(os.path.join(self.top, name, "checkpoint"), "rb") as f:
            return f.read()

    def test_threads_or_processes_to_the_bit(self):
        one = self.train("bit-one", 1, 4, 2, *DDX7, "--steps", "15")
        two = self.train("bit-two", 2, 2, 1, *DDX7, "--steps", "15")
        self.assertEqual(one[-1]["test"], two[-1]["test"])
        self.assertEqual([r.get("validation") for r in one], [r.get("validation") for r in two])
        self.assertEqual(self.checkpoint("bit-one"), self.checkpoint("bit-two"))

    def test_losses_of_one_process_with_the_doubled_batch(self):
        # Not to the bit: a product or sum over the rows of four clips at once does not round as
        # two over two clips each do, and the Adam steps of small gradients carry that on.
        how = [*HPN, "--rate", "0.0001", "--steps", "5"]
        one = self.train("near-one", 1, 4, 1, *how)
        two = self.train("near-two", 2, 2, 1, *how)
        self.assertEqual(len(one), len(two))
        for a, b in zip(one, two, strict=True):
            for key, delta in (("loss", 1e-5), ("validation", 5e-5), ("test", 5e-5)):
                if a.get(key) is not None:
                    self.assertAlmostEqual(a[key] / b[key], 1, delta=delta, msg=key)

    def test_goes_on_to_the_bit(self):
        self.train("whole", 2, 2, 1, *DDX7, "--steps", "15")
        self.train("halves", 2, 2, 1, *DDX7, "--steps", "5")
        self.train("halves", 2, 2, 1, *DDX7, "--steps", "10")
        self.train("halves", 1, 4, 2, *DDX7, "--steps", "15")  # also as threads of one
        self.assertEqual(self.checkpoint("whole"), self.checkpoint("halves"))

    def test_stops_together(self):
        for reason, more in (("stopped", []), ("time is over", ["--minutes", "0.02"]),
                             ("no better any more", ["--patience", "2", "--rate", "0.3"])):
            with self.subTest(reason):
                name = reason.replace(" ", "-")
                process = subprocess.Popen(self.command(name, 2, 2, 1, *HPN, *more), text=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           env=ENVIRONMENT)
                if reason == "stopped":
                    self.wait_for(os.path.join(self.top, name, "log.jsonl"))
                    process.send_signal(signal.SIGTERM)  # mpirun passes it on
                out, said = process.communicate(timeout=60)
                ends = [json.loads(line) for line in out.splitlines() if '"end"' in line]
                self.assertEqual([e["end"] for e in ends], [reason], said)
                self.assertGreater(len(self.checkpoint(name)), 1000)

    def test_fails_together(self):
        name = "damaged"
        self.train(name, 2, 2, 1, *HPN, "--steps", "5")
        for file in ("checkpoint", "checkpoint.old"):
            with open(os.path.join(self.top, name, file), "w", encoding="ascii") as f:
                f.write("nothing of use")
        done = subprocess.run(self.command(name, 2, 2, 1, *HPN, "--steps", "9"), text=True,
                              capture_output=True, timeout=120, check=False, env=ENVIRONMENT)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no sound checkpoint", done.stderr)
        self.assertIn("another process of this run could not go on", done.stderr)

    def test_says_when_the_build_has_none(self):
        bare = os.path.join(self.top, "bare")
        os.mkdir(bare)
        for file in ("timbred", "timbred-train.so"):
            shutil.copy(os.path.join(os.path.dirname(TIMBRED), file), bare)
        command = self.command("never", 1, 2, 1, *HPN)
        command[0] = os.path.join(bare, "timbred")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                              env={**ENVIRONMENT, "OMPI_COMM_WORLD_SIZE": "2"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("this build has no MPI", done.stderr)


if not shutil.which("mpirun") or not os.path.exists(MODULE):
    print("no mpirun, or built without: skipped")
    sys.exit(77)
unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
