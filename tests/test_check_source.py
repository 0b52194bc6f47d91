"""The conformance test for sources: every registered one holds, bad input ends none of them, and a user's own runs from a spec."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from test_other_agents import CASES, put

from sftbench.collect.check_source import check_source
from sftbench.core.jsonl import collecting_unreadable, read_samples
from sftbench.core.registry import component, components
from sftbench.core.sample import Message, Origin, Sample, make_key
from sftbench.core.system import Problem, locate

SFTBENCH = Path(sys.executable).parent / "sftbench"


def bundled(name: str) -> Callable[[Path], dict]:
    return lambda folder: {"path": [f"bundled:{name}"]}


def written(case: str) -> Callable[[Path], dict]:
    def make(folder: Path) -> dict:
        put(CASES[case], folder)
        return {"path": [str(folder)]}

    return make


def file(name: str, text: str) -> Callable[[Path], dict]:
    def make(folder: Path) -> dict:
        (folder / name).write_text(text)
        return {"path": [str(folder)]}

    return make


def project(folder: Path) -> dict:
    "Code of ours, under git, with a commit that says something."
    for name in ("registry", "sample", "jsonl"):
        shutil.copy(Path(sys.modules["sftbench"].__file__).parent / "core" / f"{name}.py", folder)
    (folder / "README.md").write_text("# Read\n\nCall `make_key` with what tells one sample from others.\n")
    with (folder / "registry.py").open("a") as code:
        code.write("\n# TODO: say which file defines a component twice, with both lines\n")
    author = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
              (("NAME", "Mara"), ("EMAIL", "mara@example.org"), ("DATE", "2026-03-01T10:00:00Z"))}  # fmt: skip
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["commit", "-q", "-m", "Keep the registry of components in a file of its own"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, env=os.environ | author)
    return {"path": [str(folder)]}


def store(folder: Path) -> dict:
    with sqlite3.connect(folder / "a.db") as base:
        base.execute(
            "CREATE TABLE distillations (prompt, reasoning, response, quality_tier, category, validated, created_at)"
        )
        row = (
            "Why is the sky blue?",
            "Light scatters.",
            "Short waves scatter more than long ones do.",
            "gold",
            "physics",
            1,
            "2026-01-01T00:00:00Z",
        )
        base.execute("INSERT INTO distillations VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return {"path": [str(folder)]}


def in_corpus(folder: Path) -> dict:
    subprocess.run([SFTBENCH, "collect", "skills", "--corpus", folder / "c"], check=True, capture_output=True)
    return {"path": str(folder / "c")}


RATED = {
    "messages": [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Up there."}],
    "feedback": "positive",
}
STEP = {"schema_version": "ATIF-v1.4", "session_id": "s-1", "agent": {"name": "a", "version": "1"},
        "steps": [{"step_id": 1, "source": "user", "message": "Go."}, {"step_id": 2, "source": "agent", "message": "Gone."}]}  # fmt: skip

EXAMPLES: dict[str, Callable[[Path], dict]] = {
    "activity": bundled("operations"), "aider": bundled("agent_logs/aider"), "assembly_project": bundled("rom_hack"),
    "atif": file("trajectory.json", json.dumps(STEP)), "capture": file("a.jsonl", json.dumps(RATED) + "\n"),
    "agent_history": file("history.jsonl", '{"display": "Light the lamps of the harbour", "pastedContents": {}, "timestamp": 1767225600000, "project": "/x"}\n'),
    "chatgpt_export": bundled("agent_logs/chatgpt_export"), "claude_code": bundled("sessions"), "claude_export": bundled("agent_logs/claude_export"),
    "cline": bundled("agent_logs/cline"), "code_patterns": project, "codebase": project, "codex": bundled("agent_logs/codex"),
    "continue_dev": bundled("agent_logs/continue_dev"), "copilot_cli": written("copilot"), "corpus": in_corpus, "cursor": written("cursor"),
    "discoveries": bundled("operations/discoveries"), "distillation": store, "documents": bundled("documents"), "episodes": bundled("sessions"),
    "failures": bundled("operations"), "gemini": bundled("agent_logs/gemini"), "git_history": lambda folder: {"repo": project(folder)["path"][0]},
    "goose": written("goose"), "history": bundled("operations/history"), "jsonl": bundled("samples.jsonl"), "knowledge_graph": bundled("rom_hack"),
    "manifest": bundled("documents"), "memory": bundled("documents"), "opencode": written("opencode"),
    "routing": lambda folder: {"table": "bundled:routing/handlers.yaml"}, "shell_history": bundled("operations/shell"), "skills": bundled("skills"),
    "todo": project, "workflows": bundled("operations"),
}  # fmt: skip
NAMES = {"git_history": "repo", "routing": "table"}


def test_every_registered_source_has_an_example_here():
    assert set(EXAMPLES) == set(components("source"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_registered_source_holds_what_it_owes(name, tmp_path):
    options = EXAMPLES[name](tmp_path)
    assert (
        check_source(component("source", name), options, path_option=NAMES.get(name, "path"), most=2000) == []
    )


def damage(folder: Path) -> None:
    "Files that no source wants, under names that all of them read."
    endings = (
        "md",
        "txt",
        "py",
        "asm",
        "json",
        "jsonl",
        "ipynb",
        "html",
        "csv",
        "db",
        "sqlite",
        "log",
        "yaml",
        "toml",
        "rst",
        "vscdb",
    )
    for ending in endings:
        (folder / f"binary.{ending}").write_bytes(bytes(range(256)) * 40)
        (folder / f"empty.{ending}").write_bytes(b"")
        (folder / f"latin.{ending}").write_bytes(
            "Wörter über Brücken, die älter sind.\n".encode("latin-1") * 3
        )
        (folder / f"utf16.{ending}").write_bytes("{'a': 1}\n".encode("utf-16"))
        (folder / f"cut.{ending}").write_text('{"messages": [{"role": "user", "content": "x')
        (folder / f"list.{ending}").write_text("[1, null, [2], {}]\n")
        (folder / f"deep.{ending}").write_text("[" * 5000)
    (folder / "history.jsonl").write_text("null\n{}\n[]\n7\n\n")
    (folder / "conversations.json").write_text('[{"mapping": {"a": 1}}, null]')
    (folder / "loop.asm").write_text("incsrc loop.asm\nincsrc other.asm\n")
    (folder / "other.asm").write_text("incsrc loop.asm\nmacro m()\n%m()\n")
    (folder / "circle").symlink_to(folder)
    (folder / "gone.md").symlink_to(folder / "nowhere")


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_damaged_foreign_and_empty_input_is_told_in_sentences_and_ends_no_source(name, tmp_path):
    damage(tmp_path)
    fn, option = component("source", name), NAMES.get(name, "path")
    (tmp_path / "empty").mkdir()
    for place in (tmp_path, tmp_path / "empty", tmp_path / "binary.json"):
        given = str(place) if name in ("git_history", "routing", "corpus") else [str(place)]
        with collecting_unreadable() as reports:
            try:
                samples = list(fn(**{option: given}))
            except Problem as error:
                assert error.remedy
                continue
        assert samples or reports or place == tmp_path, f"nothing is said about {place.name}"
        for report in reports:
            assert report.reason.rstrip().endswith((".", "?", "!")) and report.remedy, report
        assert not [key for key, count in Counter(one.key for one in samples).items() if count > 1]


OWN = '''"""A source of ours."""
from pathlib import Path

from sftbench.core.jsonl import report_unreadable
from sftbench.core.params import Paths
from sftbench.core.registry import source
from sftbench.core.sample import Message, Origin, Sample, make_key


@source(domain="tea")
def teas(
    *,
    path: Paths,  # a folder of notes
):
    "Notes on tea."
    folder = Path(path[0])
    if not folder.is_dir():
        report_unreadable(path[0], "It is no folder.", "Give the folder of your notes.")
        return
    for file in sorted(folder.iterdir()):
        messages = [Message("user", f"What do I know about {file.stem}?"), Message("assistant", file.read_text())]
        yield Sample(key=make_key("teas", file.name), messages=messages, origin=Origin(path=file.name), group=file.name, domain="tea")
'''


@pytest.mark.parametrize("kind", ["py", "ipynb"])
def test_a_users_own_source_runs_from_a_spec_and_through_the_command_line(kind, tmp_path):
    (tmp_path / "notes").mkdir()
    for name in ("oolong", "sencha"):
        (tmp_path / "notes" / f"{name}.txt").write_text(
            f"How to brew {name}: warm the pot, and wait for three minutes."
        )
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": "#| export\n" + OWN,
    }
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    mine = tmp_path / f"mine.{kind}"
    mine.write_text(OWN if kind == "py" else json.dumps(book))
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        f"run: tea\nuse: [{mine}]\nsteps:\n  - collect: {{sources: {{teas: {{path: [{tmp_path / 'notes'}]}}}}}}\n"
    )
    done = subprocess.run(
        [SFTBENCH, "run", spec, "--outputs", tmp_path / "out", "--engine", "inline"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    samples = list(read_samples(next((tmp_path / "out" / "tea").glob("*collect*/samples.jsonl"))))
    assert [one.messages[0].content for one in samples] == [
        "What do I know about oolong?",
        "What do I know about sencha?",
    ]
    assert {one.source for one in samples} == {"teas"}


def test_each_thing_that_can_be_wrong_is_said_in_a_sentence(tmp_path):
    def bad(*, path: list[str], **changes):
        yield Sample(**{"key": make_key(path), "messages": [Message("user", "?"), Message("assistant", "!")],
                        "origin": Origin(path="a.md"), "group": "g", "domain": "d"} | changes)  # fmt: skip

    def said(**changes) -> str:
        return " ".join(check_source(lambda **options: bad(**options, **changes), {"path": [str(tmp_path)]}))

    wrong = {"no origin": {"origin": Origin()}, "has the key": {"key": "x"}, "no messages": {"messages": []},
             "nothing to learn": {"messages": [Message("user", "?")]}, "no group": {"group": ""}, "no domain": {"domain": ""},
             "origin path": {"origin": Origin(path="/etc/x")}, "the lines": {"origin": Origin(path="a", lines=(3, 2))},
             "created at": {"created_at": "today"}, "with the reason 'dull'": {"drop": "dull"}}  # fmt: skip
    for sentence, changes in wrong.items():
        assert sentence in said(**changes), sentence
    assert "gives samples for a path that is not there" in said()
    assert locate("bundled:sessions").is_dir()
