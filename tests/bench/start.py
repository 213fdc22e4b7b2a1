#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start-up, idle use and memory of each role. usage: start.py TIMBRED PEEK; prints JSON."""
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import goals

TIMBRED, PEEK = (os.path.abspath(p) for p in (sys.argv[1:3] + ["", ""])[:2])
ROUNDS, IDLE_S = 7, 5.0
JOBS_S = 600.0  # the first start has every shipped model checked: 60 took 80 s at a load of 12
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def status(pid):
    got = subprocess.run([PEEK, str(pid), "status"], capture_output=True, text=True, check=False)
    return json.loads(got.stdout) if got.returncode == 0 else {}


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
            s.sendall(f"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                      "Connection: close\r\n\r\n".encode())
            return s.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def start(state):
    """(process, ms until it listens, ms until the first block played)."""
    port = free_port()
    begin = time.monotonic()
    process = subprocess.Popen([TIMBRED, "serve", f"--state={state}", "--audio.driver=null",
                                "--server.listen=127.0.0.1", f"--server.port={port}",
                                "--midi.sequencer=false"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listening = sound = None
    while (listening is None or sound is None) and time.monotonic() - begin < 10:
        if listening is None and answers(port):
            listening = (time.monotonic() - begin) * 1000
        if sound is None and status(process.pid).get("blocks", 0) > 0:
            sound = (time.monotonic() - begin) * 1000
        time.sleep(0.002)
    return process, listening, sound


def children(pid):
    """{role: process} of the children of pid."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{name}/cmdline", encoding="utf-8") as f:
                role = re.search(r"--role=(\w+)", f.read())
        except OSError:
            continue
        if parent == pid and role:
            found[role[1]] = int(name)
    return found


def standing_roles(pid, seconds=JOBS_S, quiet_s=1.0):
    """{"audio": process, "web": process}, once no job has been there for quiet_s."""
    deadline, since = time.monotonic() + seconds, None
    while True:
        found, now = children(pid), time.monotonic()
        jobs = sorted(set(found) - {"web"})
        since = None if jobs or "web" not in found else since or now
        if since is not None and now - since >= quiet_s:
            return {"audio": pid, "web": found["web"]}
        if now >= deadline:
            raise RuntimeError(f"nothing to measure after {seconds:g} s: "
                               + (f"a {jobs[0]} role still runs" if jobs else "no web role"))
        time.sleep(0.05)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) / 1024


def main():
    folder = tempfile.mkdtemp(prefix="timbred-bench-")
    process, first, listen, sound, stop, use = None, None, [], [], [], {}
    try:
        for i in range(ROUNDS + 1):
            process, listening, playing = start(folder)
            if i == 0:
                first = {"listening_ms": listening, "sound_ms": playing}  # makes the store
            else:
                listen.append(listening)
                sound.append(playing)
            if i == ROUNDS:
                pids = standing_roles(process.pid)
                before = {r: cpu_s(p) for r, p in pids.items()}
                time.sleep(IDLE_S)
                use = {r: {"idle_cpu_percent": round(100 * (cpu_s(p) - before[r]) / IDLE_S, 2),
                           "resident_mb": round(memory_mb(p), 2)} for r, p in pids.items()}
            begin = time.monotonic()
            process.terminate()
            process.wait(10)
            stop.append((time.monotonic() - begin) * 1000)
    finally:
        if process and process.poll() is None:
            process.kill()
            process.wait()
        shutil.rmtree(folder)
    result = {"first": first, "rounds": ROUNDS,
              "listening_ms": {"median": statistics.median(listen), "max": max(listen)},
              "sound_ms": {"median": statistics.median(sound), "max": max(sound)},
              "stop_ms": {"median": statistics.median(stop), "max": max(stop)}, "roles": use}
    print(json.dumps(result, indent=2))
    return 0 if all(f["ok"] for f in goals.compare("start", result)) else 1


if __name__ == "__main__":
    sys.exit(main())
