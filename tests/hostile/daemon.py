# SPDX-License-Identifier: GPL-3.0-or-later
"""The real daemon on a free loopback port with a state directory of its own."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

START_SECONDS = float(os.environ.get("TIMBRED_START_SECONDS", "10"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Daemon:
    def __init__(self, binary, *options, state=None, wrap=(), environment=None):
        self.binary, self.options, self.wrap = os.path.realpath(binary), options, list(wrap)
        self.own_state = state is None
        self.state = state or tempfile.mkdtemp(prefix="timbred-hostile-")
        self.environment = dict(os.environ, **(environment or {}))
        self.port, self.token, self.process, self.output = free_port(), None, None, []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        if self.own_state:
            shutil.rmtree(self.state, ignore_errors=True)

    def start(self, ready=True):
        command = [*self.wrap, self.binary, "serve", f"--state={self.state}",
                   "--server.listen=127.0.0.1", f"--server.port={self.port}",
                   "--audio.driver=null", "--midi.sequencer=false", "--models.zoo=none",
                   *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace", env=self.environment)
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        if ready:
            self.wait()
        return self

    def _read(self, stream):
        for line in stream:
            self.output.append(line)

    def text(self):
        return "".join(self.output)

    def wait(self, seconds=START_SECONDS):
        """Until it answers and its link with the token has been printed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"ended with {self.process.returncode}: {self.text()[-2000:]}")
            found = re.search(r"http://\S*token=([A-Za-z0-9_-]{22})", self.text())
            if found:
                self.token = found[1]
            if self.token and self.is_up():
                return
            time.sleep(0.02)
        raise RuntimeError(f"not ready in {seconds} s: {self.text()[-2000:]}")

    def is_up(self, timeout=1.0):
        try:
            return self.call("GET", "/health", timeout=timeout)[0] == 200
        except OSError:
            return False
        except http.client.HTTPException:
            return False

    def call(self, method, path, body=None, headers=None, timeout=5.0, source=None):
        """(status, headers, body) of one request on a connection of its own."""
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if method != "GET":
            given["Content-Type"] = "application/json"
        given.update(headers or {})
        at = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout,
                                        source_address=(source, 0) if source else None)
        try:
            at.request(method, "/api/v1" + path, body=body, headers=given)
            answer = at.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            at.close()

    def json(self, method, path, body=None, headers=None, **more):
        status, _, text = self.call(method, path, body, headers, **more)
        return status, json.loads(text) if text else None

    def children(self):
        """{pid: command line} of the roles below the audio role."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
                with open(f"/proc/{name}/cmdline", encoding="utf-8") as f:
                    line = f.read().replace("\0", " ")
            except (OSError, IndexError):
                continue
            if parent == self.process.pid:
                found[int(name)] = line
        return found

    def role(self, name, seconds=5.0):
        """Pid of the child with --role=name; waits until there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for pid, line in self.children().items():
                if f"--role={name}" in line:
                    return pid
            time.sleep(0.005)
        raise RuntimeError(f"no {name} role in {seconds} s: {self.text()[-1000:]}")

    def stop(self, how=signal.SIGTERM, seconds=10.0):
        """(exit status, seconds it took); None when it had to be killed."""
        if self.process is None or self.process.poll() is not None:
            return (self.process.returncode if self.process else None), 0.0
        started = time.monotonic()
        self.process.send_signal(how)
        try:
            return self.process.wait(seconds), time.monotonic() - started
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None, seconds
