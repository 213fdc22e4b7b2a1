#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the seeds that can be written down in a line. usage: seeds.py [ROOT]

What a parser should see at least once; finds and longer files lie beside them in corpus/TARGET and
are kept by hand. Run it again after a change here and commit what it wrote.
"""
import os
import struct
import sys



def track(*events):
    data = b"".join(events)
    return b"MTrk" + struct.pack(">I", len(data)) + data


def midi(kind, division, *tracks):
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division) + b"".join(tracks)


WAV = (b"RIFF" + struct.pack("<I", 100) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 48000,
                                                                     96000, 2, 16)
       + b"data" + struct.pack("<I", 64) + bytes(range(64)))
END = b"\x00\xff\x2f\x00"
HELLO = (b'{"type":"hello","token":"AAAAAAAAAAAAAAAAAAAAAA","topics":["state","telemetry"]}'
         b"\n")
NOTE = b"\x00\x90\x3c\x64\x60\x3e\x64\x60\x80\x3c\x00\x00\x3e\x00"
VOICE = bytes([99, 99, 99, 99, 99, 99, 99, 0, 39, 0, 0, 0, 0x38, 0, 0, 2, 0]) * 6 + bytes(
    [99] * 4 + [50] * 4 + [0, 8, 35, 0, 0, 0, 0x31, 24]) + b"INIT VOICE"


def bulk(data=VOICE * 32, head=b"\xf0\x43\x00\x09\x20\x00", end=b"\xf7"):
    return head + data + bytes([-sum(data) % 128]) + end


SEEDS = {
    # R: a file; E: bytes changed in a whole one; T: cut; S: SQL run on it (fuzz_backup.c)
    "backup": {
        "whole": b"E",
        "truncated": b"T" + struct.pack("<I", 3 * 4096)[:3],
        "cut-in-a-page": b"T" + struct.pack("<I", 5000)[:3],
        "bad-page": b"E" + b"".join(struct.pack("<I", 4096 * 3 + i)[:3] + b"\x5a"
                                    for i in range(24)),
        "bad-header": b"E" + struct.pack("<I", 16)[:3] + b"\x20",
        "schema-cookie": b"E" + struct.pack("<I", 40)[:3] + b"\x7f",
        "foreign": b"SPRAGMA application_id = 1",
        "foreign-schema": b"SDROP TABLE bank_patch; CREATE TABLE bank_patch (a, b)",
        "newer": b"SPRAGMA user_version = 99",
        "extra-trigger": b"SCREATE TRIGGER evil AFTER INSERT ON patch BEGIN "
                         b"DELETE FROM token; END",
        "view": b"SCREATE VIEW evil AS SELECT * FROM patch",
        "writable-schema": b"SPRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2 "
                           b"WHERE name = 'setting'",
        "values": b"SUPDATE patch SET val = x'01ffff00ff'; DELETE FROM param_key",
        "text-index": b"SDELETE FROM patch_text_data; UPDATE patch_text_config SET v = 99",
        "rows": b"SDELETE FROM patch; INSERT INTO setting VALUES ('a', 'b')",
        "checks": b"SPRAGMA ignore_check_constraints = ON; UPDATE patch SET uuid = 'short'",
        "last-id": b"SUPDATE patch SET id = 134217727 WHERE name = 'two'",
        "page-size": b"SPRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM",
        "nothing": b"R",
        "text": b"RSQLite format 3\0 and no more",
    },
    "smf": {
        "format0": midi(0, 96, track(NOTE, END)),
        "format1": midi(1, 480, track(b"\x00\xff\x51\x03\x07\xa1\x20", END), track(NOTE, END)),
        "smpte": midi(0, 0xE728, track(NOTE, END)),
        "bend": midi(0, 96, track(b"\x00\xb0\x65\x00\x00\x64\x00\x00\x06\x0c\x00\xe0\x00\x60",
                                  NOTE, END)),
        "sysex": midi(0, 96, track(b"\x00\xf0\x03\x43\x00\xf7\x00\xd0\x40\x00\xa0\x3c\x20", END)),
        "cut": midi(0, 96, track(NOTE, END))[:-9],
        "long-length": b"MThd\xff\xff\xff\xff",
    },
    "config": {
        "whole": b"[server]\nlisten = 127.0.0.1\nport = 8080\nhosts = a.example, b\n[audio]\n"
                 b"driver = null\nrate = 96000\nblock = 128\npriority = 0\ncpu = -2\n"
                 b"[midi]\nin = /dev/midi1\nsequencer = no\n",
        "options": b"[audio]\nblock=64\n\0--server.port=0\n--audio.block=32\n--state=/tmp/x\n"
                   b"--verbose\n--midi.sequencer=false",
        "unknown": b"[server]\nprot = 1\n",
        "above": b"[audio]\nrate = 999999999999\n",
        "text": b"[audio]\nrate = fast\n",
        "no-section": b"port = 1\n",
        "long": b"[audio]\ndevice = " + b"x" * 300 + b"\n",
    },
    "import": {
        "file": b'{"format":"timbred","version":1,"patches":[{"uuid":'
                b'"01234567-89ab-4cde-8f01-23456789abcd","name":"a","tags":["b"],"comment":"c",'
                b'"favourite":true,"values":{"fm.algorithm":5,"chorus.mix":0.1,"future.key":1}}],'
                b'"banks":[{"uuid":"11234567-89ab-4cde-8f01-23456789abcd","name":"d","number":1,'
                b'"patches":[null,"01234567-89ab-4cde-8f01-23456789abcd"]}]}',
        "body": b'{"name":"a","category":"b","tags":null,"values":{"dx7.name.1":5}}',
        "above": b'{"name":"a","values":{"fm.op1.coarse":64}}',
        "deep": b"[" * 40,
        "duplicate": b'{"name":"a","name":"b"}',
        "utf8": b'{"name":"\xc3("}',
        "voice": VOICE,
        "single": b"\xf0\x43\x00\x00\x01\x1b" + bytes(155) + b"\x00\xf7",
    },
    "edge": {
        "good": b"127.0.0.1:8080\nhttp://127.0.0.1:8080\n" + b'{"values":{"fm.feedback":3}}',
        "named": b"Panel.Example\nhttps://panel.example\n" + b'{"a":[1,2.5,true,null,"x"]}',
        "foreign": b"127.0.0.1.evil.example:8080\nnull\n" + b'{"a":1,"a":2}',
        "user": b"evil@localhost:8080\nhttp://evil\n" + b"[" * 40 + b"]" * 40,
        "six": b"[::1]:8080\nhttp://[::1]:8080\n" + b'{"a":1e999}',
        "text": b"localhost\n\n" + b'{"\\ud800":"\xff"}',
    },
    "ws_message": {
        "play": HELLO + b'{"type":"note","on":true,"key":60,"velocity":100,"id":1}\n'
                b'{"type":"bend","value":-0.5}\n{"type":"controller","number":1,"value":1}\n'
                b'{"type":"pressure","value":0.3}\n{"type":"release"}\n{"type":"panic"}',
        "edit": HELLO + b'{"type":"set","values":{"fm.feedback":3},"id":"a"}\n{"type":"undo"}\n'
                b'{"type":"redo"}\n{"type":"compare","on":true}\n'
                b'{"type":"load","patch":"00000000-0000-4000-8000-000000000000"}',
        "listen": HELLO + b'{"type":"subscribe","topics":["scope","notes","jobs"]}\n'
                  b'{"type":"listen","on":true}\n{"type":"ping","t":1.5}\n'
                  b'{"type":"input","on":true}\n{"type":"input"}\n{"type":"input","on":false}',
        "bad": HELLO + b'{"type":"note","on":1,"key":128,"velocity":0}\n{"type":"bend","value":2}\n'
               b'{"type":3}\n{}\nx\n{"type":"set","values":[]}\n{"type":"ping","id":{}}',
        "early": b'{"type":"panic"}',
        "denied": b'{"type":"hello","token":"x","topics":[]}',
    },
    "sound": {
        "wav": b"\0" + WAV,
        "wav-lies": b"\0" + WAV[:40] + b"\xff\xff\xff\x7f" + WAV[44:],
        "wav-24": b"\0" + WAV[:16] + struct.pack("<IHHIIHH", 16, 1, 2, 96000, 576000, 6, 24)
                  + WAV[36:],
        "frames": b"\1" + 2 * (struct.pack("<BBHIII", 16, 1, 8, 0, 44100, 0) + bytes(range(16))),
        "frames-bad": b"\1" + struct.pack("<BBHIII", 16, 1, 999, 0, 44100, 0) + bytes(8),
    },
    "link": {
        "done": b"\0" + struct.pack("<IIIIq", 64, 7, 0, 4, -1) + b"x".ljust(160, b"\0") + b"abcd",
        "load": b"\1" + struct.pack("<IIIIq", 1, 8, 0, 0, 0) + bytes(160),
        "two-fds": b"\2" + struct.pack("<IIIIq", 1, 8, 0, 0, 0) + bytes(160),
        "size-lies": b"\1" + struct.pack("<IIIIq", 65, 0, 0, 60000, 0) + b"x" * 160,
        "short": b"\1" + b"\x40\0\0\0",
        "empty-with-fd": b"\1",  # once leaked the descriptor
        "status": b"\0" + struct.pack("<IIIIq", 64, 7, 99, 0, 0) + b"x" * 160,
    },
    "midi": {
        "notes": b"\x90\x3c\x64\x3c\x00\xf8\x91\x40\xfe\x40\x80\x3c\x10",
        "controllers": b"\xb0\x01\x40\x21\x10\x65\x00\x64\x00\x06\x0c\x60\x00\x61\x00",
        "program": b"\xb0\x00\x01\x20\x02\xc0\x05\xd0\x40\xa0\x3c\x20\xe0\x00\x60",
        "sysex": b"\xf0\x43\x00\xf8\x01\xf7\xf0\x43\x90\x3c\x40\xf7",
        "sysex-long": b"\xf0" + b"\x01" * 300 + b"\xf7",
        "modes": b"\xb0\x78\x00\x79\x00\x7b\x00\x7e\x01\x7f\x00\xff\xf2\x01\x02",
    },
    "notes": {
        "text": b"60:100:0:1,C4:90:1:0.5",
        "names": b"f#3:1:0:0.01,Bb-1:127:599:1",
        "json": b'[{"time_s":0,"key":60,"velocity":100,"duration_s":1}]',
        "json-bad": b'[{"time_s":-1,"key":128,"velocity":0,"duration_s":1e400}]',
    },
    "params": {
        "level": b"fm.op1.level\n99",
        "above": b"fm.op1.coarse\n64",
        "nan": b"reverb.decay\nnan",
        "infinite": b"master.gain\n-inf",
        "huge": b"chorus.rate\n1e308",
        "fraction": b"fm.algorithm\n1.5",
        "unknown": b"no.such.key\n1",
    },
    "sysex": {
        "bulk": bulk(),
        "bulk-cut": bulk()[:1000],
        "bulk-real-time": bulk(end=b"\xf8\xf7"),
        "bulk-count": bulk(head=b"\xf0\x43\x05\x09\x10\x00", end=b""),
        "four-operators": bulk(head=b"\xf0\x43\x00\x04\x20\x00"),
        "single": b"\xf0\x43\x00\x00\x01\x1b" + bytes(155) + b"\x00\xf7",
        "single-high": b"\xf0\x43\x00\x00\x01\x1b" + b"\x85" * 155 + b"\x00\xf7",
        "change": b"\xf0\x43\x10\x01\x06\x3f\xf7",
        "performance": b"\xf0\x43\x00\x01\x00\x5e" + bytes(95) + b"\xf7",
        "raw": VOICE * 2,
        "midi-file": b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\xa6\0\xf0\x81\x22\x43\0\0\x01\x1b"
                     + bytes(156) + b"\xf7",
        "other-maker": b"\xf0\x7e\x7f\x06\x01\xf7",
    },
}


def main(root="."):
    for target, seeds in SEEDS.items():
        folder = os.path.join(root, "tests/fuzz/corpus", target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(folder, f"seed-{name}"), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
