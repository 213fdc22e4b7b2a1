# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks of a playing daemon share: its late blocks beside those of a witness (a thread of
the same priority, period and processor, which the machine delays just the same), and a verdict."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))
from daemon import Daemon  # noqa: E402
import goals  # noqa: E402


class Beside:
    """From now until end() what the program peek sees of the audio role pid."""

    def __init__(self, peek, pid):
        self.peek, self.pid = peek, str(pid)
        self.witness = subprocess.Popen([peek, self.pid, "witness"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.before = self.status()

    def status(self):
        done = subprocess.run([self.peek, self.pid, "status"], capture_output=True, text=True,
                              check=True)
        return json.loads(done.stdout)

    def end(self):
        late, periods = map(int, self.witness.communicate("")[0].split())
        after = self.status()
        blocks, missed, xruns = (after[k] - self.before[k] for k in ("blocks", "late", "xruns"))
        return {"block": after["block"], "blocks": blocks, "late": missed + xruns, "xruns": xruns,
                "witness_late": late, "witness_periods": periods}


def play_init_voice(daemon):
    """One sine that sounds while its key is down, not the factory patch of a first start."""
    told = daemon.json("GET", "/params")[1]
    values = {p["key"]: p["default"] for p in told["params"] if p["owner"] == "patch"}
    status, answer = daemon.json("PATCH", "/state", {"values": values})
    if status != 200:
        raise RuntimeError(f"the INIT voice is not set: {status} {answer}")


def main(part, program, measure):
    """Measures a daemon at 64 frames and prints it; 1 where a goal of part is missed."""
    with Daemon(program, "--audio.block=64") as daemon:
        result = measure(daemon)
    missed = [f for f in goals.compare(part, result) if not f["ok"]]
    result["missed"] = [goals.describe(f) for f in missed]
    print(json.dumps(result, indent=2))
    return 1 if missed else 0
