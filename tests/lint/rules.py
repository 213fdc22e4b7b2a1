#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""House rules that no ready-made tool checks. usage: rules.py RULE [ROOT] [BUILD]

Prints one fault a line as path:line: text and ends with 1 when there was any. `rules.py --list`
names the rules; tests/lint/test_rules.py breaks each of them once.
"""
import json
import os
import re
import subprocess
import sys

CODE = (".c", ".h", ".ts", ".tsx", ".js", ".mjs", ".py", ".sh", ".css", ".sql", ".def", ".build")
MAX_LINES, MAX_COLUMNS = 600, 100
MAX_TABLE_COLUMNS = 160  # a row of a table is one line
LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"

# Who may include whom. The longest matching folder (or file) decides; a folder may always include
# itself, and "server/*" is what lies in server/ outside its rooms. dsp/rt.h holds one empty macro
# that marks real-time functions, so networks may have it.
INCLUDES = {
    "base": [],
    "models/nn": ["base", "dsp/rt.h"],
    "models/eval": ["base", "dsp", "models"],
    "models/train": ["base", "dsp", "models"],
    "models": ["base", "dsp"],
    "dsp": ["base", "models/nn"],
    "db": ["base"],
    "server": ["base", "dsp"],
    "server/main.c": ["server"],
    "server/formats": ["base", "dsp", "db"],
    "server/audio": ["base", "dsp", "models", "server/*"],
    "server/offline": ["base", "dsp", "models", "server/*", "server/formats",
                       "server/audio/realtime.h"],
    "server/web": ["base", "dsp", "db", "web", "server/*", "server/formats",
                   "server/state/store_thread.h", "server/train/sets.h",
                   "server/api/ws.h", "server/api/status.h"],
    "server/web/web.c": ["server"],
    "server/state": ["base", "dsp", "db", "server/*", "server/formats", "server/offline",
                     "server/web", "server/api/ws.h"],
    "server/train": ["base", "dsp", "models", "db", "server/*", "server/formats",
                     "server/offline", "server/web", "server/state/jobs.h",
                     "server/api/ws.h", "server/api/publish.h"],
    "server/api": ["base", "dsp", "db", "server/*", "server/formats", "server/offline",
                   "server/web", "server/state", "server/train"],
    "server/cli": ["base", "dsp", "models", "db", "server/*", "server/formats",
                   "server/offline", "server/web/auth.h", "server/train/train_module.h",
                   "server/audio/realtime.h"],
    "tests": ["base", "dsp", "models", "db", "server"],
}
# Libraries that only one part of the house may know.
THIRD_PARTY = {
    "sqlite3.h": ["db", "tests"],
    "microhttpd.h": ["server/web/", "server/api/", "server/offline/machine.c", "tests"],
    "libwebsockets.h": ["server/api/ws", "server/offline/machine.c", "tests"],
    "alsa/asoundlib.h": ["dsp/audio_alsa", "server/audio/midi_seq", "tests"],
    "jansson.h": ["server", "models", "tests"],
}
# The only product file that may start a process.
SPAWN_FILES = ["server/audio/supervise.c"]
SPAWN = re.compile(r"\b(system|popen|v?fork|posix_spawnp?|exec[lv]p?e?|execvpe|fexecve|execveat)"
                   r"\s*\(")
BANNED = re.compile(r"(?<![\w.>])(atoi|atol|atoll|atof|gets|strcpy|strcat|v?sprintf|strtok|gmtime"
                    r"|localtime|asctime|ctime|s?rand|tmpnam|mktemp|alloca)\s*\(")


class Tree:
    """The files of a source tree that git knows or would add."""

    def __init__(self, root, build=None):
        self.root, self.build = root, build
        git = ["git", "-C", root, "ls-files", "-co", "--exclude-standard"]
        listed = subprocess.run(git, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            names = listed.stdout.splitlines()
        else:
            names = [os.path.relpath(os.path.join(folder, name), root)
                     for folder, _, files in os.walk(root) for name in files]
        self.files = sorted(n for n in set(names) if os.path.isfile(os.path.join(root, n)))

    def text(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def is_script(self, name):
        if os.path.splitext(name)[1] or not os.access(os.path.join(self.root, name), os.X_OK):
            return False
        return self.text(name).startswith("#!")

    def code(self, *endings):
        wanted = endings or CODE
        return [n for n in self.files
                if n.endswith(wanted) or (not endings and self.is_script(n))]

    def lines(self, name):
        return enumerate(self.text(name).splitlines(), 1)


def without_comments(text):
    """C text with comments and strings blanked, line numbers kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", blank, text, flags=re.S)


def rule_size(tree):
    """Files up to 600 lines, lines up to 100 columns, no tabs or trailing blanks."""
    for name in tree.code():
        n = 0
        for n, line in tree.lines(name):
            columns = MAX_TABLE_COLUMNS if name.endswith(".def") else MAX_COLUMNS
            if len(line) > columns:
                yield f"{name}:{n}: {len(line)} columns, {columns} allowed"
            if line != line.rstrip():
                yield f"{name}:{n}: blanks at the end of the line"
            if "\t" in line and name.endswith((".c", ".h", ".py", ".ts", ".tsx", ".build")):
                yield f"{name}:{n}: a tab"
        if n > MAX_LINES:
            yield f"{name}:{n}: {n} lines, {MAX_LINES} allowed"


def rule_licence(tree):
    """Every source says its licence on top."""
    for name in tree.code():
        if LICENCE not in "".join(tree.text(name).splitlines(keepends=True)[:3]):
            yield f"{name}:1: no {LICENCE}"


def rule_marks(tree):
    """Nothing left for later, nothing switched off by hand."""
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|^\s*#\s*if\s+0\b")
    for name in tree.code() + [n for n in tree.files if n.endswith(".md")]:
        for n, line in tree.lines(name):
            if marks.search(line):
                yield f"{name}:{n}: {line.strip()[:60]}"


def rule_native(tree):
    """What is shipped must run on any machine of its kind."""
    flag = "-m" "arch=native"
    for name in tree.code():
        for n, line in tree.lines(name):
            if flag in line and not line.lstrip().startswith(("#", "*", "/*")):
                yield f"{name}:{n}: {flag}"


def lies_in(name, place):
    """place: a file, a folder with all below it, or "folder/*" without what is below."""
    if place.endswith("/*"):
        return os.path.dirname(name) == place[:-2]
    return name == place or name.startswith(place + "/")


def folder_of(name, table):
    best = [f for f in table if lies_in(name, f)]
    return max(best, key=len) if best else None


def rule_includes(tree):
    """The folder says which rules hold: includes go one way only."""
    for name in tree.code(".c", ".h", ".def"):
        folder = folder_of(name, INCLUDES)
        for n, line in tree.lines(name):
            ours = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            theirs = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if ours and folder:
                path = ours.group(1)
                if "/" not in path:
                    if not os.path.exists(os.path.join(tree.root, os.path.dirname(name), path)):
                        continue  # made by the build
                    path = os.path.join(os.path.dirname(name), path)
                own = folder + "/*" if folder == "server" else folder
                if not any(lies_in(path, a) for a in [own] + INCLUDES[folder]):
                    yield f"{name}:{n}: {folder} must not include {path}"
            if theirs and theirs.group(1) in THIRD_PARTY:
                if not name.startswith(tuple(THIRD_PARTY[theirs.group(1)])):
                    yield f"{name}:{n}: {theirs.group(1)} does not belong here"


def rule_headers(tree):
    """A guard named after the path; a module includes its own header first; no typedef structs."""
    for name in tree.code(".h"):
        guard = "TB_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()
        bare = "TB_TESTS_" + re.sub(r"[^A-Za-z0-9]", "_", os.path.basename(name)).upper()
        short = "TB_" + re.sub(r"[^A-Za-z0-9]", "_", os.path.basename(name)).upper()
        inner = re.sub(r"^TB_TESTS_", "TB_", guard)
        allowed = (guard, inner, short, bare) if name.startswith("tests/") else (guard,)
        if not any(f"#ifndef {g}\n#define {g}\n" in tree.text(name) for g in allowed):
            yield f"{name}:2: the guard should be {guard}"
    for name in tree.code(".c"):
        own = name[:-2] + ".h"
        if own in tree.files:
            first = re.search(r'^#\s*include\s+[<"]([^">]+)', tree.text(name), re.M)
            if not first or first.group(1) not in (own, own[:-2] + "_priv.h"):
                yield f"{name}:1: include {own} first"
    for name in tree.code(".c", ".h"):
        for n, line in enumerate(without_comments(tree.text(name)).splitlines(), 1):
            if re.match(r"\s*typedef\s+(struct|union|enum)\b[^(]*$", line):
                yield f"{name}:{n}: no typedef of a struct, union or enum"


def rule_spawn(tree):
    """Only one file may start a program."""
    for name in tree.code(".c", ".h"):
        if name in SPAWN_FILES or name.startswith("tests/"):
            continue
        for n, line in enumerate(without_comments(tree.text(name)).splitlines(), 1):
            found = SPAWN.search(line)
            if found:
                yield f"{name}:{n}: {found.group(1)} outside {SPAWN_FILES[0]}"


def rule_calls(tree):
    """Functions that cannot report a fault, overflow or keep hidden state have better sisters."""
    for name in tree.code(".c", ".h"):
        for n, line in enumerate(without_comments(tree.text(name)).splitlines(), 1):
            found = BANNED.search(line)
            if found and not name.startswith("tests/"):
                yield f"{name}:{n}: {found.group(1)} is not used here"


DEBIAN_NODE = 18


def needs_node(package):
    """The oldest major version of Node.js that a package of a lock file admits."""
    engines = package.get("engines")
    wanted = engines.get("node", "") if isinstance(engines, dict) else ""
    majors = [int(n) for n in re.findall(r"(?:^|\|\|)[^\d|]*(\d+)", wanted)]
    return min(majors, default=0)


def rule_lockfile(tree):
    """npm packages are locked by hash, not by address; those we name run on Debian's Node.js."""
    for name in tree.files:
        if os.path.basename(name) != "package-lock.json":
            continue
        packages = json.loads(tree.text(name)).get("packages", {})
        root = packages.get("", {})
        named = {*root.get("dependencies", {}), *root.get("devDependencies", {})}
        for path, package in packages.items():
            if "resolved" in package and not package.get("link"):
                yield f"{name}: {path} records an address"
            if path and "integrity" not in package and not package.get("link"):
                yield f"{name}: {path} has no hash"
            if path.removeprefix("node_modules/") in named and needs_node(package) > DEBIAN_NODE:
                yield f"{name}: {path} needs Node.js {needs_node(package)}, here is {DEBIAN_NODE}"


def rule_links(tree):
    """Links between our documents lead somewhere."""
    for name in tree.files:
        if not name.endswith(".md"):
            continue
        for n, line in tree.lines(name):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z]+:", target):
                    continue
                path = os.path.join(tree.root, os.path.dirname(name), target)
                if not os.path.exists(path):
                    yield f"{name}:{n}: {target} does not exist"


def rule_folders(tree):
    """Every folder has its page, and the page is one page."""
    folders = {n.split("/")[0] for n in tree.files if "/" in n and not n.startswith(".")}
    folders |= {"/".join(n.split("/")[:2]) for n in tree.files
                if n.startswith(("models/", "server/")) and n.count("/") > 1}
    for folder in sorted(folders):
        page = folder + "/README.md"
        if page not in tree.files:
            yield f"{page}:1: missing: what it owns, which thread, what it may include"
        elif len(tree.text(page).splitlines()) > 80:
            yield f"{page}:81: more than a page"


def rule_built(tree):
    """Every C file is compiled by somebody."""
    with open(os.path.join(tree.build, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    built = {os.path.realpath(os.path.join(c["directory"], c["file"])) for c in commands}
    for name in tree.code(".c"):
        if os.path.realpath(os.path.join(tree.root, name)) not in built:
            yield f"{name}:1: no meson.build compiles it"


def rule_symbols(tree):
    """Every external symbol of a product library begins with tb_."""
    for folder, _, files in os.walk(tree.build):
        inner = os.path.relpath(folder, tree.build).split("/")[0]
        if inner in ("tests", "clang", "fuzz", "address", "thread"):  # other builds lie inside
            continue
        for name in files:
            if not (name.startswith("libtimbred") and name.endswith(".a")):
                continue
            table = subprocess.run(["nm", "-g", "--defined-only", os.path.join(folder, name)],
                                   capture_output=True, text=True, check=True).stdout
            for symbol in re.findall(r"^[0-9a-f]+ [A-Z] (\S+)", table, re.M):
                if not symbol.startswith(("tb_", "__asan", "__odr_asan")):
                    yield f"{name}: {symbol} has no tb_ in front"


RULES = {name[5:]: value for name, value in globals().items() if name.startswith("rule_")}


def main(arguments):
    if arguments == ["--list"]:
        print("\n".join(RULES))
        return 0
    if not arguments or arguments[0] not in RULES:
        print(__doc__, file=sys.stderr)
        return 2
    tree = Tree(*(arguments[1:] or ["."]))
    if not tree.files:
        print("no files found", file=sys.stderr)
        return 2
    faults = list(RULES[arguments[0]](tree))
    print("\n".join(faults) or f"{arguments[0]}: {len(tree.files)} files, no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
