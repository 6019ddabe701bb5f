"""In a guest of its own (lab/guest.py): what `fairlead preflight` says of a kernel that lacks parts of nftables, and of a clock that
something keeps right or nothing does. For test_preflight.py."""

import ctypes
import json
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab import Lab  # noqa: E402
from lab.agent import binary  # noqa: E402

VIP = "10.10.1.108"
ADJ_MAXERROR, ADJ_STATUS, STA_UNSYNC = 4, 0x10, 0x40


def findings(host, *arguments):
    """{id: finding}"""
    command = [binary(), "preflight", "--vip", VIP, "-o", "json", *arguments]
    run = subprocess.run(["nsenter", f"--net=/var/run/netns/{host.namespace}", "--", *command], capture_output=True, text=True, timeout=120)
    assert run.stdout.startswith("{"), f"{run.returncode} {run.stdout}{run.stderr}"
    return {each["id"]: each for each in json.loads(run.stdout)["findings"]}


def expect(found, severity, *words):
    assert found["severity"] == severity and all(word in found["what"] for word in words), found


def check_kernel(host):
    host.forward()
    assert "kernel" not in findings(host), "the proxy needs nothing of it"
    expect(findings(host, "--data-path", "nat")["kernel"], "error", "nfnetlink")
    host.run(binary(), "cleanup", "--vip", VIP)  # where there can be no rules, none need be removed
    subprocess.run(["modprobe", "-d", "/run/modules", "nf_tables"], check=True)
    expect(findings(host, "--data-path", "nat")["kernel"], "error", "nat", "it lacks nf_tables (ip)")
    expect(findings(host, "--data-path", "dsr")["kernel"], "error", "dsr", "nf_tables (ip)", "nf_tables (netdev)")
    expect(findings(host, "--data-path", "auto")["kernel"], "note", "nf_tables (ip)")
    print("the kernel: found", flush=True)


def set_clock_kept(kept):
    """adjtimex(2); with an error that is small, or the kernel itself would soon call it unsynchronised."""
    clock = ctypes.create_string_buffer(256)
    struct.pack_into("=I", clock, 0, ADJ_MAXERROR | ADJ_STATUS)
    struct.pack_into("=q", clock, 24, 0)
    struct.pack_into("=i", clock, 40, 0 if kept else STA_UNSYNC)
    assert ctypes.CDLL(None).adjtimex(clock) >= 0


def check_clock(host):
    set_clock_kept(True)
    assert "clock" not in findings(host)
    set_clock_kept(False)
    expect(findings(host)["clock"], "note", "nothing keeps")
    keys = os.path.join(host.directory, "keys")
    with open(keys, "w") as file:
        file.write("1:0123456789abcdefghijklmnopqrstuv\n")
    os.chmod(keys, 0o600)
    expect(findings(host, "--auth-type", "HMAC", "--auth-key-file", keys)["clock"], "warning", "nothing keeps")
    print("the clock: found", flush=True)


with Lab(vips=[VIP]) as lab:
    master = lab.host("master1", "10.10.1.83")
    check_clock(master)
    check_kernel(master)
