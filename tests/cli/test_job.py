#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job role over its descriptor 3, as the web role uses it. usage: test_job.py TIMBRED"""
import base64
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
import unittest

TIMBRED = sys.argv.pop(1)
F_GET_SEALS, SEALED = 1034, 0xF
SILENCE = struct.pack("<4sI4s4sIHHIIHH4sI64x", b"RIFF", 100, b"WAVE", b"fmt ", 16, 1, 1, 48000,
                      96000, 2, 16, b"data", 64)


class Job:
    """A job child and our end of its socket."""

    def __init__(self):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.settimeout(30)
        number = theirs.fileno()

        def give():
            os.dup2(number, 3)
            os.set_inheritable(3, True)

        self.process = subprocess.Popen([TIMBRED, "--role=job"], pass_fds=(3,), preexec_fn=give,
                                        stderr=subprocess.PIPE)
        theirs.close()

    def send(self, kind, text):
        fd = os.memfd_create("spec")
        os.write(fd, text.encode() if isinstance(text, str) else json.dumps(text).encode())
        socket.send_fds(self.ours, [json.dumps({"kind": kind}).encode()], [fd])
        os.close(fd)

    def packets(self):
        """Every packet until the job has left: (object, bytes of its memfd or None)."""
        while True:
            data, fds, _, _ = socket.recv_fds(self.ours, 4096, 1)
            if not data:
                return
            content = None
            if fds:
                assert fcntl.fcntl(fds[0], F_GET_SEALS) & SEALED == SEALED, "not sealed"
                content = os.pread(fds[0], 1 << 28, 0)
                os.close(fds[0])
            yield json.loads(data), content

    def run(self, kind, text):
        self.send(kind, text)
        seen = list(self.packets())
        assert self.process.wait(10) == 0
        self.close()
        return seen

    def close(self):
        self.ours.close()
        self.process.stderr.close()
        self.process.wait(10)


NOTE = {"time_s": 0, "key": 69, "velocity": 100, "duration_s": 0.25}


class TestJob(unittest.TestCase):
    def test_render(self):
        spec = {"values": {"reverb.mix": 0.2}, "notes": [NOTE], "rate_hz": 44100, "tail_s": 2}
        first = Job().run("render", spec)
        self.assertEqual(first[-1][0], {"done": True, "type": "audio/wav"})
        wav = first[-1][1]
        self.assertEqual(wav[:4] + wav[8:12], b"RIFFWAVE")
        kind, channels, rate = struct.unpack_from("<HHI", wav, 20)
        self.assertEqual((channels, rate), (2, 44100))
        self.assertIn(kind, (3, 0xFFFE))
        for packet, _ in first[:-1]:
            self.assertTrue(0 <= packet["progress"] <= 1)
        again = Job().run("render", spec)[-1][1]
        self.assertEqual(wav, again, "the same specification gives the same bytes")

    def test_render_of_midi(self):
        midi = (b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\x0c"
                b"\x00\x90\x45\x64\x30\x80\x45\x00\x00\xff\x2f\x00")
        spec = {"values": {}, "midi": base64.b64encode(midi).decode(), "seed": 7}
        packet, wav = Job().run("render", spec)[-1]
        self.assertTrue(packet["done"])
        self.assertGreater(len(wav), 0.25 * 48000 * 8)

    def test_bench(self):
        spec = {"voices": [1, 32], "blocks": [64], "seconds": 0.05, "paced": True, "force": False}
        seen = Job().run("bench", spec)
        self.assertEqual(seen[-1][0], {"done": True, "type": "application/json"})
        result = json.loads(seen[-1][1])
        self.assertEqual(len(result["results"]), 10)
        self.assertTrue(any("progress" in packet for packet, _ in seen))
        self.assertGreater(result["machine"]["cores"], 0)

    def test_faults_are_told(self):
        cases = [
            ("dance", {}, 1, "kind: no such job"),
            ("render", "{{", 1, "job: the specification is not JSON"),
            ("render", {"values": {}}, 1, "notes: not an array"),
            ("render", {"values": {"fm.op1.coarse": 64}, "notes": []}, 1,
             "fm.op1.coarse: 64 is above 31"),
            ("render", {"values": {}, "midi": "!!!"}, 1, "midi: not base64"),
            ("render", {"values": {}, "midi": "TVRoZA=="}, 9,
             "midi: byte 0: not a standard MIDI file (no MThd of 14 bytes)"),
            ("render", {"values": {}, "notes": [], "rate_hz": 1}, 1,
             "rate_hz: 1 is not in 22050..192000"),
            ("bench", {"voices": [99]}, 1, "voices[0]: 99 is not in 1..64"),
            ("render", "x" * (13 << 20), 5,
             "job: a specification of 13631488 bytes, 2..12582912 allowed"),
            ("render", {"values": {}, "input": "!!!"}, 1, "input: not base64"),
            ("render", {"values": {}, "input": "AAAA"}, 1, "input: not a WAV file"),
            ("render", {"values": {}, "input": "A" * (11 << 20)}, 5,
             "input: more than 8388608 bytes"),
            ("render", {"values": {}, "input": base64.b64encode(SILENCE).decode()}, 1,
             "input: only neural instruments listen; model is needed"),
        ]
        for kind, spec, status, text in cases:
            with self.subTest(text=text):
                seen = Job().run(kind, spec)
                self.assertEqual(seen, [({"error": {"status": status, "text": text}}, None)])

    def test_an_abandoned_job_ends(self):
        job = Job()
        job.send("bench", {"seconds": 5, "paced": True})
        data, _, _, _ = socket.recv_fds(job.ours, 4096, 1)
        self.assertIn("progress", json.loads(data))
        job.ours.close()
        start = time.monotonic()
        self.assertEqual(job.process.wait(30), 0)
        self.assertLess(time.monotonic() - start, 12, "it ends with the case that it is in")
        job.close()

    def test_nobody_asks(self):
        job = Job()
        job.ours.shutdown(socket.SHUT_WR)
        packets = list(job.packets())
        self.assertEqual(packets[0][0]["error"]["status"], 1)
        self.assertEqual(job.process.wait(10), 0)
        job.close()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
