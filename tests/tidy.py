#!/usr/bin/env python3
"""clang-tidy over the product's sources (.clang-tidy), two at a time; run by `tests/run.sh tidy`.

What was clean is remembered outside the tree, by the content of the file and of every header of this tree that it includes, so that a second
run asks only about what has changed. Findings are printed, and then it ends with 1. The release build must be there and up to date: its
commands and dependencies are what it goes by.

    tests/tidy.py [FILE...]      only these
"""

import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build/release")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "fairlead/tidy")
TIDY = "clang-tidy-19"


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def included():
    """source file → files of this tree that went into its object, by ninja's record of the last build"""
    sources = {}
    current = None
    for line in output("ninja", "-C", BUILD, "-t", "deps").splitlines():
        if not line.startswith(" "):
            current = None
            continue
        path = os.path.normpath(os.path.join(BUILD, line.strip()))
        if current is None:
            current = sources.setdefault(path, set())
        if path.startswith(ROOT + os.sep):
            current.add(path)
    return sources


def fingerprint(path, headers, common):
    digest = hashlib.sha256(common)
    for name in sorted({path, *headers}):
        with open(name, "rb") as file:
            digest.update(os.path.relpath(name, ROOT).encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def check(path):
    """seconds, findings"""
    began = time.monotonic()
    run = subprocess.run([TIDY, "-p", BUILD, "--quiet", path], capture_output=True, text=True, check=False)
    return time.monotonic() - began, "" if run.returncode == 0 else run.stdout + run.stderr


def main():
    known = {os.path.normpath(os.path.join(entry["directory"], entry["file"])) for entry in json.load(open(f"{BUILD}/compile_commands.json"))}
    names = sys.argv[1:] or output("git", "-C", ROOT, "ls-files", "agent/*.cpp", "lb/*.cpp").split()
    paths = [os.path.join(ROOT, name) for name in names]
    unbuilt = [path for path in paths if path not in known]
    if unbuilt:
        sys.exit("not built by the preset release: " + " ".join(unbuilt))
    with open(f"{ROOT}/.clang-tidy", "rb") as file:
        common = file.read() + output(TIDY, "--version").encode()
    headers = included()
    missing = [path for path in paths if path not in headers]
    if missing:
        sys.exit("build the preset release first; it has no record of " + " ".join(missing))
    marks = {path: os.path.join(CACHE, fingerprint(path, headers[path], common)) for path in paths}
    due = [path for path in paths if not os.path.exists(marks[path])]
    print(f"{len(paths)} files, {len(paths) - len(due)} of them known to be clean", flush=True)
    os.makedirs(CACHE, exist_ok=True)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (seconds, findings) in zip(due, pool.map(check, due)):
            print(f"{os.path.relpath(path, ROOT)} {seconds:.0f} s", flush=True)
            if findings:
                bad += 1
                print(findings, flush=True)
            else:
                open(marks[path], "w").close()
    print(f"{bad} of {len(paths)} files have findings" if bad else "clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
