#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors used up, disks full, databases damaged, ports taken. usage: test_limits.py TIMBRED"""
import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from daemon import Daemon

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else "build/server/timbred"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Limits(unittest.TestCase):
    def test_descriptors_used_up(self):
        with Daemon(PROGRAM, wrap=["prlimit", "--nofile=128"]) as daemon:
            web, held = daemon.role("web"), []
            for _ in range(200):
                try:
                    s = socket.create_connection(("127.0.0.1", daemon.port), timeout=0.3)
                    s.sendall(b"GET /ws HTTP/1.1\r\nX: ")
                    held.append(s)
                except OSError:
                    break
            before, lines = cpu_seconds(web), len(daemon.output)
            time.sleep(3)
            spent, said = cpu_seconds(web) - before, len(daemon.output) - lines
            print(f"{len(held)} held: {spent:.2f} s of CPU in 3 s, {said} lines logged")
            self.assertLess(spent, 0.6)
            self.assertLess(said, 50)
            for s in held:
                s.close()
            deadline = time.monotonic() + 12
            while not daemon.is_up():
                self.assertLess(time.monotonic(), deadline, "did not recover")
                time.sleep(0.1)

    def test_disk_full(self):
        folder = tempfile.mkdtemp(prefix="timbred-full-")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder],
                                 capture_output=True, check=False)
        if mounted.returncode:
            self.skipTest("a file system of its own cannot be mounted here")
        daemon = Daemon(PROGRAM, state=os.path.join(folder, "state"))
        try:
            daemon.start()
            ballast = os.path.join(folder, "ballast")
            with open(ballast, "wb", buffering=0) as f:
                try:
                    while True:
                        f.write(b"x" * 4096)
                except OSError:
                    pass
            made, status = [], 201
            for number in range(3000):
                status, answer = daemon.json("POST", "/patches", {
                    "name": f"full {number}", "comment": "x" * 1000})
                if status != 201:
                    break
                made.append(answer["uuid"])
            self.assertEqual(status, 507, answer)
            self.assertEqual(daemon.call("GET", "/patches?limit=1")[0], 200)
            self.assertEqual(daemon.call("POST", "/notes", {"key": 60, "velocity": 90})[0], 204)
            os.remove(ballast)
            status, _ = daemon.json("POST", "/patches", {"name": "after"})
            self.assertEqual(status, 201, "writes did not resume")
            for uuid in made:
                self.assertEqual(daemon.call("GET", f"/patches/{uuid}")[0], 200)
            print(f"disk full after {len(made)} patches, all kept; writes resumed")
        finally:
            daemon.stop()
            subprocess.run(["umount", "-l", folder], check=False)
            os.rmdir(folder)

    def damage(self, how):
        """Health after a start on a damaged database, and whether an older patch is there."""
        with Daemon(PROGRAM) as daemon:
            status, made = daemon.json("POST", "/patches", {"name": "precious"})
            self.assertEqual(status, 201)
            daemon.stop()
            daemon.start()  # a start makes a backup of what it finds
            daemon.stop()
            path = os.path.join(daemon.state, "timbred.db")
            self.assertTrue(os.path.exists(path), os.listdir(daemon.state))
            for extra in glob.glob(path + "-*"):
                os.remove(extra)
            how(path)
            daemon.token, daemon.output = None, []
            started = time.monotonic()
            daemon.start()
            seconds = time.monotonic() - started
            status, health = daemon.json("GET", "/health")
            there = daemon.call("GET", f"/patches/{made['uuid']}")[0] == 200
            self.assertEqual(daemon.call("POST", "/patches", {"name": "new"})[0], 201)
            return health, there, seconds, os.listdir(daemon.state)

    def test_damaged_databases(self):
        def over(offset, size):
            def write(path):
                with open(path, "r+b") as f:
                    f.seek(offset)
                    f.write(os.urandom(size))
            return write

        for name, how in (("header", over(0, 512)), ("pages", over(4096 * 2, 4096 * 6)),
                          ("empty", lambda path: os.truncate(path, 0)), ("missing", os.remove)):
            with self.subTest(name):
                health, there, seconds, files = self.damage(how)
                print(f"{name}: serving after {seconds:.2f} s, {health}, patch there: {there}")
                self.assertTrue(there, files)
                self.assertLess(seconds, 5)

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            daemon = Daemon(PROGRAM)
            daemon.port = taken.getsockname()[1]
            daemon.start(ready=False)
            deadline = time.monotonic() + 5
            while str(daemon.port) not in daemon.text() and time.monotonic() < deadline:
                time.sleep(0.05)
            said = daemon.text()
            daemon.stop()
            shutil.rmtree(daemon.state)
            self.assertRegex(said, rf"{daemon.port}.*(in use|taken)")


if __name__ == "__main__":
    unittest.main(warnings="ignore")
