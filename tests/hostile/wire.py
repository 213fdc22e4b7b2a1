# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP and WebSocket as bytes, so that they can be wrong."""
import base64
import os
import re
import socket
import struct
import time


class Answer:
    """Responses as they came: statuses in order, bodies skipped by their length."""

    def __init__(self, data, closed):
        self.data, self.closed, self.statuses, self.heads = data, closed, [], []
        rest = data
        while rest.startswith(b"HTTP/1"):
            head, _, rest = rest.partition(b"\r\n\r\n")
            self.statuses.append(int(head.split(b" ")[1]))
            self.heads.append(head.decode("latin-1"))
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            rest = rest[int(length[1]) if length else 0:]
        self.rest = rest


def exchange(port, *parts, seconds=2.0, source=None, pause=0.02):
    """Sends the parts and reads until the other side closes or seconds are over."""
    data, closed = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=seconds,
                                  source_address=(source, 0) if source else None) as s:
        s.settimeout(seconds)
        try:
            for i, part in enumerate(parts):
                if i:
                    time.sleep(pause)
                s.sendall(part)
        except OSError:
            pass  # refused before all of it was sent: the answer is what counts
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                s.settimeout(max(0.01, deadline - time.monotonic()))
                more = s.recv(65536)
                if not more:
                    closed = True
                    break
                data += more
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
    return Answer(data, closed)


def upgrade(port, path="/ws", extra="", version="13", key=None, protocol="timbred.v1",
            host=None, up="websocket", connection="Upgrade"):
    key = base64.b64encode(os.urandom(16)).decode() if key is None else key
    lines = [f"GET {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", f"Upgrade: {up}",
             f"Connection: {connection}", f"Sec-WebSocket-Version: {version}",
             f"Sec-WebSocket-Key: {key}"]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode()


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, data=b"", fin=True, mask=True, rsv=0, length=None, wide=None):
    """One frame; length lies about the size, wide forces 7, 16 or 64 bits for it."""
    size = len(data) if length is None else length
    wide = wide or (7 if size < 126 else 16 if size < 65536 else 64)
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0x80 if mask else 0
    if wide == 7:
        head = first + bytes([flag | size])
    elif wide == 16:
        head = first + bytes([flag | 126]) + struct.pack(">H", size)
    else:
        head = first + bytes([flag | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + data
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(data))


class Socket:
    """A WebSocket client that does exactly what it is told."""

    def __init__(self, port, seconds=5.0, source=None, **how):
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=seconds,
            source_address=(source, 0) if source else None)
        self.socket.sendall(upgrade(port, **how))
        self.buffer, self.status = b"", None
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(4096)
            if not more:
                break
            self.buffer += more
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 "):
            self.status = int(head.split(b" ")[1])

    def send(self, data):
        self.socket.sendall(data)

    def _take(self, n, deadline):
        while len(self.buffer) < n:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("closed")
            self.buffer += more
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def receive(self, seconds=2.0):
        """(opcode, payload); TimeoutError or ConnectionError when there is none."""
        deadline = time.monotonic() + seconds
        head = self._take(2, deadline)
        size = head[1] & 127
        if size == 126:
            size = struct.unpack(">H", self._take(2, deadline))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8, deadline))[0]
        return head[0] & 15, self._take(size, deadline)

    def outcome(self, seconds=2.0):
        """What becomes of the connection: a close code, 'closed' without one, or 'open'."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                opcode, data = self.receive(deadline - time.monotonic())
                if opcode == CLOSE:
                    return struct.unpack(">H", data[:2])[0] if len(data) >= 2 else 1005
        except TimeoutError:
            return "open"
        except OSError:
            return "closed"

    def close(self):
        self.socket.close()
