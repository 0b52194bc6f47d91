"""Validation: every reason by name, with the path and the text that it tells, and a neighbour that must pass."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sftbench.clean.findings import fake
from sftbench.clean.validate import validate
from sftbench.clean.validate_target import tokens_of
from sftbench.core.registry import scan
from sftbench.core.rundir import step
from sftbench.core.sample import Message, Sample, ToolCall, content_id
from sftbench.core.system import Problem

ROOT = Path(__file__).resolve().parent.parent
SFTBENCH = str(Path(sys.executable).with_name("sftbench"))
ASK = Message("user", "Which files are there, please?")
TELL = Message("assistant", "There are two of them: a.py and b.py.")
SYSTEM = Message("system", "You are brief.")


def calls(*names: str, **arguments: object) -> Message:
    return Message(
        "assistant", "", tool_calls=[ToolCall(name, "Bash", arguments or {"command": "ls"}) for name in names]
    )


def result(name: str, text: str = "a.py b.py") -> Message:
    return Message("tool", text, tool_call_id=name)


def told(*messages: Message, kind: str = "sample", rejected=None, tools=(), **options) -> tuple[str, str]:
    "Reason and detail of one sample; nothing is ever lost, and ids do not change."
    sample = Sample(key="k", kind=kind, messages=list(messages), rejected=rejected, tools=list(tools))
    (checked,) = validate([sample], **options)
    assert checked.key == "k" and (checked.drop or checked.validated == (kind == "sample"))
    return checked.drop, checked.drop_detail


def fails(reason: str, detail: str, *messages: Message, **options) -> None:
    found = told(*messages, **options)
    assert found[0] == reason and detail in found[1], found


def passes(*messages: Message, **options) -> None:
    assert told(*messages, **options) == ("", "")


def test_an_ordinary_sample_passes():
    passes(ASK, TELL)
    passes(SYSTEM, ASK, calls("1"), result("1"), TELL)
    passes(ASK, calls("1", "2"), result("2"), result("1"), TELL, ASK, calls("3"))


def test_bad_role():
    strange = msgspec.structs.replace(ASK, role="narrator")
    fails("bad_role", "messages[1].role: narrator", ASK, strange, TELL)
    passes(ASK, ASK, TELL)


def test_bad_order():
    fails("bad_order", "messages[2].role: system after assistant", ASK, TELL, SYSTEM)
    fails("bad_order", "messages[0].role: assistant after nothing", TELL, ASK, TELL)
    fails("bad_order", "messages[1].role: system after system", SYSTEM, SYSTEM, ASK, TELL)
    fails("bad_order", "messages[1].role: assistant after system", SYSTEM, TELL, ASK, TELL)
    fails("bad_order", "messages[1].role: tool after user", ASK, result("1"), TELL)
    passes(SYSTEM, ASK, TELL, TELL, ASK, TELL)


def test_no_user():
    fails("no_user", "messages", Message("user", " \n"), TELL)
    fails("no_user", "there are no messages")
    passes(Message("user", " "), ASK, TELL)


def test_no_assistant():
    fails("no_assistant", "messages", ASK, Message("assistant", "  "))
    fails("no_assistant", "messages", ASK)
    fails("no_assistant", "messages", ASK, msgspec.structs.replace(TELL, train=False))
    fails("no_assistant", "rejected", ASK, TELL, rejected=[Message("assistant", "")])
    passes(ASK, calls("1"))
    passes(ASK, TELL, rejected=[Message("assistant", "There are none.")])


def test_orphan_result():
    fails("orphan_result", "messages[2].tool_call_id: 9", ASK, calls("1"), result("9"), TELL)
    fails("orphan_result", "messages[3].tool_call_id: 1", ASK, calls("1"), result("1"), result("1"), TELL)
    fails("orphan_result", "messages[2].tool_call_id: None", ASK, TELL, Message("tool", "x"), TELL)
    passes(ASK, calls("1", "1"), result("1"), result("1"), TELL)


def test_unanswered_call():
    fails("unanswered_call", "messages[1].tool_calls[0]", ASK, calls("1"), ASK, TELL)
    fails("unanswered_call", "messages[1].tool_calls[1]", ASK, calls("1", "2"), result("1"), TELL)
    fails("unanswered_call", "messages[1].tool_calls[1]", ASK, calls("1", "1"), result("1"), TELL)
    fails("unanswered_call", "messages[1].tool_calls[1]", ASK, calls("1", "2"), result("1"))
    passes(ASK, calls("1"), result("1"), calls("2"))


def test_bad_arguments():
    fails(
        "bad_arguments",
        "messages[1].tool_calls[0].arguments: {'_raw': '{oops'}",
        ASK,
        calls("1", _raw="{oops"),
    )
    passes(ASK, calls("1", _raw="x", command="ls"))
    passes(ASK, Message("assistant", "I do nothing.", tool_calls=[ToolCall("1", "Wait", {})]))


def test_too_short():
    fails("too_short", "4 characters, at least 20", Message("user", "hi"), Message("assistant", "ho"))
    passes(Message("user", "hi"), Message("assistant", "ho"), min_chars=4)
    fails(
        "too_short", "at least 5", Message("user", "hi" + " " * 20), Message("assistant", "ho"), min_chars=5
    )


def test_too_long():
    words = " ".join(map(str, range(100)))
    size = len(ASK.content) + len(words)
    fails(
        "too_long",
        f"{size} characters, at most {size - 1}",
        ASK,
        Message("assistant", words),
        max_chars=size - 1,
    )
    passes(ASK, Message("assistant", words), max_chars=size)
    passes(ASK, Message("assistant", words), max_chars=10, kind="session")


def test_repetition():
    fails("repetition", "messages[1].content: I am here.", ASK, Message("assistant", "I am here.\n" * 200))
    fails("repetition", "messages[1].content", ASK, Message("assistant", "na " * 120))
    fails("repetition", "messages[2].content", ASK, calls("1"), result("1", "0 " * 4000), TELL)
    fails("repetition", "tool_calls[0].arguments", ASK, calls("1", command="echo x; " * 900))
    answer = Message(
        "assistant", "I shall look at each of the files in turn now. " + " ".join(map(str, range(60)))
    )
    fails("repetition", "4 times: I shall look", *[ASK, answer] * 4)
    passes(*[ASK, answer] * 3)
    passes(ASK, Message("assistant", "".join(f"| {n} | {n * n} |\n" for n in range(500))))
    passes(ASK, calls("1"), result("1", "." * 900), TELL)
    passes(ASK, Message("assistant", "No, no, no, no, no! " * 3))


TOKENS = [
    "<|im_" + "start|>",
    "<|eot" + "_id|>",
    "<start_of" + "_turn>",
    "[/IN" + "ST]",
    "<<SY" + "S>>",
    "<｜User" + "｜>",
    "<|tool_call" + "_begin|>",
]


@pytest.mark.parametrize("token", TOKENS)
def test_control_tokens(token):
    fails(
        "control_tokens",
        f"messages[0].content: {token!r} at character 5",
        Message("user", f"Type {token} now"),
        TELL,
    )
    fails(
        "control_tokens",
        "messages[1].reasoning_content",
        ASK,
        msgspec.structs.replace(TELL, reasoning_content=token),
    )
    fails(
        "control_tokens", "messages[1].tool_calls[0].arguments", ASK, calls("1", command=["a", {"b": token}])
    )
    fails("control_tokens", "rejected[0].content", ASK, TELL, rejected=[Message("assistant", f"No {token}")])
    fails("control_tokens", "tools[0]", ASK, TELL, tools=[{"name": "Bash", "description": token}])
    passes(Message("user", f"Type {token} now"), TELL, control_tokens="escape")
    passes(Message("user", f"Type {token[:-1]} now"), TELL)


def test_escaped_control_tokens_are_counted_and_the_text_stays_readable(tmp_path):
    sample = Sample(key="k", messages=[Message("user", f"Type {TOKENS[0]} now"), TELL])
    (kept,) = validate([sample], control_tokens="escape", out=tmp_path)
    assert kept.messages[0].content == "Type < |im_start|> now"
    assert json.loads((tmp_path / "validate.json").read_text())["warnings"] == {"control_tokens_escaped": 1}
    named = msgspec.structs.replace(calls("1"), tool_calls=[ToolCall("1", f"a{TOKENS[0]}", {})])
    fails("control_tokens", "messages[1].tool_calls[0].name", ASK, named, control_tokens="escape")


def test_what_looks_like_a_control_token_is_none():
    passes(
        Message("user", "a <| f |> y, [INSTALL], <s>old</s>, x <|> y, |im_start|, <|not a token|>, {{INST}}"),
        TELL,
    )


@pytest.mark.parametrize("text", ["caf\ufffd", "a\0b", "\ud83d", "cafÃ©", "itâ€™s"])
def test_encoding_damage_is_reported_and_kept(tmp_path, text):
    sample = Sample(key="k", messages=[Message("user", f"What is {text}, please?"), TELL])
    (kept,) = validate([sample], out=tmp_path)
    written = json.loads((tmp_path / "validate.json").read_text())
    assert not kept.drop and written["warnings"] == {"encoding_damage": 1}
    (place,) = written["encoding_damage"]
    assert place["key"] == "k" and place["path"] == "messages[0].content" and "at character" in place["text"]


def test_letters_of_all_kinds_are_no_damage(tmp_path):
    list(
        validate(
            [Sample(key="k", messages=[Message("user", "café Ã la carte ÅÄÖ 漢字 😀 \u2028 ß € ™?"), TELL])],
            out=tmp_path,
        )
    )
    assert json.loads((tmp_path / "validate.json").read_text())["warnings"] == {}


def test_too_few_tokens():
    fails("too_few_tokens", "tokens, at least 500 are wanted", ASK, TELL, min_tokens=500)
    total = tokens_of(Sample(key="k", messages=[ASK, TELL]), "scratch")
    passes(ASK, TELL, min_tokens=total)
    fails("too_few_tokens", f"{total} tokens", ASK, TELL, min_tokens=total + 1)


def test_too_many_tokens():
    total = tokens_of(Sample(key="k", messages=[ASK, TELL]), "scratch")
    fails("too_many_tokens", f"{total} tokens, at most {total - 1}", ASK, TELL, max_tokens=total - 1)
    passes(ASK, TELL, max_tokens=total)
    passes(ASK, TELL, max_tokens=3, kind="session")
    assert tokens_of(Sample(key="k", messages=[ASK, TELL], tools=[{"name": "Bash"}]), "scratch") > total


def test_tokens_are_those_of_the_template_when_it_is_known():
    from sftbench.models.template import chat_tokenizer, render

    exact = len(render(Sample(key="k", messages=[ASK, TELL]), chat_tokenizer("scratch")).ids)
    passes(ASK, TELL, max_tokens=exact, template="model")
    fails("too_many_tokens", f"{exact} tokens", ASK, TELL, max_tokens=exact - 1, template="model")


@pytest.fixture
def jinja(tmp_path):
    "A template that knows no tools and writes only the last answer."
    file = tmp_path / "chat.jinja"
    file.write_text(
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('Tools are not supported') }}{% endif %}"
        "{% if m.role != 'assistant' or loop.last %}{{ m.role }}: {{ m.content }}\n{% endif %}{% endfor %}"
    )
    return str(file)


def test_template_refuses(jinja):
    fails("template_refuses", "Tools are not supported", ASK, calls("1"), result("1"), TELL, template=jinja)
    passes(ASK, TELL, template=jinja)
    passes(ASK, calls("1"), result("1"), TELL, template="model")


def test_template_loses(jinja):
    fails(
        "template_loses",
        "messages[1].content: There are two",
        ASK,
        TELL,
        ASK,
        Message("assistant", "As I said."),
        template=jinja,
    )
    fails("template_loses", "messages[1].tool_calls[0]: Bash", ASK, calls("1"), template=jinja)
    untrained = msgspec.structs.replace(TELL, train=False)
    passes(ASK, untrained, ASK, Message("assistant", "As I said."), template=jinja)


def test_control_tokens_of_the_target_count_too():
    own = "<|endof" + "text|>"
    fails("control_tokens", repr(own), ASK, Message("assistant", f"Then {own} comes."), template="model")


def test_a_template_that_is_not_there_is_wrong_usage():
    with pytest.raises(Problem, match=r"There is no chat template 'none\.jinja'") as problem:
        told(ASK, TELL, template="none.jinja")
    assert problem.value.code == 2 and "`model`" in problem.value.remedy


def test_a_document_is_no_conversation():
    passes(Message("user", "A long text. " * 9000), kind="document", template="model", max_tokens=5)
    fails("too_short", "at least 20", Message("user", "tiny"), kind="document")


def test_a_session_may_begin_and_end_anywhere():
    passes(TELL, SYSTEM, ASK, calls("1"), kind="session")
    fails("bad_arguments", "_raw", ASK, calls("1", _raw="{"), kind="session")


def test_several_failures_are_told_together_the_first_gives_the_reason():
    reason, detail = told(ASK, TELL, SYSTEM, calls("1", _raw="{"), result("9"))
    assert reason == "bad_order" and detail.count("; ") == 4
    assert all(path in detail for path in ("messages[2].role", "arguments", "messages[4].tool_call_id"))


def test_every_reason_is_declared_and_every_declared_one_is_tested():
    text = (ROOT / "sftbench" / "clean" / "validate.py").read_text()
    (verb,) = [found for found in scan(text, "sftbench.clean.validate") if found.name == "validate"]
    tests = Path(__file__).read_text()
    assert len(verb.reasons) == 15
    assert [word for word in verb.reasons if f"def test_{word}(" not in tests] == []
    assert {option.name: option.default for option in verb.options} == {
        "min_chars": 20, "max_chars": 50000, "min_tokens": 0, "max_tokens": 0,
        "control_tokens": "quarantine", "model": "scratch", "template": None,
    }  # fmt: skip
    assert all(option.help for option in verb.options)


def test_a_step_balances_and_writes_what_it_found(tmp_path):
    samples = [
        Sample(key="a", messages=[ASK, TELL]), Sample(key="b", messages=[ASK]), Sample(key="c", messages=[ASK, TELL], meta={"mended": "x"}),
    ]  # fmt: skip
    (tmp_path / "in.jsonl").write_bytes(b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples))
    record = step(validate, inputs=str(tmp_path / "in.jsonl"), out=tmp_path / "out")
    assert str(record.counts) == "3 in = 2 kept + 1 dropped" and record.reasons == {"no_assistant": 1}
    written = json.loads((tmp_path / "out" / "validate.json").read_text())
    assert written == {"checked": 3, "by_reason": {"no_assistant": 1}, "warnings": {"mended_when_read": 1}}


def test_validating_twice_changes_nothing():
    once = list(validate([Sample(key="k", messages=[ASK, TELL])]))
    assert list(validate(once)) == once and content_id(once[0]) == content_id(
        Sample(key="k", messages=[ASK, TELL])
    )


def test_the_command_drops_with_reasons(tmp_path):
    secret = fake("{w24}")
    lines = [
        {"instruction": "What is it?", "output": "It is a file of words."},
        {"instruction": "hi", "output": "ho"},
    ]
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + f'{{"output": "{secret}'
    )
    done = subprocess.run(
        [SFTBENCH, "validate", "in.jsonl", "-o", "out.jsonl", "--dropped", "bad.jsonl", "--artefacts", "about"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 3 and "1 too_short" in done.stdout and secret not in done.stdout + done.stderr
    assert json.loads((tmp_path / "bad.jsonl").read_text())["drop_detail"].startswith(
        "messages: 4 characters"
    )
    assert json.loads((tmp_path / "about" / "validate.json").read_text())["checked"] == 2
