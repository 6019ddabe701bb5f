"""A program in a host's namespace, with its log in a file."""

import contextlib
import os
import signal
import subprocess
import time

from . import namespaces


class Process:
    """Started in a process group of its own, so that its children go with it."""

    def __init__(self, name, namespace, command, log, environment=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.log = log
        self.command = [str(part) for part in command]
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                ["nsenter", f"--net={namespaces.path(namespace)}", "--", *self.command],
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self):
        return self.popen.pid

    @property
    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self):
        """SIGKILL, as the kernel's memory killer does it: nothing is cleaned up."""
        self.signal(signal.SIGKILL)
        self.popen.wait(10)

    def stop(self, timeout=20):
        """SIGTERM, and the wait for its end; the exit code."""
        self.signal(signal.SIGCONT)
        if self.alive:
            # To the program alone: keepalived and HAProxy end their own children.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout} s of SIGTERM\n{self.tail()}") from None
        deadline = time.monotonic() + 2
        while self.group_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.signal(signal.SIGKILL)
        return code

    def group_alive(self):
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def text(self):
        """All that it has written."""
        with open(self.log, errors="replace") as file:
            return file.read()

    def tail(self, lines=25):
        last = self.text().splitlines()[-lines:]
        return "\n".join([f"--- {self.name} ({self.log})", *last])
