"""Runs: engines agree, unchanged steps are skipped, one writer, wrong specs are refused whole."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sftbench.core.params import check_value
from sftbench.core.rundir import file_hash, read_run, read_step, step_folders
from sftbench.core.spec import SpecProblem, read_spec
from sftbench.core.system import Problem
from sftbench.operate.fingerprint import packages
from sftbench.operate.pipeline import run

ROOT = Path(__file__).resolve().parent.parent
SFTBENCH = [str(Path(sys.executable).with_name("sftbench"))]
DATA = """run: {name}
steps:
  - collect: {{sources: {{skills: {{path: 'bundled:skills'}}, claude_code: {{path: 'bundled:sessions'}}}}}}
  - score: {{profile: halops}}
  - curate: {{}}
  - validate: {{}}
  - dedup: {{}}
  - split: {{train: 0.8, val: 0.1, test: 0.1}}
"""


def spec_file(folder: Path, name: str = "data", text: str = DATA) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text.format(name=name))
    return path


def data_hashes(folder: Path) -> dict[str, str]:
    files = [p for p in folder.rglob("*.jsonl") if p.is_file()]
    return {str(p.relative_to(folder)): file_hash(p) for p in files}


def quiet(line: str) -> None:
    pass


def test_papermill_and_inline_write_the_same_bytes(tmp_path):
    spec = read_spec(spec_file(tmp_path))
    run(spec, outputs=tmp_path / "a", engine="papermill", tell=quiet)
    run(spec, outputs=tmp_path / "b", engine="inline", tell=quiet)
    left, right = data_hashes(tmp_path / "a" / "data"), data_hashes(tmp_path / "b" / "data")
    assert left == right and len(left) >= 12
    for folder in step_folders(tmp_path / "a" / "data"):
        notebook = json.loads((folder / "notebook.ipynb").read_text())
        assert any(cell.get("outputs") for cell in notebook["cells"])


def test_the_ledger_of_every_step_balances_and_counts_the_files(tmp_path):
    run(read_spec(spec_file(tmp_path)), outputs=tmp_path, engine="inline", tell=quiet)
    before = 0
    for folder in step_folders(tmp_path / "data"):
        counts = read_step(folder).counts
        assert counts.in_ + counts.made == counts.kept + counts.dropped + counts.consumed
        assert counts.in_ == before
        assert counts.kept == len((folder / "samples.jsonl").read_bytes().splitlines())
        before = counts.kept


def test_a_second_run_finds_everything_done(tmp_path):
    spec = read_spec(spec_file(tmp_path))
    run(spec, outputs=tmp_path, engine="inline", tell=quiet)
    again = run(spec, outputs=tmp_path, engine="inline", tell=quiet)
    assert {state.status for state in again.steps} == {"skipped"}


def test_a_changed_option_runs_its_step_and_those_after_it_only(tmp_path):
    path = spec_file(tmp_path)
    run(read_spec(path), outputs=tmp_path, engine="inline", tell=quiet)
    again = run(read_spec(path, ["validate.min_chars=300"]), outputs=tmp_path, engine="inline", tell=quiet)
    states = {state.name: state.status for state in again.steps}
    assert (
        states["03_curate"] == "skipped" and states["04_validate"] == "done" and states["06_split"] == "done"
    )


def test_a_damaged_output_is_made_again(tmp_path):
    spec = read_spec(spec_file(tmp_path))
    run(spec, outputs=tmp_path, engine="inline", tell=quiet)
    (tmp_path / "data" / "05_dedup" / "samples.jsonl").unlink()
    again = run(spec, outputs=tmp_path, engine="inline", tell=quiet)
    assert {s.name: s.status for s in again.steps}["05_dedup"] == "done"


def test_a_step_that_left_the_spec_moves_to_old(tmp_path):
    run(read_spec(spec_file(tmp_path)), outputs=tmp_path, engine="inline", tell=quiet)
    shorter = spec_file(tmp_path, text=DATA.replace("  - dedup: {{}}\n", ""))
    said: list[str] = []
    run(read_spec(shorter), outputs=tmp_path, engine="inline", tell=said.append)
    assert (tmp_path / "data" / ".old" / "05_dedup").is_dir()
    assert any("moved to .old" in line for line in said)


def test_a_failing_step_keeps_its_notebook_and_the_run_says_so(tmp_path):
    text = "run: {name}\nsteps:\n  - collect: {{sources: {{skills: {{path: 'bundled:skills'}}}}}}\n  - rebalance: {{weights: {{cod: 1}}}}\n"
    with pytest.raises(Problem, match=r"notebook\.ipynb"):
        run(read_spec(spec_file(tmp_path, text=text)), outputs=tmp_path, tell=quiet)
    record = read_run(tmp_path / "data")
    assert record.status == "failed" and record.steps[1].status == "failed"
    assert (tmp_path / "data" / "02_rebalance" / "notebook.ipynb").is_file()
    assert not (tmp_path / "data" / "02_rebalance" / "step.json").exists()


def test_a_second_writer_is_refused_and_told_who_holds_the_run(tmp_path):
    spec = read_spec(spec_file(tmp_path))
    (tmp_path / "data").mkdir()
    with open(tmp_path / "data" / ".lock", "w") as lock:
        lock.write("process 7 on elsewhere")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Problem, match="being written by process 7 on elsewhere"):
            run(spec, outputs=tmp_path, engine="inline", tell=quiet)


def test_a_wrong_spec_lists_all_its_errors_before_anything_starts(tmp_path):
    text = """run: wrong
sed: 1
steps:
  - colect: {}
  - validate: {min_char: 3, max_chars: many}
  - split: {train: 1.5}
  - score: {profile: hallops}
  - collect: {sources: {documents: {path: nowhere}, documants: {}}}
"""
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    done = subprocess.run(
        [*SFTBENCH, "run", str(path), "--outputs", str(tmp_path / "out")], capture_output=True, text=True
    )
    assert done.returncode == 2 and not (tmp_path / "out").exists()
    for needle in ("sed", "colect", "min_char", "many", "1.5", "hallops", "nowhere", "documants"):
        assert needle in done.stderr, needle
    assert done.stderr.count("Did you mean") >= 5
    assert "Traceback" not in done.stderr


def test_a_wrong_spec_imports_nothing_heavy(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("run: wrong\nsteps:\n  - colect: {}\n")
    code = (
        "import sys\nfrom sftbench.core.spec import read_spec, SpecProblem\n"
        f"try: read_spec({str(path)!r})\nexcept SpecProblem: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "plotly", "papermill", "torch", "numba", "jupyter_client"} & set(
        done.stdout.split()
    )


def test_overrides_are_checked_like_the_spec_and_errors_carry_their_lines():
    path = ROOT / "params" / "quickstart.yaml"
    with pytest.raises(SpecProblem) as caught:
        read_spec(path, ["validate.min_chars=-1", "nothing=2"])
    places = [error.place for error in caught.value.errors]
    assert places[0] == "command line" and places[1].startswith("quickstart.yaml:")


def test_quarantined_input_ends_with_exit_code_3_and_keeps_the_rest(tmp_path):
    (tmp_path / "in.jsonl").write_text(
        '{"instruction": "Say hi.", "output": "Hi there, friend."}\n{"broken": \n'
    )
    path = tmp_path / "q.yaml"
    path.write_text("run: q\nsteps:\n  - collect: {sources: {jsonl: {path: %s}}}\n" % (tmp_path / "in.jsonl"))
    command = [*SFTBENCH, "run", str(path), "--outputs", str(tmp_path / "out"), "--engine", "inline"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    lines = (tmp_path / "out" / "q" / "01_collect" / "quarantine.jsonl").read_bytes().splitlines()
    found = msgspec.json.decode(lines[0])
    assert found["line"] == 2 and found["offset"] == 58 and found["remedy"]
    assert len((tmp_path / "out" / "q" / "01_collect" / "samples.jsonl").read_bytes().splitlines()) == 1


def test_the_bundled_specs_are_right():
    for path in sorted((ROOT / "params").glob("*.yaml")):
        assert read_spec(path).steps


def test_sigterm_ends_a_run_cleanly_and_it_continues(tmp_path):
    path = spec_file(tmp_path)
    command = [*SFTBENCH, "run", str(path), "--outputs", str(tmp_path)]
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout
        for line in process.stdout:
            if "01_collect" in line:
                process.terminate()
                break
        assert process.wait(60) == 130
    assert read_run(tmp_path / "data").status == "stopped"
    again = run(read_spec(path), outputs=tmp_path, engine="inline", tell=quiet)
    assert again.status == "done"


def test_a_run_names_the_versions_of_what_its_steps_reach(tmp_path):
    steps = {step.step: step for step in read_spec("quickstart").steps}
    assert {"torch", "transformers", "trl", "peft"} <= packages([steps["train"]])
    assert "numba" in packages([steps["dedup"]])
    trained = ("train", "evaluate")
    assert not {"trl", "peft"} & packages(s for n, s in steps.items() if n not in trained)
    assert not {"torch"} & packages(s for n, s in steps.items() if n not in (*trained, "dedup"))  # encoders
    run(read_spec(spec_file(tmp_path)), outputs=tmp_path, engine="inline", tell=quiet)
    found = read_run(tmp_path / "data").versions
    assert {"python", "sftbench", "numba", "msgspec"} <= found.keys() and "trl" not in found


def test_a_run_without_train_needs_no_torch(tmp_path):
    code = (
        "import sys\nsys.modules.update(torch=None, trl=None, peft=None, accelerate=None)\n"
        "from sftbench.core.spec import read_spec\nfrom sftbench.operate.pipeline import run\n"
        f"print(run(read_spec({str(spec_file(tmp_path))!r}), outputs={str(tmp_path)!r}, engine='inline').status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "done", done.stderr


def test_a_kernel_that_is_killed_is_a_sentence(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import os\nfrom sftbench.core.registry import scorer\n\n"
        "@scorer(version='1')\ndef deadly(sample, *, signal: int = 9) -> float | None:\n"
        "    'Ends its process.'\n    os.kill(os.getpid(), signal)\n"
    )
    text = (
        "run: {name}\nuse: [%s]\nsteps:\n  - collect: {{sources: {{jsonl: {{path: 'bundled:samples.jsonl'}}}}}}\n"
        "  - score: {{profile: default, weights: {{deadly: 1}}}}\n" % (tmp_path / "mine.py")
    )
    with pytest.raises(Problem, match=r"02_score was ended from outside\. Most often memory ran out"):
        run(read_spec(spec_file(tmp_path, text=text)), outputs=tmp_path, tell=quiet)
    assert read_run(tmp_path / "data").status == "failed"


@pytest.mark.parametrize(
    "value, annotation, told",
    [
        ({"a": "x"}, "dict[str, float] | None", "a: Expected float"),
        (["a", 3], "Paths", "entry 2: Expected str"),
        ({"a": {"b": "x"}}, "dict[str, dict[str, float]]", "a: b: Expected float"),
    ],
)
def test_a_wrong_entry_is_named(value, annotation, told):
    with pytest.raises(ValueError, match=told):
        check_value(value, annotation)


def test_a_page_of_an_earlier_state_does_not_stay(tmp_path):
    path = spec_file(tmp_path)
    run(read_spec(path), outputs=tmp_path, engine="inline", tell=quiet)
    page = tmp_path / "data" / "report.html"
    page.write_text("as it was")
    run(read_spec(path), outputs=tmp_path, engine="inline", tell=quiet)
    assert page.is_file()  # nothing changed
    run(read_spec(path, ["dedup.threshold=0.5"]), outputs=tmp_path, engine="inline", tell=quiet)
    assert not page.exists()
