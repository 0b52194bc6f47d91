"""Recoveries against a made-up world that knows the cause of every failure and of every success."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from made_operations import Made, session, write_events, write_session

from sftbench.collect.error_classes import log_templates
from sftbench.collect.event_logs import streams_below
from sftbench.collect.failure_summary import failure_summary
from sftbench.collect.failures import failures
from sftbench.collect.history import history
from sftbench.collect.recoveries import Episode, all_episodes, mending_steps
from sftbench.collect.same_steps import called
from sftbench.collect.workflows import workflows

SEEDS = range(300, 350)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    "Fifty sessions of 4 to 12 targets at once, and what is found in them."
    folder: Path = tmp_path_factory.mktemp("world")
    made: dict[int, Made] = {}
    for seed in SEEDS:
        made[seed] = session(seed, 4 + seed % 9)
        write_session(folder, made[seed], f"s{seed}", seed)
    found = {one.failure.id: one for one in all_episodes(streams_below(str(folder)), window=200)}
    truth = {name: fact for one in made.values() for name, fact in one.truth.items()}
    return folder, made, truth, found


def test_precision_and_recall_of_recoveries_are_one(world):
    _, _, truth, found = world
    wrong = {name: (truth.get(name, ("no failure",))[0], found[name].ending if name in found else "not found")
             for name in truth.keys() | found.keys()
             if name not in truth or name not in found or truth[name][0] != found[name].ending}  # fmt: skip
    assert not wrong
    endings = Counter(ending for ending, *_ in truth.values())
    assert all(endings[one] >= 20 for one in ("recovered", "retried", "flaky", "open")), endings
    assert len({kind for _, _, kind, _ in truth.values()}) >= 12


def test_each_fix_is_told_and_no_step_that_was_done_for_another_target(world):
    _, made, truth, found = world
    steps = {one.id: one for each in made.values() for step in each.steps for one in (step, *step.inner)}
    for name, (ending, fixes, _, own) in truth.items():
        if ending != "recovered":
            continue
        told = mending_steps(found[name])
        calls = {called(step) for step in told}
        between = [inner for step in found[name].between for inner in (step, *step.inner)]
        assert all(called(step) in calls for step in between if step.id in fixes)
        names = made[int(name.split("_")[1])].names
        strangers = [word for one in told for word in names if word in str(one.arguments) and word != own]
        assert len(strangers) <= sum(
            steps[one.id].free for one in told
        )  # what nobody claims may have been the fix


def test_samples_are_made_of_what_was_mended_and_of_limits_that_passed_and_of_nothing_else(world):
    folder, _, truth, _ = world
    told = [one for one in failures(path=[str(folder)], window=200) if one.source_type == "failure"]
    assert {one.origin.uuid for one in told} == {
        name for name, (ending, *_) in truth.items() if ending in ("recovered", "retried")
    }


def test_event_logs_are_judged_like_sessions(tmp_path):
    truth = {}
    for seed in range(600, 620):
        made = session(seed, 4 + seed % 9, without=("in_folder", "delegated"))
        write_events(tmp_path, made, f"s{seed}")
        truth |= {name: ending for name, (ending, *_) in made.truth.items()}
    found = {one.failure.id: one.ending for one in all_episodes(streams_below(str(tmp_path)), window=200)}
    assert found == truth and len(truth) > 100


def test_a_test_that_is_flaky_in_one_session_proves_nothing_in_another(tmp_path):
    from made_operations import edit, run

    line, fail = (
        "npx playwright test e2e/map.spec.ts",
        "Error: the marker is not visible after 31 s\n1 failed",
    )
    flips = [run(line, False, fail), run(line, True, "1 passed")]
    mended = [
        run(line, False, fail.replace("31", "47")),
        edit("src/map.ts", "a", "b"),
        run(line, True, "1 passed"),
    ]
    for name, steps in (("one", mended), ("two", flips)):
        for number, step in enumerate(steps):
            step.id = f"{name}{number}"
        write_session(tmp_path, Made(steps, {}, []), name, 1)
    found: list[Episode] = list(all_episodes(streams_below(str(tmp_path))))
    assert [one.ending for one in found] == ["flaky", "flaky"]


def returned(run):
    "What a generator returns at its end."
    with pytest.raises(StopIteration) as stop:
        while True:
            next(run)
    return stop.value.value


def program(step) -> str:
    "The program of a made-up call, told without the code under test."
    line = step.arguments.get("command")
    if line is None:
        return step.tool
    line = re.sub(r"^\(?(cd \S+ && )?(export \S+; )?(\w+=\S+ )?(sudo |timeout \d+ |uv run |npx )?", "", line)
    name = line.split()[0].rpartition("/")[2].rstrip(")")
    return "Bash" if name in ("echo", "cd", "sleep", "export") else name


def test_aggregates_are_the_counts_that_are_made_by_hand(world):
    folder, made, truth, found = world
    steps = {one.id: one for each in made.values() for step in each.steps for one in (step, *step.inner)}
    told = [one for one in steps.values() if one.answered and one.ok is not None]
    notes = failure_summary(
        found.values(),
        [one for stream in streams_below(str(folder)) for one in stream.operations],
        most=10**6,
    )
    assert notes["failures"] == len(truth)
    assert notes["endings"] == dict(sorted(Counter(ending for ending, *_ in truth.values()).items()))
    rows = {row["tool"]: row for row in notes["tools"]}
    assert {name: row["failed_runs"] for name, row in rows.items()} == Counter(
        program(one) for one in told if one.ok is False
    )
    runs = Counter(program(one) for one in told)
    assert {name: row["runs"] for name, row in rows.items()} == {name: runs[name] for name in rows}
    assert [row["failures"] for row in notes["tools"]] == sorted(
        (row["failures"] for row in notes["tools"]), reverse=True
    )
    limits = sum(steps[name].output == "429 Too Many Requests" for name in truth)
    assert (
        {row["message"].partition(" ")[2]: row["count"] for row in notes["messages"]}["Too Many Requests"]
        == limits
        > 5
    )
    files = Counter(name for one in truth for name in
                    ({steps[one].arguments["file_path"].rpartition("/")[2]} if steps[one].tool == "Edit"
                     else set(re.findall(r"(\w+\.py):\d", steps[one].output))))  # fmt: skip
    assert {row["file"]: row["count"] for row in notes["files"]} == files
    assert returned(failures(path=[str(folder)], window=200))["endings"] == notes["endings"]


def events(session: str, *steps: tuple[str, bool, str, str]) -> list[str]:
    "An event log of (operation, success, target, message)."
    return [
        json.dumps({"id": f"{session}-{n}", "timestamp": f"2026-03-02T09:{n // 60:02}:{n % 60:02}Z", "operation": name,
                    "provenance": {"session": session, "goal": f"Goal of {session}"},
                    "metadata": {"tool": name, "files": [target] if target else [], "success": ok, "duration_ms": 1000,
                                 ("summary" if ok else "error"): said}}) for n, (name, ok, target, said) in enumerate(steps)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_runbooks_count_what_helped_and_what_did_not(tmp_path, seed):
    r = random.Random(seed)
    lines: list[str] = []
    truth: dict[str, tuple[int, Counter[str]]] = {}
    for number, name in enumerate(("publish", "archive", "transfer", "import_data", "notify")):
        ways = Counter({f"mend_{name}_{way}": r.randint(0, 3) for way in "abc"})
        lost = r.randint(0, 2)
        truth[name] = lost, +ways
        for place, way in enumerate([*ways.elements(), *[""] * lost]):
            failure = (
                name,
                False,
                f"{name}.yaml",
                f"error {number}: the {name} store is closed, code {r.randint(100, 999)}",
            )
            mended = (
                [(way, True, f"{way}.cfg", "done"), (name, True, f"{name}.yaml", "open again")]
                if way
                else [("read", True, "x", "")]
            )
            lines += events(f"{name}-{place}", failure, *mended)
    (tmp_path / "2026-03-02.jsonl").write_text("\n".join(lines) + "\n")
    found = {
        one.meta["template"].split()[3]: one
        for one in failures(path=[str(tmp_path)])
        if one.source_type == "runbook"
    }
    assert set(found) == {name for name, (_, ways) in truth.items() if any(n >= 2 for n in ways.values())}
    for name, sample in found.items():
        lost, ways = truth[name]
        resolved, text = sum(ways.values()), sample.messages[1].content
        assert (sample.meta["seen"], sample.meta["resolved"], len(sample.parents)) == (
            resolved + lost,
            resolved,
            resolved,
        )
        assert (
            f"Seen {resolved + lost} times on 2026-03-02, resolved {f'{resolved} times' if lost else 'each time'}."
            in text
        )
        for way, count in ways.items():
            assert (f"`{way}` on" in text) == (count >= 2)
            each = "each time" if count == resolved else f"{count} of {resolved} times"
            assert count < 2 or f"`{way}` on `{way}.cfg`: done\n\nThis helped {each}" in text
        assert text.count("`2026-03-02.jsonl:") == resolved + lost


CHAINS = [("edit", "compile", "package", "publish"), ("edit", "compile", "install", "restart"),
          ("pull", "migrate", "restart", "announce"), ("read", "edit", "compile", "package"), ("edit", "format")]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_workflows_are_the_sequences_that_are_counted_by_hand(tmp_path, seed):
    r = random.Random(seed)
    runs: dict[
        str, tuple[tuple[str, ...], str]
    ] = {}  # session -> its chain, and the step that failed for good
    lines: list[str] = []
    for number in range(24):
        chain = r.choice(CHAINS)
        fails, mended = (r.choice(chain[1:]) if r.random() < 0.2 else ""), r.random() < 0.4
        runs[f"s{number}"] = chain, fails
        steps: list[tuple[str, bool, str, str]] = []
        for name in chain:
            if mended and name in ("compile", "restart") and name != fails:
                steps += [
                    (name, False, f"{name}.cfg", f"error: {name} is locked"),
                    ("unlock", True, f"{name}.lock", "unlocked"),
                ]
            steps += [
                (name, name != fails, f"{name}.cfg", "done" if name != fails else "error: it is broken")
            ]
        lines += events(f"s{number}", *steps)
    (tmp_path / "2026-03-02.jsonl").write_text("\n".join(lines) + "\n")
    counts: dict[tuple[str, ...], list[bool]] = {}
    for chain, fails in runs.values():
        for size in (3, 4):
            for part in {chain[at : at + size] for at in range(len(chain) - size + 1)}:
                counts.setdefault(part, []).append(fails not in part)
    good = {
        part: went
        for part, went in counts.items()
        if len(went) >= 2 and sum(went) >= 0.7 * len(went) and part[0] != "read"
    }
    kept = {part: went for part, went in good.items() if not any(
        "|".join(part) in "|".join(other) and other != part and len(more) >= 0.7 * len(went) for other, more in good.items())}  # fmt: skip
    found = {tuple(re.findall(r"^\d+\. `(\w+)`", s.messages[1].content, re.MULTILINE)): s
             for s in workflows(path=[str(tmp_path)], plans=False)}  # fmt: skip
    assert found.keys() == kept.keys() and kept
    for part, went in kept.items():
        assert len(found[part].meta["sessions"]) == len(went)
        assert found[part].meta["rate"] == pytest.approx(sum(went) / len(went), abs=0.001)
    plans = {s.origin.session for s in workflows(path=[str(tmp_path)]) if s.source_type == "plan"}
    assert plans == {name for name, (chain, fails) in runs.items() if not fails and len(chain) >= 3}


def test_drain3_finds_words_that_vary():
    pytest.importorskip("drain3")
    lines = [
        f"connection to {name} failed after {n} tries" for n, name in enumerate(("relay", "gauge", "tide"))
    ]
    assert len(set(log_templates(lines))) == 3
    assert set(log_templates(lines, "drain3")) == {"connection to <*> failed after <n> tries"}
    found = [
        one
        for one in failures(path=["bundled:operations"], templates="drain3")
        if one.source_type == "runbook"
    ]
    assert len(found) >= 2


def service_log(r: random.Random) -> tuple[list[tuple[str, str, str]], dict[tuple[str, int], str]]:
    "Lines (level, logger, message) of services that work on jobs side by side, and (job, number of its failure) -> ending."
    threads: list[list[tuple[str, str, str]]] = []
    truth: dict[tuple[str, int], str] = {}
    for number in range(10):
        logger, job = f"svc.{r.choice('abc')}", f"job={r.choice(['sync', 'mail', 'index'])}-{number}"
        fail, good = ("ERROR", logger, f"{job} failed: disk is locked"), ("INFO", logger, f"{job} finished")
        late = ("ERROR", logger, f"{job} failed: read timed out")
        other = ("INFO", logger, f"restarted worker for job=other-{number}")
        kind = r.randrange(7)
        threads.append([
            [fail, ("INFO", logger, f"restarted worker for {job}"), good], [fail, ("INFO", "ops", f"unlocked the disk of {job}"), good],
            [fail, good], [late, good], [fail, other, good], [fail, ("INFO", logger, f"restarted worker for {job}")],
            [fail, ("INFO", logger, f"restarted worker for {job}"), ("INFO", logger, f"{job}0 finished")],
        ][kind])  # fmt: skip
        truth[job, 0] = ["recovered", "recovered", "flaky", "retried", "flaky", "open", "open"][kind]
    lines: list[tuple[str, str, str]] = []
    while threads:
        thread = r.choice(threads)
        lines.append(thread.pop(0))
        threads = [one for one in threads if one]
    return lines, truth


@pytest.mark.parametrize("form", ["text", "json"])
def test_service_logs_are_judged_by_their_jobs(tmp_path, form):
    for seed in range(30):
        lines, truth = service_log(random.Random(seed))
        rows = [(f"2026-03-02T09:{n // 60:02}:{n % 60:02}Z", *line) for n, line in enumerate(lines)]
        if form == "text":
            (tmp_path / f"{seed}.log").write_text(
                "".join(f"{time} {level} {name}: {said}\n" for time, level, name, said in rows)
            )
        else:
            told = (dict(zip(("time", "level", "logger", "message"), row, strict=True)) for row in rows)
            (tmp_path / f"{seed}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
        path = tmp_path / f"{seed}.{'log' if form == 'text' else 'jsonl'}"
        found = {
            one.failure.output.split(" ")[0]: one.ending
            for one in all_episodes(streams_below(str(path)), window=100)
        }
        assert found == {job: ending for (job, _), ending in truth.items()}, seed


@pytest.mark.parametrize("seed", range(4))
def test_where_the_time_went_is_summed_by_hand(tmp_path, seed):
    r = random.Random(seed)
    rows = [{"id": f"e{n}", "timestamp": f"2026-03-02T09:{n:02}:00Z", "operation": r.choice(["build", "test", "deploy"]), "provenance": {"session": "s"},
             "metadata": {"tool": "t", "files": ["a"], "success": r.random() < 0.8, "duration_ms": 1000 * r.randint(1, 50)}} for n in range(20)]  # fmt: skip
    (tmp_path / "2026-03-02.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = {s.meta["task"]: s.messages[1].content for s in history(path=[str(tmp_path)])}
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["operation"]] += row["metadata"]["duration_ms"] // 1000
    lost = sum(row["metadata"]["duration_ms"] // 1000 for row in rows if not row["metadata"]["success"])
    assert f"The operations took {sums.total()} s, of 19 minutes" in told["time"]
    for name, seconds in sums.items():
        runs = sum(row["operation"] == name for row in rows)
        assert (
            f"`{name}` on `a`: {seconds} s ({seconds / sums.total():.0%})"
            + (f" in {runs} runs" if runs > 1 else "")
            in told["time"]
        )
    assert f"{lost} s of it went into runs that failed." in told["time"]
    assert f"Of 20 operations {sum(not row['metadata']['success'] for row in rows)} failed" in told["report"]
