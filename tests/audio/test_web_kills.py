# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the web role while a chord sounds: nothing is late beyond the witness, the chord goes
on, and the next request is served; how soon is told, and judged by tests/bench/run.
TB_WEB_KILLS=1000, or TIMBRED_FULL=1, is the full length."""
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time

from daemon import PEEK, Daemon, check, wait_for

FULL = os.environ.get("TIMBRED_FULL") == "1"
KILLS = int(os.environ.get("TB_WEB_KILLS", "1000" if FULL else "50"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def served(port):
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        c.request("GET", "/api/v1/health")
        answer = c.getresponse()
        answer.read()
        c.close()
        return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False


def strike(fifo, *data):
    fd = os.open(fifo, os.O_WRONLY)
    os.write(fd, bytes(data))
    os.close(fd)


def main():
    random.seed(7)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        with Daemon("--audio.driver=null", "--midi.sequencer=false", f"--midi.in={fifo}",
                    f"--server.port={port}") as d:
            d.wait_playing()
            wait_for(lambda: served(port), 5, "the web role serves")
            strike(fifo, 0x90, 60, 100, 64, 100, 67, 100)
            time.sleep(0.2)
            loud = d.tone(0.2)["rms"]
            before = d.status()
            witness = subprocess.Popen([PEEK, str(d.pid), "witness"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
            times = []
            for _ in range(KILLS):
                time.sleep(0.03 + random.random() * 0.02)
                web = d.children()[0]
                os.kill(web, signal.SIGKILL)
                start = time.monotonic()
                wait_for(lambda: served(port), 5, "served again")
                times.append(time.monotonic() - start)
            after = d.status()
            told = witness.communicate()[0]
            late = after["late"] + after["xruns"] - before["late"] - before["xruns"]
            seen = int(told.split()[0])
            times.sort()
            p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
            blocks = after["blocks"] - before["blocks"]
            median = times[len(times) // 2]
            print(json.dumps({"kills": KILLS, "blocks": blocks, "late": late, "witness_late": seen,
                              "late_beyond_witness": max(0, late - seen),
                              "next_request_ms": {"median": round(median * 1e3, 1),
                                                  "p99": round(p99 * 1e3, 1)}}))
            check(after["web_restarts"] - before["web_restarts"] == KILLS, "each one was restarted")
            check(late <= seen, f"{late} late, no more than the witness's {seen}")
            check(d.tone(0.2)["rms"] > loud / 4, "the chord still sounds")


main()
