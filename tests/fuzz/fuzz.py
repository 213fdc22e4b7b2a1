#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes every target for a while. usage: fuzz.py ROOT BUILD [TARGET...]

Builds the targets with clang, libFuzzer, ASan and UBSan in BUILD/fuzz, then runs each from its
corpus, two at a time, TIMBRED_FUZZ_SECONDS (10; 300 where TIMBRED_FULL=1) each. Finds are left in
BUILD/fuzz/finds; a fix starts by adding the file to tests/fuzz/corpus/TARGET. A target that covers
fewer edges than EDGES says has lost its way into the parser and fails. Status 77: clang is not
installed.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

# target -> least number of edges that its corpus and a short run must cover
EDGES = {
    "backup": 250,
    "import": 300,
    "config": 150,
    "edge": 80,
    "link": 40,
    "midi": 60,
    "model_file": 400,
    "notes": 100,
    "params": 40,
    "smf": 200,
    "sound": 100,
    "sysex": 250,
    "ws_message": 120,
}
SANITIZERS = "-Db_sanitize=address,undefined"


def prepare(root, build, targets):
    folder = os.path.join(build, "fuzz")
    environment = dict(os.environ, CC="clang", CFLAGS="-fsanitize=fuzzer-no-link -O1 -g")
    environment.pop("MALLOC_PERTURB_", None)
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        subprocess.run(["meson", "setup", folder, root, SANITIZERS, "-Db_lundef=false",
                        "-Dfuzz=true", "-Dbuildtype=debugoptimized"], env=environment, check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "--quiet", "-j2",
                    *(f"tests/fuzz/fuzz-{t}" for t in targets)], env=environment, check=True)
    return folder


def run(root, folder, target, seconds):
    """(edges, text): edges is None after a find."""
    found = os.path.join(folder, "finds", target)
    corpus = os.path.join(folder, "corpus", target)  # new inputs go here, not into the sources
    for path in (found, corpus):
        os.makedirs(path, exist_ok=True)
    command = [os.path.join(folder, "tests/fuzz", f"fuzz-{target}"), corpus,
               os.path.join(root, "tests/fuzz/corpus", target), f"-max_total_time={seconds}",
               f"-artifact_prefix={found}/", "-max_len=65536", "-timeout=10", "-rss_limit_mb=1024",
               "-print_final_stats=1", "-verbosity=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace",
                          env=dict(os.environ, UBSAN_OPTIONS="halt_on_error=1"))
    edges = [int(n) for n in re.findall(r"\bcov: (\d+)", done.stderr)]
    executions = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    if done.returncode:
        return target, None, done.stderr[-6000:]
    return target, max(edges, default=0), f"{executions[1] if executions else '?'} runs"


def main(root, build, *wanted):
    root, build = os.path.realpath(root), os.path.realpath(build)
    if not shutil.which("clang"):
        print("SKIPPED: clang is not installed")
        return 77
    targets = list(wanted or EDGES)
    usual = "300" if os.environ.get("TIMBRED_FULL") == "1" else "10"
    seconds = int(os.environ.get("TIMBRED_FUZZ_SECONDS", usual))
    folder = prepare(root, build, targets)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for target, edges, text in pool.map(lambda t: run(root, folder, t, seconds), targets):
            good = edges is not None and edges >= EDGES[target]
            failed += not good
            print(f"{'ok  ' if good else 'FAIL'} {target}: {text}, {edges} edges "
                  f"({EDGES[target]} needed)", flush=True)
    print(f"{len(targets)} targets, {seconds} s each, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
