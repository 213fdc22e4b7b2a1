#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon under load at 64 frames: a REST flood, 500 WebSocket clients of which 100 never read,
before it control latency and the clients alone.
usage: load.py TIMBRED PEEK WS_LOAD CONTROL_LATENCY [SECONDS]

Prints JSON and ends with 1 where a figure is missed. 60 seconds without SECONDS; 600 are the whole
run. A late block counts only beyond those of a witness (beside.py).
"""
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import beside

TIMBRED, PEEK, WS_LOAD, LATENCY = (os.path.abspath(p) for p in sys.argv[1:5])
SECONDS = float(sys.argv[5]) if len(sys.argv) > 5 else 60.0
CLIENTS, STALLED, FLOOD_CONNECTIONS = 500, 100, 16
LATENCY_ROUNDS = 300
ALONE_S = 20.0
TICK, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def kernel_tcp_mb():
    with open("/proc/net/sockstat", encoding="ascii") as f:
        return int(re.search(r"^TCP:.* mem (\d+)", f.read(), re.M)[1]) * PAGE / 2**20


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
    beside.play_init_voice(daemon)
    latency = run_json(LATENCY, pid, daemon.port, daemon.token, LATENCY_ROUNDS)
    daemon.json("POST", "/notes", {"key": 60, "velocity": 100})
    alone = clients_alone(daemon)
    watcher, audio = Watcher(daemon), beside.Beside(PEEK, pid)
    watcher.start()
    rest = flood(daemon) if shutil.which("wrk") else None
    spent = cpu_s(web)
    clients = run_json(WS_LOAD, daemon.port, daemon.token, CLIENTS, STALLED, SECONDS)
    spent = cpu_s(web) - spent
    requests = rest.communicate(timeout=60)[0] if rest else ""
    seen = audio.end()
    watcher.ended = True
    rate = re.search(r"Requests/sec:\s+([\d.]+)", requests)
    return {"seconds": SECONDS, **seen, "latency": latency, "clients": clients,
            "clients_alone": alone, "rest_per_s": float(rate[1]) if rate else None,
            "late_beyond_witness": max(0, seen["late"] - seen["witness_late"]),
            "web_cpu_percent": round(100 * spent / SECONDS, 1),
            "stalled_dropped_s": watcher.dropped_s, "kernel_tcp_mb": round(watcher.most_mb, 1),
            "load_average": os.getloadavg()[0]}


if __name__ == "__main__":
    sys.exit(beside.main("load", TIMBRED, measure))
