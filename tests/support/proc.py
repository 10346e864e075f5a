# proc.py - starting other programs for a test, waiting for conditions, and leaving nothing behind.
# SPDX-License-Identifier: Apache-2.0
#
# Whatever is started here dies with the Python process that started it, also when that one is
# killed with -9: each child asks the kernel for a signal at the death of its parent
# (prctl(2), PR_SET_PDEATHSIG). Folders of runs that were killed are swept by the next run.
import atexit
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Timeout(Exception):
    """A condition did not come true in time; says which."""


def cache():
    """The folder for what was downloaded; survives runs, is not in git."""
    folder = Path(os.environ.get("TESTS_CACHE") or REPO / ".cache")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def wait_for(condition, timeout_s, what, interval_s=0.05):
    """Calls condition() until it is true and returns its value; raises Timeout naming `what`."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f"no {what} within {timeout_s} s")
        time.sleep(interval_s)


def free_ports(count):
    """`count` TCP ports nobody listens on, below the range the kernel gives to outgoing connections."""
    held, ports = [], []
    while len(ports) < count:
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", random.SystemRandom().randrange(12000, 32000)))
        except OSError:
            s.close()
            continue
        held.append(s)
        ports.append(s.getsockname()[1])
    for s in held:
        s.close()
    return ports


def listening(port):
    with socket.socket() as s:
        s.settimeout(0.5)
        return s.connect_ex(("127.0.0.1", port)) == 0


def _sweep(base):
    for old in base.glob("chatmill-*-*"):
        pid = old.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(old, ignore_errors=True)


def private_folder(name):
    """A new folder under the temporary one, removed at exit; other users may walk through it."""
    base = Path(tempfile.gettempdir())
    _sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=f"chatmill-{os.getpid()}-{name}-", dir=base))
    folder.chmod(0o711)
    if not os.environ.get("TESTS_KEEP"):
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def die_with_parent(signum=signal.SIGKILL):
    """For the calling process: get `signum` when the parent goes away."""
    _libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)


def spawn(argv, *, death=signal.SIGKILL, **kw):
    """Popen in a process group of its own that ends with us. Call it from the main thread: the
    kernel counts the thread that forked as the parent."""
    p = subprocess.Popen([str(a) for a in argv], start_new_session=True,
                         preexec_fn=lambda: die_with_parent(death), **kw)
    atexit.register(end, p)
    return p


def end(p, signum=signal.SIGTERM, patience_s=20):
    """Ends the process group of `p`: politely, then for good. Returns its exit status."""
    if p.poll() is None:
        try:
            os.killpg(p.pid, signum)
        except ProcessLookupError:
            pass
        try:
            p.wait(patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
    try:
        os.killpg(p.pid, signal.SIGKILL)  # whatever the leader left behind
    except (ProcessLookupError, PermissionError):
        pass
    return p.returncode


def kill9(p):
    """What a power cut looks like from outside."""
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    p.wait()


def exit_on_signals():
    """Turns SIGTERM, SIGHUP and SIGINT into an ordinary exit, so that atexit cleans up."""
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, lambda s, _: sys.exit(128 + s))
