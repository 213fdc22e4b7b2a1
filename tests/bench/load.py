#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon under load at 64 frames: a REST flood, 500 WebSocket clients of which 100 never read,
before it control latency and the clients alone.
usage: load.py TIMBRED PEEK WS_LOAD CONTROL_LATENCY [SECONDS]

Prints JSON and ends with 1 where a figure is missed. 60 seconds without SECONDS; 600 are the whole
run. A late block counts only beyond those of a witness: a thread of the same priority, period and
processor, which the machine delays just the same.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))
from daemon import Daemon  # noqa: E402
import goals  # noqa: E402

TIMBRED, PEEK, WS_LOAD, LATENCY = (os.path.abspath(p) for p in sys.argv[1:5])
SECONDS = float(sys.argv[5]) if len(sys.argv) > 5 else 60.0
CLIENTS, STALLED, FLOOD_CONNECTIONS = 500, 100, 16
LATENCY_ROUNDS = 300
ALONE_S = 20.0
TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def peek(pid):
    return json.loads(subprocess.run([PEEK, str(pid), "status"], capture_output=True, text=True,
                                     check=True).stdout)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def kernel_tcp_mb():
    with open("/proc/net/sockstat", encoding="ascii") as f:
        return int(re.search(r"^TCP:.* mem (\d+)", f.read(), re.M)[1]) * PAGE / 2**20


def play_init_voice(daemon):
    """One sine that sounds while its key is down, not the factory patch of a first start."""
    told = daemon.json("GET", "/params")[1]
    values = {p["key"]: p["default"] for p in told["params"] if p["owner"] == "patch"}
    status, answer = daemon.json("PATCH", "/state", {"values": values})
    if status != 200:
        raise RuntimeError(f"the INIT voice is not set: {status} {answer}")


class Watcher(threading.Thread):
    """Most memory that the kernel held for sockets, and when the stalled clients were gone."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.server = daemon
        self.most_mb, self.full_at, self.dropped_s, self.ended = 0.0, None, None, False

    def run(self):
        while not self.ended:
            self.most_mb = max(self.most_mb, kernel_tcp_mb())
            try:
                clients = self.server.json("GET", "/status")[1]["clients"]
            except (OSError, TypeError, KeyError):
                clients = None
            now = time.monotonic()
            if clients is not None and clients >= CLIENTS and self.full_at is None:
                self.full_at = now
            elif self.full_at and clients is not None and clients <= CLIENTS - STALLED and \
                    self.dropped_s is None:
                self.dropped_s = round(now - self.full_at, 1)
            time.sleep(0.5)


def witness(pid):
    return subprocess.Popen([PEEK, str(pid), "witness"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def flood(daemon):
    return subprocess.Popen(["wrk", "-t1", f"-c{FLOOD_CONNECTIONS}", f"-d{SECONDS:.0f}s", "-H",
                             f"Authorization: Bearer {daemon.token}",
                             f"http://127.0.0.1:{daemon.port}/api/v1/status"],
                            stdout=subprocess.PIPE, text=True)


def run_json(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.returncode} {done.stderr}")
    return json.loads(done.stdout)


def clients_alone(daemon):
    """What the clients cost without the flood, once all are there and the stalled ones gone."""
    web = daemon.role("web")
    clients = subprocess.Popen(list(map(str, (WS_LOAD, daemon.port, daemon.token, CLIENTS, STALLED,
                                              ALONE_S))), stdout=subprocess.PIPE, text=True)
    time.sleep(ALONE_S / 2)
    spent, begin = cpu_s(web), time.monotonic()
    time.sleep(ALONE_S / 3)
    share = 100 * (cpu_s(web) - spent) / (time.monotonic() - begin)
    figures = json.loads(clients.communicate(timeout=60)[0])
    return {"web_cpu_percent": round(share, 1), "clients": figures}


def measure(daemon):
    pid, web = daemon.process.pid, daemon.role("web")
    play_init_voice(daemon)
    latency = run_json(LATENCY, pid, daemon.port, daemon.token, LATENCY_ROUNDS)
    daemon.json("POST", "/notes", {"key": 60, "velocity": 100})
    alone = clients_alone(daemon)
    watcher, beside, before = Watcher(daemon), witness(pid), peek(pid)
    watcher.start()
    rest = flood(daemon) if shutil.which("wrk") else None
    spent = cpu_s(web)
    clients = run_json(WS_LOAD, daemon.port, daemon.token, CLIENTS, STALLED, SECONDS)
    spent = cpu_s(web) - spent
    requests = rest.communicate(timeout=60)[0] if rest else ""
    beside.stdin.close()
    late_witness, periods = map(int, beside.stdout.read().split())
    watcher.ended = True
    after = peek(pid)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", requests)
    late = after["late"] + after["xruns"] - before["late"] - before["xruns"]
    return {"seconds": SECONDS, "block": after["block"], "latency": latency, "clients": clients,
            "clients_alone": alone, "rest_per_s": float(rate[1]) if rate else None,
            "blocks": after["blocks"] - before["blocks"], "late": late,
            "late_beyond_witness": max(0, late - late_witness),
            "xruns": after["xruns"] - before["xruns"], "witness_late": late_witness,
            "witness_periods": periods, "web_cpu_percent": round(100 * spent / SECONDS, 1),
            "stalled_dropped_s": watcher.dropped_s, "kernel_tcp_mb": round(watcher.most_mb, 1),
            "load_average": os.getloadavg()[0]}


def main():
    with Daemon(TIMBRED, "--audio.block=64") as daemon:
        result = measure(daemon)
    missed = [f for f in goals.compare("load", result) if not f["ok"]]
    result["missed"] = [goals.describe(f) for f in missed]
    print(json.dumps(result, indent=2))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
