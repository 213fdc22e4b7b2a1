#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that fails at the commit: nothing is acknowledged that is not saved.

usage: test_fault.py TIMBRED FAULT.so
"""
import os
import signal
import sys
import threading
import time
import unittest

from daemon import Daemon

SHIM = os.path.realpath(sys.argv.pop(2))
PROGRAM = sys.argv.pop(1)
REQUESTS, THREADS = 40, 4


class Fault(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(PROGRAM)
        self.flag = os.path.join(self.daemon.state, "fault")
        self.daemon.environment.update(LD_PRELOAD=SHIM, TIMBRED_FAULT=self.flag)
        self.daemon.start()

    def tearDown(self):
        self.daemon.__exit__()

    def break_disk(self, on):
        if on:
            with open(self.flag, "w", encoding="utf-8"):
                pass
        else:
            os.unlink(self.flag)

    def saved(self):
        return self.daemon.json("GET", "/patches?limit=1")[1]["total"]

    def create(self, name):
        body = {"name": name, "values": {"fm.op1.coarse": 3}}
        return self.daemon.json("POST", "/patches", body)

    def test_a_failed_commit_is_never_acknowledged(self):
        self.assertEqual(self.create("before")[0], 201)
        before, statuses = self.saved(), []

        def write(label):
            for number in range(REQUESTS):
                status, answer = self.create(f"{label} {number}")
                statuses.append((status, answer["type"] if answer else None))

        self.break_disk(True)
        writers = [threading.Thread(target=write, args=(n,)) for n in range(THREADS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        self.assertEqual(len(statuses), REQUESTS * THREADS)
        for status, kind in statuses:
            self.assertGreaterEqual(status, 500)
            self.assertTrue(kind)
        self.break_disk(False)
        self.assertEqual(self.create("after")[0], 201)
        self.assertEqual(self.saved(), before + 1)

    def test_a_start_without_room_for_a_new_link(self):
        """The tokens of before still hold, and none is told that does not."""
        link = os.path.join(self.daemon.state, "link")
        self.assertEqual(self.daemon.call("GET", "/backup")[0], 200)
        with open(link, encoding="utf-8") as f:
            before = f.read()
        self.daemon.stop()
        self.daemon.output.clear()
        self.break_disk(True)
        self.daemon.start()
        self.assertIn("no new link: ", self.daemon.text())
        self.assertNotIn("token=", self.daemon.text())
        self.assertEqual(self.daemon.call("GET", "/status")[0], 200)
        with open(link, encoding="utf-8") as f:
            self.assertEqual(f.read(), before)
        self.break_disk(False)
        self.assertEqual(self.create("after")[0], 201)

    def test_the_last_state_is_saved_when_the_disk_is_back(self):
        self.break_disk(True)
        edit = {"values": {"fm.feedback": 6}}
        self.assertEqual(self.daemon.call("PATCH", "/state", edit)[0], 200)
        deadline = time.monotonic() + 5
        while "the last state is not saved" not in self.daemon.text():
            self.assertLess(time.monotonic(), deadline, "nothing is said")
            time.sleep(0.05)
        self.break_disk(False)
        time.sleep(2.5)
        web = self.daemon.role("web")
        self.daemon.stop(signal.SIGKILL)
        try:
            os.kill(web, signal.SIGKILL)
        except ProcessLookupError:
            web = None
        time.sleep(0.2)
        self.daemon.token, self.daemon.output = None, []
        self.daemon.start()
        self.assertEqual(self.daemon.json("GET", "/state")[1]["values"]["fm.feedback"], 6)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
