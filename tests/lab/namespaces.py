"""Network namespaces: making them, entering them, and clearing away what a killed run left behind.

Every name is `fl<pid>.<number>-<host>`, so that a later run can tell whose they are.
"""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time

DIRECTORY = "/run/netns"
PATTERN = re.compile(r"^fl(\d+)\.\d+-")
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True, timeout=30, input=None):
    """Runs a command to its end; its output as text. A failure tells what the command said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=input)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def path(name):
    return f"{DIRECTORY}/{name}"


def add(name):
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")


def processes(name):
    """The pids of the processes in a namespace, this process and its threads excepted."""
    text = run("ip", "netns", "pids", name, check=False)
    return [int(pid) for pid in text.split() if int(pid) != os.getpid()]


def remove(name):
    """Ends every process in the namespace, then the namespace."""
    for attempt in range(50):
        pids = processes(name)
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    run("ip", "netns", "delete", name, check=False)


def sweep():
    """Removes the namespaces of runs that are no longer there, with what runs in them."""
    if not os.path.isdir(DIRECTORY):
        return
    for name in os.listdir(DIRECTORY):
        match = PATTERN.match(name)
        if match and not os.path.isdir(f"/proc/{match.group(1)}"):
            remove(name)


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")



@contextlib.contextmanager
def inside(name):
    """Moves the calling thread into the namespace. A socket made there belongs to it for good."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)
