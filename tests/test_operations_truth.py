"""Recoveries against a made-up world that knows the cause of every failure and of every success."""

from collections import Counter
from pathlib import Path

import pytest
from made_operations import Made, session, write_session

from sftbench.collect.event_logs import streams_below
from sftbench.collect.failures import failures
from sftbench.collect.recoveries import Episode, all_episodes, mending_steps
from sftbench.collect.same_steps import called

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
