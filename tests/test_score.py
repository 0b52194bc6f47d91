"""Scoring on the bundled data: what each score must see, what it must not touch, and how fast it is."""

import random
import warnings
from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from sftbench.collect.claude_code import claude_code
from sftbench.collect.skills import skills
from sftbench.core.jsonl import read_json, read_samples, write_samples
from sftbench.core.registry import component, components
from sftbench.core.rundir import step
from sftbench.core.sample import Message, Sample
from sftbench.core.system import Problem
from sftbench.curate.curate import curate
from sftbench.score.score import score
from sftbench.score.session import session
from sftbench.score.structure import structure

DIMENSIONS = ("completion", "depth", "domain", "tool_richness", "thinking", "error_ratio")


@pytest.fixture(scope="module")
def collected() -> list[Sample]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return [*claude_code(path=["bundled:sessions"]), *skills(path=["bundled:skills"])]


@pytest.fixture(scope="module")
def samples(collected) -> list[Sample]:
    return [sample for sample in curate(score(collected, profile="halops")) if not sample.drop]


def auc(better: list[float], worse: list[float]) -> float:
    """How often a sound one scores higher than a spoilt one."""
    pairs = [(a > b) + (a == b) / 2 for a in better for b in worse]
    return sum(pairs) / len(pairs)


def with_answer(sample: Sample, change: Callable[[str], str]) -> Sample:
    last = sample.messages[-1]
    spoilt = msgspec.structs.replace(last, content=change(last.content))
    return msgspec.structs.replace(sample, messages=[*sample.messages[:-1], spoilt])


def unclosed(text: str) -> str:
    return text + "\n\n```python\ndef f(x):\n    return"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text + ("\n" + text) * 5, id="looped"),
        pytest.param(unclosed, id="unclosed fence"),
        pytest.param(lambda text: text + "\n```python\ndef f(:\n    return\n```", id="broken python"),
        pytest.param(lambda text: text + '\n```json\n{"a": [1, 2}\n```', id="brackets"),
        pytest.param(lambda text: text[: len(text) // 2].rstrip(" .:;\n`*"), id="cut in the middle"),
    ],
)
def test_structure_tells_a_broken_answer_from_a_whole_one(samples, spoil):
    long = [s for s in samples if len(s.messages[-1].content) > 200]
    whole = [value for s in long if (value := structure(s)) is not None]
    broken = [value for s in long if (value := structure(with_answer(s, spoil))) is not None]
    assert auc(whole, broken) >= 0.75


def test_structure_and_length_are_blind_to_swapped_answers(samples):
    chance = random.Random(0)
    answers = [s.messages[-1].content for s in samples]
    chance.shuffle(answers)
    swapped = [with_answer(s, lambda _, a=a: a) for s, a in zip(samples, answers, strict=True)]
    sound, foreign = (
        [s.quality for s in score(given, without=["from_session", "checked"])] for given in (samples, swapped)
    )
    assert 0.4 <= auc(sound, foreign) <= 0.6


def replaced(sample: Sample, change: Callable[[int, Message], Message]) -> Sample:
    messages = [change(number, message) for number, message in enumerate(sample.messages)]
    return msgspec.structs.replace(sample, messages=messages)


def unmended(sample: Sample) -> Sample:
    """Every second result before the last three is an error."""
    results = [n for n, m in enumerate(sample.messages) if m.role == "tool"][:-3]

    def change(number: int, message: Message) -> Message:
        failed = number in results
        return (
            msgspec.structs.replace(message, meta={**message.meta, "is_error": True}) if failed else message
        )

    return replaced(sample, change)


def thoughtless(sample: Sample) -> Sample:
    return replaced(sample, lambda _, m: msgspec.structs.replace(m, reasoning_content=None))


def given_up(sample: Sample) -> Sample:
    """The conversation ends without a word: what was said last stands in the turn before."""
    turns = [n for n, m in enumerate(sample.messages) if m.role == "assistant"]
    before, last = turns[-2], turns[-1]
    text = sample.messages[last].content

    def change(number: int, message: Message) -> Message:
        if number == before:
            return msgspec.structs.replace(message, content=f"{message.content} {text}")
        return msgspec.structs.replace(message, content="") if number == last else message

    return replaced(sample, change)


def complaining(sample: Sample) -> Sample:
    last = max(n for n, m in enumerate(sample.messages) if m.role == "user")
    say = "No, that is wrong. "
    return replaced(
        sample, lambda n, m: msgspec.structs.replace(m, content=say + m.content) if n == last else m
    )


def gibberish(sample: Sample) -> Sample:
    """Words turned around; closings stay, since the last text stays."""
    keep = len(sample.messages) - 1

    def change(number: int, message: Message) -> Message:
        if number == keep or message.role == "user":
            return message
        turned = " ".join("q" + word[::-1] for word in message.content.split())
        calls = [msgspec.structs.replace(call, arguments={}) for call in message.tool_calls]
        return msgspec.structs.replace(
            message, content=turned, reasoning_content=message.reasoning_content and "hm", tool_calls=calls
        )

    return replaced(sample, change)


@pytest.mark.parametrize(
    ("spoil", "own"),
    [
        (unmended, "error_ratio"),
        (thoughtless, "thinking"),
        (given_up, "completion"),
        (complaining, "completion"),
        (gibberish, "domain"),
    ],
)
def test_each_corruption_of_a_session_moves_its_own_dimension_and_no_other(collected, spoil, own):
    long = [s for s in collected if sum(m.role == "tool" for m in s.messages) > 4]
    usable = [s for s in long if s.messages[-1].role == "assistant" and s.messages[-1].content]
    witness = Sample(
        key="w",
        kind="session",
        source=usable[0].source,
        messages=[Message("assistant", "", reasoning_content="hm")],
    )
    before = session([*usable, witness])[:-1]
    after = session([spoil(s) for s in usable] + [witness])[:-1]
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a[own]]
    assert len(pairs) >= 5
    assert sum(a[own] > b[own] for a, b in pairs) / len(pairs) >= 0.95
    for a, b in pairs:
        for other in DIMENSIONS:
            if other != own and a[other] is not None:
                assert abs(a[other] - b[other]) <= 0.02, other


def test_no_profile_turns_an_abstention_into_a_number(samples):
    for name, place in components("profile").items():
        judge = component("profile", name)
        verdict = judge(samples[0], {}, place.meta["weights"])
        assert place.meta.get("fixed") or (verdict.quality, verdict.coverage) == (None, 0.0)


def test_every_profile_scores_the_bundled_samples_and_says_its_caveats(collected, samples, tmp_path):
    for name, place in components("profile").items():
        given = collected if place.meta.get("session") else samples
        found = list(score(given, profile=name, out=tmp_path))
        summary = read_json(tmp_path / "scores.json")
        assert [s.key for s in found] == [s.key for s in given]
        assert summary["profile"] == name and summary["caveats"] and summary["samples"] > 0
        assert {s.drop for s in found} <= {"", *components("verb")["score"].reasons}


def test_every_tier_of_the_default_profile_can_be_reached(samples):
    base = samples[0]
    reviewed = msgspec.structs.replace(base, key="r", human_reviewed=True)
    short = Sample(
        key="s", messages=[Message("user", "What is the port of the server?"), Message("assistant", "80.")]
    )
    weak = with_answer(msgspec.structs.replace(base, key="w"), lambda text: text + ("\n" + text) * 3)
    tiers = {s.tier for s in score([*samples, reviewed, short, weak])}
    assert tiers == {"gold", "silver", "bronze", "raw"}


def test_a_step_scores_from_file_to_file_with_a_balanced_ledger_and_the_same_bytes(collected, tmp_path):
    write_samples(tmp_path / "in.jsonl", collected)
    inputs = [str(tmp_path / "in.jsonl")]
    one = step(partial(score, profile="halops"), inputs=inputs, out=tmp_path / "one")
    two = step(partial(score, profile="halops"), inputs=inputs, out=tmp_path / "two")
    assert one.counts.in_ == one.counts.kept == len(collected) and one.hashes == two.hashes
    kept = list(read_samples(tmp_path / "one" / "samples.jsonl"))
    assert {s.session_tier for s in kept if s.kind == "session"} == {"A", "B", "C"}
    assert all(not s.session_tier and not s.scores for s in kept if s.kind == "document")


def test_nothing_in_gives_nothing_out(tmp_path):
    (tmp_path / "in.jsonl").write_text("")
    record = step(score, inputs=[str(tmp_path / "in.jsonl")], out=tmp_path / "out")
    assert record.counts.kept == 0 and read_json(tmp_path / "out" / "scores.json")["samples"] == 0


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), "high"])
def test_a_scorer_that_gives_no_score_is_named(tmp_path, monkeypatch, value):
    path = tmp_path / "mine.py"
    path.write_text(
        "from sftbench.core.registry import scorer\n\n\n@scorer\n"
        f"def odd(sample):\n    'Odd.'\n    return {value!r}\n".replace("nan", "float('nan')")
    )
    monkeypatch.setenv("SFTBENCH_USE", str(path))
    with pytest.raises(Problem, match="Scorer odd gave"):
        list(
            score(
                [Sample(key="k", messages=[Message("user", "a"), Message("assistant", "b")])],
                weights={"odd": 1.0},
            )
        )
