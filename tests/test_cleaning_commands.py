"""Commands that mend, prove, audit and review, as a user calls them."""

import json
import os
import pty
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sftbench.clean.findings import fake
from sftbench.core.jsonl import read_samples, write_samples
from sftbench.core.sample import Message, Sample

SFTBENCH = str(Path(sys.executable).with_name("sftbench"))
SECRET = fake("ghp_{w36}", seed=3)


def sftbench(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SFTBENCH, *map(str, arguments)], capture_output=True, text=True, cwd=cwd)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    "A file whose only sample holds a secret."
    asked = Message("user", f"The deploy token is {SECRET}, is it valid?")
    write_samples(
        tmp_path / "told.jsonl", [Sample(key="a", messages=[asked, Message("assistant", "Rotate it.")])]
    )
    return tmp_path / "told.jsonl"


def on_terminal(*arguments: object) -> tuple[int, str]:
    "Run a command on a terminal of its own; exit code and what it showed."
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(SFTBENCH, [SFTBENCH, *map(str, arguments)])
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_review_shows_before_and_after_on_a_terminal_and_writes_nothing(told: Path):
    before = sorted(told.parent.iterdir())
    code, shown = on_terminal("scrub", told, "--review")
    assert code == 0 and SECRET in shown and "<GITHUB_TOKEN_1>" in shown and "1 place:" in shown
    assert sorted(told.parent.iterdir()) == before


def test_a_review_refuses_a_pipe(told: Path):
    done = sftbench("scrub", told, "--review")
    assert done.returncode == 2 and SECRET not in done.stdout + done.stderr and "terminal" in done.stderr


def test_scrub_needs_a_place_to_write(told: Path):
    done = sftbench("scrub", told)
    assert done.returncode == 2 and "-o FILE.jsonl" in done.stderr
    done = sftbench("scrub", told, "-o", told.with_name("out.jsonl"))
    assert done.returncode == 0 and SECRET not in told.with_name("out.jsonl").read_text()


def test_repair_mends_what_it_can_and_says_so(told: Path):
    good = told.read_bytes()
    told.write_bytes(b"\xef\xbb\xbf" + good + good.rstrip()[:-1] + b",}\n" + good[: len(good) // 2])
    done = sftbench("repair", told, "-o", told.with_name("mended.jsonl"), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode == 3 and report["unchanged"] == 1) or report["mended"] >= 1
    assert SECRET not in told.with_name("mended.jsonl.report.json").read_text()
    assert len(list(read_samples(told.with_name("mended.jsonl")))) >= 1
    assert sftbench("repair", told, "-o", told).returncode == 2


def test_verify_split_passes_a_sound_split_and_fails_a_shuffled_one(tmp_path: Path):
    done = sftbench("verify-split", "bundled:split.jsonl", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["whole"] is True
    from sftbench.core.system import locate

    samples = list(read_samples(locate("bundled:split.jsonl")))
    names = [sample.split for sample in samples]
    random.Random(1).shuffle(names)
    shuffled = [msgspec.structs.replace(s, split=name) for s, name in zip(samples, names, strict=True)]
    write_samples(tmp_path / "shuffled.jsonl", shuffled)
    done = sftbench("verify-split", tmp_path / "shuffled.jsonl")
    assert done.returncode == 1 and "NOT whole" in done.stdout
    assert sftbench("verify-split", tmp_path / "nothing.jsonl").returncode == 2


def test_an_audit_fails_a_run_that_holds_a_secret_and_passes_it_when_it_is_gone(tmp_path: Path):
    spec = tmp_path / "one.yaml"
    spec.write_text("run: one\nsteps:\n  - collect: {sources: {claude_code: {path: 'bundled:sessions'}}}\n")
    assert sftbench("run", spec, "--engine", "inline", cwd=tmp_path).returncode == 0
    assert sftbench("audit", "one", cwd=tmp_path).returncode == 0
    from sftbench.clean.search import find_values
    from sftbench.core.registry import component

    value = max(find_values(list(component("source", "claude_code")())), key=len)
    (tmp_path / "outputs" / "one" / "notes.log").write_text(f"token {value}\n")
    done = sftbench("audit", "one", cwd=tmp_path)
    assert done.returncode == 1 and "notes.log" in done.stdout and value not in done.stdout + done.stderr
    (tmp_path / "outputs" / "one" / "notes.log").unlink()
    assert sftbench("audit", "one", cwd=tmp_path).returncode == 0


def test_doctor_says_what_is_wrong_with_a_file_and_how_to_mend_it(told: Path):
    told.write_bytes(told.read_bytes() + b'{"messages": [,]}\n')
    done = sftbench("doctor", told.name, cwd=told.parent)
    assert done.returncode == 1 and "line 2" in done.stdout and f"sftbench repair {told.name}" in done.stdout
    (told.parent / "empty").mkdir()
    assert sftbench("doctor", told.parent / "empty").returncode == 1
    assert sftbench("doctor", "bundled:samples.jsonl").returncode == 0


def test_a_tree_is_held_against_its_manifest_and_answers_against_their_tree(tmp_path: Path):
    tree = tmp_path / "tree"
    tree.mkdir()
    body = "".join(f"    total += part * {number}\n" for number in range(8))
    code = (
        f'def tide(parts):\n    "Add up the parts of a tide."\n    total = part = 0\n{body}    return total\n'
    )
    (tree / "tide.py").write_text(code)
    assert sftbench("manifest", tree, "-o", tmp_path / "m.json").returncode == 0
    assert sftbench("verify-manifest", tmp_path / "m.json", tree).returncode == 0
    told = tmp_path / "told.jsonl"
    assert sftbench("collect", "codebase", "--path", tree, "-o", told).returncode == 0
    good = sftbench("verify-docs", told, "--root", tree)
    assert good.returncode == 0 and " 0 stale" in good.stdout
    (tree / "tide.py").write_text("# a line above\n" + code.replace("def tide", "def ebb"))
    (tree / "new.py").write_text("x = 1\n")
    changed = sftbench("verify-manifest", tmp_path / "m.json", tree)
    assert (
        changed.returncode == 1
        and "changed  tide.py" in changed.stdout
        and "new      new.py" in changed.stdout
    )
    stale = json.loads(sftbench("verify-docs", told, "--root", tree, "--json").stdout)
    assert stale["stale"] and sftbench("verify-docs", told, "--root", tree).returncode == 1
    missing = sftbench("verify-docs", told, "--root", tmp_path / "nowhere")
    assert missing.returncode == 2 and "Give the folder" in missing.stderr
