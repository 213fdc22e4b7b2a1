#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two services for one state folder: one too many.

usage: test_second.py TIMBRED
"""
import fcntl
import os
import signal
import subprocess
import sys
import time
import unittest

from daemon import Daemon

PROGRAM = os.path.realpath(sys.argv.pop(1) if len(sys.argv) > 1 else "build/server/timbred")
BUSY = 75


class Second(unittest.TestCase):
    def setUp(self):
        self.first = Daemon(PROGRAM).start()
        self.addCleanup(self.first.__exit__)

    def link(self):
        with open(os.path.join(self.first.state, "link"), encoding="utf-8") as f:
            return f.read()

    def try_second(self, state, folder="/"):
        return subprocess.run(
            [PROGRAM, "serve", f"--state={state}", "--server.listen=127.0.0.1", "--server.port=0",
             "--audio.driver=null", "--midi.sequencer=false", "--models.zoo=none"],
            capture_output=True, text=True, timeout=30, cwd=folder, check=False)

    def test_it_ends_and_says_why(self):
        web, link, said = self.first.role("web"), self.link(), self.first.text()
        parent, name = os.path.split(self.first.state)
        for state, folder in ((self.first.state, "/"), (name, parent), (f"./{name}/.", parent)):
            done = self.try_second(state, folder)
            self.assertEqual(done.returncode, BUSY, done.stderr)
            self.assertEqual(done.stderr, f"timbred: {state}: in use by another timbred (process "
                             f"{self.first.process.pid}); choose another folder with --state\n")
            self.assertEqual(done.stdout, "")
        self.assertEqual(self.first.role("web"), web)
        self.assertEqual(self.link(), link, "the command line still finds the first")
        self.assertEqual(self.first.text(), said)
        self.assertEqual(self.first.json("GET", "/status")[1]["web_restarts"], 0)

    def test_a_dead_one_is_in_nobodys_way(self):
        """Its web role may still be closing the store when the next one starts."""
        for _ in range(3):
            self.first.call("POST", "/patches", {"name": "kept", "values": {}})
            self.first.process.send_signal(signal.SIGKILL)
            self.first.process.wait()
            self.first.output.clear()
            self.first.start()
            self.assertEqual(self.first.json("GET", "/status")[1]["web_restarts"], 0,
                             self.first.text())
        self.assertEqual(self.first.json("GET", "/patches?q=kept")[1]["total"], 3)

    def snatch(self):
        """The store's lock, taken between the death of a web role and the start of the next."""
        lock = open(os.path.join(self.first.state, "timbred.lock"), "rb")
        self.addCleanup(lock.close)
        web = self.first.role("web")
        self.first.process.send_signal(signal.SIGSTOP)
        os.kill(web, signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.first.process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 20
        while self.first.role("web") == web and time.monotonic() < deadline:
            time.sleep(0.01)
        return lock, web

    def test_a_web_role_is_patient(self):
        lock, old = self.snatch()
        time.sleep(1.5)
        new = self.first.role("web")
        self.assertNotEqual(new, old)
        self.assertFalse(self.first.is_up(0.2))
        restarts = self.first.text().count("starting again")
        fcntl.flock(lock, fcntl.LOCK_UN)
        self.first.wait()
        self.assertEqual(self.first.role("web"), new, "it waited instead of giving up")
        self.assertEqual(self.first.json("GET", "/status")[1]["web_restarts"], restarts)

    def test_a_waiting_web_role_stops(self):
        self.snatch()
        time.sleep(0.3)
        self.first.role("web")
        status, _ = self.first.stop()
        self.assertEqual(status, 0)
        self.assertNotIn("did not end", self.first.text())


if __name__ == "__main__":
    unittest.main()
