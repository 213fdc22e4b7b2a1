# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the rights for real time it plays all the same, and says what is missing."""
import os
import shutil
import tempfile

from daemon import RUNNING, Daemon, check, skip

QUIET = ("--audio.driver=null", "--midi.sequencer=false")


def unprivileged():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        skip("needs root and setpriv to take rights away")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                  "--bounding-set=-all", "--inh-caps=-all"]
        with Daemon(*QUIET, prefix=prefix, folder=folder) as d:
            d.wait_playing()
            s = d.status()
            check(s["state"] == RUNNING, "plays without rights")
            check(s["realtime"] == 0 and s["locked"] == 0, "and knows that it has none")
            said = d.said()
            check("playing without real-time priority and locked memory" in said,
                  "and says so in words")
            check("timbred doctor" in said, "and where to look for help")


def asked_for_none():
    with Daemon(*QUIET, "--audio.priority=0", "--audio.cpu=-2") as d:
        d.wait_playing()
        s = d.status()
        check(s["realtime"] == 0 and s["cpu"] == -1, "asks for nothing when told so")
        check("real-time priority" not in d.said(), "and does not complain then")


def all_rights():
    with Daemon(*QUIET) as d:
        d.wait_playing()
        s = d.status()
        print(f"realtime {s['realtime']}, locked {s['locked']}, cpu {s['cpu']}")
        if os.cpu_count() > 1 and len(os.sched_getaffinity(0)) > 1:
            check(s["cpu"] == max(os.sched_getaffinity(0)), "the last processor is the audio's")
            others = os.sched_getaffinity(d.pid)
            check(s["cpu"] not in others, "and nobody else's here")
            for child in d.children():
                check(s["cpu"] not in os.sched_getaffinity(child), "nor the children's")
        check(d.memory_kb() < 24 * 1024, f"resident {d.memory_kb()} kB")


asked_for_none()
all_rights()
unprivileged()
