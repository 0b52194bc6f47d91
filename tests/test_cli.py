"""The command line: verbs on files, looking at runs, sentences instead of tracebacks."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from sftbench.core.jsonl import write_json, write_lines, write_samples
from sftbench.core.rundir import Counts, RunRecord, StepRecord, StepState
from sftbench.core.sample import Message, Origin, Sample

ROOT = Path(__file__).resolve().parent.parent
SFTBENCH = str(Path(sys.executable).with_name("sftbench"))
SPEC = """run: small
steps:
  - collect: {sources: {skills: {path: 'bundled:skills'}, claude_code: {path: 'bundled:sessions'}}}
  - score: {profile: halops}
  - curate: {}
  - split: {train: 0.8, val: 0.1, test: 0.1}
"""


def sftbench(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SFTBENCH, *map(str, arguments)], capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.yaml").write_text(SPEC)
    done = sftbench("run", "small.yaml", "--engine", "inline", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def samples(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_help_loads_nothing_heavy():
    code = "import sys; from sftbench.operate.cli import build_app; build_app(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pandas", "plotly", "numba", "torch", "papermill", "sklearn", "datasketch", "numpy"} & set(
        loaded
    )


def test_every_command_has_help():
    listed = sftbench("--help").stdout
    for name in (
        "run",
        "collect",
        "status",
        "runs",
        "trace",
        "diff",
        "report",
        "doctor",
        "validate",
        "dedup",
    ):
        assert f"  {name} " in listed
        assert sftbench(name, "--help").returncode == 0


def test_a_verb_reads_any_shape_and_writes_samples(tmp_path):
    lines = [
        {"instruction": "Say hello to the team.", "output": "Hello, team, and a good morning."},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]},
        {
            "conversations": [
                {"from": "human", "value": "Why is it red?"},
                {"from": "gpt", "value": "It is on fire, run."},
            ]
        },
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = sftbench(
        "validate", "in.jsonl", "-o", "out.jsonl", "--dropped", "bad.jsonl", "--min-chars", "10", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert len(samples(tmp_path / "out.jsonl")) == 2
    assert samples(tmp_path / "bad.jsonl")[0]["drop"]


def test_a_bad_option_names_what_is_allowed(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    done = sftbench("dedup", "in.jsonl", "-o", "out.jsonl", "--threshold", "3", cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_a_missing_file_is_a_sentence(tmp_path):
    done = sftbench("validate", "none.jsonl", "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 2 and "none.jsonl cannot be read. It does not exist." in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_malformed_lines_are_quarantined_and_the_rest_goes_on(tmp_path):
    (tmp_path / "in.jsonl").write_text(
        '{"instruction": "Say hello.", "output": "Hello, hello, hello."}\n{"a": \nnull\n'
    )
    done = sftbench("validate", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 3
    assert "in.jsonl:2" in done.stderr and "in.jsonl:3" in done.stderr
    assert len(samples(tmp_path / "out.jsonl")) == 1


def test_a_source_is_collected_scrubbed_unless_raw(tmp_path):
    done = sftbench("collect", "claude_code", "--path", "bundled:sessions", "-o", "clean.jsonl", cwd=tmp_path)
    raw = sftbench(
        "collect", "claude_code", "--path", "bundled:sessions", "-o", "raw.jsonl", "--raw", cwd=tmp_path
    )
    assert done.returncode == raw.returncode == 0, done.stderr + raw.stderr
    assert "AWS_ACCESS_KEY_1" in (tmp_path / "clean.jsonl").read_text()
    assert "AWS_ACCESS_KEY_1" not in (tmp_path / "raw.jsonl").read_text()


@pytest.mark.parametrize(
    "source, option", [("git_history", "--repo"), ("codebase", "--path"), ("documents", "--path")]
)
def test_an_empty_folder_is_a_sentence_with_its_remedy(tmp_path, source, option):
    (tmp_path / "empty").mkdir()
    done = sftbench("collect", source, option, "empty", "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "quarantined: empty" in done.stderr and "Traceback" not in done.stderr


def test_status_and_runs_read_what_is_on_disk(small):
    assert "done" in sftbench("status", "small", cwd=small).stdout
    found = json.loads(sftbench("status", "small", "--json", cwd=small).stdout)
    assert found["status"] == "done" and set(found["steps"][0]["counts"]) == {
        "in",
        "made",
        "kept",
        "dropped",
        "consumed",
    }
    assert [run["run"] for run in json.loads(sftbench("runs", "--json", cwd=small).stdout)] == ["small"]


def test_an_unknown_run_is_told_which_there_are(small):
    done = sftbench("status", "smal", cwd=small)
    assert done.returncode == 2 and "Did you mean 'small'?" in done.stderr


def test_every_trained_sample_is_traced_to_file_and_lines(small):
    for sample in samples(small / "outputs" / "small" / "04_split" / "samples.jsonl"):
        found = json.loads(sftbench("trace", "small", sample["key"], "--json", cwd=small).stdout)
        assert found["lines"] and found["excerpt"] and Path(found["place"]).is_file()
        assert found["steps"][0]["event"] == "came in" and found["steps"][-1]["step"] == "04_split"
        break
    by_id = sftbench("trace", "small", sample["id"][:12], cwd=small)
    assert by_id.returncode == 0 and "came in" in by_id.stdout


def test_diff_names_options_counts_and_samples(small):
    sftbench(
        "run",
        "small.yaml",
        "run=other",
        "split.train=0.6",
        "split.val=0.2",
        "split.test=0.2",
        "--engine",
        "inline",
        cwd=small,
    )
    found = json.loads(sftbench("diff", "small", "other", "--json", cwd=small).stdout)
    assert any("04_split.train: 0.8 -> 0.6" in line for line in found["options"]) and found["both"] > 0


def test_a_dry_run_lists_the_steps_and_writes_nothing(tmp_path):
    (tmp_path / "small.yaml").write_text(SPEC)
    done = sftbench("run", "small.yaml", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0 and "04_split" in done.stdout and not (tmp_path / "outputs").exists()


def test_doctor_gives_every_problem_a_remedy():
    found = json.loads(sftbench("doctor", "--json").stdout)
    assert found and all(finding["remedy"] for finding in found if finding["state"] == "problem")


def test_what_could_not_be_read_is_kept_beside_the_output(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"instruction": "a", "output": "b"}\n{"instruction": "cut\n')
    done = sftbench("validate", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl")
    beside = tmp_path / "out.jsonl.quarantine.jsonl"
    assert done.returncode == 3 and str(beside) in done.stderr
    assert [line["line"] for line in samples(beside)] == [2]
    (tmp_path / "in.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    assert sftbench("validate", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl").returncode == 0
    assert not beside.exists()


def test_trace_asks_for_more_digits(small):
    key = samples(small / "outputs" / "small" / "04_split" / "samples.jsonl")[0]["key"]
    done = sftbench("trace", "small", key[:3], cwd=small)
    assert done.returncode == 2 and "at least 6" in done.stderr
    assert "split " in sftbench("trace", "small", key[:12], cwd=small).stdout


def test_a_killed_run_is_called_stopped(small):
    record = small / "outputs" / "small" / "run.json"
    before = record.read_text()
    try:
        record.write_text(before.replace('"status": "done",\n "steps"', '"status": "running",\n "steps"'))
        assert '"running"' in record.read_text()
        assert "small: stopped" in sftbench("status", "small", cwd=small).stdout
        assert "stopped" in sftbench("runs", cwd=small).stdout
    finally:
        record.write_text(before)


def test_a_missing_use_file_gives_one_error(tmp_path):
    text = SPEC + "  - score: {profile: default, scorers: [mine]}\nuse: [not_there.py]\n"
    (tmp_path / "s.yaml").write_text(text.replace("scorers: [mine]", "weights: {length: x}"))
    told = sftbench("run", "s.yaml", cwd=tmp_path).stderr
    assert "not_there.py" in told and "length: Expected" in told and "$[" not in told


def test_ctrl_c_leaves_one_sentence(tmp_path):
    (tmp_path / "small.yaml").write_text(SPEC)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job's children ignore it
        os.execv(SFTBENCH, [SFTBENCH, "run", "small.yaml"])
    told, began, sent = b"", time.monotonic(), False
    while time.monotonic() - began < 90:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                told += os.read(terminal, 4096)
            except OSError:  # the other side has ended
                break
        if not sent and "01_collect" in told.decode():
            time.sleep(2)
            os.write(terminal, b"\x03")
            sent = True
    ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    assert ended == 130
    assert b"Traceback" not in told and b"Run the same command again" in told
    assert "small: stopped" in sftbench("status", "small", cwd=tmp_path).stdout


KEYS = [
    "path",
    "format",
    "session_id",
    "bad_lines",
    "records",
    "unknown_records",
    "prompts",
    "assistant_messages",
    "tool_calls",
    "tool_results",
    "orphan_results",
    "unanswered_calls",
    "errors",
    "compactions",
    "branches",
    "conversations",
    "subagents",
    "subagents_linked",
    "images",
    "models",
    "first_timestamp",
    "last_timestamp",
]


def test_inspect_gives_one_object_a_session_with_exactly_these_keys(tmp_path):
    found = json.loads(sftbench("inspect", "bundled:sessions", "--json").stdout)
    assert len(found) == 12 and all(list(one) == KEYS for one in found)
    assert sum(one["branches"] for one in found) == 1 and sum(one["compactions"] for one in found) == 2
    missing = sftbench("inspect", tmp_path / "nope.jsonl")
    assert missing.returncode == 2 and "does not exist" in missing.stderr


def test_stores_are_discovered_collected_archived_and_grown(tmp_path, monkeypatch):
    import shutil

    from sftbench.core.system import locate

    monkeypatch.setenv("SFTBENCH_HOME", str(tmp_path / "state"))
    projects = tmp_path / ".claude" / "projects"
    shutil.copytree(locate("bundled:sessions"), projects)
    assert "claude_code" in sftbench("collect", "--discover", "--path", tmp_path).stdout
    everything = ("collect", "--all", "--path", tmp_path, "--corpus", tmp_path / "corpus", "--yes")
    assert "claude_code: 17 new" in sftbench(*everything).stdout
    assert "claude_code: 0 new, 0 changed, 17 known" in sftbench(*everything).stdout
    first = sftbench("collect", "claude_code", "--path", projects, "-o", tmp_path / "a.jsonl")
    assert "archive:projects" in sftbench("archive", projects).stdout and first.returncode == 0
    shutil.rmtree(projects)
    sftbench("collect", "claude_code", "--path", "archive:projects", "-o", tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert sftbench("collect", "claude_code").returncode == 2


def made_up_run(folder: Path) -> Path:
    "Two samples whose keys begin alike, one of them repeated, and what training took of them."
    run = folder / "outputs" / "two"
    origin = Origin(root="nowhere", path="notes.md", lines=(1, 2))
    turns = [Message("user", "Why does the build fail on Tuesdays?"), Message("assistant", "It does not.")]
    first = Sample(key="aaaaaa01", messages=turns, source="jsonl", origin=origin, split="train", quality=0.5)
    second = msgspec.structs.replace(first, key="aaaaaa02", split="val", tier="gold")
    again = msgspec.structs.replace(first, key="bbbbbb01", parents=["aaaaaa01"])
    write_json(run / "run.json", RunRecord("two", "done", steps=[StepState("01_rebalance", "done")]))
    for name in ("01_rebalance", "02_train"):
        write_json(run / name / "step.json", StepRecord(name, name[3:], Counts()))
    write_samples(run / "01_rebalance" / "samples.jsonl", [first, second, again])
    rows = [
        {"key": "aaaaaa01", "tokens": 1200, "trained": 300, "lost": ""},
        {"key": "bbbbbb01", "tokens": 1200, "trained": 300},
    ]
    write_lines(run / "02_train" / "trained.jsonl", rows)
    return folder


def test_trace_lists_the_samples_that_a_beginning_fits(tmp_path):
    done = sftbench("trace", "two", "aaaaaa", cwd=made_up_run(tmp_path))
    assert done.returncode == 2 and "begins 2 keys" in done.stderr
    assert "aaaaaa01  id " in done.stderr and "aaaaaa02  id " in done.stderr
    assert "Why does the build fail" in done.stderr


def test_trace_says_what_training_took(tmp_path):
    made_up_run(tmp_path)
    told = sftbench("trace", "two", "aaaaaa01", cwd=tmp_path).stdout
    assert "split train  quality 0.50" in told
    assert (
        "02_train: 300 of 1,200 tokens learnt from; 1 made from it: 300 of 1,200 tokens learnt from" in told
    )
    told = sftbench("trace", "two", "aaaaaa02", cwd=tmp_path).stdout
    assert "split val  quality 0.50  gold  02_train: not trained on" in told


def test_trace_shows_the_files_of_a_commit_and_marks_what_is_cut(tmp_path):
    repo = tmp_path / "repo"
    repo.mkdir()
    git = ["git", "-C", str(repo), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    for number in range(7):
        (repo / f"module_{number}.py").write_text(f"def double_{number}(x):\n    return x * 2 + {number}\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "Doubling, since the callers all did it by hand"], check=True)
    (tmp_path / "g.yaml").write_text("run: g\nsteps:\n  - collect: {sources: {git_history: {repo: repo}}}\n")
    assert sftbench("run", "g.yaml", "--engine", "inline", cwd=tmp_path).returncode == 0
    key = samples(tmp_path / "outputs" / "g" / "01_collect" / "samples.jsonl")[0]["key"]
    told = sftbench("trace", "g", key, cwd=tmp_path).stdout
    assert "Doubling, since" in told and "module_0.py | 2 ++" in told and told.rstrip().endswith("…")


def test_a_step_says_when_it_starts_also_in_a_file(tmp_path):
    (tmp_path / "small.yaml").write_text(SPEC)
    done = sftbench("run", "small.yaml", "--engine", "inline", "--until", "02_score", cwd=tmp_path)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines[1:5]] == [
        ["01_collect", "…"],
        ["01_collect", "0"],
        ["02_score", "…"],
        ["02_score", lines[4][1]],
    ]
    assert lines[0][:5] == ["small:", "4", "steps,", "until", "02_score,"]
    done = sftbench("run", "small.yaml", "--engine", "inline", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["status"] == "done" and "03_curate        …" in done.stderr


def test_diff_with_a_part_of_a_run_names_the_missing_steps_once(small):
    part = ("run", "small.yaml", "run=part", "--until", "02_score", "--engine", "inline")
    assert sftbench(*part, cwd=small).returncode == 0
    told = sftbench("diff", "small", "part", cwd=small).stdout.splitlines()
    assert told[1] == "finished in one run only: 03_curate: only left, 04_split: only left"
    assert told[2:] == ["options: the same", "counts: the same", "versions: the same"]
    assert "2 of 4 steps done" in sftbench("runs", cwd=small).stdout


def test_doctor_tells_processors_memory_disk_and_gpu():
    found = {finding["what"]: finding for finding in json.loads(sftbench("doctor", "--json").stdout)}
    assert "cores" in found["machine"]["found"] and "GB free" in found["disk"]["found"] and found["gpu"]


def test_what_a_source_could_not_read_is_kept_beside_the_output(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"instruction": "Say hi.", "output": "Hi."}\n{"cut": \n')
    done = sftbench("collect", "jsonl", "--path", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 3 and "out.jsonl.quarantine.jsonl" in done.stderr
    assert [line["line"] for line in samples(tmp_path / "out.jsonl.quarantine.jsonl")] == [2]


def test_a_record_of_no_known_shape_is_told_what_it_lacks(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"instruction": "Say hi.", "anwser": "Hi."}\n')
    told = sftbench("validate", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path).stderr.splitlines()[0]
    assert "(anwser, instruction)" in told and "needs an answer: output" in told and len(told) < 250


@pytest.mark.parametrize(
    "given, told",
    [
        ("length", "'length' is no pair; write NAME=VALUE"),
        ("{length", "'{length' is not YAML"),
        ("length=x", "length: Expected float"),
    ],
)
def test_a_wrong_pair_is_named(tmp_path, given, told):
    done = sftbench("score", "bundled:samples.jsonl", "-o", "out.jsonl", "--weights", given, cwd=tmp_path)
    assert done.returncode == 2 and told in done.stderr and "$[" not in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "out.jsonl").exists()
