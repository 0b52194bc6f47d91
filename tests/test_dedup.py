"""Near duplicates: every engine against brute force, groups against pairs, the index, meaning."""

import random
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftbench.clean.components import Components
from sftbench.clean.dedup import dedup
from sftbench.clean.near import NearTexts, near_pairs
from sftbench.clean.near_index import NearIndex
from sftbench.core.jsonl import read_records
from sftbench.core.sample import Message, Sample
from sftbench.core.system import Problem
from sftbench.core.text import jaccard, word_shingles

WORD = st.sampled_from(
    ["a", "b", "ab", "x_1", "Ünï", "日本", "—", "=", "(", "\u00a0", "\x1c", "e\u0301", "ſ", "İ", "\ud800"]
)
TEXTS = st.lists(st.lists(WORD, max_size=12).map(" ".join) | st.text(max_size=40), max_size=12)
ENGINES = ["numpy", "numba", "datasketch"]


def brute(texts: list[str], threshold: float, n: int, reach: bool) -> dict[tuple[int, int], float]:
    sets = [word_shingles(text, n) for text in texts]
    pairs = {
        (a, b): jaccard(sets[a], sets[b])
        for a, b in combinations(range(len(texts)), 2)
        if sets[a] and sets[b]
    }
    return {
        pair: value for pair, value in pairs.items() if value > threshold or (reach and value == threshold)
    }


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from([0.3, 0.5, 0.8, 0.85, 0.95]), st.sampled_from([1, 2, 3, 5]), st.booleans())
def test_every_exact_engine_finds_what_brute_force_finds(texts, threshold, n, reach):
    true = brute(texts, threshold, n, reach)
    for engine in ("numpy", "numba"):
        found = near_pairs(texts, threshold, n, engine, reach)
        pairs = [tuple(pair) for pair in found.pairs.tolist()]
        assert pairs == sorted(true), engine
        assert found.similarities.tolist() == [true[pair] for pair in pairs], engine


def planted(size: int = 900, seed: int = 5) -> list[str]:
    "Texts of 20 to 200 words; every third is an earlier one with 1 to 20 words changed."
    rng = random.Random(seed)
    words = [f"w{n}" for n in range(400)]
    texts: list[str] = []
    for n in range(size):
        parts = (
            rng.choices(words, k=rng.randint(20, 200)) if n % 3 or n < 9 else texts[rng.randrange(n)].split()
        )
        for _ in range(rng.randint(1, 20) if not n % 3 else 0):
            parts[rng.randrange(len(parts))] = rng.choice(words)
        texts.append(" ".join(parts))
    return texts


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.85, 0.9])
def test_planted_copies_are_found_at_every_similarity(threshold):
    texts = planted()
    true = set(brute(texts, threshold, 3, False))
    assert len(true) > 20
    for engine in ENGINES:
        found = {tuple(pair) for pair in near_pairs(texts, threshold, engine=engine).pairs.tolist()}
        assert found <= true, f"{engine} gave a pair that is none"
        assert len(found) >= len(true) * (1 if engine != "datasketch" else 0.99), engine


@pytest.mark.parametrize("engine", ENGINES)
def test_groups_are_what_pairs_join(engine):
    near = NearTexts(planted(), 0.7, engine=engine)
    joined = Components(900)
    joined.join_all(near.pairs().pairs.tolist())
    groups = [members for members in joined.members().values() if len(members) > 1]
    assert groups and near.groups() == groups


def test_thousands_of_copies_of_one_form_are_one_group():
    form = "the order of {} is on its way and will be at your door on the day that you chose, signed by us, thank you"
    texts = [form.format(f"customer{n}") for n in range(4000)] + [
        "something else altogether, that has nothing in common"
    ]
    groups = NearTexts(texts, 0.6, engine="numba").groups()
    assert [len(group) for group in groups] == [4000]


def test_empty_and_single_texts():
    for texts in ([], [""], ["", ""], ["a"], ["—", "—"]):
        for engine in ENGINES:
            expected = [[0, 1]] if texts == ["—", "—"] else []
            assert NearTexts(texts, 0.85, engine=engine).groups() == expected, (texts, engine)


def sample(key: str, answer: str, question: str = "What is it?", **fields) -> Sample:
    return Sample(key=key, messages=[Message("user", question), Message("assistant", answer)], **fields)


def test_a_shared_system_prompt_makes_no_duplicates():
    prompt = Message("system", "You are a careful engineer. " * 200)
    samples = [
        Sample(key=k, messages=[prompt, Message("user", q), Message("assistant", a)])
        for k, q, a in (
            ("a", "Why?", "Since the cache is stale."),
            ("b", "How?", "By two locks and a queue."),
        )
    ]
    assert [s.drop for s in dedup(samples)] == ["", ""]


def test_kinds_are_not_mixed():
    text = "one two three four five six seven eight nine ten"
    samples = [sample("a", text), sample("b", text + " and"), sample("c", text + " or", kind="session")]
    kept = {s.key for s in dedup(samples, threshold=0.6) if not s.drop}
    assert kept == {"b", "c"}


def test_engines_write_the_same_files(tmp_path: Path):
    samples = [sample(f"k{n}", text, quality=n % 7 / 7) for n, text in enumerate(planted(300))]
    written = []
    for engine in ENGINES:
        list(dedup(samples, threshold=0.7, engine=engine, out=tmp_path / engine))
        written.append({p.name: p.read_bytes() for p in (tmp_path / engine).iterdir()})
    assert written[0] == written[1] == written[2] and len(written[0]["clusters.jsonl"].splitlines()) > 10


def test_similarities_in_clusters_are_exact(tmp_path: Path):
    samples = [sample(f"k{n}", text) for n, text in enumerate(planted(300))]
    list(dedup(samples, threshold=0.7, out=tmp_path))
    sets = {s.key: word_shingles("What is it?\n" + s.messages[1].content) for s in samples}
    for line in read_records(tmp_path / "clusters.jsonl"):
        for member in line.value["members"]:
            assert member["similarity"] == round(jaccard(sets[line.value["keeper"]], sets[member["key"]]), 4)


def test_an_index_gives_what_one_pass_over_all_gives(tmp_path: Path):
    texts = planted(600)
    for day in range(3):
        part = [sample(f"k{n}", texts[n]) for n in range(day * 200, day * 200 + 200)]
        checked = list(dedup(part, threshold=0.8, index=tmp_path / "index"))
        again = list(dedup(part, threshold=0.8, index=tmp_path / "index"))
        assert [s.drop for s in again] == [s.drop for s in checked], "the same day again changes nothing"
    index = NearIndex(tmp_path / "index", threshold=0.8)
    kept = list(index.places)
    sets = {key: word_shingles("What is it?\n" + texts[int(key[1:])]) for key in kept}
    assert not [(a, b) for a, b in combinations(kept, 2) if jaccard(sets[a], sets[b]) > 0.8]
    last = {s.key: s for s in checked}
    told = [s for s in last.values() if s.drop == "earlier_duplicate"]
    assert told
    for one in told:
        key, similarity = one.drop_detail.split()
        own = word_shingles("What is it?\n" + texts[int(one.key[1:])])
        assert jaccard(own, sets[key]) == pytest.approx(float(similarity), abs=1e-4)


def test_an_index_of_other_settings_is_refused(tmp_path: Path):
    NearIndex(tmp_path).add(["a"], ["some text that is long enough"])
    with pytest.raises(Problem, match="shingle: 3 there, 5 asked"):
        NearIndex(tmp_path, shingle=5)


def test_an_index_that_was_killed_while_writing_is_whole(tmp_path: Path, monkeypatch):
    index = NearIndex(tmp_path)
    index.add(["a"], ["some text that is long enough to be found again"])
    before = sorted(p.name for p in tmp_path.iterdir())
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk is full")))
    with pytest.raises(OSError):
        index.add(["b"], ["another text"])
    monkeypatch.undo()
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert set(NearIndex(tmp_path).places) == {"a"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    "A tiny encoder of random weights with the bundled vocabulary."
    transformers = pytest.importorskip("transformers")
    from sftbench.models.template import chat_tokenizer

    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = chat_tokenizer("scratch")
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    transformers.set_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_an_encoder_takes_the_place_of_lsa(encoder: str):
    same = sample("a", "The scheduler starts a worker again when it dies.")
    copy = sample("b", "The scheduler starts a worker again when it died.")
    far = sample("c", "def f(x): return {k: v ** 2 for k, v in x.items() if k > 17 and v < 0}")
    drops = {
        s.key: s.drop
        for s in dedup(
            [same, copy, far], near=False, semantic=True, semantic_thresholds={"": 0.995}, embedding=encoder
        )
    }
    assert sorted(drops.values()) == ["", "", "semantic_duplicate"] and not drops["c"]


def test_an_encoder_that_is_not_there_is_told_in_a_sentence():
    with pytest.raises(Problem, match="no/such/encoder"):
        list(dedup([sample("a", "x y"), sample("b", "z")], semantic=True, embedding="no/such/encoder"))
