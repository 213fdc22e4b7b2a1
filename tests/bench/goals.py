#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures against goals.json. usage: goals.py PART COMMAND [ARGUMENT...]

Runs a benchmark, passes on the JSON that it prints and says for each figure of PART what was
measured and what is wanted; ends with 1 where one is missed or missing, or the benchmark failed.
A metric is a path: a/b goes into objects, a[key=value] takes the element of the list a whose key
has that value.
"""
import json
import os
import re
import subprocess
import sys

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "goals.json"),
          encoding="utf-8") as table:
    GOALS = json.load(table)


def find(result, metric):
    """The number at metric, or None."""
    for step in metric.split("/"):
        name, key, value = re.fullmatch(r"([^\[]+)(?:\[(\w+)=([^\]]+)\])?", step).groups()
        result = result.get(name) if isinstance(result, dict) else None
        if key:
            elements = result if isinstance(result, list) else []
            result = next((e for e in elements if str(e.get(key)) == value), None)
    number = isinstance(result, (int, float)) and not isinstance(result, bool)
    return result if number else None


def compare(part, result):
    """One {metric, measured, goal, unit, ok} for each goal of part. A figure that is not there
    is a miss, unless its goal says why it may be absent."""
    figures = []
    for goal in (g for g in GOALS if g["part"] == part):
        measured = find(result, goal["metric"])
        least = "least" in goal
        bound = goal["least" if least else "most"]
        ok = measured is not None and (measured >= bound if least else measured <= bound)
        note = goal.get("optional") if measured is None else None
        figures.append({"metric": f"{part}/{goal['metric']}", "measured": measured,
                        "goal": f"{'>=' if least else '<='} {bound}", "unit": goal["unit"],
                        "ok": ok or note is not None, **({"note": note} if note else {})})
    return figures


def describe(figure):
    measured = "-" if figure["measured"] is None else f"{figure['measured']:.6g}"
    return (f"{'ok  ' if figure['ok'] else 'MISS'} {figure['metric']}: {measured}, goal "
            f"{figure['goal']} {figure['unit']}"
            + (f" ({figure['note']})" if "note" in figure else ""))


def parse(text):
    """All of the output as JSON, or the line of it that is an object, or its lines."""
    lines = text.splitlines()
    for candidate in [text, *(line for line in lines if line.startswith("{"))]:
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return lines


def run(part, command, environment=None):
    """{"exit", "result", "figures"} of one benchmark; result is text where it printed no JSON."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False,
                          env={**os.environ, **(environment or {})})
    result = parse(done.stdout)
    return {"exit": done.returncode, "result": result, "figures": compare(part, result)}


def main(part, *command):
    report = run(part, command)
    print(json.dumps(report["result"], indent=2))
    for figure in report["figures"]:
        print(describe(figure), file=sys.stderr)
    return 1 if report["exit"] or not all(f["ok"] for f in report["figures"]) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
