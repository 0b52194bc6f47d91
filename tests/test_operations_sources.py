"""Operations: failures and recoveries, workflows, histories, shells and what else tells how work went."""

import json
import os
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftbench.collect.activity import activity
from sftbench.collect.discoveries import discoveries
from sftbench.collect.episodes import episodes
from sftbench.collect.error_classes import error_class, error_line, log_templates, outcome_of
from sftbench.collect.event_logs import streams_below
from sftbench.collect.failures import failures
from sftbench.collect.history import history
from sftbench.collect.recoveries import all_episodes
from sftbench.collect.shell_history import Entered, read_shell_history, shell_history, sittings
from sftbench.collect.todo import todo
from sftbench.collect.workflows import workflows
from sftbench.core.jsonl import Unreadable, collecting_unreadable
from sftbench.core.sample import Sample
from sftbench.core.system import Problem, locate


def read(source: Callable[..., Any], **options: Any) -> tuple[list[Sample], list[Unreadable]]:
    with collecting_unreadable() as reports:
        samples = list(source(**options))
    assert len({sample.key for sample in samples}) == len(samples)
    for sample in samples:
        assert sample.source == source.__name__ and sample.group and sample.domain
        assert not sample.origin.path.startswith("/") and all(m.content.strip() for m in sample.messages)
    for report in reports:
        assert report.reason.endswith(".") and report.remedy
    return samples, reports


def planted() -> dict[str, tuple[str, str]]:
    rows = json.loads((locate("bundled:operations") / "planted.json").read_text())
    return {row["at"]: (row["class"], row["ending"]) for row in rows}


def event(number: int, tool: str, ok: bool | None, files: list[str], said: str = "", **more: Any) -> str:
    about = {"tool": tool, "files": files, "success": ok, ("error" if ok is False else "summary"): said}
    value = {"id": f"e{number}", "timestamp": f"2026-03-02T09:{number:02}:00Z", "operation": more.pop("operation", tool),
             "provenance": {"session": more.pop("session", "s1")}, "metadata": about | more}  # fmt: skip
    return json.dumps(value)


def written(folder: Path, *lines: str, name: str = "2026-03-02.jsonl") -> str:
    (folder / name).write_text("\n".join(lines) + "\n")
    return str(folder / name)


def shell(*steps: tuple[str, str, bool]) -> list[dict[str, Any]]:
    "A session of Claude Code that runs commands."
    said: list[dict[str, Any]] = [{"type": "user", "message": {"role": "user", "content": "Mend it."}}]
    for number, (command, output, ok) in enumerate(steps):
        tool, arguments = (
            ("Edit", json.loads(command)) if command.startswith("{") else ("Bash", {"command": command})
        )
        use = {"type": "tool_use", "id": f"t{number}", "name": tool, "input": arguments}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": output} | (
            {} if ok else {"is_error": True}
        )
        said.append(
            {"type": "assistant", "message": {"id": f"m{number}", "role": "assistant", "content": [use]}}
        )
        said.append({"type": "user", "message": {"role": "user", "content": [result]}})
    for number, one in enumerate(said):
        parent = f"u{number - 1}" if number else None
        one |= {"uuid": f"u{number}", "parentUuid": parent, "sessionId": "s", "isSidechain": False, "version": "2.1.98",
                "cwd": "/w/shop", "timestamp": f"2026-03-02T09:00:{number:02}.000Z"}  # fmt: skip
    return said


def endings(folder: Path, *steps: tuple[str, str, bool]) -> list[str]:
    written(folder, *map(json.dumps, shell(*steps)), name="s.jsonl")
    return [one.ending for one in all_episodes(streams_below(folder))]


EDIT = '{"file_path": "/w/shop/a.py", "old_string": "a", "new_string": "b"}'


def test_every_planted_failure_is_found_with_its_class_and_its_ending():
    found = {
        f"{one.stream.path}#{one.failure.id}": (one.kind, one.ending)
        for one in all_episodes(streams_below("bundled:operations"))
    }
    assert found == planted()
    assert {ending for _, ending in found.values()} == {"recovered", "retried", "flaky", "open"}


def test_each_planted_recovery_becomes_a_sample_and_nothing_else_is_told_as_a_fix():
    samples, reports = read(failures, path=["bundled:operations"])
    told = {f"{s.origin.path}#{s.origin.uuid}" for s in samples if s.source_type == "failure"}
    assert told == {at for at, (_, ending) in planted().items() if ending in ("recovered", "retried")}
    assert not reports


def test_the_lines_of_an_answer_hold_the_error_and_its_proof():
    samples, _ = read(failures, path=["bundled:operations"])
    for sample in (one for one in samples if one.source_type == "failure"):
        text = (locate("bundled:operations") / sample.origin.path).read_text().split("\n")
        first, last = sample.origin.lines
        inside = "\n".join(text[first - 1 : last])
        assert sample.meta["proof"].startswith("line-") or sample.meta["proof"] in inside
        assert sample.origin.uuid.startswith("line-") or sample.origin.uuid in inside


def test_a_recurring_error_gives_a_runbook_that_counts_what_did_not_help(tmp_path):
    lines = []
    for number in range(3):
        lines += [
            event(3 * number, "deploy", False, ["a.yaml"], "401 token expired", session=f"s{number}"),
            event(
                3 * number + 1,
                "renew_token" if number < 2 else "read",
                True,
                ["t"],
                "new token",
                session=f"s{number}",
            ),
        ]
        lines += (
            [event(3 * number + 2, "deploy", True, ["a.yaml"], session=f"s{number}")] if number < 2 else []
        )
    samples, _ = read(failures, path=[written(tmp_path, *lines)])
    (runbook,) = [one for one in samples if one.source_type == "runbook"]
    assert "Seen 3 times on 2026-03-02, resolved 2 times." in runbook.messages[1].content
    assert (
        "This helped each time" in runbook.messages[1].content and "No way out" in runbook.messages[1].content
    )
    assert set(runbook.parents) == {one.key for one in samples if one.source_type == "failure"}
    assert not [
        one for one in read(failures, path=[str(tmp_path)], runbooks=0)[0] if one.source_type == "runbook"
    ]


RECOVERED = [
    [
        ("pytest -q", "KeyError: 1\n1 failed", False),
        (EDIT, "done", True),
        ("pytest -q 2>&1 | tail -1", "4 passed", True),
    ],
    [("scp a w:/x", "Host key verification failed.", False), ("scp -o Strict=no a w:/x", "", True)],
]
NOT_RECOVERED = {
    "other tests": [("pytest a.py", "1 failed", False), (EDIT, "done", True), ("pytest b.py", "1 passed", True)],
    "narrowed": [("pytest -q", "1 failed", False), (EDIT, "done", True), ("pytest -q -k fast", "1 passed", True)],
    "forgiven": [("make", "make: *** [all] Error 2", False), (EDIT, "done", True), ("make || true", "success", True)],
    "hidden": [("make", "make: *** [all] Error 2", False), (EDIT, "done", True), ("make | grep x", "", True)],
    "still red behind a pipe": [("pytest -q", "2 failed", False), (EDIT, "", True), ("pytest -q | tail -1", "1 failed", True)],
    "other edit": [
        ('{"file_path": "/w/a.py", "old_string": "lock(sku)", "new_string": "lock([sku])"}', "not found", False),
        ('{"file_path": "/w/a.py", "old_string": "", "new_string": "import logging, json"}', "done", True),
    ],
    "only looked": [("./run", "crash", False), ("ls", "run", True), ("./run", "fine", True)],
    "only prose": [("./run", "crash", False), (EDIT.replace("a.py", "a.md"), "", True), ("./run", "fine", True)],
    "dry run": [("git push", "rejected", False), (EDIT, "done", True), ("git push --dry-run", "ok", True)],
    "never again": [("./run", "crash", False), (EDIT, "done", True)],
}  # fmt: skip


@pytest.mark.parametrize("steps", RECOVERED)
def test_a_recovery_needs_the_same_step_to_go_through(tmp_path, steps):
    assert endings(tmp_path, *steps) == ["recovered"]


@pytest.mark.parametrize("name", NOT_RECOVERED)
def test_what_proves_nothing_is_no_recovery(tmp_path, name):
    assert endings(tmp_path, *NOT_RECOVERED[name])[0] in ("open", "flaky")
    samples, _ = read(failures, path=[str(tmp_path)])
    assert not samples


def test_what_fails_again_unchanged_had_not_been_mended(tmp_path):
    steps = [("./run", "crash", False), (EDIT, "", True), ("./run", "fine", True), ("./run", "crash", False)]
    assert endings(tmp_path, *steps) == ["flaky", "open"]


def test_a_limit_that_passes_is_told_as_passing_and_can_be_left_out(tmp_path):
    lines = [event(1, "push", False, ["r"], "429 too many requests"), event(2, "push", True, ["r"])]
    (sample,), _ = read(failures, path=[written(tmp_path, *lines)])
    assert sample.meta["ending"] == "retried" and "Nothing has to be changed" in sample.messages[1].content
    assert "60 seconds after the first failure" in sample.messages[1].content
    assert not read(failures, path=[str(tmp_path)], retries=False)[0]


def test_severity_and_window_bound_what_counts(tmp_path):
    far = [event(n, "read", True, ["x"]) for n in range(4, 9)]
    lines = [
        event(1, "build", False, ["a"], "KeyError"),
        event(2, "edit", True, ["b"]),
        *far,
        event(9, "build", True, ["a"]),
    ]
    path = written(tmp_path, *lines)
    assert len(read(failures, path=[path])[0]) == 1
    assert (
        not read(failures, path=[path], window=3)[0]
        and not read(failures, path=[path], severity="critical")[0]
    )


def test_the_counts_stand_at_the_end(tmp_path):
    run = failures(path=["bundled:operations"])
    with pytest.raises(StopIteration) as stop:
        while True:
            next(run)
    notes = stop.value.value
    errors = [kind for kind, _ in planted().values()]
    assert notes["failures"] == len(errors) - 1  # one of them is a warning
    assert {"recovered", "open", "flaky", "retried"} == set(notes["endings"])
    assert notes["tools"][0]["failures"] >= 2 and notes["recommendations"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("HTTP/1.1 429 Too Many Requests", "rate_limit"), ("requests.exceptions.ReadTimeout: timed out", "timeout"),
        ("PermissionError: [Errno 13] a", "auth"), ("bash: foo: command not found", "not_found"),
        ("ModuleNotFoundError: No module named 'x'", "not_found"), ("ZeroDivisionError: division by zero", "exception"),
        ("error: unrecognized arguments: --x", "validation"), ("FAILED tests/test_timeout.py::test_auth - assert 1 == 2", "exception"),
        ("", "exception"),
    ],
)  # fmt: skip
def test_errors_are_classed_by_the_line_that_states_them(text, kind):
    assert error_class(text) == kind


def test_long_outputs_state_their_error_and_odd_ones_say_nothing():
    text = (
        "Exit code 1\n"
        + "noise\n" * 50
        + "Traceback (most recent call last):\n  File x\nValueError: bad sku\n"
    )
    assert error_line(text) == "ValueError: bad sku"
    assert error_line("") == "" and outcome_of("") is None and outcome_of("not successful") is None


def test_drain3_is_asked_for_only_where_it_is_wanted(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "drain3.template_miner_config", None)
    assert log_templates(["a 1", "a 2"]) == ["a <n>", "a <n>"]
    with pytest.raises((Problem, ModuleNotFoundError)):
        log_templates(["a 1"], "drain3")


@pytest.mark.parametrize(
    "source", [failures, workflows, history, shell_history, todo, episodes, discoveries, activity]
)
def test_a_missing_path_an_empty_folder_and_a_strange_file_are_reported_with_a_remedy(source, tmp_path):
    (tmp_path / "strange.bin").write_bytes(b"\0\1")
    (tmp_path / "empty").mkdir()
    for name in ("missing", "empty", "strange.bin"):
        samples, reports = read(source, path=[str(tmp_path / name)])
        assert samples == [] and len(reports) == 1 and reports[0].path.endswith(name)


def test_damaged_lines_are_reported_and_the_rest_is_read(tmp_path):
    good = [
        event(1, "build", False, ["a"], "KeyError"),
        event(2, "edit", True, ["b"]),
        event(3, "build", True, ["a"]),
    ]
    path = written(tmp_path, good[0], "{broken", good[1], '{"operation": null, "metadata": 3}', "[]", good[2])
    samples, reports = read(failures, path=[path])
    assert len(samples) == 1 and reports and {one.line for one in reports} <= {2, 5}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_rights_is_reported(tmp_path):
    path = Path(written(tmp_path, event(1, "build", True, ["a"])))
    path.chmod(0)
    assert read(failures, path=[str(path)])[1]


def test_a_session_of_events_is_told_with_its_failures_and_its_times():
    samples, reports = read(history)
    tasks = {(s.origin.session, s.meta["task"]): s.messages[1].content for s in samples}
    assert not reports and "never" not in tasks["tide-zones", "report"]
    assert "after `edit_file` on `tide/clock.py` it went through" in tasks["tide-zones", "report"]
    assert "datum must be one of" in tasks["schema", "open"] and ("tide-zones", "open") not in tasks
    assert "the same call went through later" in tasks["registry", "report"]
    for sample in samples:
        lines = (locate("bundled:operations/history") / sample.origin.path).read_text().split("\n")
        first, last = sample.origin.lines
        sessions = [json.loads(lines[n - 1])["provenance"]["session"] for n in (first, last)]
        assert sessions == [sample.origin.session] * 2


def test_events_without_sessions_and_with_odd_fields_are_read(tmp_path):
    odd = '{"operation": "x", "metadata": {"files": "no list", "success": "yes", "duration_ms": -1}, "provenance": null}'
    lines = [odd, event(1, "a", None, []), event(2, "b", True, [])]
    samples, reports = read(history, path=[written(tmp_path, *lines)], min_operations=1)
    assert len(samples) == 2 and not reports


def runs(tmp_path: Path, fails: set[int]) -> str:
    "Four sessions of three steps; some of them fail to deploy."
    lines = []
    for number in range(4):
        for step, tool in enumerate(("edit", "build", "deploy")):
            ok = tool != "deploy" or number not in fails
            lines.append(event(step, tool, ok, [f"{tool}.yaml"], session=f"s{number}"))
    return written(tmp_path, *lines)


@pytest.mark.parametrize(("fails", "found"), [(set(), 1), ({0}, 1), ({0, 1}, 0)])
def test_a_workflow_needs_seven_of_ten_runs_to_go_through(tmp_path, fails, found):
    samples, _ = read(workflows, path=[runs(tmp_path, fails)])
    assert len(samples) == found
    for sample in samples:
        assert sample.meta["rate"] == 1 - len(fails) / 4 and len(sample.meta["sessions"]) == 4
        assert f"{4 - len(fails) if fails else 'all'} of them got through" in sample.messages[1].content


def test_a_workflow_that_one_session_repeats_is_not_shared(tmp_path):
    lines = [event(n, tool, True, ["a"]) for n, tool in enumerate(["edit", "build", "deploy"] * 5)]
    assert not read(workflows, path=[written(tmp_path, *lines)])[0]


def test_a_plan_is_only_told_of_sessions_that_left_nothing_failing():
    samples, _ = read(workflows, path=["bundled:operations"])
    plans = {s.origin.session for s in samples if s.source_type == "plan"}
    assert plans == {"tide-zones", "tide-cache", "moon-phase", "alerts", "registry"}
    assert all("FAILED" not in s.messages[1].content for s in samples)


def test_a_shell_history_is_read_where_it_is_named_and_without_credentials(tmp_path):
    samples, reports = read(shell_history, path=["bundled:operations/shell"])
    text = "\n".join(message.content for sample in samples for message in sample.messages)
    assert not reports and "hunter2" not in text and "frobnicate" not in text
    assert {sample.origin.path for sample in samples} == {"bash_history", "fish_history", "zsh_history"}
    with pytest.raises(TypeError):
        list(shell_history())
    run = shell_history(path=["bundled:operations/shell"])
    with pytest.raises(StopIteration) as stop:
        while True:
            next(run)
    assert stop.value.value["left_out"] == {"credential": 1, "too little is known": 1}


@pytest.mark.parametrize(
    "secret",
    [
        "export API_KEY=abcd1234", "mysql -u root -phunter2 shop", "curl -u mara:hunter2 https://h", "sshpass -p hunter2 ssh w",
        "git clone https://mara:hunter2@h/x", "curl -H 'Authorization: Bearer abc' https://h", "aws configure set x AKIAABCDEFGHIJKLMNOP",
    ],
)  # fmt: skip
def test_commands_with_credentials_are_left_out(tmp_path, secret):
    commands = ["git status", secret, "pytest -q", "git commit -m x", "git push"]
    samples, _ = read(shell_history, path=[written(tmp_path, *commands, name=".bash_history")])
    assert len(samples) == 2 and not any(secret in m.content for s in samples for m in s.messages)


def test_a_pause_and_another_project_part_what_was_entered():
    rows = [
        ("git status", 0),
        ("git diff", 60),
        ("pytest", 4000),
        ("cd ../docs", 4010),
        ("cd ~/relay", 4020),
        ("ls", 4030),
    ]
    entered = [Entered(text, (n, n), 1.7e9 + seconds) for n, (text, seconds) in enumerate(rows, 1)]
    assert [[one.text for one in found] for found in sittings(entered)] == [
        ["git status", "git diff"], ["pytest", "cd ../docs"], ["cd ~/relay", "ls"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "raw", [b"", b"\n\n", b": 1:2;", b"- cmd: ", b": 1772445600:0;a\\", b"#99999999999\n", b"\xff\xfe\x00"]
)
def test_odd_histories_do_no_harm(raw):
    assert all(one.lines[0] >= 1 for one in read_shell_history(raw))


def test_todos_are_prompts_without_an_answer_and_only_from_comments(tmp_path):
    code = 'x = "# TODO: in a string here"\n# TODO: mend the clock soon\n# FIXME\ny = 1  // HACK: until the gauges are new\n'
    (tmp_path / "a.py").write_text(code)
    (tmp_path / "b.md").write_text(
        "TODO: prose is none at all\n- [ ] warn of surges by mail\n- [x] done and over with\n"
    )
    samples, _ = read(todo, path=[str(tmp_path)])
    assert [(s.meta["mark"], s.origin.lines) for s in samples] == [
        ("TODO", (2, 2)),
        ("HACK", (4, 4)),
        ("task", (2, 2)),
    ]
    assert all(s.kind == "document" and [m.role for m in s.messages] == ["user"] for s in samples)


def test_what_the_history_was_busy_with_is_told_with_its_commits(tmp_path):
    for number in range(3):
        (tmp_path / "clock.py").write_text(f"x = {number}\n")
        (tmp_path / f"other{number}.py").write_text("y = 1\n")
        for arguments in (
            ["init", "-qb", "main"],
            ["add", "-A"],
            ["commit", "-qm", f"Mend the clock, part {number}"],
        ):
            author = {
                f"GIT_{who}_{what}": "a@b.example"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            }
            subprocess.run(
                ["git", "-C", tmp_path, *arguments],
                check=True,
                env=os.environ | author | {"GIT_CONFIG_GLOBAL": os.devnull},
            )
    (busy,), _ = read(todo, path=[str(tmp_path)])
    assert (
        busy.origin.path == "clock.py"
        and len(busy.meta["commits"]) == 3
        and "part 0" in busy.messages[0].content
    )
    assert not read(todo, path=[str(tmp_path)], recent=0)[0]


def test_only_files_below_the_folder_count_as_busy_and_bulk_commits_for_nothing(tmp_path):
    def commit(message: str) -> None:
        who = {f"GIT_{a}_{b}": "a@b.example" for a in ("AUTHOR", "COMMITTER") for b in ("NAME", "EMAIL")}
        for arguments in (["init", "-qb", "main"], ["add", "-A"], ["commit", "-qm", message]):
            environment = os.environ | who | {"GIT_CONFIG_GLOBAL": os.devnull}
            subprocess.run(["git", "-C", tmp_path, *arguments], check=True, env=environment)

    for name in ("app", "docs"):
        (tmp_path / name).mkdir()
    for number in range(3):
        for name in ("app/clock.py", "docs/clock.md"):
            (tmp_path / name).write_text(f"{number}\n")
        commit(f"Mend the clock, part {number}")
    for number in range(3):
        for place in range(30):
            (tmp_path / "app" / f"made{place}.py").write_text(f"{number}\n")
        commit(f"Write all of it again, part {number}")
    (busy,), _ = read(todo, path=[str(tmp_path / "app")])
    assert busy.origin.path == "clock.py" and "3 of the last 6 commits" in busy.messages[0].content


def damaged(raw: bytes, seed: int) -> bytes:
    "A file as disks, editors and interrupted copies leave it."
    r = random.Random(seed)
    lines = raw.split(b"\n")
    place = r.randrange(len(lines))
    return [
        raw[: r.randrange(len(raw))], bytes(b ^ 0xFF if r.random() < 0.01 else b for b in raw), raw.decode().encode("utf-16"),
        b"\n".join([*lines[:place], b"\0\xff\x80{", *lines[place:]]), re.sub(rb"true|false|\"[^\"]{1,9}\"", b"null", raw),
        re.sub(rb"\d+", b"1e999", raw), b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n"), b"[" * 20000 + raw, re.sub(rb": \"", b': ["', raw),
    ][seed % 9]  # fmt: skip


@pytest.mark.parametrize("seed", range(18))
def test_damaged_files_never_end_in_a_traceback(tmp_path, seed):
    for path in sorted(locate("bundled:operations").rglob("*")):
        if path.is_file():
            there = tmp_path / path.relative_to(locate("bundled:operations"))
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(damaged(path.read_bytes(), seed))
    for source in (failures, workflows, history, episodes, discoveries, activity, todo):
        read(source, path=[str(tmp_path)])
    read(shell_history, path=[str(tmp_path / "shell")])


def test_discoveries_cite_only_evidence_that_stands_where_they_say(tmp_path):
    (tmp_path / "a.log").write_text("skew   3600 s\n")
    records = [
        {"title": "Good", "finding": "It is late.", "evidence": [{"file": "a.log", "line": 1, "quote": "skew 3600 s"}, {"file": "b.log", "line": 1}]},
        {"title": "Moved", "finding": "It is later.", "evidence": [{"file": "a.log", "line": 7, "quote": "skew 3600 s"}]},
        {"title": "Wrong", "finding": "It is early.", "evidence": [{"file": "a.log", "quote": "no skew"}]},
        {"title": "Outside", "finding": "It is out.", "evidence": [{"file": "../../etc/passwd"}]},
        {"title": "Bare", "finding": "It is so.", "evidence": []}, {"claim": 3}, {"finding": None, "evidence": 7},
    ]  # fmt: skip
    samples, _ = read(discoveries, path=[written(tmp_path, *map(json.dumps, records), name="d.jsonl")])
    assert [s.meta["record"] for s in samples] == ["Good"] and samples[0].meta["evidence"] == ["a.log"]


def test_what_an_episode_says_was_said_or_done():
    samples, _ = read(episodes, path=["bundled:sessions", "bundled:operations/sessions"])
    assert samples
    for sample in samples:
        shown = " ".join(sample.messages[0].content.split())
        for part in sample.messages[1].content.split("\n\n"):
            if part.startswith("**Decided"):
                assert all(line[2:] in shown for line in part.split("\n")[1:])
    last = samples[-1].messages[1].content
    assert (
        "`make deploy` failed and was not seen to work again" in last
        and "passes and fails with nothing changed" in last
    )


def test_activity_counts_the_switches_of_a_day(tmp_path):
    lines = []
    for number, project in enumerate(["tide", "relay", "tide", "tide"]):
        value = json.loads(event(number, "edit", True, ["a"], session=f"s{number}"))
        value["provenance"] |= {"project": f"/w/{project}", "goal": f"Goal {number} of the day"}
        lines.append(json.dumps(value))
    (sample,), reports = read(activity, path=[written(tmp_path, *lines)])
    assert not reports and sample.messages[1].content.startswith(
        "2 switches between 2 projects (tide 3 of 4, relay 1 of 4)"
    )
    assert (
        "back to tide again" in sample.messages[1].content
        and "1 of them went back" in sample.messages[1].content
    )


def test_activity_reads_commits_only_of_repositories_that_are_named(tmp_path):
    samples, reports = read(
        activity, path=["bundled:operations"], repos=[str(tmp_path), str(tmp_path / "none")]
    )
    assert samples and {one.path for one in reports} == {str(tmp_path), str(tmp_path / "none")}


def options(source: Callable[..., Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"path": ["bundled:operations"]}
    return {"path": ["bundled:operations/shell"]} if source is shell_history else given


@pytest.mark.parametrize(
    "source", [failures, workflows, history, shell_history, episodes, discoveries, activity]
)
def test_the_same_input_gives_the_same_samples_again_and_no_machine_path(source):
    first, _ = read(source, **options(source))
    again, _ = read(source, **options(source))
    assert first and first == again
    assert all(sample.origin.root.startswith("bundled:operations") for sample in first)
    assert str(locate("bundled:operations")) not in str(first)


@pytest.mark.parametrize("source", [failures, workflows, history, episodes, discoveries])
def test_answers_are_not_one_template(source):
    answers = [s.messages[-1].content for s in read(source, **options(source))[0] if s.kind == "sample"]
    shingles = [set(zip(*(text.split()[n:] for n in range(4)), strict=False)) for text in answers]
    pairs = [len(a & b) / len(a | b) for n, a in enumerate(shingles) for b in shingles[n + 1 :] if a | b]
    assert sum(alike >= 0.8 for alike in pairs) <= 0.01 * len(pairs)
