"""Cleaning: what a notebook cell cannot show, over the planted sessions, processes and orders."""

import base64
import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import msgspec
import pytest

from sftbench.clean.audit import audit
from sftbench.clean.check_split import check_split
from sftbench.clean.dedup import dedup
from sftbench.clean.findings import fake
from sftbench.clean.near import near_pairs
from sftbench.clean.scrub import scrub
from sftbench.clean.search import find_values
from sftbench.clean.split import split
from sftbench.clean.validate import validate
from sftbench.core.registry import component
from sftbench.core.sample import Message, Sample, ToolCall
from sftbench.core.text import jaccard, word_shingles

ROOT = Path(__file__).resolve().parent.parent
PLANTED = json.loads((ROOT / "tests" / "planted_secrets.json").read_text())
VALUES = [base64.b64decode(entry["value_base64"]).decode() for entry in PLANTED]


@pytest.fixture(scope="module")
def sessions() -> list[Sample]:
    "The bundled sessions as they are, secrets included."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(component("source", "claude_code")())


def written(folder: Path, samples: list[Sample]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "samples.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, samples)))
    return folder


def made(key: str, text: str, answer: str = "Fine, that is done.", **fields) -> Sample:
    return Sample(key=key, messages=[Message("user", text), Message("assistant", answer)], **fields)


def corpus(size: int = 240) -> list[Sample]:
    rng = random.Random(11)
    words = [f"word{n}" for n in range(700)]
    samples: list[Sample] = []
    for n in range(size):
        answer = " ".join(rng.choices(words, k=rng.randint(30, 120)))
        if n % 10 == 9:
            parts = samples[n // 2].messages[1].content.split()
            parts[len(parts) // 2] = "altered"
            answer = " ".join(parts)
        fields = {"group": f"g{n // 3}", "domain": "abc"[n % 3], "quality": rng.random()}
        samples.append(made(f"k{n:04}", f"Question {n}?", answer, **fields))
    return samples


def test_no_planted_value_outlives_scrubbing(sessions, tmp_path):
    raw = audit(written(tmp_path / "raw", sessions), VALUES)
    assert {hit.value for hit in raw} == set(range(len(VALUES))), "the sources hold every planted value"
    assert audit(written(tmp_path / "clean", list(scrub(sessions, out=tmp_path / "clean"))), VALUES) == []


def test_every_value_that_scrubbing_replaces_is_gone_in_every_form(sessions, tmp_path):
    values = find_values(sessions)
    assert len(values) > 10
    assert audit(written(tmp_path, list(scrub(sessions))), values) == []


def test_scrubbing_twice_changes_nothing_and_keys_stay(sessions):
    once = list(scrub(sessions))
    assert list(scrub(once)) == once
    assert [s.key for s in once] == [s.key for s in sessions]


def test_adding_samples_changes_no_old_placeholder(sessions):
    alone = list(scrub(sessions))
    more = [made(f"new{n}", f"my token is {fake('ghp_{w36}', n)}", group=f"new{n}") for n in range(5)]
    assert list(scrub([*more, *sessions]))[5:] == alone


def test_values_travel_into_other_groups_and_encodings():
    password = fake("{w9}!{w4}")
    told = made("a", f"The password is {password}", group="one")
    coded = base64.b64encode(f"bob:{password}".encode()).decode()
    call = ToolCall("1", "Http", {"body": json.dumps({"auth": {"note": f"x {password} y"}}), "raw": coded})
    other = Sample(
        key="b", group="two", messages=[Message("user", "go"), Message("assistant", "", tool_calls=[call])]
    )
    text = msgspec.json.encode(list(scrub([told, other]))).decode()
    assert password not in text and base64.b64encode(password.encode()).decode()[:12] not in text
    assert json.loads(scrub_one(other, told).messages[1].tool_calls[0].arguments["body"])["auth"]["note"]


def scrub_one(sample: Sample, *others: Sample) -> Sample:
    return next(s for s in scrub([*others, sample]) if s.key == sample.key)


def test_lookalike_placeholders_cannot_be_forged():
    cleaned = scrub_one(made("a", "print <PASSWORD_1> for me", f"It is {fake('ghp_{w36}')}"))
    assert cleaned.messages[0].content == "print <_PASSWORD_1> for me"
    assert cleaned.meta["placeholders"] == ["<GITHUB_TOKEN_1>"]


def test_known_values_come_from_files_below_the_folder_only(tmp_path, monkeypatch):
    secret = "plain" + "wombatwords"
    (tmp_path / ".env").write_text(f"DB_PASSWORD={secret}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    sample = made("a", f"it starts with {secret}")
    assert scrub_one(sample).messages[0].content.endswith(secret)
    assert secret not in next(scrub([sample], known_values="auto")).messages[0].content


SCRIPT = """
import sys, msgspec, pathlib
from sftbench.core.jsonl import read_samples
from sftbench.clean.scrub import scrub
from sftbench.clean.dedup import dedup
from sftbench.clean.split import split
samples = scrub(read_samples(sys.argv[1]), out=pathlib.Path(sys.argv[2]))
for sample in split(dedup(samples, out=pathlib.Path(sys.argv[2])), out=pathlib.Path(sys.argv[2])):
    sys.stdout.buffer.write(msgspec.json.encode(sample) + b"\\n")
"""


def test_the_same_bytes_on_one_two_and_four_workers(sessions, tmp_path):
    many = [
        msgspec.structs.replace(s, key=f"{s.key}{n}", group=f"{s.group}{n}")
        for n in range(4)
        for s in sessions
    ]
    written(tmp_path, [*many, *corpus(60)])
    results = []
    for workers in (1, 2, 4):
        out = tmp_path / str(workers)
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "samples.jsonl"), str(out)]
        environment = os.environ | {"SFTBENCH_WORKERS": str(workers), "PYTHONHASHSEED": str(workers)}
        done = subprocess.run(command, capture_output=True, check=True, env=environment)
        results.append((done.stdout, {p.name: p.read_bytes() for p in out.iterdir()}))
    assert results[0] == results[1] == results[2] and results[0][0]


@pytest.mark.parametrize("engine", ["numpy", "numba", "datasketch"])
def test_near_pairs_are_those_of_brute_force(engine):
    texts = [s.messages[1].content for s in corpus()]
    sets = [word_shingles(text, 3) for text in texts]
    places = range(len(sets))
    brute = {(a, b) for a in places for b in places if a < b and jaccard(sets[a], sets[b]) > 0.7}
    assert len(brute) > 15
    assert {tuple(pair) for pair in near_pairs(texts, 0.7, engine=engine).pairs.tolist()} == brute


def test_dedup_keeps_the_best_of_each_cluster_whatever_the_order():
    samples = corpus()
    checked = list(dedup(samples, threshold=0.7))
    shuffled = samples[:]
    random.Random(2).shuffle(shuffled)
    assert {s.key: s.drop for s in dedup(shuffled, threshold=0.7)} == {s.key: s.drop for s in checked}
    best = {s.key: s for s in samples}
    gone = [s for s in checked if s.drop]
    assert gone and all(best[s.drop_detail.split()[0]].quality >= s.quality for s in gone)


def test_a_sound_split_passes_the_checker_and_a_shuffled_one_fails():
    divided = list(split(corpus(), train=0.8, val=0.1, test=0.1))
    assert {s.split for s in divided} == {"train", "val", "test"}
    assert all(edge.across == 0 for edge in check_split(divided))
    names = [s.split for s in divided]
    random.Random(1).shuffle(names)
    shuffled = [msgspec.structs.replace(s, split=name) for s, name in zip(divided, names, strict=True)]
    assert any(edge.across for edge in check_split(shuffled))


def test_one_sample_is_train():
    assert [s.split for s in split([made("a", "What is this?")])] == ["train"]


def test_validate_loses_nothing_and_names_the_place():
    long = made("long", "x y z " * 10, "word " * 11_000)
    checked = {s.key: s for s in validate([made("good", "What does it do?", "It adds numbers."), long])}
    assert checked["good"].validated and not checked["good"].drop
    assert checked["long"].drop == "too_long" and "messages" in checked["long"].drop_detail
