"""Split: nothing leaks, nothing old moves, and the checker fails where it must."""

import json
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sftbench.clean.bridges import Pins
from sftbench.clean.check_split import check_split, look_at_split
from sftbench.clean.check_texts import shown as read_by_checker
from sftbench.clean.components import Components
from sftbench.clean.containment import overlapping
from sftbench.clean.edges import change, connect, quotes
from sftbench.clean.quotas import SPLITS, fill, largest_remainder, quotas
from sftbench.clean.shingles import make_shingles
from sftbench.clean.split import assign, split
from sftbench.clean.verify_split import verification_table, verify_split
from sftbench.core.jsonl import read_json, write_samples
from sftbench.core.sample import Message, Origin, Sample, derive, dropped
from sftbench.core.system import Problem

KINDS = {
    "session", "fork", "subagent", "group", "quoted_file", "commit_diff", "parent", "near_duplicate", "containment",
}  # fmt: skip
RNG = random.Random(1023)
VOCABULARY = [
    f"{a}{b}{c}" for a in "bdfgklm" for b in ("a", "e", "ir", "on") for c in ("lo", "ta", "ru", "zen", "pik")
]


def prose(rng: random.Random, count: int) -> str:
    return " ".join(rng.choice(VOCABULARY) + rng.choice(["", "s", "ed"]) for _ in range(count))


def made(key: str, answer: str, asked: str = "", **about) -> Sample:
    said = [Message("user", asked or f"What about {key}?"), Message("assistant", answer)]
    return Sample(key=key, messages=said, **about)


def altered(text: str, rng: random.Random) -> str:
    words = text.split()
    words[rng.randrange(len(words))] = "altered"
    return " ".join(words)


def window(session: int, n: int, rng: random.Random) -> Sample:
    about = {"group": f"tree{session}", "domain": "abcde"[session % 5], "source": "claude_code"}
    about["origin"] = Origin(root="logs", path=f"{session}.jsonl", session=f"session{session}")
    return made(f"s{session:04}w{n}", prose(rng, rng.randint(40, 110)), **about)


def relatives(first: Sample, session: int, rng: random.Random, other: Sample) -> Iterable[Sample]:
    "A near copy in another session, a fork, a sub-agent and an augmented child, one after the other."
    kind = session % 4
    text = prose(rng, 60)
    far = Origin(root="logs", path=f"x{session}.jsonl", session=f"other{session}")
    about = {"domain": first.domain, "source": first.source}
    if kind == 0:
        yield made(
            f"near{session}",
            altered(other.messages[1].content, rng),
            origin=far,
            group=f"x{session}",
            **about,
        )
    elif kind == 1:
        yield made(f"fork{session}", text, origin=far, group=first.group, **about)
    elif kind == 2:
        meta = {"parent_key": first.key, "agent_id": "a1"}
        yield made(f"sent{session}", text, origin=far, source_type="subagent", meta=meta, **about)
    else:
        yield derive(
            first, [Message("user", "In other words?"), Message("assistant", text)], "augmented", group=""
        )


def corpus(sessions: int = 260, seed: int = 5) -> list[Sample]:
    "Three windows a session on average; every second session has a relative: near copies are a tenth of all."
    rng = random.Random(seed)
    samples: list[Sample] = []
    for session in range(sessions):
        own = [window(session, n, rng) for n in range(rng.randint(1, 5))]
        other = samples[rng.randrange(len(samples))] if samples else own[0]
        samples += [*own, *relatives(own[0], session, rng, other)]
    near = [
        made(f"copy{n:03}", altered(rng.choice(samples).messages[1].content, rng), domain="abcde"[n % 5])
        for n in range(sessions // 5)
    ]
    return [*samples, *near]


CORPUS = corpus()


def divide(samples: list[Sample], out: Path | None = None, **options) -> list[Sample]:
    return list(split(samples, out=out, **{"train": 0.8, "val": 0.1, "test": 0.1} | options))


def certificate(folder: Path) -> dict:
    return read_json(folder / "split_certificate.json")


def across(samples: list[Sample]) -> dict[str, int]:
    return {edge.kind: edge.across for edge in check_split(samples) if edge.across}


# A corpus with planted relatives


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> tuple[Path, list[Sample]]:
    out = tmp_path_factory.mktemp("first")
    divided = divide(CORPUS, out)
    write_samples(out / "samples.jsonl", divided)
    return out, divided


def test_no_edge_of_any_kind_crosses(first):
    told = certificate(first[0])
    assert {edge["kind"] for edge in told["edges"]} == KINDS
    assert all(edge["across"] == 0 for edge in told["edges"])
    pairs = {edge["kind"]: edge["pairs"] for edge in told["edges"]}
    planted = ("session", "fork", "subagent", "group", "parent", "near_duplicate", "containment")
    assert all(pairs[kind] > 20 for kind in planted), pairs
    assert len(CORPUS) > 800 and pairs["near_duplicate"] > 0.08 * len(CORPUS)


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.9, 0.05, 0.05), (0.6, 0.3, 0.1)])
def test_ratios_are_within_one_component_in_every_stratum(shares, tmp_path):
    asked = dict(zip(SPLITS, shares, strict=True))
    divide(CORPUS, tmp_path, **asked)
    told = certificate(tmp_path)
    whole = {"n": len(CORPUS)} | {name: sum(row[name] for row in told["strata"]) for name in SPLITS}
    assert {row["stratum"] for row in told["strata"]} == set("abcde")
    for row in [*told["strata"], whole]:
        for name, share in asked.items():
            assert abs(row[name] - share * row["n"]) <= told["largest"], row
    assert told["largest"] < len(CORPUS) / 20
    assert {name: round(told["ratios"]["asked"][name], 3) for name in SPLITS} == asked


def test_the_order_of_the_file_does_not_matter(first, tmp_path):
    mixed = CORPUS[:]
    random.Random(1).shuffle(mixed)
    assert {s.key: s.split for s in divide(mixed, tmp_path)} == {s.key: s.split for s in first[1]}
    assert (tmp_path / "split_certificate.json").read_bytes() == (
        first[0] / "split_certificate.json"
    ).read_bytes()


def test_another_seed_is_another_split(first):
    again = {s.key: s.split for s in divide(CORPUS, seed=7)}
    assert again != {s.key: s.split for s in first[1]}


def test_a_shuffled_split_makes_the_checker_fail_in_every_planted_kind(first):
    names = [s.split for s in first[1]]
    random.Random(2).shuffle(names)
    shuffled = [msgspec.structs.replace(s, split=name) for s, name in zip(first[1], names, strict=True)]
    assert set(across(shuffled)) >= {
        "session",
        "fork",
        "subagent",
        "group",
        "parent",
        "near_duplicate",
        "containment",
    }


SCRIPT = """
import sys, msgspec, pathlib
from sftbench.core.jsonl import read_samples
from sftbench.clean.split import split
for sample in split(read_samples(sys.argv[1]), out=pathlib.Path(sys.argv[2])):
    sys.stdout.buffer.write(msgspec.json.encode(sample) + b"\\n")
"""


def test_the_same_bytes_on_one_two_and_four_workers(tmp_path):
    write_samples(tmp_path / "in.jsonl", CORPUS[:200])
    results = set()
    for workers in ("1", "2", "4"):
        environment = os.environ | {"SFTBENCH_WORKERS": workers, "PYTHONHASHSEED": workers}
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "in.jsonl"), str(tmp_path / workers)]
        done = subprocess.run(command, capture_output=True, check=True, env=environment)
        results.add((done.stdout, (tmp_path / workers / "split_certificate.json").read_bytes()))
    assert len(results) == 1


# Tiny sets


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.9, 0.05, 0.05), (0.34, 0.33, 0.33)])
def test_one_two_and_three_samples(shares, tmp_path):
    options = dict(zip(SPLITS, shares, strict=True))
    few = [made(f"k{n}", prose(RNG, 40)) for n in range(3)]
    assert divide([], tmp_path, **options) == [] and certificate(tmp_path)["components"] == 0
    assert [s.split for s in divide(few[:1], **options)] == ["train"]
    assert "train" in {s.split for s in divide(few[:2], **options)}
    assert {s.split for s in divide(few, **options)} == {"train", "val", "test"}


def test_seventeen_sessions_in_nine_domains_have_val_and_test():
    few = [made(f"k{n}", prose(RNG, 40), domain=f"d{n % 9}") for n in range(17)]
    counts = Counter(s.split for s in divide(few, train=0.9, val=0.05, test=0.05))
    assert counts == {"train": 15, "val": 1, "test": 1}


def test_a_split_that_was_not_asked_for_stays_empty():
    few = [made(f"k{n}", prose(RNG, 40)) for n in range(9)]
    assert Counter(s.split for s in divide(few, train=0.7, val=0.0, test=0.3)) == {"train": 6, "test": 3}


def test_one_huge_component_is_train_and_the_certificate_shows_it(tmp_path):
    divide([made(f"k{n}", prose(RNG, 40), group="one") for n in range(12)], tmp_path)
    told = certificate(tmp_path)
    assert (told["components"], told["largest"], told["ratios"]["reached"]["train"]) == (1, 12, 1.0)


# Kinds of edges


def plain(n: int, **about) -> Sample:
    return made(f"plain{n}", prose(random.Random(n), 50), **about)


CODE = "def settle(ledger, until):\n" + "\n".join(f"    step_{n} = ledger.take({n}, until)" for n in range(9))
DIFF = "--- a/x.py\n+++ b/x.py\n@@ -1,9 +1,9 @@\n" + "\n".join(
    f"+value_{n} = read_{n}()\n-old_{n} = {n}" for n in range(9)
)
LONG = prose(random.Random(77), 60)
CALLER = plain(2, group="t", origin=Origin(session="a"))
PLANTED = {
    "session": (plain(1, origin=Origin(session="a")), plain(2, origin=Origin(session="a"))),
    "fork": (plain(1, group="t", origin=Origin(session="a")), plain(2, group="t", origin=Origin(session="b"))),
    "subagent": (plain(1, meta={"parent_key": "plain2"}), CALLER),
    "group": (plain(1, group="g"), plain(2, group="g")),
    "quoted_file": (plain(1, origin=Origin("docs", "guide.md")), plain(2, origin=Origin("docs", "guide.md"))),
    "commit_diff": (plain(1, origin=Origin(root="one", commit="c0ffee")), plain(2, origin=Origin(root="two", commit="c0ffee"))),
    "parent": (plain(1), plain(2, parents=["plain1"])),
    "near_duplicate": (made("a", LONG, "Why?"), made("b", LONG + " and so on", "Why?")),
    "containment": (made("a", LONG), made("b", f"{prose(RNG, 200)} {LONG}")),
}  # fmt: skip
BY_TEXT = {
    "quoted_file": (
        made("a", "It settles.", f"What is this?\n```python\n{CODE}\n```"),
        made("b", prose(RNG, 80), f"Rename its variables, please:\n\n~~~\n{CODE}\n~~~\n{prose(RNG, 90)}"),
    ),
    "commit_diff": (
        made("a", "Read every value", f"Write a commit message.\n```diff\n{DIFF}\n```\n{prose(RNG, 90)}"),
        made(
            "b",
            "Revert it",
            "Again?\n```diff\n" + DIFF.translate({43: 45, 45: 43}) + f"\n```\n{prose(RNG, 90)}",
        ),
    ),
    "parent": (plain(1, parents=["gone"]), plain(2, parents=["gone"])),
    "subagent": (plain(1, meta={"parent_key": "k"}), plain(2, parents=["k"])),
}


@pytest.mark.parametrize("kind, pair", [*PLANTED.items(), *BY_TEXT.items()])
def test_each_kind_of_edge_is_joined_and_torn_ones_are_seen(kind, pair):
    others = [plain(n) for n in range(20, 60)]
    divided = {s.key: s.split for s in divide([*pair, *others], train=0.4, val=0.3, test=0.3)}
    assert divided[pair[0].key] == divided[pair[1].key]
    left, right = (
        msgspec.structs.replace(s, split=name) for s, name in zip(pair, ("train", "test"), strict=True)
    )
    found = look_at_split([left, right, *others])
    assert {edge.kind: (edge.pairs, edge.across) for edge in found.edges}[kind] == (1, 1)
    assert (kind, {left.key, right.key}) in [(c.kind, {c.left, c.right}) for c in found.crossing]
    assert across([left, msgspec.structs.replace(right, split="train")]) == {}


APART = {
    "commits of one file": [plain(n, origin=Origin(root="r", commit=f"{n}")) for n in (1, 2)],
    "a commit and a file": [plain(1, origin=Origin("r", commit="c")), plain(2, origin=Origin("r", "x.py", commit="c"))],
    "records of one file": [plain(n, origin=Origin("r", "set.jsonl", (n, n))) for n in (1, 2)],
    "sessions of one export": [plain(n, origin=Origin("r", "chats.md", session=f"{n}")) for n in (1, 2)],
    "short answers": [made(f"k{n}", "Done, all tests pass.", prose(RNG, 30)) for n in (1, 2)],
    "a shared sentence": [made(f"k{n}", f"{prose(RNG, 60)} {' '.join(LONG.split()[:20])}") for n in (1, 2)],
    "a shared system prompt": [
        Sample(key=f"k{n}", messages=[Message("system", LONG), *plain(n).messages]) for n in (1, 2)
    ],
    "copied context": [
        Sample(key=f"k{n}", messages=[Message("user", LONG, train=False), *plain(n).messages]) for n in (1, 2)
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_what_is_no_edge_joins_nothing(name):
    assert len(connect(APART[name]).members()) == 2
    left, right = (
        msgspec.structs.replace(s, split=to) for s, to in zip(APART[name], ("train", "test"), strict=True)
    )
    assert across([left, right]) == {}


FENCES = [
    "```python\na\n```", "text\n~~~\nb\n~~~\n```diff\n+c\n-d\n--- e\n+++ f\n@@\n g\n```", "````md\n```\ninner\n```\n````",
    "```never closed\nx\ny", "```inline```\nno block", "  ```\n indented\n  ```  \nafter", "```diff\r\n+one\r\n-two\r\n```\r\n", "```\n```",
]  # fmt: skip


def test_the_checker_reads_fences_as_the_splitter_does():
    for text in FENCES:
        shown = made("k", "Yes.", text)
        tied = read_by_checker(shown)
        assert [one.strip() for one in tied[0]] == [one.strip() for one in quotes(shown)], text
        assert tied[1] in ("", change(shown))


def test_components_of_splitter_and_checker_agree():
    assert sorted(map(len, connect(CORPUS).members().values()), reverse=True) == look_at_split(CORPUS).sizes


# Growing


def grown(first: tuple[Path, list[Sample]]) -> tuple[list[Sample], set[str]]:
    "A tenth of new data: plain ones, ones that go with old ones, and three bridges."
    rng = random.Random(9)
    by = defaultdict(list)
    for one in first[1]:
        if len(one.messages[1].content.split()) > 50:
            by[one.split].append(one)
    new = [made(f"new{n:03}", prose(rng, 70), domain="abcde"[n % 5]) for n in range(len(CORPUS) // 10)]
    new += [made(f"goes{n}", altered(by["test"][n].messages[1].content, rng)) for n in range(3)]
    texts = {name: [one.messages[1].content for one in by[name]] for name in SPLITS}
    new += [
        made("bridge1", f"{texts['train'][0]} {texts['test'][0]}"),
        made(
            "bridge2", altered(texts["train"][1], rng), group=by["val"][0].group, origin=by["val"][0].origin
        ),
        made("bridge3", prose(rng, 30), parents=[by["val"][1].key, by["test"][1].key]),
        made("beside1", prose(rng, 50), parents=["bridge1"]),
    ]
    return new, {"bridge1", "bridge2", "bridge3"}


def test_ten_percent_of_new_data_moves_nothing_old_and_names_each_bridge(first, tmp_path):
    new, bridges = grown(first)
    mixed = [*CORPUS, *new]
    random.Random(3).shuffle(mixed)
    after = {s.key: s for s in divide(mixed, tmp_path, previous=first[0] / "split_certificate.json")}
    assert all(after[s.key].split == s.split and not after[s.key].drop for s in first[1])
    assert {s.key for s in after.values() if s.drop} == bridges
    assert all(s.drop == "bridges_splits" and " in " in s.drop_detail for s in after.values() if s.drop)
    told = certificate(tmp_path)
    assert told["bridges"] == sorted(bridges) and all(edge["across"] == 0 for edge in told["edges"])
    ties = {one["key"]: {(tie["kind"], tie["split"]) for tie in one["ties"]} for one in told["bridge_ties"]}
    assert ties["bridge1"] == {("containment", "train"), ("containment", "test")}
    assert ties["bridge3"] == {("parent", "val"), ("parent", "test")}
    assert all(after[f"goes{n}"].split == "test" for n in range(3)) and after["beside1"].split
    whole = Counter(s.split for s in after.values() if not s.drop)
    assert all(
        abs(whole[n] - share * len(told["assignments"])) <= told["largest"]
        for n, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True)
    )


def test_previous_may_be_the_folder_of_the_step_and_growth_may_go_on(first, tmp_path):
    new, _ = grown(first)
    second = divide([*CORPUS, *new], tmp_path / "2", previous=first[0])
    third = divide([s for s in second if not s.drop] + [plain(1)], tmp_path / "3", previous=tmp_path / "2")
    places = {s.key: s.split for s in second if not s.drop}
    assert all(s.split == places[s.key] for s in third if s.key in places)


def test_only_the_samples_that_tie_are_dropped_not_their_component(tmp_path):
    old = divide([plain(n) for n in range(30)], tmp_path)
    train, test = (next(s for s in old if s.split == name) for name in ("train", "test"))
    hub = made("hub", "Short.", parents=[train.key, test.key], group="g")
    leaves = [made(f"leaf{n}", prose(RNG, 40), parents=["hub"]) for n in range(6)]
    after = {s.key: s for s in divide([*old, hub, *leaves], previous=tmp_path)}
    assert {key for key, s in after.items() if s.drop} == {"hub"}
    assert len({after[f"leaf{n}"].split for n in range(6)}) == 1, "they are siblings still"


def test_a_chain_of_new_samples_is_cut_once_and_in_any_order(tmp_path):
    old = divide([plain(n) for n in range(30)], tmp_path)
    train, test = (next(s for s in old if s.split == name) for name in ("train", "test"))
    chain = [made("c0", "One.", parents=[train.key]), made("c1", "Two.", parents=["c0"])]
    chain += [made("c2", "Three.", parents=["c1"]), made("c3", "Four.", parents=["c2", test.key])]
    gone = set()
    for order in (chain, chain[::-1]):
        after = divide([*old, *order], previous=tmp_path)
        assert sum(bool(s.drop) for s in after) == 1 and not across([s for s in after if not s.drop])
        gone |= {s.key for s in after if s.drop}
    assert len(gone) == 1


def test_windows_cut_anew_stay_where_their_session_was(tmp_path):
    cut = [window(n, k, random.Random(f"{n} {k}")) for n in range(20) for k in range(2)]
    before = {s.origin.session: s.split for s in divide(cut, tmp_path / "1", train=0.5, val=0.2, test=0.3)}
    anew = [msgspec.structs.replace(s, key=f"new{s.key}") for s in cut]
    after = divide([*anew, plain(1)], tmp_path / "2", previous=tmp_path / "1", seed=99)
    assert all(s.split == before[s.origin.session] for s in after if s.origin.session)
    gone = divide([plain(1), plain(2)], tmp_path / "3", previous=tmp_path / "2")
    back = divide(anew + gone, previous=tmp_path / "3")
    assert all(s.split == before[s.origin.session] for s in back if s.origin.session), (
        "what was gone is remembered"
    )


def test_an_old_sample_whose_content_changed_stays_or_is_dropped_never_moved(tmp_path):
    old = divide([plain(n) for n in range(30)], tmp_path)
    train, test = (next(s for s in old if s.split == name) for name in ("train", "test"))
    harmless = msgspec.structs.replace(train, messages=made("x", prose(RNG, 40)).messages)
    assert {s.key: s.split for s in divide([harmless, *(s for s in old if s != train)], previous=tmp_path)}[
        train.key
    ] == "train"
    copied = msgspec.structs.replace(train, messages=made("x", test.messages[1].content + " again").messages)
    after = {
        s.key: s for s in divide([copied, *(s for s in old if s != train)], tmp_path / "2", previous=tmp_path)
    }
    assert after[train.key].drop and not after[test.key].drop
    told = certificate(tmp_path / "2")
    assert told["bridge_ties"][0]["changed"] and not any(edge["across"] for edge in told["edges"])


def test_previous_with_other_ratios_moves_nothing_and_fills_what_is_missing(tmp_path):
    old = divide([plain(n) for n in range(100)], tmp_path)
    more = divide(
        [*old, *(plain(n) for n in range(100, 200))], previous=tmp_path, train=0.5, val=0.25, test=0.25
    )
    assert Counter(s.split for s in more) == {"train": 100, "val": 50, "test": 50}
    places = {s.key: s.split for s in old}
    assert all(places[s.key] == s.split for s in more if s.key in places)
    none = divide([*old, plain(300)], previous=tmp_path, train=1.0, val=0.0, test=0.0)
    assert Counter(s.split for s in none)["test"] == 10, "what was test stays test"


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "is no certificate"), ('{"components": 3', "is no certificate"), ("[]", "is no certificate"),
        ('{"edges": [], "assignments": {}}', "is no certificate"), ("\xff\xfe\x00", "is no certificate"),
    ],
)  # fmt: skip
def test_a_damaged_certificate_is_refused_in_a_sentence(text, told, tmp_path):
    (tmp_path / "old.json").write_text(text, encoding="latin-1")
    with pytest.raises(Problem, match=told) as problem:
        divide([plain(1)], previous=tmp_path / "old.json")
    assert problem.value.code == 2 and problem.value.remedy


def test_a_certificate_of_other_data_or_with_other_splits_is_refused(tmp_path):
    divide([plain(1), plain(2)], tmp_path)
    with pytest.raises(Problem, match="knows none of these 1 samples"):
        divide([plain(3)], previous=tmp_path)
    told = certificate(tmp_path)
    told["assignments"]["plain1"] = "holdout"
    (tmp_path / "odd.json").write_text(json.dumps(told))
    with pytest.raises(Problem, match="'holdout'"):
        divide([plain(1)], previous=tmp_path / "odd.json")
    with pytest.raises(Problem, match="no certificate"):
        divide([plain(1)], previous=tmp_path / "nowhere.json")


def test_a_certificate_of_an_older_sftbench_still_pins(tmp_path):
    divide([plain(n) for n in range(20)], tmp_path)
    told = certificate(tmp_path)
    for name in ("labels", "contents", "bridge_ties", "stratify_by", "near", "contained", "pinned"):
        told.pop(name)
    (tmp_path / "split_certificate.json").write_text(json.dumps(told))
    after = divide([plain(n) for n in range(25)], previous=tmp_path)
    assert all(told["assignments"].get(s.key, s.split) == s.split for s in after)


# Verifying


def test_verify_reads_files_steps_runs_and_exports(first, tmp_path):
    assert verify_split(first[0]).whole and verify_split(first[0] / "samples.jsonl").certificate
    run = tmp_path / "run"
    (run / "03_split").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    with pytest.raises(Problem, match="has no split"):
        verify_split(run)
    for name in ("samples.jsonl", "split_certificate.json"):
        (run / "03_split" / name).write_bytes((first[0] / name).read_bytes())
    assert verify_split(run).whole and verify_split(run).certificate
    for name in SPLITS:
        write_samples(tmp_path / "export" / f"{name}.jsonl", (s for s in first[1] if s.split == name))
    found = verify_split(tmp_path / "export")
    assert found.whole and not found.certificate and found.samples == len(CORPUS)
    assert "whole: nothing crosses" in verification_table(found)


@pytest.mark.parametrize("name", ["nowhere", "empty", "none.jsonl"])
def test_verify_says_what_it_needs(name, tmp_path):
    (tmp_path / "empty").mkdir()
    write_samples(tmp_path / "none.jsonl", [plain(1)])
    with pytest.raises(Problem) as problem:
        verify_split(tmp_path / name)
    assert problem.value.code == 2 and problem.value.remedy


@pytest.mark.parametrize(
    "field, value, told",
    [
        ("components", 3, "components = 3"), ("largest", 1, "largest = 1"), ("assignments", {}, "does not know"),
        ("ratios", {"asked": {}, "reached": {"train": 0.5}}, "says train has 50.00%"), ("strata", [], "strata have 0"),
        ("edges", [{"kind": "session", "pairs": 1, "across": 4}], "says 4 session pairs cross"),
    ],
)  # fmt: skip
def test_a_false_certificate_is_found_out(first, field, value, told, tmp_path):
    (tmp_path / "samples.jsonl").write_bytes((first[0] / "samples.jsonl").read_bytes())
    (tmp_path / "split_certificate.json").write_text(json.dumps(certificate(first[0]) | {field: value}))
    found = verify_split(tmp_path)
    assert not found.whole and any(told in sentence for sentence in found.wrong), found.wrong


def test_a_moved_sample_and_a_missing_split_are_found_out(first, tmp_path):
    (tmp_path / "split_certificate.json").write_bytes((first[0] / "split_certificate.json").read_bytes())
    by_session = Counter(s.origin.session for s in first[1])
    moved = next(
        s for s in first[1] if s.split == "test" and by_session[s.origin.session] > 1 and s.origin.session
    )
    others = [s for s in first[1] if s != moved]
    write_samples(tmp_path / "samples.jsonl", [*others, msgspec.structs.replace(moved, split="train")])
    found = verify_split(tmp_path)
    assert not found.whole and moved.key in {key for c in found.crossing for key in (c.left, c.right)}
    assert len(found.crossing) <= 10 and moved.key in verification_table(found)
    write_samples(tmp_path / "samples.jsonl", [*others, msgspec.structs.replace(moved, split="")])
    assert "1 samples have no split." in verify_split(tmp_path).wrong


def test_a_report_is_json_with_names():
    value = msgspec.json.decode(msgspec.json.encode(look_at_split([plain(1, split="train")])))
    assert {edge["kind"] for edge in value["edges"]} == KINDS


# Properties


@settings(deadline=None)
@given(some.integers(0, 400), some.lists(some.integers(1, 20), min_size=3, max_size=3))
def test_largest_remainder_is_within_one(total, weights):
    ratios = {name: weight / sum(weights) for name, weight in zip(SPLITS, weights, strict=True)}
    counts = largest_remainder(total, ratios)
    assert sum(counts.values()) == total
    assert all(abs(counts[name] - share * total) < 1 for name, share in ratios.items())


@settings(deadline=None)
@given(some.dictionaries(some.text("abcdef", min_size=1, max_size=2), some.integers(1, 60), max_size=8))
def test_quotas_agree_in_rows_and_sums(sizes):
    ratios = {"train": 0.8, "val": 0.1, "test": 0.1}
    table = quotas(sizes, sum(sizes.values()), ratios)
    assert {stratum: sum(row.values()) for stratum, row in table.items()} == sizes
    total = sum(sizes.values())
    for name, share in ratios.items():
        assert abs(sum(row[name] for row in table.values()) - share * total) < (1 if total >= 10 else 2.5)
        assert all(row[name] >= 0 for row in table.values())


@settings(max_examples=60, deadline=None)
@given(some.lists(some.tuples(some.sampled_from("ab"), some.integers(1, 9)), min_size=1, max_size=40))
def test_filling_leaves_nothing_out_and_train_never_empty(rows):
    parts = [Counter({stratum: size}) for stratum, size in rows]
    ratios = {"train": 0.8, "val": 0.1, "test": 0.1}
    places = fill(parts, ratios)
    assert len(places) == len(parts) and "train" in places
    assert len(parts) < 3 or set(places) == set(SPLITS)
    if len(parts) >= 12:
        total, largest = sum(size for _, size in rows), max(size for _, size in rows)
        for name, share in ratios.items():
            assert (
                abs(sum(s for (_, s), p in zip(rows, places, strict=True) if p == name) - share * total)
                <= largest + 1
            )


WORDS = some.lists(some.sampled_from([f"w{n}" for n in range(14)]), max_size=10)


@settings(max_examples=60, deadline=None)
@given(some.lists(WORDS, max_size=12), some.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_the_set_join_is_brute_force(texts, share):
    sets = [set(words) for words in texts]
    shingles = make_shingles([" ".join(words) for words in texts], 1)
    everyone = np.arange(len(texts))
    brute = set()
    for a in range(len(sets)):
        for b in range(len(sets)):
            if a != b and sets[a] and sets[b] and len(sets[a] & sets[b]) >= share * len(sets[a]) - 1e-9:
                brute.add((min(a, b), max(a, b)))
    assert {tuple(pair) for pair in overlapping(shingles, everyone, shingles, share).tolist()} == brute
    joined, connected = Components(len(sets)), Components(len(sets))
    overlapping(shingles, everyone, shingles, share, joined)
    connected.join_all(brute)
    assert joined.members() == connected.members()


@settings(max_examples=40, deadline=None)
@given(some.lists(some.integers(1, 6), min_size=1, max_size=30), some.randoms(use_true_random=False))
def test_pins_stay_whatever_is_added(sizes, rng):
    parts = [[Sample(key=f"{n}-{k}", messages=[]) for k in range(size)] for n, size in enumerate(sizes)]
    ratios = {"train": 0.8, "val": 0.1, "test": 0.1}
    some_of_them = rng.sample(parts, max(1, len(parts) // 2))
    before = assign(some_of_them, ratios, "domain", Pins(), 1)
    after = assign(parts, ratios, "domain", Pins(before), 2)
    assert before.items() <= after.items() and len({*after}) == sum(sizes)


def test_bridges_are_counted_by_the_ledger_as_dropped():
    assert dropped(plain(1), "bridges_splits").drop in split.component["reasons"]
