#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slow, silent and greedy clients cost nobody else anything. usage: test_slow.py TIMBRED

TIMBRED_FULL=1 opens 1,000 slow sockets instead of 300.
"""
import json
import os
import resource
import socket
import sys
import threading
import time
import unittest

from daemon import Daemon
from wire import BINARY, PING, PONG, TEXT, Socket, frame

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else "build/server/timbred"
FULL = os.environ.get("TIMBRED_FULL") == "1"
SLOW_SOCKETS = 1000 if FULL else 300
VICTIM_P99_S, STALLED_GONE_S = 1.0, 12.5
GONE_S = {"body": 12.5}  # a body of 64 KiB may take 4 s more than a head

HEADS = {
    "silent": b"",
    "head": b"GET / HTTP/1.1\r\nHost: HOST\r\nX-A: ",
    "body": b"PATCH /api/v1/state HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\n"
            b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n",
    "kept alive": b"GET /api/v1/health HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "upgrade": b"GET /ws HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nX-A: ",
}


def tcp_pages():
    with open("/proc/net/sockstat", encoding="utf-8") as f:
        return int([line for line in f if line.startswith("TCP:")][0].split()[-1])


class Victim(threading.Thread):
    """Another user who just wants an answer, every 20 ms."""

    def __init__(self, daemon, source):
        super().__init__(daemon=True)
        self.at, self.source, self.times, self.failed, self.stop = daemon, source, [], 0, False
        self.start()

    def run(self):
        while not self.stop:
            started = time.monotonic()
            try:
                good = self.at.call("GET", "/health", source=self.source, timeout=3)[0] == 200
            except OSError:
                good = False
            self.failed += not good
            self.times.append(time.monotonic() - started)
            time.sleep(0.02)

    def result(self):
        self.stop = True
        self.join()
        ordered = sorted(self.times)
        return ordered[int(len(ordered) * 0.99)], self.failed, len(ordered)


class Slow(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(PROGRAM).start()

    def tearDown(self):
        self.assertTrue(self.daemon.is_up())
        self.daemon.__exit__()

    def head(self, kind):
        host = f"127.0.0.1:{self.daemon.port}".encode()
        return HEADS[kind].replace(b"HOST", host).replace(b"TOKEN", self.daemon.token.encode())

    def dribble(self, kind, found):
        with socket.create_connection(("127.0.0.1", self.daemon.port)) as s:
            s.settimeout(0.01)
            s.sendall(self.head(kind))
            started = time.monotonic()
            while time.monotonic() - started < 20:
                time.sleep(0.5)
                try:
                    if kind in ("head", "body", "upgrade"):
                        s.sendall(b"a")
                    while s.recv(4096):
                        pass
                    break
                except TimeoutError:
                    continue
                except OSError:
                    break
            found[kind] = time.monotonic() - started

    def test_each_kind_of_slowness_ends(self):
        found = {}
        threads = [threading.Thread(target=self.dribble, args=(k, found)) for k in HEADS]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        print({k: round(v, 1) for k, v in found.items()}, "s until closed")
        for kind, seconds in found.items():
            with self.subTest(kind):
                self.assertLess(seconds, GONE_S.get(kind, 10.5))

    def test_many_slow_sockets_from_elsewhere(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        victim, attackers = Victim(self.daemon, "127.0.0.1"), []
        started = time.monotonic()
        for i in range(SLOW_SOCKETS):
            s = socket.socket()
            s.settimeout(0.5)
            s.bind(("127.0.0.2", 0))
            try:
                s.connect(("127.0.0.1", self.daemon.port))
                s.sendall(self.head("head" if i % 2 else "silent"))
                attackers.append(s)
            except OSError:
                s.close()
        opened, last = len(attackers), started
        while attackers and time.monotonic() - started < 25:
            time.sleep(0.5)
            alive = []
            for s in attackers:
                try:
                    s.settimeout(0)
                    s.sendall(b"a")
                    if s.recv(64) == b"":
                        raise OSError
                except BlockingIOError:
                    alive.append(s)
                    continue
                except OSError:
                    s.close()
            attackers = alive
            last = time.monotonic()
        p99, failed, n = victim.result()
        print(f"{opened} slow sockets, all gone after {last - started:.1f} s; the other address: "
              f"{n} requests, {failed} failed, p99 {p99 * 1000:.1f} ms")
        self.assertEqual(attackers, [], "still connected")
        self.assertEqual(failed, 0)
        self.assertLess(p99, VICTIM_P99_S)

    def test_stalled_websockets_are_dropped_and_bounded(self):
        before, clients = tcp_pages(), []
        for i in range(100 if FULL else 40):
            s = Socket(self.daemon.port, source=f"127.0.0.{2 + i // 10}")
            hello = {"type": "hello", "token": self.daemon.token,
                     "topics": ["telemetry", "scope", "status"]}
            s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.send(frame(TEXT, json.dumps(hello).encode()))
            s.send(frame(TEXT, b'{"type":"listen","on":true}'))
            clients.append(s)
        live = Socket(self.daemon.port)
        live.send(frame(TEXT, json.dumps({"type": "hello", "token": self.daemon.token,
                                          "topics": ["telemetry"]}).encode()))
        frames, started, most = 0, time.monotonic(), 0
        while time.monotonic() - started < STALLED_GONE_S:
            try:
                opcode, data = live.receive(1.0)
                frames += opcode == BINARY
                if opcode == PING:
                    live.send(frame(PONG, data))
            except TimeoutError:
                pass
            if frames % 30 == 0:
                most = max(most, tcp_pages() - before)
        seconds = time.monotonic() - started
        status, found = self.daemon.json("GET", "/status")
        self.assertEqual(status, 200)
        print(f"{len(clients)} stalled: {found['clients']} clients left after {seconds:.1f} s, at "
              f"most {most * 4} KiB of kernel memory; the live one got {frames / seconds:.1f}/s")
        self.assertLessEqual(found["clients"], 1)
        metrics = self.daemon.call("GET", "/metrics")[2].decode()
        self.assertIn(f"timbred_ws_dropped_total {len(clients)}\n", metrics)
        self.assertLess(most * 4, 192 * len(clients) + 1024)
        self.assertGreater(frames / seconds, 10)  # how even they come is for tests/bench
        for s in clients:
            s.close()
        live.close()


if __name__ == "__main__":
    unittest.main(warnings="ignore")
