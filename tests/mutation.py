#!/usr/bin/env python3
"""Whether the election's tests would notice a mistake: makes small mistakes in agent/vrrp, one at a time, and runs the unit
tests of the room on each; run by `tests/run.sh mutation`, see docs/testing.md.

    tests/mutation.py                                 everything that decides
    tests/mutation.py --files packet.cpp,hmac.cpp     other files of the room

Mistakes: another comparison, a number more or less by one, a condition that always or never holds, + for - and back,
&& for || and back, min for max and back, a statement left out. They are all compiled into one copy of the sources, where
$FAIRLEAD_MUTANT chooses one, so that a mutant costs only the run of the tests. Statements that can't be changed in this
way (few; --verbose lists them) stay as they are, as do the headers.

Ends with 1 if a mutant survives that tests/mutation_known.txt doesn't name, or if that names one that doesn't survive.
"""

import argparse
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOM = "agent/vrrp"
DECIDING = "router.cpp,priority.cpp,candidates.cpp,group.cpp,peers.cpp,sequence.cpp,replay_window.cpp"
KNOWN = os.path.join(ROOT, "tests/mutation_known.txt")
SLOW = "Simulation.*:Exploration.*:*BrokenRouter*"  # seconds each; asked only about what the others let pass
CPU_SECONDS = 60  # a mutant that takes longer turns in a circle
COMPARISONS = {"<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="]}
SWITCH = """#include <cstdlib>
namespace fairlead_mutation {
inline const int chosen = std::getenv("FAIRLEAD_MUTANT") ? std::atoi(std::getenv("FAIRLEAD_MUTANT")) : 0;
inline bool on(int mutant) { return mutant == chosen; }
}
"""


def blank(text):
    """The text with what stands in quotes blanked, of the same length."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda quoted: '"' + " " * (len(quoted.group()) - 2) + '"', text)


def statements(source):
    """(line, text) of each statement or head of a block, on one line and without comments."""
    text, first, found = "", 0, []
    for number, line in enumerate(source.splitlines(), 1):
        code = line[: len(re.sub(r"//.*", "", blank(line)))].rstrip()
        if not text:
            first = number
        text = f"{text} {code.lstrip()}" if text else code
        shape = blank(text)
        if not text.strip() or text.startswith("#") or (shape.count("(") == shape.count(")") and text.endswith((";", "{", "}", ":"))):
            found.append((first, text))
            text = ""
    return [*found, (first, text)]


def changes(text):
    """The text with one mistake in it, for each that is possible."""
    code = blank(text)
    for match in re.finditer(r"(?<=[\w)\]] )(<=|>=|==|!=|<|>)(?= [\w(*!-])", code):
        for other in COMPARISONS[match.group()]:
            yield text[: match.start()] + other + text[match.end() :]
    swaps = [("&&", "||"), ("+", "-"), ("+=", "-="), ("std::min(", "std::max("), ("++", "--"), ("true", "false")]
    for one, other in [*swaps, *((second, first) for first, second in swaps)]:
        spaced = r"(?<=[\w)\]] )" if one in ("+", "-", "&&", "||", "+=", "-=") else r"(?<!\w)"
        for match in re.finditer(spaced + re.escape(one) + (r"(?= [\w(!*-])" if one in ("+", "-") else r"(?![=\w+-])" if one in ("true", "false") else ""), code):
            yield text[: match.start()] + other + text[match.end() :]
    for match in re.finditer(r"(?<![\w.\"'])(\d+)(?![\w.'])", code):
        for step in (1, -1):
            if int(match.group()) + step >= 0:
                yield text[: match.start()] + str(int(match.group()) + step) + text[match.end() :]


def closing(code, opening):
    """Where the parenthesis at `opening` is closed."""
    depth = 0
    for position in range(opening, len(code)):
        depth += (code[position] == "(") - (code[position] == ")")
        if depth == 0:
            return position
    raise ValueError(code)


class Mutated:
    """One source with all its mistakes in it; `mutants`: number → (file, line, the mutated statement)."""

    def __init__(self, name, first, dropped):
        self.name, self.mutants, self.next, self.dropped = name, {}, first, dropped
        self.output, self.origin, self.untouched = [], [], []
        with open(os.path.join(ROOT, ROOM, name)) as file:
            source = file.read()
        self.put(SWITCH.rstrip("\n"))
        self.put('using fairlead_mutation::on;')
        for line, text in statements(source):
            self.line = line
            self.statement(text)

    def put(self, text, mutants=()):
        for line in text.split("\n"):
            self.output.append(line)
            self.origin.append(list(mutants))

    def new(self, whole):
        """The number of a mutant, or None if it is known not to compile."""
        number, self.next = self.next, self.next + 1
        if number in self.dropped:
            return None
        self.mutants[number] = (self.name, self.line, " ".join(whole.split()))
        return number

    def choice(self, before, text, after, others, convert):
        """`before text after`, where a mutant puts one of `others` for the text."""
        numbers = [(self.new(before + other + after), other) for other in others]
        numbers = [(number, other) for number, other in numbers if number is not None]
        return "".join(f"on({number}) ? {convert}({other}) :\n" for number, other in numbers) + f"{convert}({text})", [number for number, _ in numbers]

    def statement(self, text):
        code = blank(text)
        if not text.strip() or code.lstrip().startswith(("#", "};", "template", "static_assert", "namespace", "using", "case")):
            return self.put(text)
        rest, head = text, ""
        loop = re.match(r"\s*for \(([^;]*); ([^;]*); ([^;]*)\)(?= |$)", code)
        branch = re.match(r"\s*(?:\} else )?(?:if|while) \(", code)
        if loop:
            start, end = loop.span(2)
            condition, numbers = self.choice(text[:start], text[start:end], text[end:], changes(text[start:end]), "bool")
            self.emit(text[:start] + condition + text[end : loop.end()], numbers)
            head, rest = text[: loop.end()], text[loop.end() :]
        elif branch:
            end = closing(code, branch.end() - 1)
            start = code.find("; ", branch.end(), end) + 2
            start = start if start > 1 else branch.end()
            condition = text[start:end]
            if re.match(r"(const |auto )", condition):
                self.emit(text[: end + 1], [])
            else:
                chosen, numbers = self.choice(text[:start], condition, text[end:], [f"true /* {condition} */", f"false /* {condition} */", *changes(condition)], "bool")
                self.emit(text[:start] + chosen + ")", numbers)
            head, rest = text[: end + 1], text[end + 1 :]
        self.simple(head, rest)

    def emit(self, text, numbers):
        for line in text.split("\n"):
            inside = [number for number in numbers if f"on({number})" in line]
            self.put(line, inside or numbers)

    def simple(self, head, text):
        """A statement that is no head of a block."""
        code = blank(text)
        if not text.strip().endswith(";"):
            if any(True for _ in changes(text)) and not re.match(r"[\w:&<> ]+ [\w:]+\(.*\{$", code.strip()):
                self.untouched.append((self.line, text.strip()))
            return self.put(text)
        initial = re.match(r"\s*(?:static )?(?:const|constexpr|auto|[\w:<>]+(?: \w+)?)[\w:<>*& ]* \w+( = (.*)|\{([^.,]+)\});$", code)
        if initial and not code.lstrip().startswith("return"):
            group = 2 if initial.group(2) else 3
            start, end = initial.span(group)
            chosen, numbers = self.choice(head + text[:start], text[start:end], text[end:], changes(text[start:end]), "")
            whole = text[:start] + (chosen if numbers else text[start:end]) + text[end:]
            return self.emit(whole.replace("constexpr", "const", 1) if numbers else whole, numbers)
        if re.match(r"\s*(const|auto|static|[\w:<>]+ \w+(;|\{))", code) and not code.lstrip().startswith("return"):
            if any(True for _ in changes(text)):
                self.untouched.append((self.line, text.strip()))
            return self.put(text)
        others = list(changes(text))
        if not re.match(r"\s*(return|throw|break|continue)\b", code):
            others.append(";")
        numbers = [(self.new(f"{head} {other if other != ';' else '/* left out */ ' + text.strip()}"), other) for other in others]
        numbers = [(number, other) for number, other in numbers if number is not None]
        self.put("{")
        for number, other in numbers:
            self.put(f"if (on({number})) {{ {other.strip()} }} else", [number])
        self.put(f"{{ {text.strip()} }} }}", [number for number, _ in numbers])


class Bench:
    """Builds the tests with the mutated sources in front of the room's library, and runs them."""

    def __init__(self, build, scratch):
        self.build, self.scratch = build, scratch
        self.program = os.path.join(scratch, "vrrp_test")
        with open(os.path.join(build, "compile_commands.json")) as file:
            self.commands = {os.path.relpath(each["file"], ROOT): each["command"] for each in json.load(file)}
        told = subprocess.run(["ninja", "-C", build, "-t", "commands", "vrrp_test"], capture_output=True, text=True, check=True)
        # "… && g++ … -o tests/vrrp_test … && cd … (discovery of the tests)"
        link = next(line for line in reversed(told.stdout.splitlines()) if "-o tests/vrrp_test" in line)
        self.link = next(part.strip() for part in link.split("&&") if "-o tests/vrrp_test" in part)

    def compile(self, name, first):
        """The source with all its mistakes that compile."""
        copy, dropped, tried = os.path.join(self.scratch, name), set(), 0
        while True:
            mutated = Mutated(name, first, dropped)
            with open(copy, "w") as file:
                file.write("\n".join(mutated.output) + "\n")
            words = shlex.split(self.commands[f"{ROOM}/{name}"])
            words = words[next(i for i, word in enumerate(words) if word.endswith(("g++", "c++"))) :]
            words[words.index("-o") + 1] = copy + ".o"
            words[words.index("-c") + 1] = copy
            # At O1, since the tests take less time than O2 would.
            words += ["-w", "-Wno-error", "-g0", "-O1", "-fmax-errors=0"]
            done = subprocess.run([*words, "-fsyntax-only"], cwd=self.build, capture_output=True, text=True)
            if done.returncode == 0:
                subprocess.run(words, cwd=self.build, check=True)
                return mutated, len(dropped)
            wrong = {int(number) for number in re.findall(rf"{re.escape(copy)}:(\d+):\d+: error", done.stderr)}
            found = {mutant for line in wrong for mutant in mutated.origin[line - 1]}
            tried += 1
            if not found or tried > 8:
                sys.exit(f"{name}: doesn't compile with its mistakes:\n{done.stderr[:4000]}")
            dropped |= found

    def finish(self, names):
        objects = " ".join(os.path.join(self.scratch, name + ".o") for name in names)
        link = self.link.replace("-o tests/vrrp_test", f"{objects} -o {self.program}")
        subprocess.run(link, shell=True, cwd=self.build, check=True)

    def passes(self, mutant):
        def limited():
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))

        for chosen in (f"-{SLOW}", SLOW):
            run = subprocess.run(
                [self.program, "--gtest_fail_fast", "--gtest_brief=1", f"--gtest_filter={chosen}"],
                cwd=self.scratch, env={**os.environ, "FAIRLEAD_MUTANT": str(mutant)}, capture_output=True, preexec_fn=limited,
            )  # fmt: skip
            if run.returncode != 0:
                return False
        return True


def known():
    """"FILE: the mutated statement" of those that are explained."""
    with open(KNOWN) as file:
        return {line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="where vrrp_test is built already")
    parser.add_argument("--files", default=DECIDING, help="of agent/vrrp")
    parser.add_argument("--verbose", action="store_true", help="list what stays as it is")
    options = parser.parse_args()
    names = options.files.split(",")
    explained, mutants, stillborn, survivors = known(), {}, 0, set()
    with tempfile.TemporaryDirectory(prefix="fairlead-mutation-") as scratch:
        bench = Bench(options.build, scratch)
        first = 1
        for name in names:
            mutated, dropped = bench.compile(name, first)
            mutants |= mutated.mutants
            stillborn += dropped
            first = mutated.next
            if options.verbose:
                for line, text in mutated.untouched:
                    print(f"left as it is: {name}:{line}: {text}")
        bench.finish(names)
        if not bench.passes(0):
            sys.exit("the tests fail without a mistake")
        for number, (name, line, statement) in mutants.items():
            if bench.passes(number):
                told = f"{name}: {statement}"
                survivors.add(told)
                print(f"survived{', explained' if told in explained else ''}: {ROOM}/{name}:{line}: {statement}", flush=True)
    stale = {told for told in explained - survivors if told.split(":")[0] in names}
    for told in sorted(stale):
        print(f"explained, but it doesn't survive (any more): {told}")
    new = survivors - explained
    print(f"{len(mutants)} mutants: {len(mutants) - len(survivors)} noticed, {len(survivors) - len(new)} survived as explained, {len(new)} survived; {stillborn} more did not compile")
    return 1 if new or stale else 0


if __name__ == "__main__":
    sys.exit(main())
