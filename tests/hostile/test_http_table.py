#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Malformed, smuggled and forbidden HTTP: each row gets its one status and nothing behind it.

usage: test_http_table.py TIMBRED
"""
import json
import sys
import unittest

from daemon import Daemon
from wire import exchange

BINARY = sys.argv.pop(1) if len(sys.argv) > 1 else "build/server/timbred"
CLOSE = "Connection: close\r\n"


def get(path="/", head="", version="HTTP/1.1", method="GET", host="Host: HOST\r\n"):
    return f"{method} {path} {version}\r\n{host}{head}\r\n"


def post(body, head="", path="/api/v1/state", method="PATCH", length=None):
    """A write that is right but for what the row changes."""
    size = len(body.encode("latin-1")) if length is None else length
    lengths = f"Content-Length: {size}\r\n" if size != "" else ""
    return (f"{method} {path} HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\n"
            f"Content-Type: application/json\r\n{lengths}{head}\r\n{body}")


EVIL = "GET /api/v1/health HTTP/1.1\r\nHost: HOST\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
GOOD = '{"values":{"fm.feedback":3}}'

# (name, request, statuses that must come, in order). One status: whatever follows was not served.
ROWS = [
    ("plain page", get("/", CLOSE), [200]),
    ("health without a token", get("/api/v1/health", CLOSE), [200]),
    ("good write", post(GOOD, CLOSE), [200]),
    ("three in a row", EVIL * 3, [200, 200, 200]),
    # ---- who is meant
    ("no Host", get(host=""), [400]),
    ("HTTP/1.0 without Host", get(host="", version="HTTP/1.0"), [400]),
    ("two Hosts", get(host="Host: HOST\r\nHost: evil.example\r\n"), [400]),
    ("the same Host twice", get(host="Host: HOST\r\nHost: HOST\r\n"), [400]),
    ("empty Host", get(host="Host: \r\n"), [421]),
    ("foreign Host", get(host="Host: rebind.example\r\n", head=CLOSE), [421]),
    ("foreign Host, API", get("/api/v1/health", CLOSE, host="Host: rebind.example\r\n"), [421]),
    ("Host with our name inside", get(host="Host: HOST.evil.example\r\n", head=CLOSE), [421]),
    ("Host with user", get(host="Host: evil@HOST\r\n", head=CLOSE), [421]),
    ("Host with another port", get(host="Host: 127.0.0.1:1\r\n", head=CLOSE), [421]),
    ("absolute address", get("http://evil.example/", CLOSE), [400]),
    # ---- where a request ends
    ("length and chunks", post("0\r\n\r\n" + EVIL, CHUNKED, length=5), [400]),
    ("two lengths", post("{}" + EVIL, "Content-Length: 40\r\n"), [400]),
    ("the same length twice", post("{}", "Content-Length: 2\r\n"), [400]),
    ("length in a list", post("{}" + EVIL, length="2, 2"), [400]),
    ("negative length", post("{}" + EVIL, length="-1"), [400]),
    ("length with a sign", post("{}" + EVIL, length="+2"), [400]),
    ("length in hex", post("{}" + EVIL, length="0x2"), [400]),
    ("length over 2^64", post("{}", length="18446744073709551617"), [413]),
    ("unknown encoding", post("0\r\n\r\n" + EVIL, "Transfer-Encoding: xchunked\r\n", length=""),
     [400]),
    ("two encodings", post("0\r\n\r\n" + EVIL, CHUNKED + CHUNKED, length=""), [400]),
    ("encoding twice in one", post("0\r\n\r\n", "Transfer-Encoding: chunked, chunked\r\n",
                                   length=""), [400]),
    ("huge chunk", post("FFFFFFFFFFFFFFFFF\r\n", CHUNKED, length=""), [413]),
    ("chunk in C hex", post("0x2\r\n{}\r\n0\r\n\r\n", CHUNKED, length=""), [400]),
    ("negative chunk", post("-2\r\n{}\r\n0\r\n\r\n", CHUNKED, length=""), [400]),
    # ---- how a head is written
    ("bare line feeds", "GET / HTTP/1.1\nHost: HOST\nConnection: close\n\n", [400]),
    ("blank before the colon", get(host="Host : HOST\r\n"), [400]),
    ("folded header", get(head="A: b\r\n c: d\r\n"), [400]),
    ("NUL in a header", get(head="A: b\0c\r\n" + CLOSE), [400]),
    ("control character in a header", get(head="A: b\x01c\r\n"), [400]),
    ("header without a name", get(head=": x\r\n" + CLOSE), [400]),
    ("header without a colon", get(head="nothing\r\n"), [400]),
    ("HTTP/9.9", get(version="HTTP/9.9"), [505]),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
    ("address of 32 KiB", get("/" + "a" * 32768), [414]),
    ("10,000 headers", get(head="".join(f"A{i}: b\r\n" for i in range(10000))), [431]),
    ("header of 20 KiB", get(head="A: " + "b" * 20480 + "\r\n"), [431]),
    # ---- paths
    ("NUL in the path", get("/a%00b", CLOSE), [400]),
    ("dot segments", get("/../../etc/passwd", CLOSE), [400]),
    ("encoded dot segments", get("/%2e%2e/%2e%2e/etc/passwd", CLOSE), [400]),
    ("double slash", get("//api/v1/health", CLOSE), [400]),
    ("backslash", get("/..\\..\\etc\\passwd", CLOSE), [400]),
    ("nowhere", get("/api/v1/nowhere", CLOSE + "Authorization: Bearer TOKEN\r\n"), [404]),
    ("nowhere outside the API", get("/nowhere.html", CLOSE), [404]),
    # ---- methods
    ("unknown method", get(method="BREW", head=CLOSE), [405]),
    ("lower-case method", get(method="get", head=CLOSE), [405]),
    ("TRACE", get(method="TRACE", head=CLOSE), [405]),
    ("CONNECT", get("evil.example:443", CLOSE, method="CONNECT"), [400]),
    ("DELETE of a list", get("/api/v1/params", CLOSE + "Authorization: Bearer TOKEN\r\n",
                             method="DELETE"), [405]),
    # ---- other protocols
    ("h2c", get("/ws", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                "HTTP2-Settings: AAMAAABkAAQAAP__\r\n"), []),
    ("h2c on a page", get("/", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
                          "HTTP2-Settings: AAMAAABkAAQAAP__\r\n"), [200]),
    ("unknown upgrade", get("/ws", "Upgrade: foo\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), [403]),
    # ---- who may
    ("write without a token", post(GOOD, CLOSE).replace("Authorization: Bearer TOKEN\r\n", ""),
     [401]),
    ("token in the address", get("/api/v1/state?token=TOKEN", CLOSE), [401]),
    ("two tokens", get("/api/v1/state", "Authorization: Bearer x\r\n"
                       "Authorization: Bearer TOKEN\r\n"), [400]),
    ("basic authentication", get("/api/v1/state", CLOSE + "Authorization: Basic TOKEN\r\n"), [401]),
    ("write from a foreign page", post(GOOD, CLOSE + "Origin: http://evil.example\r\n"), [403]),
    ("write from a sandboxed page", post(GOOD, CLOSE + "Origin: null\r\n"), [403]),
    ("write with two Origins", post(GOOD, "Origin: http://HOST\r\nOrigin: http://evil\r\n"), [400]),
    ("write from our page", post(GOOD, CLOSE + "Origin: http://HOST\r\n"), [200]),
    ("form type", post(GOOD, CLOSE).replace("application/json", "text/plain"), [415]),
    ("form fields", post(GOOD, CLOSE).replace("application/json",
                                              "application/x-www-form-urlencoded"), [415]),
    ("no type", post(GOOD, CLOSE).replace("Content-Type: application/json\r\n", ""), [415]),
    # ---- bodies
    ("64 KiB and one", post(" " * 65537, CLOSE), [413]),
    ("10 MiB said", post("", length=10 << 20), [413]),
    ("72 KiB in chunks", post(("2000\r\n" + " " * 0x2000 + "\r\n") * 9 + "0\r\n\r\n",
                              CHUNKED + CLOSE, length=""), [413]),
    ("unknown expectation", post(GOOD, CLOSE + "Expect: magic\r\n"), [200]),
    ("empty body", post("", CLOSE), [400]),
]

# What libmicrohttpd 0.9.75 lets through before we can see it (rewritten in 1.0.0): harmless without
# a proxy that reads otherwise in front, printed at each run, and to be taken out when it is mended.
GAPS = {
    "bare line feeds": [200],
    "NUL in a header": [200],
    "header without a name": [200, 400],  # the head ends there, the rest is another request
}

DEEP = {f"{n} deep": "[" * n + "]" * n for n in (33, 100, 2048, 2049, 20000)}
JSON = {
    **DEEP,
    "objects 40 deep": '{"a":' * 40 + "1" + "}" * 40,
    "duplicate key": '{"values":{"fm.feedback":1,"fm.feedback":2}}',
    "NaN": '{"values":{"fm.feedback":NaN}}',
    "Infinity": '{"values":{"fm.feedback":Infinity}}',
    "1e999": '{"values":{"fm.feedback":1e999}}',
    "1e308": '{"values":{"reverb.mix":1e308}}',
    "below": '{"values":{"fm.feedback":-1}}',
    "above": '{"values":{"fm.feedback":8}}',
    "a fraction": '{"values":{"fm.feedback":1.5}}',
    "over 64 bits": '{"values":{"fm.feedback":9223372036854775808}}',
    "text for a number": '{"values":{"fm.feedback":"3"}}',
    "null for a number": '{"values":{"fm.feedback":null}}',
    "true for a number": '{"values":{"fm.feedback":true}}',
    "list for values": '{"values":[3]}',
    "unknown parameter": '{"values":{"no.such.key":1}}',
    "unknown member": '{"values":{},"more":1}',
    "nothing": "{}",
    "bad UTF-8": '{"values":{"\xff\xfe":1}}',
    "overlong UTF-8": '{"values":{"\xc0\xaf":1}}',
    "lone surrogate": '{"values":{"\\ud800":1}}',
    "escaped NUL": '{"values":{"a\\u0000b":1}}',
    "a number": "1",
    "text behind": '{"values":{}}x',
    "comment": '{"values":{}}//',
    "byte order mark": '\xef\xbb\xbf{"values":{}}',
    "cut short": '{"values":{"fm.feedback":',
    "long string": '{"values":{"' + "a" * 5000 + '":1}}',
    "2,000 keys": '{"values":{' + ",".join(f'"k{i}":1' for i in range(2000)) + "}}",
}


class HttpTable(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(BINARY).start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()

    def bytes_of(self, text):
        text = text.replace("HOST", f"127.0.0.1:{self.daemon.port}")
        return text.replace("TOKEN", self.daemon.token).encode("latin-1")

    def test_rows(self):
        self.assertGreaterEqual(len(ROWS) + len(JSON), 100)
        for name, text, wanted in ROWS:
            with self.subTest(name):
                answer = exchange(self.daemon.port, self.bytes_of(text))
                if name in GAPS:
                    print(f"known gap: {name}: {GAPS[name]} instead of {wanted}")
                wanted = GAPS.get(name, wanted)
                self.assertEqual(answer.statuses, wanted, answer.data[:300])
                # its automatic answers repeat their head inside the body, past Content-Length
                self.assertNotIn(b"HTTP/1", answer.rest, "something stands behind the answer")
                if not wanted or wanted[0] in (400, 414, 431, 505):
                    self.assertTrue(answer.closed, "left open after a malformed request")
        self.assertTrue(self.daemon.is_up())

    def state(self):
        status, state = self.daemon.json("GET", "/state")
        self.assertEqual(status, 200)
        return state["values"]

    def test_bad_json_changes_nothing_and_says_why(self):
        before = self.state()
        for name, body in JSON.items():
            with self.subTest(name):
                answer = exchange(self.daemon.port, self.bytes_of(post(body, CLOSE)))
                self.assertEqual(answer.statuses, [400], answer.data[:300])
                self.assertIn("application/problem+json", answer.heads[0])
                problem = json.loads(answer.data.partition(b"\r\n\r\n")[2])
                self.assertEqual(problem["status"], 400)
                self.assertGreater(len(problem["detail"]), 5)
        self.assertEqual(self.state(), before)

    def test_answers_carry_the_headers_that_protect(self):
        for path in ("/", "/api/v1/health"):
            _, headers, _ = self.head_of(path)
            self.assertEqual(headers.get("x-content-type-options"), "nosniff", path)
            self.assertNotIn("access-control-allow-origin", headers)
        policy = self.head_of("/")[1].get("content-security-policy", "")
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertIn("frame-ancestors 'none'", policy)

    def head_of(self, path):
        answer = exchange(self.daemon.port, self.bytes_of(get(path, CLOSE)))
        lines = answer.heads[0].split("\r\n")[1:]
        return answer.statuses, {k.lower(): v for k, v in (x.split(": ", 1) for x in lines)}, lines


if __name__ == "__main__":
    unittest.main(warnings="ignore")
