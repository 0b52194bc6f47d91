"""Killed at any moment, a run continues to the same bytes, and nothing of it lives on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sftbench.core.rundir import file_hash, read_run

ROOT = Path(__file__).resolve().parent.parent
SFTBENCH = [str(Path(sys.executable).with_name("sftbench"))]


def command(outputs: Path, engine: str) -> list[str]:
    return [
        *SFTBENCH,
        "run",
        str(ROOT / "params" / "tiny.yaml"),
        "--outputs",
        str(outputs),
        "--engine",
        engine,
    ]


def data_files(folder: Path) -> dict[str, str]:
    samples = [p for p in folder.rglob("*.jsonl") if p.name != "training_log.jsonl" and ".old" not in p.parts]
    return {str(p.relative_to(folder)): file_hash(p) for p in samples}


def finished_files(folder: Path) -> dict[str, str]:
    """The data files of steps that say they are done."""
    done = {path.parent.name for path in folder.glob("*/step.json")}
    return {name: mark for name, mark in data_files(folder).items() if name.split("/")[0] in done}


def undo(folder: Path, chance: random.Random) -> None:
    """Make a finished run unfinished from some step on."""
    marks = sorted(folder.glob("*/step.json"))
    for mark in marks[chance.randrange(len(marks)) :]:
        mark.unlink()


def descendants(pid: int) -> set[int]:
    found, waiting = set(), [pid]
    while waiting:
        parent = waiting.pop()
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found |= {int(child) for child in children}
        waiting += [int(child) for child in children]
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def kill_after(outputs: Path, engine: str, seconds: float) -> bool:
    """Start a run, kill it after a while; True if it was still running."""
    process = subprocess.Popen(command(outputs, engine), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    below = descendants(process.pid)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    limit = time.monotonic() + 10
    while any(alive(pid) for pid in below) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not [pid for pid in below if alive(pid)], "a kernel or worker outlived its run"
    return running


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    outputs = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    subprocess.run(command(outputs, "inline"), check=True, stdout=subprocess.DEVNULL)
    return data_files(outputs / "tiny"), time.monotonic() - began


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(1200)
def test_twenty_kills_inline_leave_the_same_bytes(whole, tmp_path):
    expected, took = whole
    chance = random.Random(7)
    killed = 0
    while killed < 20:
        longest = took if killed % 4 == 0 else min(took, 6.0)
        killed += kill_after(tmp_path, "inline", chance.uniform(0.3, longest))
        done = finished_files(tmp_path / "tiny")
        assert done == {name: expected[name] for name in done}, "a finished step holds other bytes"
        if read_run(tmp_path / "tiny").status == "done":
            undo(tmp_path / "tiny", chance)
    subprocess.run(command(tmp_path, "inline"), check=True, stdout=subprocess.DEVNULL)
    assert data_files(tmp_path / "tiny") == expected
    assert not list((tmp_path / "tiny").rglob(".*.tmp"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(1200)
def test_three_kills_under_papermill_leave_the_same_bytes(whole, tmp_path):
    expected, took = whole
    chance = random.Random(11)
    for _ in range(3):
        assert kill_after(tmp_path, "papermill", chance.uniform(4, 4 + took))
    subprocess.run(command(tmp_path, "papermill"), check=True, stdout=subprocess.DEVNULL)
    assert data_files(tmp_path / "tiny") == expected
    assert read_run(tmp_path / "tiny").status == "done"
    assert os.path.exists(tmp_path / "tiny" / "01_collect" / "notebook.ipynb")
