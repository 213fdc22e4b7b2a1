# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the daemon for a test, with a state folder of its own, and looks into it through peek."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

SKIP = 77
PATIENCE = 5
PROGRAM, PEEK = os.environ.get("TIMBRED", ""), os.environ.get("PEEK", "")
STOPPED, RUNNING, LOST = range(3)


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIP)


def check(condition, text):
    if not condition:
        sys.exit(f"FAILED: {text}")
    print(f"ok: {text}")


def wait_for(condition, timeout_s, text):
    """Seconds until condition() was true; fails the test after timeout_s, times what a busy machine
    may need."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > timeout_s * PATIENCE:
            sys.exit(f"FAILED: {text}: not within {timeout_s * PATIENCE} s")
        time.sleep(0.005)
    return time.monotonic() - start


class Daemon:
    def __init__(self, *options, env=None, prefix=(), folder=None):
        self.folder = folder or tempfile.mkdtemp(prefix="timbred-test-")
        self.own = folder is None
        self.log_path = os.path.join(self.folder, "log")
        self.log = open(self.log_path, "a", encoding="utf-8")
        command = [*prefix, PROGRAM, "serve", f"--state={self.folder}", "--server.port=0",
                   "--server.listen=127.0.0.1", "--models.zoo=none", *options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        self.status_code = None

    def wait_playing(self, timeout_s=5):
        status = wait_for(lambda: (self.status() or {}).get("blocks", 0) > 0, timeout_s, "playing")
        self.play_init_voice()
        return status

    def api(self, method, path, body=None):
        """The answer of /api/v1 + path, or None while the web role is not there."""
        try:
            with open(os.path.join(self.folder, "link"), encoding="utf-8") as link:
                url, token = link.read().strip().split("/#token=")
            request = urllib.request.Request(
                f"{url}/api/v1{path}", method=method, data=body and json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=2) as reply:
                return json.loads(reply.read())
        except (OSError, ValueError):
            return None

    def play_init_voice(self):
        """One sine that sounds while its key is down: what the pitch and level checks expect, not
        the factory patch of a first start."""
        wait_for(lambda: self.api("GET", "/health"), 5, "the web role answers")
        told = self.api("GET", "/params")
        values = {p["key"]: p["default"] for p in told["params"] if p["owner"] == "patch"}
        check(self.api("PATCH", "/state", {"values": values}) is not None, "the INIT voice is set")

    def peek(self, *words):
        got = subprocess.run([PEEK, str(self.pid), *words], capture_output=True, text=True,
                             check=False)
        return json.loads(got.stdout) if got.returncode == 0 else None

    def status(self):
        return self.peek("status")

    def tone(self, seconds):
        return self.peek("tone", str(seconds))

    def said(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def children(self):
        """Living web roles: neither jobs nor what waits to be reaped, which has no command line."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as f:
            return [int(pid) for pid in f.read().split() if self.is_web(pid)]

    @staticmethod
    def is_web(pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return b"--role=web" in f.read()
        except OSError:
            return False

    def memory_kb(self, field="VmRSS"):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith(field)).split()[1])

    def stop(self, number=signal.SIGTERM):
        """Seconds that it took to end."""
        start = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.status_code = self.process.wait(4 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            print(self.said())
            sys.exit("FAILED: it does not stop")
        took = time.monotonic() - start
        self.log.close()
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)
        return took

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind not in (None, SystemExit) or (kind is SystemExit and value.code not in (0, SKIP)):
            print(self.said())
        if self.process.poll() is None or self.status_code is None:
            self.stop()
