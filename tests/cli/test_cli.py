#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command, beside a running daemon and without one.

usage: test_cli.py TIMBRED [unittest arguments]
"""
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

TIMBRED = os.path.abspath(sys.argv.pop(1))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OK, FAILED, USAGE, DAMAGED, MISSING, UNAVAILABLE, BUSY, DENIED = 0, 1, 2, 65, 66, 69, 75, 77


def environment(folder):
    """Nothing of this machine's own: no token, no settings, no server found by accident."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TIMBRED_", "XDG_"))}
    return dict(kept, HOME=folder, LC_ALL="C.UTF-8")


class Folder(unittest.TestCase):
    """A temporary folder with settings that name a port on which nobody listens."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="tb-cli-")
        self.addCleanup(shutil.rmtree, self.folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config = self.path("timbred.conf")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"[server]\nlisten = 127.0.0.1\nport = {self.port}\n"
                    "[audio]\ndriver = null\n[midi]\nsequencer = false\n")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def run_raw(self, *args, **more):
        return subprocess.run([TIMBRED, *args], capture_output=True, timeout=60,
                              env=environment(self.folder), cwd=self.folder, check=False, **more)

    def call(self, *args, status=OK, where=True):
        """Standard output as text; the exit status must be as told."""
        where = ["--state", self.path("state"), "--config", self.config] if where else []
        done = self.run_raw(*args, *where)
        self.assertEqual(done.returncode, status,
                         f"{args}: {done.stdout.decode()} {done.stderr.decode()}")
        self.error = done.stderr.decode()
        return done.stdout.decode()

    def json(self, *args, **more):
        return json.loads(self.call(*args, "--json", **more))


def read_wav(path):
    """(rate, channels, samples of 32 bit float)."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:4] == b"RIFF" and data[8:12] == b"WAVE", path
    at, rate, channels, samples = 12, None, None, None
    while at + 8 <= len(data):
        name, size = data[at:at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"fmt ":
            channels, rate = struct.unpack_from("<HI", data, at + 10)
        if name == b"data":
            samples = struct.unpack_from(f"<{size // 4}f", data, at + 8)
        at += 8 + size + size % 2
    return rate, channels, samples


def init_voice(name=b"INIT VOICE"):
    """The machine's INIT voice, packed: 128 bytes."""
    def operator(level):
        return bytes([99, 99, 99, 99, 99, 99, 99, 0, 39, 0, 0, 0, 7 << 3, 0, level, 1 << 1, 0])
    voice = b"".join(operator(0) for _ in range(5)) + operator(99)
    voice += bytes([99, 99, 99, 99, 50, 50, 50, 50, 0, 8, 35, 0, 0, 0, 1 | 3 << 4, 24])
    return voice + name.ljust(10)


def bulk(voices):
    data = b"".join(voices)
    return (b"\xf0\x43\x00\x09\x20\x00" + data + bytes([-sum(data) & 127]) + b"\xf7")


class TestHelp(Folder):
    def test_every_command_explains_itself(self):
        overview = self.call("--help", where=False)
        names = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", overview, re.M)
        self.assertGreaterEqual(len(names), 16)
        for name in names:
            text = self.call("help", name.split()[0], where=False)
            self.assertEqual(len(re.findall(rf"^  {name}  ", overview, re.M)), 1)
            self.assertIn(f"usage: timbred {name} ", text)
            if name not in ("help",):
                text = self.call(*name.split(), "--help", where=False)
                self.assertIn(f"usage: timbred {name} ", text)
        self.assertEqual(self.call("--version", where=False).split()[0], "timbred")
        one = self.call("help", "patch", "rm", where=False)
        self.assertEqual(re.findall("^usage: .*", one, re.M),
                         ["usage: timbred patch rm [options] PATCH"])
        for words in (("patch", "fly"), ("fly",), ("serve", "patch")):
            self.call("help", *words, status=USAGE, where=False)

    def test_every_setting_tells_range_and_default(self):
        overview, n = self.call("--help", where=False), 0
        for name in re.findall(r"^  ([a-z-]+(?: [a-z]+)?)  ", overview, re.M):
            if name in ("serve", "help"):  # timbred.conf tells about those
                continue
            text = re.sub(r"\n {20,}(?=\S)", " ", self.call(*name.split(), "--help", where=False))
            for line in re.findall(r"^  .*--[a-z-]+ (?:WORD|N|S|M|F|P|R|X|HZ|DB|MS|LOSS) .*$", text,
                                   re.M):
                n += 1
                self.assertRegex(line, r"; default: [^()]+\)$|; needed \(", name)
        self.assertGreater(n, 70)

    def test_shipped_texts_are_the_program_s_own(self):
        for kind, name in (("man", "timbred.1"), ("bash", "timbred.bash-completion")):
            with open(os.path.join(ROOT, "deploy", name), encoding="utf-8") as f:
                self.assertEqual(self.call("help", f"--format={kind}", where=False), f.read(),
                                 f"run deploy/write-manual to write deploy/{name} again")

    def test_completion_completes(self):
        script = os.path.join(ROOT, "deploy", "timbred.bash-completion")

        def complete(*words):
            line = " ".join(f"'{w}'" for w in words)
            command = (f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
                       "_timbred; printf '%s\\n' \"${COMPREPLY[@]}\"")
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True,
                                  cwd=self.folder, check=True)
            return done.stdout.split()

        self.assertEqual(complete("timbred", "ren"), ["render"])
        self.assertEqual(complete("timbred", "patch", "ex"), ["export"])
        self.assertIn("--midi", complete("timbred", "render", "--m"))
        self.assertEqual(complete("timbred", "render", "--format", "s1"), ["s16"])
        self.assertIn("timbred.conf", complete("timbred", "patch", "import", "timbred."))
        self.assertEqual(complete("timbred", "patch", "timbred."), [])
        self.assertEqual(complete("timbred", "dataset", "s"), ["show"])
        self.assertIn("timbred.conf", complete("timbred", "dataset", "timbred."))
        self.assertIn("--soundfont", complete("timbred", "dataset", "--sou"))
        self.assertIn("--soundfont", complete("timbred", "dataset", "x/", "--sou"))
        self.assertEqual(complete("timbred", "dataset", "ls", "--sou"), [])

    def test_rubbish(self):
        cases = [(["frobnicate"], "frobnicate"), (["patch"],
                  "patch: needs one of ls show import export load rm"),
                 (["patch", "fly"], "patch fly: no such command; there are ls show"),
                 (["patch", "ls", "--limit", "0"], "--limit: 0 is below 1"),
                 (["patch", "ls", "--limit", "501"], "--limit: 501 is above 500"),
                 (["patch", "ls", "--sort", "colour"], "--sort"),
                 (["patch", "show"], "needs PATCH"), (["patch", "import"], "needs FILE"),
                 (["render"], "needs"),
                 (["render", "x", "--rate", "1"], "--rate: 1 is below 22050"),
                 (["render", "x", "--rate=fast"], "--rate"), (["render", "x"], "--output"),
                 (["note", "H4"], "key"), (["note", "60", "128"], "velocity"),
                 (["note", "60", "--on", "--off"], "only one"),
                 (["token", "rm", "x"], "id"), (["token", "add", "--role", "god"], "--role"),
                 (["bench", "--voices", "65"], "--voices: 65 is above 64"),
                 (["bench", "a", "b"], "--compare"), (["bench", "--compare", "a"], "--compare"),
                 (["bench", "a", "--quick"], "--compare"),
                 (["status", "--url", "ftp://x"], "url"), (["status", "--what"], "--what"),
                 (["status", "--offline"], "--offline"), (["note", "60", "--offline"], "--offline"),
                 (["render", "x", "-o", "-", "--json"], "--json"),
                 (["status", "more"], "one argument too many")]
        for args, text in cases:
            with self.subTest(args=args):
                done = self.run_raw(*args)
                self.assertEqual(done.returncode, USAGE, done.stderr)
                self.assertIn(text, done.stderr.decode())
        for args, text in ((["patch", "ls", "--json", "--limit", "0"], "--limit"),
                           (["patch", "ls", "--limit", "0", "--json"], "--limit"),
                           (["patch", "fly", "--json"], "patch fly: no such command")):
            done = self.run_raw(*args)
            self.assertEqual(done.returncode, USAGE)
            self.assertIn(text, json.loads(done.stdout)["error"]["text"])
        self.assertEqual(self.run_raw("patch", "fly", "--", "--json").stdout, b"")

    def test_no_voice_for_a_network(self):
        with open(self.path("a.wav"), "wb") as f:
            f.write(b"RIFF" + bytes(2000))
        done = self.run_raw("fm-env", "a.wav", "m")
        self.assertEqual(done.returncode, DAMAGED)
        self.assertIn("a.wav: holds no DX7 voice", done.stderr.decode())

    def test_nobody_answers(self):
        for args in (["status"], ["note", "60"], ["panic"], ["patch", "load", "x"], ["url"]):
            self.call(*args, status=UNAVAILABLE)
            self.assertIn("no server on this machine (127.0.0.1", self.error)
        done = self.run_raw("patch", "ls", "--url", "http://127.0.0.1:1")
        self.assertEqual(done.returncode, UNAVAILABLE)


class TestRender(Folder):
    def setUp(self):
        super().setUp()
        with open(self.path("bank.syx"), "wb") as f:
            f.write(bulk([init_voice(b"VOICE %02d" % i) for i in range(32)]))

    def test_notes_and_formats(self):
        told = self.json("render", "bank.syx", "--notes", "69:100:0:0.5", "--dry", "-o", "a.wav",
                         where=False)
        rate, channels, samples = read_wav(self.path("a.wav"))
        self.assertEqual((rate, channels, len(samples)), (48000, 2, 2 * told["frames"]))
        crossings = sum(1 for a, b in zip(samples[0:40000:2], samples[2:40002:2]) if a < 0 <= b)
        self.assertAlmostEqual(crossings / (20000 / 48000), 440, delta=4)
        self.call("render", "bank.syx", "--notes", "69:100:0:0.5", "--dry", "-o", "b.wav",
                  where=False)
        with open(self.path("a.wav"), "rb") as a, open(self.path("b.wav"), "rb") as b:
            self.assertEqual(a.read(), b.read(), "the same input gives the same bytes")
        told = self.json("render", "bank.syx", "--voice", "32", "--mono", "--rate", "96000",
                         "--length", "0.25", "--format", "s16", "-o", "c.wav", where=False)
        self.assertEqual((told["frames"], told["rate_hz"]), (24000, 96000))
        self.assertEqual(os.path.getsize(self.path("c.wav")), 44 + 2 * 24000)

    def test_standard_output(self):
        """The file itself, with its sizes, and nothing else."""
        note = ("--notes", "69:100:0:0.2", "-o")
        for options in ((), ("--mono", "--format", "s16")):
            self.call("render", "bank.syx", *options, *note, "a.wav", where=False)
            done = self.run_raw("render", "bank.syx", *options, *note, "-")
            self.assertEqual(done.returncode, OK, done.stderr)
            with open(self.path("a.wav"), "rb") as f:
                self.assertEqual(done.stdout, f.read())
            self.assertEqual(struct.unpack_from("<I", done.stdout, 4)[0], len(done.stdout) - 8)
            self.assertRegex(done.stderr, rb"^standard output: [\d.]+ s, peak")
        self.assertFalse(os.path.exists(self.path("-")))
        with open("/dev/full", "wb") as full:
            done = subprocess.run([TIMBRED, "render", "bank.syx", *note, "-"], stdout=full,
                                  stderr=subprocess.PIPE, cwd=self.folder, timeout=60, check=False,
                                  env=environment(self.folder))
        self.assertEqual(done.returncode, 74, done.stderr)

    def test_midi(self):
        midi = (b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\x0c"
                b"\x00\x90\x45\x64\x60\x80\x45\x00\x00\xff\x2f\x00")
        with open(self.path("a.mid"), "wb") as f:
            f.write(midi)
        told = self.json("render", "bank.syx", "--midi", "a.mid", "-o", "a.wav", where=False)
        self.assertGreater(told["seconds"], 0.5)
        self.assertGreater(told["peak"], 0.01)
        for n in (0, 10, 20, 30):
            with open(self.path("bad.mid"), "wb") as f:
                f.write(midi[:n])
            self.call("render", "bank.syx", "--midi", "bad.mid", "-o", "no.wav", status=DAMAGED,
                      where=False)
            self.assertRegex(self.error, r"bad\.mid: midi: byte \d+: ")
        self.assertFalse(os.path.exists(self.path("no.wav")))

    def test_set(self):
        self.call("render", "bank.syx", "--set", "fm.op1.level=0", "--length", "0.1", "-o", "a.wav",
                  where=False)
        self.assertLess(max(map(abs, read_wav(self.path("a.wav"))[2])), 1e-6)
        for text, part in (("fm.op1.level=100", "fm.op1.level: 100 is above 99"),
                           ("fm.op9.level=1", "fm.op9.level: no such parameter"),
                           ("fm.op1.level", "KEY=VALUE"), ("fm.op1.level=x", "not a number"),
                           ("master.gain=nan", "master.gain")):
            self.call("render", "bank.syx", "--set", text, "-o", "no.wav", status=USAGE,
                      where=False)
            self.assertIn(part, self.error)

    def test_broken_sources(self):
        files = {"empty.syx": b"", "short.syx": b"\xf0\x43\x00\x09", "noise.syx": b"abc" * 99,
                 "cut.json": b'{"patches":[', "other.json": b'{"a":1}',
                 "bounds.json": b'{"values":{"fm.op1.level":1000}}'}
        for name, data in files.items():
            with open(self.path(name), "wb") as f:
                f.write(data)
            with self.subTest(name=name):
                status = USAGE if name == "bounds.json" else DAMAGED
                self.call("render", name, "-o", "no.wav", status=status, where=False)
                self.assertFalse(os.path.exists(self.path("no.wav")))
        self.call("render", "none.syx", "-o", "no.wav", status=MISSING, where=False)
        self.call("render", "bank.syx", "--voice", "33", "-o", "no.wav", status=USAGE, where=False)
        self.assertIn("--voice: 33 is above 32", self.error)
        self.call("render", "bank.syx", "-o", "no/such/folder.wav", status=74, where=False)
        self.call("render", "bank.syx", "--notes", "60:200", "-o", "no.wav", status=USAGE,
                  where=False)
        self.assertIn("notes[0].velocity: 200 is above 127", self.error)


class TestBatch(Folder):
    def setUp(self):
        super().setUp()
        with open(self.path("v.bin"), "wb") as f:
            f.write(init_voice() + init_voice(b"SECOND"))

    def batch(self, jobs, status=OK):
        with open(self.path("jobs.txt"), "w", encoding="utf-8") as f:
            f.write(jobs)
        return self.call("render", "--voices", "v.bin", "--jobs", "jobs.txt", "out", status=status,
                         where=False)

    def test_jobs(self):
        self.batch("0 69 100 0.5 0.75 first\n1 57 64 0.1 0.2 second_2\n0 69 100 0.5 0.75 third\n")
        self.assertEqual(sorted(os.listdir(self.path("out"))),
                         ["first.wav", "second_2.wav", "third.wav"])
        rate, channels, samples = read_wav(self.path("out", "first.wav"))
        self.assertEqual((rate, channels, len(samples)), (48000, 1, 36000))
        crossings = sum(1 for a, b in zip(samples[:20000], samples[1:20001]) if a < 0 <= b)
        self.assertAlmostEqual(crossings / (20000 / 48000), 440, delta=4)
        self.assertLess(max(map(abs, samples[30000:])), 1e-3, "released after hold_s")
        self.assertEqual(samples, read_wav(self.path("out", "third.wav"))[2],
                         "every job starts afresh")
        self.assertEqual(len(read_wav(self.path("out", "second_2.wav"))[2]), 9600)

    def test_bad_lines_change_nothing(self):
        good = "0 69 100 0.1 0.1 good\n"
        for line, text in (("2 69 100 1 1 a", "jobs.txt:2: index: 2 is above 1"),
                           ("0 128 100 1 1 a", "jobs.txt:2: note: 128 is above 127"),
                           ("0 69 0 1 1 a", "jobs.txt:2: velocity: 0 is below 1"),
                           ("0 69 100 x 1 a", "jobs.txt:2: hold_s: x is not a number"),
                           ("0 69 100 1 0 a", "jobs.txt:2: total_s: 0 is not above 0"),
                           ("0 69 100 1 1", "jobs.txt:2: name: missing"),
                           ("0 69 100 1 1 a/b", 'contains "/"'),
                           ("0 69 100 1 1 ..", 'contains ".."'),
                           ("0 69 100 1 1 good", "twice")):
            with self.subTest(line=line):
                self.batch(good + line + "\n", status=USAGE)
                self.assertIn(text, self.error)
                self.assertFalse(os.path.exists(self.path("out")))

    def test_bad_files(self):
        self.batch("", status=USAGE)
        with open(self.path("v.bin"), "ab") as f:
            f.write(b"x")
        self.batch("0 69 100 0.1 0.1 a\n", status=DAMAGED)
        self.assertIn("not a multiple of 128", self.error)
        self.call("render", "--voices", "v.bin", "out", status=USAGE, where=False)
        self.call("render", "--voices", "none", "--jobs", "jobs.txt", "out", status=MISSING,
                  where=False)
        self.call("render", "--voices", "v.bin", "--jobs", "jobs.txt", "--rate", "44100", "out",
                  status=USAGE, where=False)
        self.assertIn("--rate: not in a batch", self.error)


class TestBench(Folder):
    def test_result_and_comparison(self):
        result = json.loads(self.call("bench", "--voices", "1,32", "--blocks", "64", "--seconds",
                                      "0.05", "--json", "-o", "a.json", where=False))
        self.assertEqual(len(result["results"]), 10)
        with open(self.path("a.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f), result)
        text = self.call("bench", "--compare", "a.json", "a.json", where=False)
        self.assertIn("1.00", text)
        self.assertEqual(len(self.json("bench", "--compare", "a.json", "a.json",
                                       where=False)["results"]), 10)
        csv = self.call("bench", "--quick", "--no-paced", "--no-stress", "--csv", where=False)
        self.assertEqual(len(csv.splitlines()), 2)
        table = self.call("bench", "--quick", "--no-stress", where=False)
        self.assertIn("witness", table)
        with open(self.path("bad.json"), "w", encoding="utf-8") as f:
            f.write("{}")
        self.call("bench", "--compare", "a.json", "bad.json", status=DAMAGED, where=False)
        self.call("bench", "--compare", "a.json", "none.json", status=MISSING, where=False)


class TestStore(Folder):
    """Without a daemon the store itself answers."""

    def setUp(self):
        super().setUp()
        with open(self.path("bank.syx"), "wb") as f:
            f.write(bulk([init_voice(b"VOICE %02d" % i) for i in range(32)]))

    def patches(self):
        return self.json("patch", "ls", "--limit", "500")

    def test_import_find_export(self):
        os.mkdir(self.path("state"))
        report = self.json("patch", "import", "bank.syx")["files"][0]
        self.assertEqual(len(report["created"]), 32)
        self.assertTrue(report["bank"]["uuid"])
        self.assertEqual(self.call("patch", "import", "bank.syx"),
                         "bank.syx: 0 patches, 32 here already\n")
        found = self.json("patch", "ls", "VOICE", "07")
        self.assertEqual([i["name"] for i in found["items"]], ["VOICE 07"])
        patch = self.json("patch", "show", "voice 07")
        self.assertEqual(patch["values"]["fm.op1.level"], 99)
        self.assertIn("VOICE 07", self.call("patch", "show", patch["uuid"]))
        self.call("patch", "export", "VOICE 07", "-o", "one.syx")
        self.assertEqual(os.path.getsize(self.path("one.syx")), 163)
        self.call("patch", "export", "--bank", report["bank"]["uuid"], "-o", "again.syx")
        with open(self.path("bank.syx"), "rb") as a, open(self.path("again.syx"), "rb") as b:
            self.assertEqual(a.read(), b.read(), "bit for bit")
        self.call("patch", "export", "--bank", "BANK", "-o", "named.syx")
        self.assertEqual(os.path.getsize(self.path("named.syx")), 4104)
        self.call("patch", "export", "--bank", "tape", "-o", "none.syx", status=MISSING)
        self.assertIn("tape: no such bank; there are", self.error)
        self.assertIn("bank", self.error.split("there are")[1])
        listed = self.json("patch", "ls", "--bank", "bank")["items"]
        self.assertEqual([i["name"] for i in listed], [f"VOICE {i:02}" for i in range(32)])
        self.call("patch", "ls", "--bank", "tape", status=MISSING)
        self.call("patch", "export", "-o", "all.json")
        total = self.patches()["total"]
        with open(self.path("all.json"), encoding="utf-8") as f:
            self.assertEqual(len(json.load(f)["patches"]), total)
        self.call("render", "VOICE 07", "--length", "0.1", "-o", "a.wav")
        self.assertEqual(len(read_wav(self.path("a.wav"))[2]), 9600)
        self.call("render", "all.json", "--length", "0.1", "-o", "b.wav", where=False)

    def test_people_read_the_other_stream(self):
        os.mkdir(self.path("state"))
        self.call("patch", "import", "bank.syx")
        listed = self.call("patch", "ls", "--limit", "5")
        self.assertEqual(len(listed.splitlines()), 5)
        self.assertEqual(self.error, "5 of 32\n")
        exported = self.call("patch", "export", "VOICE 07", "-o", "-")
        self.assertEqual(json.loads(self.call("patch", "export", "VOICE 07", "-o", "-", "--json")),
                         json.loads(exported))

    def test_no_store_yet(self):
        for args in (["patch", "ls"], ["model", "ls"], ["token", "ls"], ["patch", "export"]):
            self.call(*args, status=MISSING)
            self.assertIn(f"no store at {self.path('state')} yet", self.error)

    def test_names_and_networks(self):
        os.mkdir(self.path("state"))
        model = {"uuid": "99999999-2222-4333-8444-555555555555", "sha256": "ab" * 32,
                 "name": "Oboe"}
        patches = [{"name": "Twice", "values": {}}, {"name": "Twice", "values": {"fm.feedback": 1}},
                   {"name": "Oboe", "model": model, "values": {}}, {"name": "FM", "values": {}}]
        with open(self.path("some.json"), "w", encoding="utf-8") as f:
            json.dump({"format": "timbred", "version": 1, "patches": patches}, f)
        self.call("patch", "import", "some.json")
        self.call("patch", "show", "twice", status=USAGE)
        self.assertRegex(self.error, r"twice: 2 patches: [0-9a-f-]{36}, [0-9a-f-]{36}")
        for names in (["Oboe"], ["FM", "Oboe"]):
            self.call("patch", "export", *names, "--format", "syx", "-o", "no.syx", status=USAGE)
            self.assertIn('a network plays "Oboe"; a DX7 cannot', self.error)
        self.assertFalse(os.path.exists(self.path("no.syx")))
        self.call("patch", "export", "Oboe", "-o", "oboe.json")

    def test_faults(self):
        os.mkdir(self.path("state"))
        self.call("patch", "import", "bank.syx")
        total = self.patches()["total"]
        self.call("patch", "show", "nothing like this", status=MISSING)
        self.call("patch", "show", "00000000-0000-4000-8000-000000000000", status=MISSING)
        self.call("patch", "import", "none.syx", status=MISSING)
        for name, data in (("empty.syx", b""), ("cut.json", b'{"format":"timbred"'),
                           ("noise.json", b"{]")):
            with open(self.path(name), "wb") as f:
                f.write(data)
            done = self.run_raw("patch", "import", name, "--state", self.path("state"), "--config",
                                self.config)
            self.assertIn(done.returncode, (USAGE, DAMAGED), done.stderr)
            self.assertIn(name, done.stderr.decode())
        self.assertEqual(self.patches()["total"], total, "a refused file changes nothing")
        self.call("patch", "export", "--bank", "x", "VOICE 01", status=USAGE)

    def test_tokens(self):
        os.mkdir(self.path("state"))
        self.call("patch", "import", "bank.syx")
        token = self.json("token", "add", "--role", "read", "--label", "my phone")
        self.assertGreaterEqual(len(token["token"]), 20)
        items = self.json("token", "ls")["items"]
        self.assertEqual([(i["role"], i["label"]) for i in items], [("read", "my phone")])
        self.assertNotIn(token["token"], self.call("token", "ls"))
        self.call("token", "rm", str(items[0]["id"]))
        self.assertEqual(self.json("token", "ls")["items"], [])
        self.call("token", "rm", str(items[0]["id"]), status=MISSING)


class TestDaemon(Folder):
    """Beside a running daemon everything goes over its API."""

    def setUp(self):
        super().setUp()
        log = open(self.path("log"), "wb")
        self.daemon = subprocess.Popen(
            [TIMBRED, "serve", "--state", self.path("state"), "--config", self.config],
            stdout=log, stderr=subprocess.STDOUT, env=environment(self.folder), cwd=self.folder)
        log.close()
        self.addCleanup(self.stop)
        for _ in range(200):
            if self.run_raw("status", "--config", self.config, "--state",
                            self.path("state")).returncode == OK:
                return
            time.sleep(0.05)
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            self.fail("the daemon does not start: " + f.read())

    def stop(self):
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            self.assertEqual(self.daemon.wait(10), 0)

    def test_status_notes_patches(self):
        status = self.json("status")
        self.assertEqual(status["audio"]["driver"], "null")
        self.assertIn("null", self.call("status"))
        self.call("note", "C4", "100", "--duration", "50")
        self.call("note", "60", "--on")
        self.call("note", "60", "--off")
        self.call("panic")
        with open(self.path("bank.syx"), "wb") as f:
            f.write(bulk([init_voice(b"ZEBRA %02d" % i) for i in range(32)]))
        self.assertEqual(len(self.json("patch", "import", "bank.syx")["files"][0]["created"]), 32)
        found = self.json("patch", "ls", "ZEBRA")
        self.assertEqual(found["total"], 32)
        first = found["items"][0]
        state = self.json("patch", "load", first["uuid"])
        self.assertEqual(state["patch"]["uuid"], first["uuid"])
        self.assertIn("plays", self.call("patch", "load", first["name"]))
        self.assertEqual(self.json("patch", "show", first["name"])["uuid"], first["uuid"])
        self.call("patch", "show", "nothing like this", status=MISSING)
        self.call("render", first["uuid"], "--length", "0.1", "-o", "a.wav")
        self.call("patch", "export", first["uuid"], "-o", "a.syx")
        self.assertEqual(os.path.getsize(self.path("a.syx")), 163)
        report = self.json("patch", "import", "a.syx")["files"][0]
        self.assertIn("created", report)
        self.call("patch", "rm", found["items"][1]["name"])
        self.call("patch", "show", found["items"][1]["uuid"], status=MISSING)
        factory = [i for i in self.json("patch", "ls", "--limit", "500")["items"] if i["factory"]]
        self.call("patch", "rm", factory[0]["uuid"], status=DENIED)
        self.assertIn("is a factory patch, which stays", self.error)
        self.call("patch", "show", factory[0]["uuid"])
        self.call("patch", "export", "-o", "all.json")
        with open(self.path("bad.syx"), "wb") as f:
            f.write(b"abc")
        done = self.run_raw("patch", "import", "bad.syx", "--config", self.config, "--state",
                            self.path("state"))
        self.assertIn(done.returncode, (USAGE, DAMAGED))
        self.assertIn(b"bad.syx", done.stderr)

    def test_tokens_and_links(self):
        kept = self.path("state", "link")
        self.assertEqual(os.stat(kept).st_mode & 0o777, 0o600)
        link = self.json("url")["url"]
        self.assertRegex(link, rf"^http://127\.0\.0\.1:{self.port}/#token=[\w-]{{20,}}$")
        self.call("url", "--no-token")
        self.assertIn("others cannot reach this address", self.error)
        self.assertIn("\u2588", self.call("url", "--qr"))
        token = self.json("token", "add", "--role", "read")["token"]
        self.call("status", "--token", token)
        self.call("note", "60", "--token", token, status=DENIED)
        self.call("status", "--token", "wrong", status=DENIED)
        number = [i["id"] for i in self.json("token", "ls")["items"] if i["role"] == "read"][0]
        self.call("token", "rm", str(number))
        self.call("status", "--token", token, status=DENIED)
        os.unlink(kept)
        self.call("status", status=DENIED)
        own = self.path(".config", "timbred", "token")
        os.makedirs(os.path.dirname(own))
        with open(own, "w", encoding="utf-8") as f:
            f.write(link.split("=")[1] + "\n")
        self.call("status")

    def test_one_address_only(self):
        """The link is what the server listens on, and an empty variable is none."""
        self.stop()
        state = ["--state", self.path("state")]
        with open(self.path("log"), "wb") as log:
            self.daemon = subprocess.Popen(
                [TIMBRED, "serve", *state, "--config", self.config, "--server.listen=127.0.0.2"],
                stdout=log, stderr=subprocess.STDOUT, env=environment(self.folder))
        for _ in range(200):
            done = subprocess.run([TIMBRED, "url", "--no-token", *state, "--config", self.config],
                                  capture_output=True, timeout=60, check=False,
                                  env=dict(environment(self.folder), TIMBRED_URL=""))
            if done.returncode == OK:
                break
            time.sleep(0.05)
        self.assertEqual(done.stdout.decode(), f"http://127.0.0.2:{self.port}/\n")

    def test_bench_over_rest(self):
        url = f"http://127.0.0.1:{self.port}"
        result = self.json("bench", "--remote", url, "--voices", "4", "--blocks", "64", "--seconds",
                           "0.05", "--force")
        self.assertEqual(len(result["results"]), 5)
        number = str(self.json("status") and self.benchmarks()[0]["id"])
        self.assertEqual(len(self.json("bench", "--remote", url, "--compare", number,
                                       number)["results"]), 5)
        self.call("bench", "--remote", url, "--compare", "99999999", number, status=MISSING)

    def benchmarks(self):
        with open(self.path("state", "link"), encoding="utf-8") as f:
            token = f.read().strip().split("=")[1]
        done = subprocess.run(["curl", "-sf", "-H", f"Authorization: Bearer {token}",
                               f"http://127.0.0.1:{self.port}/api/v1/benchmarks"],
                              capture_output=True, check=True)
        return json.loads(done.stdout)["items"]


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[1:])
