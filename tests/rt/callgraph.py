#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audio thread can reach, from gcc's own call graph. usage: callgraph.py BUILD LIBRARY...

Compiles the sources of the named static libraries again with -fcallgraph-info and walks from every
external function: no recursion, no stack of unknown size, no more than MAX_STACK bytes in all.
Calls through pointers are counted. Every source must be compiled with FLAGS.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

MAX_STACK = 32768  # bytes of our own frames; the audio thread has 256 KiB
# Warnings that guard the audio thread; errors, since the build has -Werror in CI.
FLAGS = ["-Wframe-larger-than=4096", "-Wvla", "-Wdouble-promotion", "-Wfloat-conversion"]
NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


class Graph:
    def __init__(self):
        self.frames, self.edges, self.faults, self.known = {}, {}, [], {}
        self.indirect = 0

    def read(self, path):
        with open(path, encoding="utf-8") as f:
            for line in f:
                node, edge = NODE.match(line), EDGE.match(line)
                size = re.search(r"(\d+) bytes \(([^)]*)\)", node[2]) if node else None
                if size:
                    dynamic = "dynamic" in size[2] and "bounded" not in size[2]
                    self.frames[node[1]] = (int(size[1]), dynamic)
                elif edge:
                    self.edges.setdefault(edge[1], set()).add(edge[2])

    def depth(self, function, path=()):
        """Bytes of stack from function downwards."""
        if function in path:
            self.faults.append("recursion: " + " > ".join(path + (function,)))
            return 0
        if function not in self.frames:
            self.indirect += function == "__indirect_call"
            return 0
        if function not in self.known:
            own, dynamic = self.frames[function]
            if dynamic:
                self.faults.append(f"{function}: a stack frame of unknown size")
            below = [self.depth(callee, path + (function,))
                     for callee in sorted(self.edges.get(function, ()))]
            self.known[function] = own + max(below, default=0)
        return self.known[function]


def compile_with_graph(command, folder, number):
    words = shlex.split(command["command"])
    words[words.index("-o") + 1] = os.path.join(folder, f"{number}.o")
    drop = {"-MD", "-MQ", "-MF"}
    kept = [w for i, w in enumerate(words)
            if w not in drop and (i == 0 or words[i - 1] not in {"-MQ", "-MF"})]
    subprocess.run(kept + ["-fcallgraph-info=su,da"], cwd=command["directory"], check=True)


def main(build, *libraries):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    folders = tuple(os.path.relpath(lib, build) + ".p/" for lib in libraries)
    chosen = [c for c in commands if c["output"].startswith(folders)]
    compiler = shlex.split(chosen[0]["command"])[0] if chosen else "cc"
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    if "clang" in version.stdout:
        print("SKIPPED: the call graph comes from gcc only")
        return 77
    graph = Graph()
    with tempfile.TemporaryDirectory() as folder:
        for number, command in enumerate(chosen):
            graph.faults += [f"{command['file']}: compiled without {flag}" for flag in FLAGS
                             if flag not in shlex.split(command["command"])]
            compile_with_graph(command, folder, number)
        for name in sorted(os.listdir(folder)):
            if name.endswith(".ci"):
                graph.read(os.path.join(folder, name))
    roots = [f for f in graph.frames if ":" not in f]
    deepest = max(roots, key=graph.depth, default=None)
    for function in graph.known:
        if graph.known[function] > MAX_STACK:
            graph.faults.append(f"{function}: {graph.known[function]} bytes of stack")
    print("\n".join(graph.faults))
    print(f"{len(chosen)} sources, {len(graph.frames)} functions; deepest is {deepest} with "
          f"{graph.known.get(deepest, 0)} bytes of stack, {MAX_STACK} allowed; {graph.indirect} "
          "functions call through a pointer")
    return 1 if graph.faults or not graph.frames else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
