# SPDX-License-Identifier: GPL-3.0-or-later
"""timbred doctor names what is missing, how to mend it, and ends accordingly."""
import json
import os
import shutil
import subprocess

from daemon import PROGRAM, check


def doctor(*words, prefix=()):
    run = subprocess.run([*prefix, PROGRAM, "doctor", *words], capture_output=True, text=True,
                         timeout=60, check=False)
    return run.returncode, run.stdout


def levels(report):
    return {f["check"]: f["level"] for f in report["findings"]}


code, text = doctor("--json")
report = json.loads(text)
expected = {"priority", "memory", "rt_runtime", "cpu", "kernel", "wakeups", "governor",
            "preemption", "cards", "midi"}
check(expected <= set(levels(report)), f"checks {', '.join(sorted(expected))}")
check(all(f["mend"] for f in report["findings"] if f["level"] == "problem" and
          f["check"] not in ("kernel",)), "every problem comes with its cure")
check(report["ok"] == (code == 0) == ("problem" not in levels(report).values()),
      "the exit status is 1 when there is a problem")
check(report["machine"]["versions"]["timbred"], "versions are told")
code, text = doctor()
check("SCHED_FIFO" in text and "mend:" in text, "people get the same in words")
check(doctor("--yaml")[0] == 2, "a wrong option is refused")
if os.geteuid() == 0 and shutil.which("setpriv"):
    code, text = doctor("--json", prefix=["setpriv", "--reuid=65534", "--regid=65534",
                                          "--clear-groups", "--bounding-set=-all",
                                          "--inh-caps=-all"])
    found = levels(json.loads(text))
    check(code == 1 and found["priority"] == found["memory"] == "problem",
          "without rights both are named and the status is 1")
