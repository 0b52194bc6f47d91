"""Sessions and event logs of a made-up world in which the cause of every failure and of every success is known."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORDS = ["anchor", "basalt", "cobble", "dune", "ember", "fjord", "gravel", "hollow", "inlet", "jetty", "kelp", "lagoon", "marsh", "narrows", "osprey", "pebble", "quartz", "reef", "shoal", "tarn", "upland", "vale", "weir", "yarrow", "zephyr", "beacon", "cairn", "delta", "estuary", "floe", "glacier", "heron", "islet", "juniper", "knoll", "ledge"]  # fmt: skip


@dataclass
class Step:
    "One call with its result, and what the world knows of it."

    tool: str
    arguments: dict[str, Any]
    ok: bool | None
    output: str
    id: str = ""
    mends: bool = False  # this and nothing else made a later call of its thread go through
    free: bool = False  # it changes something that no open failure speaks of
    inner: list["Step"] = field(default_factory=list)  # what a sub-agent did
    answered: bool = True
    denied: bool = False


@dataclass
class Thread:
    "What happens to one target; blocks are lists of steps with no change between."

    name: str
    blocks: list[list[Step]]
    truth: list[tuple[int, str]]  # number of the first failing step -> ending
    doubtful: tuple[int, int] | None = None  # between these steps no unclaimed change may fall

    def steps(self) -> list[Step]:
        return [step for block in self.blocks for step in block]


def run(line: str, ok: bool | None, output: str = "", **more: Any) -> Step:
    return Step("Bash", {"command": line, "description": line[:20]}, ok, output, **more)


def edit(path: str, old: str, new: str, ok: bool = True, output: str = "", **more: Any) -> Step:
    given = {"file_path": f"/w/shop/{path}", "old_string": old, "new_string": new}
    return Step(
        "Edit",
        given,
        ok,
        output or ("The file was updated." if ok else "String to replace not found in file."),
        **more,
    )


def look(path: str) -> Step:
    return Step("Read", {"file_path": f"/w/shop/{path}"}, True, "def sold(item):\n    return item.price")


def _tests(name: str, error: str = "KeyError") -> str:
    return f"    src/{name}.py:31: in sold\nE   {error}: '{name}'\nFAILED tests/test_{name}.py::test_sold\n1 failed in 0.4s"


def edited(r: random.Random, k: str) -> Thread:
    "Tests fail, the file that they name is edited, they pass."
    test = f"pytest -q tests/test_{k}.py"
    tries = [
        step
        for n in range(r.randint(0, 2))
        for step in (edit(f"src/{k}.py", f"a{n}", f"b{n}"), run(test, False, _tests(k)))
    ]
    pipe = " 2>&1 | tail -2" if r.random() < 0.3 else ""
    return Thread("edited", [[run(test, False, _tests(k))], [look(f"src/{k}.py")], *([s] for s in tries),
                             [edit(f"src/{k}.py", f"return {k}[i]", f"return {k}.get(i)", mends=True)],
                             [run(test + pipe, True, "4 passed in 0.2s")]], [(0, "recovered")])  # fmt: skip


def slow(r: random.Random, k: str) -> Thread:
    "A time limit is met because of a file that is then edited."
    test = f"pytest -q tests/test_{k}.py"
    return Thread("slow", [[run(test, False, f"src/{k}.py:9: in wait\nE   TimeoutError: {k} timed out\n1 failed")],
                           [edit(f"src/{k}.py", "sleep(60)", "wait(1)", mends=True)], [run(test, True, "1 passed in 1s")]],
                  [(0, "recovered")])  # fmt: skip


def commanded(r: random.Random, k: str) -> Thread:
    "Another command mends it; its words stand in the error or do not."
    line = f"./bin/{k} import"
    error, mend, free = r.choice([
        (f"ConnectionRefusedError: redis-{k} does not listen", f"systemctl restart redis-{k}", False),
        (f"ModuleNotFoundError: No module named '{k}_db'", f"pip install {k}_db", False),
        (f"FATAL: relation of {k} is missing", "alembic upgrade head", True),
        ("Permission denied (publickey).", "ssh-add ~/.ssh/work", True),
        (f"{k}.conf is not valid", f"sed -i s/colour/color/ etc/{k}.conf", False),
    ])  # fmt: skip
    looks = [[run(f"cat etc/{k}.conf", True, "colour=1")]] * r.randint(0, 2)
    return Thread("commanded", [[run(line, False, error)], *looks, [run(mend, True, "done", mends=True, free=free)],
                                [run(line, True, "imported 12")]], [(0, "recovered")])  # fmt: skip


def other_call(r: random.Random, k: str) -> Thread:
    "The same command with another environment or another option."
    failed, works = r.choice([
        (f"make ship-{k}", f"TOKEN=abc make ship-{k}"), (f"scp {k}.tar w1:/srv", f"scp -P 2222 {k}.tar w1:/srv"),
        (f"./bin/{k} sync", f"export {k.upper()}_HOME=/srv; ./bin/{k} sync"), (f"curl https://{k}.example/x", f"curl --retries 3 https://{k}.example/x"),
    ])  # fmt: skip
    return Thread(
        "other_call",
        [[run(failed, False, f"Error: {k} is not configured")], [run(works, True, "ok")]],
        [(0, "recovered")],
    )


def retried(r: random.Random, k: str) -> Thread:
    "A limit that passes by itself, whatever else is done meanwhile."
    error, line = r.choice(
        [
            ("429 Too Many Requests", f"docker push reg.example/{k}"),
            ("curl: (28) Operation timed out", f"curl -O https://{k}.example/a"),
        ]
    )
    more = [[run(line, False, error)] for _ in range(r.randint(0, 2))]
    return Thread(
        "retried",
        [[run(line, False, error)], *more, [run("sleep 30", True)], [run(line, True, "pushed")]],
        [(0, "retried")],
    )


def flaky(r: random.Random, k: str) -> Thread:
    "It fails and passes with nothing changed; what is done to others changes nothing for it."
    line = f"npx playwright test e2e/{k}.spec.ts"
    fail, good = (
        (lambda: run(line, False, f"Error: {k} is not visible\n1 failed")),
        (lambda: run(line, True, "1 passed")),
    )
    kind = r.randrange(4)
    if kind == 0:  # seen at once
        return Thread("flaky", [[fail(), look(f"e2e/{k}.spec.ts"), good()]], [(0, "flaky")])
    if kind == 1:  # it passes, fails, and passes after somebody else's edit
        return Thread("flaky", [[good(), fail()], [look("README.md")], [good()]], [(1, "flaky")], (1, 3))
    if kind == 2:  # seen at its second failure only
        return Thread(
            "flaky", [[fail()], [look("README.md")], [good()], [fail(), good()]], [(0, "flaky"), (3, "flaky")]
        )
    return Thread("flaky", [[fail()], [look("README.md")], [good()]], [(0, "flaky")], (0, 2))


def covered(r: random.Random, k: str) -> Thread:
    "One file of tests fails; all tests of its folder pass, behind an edit or with nothing changed."
    mends = r.random() < 0.5
    change = [edit(f"src/{k}.py", "a[0]", "a.get(0)", mends=True)] if mends else [look(f"src/{k}.py")]
    blocks = [
        [run(f"pytest -q tests/{k}/test_a.py", False, _tests(k))],
        change,
        [run(f"pytest tests/{k}", True, "9 passed")],
    ]
    return Thread("covered", blocks, [(0, "recovered" if mends else "flaky")], None if mends else (0, 2))


def silenced(r: random.Random, k: str) -> Thread:
    "What complains is switched off: that is no fix."
    old, new = r.choice([
        ("def test_sold", "@pytest.mark.skip\ndef test_sold"), ("assert sold", "assert True  # sold"), ("    sell()", "    try:\n        sell()\n    except Exception: pass"),
    ])  # fmt: skip
    test = f"pytest -q tests/test_{k}.py"
    return Thread("silenced", [[run(test, False, _tests(k))], [edit(f"tests/test_{k}.py", old, new)], [run(test, True, "3 passed, 1 skipped")]],
                  [(0, "flaky")], (0, 2))  # fmt: skip


def run_by(r: random.Random, k: str) -> Thread:
    "What the command is run by makes the difference."
    by = r.choice(["sudo", "timeout 600", "uv run"])
    failed, works = f"./bin/{k} load", f"{by} ./bin/{k} load"
    return Thread(
        "run_by",
        [[run(failed, False, f"Error: {k} cannot be loaded")], [run(works, True, "ok")]],
        [(0, "recovered")],
    )


def elsewhere(r: random.Random, k: str) -> Thread:
    "One target fails, another one passes."
    failed, passed = r.choice([
        (f"pytest -q tests/test_{k}.py", f"pytest -q tests/test_{k}_api.py"), (f"(cd services/{k} && npm test)", f"(cd services/{k}-web && npm test)"),
        (f"kubectl apply -f {k}.yaml --context=live", f"kubectl apply -f {k}.yaml --context=trial"), (f"STAGE=live make ship-{k}", f"STAGE=trial make ship-{k}"),
        (f"make {k}", f"make {k}-docs"), (f"docker build -t {k} api", f"docker build -t {k} web"), (f"terraform apply --target={k}", f"terraform apply --target={k}_2"),
        (f"python - <<'X'\nimport {k}\n{k}.migrate(all=True)\nX", "python - <<'X'\nprint(sum(range(10)))\nprint('bye')\nX"),
        (f"ssh {k}-1 uptime", f"ssh {k}-2 uptime"), (f"cargo test -p {k}", f"cargo test -p {k}-cli"),
    ])  # fmt: skip
    return Thread(
        "elsewhere",
        [
            [run(failed, False, _tests(k))],
            [edit(f"src/{k}.py", "a", "b")],
            [run(passed, True, "3 passed", free=True)],
        ],
        [(0, "open")],
    )


def in_folder(r: random.Random, k: str) -> Thread:
    "The shell stays in a folder; the same words in another folder are another thing."
    good = r.random() < 0.5
    back = [] if good else [run(f"cd ../{k}-web", True)]
    steps = [run(f"cd web/{k}", True), run("npm test", False, f"Error: {k} is not exported"), edit(f"web/{k}/{k}.ts", "a", "b", mends=good), *back,
             run("npm test", True, "3 passed"), run("cd /w/shop", True)]  # fmt: skip
    return Thread("in_folder", [steps], [(1, "recovered" if good else "open")])


def regression(r: random.Random, k: str) -> Thread:
    "It passes, an edit breaks it; the edit is taken back, or not."
    test, back = f"pytest -q tests/test_{k}.py", r.random() < 0.5
    end = [[edit(f"src/{k}.py", "new", "old", mends=True)], [run(test, True, "2 passed")]] if back else []
    return Thread("regression", [[run(test, True, "2 passed")], [edit(f"src/{k}.py", "old", "new", free=True)], [run(test, False, _tests(k))], *end],
                  [(2, "recovered" if back else "open")])  # fmt: skip


def never(r: random.Random, k: str) -> Thread:
    "Nothing proves that it was mended."
    test = f"pytest -q tests/test_{k}.py"
    after = r.choice([
        [], [run(f"{test} || true", None, "success")], [run(f"{test} -k one", True, "1 passed")], [run(f"{test} | grep one", None, "")],
        [run(f"{test} --collect-only", True, "4 tests collected")], [run(test, None, "The user doesn't want to proceed with this tool use.", denied=True)],
        [run(test, None, "", answered=False)], [run(f"{test} | tail -1", False, "1 failed in 0.3s")], [run(f"echo {test} passed", True, "passed")],
        [run(f"git commit -am 'Mend {k}'", True, "1 file changed")],
    ])  # fmt: skip
    return Thread(
        "never",
        [[run(test, False, _tests(k))], [edit(f"src/{k}.py", "a", "b")], *([one] for one in after)],
        [(0, "open")],
    )


def edit_again(r: random.Random, k: str) -> Thread:
    "An edit is refused; the same edit goes through later, or another one does."
    good = r.random() < 0.5
    wanted = f"def {k}(item, count=1):\n    return stock[item] * count"
    new = wanted + "  # whole boxes" if good else f"import logging\n\nlog = logging.getLogger({k!r})"
    return Thread("edit_again", [[edit(f"src/{k}.py", "def  x", wanted, ok=False)], [look(f"src/{k}.py")],
                                 [edit(f"src/{k}.py", "def x", new, free=True)]], [(0, "recovered" if good else "open")])  # fmt: skip


def delegated(r: random.Random, k: str) -> Thread:
    "A sub-agent mends it, or only looks."
    test, mends = f"pytest -q tests/test_{k}.py", r.random() < 0.5
    inner = [look(f"src/{k}.py"), *([edit(f"src/{k}.py", "x[0]", "x.get(0)", mends=True)] if mends else [])]
    task = Step("Task", {"description": f"About {k}", "prompt": f"Look into src/{k}.py.", "subagent_type": "general"}, True,
                "It is mended." if mends else "It fails on keys that are missing.", inner=inner)  # fmt: skip
    return Thread("delegated", [[run(test, False, _tests(k))], [task], [run(test, True, "4 passed")]],
                  [(0, "recovered" if mends else "flaky")], None if mends else (0, 2))  # fmt: skip


KINDS: list[Callable[[random.Random, str], Thread]] = [
    edited, edited, slow, commanded, other_call, retried, flaky, elsewhere, elsewhere, in_folder, covered, run_by, silenced, regression, never, edit_again, delegated]  # fmt: skip


def woven(r: random.Random, threads: list[Thread]) -> Iterator[Step]:
    "The steps of all threads, blocks whole, no unclaimed change inside a doubtful stretch."
    todo = {n: list(thread.blocks) for n, thread in enumerate(threads)}
    done = dict.fromkeys(todo, 0)
    while any(todo.values()):
        inside = [n for n, t in enumerate(threads) if t.doubtful and t.doubtful[0] < done[n] <= t.doubtful[1]]
        ready = [
            n
            for n, blocks in todo.items()
            if blocks and not (inside and any(step.free for step in blocks[0]))
        ]
        n = r.choice(ready or inside)
        block = todo[n].pop(0)
        done[n] += len(block)
        yield from block


@dataclass
class Made:
    "A session with its truth: id of the first failure of each episode -> ending, ids of what mended it, kind of thread, name of its target."

    steps: list[Step]
    truth: dict[str, tuple[str, set[str], str, str]]
    names: list[str]  # of its targets


def session(seed: int, count: int = 8, without: tuple[str, ...] = ()) -> Made:
    "A session of several threads at once."
    r = random.Random(seed)
    names = [f"{word}_{seed}" for word in r.sample(WORDS, count)]  # of this session alone
    threads = [r.choice([one for one in KINDS if one.__name__ not in without])(r, name) for name in names]
    steps = list(woven(r, threads))
    for number, step in enumerate(steps):
        step.id = f"toolu_{seed}_{number}"
        for place, one in enumerate(step.inner):
            one.id = f"{step.id}_{place}"
    truth = {}
    for thread, name in zip(threads, names, strict=True):
        mine = thread.steps()
        mended = {one.id for step in mine for one in (step, *step.inner) if one.mends}
        truth |= {
            mine[first].id: (ending, mended if ending == "recovered" else set(), thread.name, name)
            for first, ending in thread.truth
        }
    return Made(steps, truth, names)


def _chain(steps: list[Step], name: str, r: random.Random, agent: str = "") -> list[dict[str, Any]]:
    "Steps as the records of Claude Code, some calls in parallel and their results in any order."
    said: list[dict[str, Any]] = [
        {"type": "user", "message": {"role": "user", "content": f"Work on {name}."}}
    ]
    while steps:
        now, steps = steps[: (size := r.choice([1, 1, 1, 2, 3]))], steps[size:]
        calls = [{"type": "tool_use", "id": one.id, "name": one.tool, "input": one.arguments} for one in now]
        said.append(
            {
                "type": "assistant",
                "message": {"id": f"m-{name}-{len(said)}", "role": "assistant", "content": calls},
            }
        )
        for one in r.sample(now, len(now)):
            if one.answered:
                block = {"type": "tool_result", "tool_use_id": one.id, "content": one.output}
                block |= (
                    {"is_error": True}
                    if (one.ok is False and "|" not in one.arguments.get("command", "")) or one.denied
                    else {}
                )
                told: dict[str, Any] = {"type": "user", "message": {"role": "user", "content": [block]}}
                told |= (
                    {"toolUseResult": {"agentId": f"a{one.id[6:].replace('_', 'x')}"}} if one.inner else {}
                )
                said.append(told)
    for number, one in enumerate(said):
        one |= {"uuid": f"{name}-{number}", "parentUuid": f"{name}-{number - 1}" if number else None, "sessionId": name.split("/")[0],
                "isSidechain": bool(agent), "version": "2.1.98", "cwd": "/w/shop",
                "timestamp": f"2026-03-02T{9 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"} | ({"agentId": agent} if agent else {})  # fmt: skip
    return said


def write_session(folder: Path, made: Made, name: str, seed: int) -> None:
    "A session of Claude Code with its sub-agents' files."
    r = random.Random(seed)
    project = folder / "-w-shop"
    (project / name / "subagents").mkdir(parents=True, exist_ok=True)
    (project / f"{name}.jsonl").write_text(
        "".join(json.dumps(one) + "\n" for one in _chain(made.steps, name, r))
    )
    for step in (one for one in made.steps if one.inner):
        agent = f"a{step.id[6:].replace('_', 'x')}"
        rows = _chain(step.inner, f"{name}/{agent}", r, agent)
        rows[0]["message"]["content"] = step.arguments["prompt"]
        (project / name / "subagents" / f"agent-{agent}.jsonl").write_text(
            "".join(json.dumps(one) + "\n" for one in rows)
        )


def write_events(folder: Path, made: Made, name: str) -> None:
    "The same steps as an event log; what was never answered has no line."
    rows = [
        {"id": step.id, "timestamp": f"2026-03-02T{9 + n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z", "operation": step.tool,
         "provenance": {"session": name, "project": "shop"},
         "metadata": {"tool": step.tool, "input": step.arguments, "files": [step.arguments.get("file_path", "")], "success": step.ok,
                      ("error" if step.ok is False else "output"): step.output}}
        for n, step in enumerate(made.steps) if step.answered
    ]  # fmt: skip
    with open(folder / "2026-03-02.jsonl", "a") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
