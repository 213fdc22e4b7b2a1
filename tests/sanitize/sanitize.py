#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds with a sanitizer, runs the suites and the daemon among hostile clients.

usage: sanitize.py ROOT BUILD KIND

KIND is address (with undefined) or thread; the build lies in BUILD/KIND and is kept, so that a
second run is quick. thread runs the unit suite only, unless TIMBRED_FULL=1.
"""
import os
import re
import subprocess
import sys

OPTIONS = {
    # not detect_stack_use_after_return: gcc 12's second stack does not align AVX-512 vectors
    "address": {"ASAN_OPTIONS": "strict_string_checks=1",
                "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"},
    "thread": {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"},
}
SANITIZE = {"address": "address,undefined", "thread": "thread"}


def build_tree(root, folder, kind):
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        options = [f"-Db_sanitize={SANITIZE[kind]}", "-Dbuildtype=debugoptimized"]
        if kind == "thread":
            options.append("-Db_pie=false")
        subprocess.run(["meson", "setup", folder, root, *options], check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "--quiet", "-j2"], check=True)


def main(root, build, kind):
    root, folder = os.path.realpath(root), os.path.join(os.path.realpath(build), kind)
    build_tree(root, folder, kind)
    full = os.environ.get("TIMBRED_FULL") == "1"
    suites = ["unit", "golden"] if kind == "address" or full else ["unit"]
    # -R: no address randomisation, which the thread sanitizer of gcc 12 cannot always stand
    done = subprocess.run(["setarch", "-R", "meson", "test", "-C", folder, "--timeout-multiplier",
                           "5", "--num-processes", "2", "--print-errorlogs", "--no-rebuild",
                           *(w for s in suites for w in ("--suite", s))],
                          env=dict(os.environ, **OPTIONS[kind]), capture_output=True, text=True,
                          check=False, errors="replace")
    passed = re.search(r"^Ok: +(\d+)", done.stdout, re.M)
    if done.returncode or not passed or passed[1] == "0":
        print(done.stdout[-12000:], done.stderr[-2000:])
        return 1
    print(f"{kind}: {passed[1]} programs of {', '.join(suites)} passed")
    return daemon(root, folder) if kind == "address" else 0


def daemon(root, folder):
    """The whole daemon under the sanitizer: the table of bad HTTP, then of bad JSON."""
    environment = dict(os.environ, **OPTIONS["address"], PYTHONDONTWRITEBYTECODE="1",
                       TIMBRED_START_SECONDS="60")
    # the sandbox leaves the leak checker nothing to look with
    environment["ASAN_OPTIONS"] += ":detect_leaks=0"
    done = subprocess.run([sys.executable, f"{root}/tests/hostile/test_http_table.py",
                           f"{folder}/server/timbred"], env=environment, capture_output=True,
                          text=True, check=False, errors="replace")
    text = done.stdout + done.stderr
    bad = done.returncode or "Sanitizer" in text or "runtime error" in text
    print(text[-6000:] if bad else "address: the daemon among hostile clients passed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
