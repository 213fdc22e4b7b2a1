# SPDX-License-Identifier: GPL-3.0-or-later
"""The ALSA path against a real server with a real clock: jackd's dummy driver behind ALSA's jack
plugin. Plays, at the right pitch and pace; hears itself; counts xruns; survives kill -9 of the
server and is back within a second of its return."""
import glob
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from daemon import LOST, RUNNING, Daemon, check, skip, wait_for

FULL = os.environ.get("TIMBRED_FULL") == "1"
ROUNDS = int(os.environ.get("TB_JACK_KILLS", "100" if FULL else "3"))
SPAN = 8  # periods
TRIES = 8  # a machine that is taken away for a moment makes jackd lose time
BUSY_CARD = os.environ["BUSY_CARD"]
ASOUNDRC = """pcm.jk { type jack
  playback_ports { 0 system:playback_1 1 system:playback_2 }
  capture_ports { 0 system:capture_1 1 system:capture_2 } }
"""


class Server:
    """A jackd of our own name, so that nobody else's is touched."""

    def __init__(self, folder):
        # One name for all runs: jackd keeps eight names, and a killed server leaves its own behind.
        self.name = "timbred-test"
        self.env = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_AUDIO_RESERVATION": "1",
                    "JACK_NO_START_SERVER": "1"}
        self.log = os.path.join(folder, "jackd.log")
        self.process = None

    def run(self, *command, **more):
        return subprocess.run(command, env={**os.environ, **self.env}, capture_output=True,
                              text=True, check=False, **more)

    @staticmethod
    def sweep():
        """Takes away what killed servers left when no server runs: a full table refuses more."""
        if subprocess.run(["pgrep", "-x", "jackd"], capture_output=True, check=False).returncode:
            for left in glob.glob("/dev/shm/jack*"):
                if os.stat(left, follow_symlinks=False).st_uid == os.geteuid():
                    shutil.rmtree(left) if os.path.isdir(left) else os.unlink(left)

    def start(self):
        """Returns once the server answers."""
        self.sweep()
        log = open(self.log, "a", encoding="utf-8")
        real_time = ["-R", "-P75"] if os.geteuid() == 0 else ["-r"]
        self.process = subprocess.Popen(
            ["jackd", *real_time, "-n", self.name, "-d", "dummy", "-r", "48000", "-p", "64"],
            env={**os.environ, **self.env}, stdout=log, stderr=log)
        log.close()
        wait_for(lambda: self.run("jack_lsp").returncode == 0, 10, "jackd answers")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ports(self):
        return [p for p in self.run("jack_lsp").stdout.split() if ":out_" in p]

    def record(self, seconds, path):
        ports = self.ports()
        check(len(ports) == 2, f"two ports are there: {ports}")
        self.run("jack_rec", "-f", path, "-d", str(seconds), "-b", "16", *ports, timeout=20)
        with open(path, "rb") as f:
            data = f.read()
        at = data.index(b"data") + 8
        return [s[0] / 32768 for s in struct.iter_unpack("<hh", data[at:at + (len(data) - at)
                                                                     // 4 * 4])]


def pitch(samples, rate):
    crossings = [i - b / (b - a) for i, (a, b) in enumerate(zip(samples, samples[1:]), 1)
                 if a < 0 <= b]
    # the middle one of many spans: where the server lost time, only some are longer
    spans = sorted(b - a for a, b in zip(crossings, crossings[SPAN:]))
    return SPAN * rate / spans[len(spans) // 2]


def strike(fifo, *data):
    fd = os.open(fifo, os.O_WRONLY)
    os.write(fd, bytes(data))
    os.close(fd)


def keeps_pace(what, frames):
    """Of several seconds the best: a wrong rate would be 8 % off in all, no clock 1000 times."""
    best = 0.0
    for _ in range(TRIES):
        a, start = frames(), time.monotonic()
        time.sleep(1)
        pace = (frames() - a) / 48000 / (time.monotonic() - start)
        best = min(best, pace, key=lambda p: abs(p - 1))
        if abs(best - 1) < 0.01:
            break
    check(abs(best - 1) < 0.03, f"{what} at pace {best:.4f}")


def plays(d, server, fifo, folder):
    d.wait_playing()
    a = d.status()
    check(a["state"] == RUNNING and a["device"] == "jk", f"plays on {a['device']}: {a['why']}")
    keeps_pace("plays", lambda: d.status()["frames"])
    strike(fifo, 0x90, 69, 100)
    off = 1200.0
    for _ in range(TRIES):  # an xrun of the server while it records shifts the phase
        samples = server.record(2, os.path.join(folder, "out.wav"))[24000:]
        off = min(off, 1200 * math.log2(pitch(samples, 48000) / 440), key=abs)
        if abs(off) < 0.5:
            break
    check(abs(off) < 0.5, f"the server heard key 69, {off:+.3f} cents off 440 Hz")
    strike(fifo, 0x80, 69, 0)


HOG = """
import os, time
os.sched_setaffinity(0, {int(os.environ["TB_CPU"])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
end = time.monotonic() + 0.05
while time.monotonic() < end:
    pass
"""


def heard(d):
    return d.api("GET", "/status")["audio"]["input"]


def hears(d, server):
    """Its output is wired to its own input: what it plays it hears."""
    said = heard(d)
    check(said["on"] and "jk" in said["text"], f"an input is open: {said}")
    time.sleep(0.5)
    keeps_pace("hears", lambda: heard(d)["frames"])
    ports = server.run("jack_lsp").stdout.split()
    for port in (p for p in ports if ":in_" in p):
        server.run("jack_connect", server.ports()[0], port)
    strike_and_hear(d, 69, 440.0)
    strike_and_hear(d, 57, 220.0)


def strike_and_hear(d, key, hz):
    check(d.api("POST", "/notes", {"key": key, "velocity": 100}) is None, f"key {key} is down")
    time.sleep(0.5)
    f0 = [heard(d)["f0_hz"] for _ in range(3)]
    off = [1200 * math.log2(max(f, 1) / hz) for f in f0]
    check(max(map(abs, off)) < 5, f"the tracker hears {f0} Hz")
    level = heard(d)["level_db"]
    check(-60 < level < 0, f"at {level:.1f} dB")
    d.api("DELETE", f"/notes/{key}")
    wait_for(lambda: heard(d)["f0_hz"] == 0, 3, "and no pitch afterwards")


def counts_xruns(d):
    """Something of higher priority takes the audio thread's processor away for 50 ms."""
    before = d.status()
    if before["cpu"] < 0 or not before["realtime"]:
        print("left out: no processor of its own, so no xrun can be made")
        return
    subprocess.run([sys.executable, "-c", HOG], check=True,
                   env={**os.environ, "TB_CPU": str(before["cpu"])})
    wait_for(lambda: d.status()["xruns"] > before["xruns"], 2, "an xrun is counted")
    after = d.status()
    check(after["state"] == RUNNING, f"{after['xruns'] - before['xruns']} xrun(s) counted")
    time.sleep(0.5)
    check(d.status()["frames"] - after["frames"] > 12000, "and the sound goes on")


def server_dies(d, server):
    server.kill()
    lost = wait_for(lambda: d.status()["state"] == LOST, 2, "the loss is noticed")
    a = d.status()["frames"]
    time.sleep(1.0)
    on_clock = (d.status()["frames"] - a) / 48000
    check(0.5 < on_clock < 1.5, f"lost after {lost:.2f} s, the clock goes on")
    server.start()
    back = wait_for(lambda: d.status()["state"] == RUNNING, 3, "the device comes back")
    check(back < 5.0, f"back {back:.2f} s after the server")


def waits_for_a_busy_card(env, folder):
    """Somebody else holds the card at the start, and lets it go later."""
    held = os.path.join(folder, "held")
    with open(held, "w", encoding="ascii"):
        pass
    with Daemon("--audio.driver=alsa", "--audio.device=jk", "--midi.sequencer=false",
                env={**env, "LD_PRELOAD": BUSY_CARD, "TB_BUSY_WHILE": held}) as d:
        d.wait_playing()
        a = d.status()
        check(a["device"] != "jk" and "jk is busy" in a["why"], f"plays meanwhile: {a['why']}")
        os.unlink(held)
        took = wait_for(lambda: d.status()["device"] == "jk", 5, "the card is taken when free")
        check(d.status()["state"] == RUNNING, f"plays on it {took:.1f} s after")


def main():
    if not shutil.which("jackd") or not shutil.which("jack_rec"):
        skip("jackd2 is not installed: the ALSA path is not tested against a real clock")
    if not glob.glob("/usr/lib/*/alsa-lib/libasound_module_pcm_jack.so"):
        skip("libasound2-plugins is not installed: no jack plugin for ALSA")
    with tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        with open(os.path.join(folder, "asoundrc"), "w", encoding="ascii") as f:
            f.write(ASOUNDRC)
        server = Server(folder)
        server.start()
        env = {**server.env,
               "ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{folder}/asoundrc"}
        try:
            with Daemon("--audio.driver=alsa", "--audio.device=jk", "--audio.input=same",
                        f"--midi.in={fifo}", "--midi.sequencer=false", env=env) as d:
                plays(d, server, fifo, folder)
                hears(d, server)
                counts_xruns(d)
                for _ in range(ROUNDS):
                    server_dies(d, server)
                took = d.stop()
                check(d.status_code == 0, f"stops in {took:.2f} s")
            waits_for_a_busy_card(env, folder)
        finally:
            server.kill()


main()
