#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaks every rule of rules.py once: a rule that cannot fail is a wish."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rules  # noqa: E402

C = f"/* {rules.LICENCE} */\n"
MARK = "TO" "DO"


def locked_for(node):
    """A lock file with one package of ours that wants this Node.js."""
    return json.dumps({"packages": {
        "": {"devDependencies": {"a": "1"}},
        "node_modules/a": {"integrity": "x", "engines": {"node": node}}}})


# rule -> (files that keep it, files that break it)
CASES = {
    "size": [({"dsp/a.c": C + "int a;\n"}, {"dsp/a.c": C + "int a;" + " " * 120 + "b;\n"}),
             ({"dsp/a.c": C + "\n" * 599}, {"dsp/a.c": C + "\n" * 600}),
             ({"dsp/a.c": C + "    a;\n"}, {"dsp/a.c": C + "\ta;\n"}),
             ({"dsp/a.c": C + "a;\n"}, {"dsp/a.c": C + "a; \n"})],
    "licence": [({"dsp/a.c": C}, {"dsp/a.c": "int a;\n"})],
    "marks": [({"dsp/a.c": C}, {"dsp/a.c": C + f"/* {MARK} later */\n"}),
              ({"dsp/a.c": C + "#if 01\n"}, {"dsp/a.c": C + "#if 0\n"})],
    "native": [({"meson.build": "'-mavx2'\n"}, {"meson.build": "'-m" "arch=native'\n"})],
    "includes": [
        ({"dsp/a.c": '#include "models/nn/b.h"\n'}, {"dsp/a.c": '#include "server/b.h"\n'}),
        ({"db/a.c": '#include "base/b.h"\n'}, {"db/a.c": '#include "dsp/b.h"\n'}),
        ({"models/nn/a.c": '#include "base/b.h"\n'}, {"models/nn/a.c": '#include "dsp/b.h"\n'}),
        ({"server/web/a.c": '#include "server/a.h"\n'},
         {"server/web/a.c": '#include "server/cli/a.h"\n'}),
        ({"server/main.c": '#include "server/cli/a.h"\n'},
         {"server/a.c": '#include "server/cli/a.h"\n'}),
        ({"server/state/a.c": '#include "server/api/ws.h"\n'},
         {"server/state/a.c": '#include "server/api/ws_priv.h"\n'}),
        ({"db/a.c": "#include <sqlite3.h>\n"}, {"server/a.c": "#include <sqlite3.h>\n"}),
        ({"server/web/a.c": "#include <microhttpd.h>\n"},
         {"server/state/a.c": "#include <microhttpd.h>\n"})],
    "headers": [
        ({"dsp/a.h": "#ifndef TB_DSP_A_H\n#define TB_DSP_A_H\n"},
         {"dsp/a.h": "#ifndef A_H\n#define A_H\n"}),
        ({"dsp/a.h": "#ifndef TB_DSP_A_H\n#define TB_DSP_A_H\n",
          "dsp/a.c": '#include "dsp/a.h"\n#include <math.h>\n'},
         {"dsp/a.h": "#ifndef TB_DSP_A_H\n#define TB_DSP_A_H\n",
          "dsp/a.c": '#include <math.h>\n#include "dsp/a.h"\n'}),
        ({"dsp/a.c": "struct a {\n"}, {"dsp/a.c": "typedef struct {\n"})],
    "spawn": [({"server/a.c": "/* system( */ file_system(1);\n"},
               {"server/a.c": 'int r = system("ls");\n'}),
              ({"server/a.c": "tb_execute();\n"}, {"dsp/a.c": "execve(a, b, c);\n"})],
    "calls": [({"dsp/a.c": "strtol(a, 0, 9); x->rand(); tb_rand();\n"},
               {"dsp/a.c": "int i = atoi(text);\n"}),
              ({"dsp/a.c": "snprintf(a, n, b);\n"}, {"dsp/a.c": "sprintf(a, b);\n"})],
    "lockfile": [
        ({"package-lock.json": json.dumps({"packages": {"a": {"integrity": "x"}}})},
         {"package-lock.json": json.dumps({"packages": {"a": {"integrity": "x",
                                                              "resolved": "http"}}})}),
        ({"package-lock.json": json.dumps({"packages": {"": {}}})},
         {"package-lock.json": json.dumps({"packages": {"a": {}}})}),
        ({"package-lock.json": locked_for("^18.18 || >=20")},
         {"package-lock.json": locked_for(">=20")})],
    "links": [({"README.md": "[x](dsp/a.c) [y](https://a.b)\n", "dsp/a.c": C},
               {"README.md": "[x](dsp/b.c)\n", "dsp/a.c": C})],
    "folders": [({"dsp/README.md": "x\n", "dsp/a.c": C}, {"dsp/a.c": C}),
                ({"dsp/README.md": "x\n" * 80}, {"dsp/README.md": "x\n" * 81})],
    "built": [({"a.c": C, "compile_commands.json": '[{"directory": ".", "file": "a.c"}]'},
               {"b.c": C, "compile_commands.json": '[{"directory": ".", "file": "a.c"}]'})],
}


def faults(rule, files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        before = os.getcwd()
        os.chdir(root)
        try:
            return list(rules.RULES[rule](rules.Tree(root, root)))
        finally:
            os.chdir(before)


TIDY = {
    "readability-function-size": "int f(int);\nint f(int a)\n{\n" + "    a++;\n" * 62
                                 + "    return a;\n}\n",
    "readability-function-cognitive-complexity":
        "int f(int);\nint f(int a)\n{\n" + "if (a) {\n" * 7 + "a = 2;" + "}\n" * 7
        + "    return a;\n}\n",
    "bugprone-unused-return-value": "#include <stdlib.h>\nvoid f(void);\nvoid f(void)\n{\n"
                                    "    malloc(3);\n}\n",
    "clang-analyzer-core.NullDereference": "int f(void);\nint f(void)\n{\n    int *p = 0;\n"
                                           "    return *p;\n}\n",
}
CPPCHECK = "void f(void);\nvoid f(void)\n{\n    int a[2];\n    a[2] = 1;\n    (void)a;\n}\n"


def run_on(source, *command):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "planted.c")
        with open(path, "w", encoding="utf-8") as f:
            f.write(source)
        command = [w if w != "FILE" else path for w in command]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class Tools(unittest.TestCase):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

    def test_clang_tidy_reports_each_planted_fault(self):
        config = f"--config-file={self.root}/.clang-tidy"
        for check, source in TIDY.items():
            with self.subTest(check=check):
                status, text = run_on(source, "clang-tidy", config, "FILE", "--", "-std=c17")
                self.assertNotEqual(status, 0)
                self.assertIn(check, text)

    def test_cppcheck_and_clang_format_report_theirs(self):
        status, text = run_on(CPPCHECK, "cppcheck", "--error-exitcode=1", "FILE")
        self.assertEqual(status, 1, text)
        style = f"--style=file:{self.root}/.clang-format"
        status, _ = run_on("int  a ;\n", "clang-format", style, "--dry-run", "-Werror", "FILE")
        self.assertNotEqual(status, 0)

    def test_a_symbol_without_prefix_is_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            for symbol, wanted in (("tb_good", 0), ("bad", 1)):
                path = os.path.join(folder, "libtimbred-x.a")
                subprocess.run(["cc", "-x", "c", "-c", "-", "-o", folder + "/x.o"], check=True,
                               input=f"int {symbol};\n", text=True)
                if os.path.exists(path):
                    os.remove(path)
                subprocess.run(["ar", "rc", path, folder + "/x.o"], check=True)
                found = list(rules.RULES["symbols"](rules.Tree(folder, folder)))
                self.assertEqual(len(found), wanted)


SUBJECTS = {
    "dsp: ramp the master gain": 0,
    "db, server: share one transaction": 0,
    "Revert \"dsp: ramp the master gain\"": 0,
    "ramp the master gain": 1,
    "dsp: Ramp the master gain": 1,
    "dsp: ramp the master gain.": 1,
    "dsp: " + "ramp " * 12: 1,
    "dsp: ramp the gain\nno empty line": 1,
    "dsp: ramp the gain\n\nwhy": 0,
}


class Hooks(unittest.TestCase):
    root = Tools.root

    def test_subjects(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "message")
            for message, wanted in SUBJECTS.items():
                with open(path, "w", encoding="utf-8") as f:
                    f.write(message + "\n")
                done = subprocess.run([f"{self.root}/deploy/hooks/commit-msg", path], check=False,
                                      capture_output=True)
                self.assertEqual(done.returncode, wanted, message)

    def test_what_is_staged_is_checked(self):
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
            environment.pop(name, None)
        for text, wanted in (("int a;\n", 0), ("int  a ;\n", 1)):
            with tempfile.TemporaryDirectory() as folder:
                for path in ("tests/lint/rules.py", ".clang-format"):
                    os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
                    shutil.copy(os.path.join(self.root, path), os.path.join(folder, path))
                with open(os.path.join(folder, "a.c"), "w", encoding="utf-8") as f:
                    f.write(C + text)
                for command in (["git", "init", "-q"], ["git", "add", "-A"]):
                    subprocess.run(command, cwd=folder, check=True, env=environment)
                done = subprocess.run([f"{self.root}/deploy/hooks/pre-commit"], cwd=folder,
                                      check=False, capture_output=True, text=True, env=environment)
                self.assertEqual(done.returncode, wanted, done.stdout + done.stderr)


class Rules(unittest.TestCase):
    def test_each_rule_fails_when_broken(self):
        for rule, cases in CASES.items():
            for number, (good, bad) in enumerate(cases):
                with self.subTest(rule=rule, case=number):
                    self.assertEqual(faults(rule, good), [])
                    self.assertNotEqual(faults(rule, bad), [])

    def test_no_rule_is_untested(self):
        self.assertEqual(set(rules.RULES) - {"symbols"}, set(CASES))


if __name__ == "__main__":
    unittest.main()
