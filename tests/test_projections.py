"Records of other tools come in, and go out again with the same content or a word for what is lost."

import json
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftbench.core.projections import (
    _ABOUT,
    _ANSWER,
    _ASK,
    _THINK,
    _TURNS,
    SHAPES,
    UnknownShape,
    from_record,
    shape_of,
)
from sftbench.core.sample import Message, Origin, Sample, ToolCall, content_id
from sftbench.core.turns import BadRecord
from sftbench.core.writers import LOSSES, WRITERS, to_openai

HERE = Origin(root=".", path="x.jsonl", lines=(1, 1))
TEXT = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["<think>a</think>", "<|im_end|>", "<tool_call>\n{}\n</tool_call>", " ", "\n\n"]
)
NAME = st.text("abc_", min_size=1, max_size=4)
VALUE = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT


def read(record: dict) -> Sample:
    return from_record(record, key="k", origin=HERE)


@st.composite
def messages(draw: st.DrawFn) -> list[Message]:
    "Conversations with tools, in an order that happens."
    turns = [Message("system", draw(TEXT.filter(bool)))] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        turns.append(Message("user", draw(TEXT)))
        calls = [
            ToolCall(f"c{number}.{i}", draw(NAME), draw(st.dictionaries(NAME, VALUE, max_size=2)))
            for i in range(draw(st.integers(0, 2)))
        ]
        thought = draw(st.none() | TEXT.filter(bool))
        if calls:
            turns.append(Message("assistant", draw(TEXT), reasoning_content=thought, tool_calls=calls))
            turns += [Message("tool", draw(TEXT), tool_call_id=call.id) for call in calls]
        turns.append(Message("assistant", draw(TEXT), train=draw(st.sampled_from([None, None, False]))))
    return turns


@settings(max_examples=200, deadline=None)
@given(messages(), st.sampled_from(sorted(WRITERS)))
def test_a_written_record_reads_back_alike_or_says_what_is_lost(turns: list[Message], name: str) -> None:
    sample = Sample(key="k", messages=turns)
    record, lost = WRITERS[name](sample)
    assert set(lost) <= set(LOSSES)
    if record is None:
        assert lost
    else:
        back = read(json.loads(json.dumps(record)))
        if not set(lost) - {"untrained"}:
            assert content_id(back) == content_id(sample)


@settings(max_examples=100, deadline=None)
@given(messages())
def test_openai_loses_nothing_of_a_conversation(turns: list[Message]) -> None:
    sample = Sample(key="k", messages=turns)
    record, lost = to_openai(sample)
    assert lost == [] and record is not None
    assert [m.train for m in read(record).messages] == [m.train for m in turns]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_OTHER = "prompt input chosen rejected text system history tools metadata key label role"
FIELDS = st.sampled_from([*_TURNS, *_ASK, *_ANSWER, *_THINK, *_ABOUT, *_OTHER.split()])


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(FIELDS, JSON | st.just("<|im_start|>user\nx"), max_size=6))
def test_any_object_is_read_with_right_types_or_refused_with_a_sentence(record: dict) -> None:
    try:
        sample = read(record)
    except (UnknownShape, BadRecord) as error:
        assert str(error)
        return
    assert msgspec.json.decode(msgspec.json.encode(sample), type=Sample).messages == sample.messages


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
        [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}],
        [{"from": "USER", "content": "a"}, {"from": "bot", "content": "b"}],
        [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "model", "content": "b"}],
    ],
)
@pytest.mark.parametrize("name", ["messages", "conversations", "conversation"])
def test_every_dialect_of_turns_gives_the_same_content(turns: list[dict], name: str) -> None:
    assert [(m.role, m.content) for m in read({name: turns}).messages] == [("user", "a"), ("assistant", "b")]


def test_openai_arguments_are_objects_and_broken_ones_are_kept_raw() -> None:
    calls = [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "2", "type": "function", "function": {"name": "f", "arguments": '{"x": '}},
    ]
    sample = read({"messages": [{"role": "assistant", "content": None, "tool_calls": calls}]})
    assert [call.arguments for call in sample.messages[0].tool_calls] == [{"x": 1}, {"_raw": '{"x": '}]
    assert sample.messages[0].content == ""


def test_both_sides_of_a_pair_share_one_prompt() -> None:
    prompt = [{"role": "user", "content": "q"}]
    good, bad = {"role": "assistant", "content": "g"}, {"role": "assistant", "content": "b"}
    shapes = [
        {"prompt": "q", "chosen": "g", "rejected": "b"},
        {"prompt": prompt, "chosen": [good], "rejected": [bad]},
        {"chosen": [*prompt, good], "rejected": [*prompt, bad]},
        {"prompt": "q", "chosen": [*prompt, good], "rejected": [*prompt, bad]},
    ]
    assert len({content_id(read(record)) for record in shapes}) == 1


def test_a_completion_that_was_rejected_is_not_trained_on() -> None:
    assert read({"prompt": "q", "completion": "bad", "label": False}).messages[-1].train is False
    assert read({"prompt": "q", "completion": "good", "label": True}).messages[-1].train is None


def test_strangers_go_to_meta_and_explicit_values_to_their_fields() -> None:
    sample = read(
        {
            "instruction": "q", "output": "a", "domain": "memory", "source": "notes/a.md", "colour": "red",
            "metadata": {"quality_tier": "best", "quality_score": "high", "validated": True, "category": "x"},
        }
    )  # fmt: skip
    assert (sample.domain, sample.source, sample.validated, sample.tier, sample.quality) == (
        "memory",
        "",
        True,
        "",
        None,
    )
    assert sample.meta == {
        "source": "notes/a.md", "colour": "red", "quality_tier": "best", "quality_score": "high",
        "category": "x", "from_metadata": ["category", "quality_score", "quality_tier", "validated"],
    }  # fmt: skip


def test_a_score_that_is_not_a_number_is_unknown_and_said() -> None:
    sample = read({"instruction": "q", "output": "a\ud800", "quality_score": math.nan})
    assert sample.quality is None
    assert sample.meta["repaired"] == ["$.output: lone surrogate", "$.quality_score: nan"]


def test_our_own_samples_keep_their_key_and_origin() -> None:
    record = {
        "key": "mine",
        "messages": [{"role": "user", "content": "q"}],
        "origin": {"root": "r", "path": "p"},
    }
    sample = read(record)
    assert (shape_of(record), sample.key, sample.origin.root) == ("sample", "mine", "r")


def test_an_unknown_shape_names_the_fields_seen_and_the_shapes_known() -> None:
    with pytest.raises(UnknownShape) as error:
        read({"colour": "red"})
    assert "colour" in str(error.value) and all(shape in str(error.value) for shape in SHAPES)
