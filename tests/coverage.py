#!/usr/bin/env python3
"""Line coverage of the tests that ran in build/asan, room by room; run by `tests/run.sh coverage`.

Cores are the files without socket, thread or clock (docs/architecture.md), which their headers call pure; of them 95 %
of the lines must have run, of the whole 85 %, else it ends with 1. Files below their mark are listed with their lines
that never ran. See docs/testing.md.

    tests/coverage.py --cores      only the cores are judged: the edges are the system tests'
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build/asan")
CORE, WHOLE = 95.0, 85.0
# Rooms without an edge, and files that are cores although their header doesn't call itself pure.
CORES = [
    "agent/vrrp/*", "agent/config/*", "agent/import/*", "lb/*", "lb/balancing/*",
    "agent/kubernetes/kubeconfig.*", "agent/kubernetes/response_body.*", "agent/guard/testament.*", "lb/kernel/*_rules.*",
]  # fmt: skip
EDGES = ["agent/config/host_facts.*", "lb/local_addresses.*", "lb/local_clients.*"]  # that lie among the cores
PURE = re.compile(r"\b(Pure|Plain values?)\b")


def matches(path, patterns):
    # A pattern's * doesn't reach into folders.
    return any(os.path.dirname(path) == os.path.dirname(pattern) and fnmatch.fnmatch(path, pattern) for pattern in patterns)


def is_core(path):
    header = os.path.join(ROOT, os.path.splitext(path)[0] + ".h")
    if matches(path, EDGES):
        return False
    if matches(path, CORES) or not os.path.exists(header):
        return matches(path, CORES)
    with open(header) as file:
        return bool(PURE.search(file.read().partition("#include")[0]))


def counted(data):
    """What gcov says of one object: path → {line: times it ran}. Standard library and tests aren't asked about."""
    with tempfile.TemporaryDirectory() as scratch:
        answer = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--relative-only", "--source-prefix", ROOT, data],
            cwd=scratch, capture_output=True, text=True,
        )  # fmt: skip
    if answer.returncode != 0:
        # Counts of another build, or of a process that was killed while it wrote them: gcov tells the lines without them.
        print(f"{answer.stderr.strip()}: counts left out", file=sys.stderr)
    files = collections.defaultdict(collections.Counter)
    for line in answer.stdout.splitlines():
        for file in json.loads(line)["files"]:
            path = os.path.relpath(os.path.normpath(os.path.join(ROOT, file["file"])), ROOT)
            if path.startswith(("agent/", "lb/")):
                for each in file["lines"]:
                    files[path][each["line_number"]] += each["count"]
    return files


def measured():
    """path → {line: times it ran}, of all objects: those that never ran are told by their .gcno alone."""
    # Of programs that only measure and simulate, gcov would tell of no other lines than of the tests.
    notes = glob.glob(f"{BUILD}/**/*.gcno", recursive=True)
    data = [ran if os.path.exists(ran := note.removesuffix(".gcno") + ".gcda") else note for note in notes]
    files = collections.defaultdict(collections.Counter)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(counted, data):
            for path, lines in part.items():
                files[path].update(lines)
    return files


def ranges(numbers):
    """3, 4, 5, 9 → "3-5 9" """
    text, start, last = [], None, None
    for number in [*sorted(numbers), None]:
        if start is not None and number != last + 1:
            text.append(f"{start}" if start == last else f"{start}-{last}")
            start = None
        if start is None:
            start = number
        last = number if number is not None else last
    return " ".join(text)


def percent(pairs):
    ran, lines = (sum(column) for column in zip(*pairs))
    return 100 * ran / max(1, lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", action="store_true", help="judge only these")
    options = parser.parse_args()
    files = {path: lines for path, lines in measured().items() if lines}
    if not files:
        sys.exit("no test has run in build/asan")
    counts = {path: (sum(1 for times in lines.values() if times), len(lines)) for path, lines in files.items()}
    rooms = collections.defaultdict(list)
    for path in counts:
        rooms[os.path.dirname(path)].append(path)
    cores = [path for path in counts if is_core(path)]
    for path in sorted(counts):
        mark = CORE if path in cores else 0 if options.cores else WHOLE
        if percent([counts[path]]) < mark:
            missing = ranges(line for line, times in files[path].items() if not times)
            print(f"{path}: {percent([counts[path]]):.1f} % of {counts[path][1]}; never ran: {missing}")
    print(f"\n{'room':24} {'lines':>7} {'covered':>8}")
    for room in sorted(rooms):
        print(f"{room:24} {sum(counts[path][1] for path in rooms[room]):7} {percent([counts[path] for path in rooms[room]]):7.1f} %")
    core, whole = percent([counts[path] for path in cores]), percent(counts.values())
    print(f"{'cores':24} {sum(counts[path][1] for path in cores):7} {core:7.1f} %   (at least {CORE:.0f})")
    print(f"{'the whole':24} {sum(count[1] for count in counts.values()):7} {whole:7.1f} %   (at least {WHOLE:.0f})")
    return 0 if core >= CORE and (whole >= WHOLE or options.cores) else 1


if __name__ == "__main__":
    sys.exit(main())
