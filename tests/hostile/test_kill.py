#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills and signals at random times: nothing that was acknowledged is lost.

usage: test_kill.py TIMBRED

TIMBRED_FULL=1 kills the web role 1,000 times instead of 50, and the audio role 100 times, not 10.
"""
import http.client
import json
import os
import random
import signal
import sys
import threading
import time
import unittest

from daemon import Daemon
from wire import TEXT, Socket, frame

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else "build/server/timbred"
FULL = os.environ.get("TIMBRED_FULL") == "1"
WEB_KILLS, AUDIO_KILLS = (1000, 100) if FULL else (50, 10)


class Writer(threading.Thread):
    """Creates patches one after the other and remembers those that were answered with 201."""

    def __init__(self, daemon, name):
        super().__init__(daemon=True)
        self.at, self.label, self.acknowledged, self.stop = daemon, name, {}, False
        self.start()

    def run(self):
        number = 0
        while not self.stop:
            number += 1
            name = f"{self.label} {number}"
            value = number % 32
            body = {"name": name, "category": "test", "values": {"fm.op1.coarse": value}}
            try:
                status, made = self.at.json("POST", "/patches", body, timeout=2)
                if status == 201:
                    self.acknowledged[made["uuid"]] = (name, value)
                else:
                    time.sleep(0.01)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)


class Kill(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(PROGRAM).start()

    def tearDown(self):
        self.daemon.__exit__()

    def seconds_to_answer(self):
        started = time.monotonic()
        while time.monotonic() - started < 10:
            if self.daemon.is_up(timeout=1):
                return time.monotonic() - started
            time.sleep(0.002)
        raise RuntimeError("no answer in 10 s: " + self.daemon.text()[-1500:])

    def check(self, acknowledged):
        lost = []
        for uuid, (name, value) in acknowledged.items():
            status, patch = self.daemon.json("GET", f"/patches/{uuid}")
            if status != 200 or patch["name"] != name or patch["values"]["fm.op1.coarse"] != value:
                lost.append((uuid, name, status))
        return lost

    def test_web_role(self):
        self.daemon.call("POST", "/notes", {"key": 60, "velocity": 100})
        writer = Writer(self.daemon, "web")
        chance, times, before = random.Random(1), [], self.daemon.json("GET", "/status")[1]
        for _ in range(WEB_KILLS):
            time.sleep(chance.uniform(0, 0.15))
            os.kill(self.daemon.role("web"), signal.SIGKILL)
            times.append(self.seconds_to_answer())
            # a role that lived for a while starts again at once; one that did not is held back
            time.sleep(0.4)
        writer.stop = True
        writer.join()
        after, lost = self.daemon.json("GET", "/status")[1], self.check(writer.acknowledged)
        times.sort()
        p95, p99 = times[int(len(times) * 0.95)], times[int(len(times) * 0.99)]
        late = after["audio"]["late"] - before["audio"]["late"]
        print(f"web role killed {WEB_KILLS} times: {len(writer.acknowledged)} acknowledged, "
              f"{len(lost)} lost; next answer p50 {times[len(times) // 2] * 1e3:.0f} ms, p95 "
              f"{p95 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms; {late} blocks late")
        self.assertEqual(lost, [])
        self.assertGreater(len(writer.acknowledged), WEB_KILLS)
        self.assertGreaterEqual(after["web_restarts"] - before["web_restarts"], WEB_KILLS)

    def test_audio_role(self):
        chance, acknowledged = random.Random(2), {}
        for round_number in range(AUDIO_KILLS):
            writer = Writer(self.daemon, f"audio {round_number}")
            time.sleep(chance.uniform(0.1, 0.4))
            self.daemon.process.kill()
            self.daemon.process.wait()
            writer.stop = True
            writer.join()
            acknowledged.update(writer.acknowledged)
            deadline = time.monotonic() + 5
            while self.daemon.is_up(0.2) and time.monotonic() < deadline:
                time.sleep(0.01)  # the orphaned web role ends by itself
            self.daemon.token, self.daemon.output = None, []
            self.daemon.start()
        lost = self.check(acknowledged)
        print(f"audio role killed {AUDIO_KILLS} times: {len(acknowledged)} acknowledged, "
              f"{len(lost)} lost")
        self.assertEqual(lost, [])
        self.assertGreater(len(acknowledged), AUDIO_KILLS)

    def test_the_working_copy_survives_the_web_role(self):
        edit = {"values": {"fm.feedback": 5, "reverb.mix": 0.25}}
        self.assertEqual(self.daemon.call("PATCH", "/state", edit)[0], 200)
        os.kill(self.daemon.role("web"), signal.SIGKILL)
        self.seconds_to_answer()
        values = self.daemon.json("GET", "/state")[1]["values"]
        self.assertEqual((values["fm.feedback"], values["reverb.mix"]), (5, 0.25))

    def test_notes_of_a_killed_connection_end(self):
        s = Socket(self.daemon.port)
        for message in ({"type": "hello", "token": self.daemon.token, "topics": []},
                        {"type": "note", "on": True, "key": 60, "velocity": 100}):
            s.send(frame(TEXT, json.dumps(message).encode()))
        time.sleep(0.3)
        self.assertGreaterEqual(self.daemon.json("GET", "/status")[1]["audio"]["voices"], 1)
        s.close()
        deadline = time.monotonic() + 5
        while self.daemon.json("GET", "/status")[1]["audio"]["voices"]:
            self.assertLess(time.monotonic(), deadline, "still sounding")
            time.sleep(0.05)

    def test_a_stop_among_requests(self):
        """Workers and the store thread end while requests still come in."""
        d, going, counts = self.daemon, threading.Event(), []
        made = d.json("POST", "/patches", {"name": "Flood"})[1]["uuid"]
        calls = (("POST", "/state/undo", None), ("PUT", "/state/patch", {"uuid": made}),
                 ("POST", "/patches", {"name": "Flood"}), ("GET", "/patches", None),
                 ("POST", "/renders", {"seconds": 1}), ("GET", "/benchmarks", None))

        def flood(method, path, body):
            at, n = http.client.HTTPConnection("127.0.0.1", d.port, timeout=3), 0
            headers = {"Authorization": f"Bearer {d.token}", "Content-Type": "application/json"}
            try:
                while not going.is_set():
                    at.request(method, "/api/v1" + path, json.dumps(body) if body else None,
                               headers)
                    at.getresponse().read()
                    n += 1
            except (OSError, http.client.HTTPException):
                pass
            counts.append(n)

        floods = [threading.Thread(target=flood, args=call) for call in calls * 3]
        for one in floods:
            one.start()
        time.sleep(1)
        status, seconds = d.stop(signal.SIGTERM)
        going.set()
        for one in floods:
            one.join()
        print(f"SIGTERM among {sum(counts)} requests: status {status} after {seconds:.2f} s")
        self.assertGreater(sum(counts), 100)
        self.assertEqual(status, 0)
        self.assertNotIn("while it was stopping", d.text())
        self.assertNotIn("is killed", d.text())

    def test_signals(self):
        for name in ("SIGHUP", "SIGUSR1", "SIGPIPE"):
            if name != "SIGUSR1":
                os.kill(self.daemon.process.pid, getattr(signal, name))
                time.sleep(0.2)
                self.assertTrue(self.daemon.is_up(), name)
        for pid in (self.daemon.process.pid, self.daemon.role("web")):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(1.5)
            os.kill(pid, signal.SIGCONT)
            self.seconds_to_answer()
        status, seconds = self.daemon.stop(signal.SIGTERM)
        print(f"SIGTERM: status {status} after {seconds:.2f} s")
        self.assertEqual(status, 0)
        files = os.listdir(self.daemon.state)
        self.assertFalse(any(f.endswith("-wal") and os.path.getsize(
            os.path.join(self.daemon.state, f)) for f in files), files)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
