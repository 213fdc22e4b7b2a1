#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""clang-tidy over every C file of the build, two at a time.

usage: tidy.py ROOT BUILD [FILE...]

A file that passed is not looked at again while it, the headers it was compiled with, its command
and .clang-tidy stay the same (hashes in BUILD/tidy-cache).
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time

KEEP = re.compile(r"-(D|I|U|std=|isystem|include)|-m(avx|fma|sse|arch|prefer)")


def file_hash(path, known={}):  # one dictionary for the whole run
    if path not in known:
        with open(path, "rb") as f:
            known[path] = hashlib.sha256(f.read()).hexdigest()
    return known[path]


def headers_of(build):
    """Object -> files it was compiled from, as ninja knows them."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True,
                            check=True).stdout
    found, current = {}, None
    for line in listed.splitlines():
        if line and not line.startswith(" "):
            current = found.setdefault(line.split(":")[0], [])
        elif line.strip() and current is not None:
            current.append(os.path.normpath(os.path.join(build, line.strip())))
    return found


def units(root, build, wanted):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    headers, seen = headers_of(build), set()
    for c in commands:
        path = os.path.realpath(os.path.join(c["directory"], c["file"]))
        name = os.path.relpath(path, root)
        inside = not name.startswith("..") and not path.startswith(os.path.realpath(build) + "/")
        if not inside or not name.endswith(".c") or name in seen or (wanted and name not in wanted):
            continue
        seen.add(name)
        flags = [w for w in shlex.split(c["command"]) if KEEP.match(w)]
        sources = sorted({path, *(h for h in headers.get(c["output"], [])
                                  if h.startswith((root + "/", build + "/")))})
        digest = hashlib.sha256()
        for part in [os.path.join(root, ".clang-tidy"), *sources]:
            digest.update(file_hash(part).encode() if os.path.exists(part) else b"-")
        digest.update(" ".join(flags).encode())
        yield name, c["directory"], flags, digest.hexdigest()


def check(root, unit):
    name, directory, flags, _ = unit
    command = ["clang-tidy", "--quiet", f"--config-file={root}/.clang-tidy",
               os.path.join(root, name), "--", *flags, "-Wno-unknown-warning-option"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    noise = re.compile(r"^\d+ warnings? generated|^Suppressed|^Use -header-filter")
    text = "\n".join(x for x in done.stdout.splitlines() if not noise.match(x))
    if done.returncode and not text:
        text = done.stderr
    return unit, done.returncode, text


def main(root, build, *wanted):
    root, build = os.path.realpath(root), os.path.realpath(build)
    cache, started = os.path.join(build, "tidy-cache"), time.time()
    os.makedirs(cache, exist_ok=True)
    work, skipped, failed = [], 0, 0
    for unit in units(root, build, set(wanted)):
        if os.path.exists(os.path.join(cache, unit[3])):
            skipped += 1
        else:
            work.append(unit)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for unit, status, text in pool.map(lambda u: check(root, u), work):
            if status == 0:
                with open(os.path.join(cache, unit[3]), "w", encoding="utf-8") as f:
                    f.write(unit[0])
            else:
                failed += 1
                print(text.replace(root + "/", ""), flush=True)
    print(f"clang-tidy: {len(work)} files checked, {skipped} known good, {failed} with faults, "
          f"{time.time() - started:.0f} s")
    return 1 if failed or not (work or skipped) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
