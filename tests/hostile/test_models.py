#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models under hostility: killed roles, a full and a failing disk, mutated and large files.

usage: test_models.py TIMBRED FAULT.so

TIMBRED_FULL=1 kills the web role 200 times instead of 20 and mutates 2,000 files, not 100.
"""
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "cli"))
# pylint: disable=wrong-import-position
from daemon import Daemon
from model_maker import tensors_of, write_model

SHIM = os.path.realpath(sys.argv.pop(2))
PROGRAM = sys.argv.pop(1)
FULL = os.environ.get("TIMBRED_FULL") == "1"
KILLS, MUTANTS = (200, 2000) if FULL else (20, 100)
WEB_MIB = 24


def make(seed, **more):
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(os.path.join(folder, "m"), width=4, seed=seed, layers=1,
                           name=f"Model {seed}", **more)
        with open(path, "rb") as f:
            return f.read()


def make_large(width):
    """An HpN decoder of zeros: 512 units are 16.4 MiB."""
    header, at = {"__metadata__": {
        "family": "hpn", "name": f"Large {width}", "sample_rate": "16000", "hop": "64",
        "width": str(width), "n_harmonics": "100", "n_bands": "65"}}, 0
    for name, shape in tensors_of(width, 100, 65, 3).items():
        n = 4
        for size in shape:
            n *= size
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


class Models(unittest.TestCase):
    options, wanted_state = (), None

    def setUp(self):
        self.daemon = Daemon(PROGRAM, *self.options, state=self.wanted_state)
        self.flag = os.path.join(self.daemon.state, "fault")
        self.daemon.environment.update(LD_PRELOAD=SHIM, TIMBRED_FAULT=self.flag)
        self.daemon.start()

    def tearDown(self):
        self.daemon.__exit__()

    def request(self, method, path, data=None, timeout=30):
        """Status and body, of bytes that are no JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=timeout)
        try:
            headers = {"Authorization": f"Bearer {self.daemon.token}"}
            if data is not None:
                headers["Content-Type"] = "application/octet-stream"
            connection.request(method, f"/api/v1{path}", body=data, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def upload(self, data, timeout=30):
        status, body = self.request("POST", "/models", data, timeout)
        return status, json.loads(body)

    def files(self):
        return sorted(os.listdir(os.path.join(self.daemon.state, "models")))

    def rows(self):
        return self.daemon.json("GET", "/models?limit=500")[1]["items"]

    def check_files_are_rows(self):
        self.assertEqual(self.files(), sorted(f"{m['sha256']}.safetensors" for m in self.rows()))

    def web_mib(self, what):
        with open(f"/proc/{self.daemon.role('web')}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(what)) / 1024


class TestKill(Models):
    def write(self, label, kept, gone, stop):
        """Uploads, and deletes every third again; remembers what was answered."""
        number = 0
        while not stop.is_set():
            number += 1
            data = make(1000 * label + number)
            try:
                status, made = self.upload(data, timeout=5)
                if status not in (200, 201):
                    continue
                kept[made["uuid"]] = data
                if number % 3:
                    continue
                del kept[made["uuid"]]  # from here on it may be either, until it is answered
                if self.request("DELETE", f"/models/{made['uuid']}")[0] == 204:
                    gone.add(made["uuid"])
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.02)

    def test_nothing_acknowledged_is_lost_or_comes_back(self):
        kept, gone, stop, chance = {}, set(), threading.Event(), random.Random(1)
        writers = [threading.Thread(target=self.write, args=(n, kept, gone, stop))
                   for n in (1, 2)]
        for writer in writers:
            writer.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.1, 0.6))
            os.kill(self.daemon.role("web"), signal.SIGKILL)
            self.daemon.wait()
        for _ in range(600): # a machine that stalls gets its time afterwards
            if len(kept) > KILLS // 2:
                break
            time.sleep(0.1)
        stop.set()
        for writer in writers:
            writer.join()
        self.assertGreater(len(kept), KILLS // 2, "the test did too little")
        time.sleep(1)
        os.kill(self.daemon.role("web"), signal.SIGKILL)
        self.daemon.wait()
        for uuid, data in kept.items():
            status, body = self.request("GET", f"/models/{uuid}/file")
            self.assertEqual((status, body == data), (200, True), uuid)
        there = {m["uuid"] for m in self.rows()}
        self.assertFalse(gone & there, "deleted, and back")
        for _ in range(200):
            if len(self.files()) == len(self.rows()):
                break
            time.sleep(0.05) # a file without a row is registered again
        self.check_files_are_rows()


class TestDisk(Models):
    def test_a_commit_that_fails_leaves_no_file(self):
        status, first = self.upload(make(1))
        self.assertEqual(status, 201)
        with open(self.flag, "w", encoding="ascii"):
            pass
        status, problem = self.upload(make(2))
        self.assertGreaterEqual(status, 500, problem)
        self.assertGreaterEqual(self.request("DELETE", f"/models/{first['uuid']}")[0], 500)
        self.assertEqual(self.files(), [f"{first['sha256']}.safetensors"])
        os.unlink(self.flag)
        self.assertEqual(self.upload(make(2))[0], 201)
        self.check_files_are_rows()


    def test_a_disk_that_returns_other_bytes(self):
        """What was measured is not what came: it is not kept under the hash of either."""
        flip = self.flag + ".flip"
        with open(flip, "w", encoding="ascii"):
            pass
        status, problem = self.upload(make(1))
        self.assertGreaterEqual(status, 500, problem)
        self.assertIn("the disk returned other bytes", problem["detail"])
        self.assertEqual((self.files(), self.rows()), ([], []))
        os.unlink(flip)
        self.assertEqual(self.upload(make(1))[0], 201)
        self.check_files_are_rows()


class TestFullDisk(Models):
    SIZE_MIB = 48

    def setUp(self):
        self.wanted_state = tempfile.mkdtemp(prefix="timbred-full-")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.SIZE_MIB}m,mode=700",
                                  "none", self.wanted_state], check=False, capture_output=True)
        if mounted.returncode:
            os.rmdir(self.wanted_state)
            self.skipTest("SKIPPED: mount is not allowed here")
        super().setUp()

    def tearDown(self):
        super().tearDown()
        subprocess.run(["umount", "-l", self.wanted_state], check=False)
        shutil.rmtree(self.wanted_state, ignore_errors=True)

    def fill(self, left_mib):
        st = os.statvfs(self.daemon.state)
        n = max(0, st.f_bavail * st.f_frsize - (left_mib << 20))
        with open(os.path.join(self.daemon.state, "filler"), "wb") as f:
            f.write(bytes(n))

    def test_full(self):
        self.assertEqual(self.upload(make(1))[0], 201)
        before = self.files()
        self.fill(20)
        status, problem = self.upload(make(2))
        self.assertEqual(status, 507, problem)
        self.assertIn("no room", problem["detail"])
        self.assertEqual(self.daemon.json("GET", "/models")[0], 200)
        os.unlink(os.path.join(self.daemon.state, "filler"))
        self.fill(33) # there is room when it begins; what it will need is not told
        status, body = self.request("POST", "/models", iter([bytes(1 << 20)] * 40))
        self.assertEqual(status, 507, body[:200])
        self.assertEqual(self.files(), before)
        os.unlink(os.path.join(self.daemon.state, "filler"))
        self.assertEqual(self.upload(make(2))[0], 201)
        self.assertEqual(self.daemon.json("GET", "/status")[1]["audio"]["state"], "running")


class TestFiles(Models):
    def test_mutants(self):
        """A byte flipped, cut or added anywhere: an answer each, a model only if it is whole."""
        data, chance, statuses = make(1), random.Random(7), {}
        self.upload(data)
        head = 8 + struct.unpack_from("<Q", data)[0]
        for _ in range(MUTANTS):
            mutant = bytearray(data)
            at = chance.randrange(head if chance.random() < 0.8 else len(data))
            kind = chance.randrange(3)
            if kind == 0:
                mutant[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del mutant[at:at + chance.randrange(1, 9)]
            else:
                mutant[at:at] = bytes([chance.randrange(256)])
            status, answer = self.upload(bytes(mutant))
            statuses[status] = statuses.get(status, 0) + 1
            self.assertIn(status, (200, 201, 400, 409), answer)
            if status == 201:
                self.assertEqual(answer["sha256"], hashlib.sha256(mutant).hexdigest())
        self.assertGreater(statuses.get(400, 0), MUTANTS // 2, statuses)
        self.check_files_are_rows()
        self.assertLess(self.web_mib("VmHWM"), WEB_MIB)

    def test_a_large_one(self):
        data = make_large(512)
        status, model = self.upload(data)
        self.assertEqual(status, 201, model)
        self.assertEqual(self.upload(data)[0], 200)
        started = time.monotonic()
        use = self.daemon.json("PUT", "/state/model", {"uuid": model["uuid"], "force": True})
        seconds = time.monotonic() - started
        self.assertEqual(use[0], 200, use[1])
        status, body = self.request("GET", f"/models/{model['uuid']}/file")
        self.assertEqual(body, data)
        mib = self.web_mib("VmHWM")
        print(f"16.4 MiB: loaded after {seconds:.2f} s, web role at most {mib:.1f} MiB")
        self.assertLess(mib, WEB_MIB)

    def test_a_note_does_not_wait_for_a_load(self):
        model = self.upload(make_large(384))[1]
        slowest, done = 0.0, threading.Event()

        def load():
            for b in (None, model["uuid"], None):
                self.daemon.json("PUT", "/state/model", {"uuid": b, "force": True})
            done.set()

        loader = threading.Thread(target=load)
        loader.start()
        while not done.is_set():
            started = time.monotonic()
            self.daemon.call("POST", "/notes", {"key": 60, "velocity": 100, "duration_ms": 20})
            slowest = max(slowest, time.monotonic() - started)
        loader.join()
        print(f"slowest note beside loads of 9 MiB: {1000 * slowest:.0f} ms")
        self.assertLess(slowest, 0.5)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
