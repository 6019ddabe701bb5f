"""Shell completion in the shells themselves, and the manual page as mandoc reads it. Needs no lab."""

import os
import pty
import re
import select
import subprocess
import time

import pytest
from lab.agent import ROOT, binary
from lab.waiting import PATIENCE


def completion(shell):
    return subprocess.run([binary(), "completion", shell], capture_output=True, text=True, check=True, timeout=20).stdout


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    directory = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        (directory / f"fairlead.{shell}").write_text(completion(shell))
    return directory


def bash(scripts, line, directory=None):
    """What bash offers at the end of that line, split into words as readline does."""
    words = [word for word in re.split(r"(=)|\s+", line) if word]
    if line.endswith((" ", "=")):
        words.append("")
    quoted = " ".join("'" + word + "'" for word in words)
    program = f"source {scripts}/fairlead.bash; COMP_WORDS=({quoted}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _fairlead; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, timeout=20, cwd=directory)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return sorted(filter(None, done.stdout.splitlines()))


def fish(scripts, line, directory=None):
    program = f"source {scripts}/fairlead.fish; complete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", program], capture_output=True, text=True, timeout=20, cwd=directory)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return sorted(each.partition("\t")[0] for each in done.stdout.splitlines())


CASES = [
    ("fairlead st", ["status"]),
    ("fairlead manifest ", ["config", "pod", "rbac"]),
    ("fairlead status -o ", ["json", "table"]),
    ("fairlead run --tran", ["--transport"]),
    ("fairlead run --transport m", ["multicast"]),
    ("fairlead run --vrid 51 --log-level ", ["debug", "error", "info", "warning"]),
    ("fairlead manifest pod --work", ["--worker"]),
    ("fairlead completion z", ["zsh"]),
    ("fairlead validate --config fair", ["fairlead.yaml"]),
    ("fairlead validate --config=fair", ["fairlead.yaml"]),
    ("fairlead run --vip ", []),
]


@pytest.mark.parametrize("line, offered", CASES)
@pytest.mark.parametrize("shell", [bash, fish])
def test_bash_and_fish_offer_what_fits(scripts, tmp_path, shell, line, offered):
    (tmp_path / "fairlead.yaml").touch()
    found = shell(scripts, line, tmp_path)
    if shell is fish and "=" in line:
        found = [each.partition("=")[2] for each in found]
    # Beside its words a shell may offer options where only an argument is expected.
    assert [each for each in found if not each.startswith("-") or offered and offered[0].startswith("-")] == offered, found


class Zsh:
    """An interactive zsh on a terminal, as a user has it."""

    def __init__(self, scripts, directory):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.environ.update(TERM="dumb", PS1="", HOME=str(directory))
            os.execvp("zsh", ["zsh", "-f", "-i"])
        self.send(f"PS1='READY> '; unsetopt beep; autoload -Uz compinit; compinit -u -D; source {scripts}/fairlead.zsh\n")
        self.read("READY> ")

    def send(self, text):
        os.write(self.terminal, text.encode())

    def read(self, end):
        text, limit = "", time.monotonic() + 20 * PATIENCE
        while end not in text:
            assert time.monotonic() < limit, f"waited in vain for {end!r} in {text!r}"
            if select.select([self.terminal], [], [], 0.2)[0]:
                text += os.read(self.terminal, 4096).decode(errors="replace")
        return text

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.mark.parametrize(
    "typed, completed",
    [
        ("fairlead stat", "fairlead status"),
        ("fairlead manifest r", "fairlead manifest rbac"),
        ("fairlead status -o j", "fairlead status -o json"),
        ("fairlead status --output=j", "fairlead status --output=json"),
        ("fairlead run --transport u", "fairlead run --transport unicast"),
        ("fairlead validate --config fairl", "fairlead validate --config fairlead.yaml"),
        ("fairlead run --preempt-d", "fairlead run --preempt-delay"),
    ],
)
def test_zsh_completes(scripts, tmp_path, typed, completed):
    (tmp_path / "fairlead.yaml").touch()
    zsh = Zsh(scripts, tmp_path)
    try:
        # What stands on the line is said by zsh itself, whatever it has drawn.
        zsh.send("say() { print; print -r -- \"LINE<$BUFFER>\"; BUFFER=; zle .accept-line }; zle -N say; bindkey '^X' say; print SET\n")
        zsh.read("SET\r\n")
        zsh.send(f"{typed}\t\x18")
        # The first one is the definition above, as it was typed.
        assert re.findall(r"LINE<(.*?)>", zsh.read(">\r\n"))[-1].strip() == completed
    finally:
        zsh.close()


def test_the_manual_page_is_well_formed():
    page = os.path.join(ROOT, "docs/fairlead.8")
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, timeout=20)
    # A date isn't there because the page is made by whatever version; the rest must be clean.
    complaints = [line for line in lint.stdout.splitlines() if "missing date" not in line]
    assert complaints == []
    text = subprocess.run(["mandoc", "-T", "utf8", page], capture_output=True, text=True, check=True, timeout=20).stdout
    assert "fairlead preflight" in re.sub(".\b", "", text)
