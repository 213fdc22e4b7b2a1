#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the cards of the shipped instruments, README.md, from what their files say themselves.
usage: models/zoo/cards.py [--check]
--check: ends with 1 when README.md is not what it would write
"""
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
README = os.path.join(HERE, "README.md")
HEAD = """# The shipped instruments

Trained weights, ready to play; every line is what the file says of itself (`timbred train` writes
it). Made by `timbred train` with `--floor -60` (ddx7) or `-66`, clips of 1 or 2 s, minutes to half
an hour each on one thread of a shared machine; envelopes by `timbred fm-env`. AD and CD are
students of the Full model of their instrument (`timbred distill`, mode audio or control, from the
Reduced model; ddx7 with `--dropout 0`), "Copied Tables" ones with the teacher's tables. Piano HpN
Full and the Wavetable Full models began as control students ("warm") of the Reduced model, whose
reverb and tables they had. Full models and all ddx7 but Piano DDX7 Full are int8 (`quantize`,
within 0.05 of the spectral loss), the rest float16. Losses are of clips that were held back, under
that floor, so comparable only within a family. Recordings are not part of this project.

- **Owns** `*.safetensors` ([format](../FORMAT.md)) and this page. `cards.py` writes it again after
  a change.
- **Licence** of weights: as each card says. Philharmonia Orchestra sound samples: CC BY-SA 3.0,
  credit in the file; the publisher forbids handing out the samples themselves, as they are.
  Salamander piano: CC BY 3.0, Alexander Holm.

| file | family, width | parameters | bytes | pitch | data | training | licence; credit |
|---|---|---|---|---|---|---|---|
"""


def read(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
    meta = header.pop("__metadata__")
    return meta, sum(product(t["shape"]) for t in header.values())


def product(shape):
    n = 1
    for size in shape:
        n *= size
    return n


def card(name):
    path = os.path.join(HERE, name)
    meta, parameters = read(path)
    low, high = (float(meta.get(key, usual)) for key, usual in
                 (("pitch_low_hz", 50), ("pitch_high_hz", 2000)))
    pitch = "keys" if meta.get("pitch_scaling") == "note" else f"{low:.0f}..{high:.0f} Hz"
    return (f"| {name} | {meta['family']}, {meta['width']} | {parameters:,} | "
            f"{os.path.getsize(path):,} | {pitch} | {meta.get('source', '')} | "
            f"{meta.get('training', '')} | {meta.get('licence', '')}; {meta.get('credit', '')} |\n")


def main():
    names = sorted(n for n in os.listdir(HERE) if n.endswith(".safetensors"))
    text = HEAD + "".join(card(n) for n in names)
    if sys.argv[1:] == ["--check"]:
        with open(README, encoding="utf-8") as f:
            if f.read() != text:
                print("models/zoo/README.md: not what models/zoo/cards.py writes", file=sys.stderr)
                return 1
        return 0
    with open(README, "w", encoding="utf-8") as f:
        f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
