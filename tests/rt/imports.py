#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real-time libraries call nothing that is not allowed. usage: imports.py ALLOWED LIBRARY...

Reads the undefined symbols of static libraries, less what the libraries define for each other, and
compares with the names in the file ALLOWED. A good build has some symbols and no stranger.
"""
import re
import subprocess
import sys


def symbols(library, *flags):
    table = subprocess.run(["nm", *flags, library], capture_output=True, text=True, check=True)
    return set(re.findall(r"(?:^[0-9a-f ]*| )[A-Za-z] (\S+)$", table.stdout, re.M))


def main(allowed_file, *libraries):
    with open(allowed_file, encoding="utf-8") as f:
        allowed = {line.split("#")[0].strip() for line in f} - {""}
    defined = set().union(*(symbols(lib, "--defined-only", "-g") for lib in libraries))
    strangers = 0
    for library in libraries:
        for name in sorted(symbols(library, "-u") - defined - allowed):
            print(f"{library}: {name} is not allowed on the audio thread")
            strangers += 1
    print(f"{len(libraries)} libraries, {len(defined)} symbols, {strangers} forbidden imports")
    return 1 if strangers or not defined else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
