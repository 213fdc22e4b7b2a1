#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""imports.py and callgraph.py must find what is planted in a library. usage: test_tools.py"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = "-Wframe-larger-than=4096 -Wvla -Wdouble-promotion -Wfloat-conversion"
HEAD = "#include <math.h>\n#include <stdio.h>\n"
GOOD = HEAD + "float tb_a(float x);\nfloat tb_a(float x) { return sinf(x); }\n"
LOUD = HEAD + "float tb_a(float x);\nfloat tb_a(float x) { printf(\"%f\", (double)x); return x; }\n"
RECURSIVE = "int tb_a(int n);\nint tb_a(int n) { return n ? n * tb_a(n / 2) + tb_a(n - 1) : 1; }\n"
VLA = ("void tb_b(char *);\nvoid tb_a(int n);\nvoid tb_a(int n) { char x[n]; tb_b(x); }\n")
DEEP = ("void tb_b(char *);\nvoid tb_a(void);\n"
        "void tb_a(void) { char x[40000]; tb_b(x); }\n")


def library(folder, source):
    os.makedirs(os.path.join(folder, "lib.a.p"))
    with open(os.path.join(folder, "a.c"), "w", encoding="utf-8") as f:
        f.write(source)
    command = f"gcc -O1 {FLAGS} -o lib.a.p/a.c.o -c a.c"
    subprocess.run(command.split(), cwd=folder, check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["ar", "rc", "lib.a", "lib.a.p/a.c.o"], cwd=folder, check=True)
    with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as f:
        json.dump([{"directory": folder, "command": command, "file": "a.c",
                    "output": "lib.a.p/a.c.o"}], f)


def outcome(script, source):
    with tempfile.TemporaryDirectory() as folder:
        library(folder, source)
        first = HERE + "/imports.txt" if script == "imports.py" else folder
        done = subprocess.run([sys.executable, f"{HERE}/{script}", first, folder + "/lib.a"],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


class Tools(unittest.TestCase):
    def test_imports(self):
        self.assertEqual(outcome("imports.py", GOOD)[0], 0)
        status, text = outcome("imports.py", LOUD)
        self.assertEqual(status, 1)
        self.assertIn("printf", text)

    def test_callgraph(self):
        self.assertEqual(outcome("callgraph.py", GOOD)[0], 0)
        for source, word in ((RECURSIVE, "recursion"), (VLA, "unknown size"), (DEEP, "bytes of")):
            with self.subTest(word=word):
                status, text = outcome("callgraph.py", source)
                self.assertEqual(status, 1)
                self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
