#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups, cartridges and what is written where; the link file, on the command line.

usage: test_files.py TIMBRED [unittest arguments]
"""
import json
import os
import pty
import stat
import subprocess
import unittest

import test_cli
import test_models

USAGE, DAMAGED, MISSING, BUSY = test_cli.USAGE, test_cli.DAMAGED, test_cli.MISSING, test_cli.BUSY
OBOE = {"uuid": "99999999-2222-4333-8444-555555555555", "sha256": "ab" * 32, "name": "Oboe"}
SINGLE, BULK = 163, 4104


def uuid(i):
    return f"00000000-5555-4222-8333-{i:012}"


class Files(test_models.Models):
    def import_bank(self, voices):
        """A bank of so many voices with two networks, one of them twice."""
        patches = [{"uuid": uuid(i), "name": f"ZV {i:03}", "values": {"fm.op1.level": i}}
                   for i in range(voices)]
        patches += [{"uuid": uuid(900 + i), "name": f"Net {i}", "model": OBOE, "values": {}}
                    for i in range(2)]
        places = [p["uuid"] for p in patches]
        places[1:1] = [uuid(900)]
        bank = {"name": "Large", "number": 300, "patches": places}
        with open(self.path("large.json"), "w", encoding="utf-8") as f:
            json.dump({"format": "timbred", "version": 1, "patches": patches, "banks": [bank]}, f)
        self.call("patch", "import", "large.json")

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def names(self, name):
        """Of the voices of a cartridge."""
        data = self.read(name)
        self.assertEqual(len(data), BULK)
        voices = [data[6 + 128 * i:134 + 128 * i][118:128].decode().strip() for i in range(32)]
        return [v for v in voices if v.startswith("ZV ")]

    def check_cartridges(self):
        told = self.call("patch", "export", "--bank", "large", "-o", "my.bank.syx")
        self.assertEqual(told.split(), ["my.bank-1.syx", "my.bank-2.syx", "my.bank-3.syx"])
        self.assertEqual(self.error, "left out: 3 patches that networks play\n")
        found = [self.names(n) for n in told.split()]
        self.assertEqual([len(n) for n in found], [32, 32, 6])
        self.assertEqual(sum(found, []), [f"ZV {i:03}" for i in range(70)])
        self.assertFalse(os.path.exists(self.path("my.bank.syx")))
        told = self.json("patch", "export", "--bank", "large", "--format", "syx", "-o", "plain")
        self.assertEqual(told, {"format": "syx", "files": [
            {"output": f"plain-{i}", "bytes": BULK} for i in (1, 2, 3)]})
        for where in ([], ["-o", "-"]):
            self.assertEqual(self.call("patch", "export", "--bank", "large", "--format", "syx",
                                       *where, status=USAGE), "")
            self.assertIn("--output: needed for 70 voices, which take 3 files", self.error)
        some = [f"ZV {i:03}" for i in range(33)]
        self.assertEqual(len(self.call("patch", "export", *some, "-o", "33.syx").split()), 2)
        self.assertEqual(self.names("33-2.syx"), ["ZV 032"])
        self.assertEqual(self.call("patch", "export", *some[:2], "-o", "2.syx"), "")
        self.assertEqual(self.names("2.syx"), some[:2])
        self.call("patch", "export", "ZV 007", "-o", "one.syx")
        self.assertEqual(len(self.read("one.syx")), SINGLE)
        self.call("patch", "export", *some, "Net 1", "-o", "none.syx", status=USAGE)
        self.assertIn('a network plays "Net 1"; a DX7 cannot', self.error)
        self.assertFalse(os.path.exists(self.path("none-1.syx")), "none before all are made")

    def test_cartridges(self):
        os.mkdir(self.path("state"))
        self.import_bank(70)
        self.check_cartridges()
        self.call("patch", "export", "--offline", "-o", "all.syx")
        all_of_them = [self.names(f"all-{i}.syx") for i in (1, 2, 3)]
        self.assertEqual(sum(all_of_them, []), [f"ZV {i:03}" for i in range(70)])
        for i in range(3):
            os.unlink(self.path(f"my.bank-{i + 1}.syx"))
        self.start()
        self.check_cartridges()

    def test_no_bytes_on_a_terminal(self):
        os.mkdir(self.path("state"))
        self.import_bank(1)
        ours, theirs = pty.openpty()
        for words, status in ((["ZV 000", "--format", "syx"], USAGE), (["ZV 000"], test_cli.OK),
                              (["ZV 000", "--format", "syx", "-o", "-"], test_cli.OK)):
            done = subprocess.run(
                [test_cli.TIMBRED, "patch", "export", *words, "--state", self.path("state"),
                 "--config", self.config], stdout=theirs, stderr=subprocess.PIPE, timeout=60,
                env=test_cli.environment(self.folder), cwd=self.folder, check=False)
            self.assertEqual(done.returncode, status, done.stderr)
            os.read(ours, 65536) if status == test_cli.OK else None
        os.close(ours)
        os.close(theirs)

    def test_devices_and_links_stay(self):
        """What is no file is written into, and what a link leads to is replaced, not the link."""
        os.mkdir(self.path("state"))
        self.import_bank(1)
        note = ("--notes", "69:100:0:0.1", "--offline")
        wanted = {}
        for name, words in (("a.json", ("patch", "export", "ZV 000")),
                            ("a.wav", ("render", "ZV 000", *note))):
            self.call(*words, "-o", name)
            wanted[name] = self.read(name)
            pipe, link = self.path(f"{name}.pipe"), self.path(f"{name}.link")
            os.mkfifo(pipe)
            os.symlink(self.path(name), link)
            with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
                self.call(*words, "-o", pipe)
                self.assertEqual(reader.stdout.read(), wanted[name])
            self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))
            with open(self.path(name), "wb") as f:
                f.write(b"old")
            self.call(*words, "-o", link)
            self.assertTrue(os.path.islink(link))
            self.assertEqual(self.read(name), wanted[name])
            os.symlink("/dev/full", self.path(f"{name}.full"))
            self.call(*words, "-o", f"{name}.full", status=74)
            self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))

    def listed(self):
        return self.json("patch", "ls", "ZV", "--limit", "500")["total"]

    def check_backup(self, *where):
        told = self.json("backup", "export", "-o", "all.db", *where)
        self.assertEqual(told, {"output": "all.db", "bytes": os.path.getsize(self.path("all.db"))})
        self.assertEqual(os.stat(self.path("all.db")).st_mode & 0o777, 0o600)
        self.assertTrue(self.read("all.db").startswith(b"SQLite format 3\0"))
        self.call("patch", "import", "more.json")
        self.assertEqual(self.listed(), 4)
        token = self.json("token", "add", "--label", "newer")["token"]
        self.assertEqual(self.call("backup", "restore", "all.db", *where), "")
        self.assertIn("all.db is restored", self.error)
        self.assertEqual(self.listed(), 3)
        labels = [t["label"] for t in self.json("token", "ls")["items"]]
        self.assertIn("newer", labels, "tokens stay those of the device")
        self.assertTrue(any("before-restore" in n for n in os.listdir(self.path("state"))))
        self.assertEqual(self.json("backup", "restore", "all.db", *where), {"restored": True})
        return token

    def check_refusals(self, *where):
        with open(self.path("noise"), "wb") as f:
            f.write(b"noise" * 2000)
        with open(self.path("cut.db"), "wb") as f:
            f.write(self.read("all.db")[:-4096])
        for name, status in (("noise", DAMAGED), ("cut.db", DAMAGED), ("nowhere", MISSING)):
            self.call("backup", "restore", name, *where, status=status)
            self.assertIn(name, self.error)
        self.assertEqual(self.listed(), 3)

    def test_backup(self):
        os.mkdir(self.path("state"))
        self.import_bank(3)
        with open(self.path("more.json"), "w", encoding="utf-8") as f:
            json.dump({"format": "timbred", "version": 1,
                       "patches": [{"name": "ZV more", "values": {}}]}, f)
        self.check_backup()
        self.check_refusals()
        self.start()
        self.call("status", "--token", self.check_backup())
        self.check_refusals()
        self.call("backup", "restore", "all.db", "--offline", status=BUSY)
        self.assertIn("in use by another timbred", self.error)
        self.call("backup", "export", "-o", "beside.db", "--offline")
        self.assertEqual(self.listed(), 3)

    def test_backups_at_once(self):
        """Each has a file of its own, and nothing of it is left."""
        self.start()
        where = ["--state", self.path("state"), "--config", self.config]
        for _ in range(3):
            running = [subprocess.Popen(
                [test_cli.TIMBRED, "backup", "export", "-o", f"{i}.db", *where],
                stderr=subprocess.PIPE, text=True, cwd=self.folder,
                env=test_cli.environment(self.folder)) for i in range(6)]
            for i, one in enumerate(running):
                said = one.communicate(timeout=60)[1]
                self.assertEqual(one.returncode, test_cli.OK, said)
                self.assertEqual(self.read("0.db"), self.read(f"{i}.db"))
        self.assertEqual([n for n in os.listdir(self.path("state")) if ".part" in n], [])

    def test_backup_of_nothing(self):
        self.call("backup", "export", "-o", "a.db", status=MISSING)
        self.assertFalse(os.path.exists(self.path("a.db")))

    def test_backup_to_another_device(self):
        """A folder that is not there yet takes it; what comes next is its own."""
        os.mkdir(self.path("state"))
        self.import_bank(3)
        piped = self.run_raw("backup", "export", "--state", self.path("state"), "--config",
                             self.config).stdout
        with open(self.path("piped.db"), "wb") as f:
            f.write(piped)
        os.rename(self.path("state"), self.path("old"))
        self.call("backup", "restore", "piped.db")
        self.assertEqual(self.listed(), 3)
        self.start()
        self.assertEqual(self.listed(), 3)

    def test_labels(self):
        os.mkdir(self.path("state"))
        self.import_bank(1)
        for label in ("a\nb", "x" * 65):
            self.call("token", "add", "--label", label, status=USAGE)
            self.assertIn("label: ", self.error)
        self.assertEqual(self.json("token", "ls")["items"], [])

    def test_a_withdrawn_link_is_told(self):
        self.start()
        link = self.json("url")["url"].split("=")[1]
        first = min(i["id"] for i in self.json("token", "ls")["items"])
        self.assertEqual(self.json("token", "rm", str(first)), {})
        self.call("status", status=test_cli.DENIED)
        self.assertIn(f"the token in {self.path('state')}/link was withdrawn", self.error)
        self.call("status", "--token", link)
        for _ in range(6):
            self.run_raw("status", "--state", self.path("state"), "--config", self.config,
                         "--token", "wrong")
        self.call("status", status=BUSY)
        self.assertIn("too many wrong tokens", self.error)


if __name__ == "__main__":
    unittest.main()
