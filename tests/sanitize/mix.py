#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every thread of the daemon at work at once: REST of each kind beside WebSocket clients.

usage: mix.py TIMBRED SECONDS

Ends with 1 when a kind of call was never answered well, a role was restarted, or a sanitizer wrote
a report; the reports are printed whole.
"""
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "hostile"))

# pylint: disable=wrong-import-position
from daemon import Daemon  # noqa: E402
from wire import TEXT, Socket, frame  # noqa: E402

REPORT = ("Sanitizer", "runtime error")
TOPICS = ["state", "notes", "patches", "status", "jobs", "telemetry", "scope"]
NOTE = {"time_s": 0, "key": 60, "velocity": 100, "duration_s": 0.05}


class Mix:
    def __init__(self, daemon, seconds):
        self.daemon, self.end = daemon, time.monotonic() + seconds
        self.good, self.bad, self.lock = {}, [], threading.Lock()

    def count(self, name, good, what=""):
        with self.lock:
            self.good[name] = self.good.get(name, 0) + bool(good)
            if not good:
                self.bad.append(f"{name}: {what}")

    def call(self, name, method, path, body=None, headers=None, statuses=(200, 201, 202, 204)):
        """The JSON of the answer; a refusal for want of room or time (429, 503) is no failure."""
        try:
            status, head, text = self.daemon.call(method, path, body, headers, timeout=30)
        except OSError as error:
            return self.count(name, False, repr(error))
        if status not in (429, 503):
            self.count(name, status in statuses, f"{status} {text[:200]}")
        is_json = "json" in head.get("Content-Type", "")
        return json.loads(text) if text and is_json else None

    def readers(self):
        """Answered by the thread of libmicrohttpd itself."""
        for path in ("/status", "/state", "/params", "/patches?q=e&limit=20", "/banks", "/metrics",
                     "/categories", "/health", "/openapi.json"):
            self.call(f"GET {path}", "GET", path)

    def players(self):
        """Commands to the audio thread, and live editing with its history."""
        key = random.randrange(30, 90)
        self.call("note", "POST", "/notes", {"key": key, "velocity": 100, "duration_ms": 50})
        self.call("edit", "PATCH", "/state", {"values": {"fm.feedback": random.randrange(8)}},
                  {"Content-Type": "application/merge-patch+json"})
        self.call("undo", "POST", "/state/undo", statuses=(200, 409))
        self.call("compare", "POST", "/state/compare", {"on": random.random() < 0.5},
                  statuses=(200, 409))
        self.call("panic", "POST", "/panic")

    def writers(self):
        """The store's thread, and what follows a write in the others."""
        made = self.call("create", "POST", "/patches", {"name": f"mix {random.random()}"})
        if not made:
            return
        at = f"/patches/{made['uuid']}"
        match = {"If-Match": f'"{made["revision"]}"'}
        self.call("load", "PUT", "/state/patch", {"uuid": made["uuid"]})
        self.call("change", "PATCH", at, {"favourite": True},
                  dict(match, **{"Content-Type": "application/merge-patch+json"}))
        self.call("revisions", "GET", at + "/revisions")
        self.call("delete", "DELETE", at, headers={"If-Match": "*"}, statuses=(204, 412))

    def slow(self):
        """The pool: devices, a render, a copy of the database, the test tone."""
        self.call("devices", "GET", "/audio/devices")
        self.call("render", "POST", "/renders", {"values": {}, "notes": [NOTE], "tail_s": 0.1})
        self.call("backup", "GET", "/backup")
        self.call("tone", "POST", "/audio/test-tone")

    def socket(self):
        """Connects, listens to every topic, plays and edits, and leaves."""
        s = Socket(self.daemon.port, seconds=30)
        hello = {"type": "hello", "token": self.daemon.token, "topics": TOPICS}
        s.send(frame(TEXT, json.dumps(hello).encode()))
        until, acknowledged, heard = min(self.end, time.monotonic() + 3), 0, 0
        for number in range(10000):
            if time.monotonic() > until:
                break
            for message in ({"type": "note", "on": True, "key": 60, "velocity": 90},
                            {"type": "set", "values": {"fm.feedback": number % 8}},
                            {"type": "note", "on": False, "key": 60}):
                s.send(frame(TEXT, json.dumps(dict(message, id=str(number))).encode()))
            try:
                for _ in range(20):
                    opcode, data = s.receive(0.1)
                    heard += 1
                    acknowledged += opcode == TEXT and b'"ack"' in data
            except TimeoutError:
                pass
        s.close()
        self.count("WebSocket heard", heard > 5, f"{heard} messages")
        self.count("WebSocket acknowledged", acknowledged > 3, f"{acknowledged} messages")

    def repeat(self, work):
        while time.monotonic() < self.end:
            try:
                work()
            except (OSError, ValueError) as error:
                self.count(work.__name__, False, repr(error))

    def run(self):
        works = [self.readers, self.readers, self.players, self.writers, self.slow, self.socket,
                 self.socket]
        threads = [threading.Thread(target=self.repeat, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main(program, seconds):
    random.seed(1)
    with Daemon(program) as daemon:
        web = daemon.role("web")
        mix = Mix(daemon, float(seconds))
        mix.run()
        restarted = daemon.role("web") != web
        status, took = daemon.stop(seconds=30)
    text = daemon.text()
    never = [name for name, n in mix.good.items() if n == 0]
    print(f"{sum(mix.good.values())} good answers of {len(mix.good)} kinds, {len(mix.bad)} bad, "
          f"ended with {status} in {took:.1f} s")
    if any(word in text for word in REPORT):
        print(text)
        return 1
    if restarted or status != 0 or never or mix.bad:
        print("\n".join(mix.bad[:20]), f"\nnever: {never}; web role restarted: {restarted}\n",
              text[-4000:])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
