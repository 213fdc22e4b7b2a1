# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop, reload, supervision and the service manager's watchdog."""
import os
import signal
import socket
import tempfile
import time

from daemon import PROGRAM, Daemon, check, wait_for

QUIET = ("--audio.driver=null", "--midi.sequencer=false")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def starts_and_stops():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Daemon(*QUIET) as d:
            d.wait_playing()
            web = wait_for_web(d)
            check(all(os.readlink(f"/proc/{web}/fd/{n}").startswith(kind) for n, kind in
                      ((3, "socket:"), (4, "/memfd:timbred"))), "the web role has its descriptors")
            took = d.stop(number)
            check(d.status_code == 0, f"stops in {took:.2f} s")
            check(not alive(web), "and takes the web role with it")


def wait_for_web(d):
    found = []
    wait_for(lambda: found.extend(d.children()) or found, 3, "a web role")
    return found[0]


def survives_signals():
    with Daemon(*QUIET) as d:
        d.wait_playing()
        wait_for_web(d)
        for number in (signal.SIGPIPE, signal.SIGCONT, signal.SIGHUP):
            d.process.send_signal(number)
        wait_for(lambda: "configuration read again" in d.said(), 2, "SIGHUP reads it again")
        check(d.process.poll() is None, "SIGPIPE, SIGCONT and SIGHUP are survived")


def reload_changes_the_device():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "timbred.conf")
        write(path, "[audio]\ndriver = null\nblock = 64\n")
        with Daemon("--config", path, "--midi.sequencer=false") as d:
            d.wait_playing()
            write(path, "[audio]\ndriver = null\nblock = 256\nrate = 44100\n")
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: d.status()["block"] == 256, 3, "the new block size plays")
            check(d.status()["rate_hz"] == 44100, "and the new rate")
            check("needs a restart" not in d.said(), "which needs no restart")
            web, fifo = wait_for_web(d), os.path.join(folder, "fifo")
            os.mkfifo(fifo)
            rest = "driver = null\nblock = 256\nrate = 44100\n"
            write(path, f"[server]\nhosts = synth\n[midi]\nin = {fifo}\n"
                        f"[audio]\npriority = 0\n{rest}")
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: d.children() not in ([], [web]), 3, "new host names, new web role")
            wait_for(lambda: not d.status()["realtime"], 2, "the priority is changed")
            with open(fifo, "wb") as keys:
                keys.write(b"\x90\x3c\x64")
            wait_for(lambda: d.status()["midi_events"] > 0, 2, "a new MIDI input is heard")
            check("needs a restart" not in d.said(), "none of which needs a restart")
            write(path, f"[audio]\ncpu = -2\n{rest}")
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "audio.cpu was changed, which needs a restart" in d.said(), 2,
                     "what cannot be taken over is named")
            write(path, "[audio]\nblock = banana\n")
            d.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "configuration not changed" in d.said(), 2, "nonsense is refused")
            check(f"{path}:2: audio.block: banana" in d.said(), "by file, line and setting")
            check(d.status()["block"] == 256, "and changes nothing")


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def web_follows_a_killed_parent():
    with Daemon(*QUIET) as d:
        d.wait_playing()
        web = wait_for_web(d)
        d.stop(signal.SIGKILL)
        wait_for(lambda: not alive(web), 2, "the web role does not outlive a killed parent")


def web_is_started_again():
    with Daemon(*QUIET) as d:
        d.wait_playing()
        for n in range(5):
            web = wait_for_web(d)
            time.sleep(0.1)
            os.kill(web, signal.SIGKILL)
            took = wait_for(lambda w=web: d.children() not in ([], [w]), 2, "a new one")
            check(True, f"a killed web role is back in {took * 1000:.0f} ms")
        check(d.status()["web_restarts"] >= 5, "and counted")


def service_manager_is_told():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notify")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(path)
        listener.settimeout(20)
        with Daemon(*QUIET, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}) as d:
            check(listener.recv(64) == b"READY=1", "READY=1")
            for _ in range(6):
                check(listener.recv(64) == b"WATCHDOG=1", "WATCHDOG=1")
            d.stop()
            said = b""
            while b"STOPPING=1" not in said:
                said += listener.recv(64)
            check(True, "STOPPING=1")
        listener.close()


def one_wrong_option():
    import subprocess
    run = subprocess.run([PROGRAM, "serve", "--audio.rate=1"], capture_output=True, text=True,
                         check=False)
    check(run.returncode == 78 and "audio.rate: 1 is not in 22050..192000" in run.stderr,
          "a wrong option ends with 78 and its bound")


starts_and_stops()
survives_signals()
reload_changes_the_device()
web_follows_a_killed_parent()
web_is_started_again()
service_manager_is_told()
one_wrong_option()
