#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds with a sanitizer, runs the programs of the suites, then the daemon at work.

usage: sanitize.py ROOT BUILD KIND

KIND is address (with undefined) or thread; the build lies in BUILD/KIND and is kept, so that a
second run is quick. TIMBRED_FULL=1 runs every program under thread too, and the daemon for longer.
"""
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
FULL = os.environ.get("TIMBRED_FULL") == "1"
OPTIONS = {
    # not detect_stack_use_after_return: gcc 12's second stack does not align AVX-512 vectors
    "address": {"ASAN_OPTIONS": "strict_string_checks=1",
                "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"},
    # a job that sleeps a second at its exit keeps the next one waiting
    "thread": {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=0:"
                               f"suppressions={HERE}/thread.supp"},
}
SANITIZE = {"address": "address,undefined", "thread": "thread"}

# Programs besides the suites unit and golden.
ALSO = {"address": ["audio-orders", "trainer", "dataset", "dataset_bad"],
        "thread": ["audio-orders", "trainer"]}
# The programs with threads of their own: the thread sanitizer has nothing to see in the others,
# which only the long form runs under it.
THREADED = ["http_client", "realtime", "ring", "audio-orders", "trainer"]
# What is not run at all, and why; printed at each run.
LEFT_OUT = {
    "address": {},
    "thread": {},
}
DAEMON_SECONDS = {"address": 4, "thread": 6}


def build_tree(root, folder, kind):
    """Sets up what is not there; returns the tests to run, name -> program."""
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        options = [f"-Db_sanitize={SANITIZE[kind]}", "-Dbuildtype=debugoptimized"]
        if kind == "thread":
            options.append("-Db_pie=false")
        subprocess.run(["meson", "setup", folder, root, *options], check=True,
                       stdout=subprocess.DEVNULL)
    # build.ninja first: introspection tells what was last configured
    subprocess.run(["ninja", "-C", folder, "--quiet", "build.ninja"], check=True)
    told = subprocess.run(["meson", "introspect", "--tests", folder], check=True,
                          capture_output=True, text=True)
    programs = {}
    for test in json.loads(told.stdout):
        suites = {name.split(":")[-1] for name in test["suite"]}
        wanted = suites & {"unit", "golden"} or test["name"] in ALSO[kind]
        if kind == "thread" and not FULL:
            wanted = test["name"] in THREADED
        if wanted and test["name"] not in LEFT_OUT[kind]:
            programs[test["name"]] = os.path.relpath(test["cmd"][0], folder)
    subprocess.run(["ninja", "-C", folder, "--quiet", "-j2", *programs.values(),
                    "server/timbred"], check=True)
    return programs


def run_programs(folder, kind, programs):
    # -R: no address randomisation, which the thread sanitizer of gcc 12 cannot always stand
    done = subprocess.run(["setarch", "-R", "meson", "test", "-C", folder, "--timeout-multiplier",
                           "20", "--num-processes", "2", "--print-errorlogs", "--no-rebuild",
                           *programs], env=dict(os.environ, **OPTIONS[kind]),
                          capture_output=True, text=True, check=False, errors="replace")
    with open(os.path.join(folder, "meson-logs", "testlog.json"), encoding="utf-8") as f:
        results = {test["name"]: test["result"] for test in map(json.loads, f)}
    counts = {word: list(results.values()).count(word) for word in ("OK", "SKIP")}
    if done.returncode or sum(counts.values()) != len(programs) or not counts["OK"]:
        print(done.stdout[-12000:], done.stderr[-2000:])
        return 1
    for name, result in results.items():
        if result == "SKIP":
            print(f"{kind}: {name} skips itself under a sanitizer")
    print(f"{kind}: {counts['OK']} programs passed")
    return 0


def run_daemon(root, folder, kind):
    """The whole daemon at work from every side; under address also among hostile clients."""
    environment = dict(os.environ, **OPTIONS[kind], PYTHONDONTWRITEBYTECODE="1",
                       TIMBRED_START_SECONDS="60")
    if kind == "address":  # the sandbox leaves the leak checker nothing to look with
        environment["ASAN_OPTIONS"] += ":detect_leaks=0"
    else:  # every report of a run, not the first
        environment["TSAN_OPTIONS"] += ":halt_on_error=0"
    program, status = f"{folder}/server/timbred", 0
    seconds = DAEMON_SECONDS[kind] * (10 if FULL else 1)
    scripts = [[f"{HERE}/mix.py", program, str(seconds)]]
    if kind == "address":
        scripts.append([f"{root}/tests/hostile/test_http_table.py", program])
    for script in scripts:
        done = subprocess.run(["setarch", "-R", sys.executable, *script], env=environment,
                              capture_output=True, text=True, check=False, errors="replace")
        text = done.stdout + done.stderr
        bad = done.returncode or "Sanitizer" in text or "runtime error" in text
        name = os.path.basename(script[0])
        told = re.search(r"^(\d+ good answers|Ran \d+ tests).*", text, re.M)
        print(text[-20000:] if bad or not told else f"{kind}: {name}: {told[0]}")
        status |= bool(bad)
    return status


def main(root, build, kind):
    root, folder = os.path.realpath(root), os.path.join(os.path.realpath(build), kind)
    for name, why in LEFT_OUT[kind].items():
        print(f"{kind}: {name} is left out: {why}")
    started = time.monotonic()
    programs = build_tree(root, folder, kind)
    built = time.monotonic()
    status = run_programs(folder, kind, programs)
    ran = time.monotonic()
    status |= run_daemon(root, folder, kind)
    print(f"{kind}: built in {built - started:.0f} s, programs {ran - built:.0f} s, daemon "
          f"{time.monotonic() - ran:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
