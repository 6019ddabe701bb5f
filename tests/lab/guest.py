"""A machine of its own for what can't be done to this one, such as setting its clock: Debian's user-mode Linux kernel as a
process, with this machine's files (hostfs) and nothing else of it. The lab works in it as it does here."""

import os
import shlex
import subprocess
import sys
import tempfile

import pytest

from .agent import binary
from .waiting import PATIENCE

MODULES = ("veth", "bridge", "af_packet")

# /run is the guest's own, with the names of its namespaces and sockets.
INIT = """#!/bin/bash
exec >{output} 2>&1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/modules/lib
ln -s /usr/lib/uml/modules /run/modules/lib/modules
for module in {modules}; do modprobe -d /run/modules "$module"; done
ip link set lo up
cd {directory}
env {environment} {command}
echo "exit $?"
sync
echo o >/proc/sysrq-trigger
sleep 60
"""


def sanitized():
    """Whether the agent was built with AddressSanitizer or ThreadSanitizer, whose shadow memory finds no room in a guest."""
    with open(binary(), "rb") as program:
        symbols = program.read()
    return b"__asan_init" in symbols or b"__tsan_init" in symbols


def run(program, *arguments, timeout=300):
    """Runs a Python program in a guest, its output; AssertionError if it fails."""
    if sanitized():
        pytest.skip("a sanitizer's shadow memory finds no room in user-mode Linux")
    with tempfile.TemporaryDirectory(prefix="fairlead-guest-") as directory:
        output = os.path.join(directory, "output")
        init = os.path.join(directory, "init")
        # Its labs' directories apart from this machine's, which would sweep them away: their processes aren't seen here.
        scratch = os.path.join(directory, "tmp")
        os.mkdir(scratch)
        names = {"TMPDIR": scratch, "PYTHONDONTWRITEBYTECODE": "1", **{key: value for key, value in os.environ.items() if key.startswith("FAIRLEAD")}}
        with open(init, "w") as file:
            file.write(
                INIT.format(
                    output=shlex.quote(output), modules=" ".join(MODULES), directory=shlex.quote(os.getcwd()),
                    environment=" ".join(f"{key}={shlex.quote(value)}" for key, value in names.items()),
                    command=shlex.join([sys.executable, program, *arguments]),
                )
            )  # fmt: skip
        os.chmod(init, 0o700)
        kernel = ["linux.uml", "mem=512M", "rootfstype=hostfs", "rootflags=/", "rw", f"init={init}", "con=null", "con0=null,fd:2", "quiet", "umid=" + os.path.basename(directory)]
        try:
            done = subprocess.run(kernel, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout * PATIENCE, env={**os.environ, "HOME": directory, "TMPDIR": directory})
            console = (done.stdout + done.stderr).decode(errors="replace")
        except subprocess.TimeoutExpired as expired:
            console = f"nothing after {expired.timeout} s\n" + (expired.stderr or b"").decode(errors="replace")
        text = ""
        if os.path.exists(output):
            with open(output, errors="replace") as file:
                text = file.read()
        assert text.rstrip().endswith("exit 0"), f"{text}\n--- the guest's console:\n{console}"
        return text
