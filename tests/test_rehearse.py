"Mixing of old and new training data: exact shares, nothing lost, nothing leaked, the same on every run."

import random
from collections import Counter
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftbench.clean.near import nearest
from sftbench.core.jsonl import read_json, read_samples, write_json, write_samples
from sftbench.core.rundir import step
from sftbench.core.sample import Message, Sample
from sftbench.core.system import Problem
from sftbench.core.text import jaccard, word_shingles
from sftbench.models.tokens import count_tokens
from sftbench.rehearse.buffers import build_buffer
from sftbench.rehearse.rebalance import allocate, is_train, key_of, largest_size, rebalance
from sftbench.rehearse.rehearsal import rehearse


def make(name: str, count: int, split: str = "train", **fields: object) -> list[Sample]:
    "Samples that share no words but their topic."
    return [
        Sample(
            key=f"{name}-{split}-{i}", domain=name, split=split, group=f"{name}-{split}-{i}",
            quality=(i * 7 % 10) / 10, **fields,
            messages=[Message("user", f"{name} q{split}{i}"), Message("assistant", f"a{split}{name}{i} " * 3)],
        )
        for i in range(count)
    ]  # fmt: skip


def old_share(samples: list[Sample]) -> float:
    train = [sample for sample in samples if is_train(sample)]
    return sum(key_of(sample, "domain") == "rehearsal" for sample in train) / len(train)


@pytest.fixture
def buffer(tmp_path: Path) -> str:
    path = tmp_path / "v1.jsonl"
    write_samples(path, [*make("old", 60), *make("odd", 5), *make("old", 5, "test")])
    return str(path)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 500), st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_shares_become_whole_numbers_that_add_up(size: int, weights: list[int]) -> None:
    shares = {f"k{i}": weight / sum(weights) for i, weight in enumerate(weights)}
    counts = allocate(size, shares)
    assert sum(counts.values()) == size
    assert all(abs(counts[name] - size * share) < 1 for name, share in shares.items())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), min_size=1, max_size=5))
def test_the_default_size_needs_no_repetition_and_the_next_share_does_not_fit(
    rows: list[tuple[int, int]],
) -> None:
    total = sum(weight for _, weight in rows)
    shares = {f"k{i}": weight / total for i, (_, weight) in enumerate(rows)}
    have = {f"k{i}": count for i, (count, _) in enumerate(rows)}
    size = largest_size(have, shares)
    assert all(count <= have[name] for name, count in allocate(size, shares).items())
    assert any((size + 1) * share > have[name] - 1e-6 for name, share in shares.items())


@settings(max_examples=60, deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.integers(1, 30),
    st.integers(1, 30),
    st.booleans(),
    st.integers(0, 60),
)
def test_rebalance_loses_nothing_and_never_touches_val_and_test(
    rng: random.Random, code: int, docs: int, oversample: bool, size: int
) -> None:
    samples = [*make("code", code), *make("docs", docs), *make("code", 3, "val"), *make("else", 2, "test")]
    rng.shuffle(samples)
    options = {"weights": {"code": 2, "docs": 1}, "oversample": oversample, "size": size or None}
    result = list(rebalance(samples, **options))
    keys = [sample.key for sample in result]
    assert len(keys) == len(set(keys)) and {sample.key for sample in samples} <= set(keys)
    assert [s for s in result if s.split != "train"] == [s for s in samples if s.split != "train"]
    assert all(sample.parents and sample.split == "train" for sample in result if "repeat" in sample.meta)
    again = list(rebalance(rng.sample(samples, len(samples)), **options))
    assert {s.key: s.drop for s in again} == {s.key: s.drop for s in result}


def test_default_size_is_decided_by_the_scarcest_key(tmp_path: Path) -> None:
    samples = [*make("code", 1000), *make("docs", 200), *make("sessions", 30)]
    weights = {"code": 0.4, "docs": 0.3, "sessions": 0.3}
    kept = [s for s in rebalance(samples, weights=weights, out=tmp_path) if not s.drop]
    assert Counter(s.domain for s in kept) == {"code": 40, "docs": 30, "sessions": 30}
    told = read_json(tmp_path / "rebalance.json")
    assert told["size"] == 100 and told["scarce"] == "sessions" and "oversample" in told["notes"][0]


def test_oversampling_repeats_no_sample_more_often_than_allowed() -> None:
    samples = [*make("code", 1000), *make("docs", 200), *make("sessions", 30)]
    weights = {"code": 0.4, "docs": 0.3, "sessions": 0.3}
    kept = [s for s in rebalance(samples, weights=weights, oversample=True, max_copies=4) if not s.drop]
    assert Counter(s.domain for s in kept) == {"code": 160, "docs": 120, "sessions": 120}
    assert max(Counter(s.parents[0] if s.parents else s.key for s in kept).values()) == 4


def test_oversampling_without_need_repeats_nothing() -> None:
    result = list(rebalance([*make("a", 10), *make("b", 10)], weights={"a": 1, "b": 1}, oversample=True))
    assert len(result) == 20 and not any(sample.drop for sample in result)


def test_a_larger_size_contains_the_smaller_one() -> None:
    samples = [*make("a", 50), *make("b", 50)]
    small, large = (
        {s.key for s in rebalance(samples, weights={"a": 1, "b": 1}, size=size) if not s.drop}
        for size in (10, 40)
    )
    assert small < large


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": {"dosc": 1.0}}, "Did you mean 'docs'"),
        ({"weights": {"docs": -1.0}}, "not negative"),
        ({"weights": {"docs": float("nan")}}, "not negative"),
        ({"weights": {"docs": 0.0}}, "All weights are 0"),
        ({"weights": {"docs": 1.0}, "min_quality": 2.0}, "no train samples"),
    ],
)
def test_wrong_weights_are_errors_with_a_remedy(options: dict, said: str) -> None:
    with pytest.raises(Problem, match=said):
        list(rebalance(make("docs", 5), **options))


def test_samples_below_the_quality_or_without_one_are_dropped_with_different_words() -> None:
    samples = make("docs", 10)
    samples[0] = msgspec.structs.replace(samples[0], quality=None)
    words = Counter(s.drop for s in rebalance(samples, weights={"docs": 1}, min_quality=0.5))
    assert words == {"": 5, "low_quality": 4, "no_quality": 1}


def test_rehearsal_counts_under_its_own_key(buffer: str) -> None:
    mixed = list(rehearse(make("docs", 20), buffer=[buffer], ratio=0.5))
    result = rebalance(mixed, weights={"docs": 0.8, "rehearsal": 0.2})
    assert Counter(key_of(s, "domain") for s in result if is_train(s)) == {"docs": 20, "rehearsal": 5}
    untouched = rebalance(mixed, weights={"docs": 1.0}, size=10)
    assert Counter(key_of(s, "domain") for s in untouched if is_train(s)) == {"docs": 10, "rehearsal": 20}


@pytest.mark.parametrize("ratio", [0, 0.1, 0.25, 0.3, 1 / 3, 0.4])
@pytest.mark.parametrize("select", ["gate-k-center", "quality-top", "random", "stratified-quality"])
def test_the_ratio_is_the_share_of_the_final_train_set_to_one_sample(
    buffer: str, ratio: float, select: str
) -> None:
    mixed = list(
        rehearse([*make("new", 41), *make("new", 9, "val")], buffer=[buffer], ratio=ratio, select=select)
    )
    train = sum(map(is_train, mixed))
    assert abs(old_share(mixed) * train - ratio * train) <= 0.5 + 1e-9


def test_a_ratio_by_tokens_is_near_its_share(buffer: str) -> None:
    mixed = [s for s in rehearse(make("new", 40), buffer=[buffer], ratio=0.3, by="tokens") if is_train(s)]
    size = {s.key: sum(count_tokens(m.content) for m in s.messages) for s in mixed}
    old = sum(size[s.key] for s in mixed if "rehearsal" in s.meta)
    assert abs(old / sum(size.values()) - 0.3) < 0.02


@pytest.mark.parametrize("ratio", [1, 1.5, -0.1, float("nan")])
def test_a_ratio_outside_is_an_error(buffer: str, ratio: float) -> None:
    with pytest.raises(Problem, match=r"not in \[0, 1\)"):
        list(rehearse(make("new", 10), buffer=[buffer], ratio=ratio))


def test_a_small_buffer_is_reported_and_fails_when_strict_and_repeats_when_asked(
    buffer: str, tmp_path: Path
) -> None:
    new = make("new", 400)
    list(rehearse(new, buffer=[buffer], out=tmp_path))
    told = read_json(tmp_path / "rehearsal.json")
    assert told["short"] and told["ratio"]["reached"] < 0.15 and "was asked" in told["notes"][0]
    with pytest.raises(Problem, match="the buffers hold no more"):
        list(rehearse(new, buffer=[buffer], strict=True))
    mixed = list(rehearse(new, buffer=[buffer], repeat=True))
    assert abs(old_share(mixed) * len(mixed) - 0.3 * len(mixed)) <= 0.5
    assert len({sample.key for sample in mixed}) == len(mixed)


def test_old_test_items_never_come_in(buffer: str, tmp_path: Path) -> None:
    mixed = list(rehearse(make("new", 50), buffer=[buffer], ratio=0.9, repeat=True))
    assert not any("old-test" in sample.meta.get("rehearsal", {}).get("key", "") for sample in mixed)
    run = tmp_path / "run"
    write_samples(run / "02_split/samples.jsonl", list(read_samples(buffer)))
    write_json(run / "02_split/step.json", {})
    write_json(run / "run.json", {})
    mixed = list(rehearse(make("new", 50), buffer=[str(run)], ratio=0.5))
    assert old_share(mixed) > 0.4
    assert not any("old-test" in sample.meta.get("rehearsal", {}).get("key", "") for sample in mixed)


def test_old_samples_like_new_test_items_are_leaks_and_like_new_train_items_duplicates(buffer: str) -> None:
    first, second, third = make("old", 3)
    new = [
        *make("new", 40),
        msgspec.structs.replace(first, key="n1", group="g1", split="test"),
        msgspec.structs.replace(second, key="n2", group="g2", split="train"),
        msgspec.structs.replace(make("held", 1)[0], key="n3", group=third.group, split="val"),
    ]
    mixed = list(rehearse(new, buffer=[buffer]))
    refused = {s.meta["rehearsal"]["key"]: s.drop for s in mixed if s.drop}
    assert refused == {
        "old-train-0": "rehearsal_leak", "old-train-1": "rehearsal_duplicate", "old-train-2": "rehearsal_leak"
    }  # fmt: skip


def test_every_topic_of_the_buffer_is_met_again(buffer: str) -> None:
    mixed = rehearse(make("new", 40), buffer=[buffer], ratio=0.2)
    assert {s.domain for s in mixed if "rehearsal" in s.meta and not s.drop} == {"old", "odd"}


def test_versions_share_evenly_and_remember_where_they_come_from(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        write_samples(tmp_path / f"{name}.jsonl", make(name, 40))
    buffers = [str(tmp_path / "v1.jsonl"), str(tmp_path / "v2.jsonl")]
    mixed = list(rehearse(make("new", 70), buffer=buffers, version="v3"))
    old = [s.meta["rehearsal"] for s in mixed if "rehearsal" in s.meta]
    assert Counter(mark["version"] for mark in old) == {"v1": 15, "v2": 15}
    assert all(mark["versions"] == [mark["version"], "v3"] for mark in old)
    write_samples(tmp_path / "v3.jsonl", [s for s in mixed if is_train(s)])
    later = list(rehearse(make("newer", 70), buffer=[str(tmp_path / "v3.jsonl")], version="v4", ratio=0.5))
    carried = [
        s.meta["rehearsal"] for s in later if len(s.meta.get("rehearsal", {}).get("versions", ())) == 3
    ]
    assert carried and all(mark["version"] in ("v1", "v2") for mark in carried)


def test_a_built_buffer_keeps_only_what_passes_the_gate() -> None:
    samples = [*make("old", 50), *make("old", 5, "val")]
    built = list(build_buffer(samples, select="quality-top", top_ratio=0.3, min_score=0.7))
    kept = [s for s in built if not s.drop]
    assert len(built) == 55 and len(kept) == 15 and min(s.quality or 0 for s in kept) >= 0.7
    assert Counter(s.drop for s in built)["not_train"] == 5


WORDS = st.lists(st.sampled_from(list("abcdef")), min_size=1, max_size=9).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=8), WORDS, st.sampled_from([0.2, 0.5, 0.85, 1.0]))
def test_near_samples_are_found_without_a_miss(texts: list[str], text: str, threshold: float) -> None:
    shingles = word_shingles(text, 3)
    best = max(jaccard(shingles, word_shingles(words, 3)) for words in texts)
    (found,) = nearest([text], texts, threshold)
    assert (found.similarity if found else None) == (best if best >= threshold else None)
    assert not found or jaccard(shingles, word_shingles(texts[found.place], 3)) == best


def test_the_ledger_balances_and_runs_repeat_byte_for_byte(buffer: str, tmp_path: Path) -> None:
    write_samples(tmp_path / "new.jsonl", [*make("new", 40), *make("new", 5, "test")])
    records = [
        step(
            partial(rehearse, buffer=[buffer]), partial(rebalance, weights={"new": 1, "rehearsal": 1}),
            inputs=[str(tmp_path / "new.jsonl")], out=tmp_path / name,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    assert records[0].hashes == records[1].hashes
    assert records[0].counts.made > 0 and records[0].reasons["not_selected"] > 0
