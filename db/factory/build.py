#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The factory bank as our JSON and as C. usage: build.py BANK.txt OUTPUT.json OUTPUT.h

Checks only the notation; the program checks every value against params.def when it installs them.
"""
import hashlib
import json
import pathlib
import re
import sys
import uuid

SPACE = uuid.UUID("6f1d7a52-0b1e-4c55-9a53-1d1f6f0d3c11")
WAVES = ["triangle", "down", "up", "square", "sine", "sample"]
EG = ["r1", "r2", "r3", "r4", "l1", "l2", "l3", "l4"]
SCALING = ["break_point", "left_depth", "right_depth", "left_curve", "right_curve"]
FX = ["patch.gain", "chorus.mix", "chorus.rate", "chorus.depth", "reverb.mix", "reverb.decay",
      "reverb.damping"]


def operator(number, words, values):
    key = f"fm.op{number}."
    pitch = re.fullmatch(r"(f?)(\d+)(?:\+(\d+))?", words[0])
    values |= {key + "mode": int(bool(pitch[1])), key + "coarse": int(pitch[2]),
               key + "fine": int(pitch[3] or 0), key + "level": int(words[1])}
    values |= {f"{key}eg.{name}": int(word) for name, word in zip(EG, words[2:10], strict=True)}
    rest = words[10:]
    while rest:
        word = rest.pop(0)
        if word == "ks":
            for name in SCALING:
                values[key + name] = int(rest.pop(0))
            continue
        kind, amount = re.fullmatch(r"(v|rs|ams|d)([+-]?\d+)", word).groups()
        name = {"v": "velocity", "rs": "rate_scaling", "ams": "ams", "d": "detune"}[kind]
        values[key + name] = int(amount)


def line(word, rest, patch):
    values, words = patch["values"], rest.split()
    if word == "is":
        category, tags = rest.split(":")
        patch |= {"category": category, "tags": tags.split()}
    elif word == "says":
        patch["comment"] = rest
    elif word == "fm":
        values |= {"fm.algorithm": int(words[0]), "fm.feedback": int(words[1]),
                   "fm.osc_sync": int("free" not in words)}
    elif re.fullmatch(r"[1-6]:", word):
        operator(int(word[0]), words, values)
    elif word == "pitch":
        values |= {f"fm.pitch_eg.{n}": int(w) for n, w in zip(EG, words, strict=True)}
    elif word == "lfo":
        values |= {"lfo.speed": int(words[0]), "lfo.wave": WAVES.index(words[1]),
                   "lfo.pitch_depth": int(words[2]), "lfo.amp_depth": int(words[3]),
                   "lfo.delay": int(words[4]), "lfo.pitch_sensitivity": int(words[5]),
                   "lfo.sync": int("free" not in words)}
    elif word == "set":
        values |= {k: float(v) for k, v in zip(words[::2], words[1::2], strict=True)}
    elif word == "fx":
        values |= {k: float(v) for k, v in zip(FX, words, strict=True)}
    else:
        raise ValueError(f"unknown word {word}")


def parse(path):
    patches = []
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = text.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("["):
            name = text.strip("[]")
            values = {f"fm.op{n}.level": 0 for n in range(1, 7)}
            patches.append({"uuid": str(uuid.uuid5(SPACE, name)), "name": name,
                            "author": "timbred", "licence": "CC0-1.0", "values": values})
            continue
        try:
            word, rest = text.split(maxsplit=1)
            line(word, rest, patches[-1])
        except (ValueError, TypeError, IndexError) as fault:
            sys.exit(f"{path}:{number}: {text}: {fault}")
    return patches


def main():
    source, output, header = map(pathlib.Path, sys.argv[1:4])
    patches = parse(source)
    bank = {"uuid": str(uuid.uuid5(SPACE, "bank")), "name": "Factory", "number": 0,
            "patches": [p["uuid"] for p in patches]}
    text = json.dumps({"format": "timbred", "version": 1, "patches": patches, "banks": [bank]},
                      separators=(",", ":"))
    output.write_text(text, "utf-8")
    data = text.encode()
    rows = [", ".join(map(str, data[i:i + 20])) for i in range(0, len(data), 20)]
    mark = hashlib.sha256(data).hexdigest()[:16]
    header.write_text("/* Made by build.py from bank.txt. */\n"
                      f'static const char factory_mark[] = "{mark}";\n'
                      "static const char factory_json[] = {\n    " + ",\n    ".join(rows)
                      + "};\n", "utf-8")


main()
