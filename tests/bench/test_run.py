#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks say to people, and which processes they look at. usage: test_run.py"""
import os
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import start  # noqa: E402


def run(*words):
    return subprocess.run([sys.executable, os.path.join(HERE, "run"), *words], text=True,
                          capture_output=True, timeout=20, check=False)


class TestRun(unittest.TestCase):
    def test_help_measures_nothing(self):
        for word in ("--help", "-h"):
            done = run(word)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("usage: tests/bench/run [--full] [--first] [BUILD [PART...]]",
                          done.stdout)
            self.assertIn("synthesisers", done.stdout)
            self.assertEqual(done.stderr, "", "no part was begun")

    def test_what_is_not_understood_is_named(self):
        for words, text in ((["--ful"], "unrecognized arguments: --ful"),
                            (["build", "voices", "fly"], "fly: no such part; there are engine"),
                            (["/nowhere"], "BUILD: no server/timbred in /nowhere"),
                            (["--full", "/nowhere", "--first", "fly"], "fly: no such part"),
                            (["voices"], "voices; it comes before the parts")):
            done = run(*words)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(text, done.stderr)
            self.assertNotIn("...\n", done.stderr.split("error:")[1], "no part was begun")


class TestRoles(unittest.TestCase):
    def child(self, role, seconds):
        process = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})",
                                    f"--role={role}"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_a_job_is_waited_for(self):
        web, job = self.child("web", 60), self.child("job", 0.5)
        with self.assertRaisesRegex(RuntimeError, "a job role still runs"):
            start.standing_roles(os.getpid(), 0.1)
        found = start.standing_roles(os.getpid(), 30, 0.2)
        self.assertIsNotNone(job.poll(), "the job had ended")
        self.assertEqual(found, {"audio": os.getpid(), "web": web.pid})

    def test_without_a_web_role(self):
        begin = time.monotonic()
        with self.assertRaisesRegex(RuntimeError, "no web role"):
            start.standing_roles(os.getpid(), 0.1)
        self.assertLess(time.monotonic() - begin, 20)


if __name__ == "__main__":
    unittest.main()
