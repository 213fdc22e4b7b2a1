#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the seeds that can be written down in a line. usage: seeds.py [ROOT]

What a parser should see at least once; finds and longer files lie beside them in corpus/TARGET and
are kept by hand. Run it again after a change here and commit what it wrote.
"""
import os
import sys

SEEDS = {
    "params": {
        "level": b"fm.op1.level\n99",
        "above": b"fm.op1.coarse\n64",
        "nan": b"reverb.decay\nnan",
        "infinite": b"master.gain\n-inf",
        "huge": b"chorus.rate\n1e308",
        "fraction": b"fm.algorithm\n1.5",
        "unknown": b"no.such.key\n1",
    },
}


def main(root="."):
    for target, seeds in SEEDS.items():
        folder = os.path.join(root, "tests/fuzz/corpus", target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(folder, f"seed-{name}"), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
