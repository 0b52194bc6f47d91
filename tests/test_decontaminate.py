"""Decontaminate: what of an evaluation set stands in training data is found, named to the character, and acted on."""

import json
import random
import warnings
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sftbench.clean.contamination import SIZES, look_up, make_grams, make_units, word_places
from sftbench.clean.decontaminate import decontaminate
from sftbench.clean.eval_items import Item, read_items
from sftbench.core.jsonl import collecting_unreadable, read_json, read_records, write_samples
from sftbench.core.rundir import step
from sftbench.core.sample import Message, Sample, ToolCall
from sftbench.core.system import Problem
from sftbench.core.text import words

RNG = random.Random(31)
VOCABULARY = [
    a + b + c
    for a in ("ba", "de", "fi", "go", "ku")
    for b in ("lo", "ri", "ta", "nu")
    for c in ("n", "s", "m", "th")
]


def prose(count: int) -> str:
    return " ".join(RNG.choice(VOCABULARY) + RNG.choice(["", "a", "el", "or"]) for _ in range(count))


QUESTION = f"A baker {prose(38)} how many loaves remain?"
ANSWER = f"Each morning {prose(50)} and so nine loaves remain."
LONG = prose(120)


def talk(key: str, *turns: str, **about) -> Sample:
    roles = ("user", "assistant")
    return Sample(key=key, messages=[Message(roles[n % 2], text) for n, text in enumerate(turns)], **about)


@pytest.fixture
def quiz(tmp_path) -> str:
    lines = [
        {"id": "baker", "question": QUESTION, "answer": ANSWER},
        {"id": "long", "question": LONG},
        {"id": "short", "question": "What is seven times eight?", "answer": "56"},
        {"id": "go", "question": "Go on.", "answer": "Certainly not today"},
    ]
    path = tmp_path / "quiz.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def run(samples: list[Sample], against: str, out: Path, **options) -> tuple[list[Sample], list[dict]]:
    after = list(decontaminate(samples, against=[against], out=out, **options))
    return after, [line.value for line in read_records(out / "contamination.jsonl")]


def found(sample: Sample, against: str, out: Path, **options) -> set[tuple[str, str]]:
    return {(hit["eval"], hit["part"]) for hit in run([sample], against, out, **options)[1]}


REWORDED = QUESTION.upper().replace(" ", "\n\t ", 9)
CALL = ToolCall("1", "Write", {"path": "quiz.md", "text": QUESTION})
SEEN = {
    "verbatim in the user's turn": (talk("k", QUESTION, "Nine."), {("baker", "prompt")}),
    "in the answer": (talk("k", "Tell me a riddle.", f"Here is one. {QUESTION}"), {("baker", "prompt")}),
    "other blanks and capitals": (talk("k", f"Please: {REWORDED}", "Nine."), {("baker", "prompt")}),
    "the reference answer alone": (talk("k", "Explain.", ANSWER), {("baker", "answer")}),
    "half of it": (talk("k", " ".join(LONG.split()[:60]), "Go on."), {("long", "prompt")}),
    "with a word changed": (talk("k", LONG.replace(LONG.split()[50], "altered", 1), "Yes."), {("long", "prompt")}),
    "in a later turn": (talk("k", "Hi.", "Hello.", QUESTION, "Nine."), {("baker", "prompt")}),
    "in a tool call": (
        Sample(key="k", messages=[Message("user", "Save it"), Message("assistant", "", tool_calls=[CALL])]),
        {("baker", "prompt")},
    ),
    "in the thinking": (
        Sample(key="k", messages=[Message("user", "So?"), Message("assistant", "9", reasoning_content=QUESTION)]),
        {("baker", "prompt")},
    ),
    "in the worse answer": (
        talk("k", "Riddle?", "No.", rejected=[Message("assistant", QUESTION)]), {("baker", "prompt")},
    ),
    "a short question": (talk("k", "what is seven   times EIGHT", "56, I think."), {("short", "prompt")}),
    "a very short one with its answer": (talk("k", "Go on", "Certainly not today."), {("go", "prompt")}),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEN)
def test_it_is_seen(name, quiz, tmp_path):
    sample, expected = SEEN[name]
    assert found(sample, quiz, tmp_path) == expected


UNSEEN = {
    "something else": talk("k", prose(40), prose(60)),
    "common phrases": talk("k", "A baker asks: how many loaves remain? Go on.", "Done, all tests pass. 56"),
    "a very short one without its answer": talk("k", "Go on.", "Of course, here is the rest."),
    "a short question inside a longer message": talk("k", "Ask me what is seven times eight and more.", "56"),
    "a tenth of it": talk("k", " ".join(LONG.split()[:12]) + prose(60), "Yes."),
    "its words in another order": talk("k", " ".join(sorted(LONG.split())), "Yes."),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_it_is_not_seen(name, quiz, tmp_path):
    after, hits = run([UNSEEN[name]], quiz, tmp_path)
    assert hits == [] and after == [UNSEEN[name]]


def test_a_hit_names_sample_item_and_characters(quiz, tmp_path):
    before = "Zuerst — „naïve“ Grüße, dann:\n"
    sample = talk("train-1", "Hi.", "Hello.", f"{before}{QUESTION}  Thanks!", "Nine.")
    (hit,) = run([sample], quiz, tmp_path)[1]
    assert (hit["train"], hit["eval"], hit["set"], hit["part"]) == (
        "train-1",
        "baker",
        "quiz.jsonl",
        "prompt",
    )
    (span,) = hit["spans"]
    assert (span["message"], span["field"]) == (2, "content")
    assert sample.messages[2].content[span["start"] : span["end"]] == QUESTION
    assert hit["containment"] == {"8": 1.0, "13": 1.0} and QUESTION.startswith(hit["text"])


def test_drop_report_and_cut(quiz, tmp_path):
    early = talk("early", QUESTION, "Nine.", "And ten?", "Ten.")
    late = talk("late", "Hi.", "Hello.", QUESTION, "Nine.", "Thanks.", "Welcome.")
    clean = talk("clean", prose(20), prose(20))
    samples = [early, clean, late]
    kept, hits = run(samples, quiz, tmp_path, action="report")
    assert kept == samples and len(hits) == 2
    gone, _ = run(samples, quiz, tmp_path, action="drop")
    assert [(s.key, s.drop) for s in gone] == [
        ("early", "contaminated"),
        ("clean", ""),
        ("late", "contaminated"),
    ]
    assert "baker (quiz.jsonl) in message 1" in gone[0].drop_detail
    cut, _ = run(samples, quiz, tmp_path, action="cut")
    assert [s.drop for s in cut] == ["contaminated", "", ""] and cut[1] == clean
    assert [m.content for m in cut[2].messages] == ["Hi.", "Hello."] and cut[2].key == "late"
    assert cut[2].meta == {"cut_messages": 4, "cut_because": "contaminated"}
    told = read_json(tmp_path / "contamination.json")
    assert (told["samples"], told["contaminated"], told["dropped"], told["cut"]) == (3, 2, 1, 1)


def test_cutting_never_leaves_a_call_without_its_result_or_half_a_preference(quiz, tmp_path):
    call = ToolCall("1", "Read", {"path": "quiz.md"})
    turns = [
        Message("user", "Hi."), Message("assistant", "Hello."), Message("user", "Read it"),
        Message("assistant", "", tool_calls=[call]), Message("tool", QUESTION, tool_call_id="1"),
        Message("assistant", "Nine."),
    ]  # fmt: skip
    (after,) = run([Sample(key="k", messages=turns)], quiz, tmp_path, action="cut")[0]
    assert [m.role for m in after.messages] == ["user", "assistant"]
    pair = Sample(key="p", messages=turns[:2], rejected=[Message("assistant", QUESTION)])
    assert run([pair], quiz, tmp_path, action="cut")[0][0].drop == "contaminated"
    context = Sample(key="c", messages=[turns[0], msgspec.structs.replace(turns[1], train=False), *turns[2:]])
    assert run([context], quiz, tmp_path, action="cut")[0][0].drop, "nothing would be left to learn"


def test_samples_held_out_and_the_item_itself_are_no_training_data(quiz, tmp_path):
    held = [talk(name, QUESTION, "Nine.", split=name) for name in ("val", "test", "train")]
    assert {hit["train"] for hit in run(held, quiz, tmp_path)[1]} == {"train"}
    own = [talk(f"k{n}", prose(30), prose(30)) for n in range(4)]
    write_samples(tmp_path / "eval.jsonl", own)
    assert run(own, str(tmp_path / "eval.jsonl"), tmp_path)[1] == []


def test_thresholds_say_how_much_is_enough(quiz, tmp_path):
    part = talk("k", " ".join(LONG.split()[:24]) + " " + prose(50), "Yes.")
    assert found(part, quiz, tmp_path) == set()
    assert found(part, quiz, tmp_path, share_13=0.0) == {("long", "prompt")}
    assert found(part, quiz, tmp_path, share_8=0.1) == {("long", "prompt")}
    assert found(part, quiz, tmp_path, share_13=1.0, share_8=1.0) == set()


def test_the_template_of_a_set_ties_nobody(tmp_path):
    frame = (
        "Answer the following multiple choice question by one letter only, without any explanation at all:"
    )
    items = [f"{frame} {prose(6)}?" for _ in range(30)]
    (tmp_path / "mc.txt").write_text("\n".join(items))
    assert found(talk("k", f"{frame} who is it?", "B"), str(tmp_path / "mc.txt"), tmp_path) == set()
    assert found(talk("k", f"Hm. {items[7]}", "B"), str(tmp_path / "mc.txt"), tmp_path) == {
        ("mc.txt:8", "prompt")
    }


def test_many_samples_stream_and_each_hit_is_found(quiz, tmp_path):
    samples = [talk(f"k{n:04}", prose(20), prose(200)) for n in range(1200)]
    for n in range(0, 1200, 97):
        samples[n].messages[1].content += f"\n{QUESTION}"
    assert sum(len(s.messages[1].content) for s in samples) > 1_200_000, "more than one chunk"
    after, hits = run(samples, quiz, tmp_path)
    assert [s.key for s in after] == [s.key for s in samples]
    assert {hit["train"] for hit in hits} == {f"k{n:04}" for n in range(0, 1200, 97)}
    lazily = decontaminate(iter(samples), against=[quiz])
    assert next(lazily).key == "k0000"


def test_the_ledger_balances_and_the_step_is_the_same_twice(quiz, tmp_path):
    samples = [talk("a", QUESTION, "Nine."), talk("b", prose(30), prose(30))]
    write_samples(tmp_path / "in.jsonl", samples)
    records = []
    for name in ("one", "two"):
        verb = partial(decontaminate, against=[quiz])
        records.append(step(verb, inputs=str(tmp_path / "in.jsonl"), out=tmp_path / name))
    assert records[0].reasons == {"contaminated": 1} and records[0].hashes == records[1].hashes
    assert {"contamination.jsonl", "contamination.json"} <= set(records[0].hashes)


# Evaluation sets in files


SHAPES = {
    "samples.jsonl": '{"key": "i1", "messages": [{"role": "user", "content": "Why is it?"}, {"role": "assistant", "content": "So."}]}',
    "shares.jsonl": '{"id": "i1", "conversations": [{"from": "human", "value": "Why is it?"}, {"from": "gpt", "value": "So."}]}',
    "pairs.jsonl": '{"id": "i1", "instruction": "Why is it?", "output": "So."}',
    "code.jsonl": '{"task_id": "i1", "prompt": "Why is it?", "canonical_solution": "So."}',
    "turns.jsonl": '{"question_id": "i1", "turns": ["Why is it?"], "reference": ["So."]}',
    "list.json": '[{"id": "i1", "question": "Why is it?", "answer": "So."}]',
    "inside.json": '{"version": 3, "data": [{"id": "i1", "question": "Why is it?", "answer": "So."}]}',
    "one.json": '{"id": "i1",\n "question": "Why is it?",\n "answer": "So."}',
}


@pytest.mark.parametrize("name", SHAPES)
def test_items_are_read_from_any_shape(name, tmp_path):
    (tmp_path / name).write_text(SHAPES[name])
    assert read_items(tmp_path / name) == [Item("i1", name, "Why is it?", "So.")]


@pytest.mark.parametrize(
    "text", ["Why?\n\nHow?\n", '"Why?"\n"How?"', '["Why?", "How?"]', "\ufeffWhy?\r\nHow?\r\n"]
)
def test_plain_questions_are_read(text, tmp_path):
    (tmp_path / "set").write_text(text, encoding="utf-8", newline="")
    assert [item.prompt for item in read_items(tmp_path / "set")] == ["Why?", "How?"]


def test_unreadable_lines_are_reported_and_the_rest_is_read(tmp_path):
    lines = [b'{"question": "Why?"}', b'{"question": "cut', b'{"score": 1}', b'{"question": "\xff"}', b"7"]
    (tmp_path / "set.jsonl").write_bytes(b"\n".join(lines))
    with collecting_unreadable() as reported:
        assert [item.prompt for item in read_items(tmp_path / "set.jsonl")] == ["Why?"]
    assert [one.line for one in reported] == [2, 3, 4, 5] and all(one.remedy for one in reported)


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("gone.jsonl", None, "does not exist"), ("empty.jsonl", "", "holds no question"),
        ("blank.txt", "\n \n", "holds no question"), ("list.json", "[]", "holds no question"),
        ("odd.jsonl", '{"score": 1}', "holds no question"), (".", None, "It is a folder"),
    ],
)  # fmt: skip
def test_a_set_that_cannot_be_used_is_refused_in_a_sentence(name, text, told, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with warnings.catch_warnings(), pytest.raises(Problem, match=told) as problem:
        warnings.simplefilter("ignore")
        list(decontaminate([talk("k", "Why?", "So.")], against=[str(tmp_path / name)]))
    assert problem.value.code == 2 and problem.value.remedy


def test_nothing_to_compare_with_is_refused():
    with pytest.raises(Problem, match="nothing to compare with"):
        list(decontaminate([talk("k", "Why?", "So.")]))


def test_no_samples_and_empty_ones_pass(quiz, tmp_path):
    empty = [Sample(key="none", messages=[]), talk("blank", "", " ")]
    assert run([], quiz, tmp_path) == ([], []) and run(empty, quiz, tmp_path) == (empty, [])


# Properties


@settings(max_examples=80, deadline=None)
@given(some.text(some.sampled_from("aBé\u0301İß _.-\n\t日\u00a0\u2028x1"), max_size=40))
def test_every_word_has_its_characters(text):
    places = word_places(text)
    assert len(places) == len(words(text))
    assert all(0 <= first < end <= len(text) for first, end in places)
    assert places == sorted(places)


WORDS = some.lists(some.sampled_from([f"w{n}" for n in range(5)]), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(some.lists(WORDS, min_size=1, max_size=5), some.lists(WORDS, min_size=1, max_size=4))
def test_the_lookup_is_brute_force(asked, given_texts):
    units = make_units([Item(f"q{n}", "set", " ".join(one)) for n, one in enumerate(asked)])
    texts = [" ".join(one) for one in given_texts]
    for n in SIZES:
        grams = make_grams(units, n)
        held = {
            tuple(unit.text.split()[k : k + n])
            for unit in units
            for k in range(len(unit.text.split()) - n + 1)
        }
        brute = {
            (place, k)
            for place, one in enumerate(given_texts)
            for k in range(len(one) - n + 1)
            if tuple(one[k : k + n]) in held
        }
        text, word, _ = look_up(texts, grams, n)
        assert set(zip(text.tolist(), word.tolist(), strict=True)) == brute
