"""A process in a host's network namespace, stopped by the pid that we started and nothing else."""

import os
import signal
import subprocess


class Process:
    def __init__(self, name, arguments, log_path, namespace=None, env=None):
        self.name = name
        self.log_path = log_path
        command = [str(a) for a in arguments]
        if namespace:
            command = ["nsenter", f"--net=/run/netns/{namespace}", "--"] + command
        self._log = open(log_path, "ab")
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process.poll() is None

    @property
    def exit_code(self):
        return self._process.poll()

    def log_text(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def signal(self, number):
        if self.running:
            os.kill(self.pid, number)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL to the process and the children it left in its session; waits until it is gone."""
        self._signal_group(signal.SIGKILL)
        self._process.wait(10)
        self._log.close()

    def stop(self, timeout=10):
        """SIGTERM, then the exit code; SIGKILL and a failure if it doesn't end."""
        self.thaw()
        self.signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {timeout} s\n{self.log_text()[-3000:]}") from None
        self._log.close()
        return code

    def wait(self, timeout):
        return self._process.wait(timeout)

    def _signal_group(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass
