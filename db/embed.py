#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: embed.py OUTPUT.h FILE...: the migrations, in order, as C arrays.

ISO C ends strings at 4095 bytes.
"""
import pathlib
import sys


def array(name, text):
    data = text.encode("utf-8") + b"\0"
    rows = [", ".join(map(str, data[i:i + 20])) for i in range(0, len(data), 20)]
    return f"static const char {name}[] = {{\n    " + ",\n    ".join(rows) + "};"


def main():
    output, files = sys.argv[1], sorted(map(pathlib.Path, sys.argv[2:]))
    lines = ["/* Made by embed.py. */"]
    for number, path in enumerate(files, 1):
        if not path.name.startswith(f"{number:03d}_"):
            sys.exit(f"{path}: expected number {number:03d}")
        lines.append(array(f"migration_{path.stem}", path.read_text("utf-8")))
    lines.append("static const char *const tb_migrations[] = {")
    lines += [f"    migration_{path.stem}," for path in files]
    lines.append("};")
    pathlib.Path(output).write_text("\n".join(lines) + "\n", "utf-8")


main()
