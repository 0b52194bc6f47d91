"""ChatGPT's and Claude.ai's exports: trees of turns, every era of blocks, and files as damaged as they come."""

import json
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftbench.collect.chatgpt_export import (
    chatgpt_export,
    is_chatgpt_export,
    read_chatgpt_export,
    without_marks,
)
from sftbench.collect.claude_export import claude_export, is_claude_export, read_claude_export
from sftbench.collect.conversations import inspected
from sftbench.core.jsonl import collecting_unreadable

NULL = "00000000-0000-4000-8000-000000000000"


def node(
    id: str,
    parent: str | None,
    role: str,
    text: Any,
    time: Any = None,
    to: str = "all",
    kind: str = "text",
    **about: Any,
) -> dict[str, Any]:
    content: dict[str, Any] = {"content_type": kind}
    content |= (
        {"parts": text if isinstance(text, list) else [text]}
        if kind in ("text", "multimodal_text")
        else {"text": text}
    )
    content = {"content_type": kind, "thoughts": text} if kind == "thoughts" else content
    message = {"id": id, "author": {"role": role, "name": about.pop("name", None)}, "create_time": time, "content": content,
               "recipient": to, "weight": about.pop("weight", 1.0), "status": about.pop("status", "finished_successfully"), "metadata": about}  # fmt: skip
    return {"id": id, "parent": parent, "children": [], "message": message}


def talk(
    nodes: list[dict[str, Any]], current: str | None = None, name: str = "c1", **more: Any
) -> dict[str, Any]:
    found = {"conversation_id": name, "title": "T", "mapping": {n["id"]: n for n in nodes}, **more}
    return found | ({"current_node": current} if current else {})


def saved(tmp_path, *talks: Any, name: str = "conversations.json"):
    path = tmp_path / name
    path.write_text(json.dumps(list(talks)))
    return path


def claude(uuid: str, sender: str, content: Any, parent: str | None = None, **more: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found = {
        "uuid": uuid,
        "sender": sender,
        "text": "",
        "content": content,
        "created_at": "2026-01-05T10:00:00.5Z",
        **more,
    }
    return found | ({"parent_message_uuid": parent} if parent is not None else {})


def texts(session, number: int = 0) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in session.conversations[number].messages]


# ChatGPT


def test_the_active_path_goes_from_the_current_node_to_the_root(tmp_path):
    nodes = [
        node("u", None, "user", "q", 1),
        node("a", "u", "assistant", "old", 9),
        node("b", "u", "assistant", "new", 5),
    ]
    (one,) = read_chatgpt_export(saved(tmp_path, talk(nodes, "b")))
    assert texts(one) == [("user", "q"), ("assistant", "new")] and texts(one, 1)[1] == ("assistant", "old")
    assert one.branches == 1 and one.started == 1
    (two,) = read_chatgpt_export(saved(tmp_path, talk(nodes)))
    assert texts(two)[1] == ("assistant", "old"), "without current_node the newest leaf counts"


def test_a_shared_prefix_is_trained_on_once(tmp_path):
    nodes = [node("u", None, "user", "q", 1), node("x", "u", "assistant", "x", 2), node("v", "x", "user", "w", 3),
             node("a", "v", "assistant", "1", 4), node("b", "v", "assistant", "2", 5)]  # fmt: skip
    first, second = chatgpt_export(path=[str(saved(tmp_path, talk(nodes, "b")))])
    assert [m.train for m in first.messages] == [None] * 4
    assert [m.train for m in second.messages] == [False, False, False, None]
    assert first.group == second.group and first.key != second.key


def test_a_tool_call_is_answered_by_the_tool_that_it_was_sent_to(tmp_path):
    nodes = [
        node("u", None, "user", "q", 1), node("c", "u", "assistant", "1+1", 2, to="python", kind="code"),
        node("r", "c", "tool", "2", 3, kind="execution_output", name="python"),
        node("p", "r", "tool", [{"content_type": "image_asset_pointer", "asset_pointer": "x"}], 4, kind="multimodal_text", name="python"),
        node("s", "p", "assistant", '{"query": "x"}', 5, to="web.run", kind="code"),
        node("t", "s", "tool", "found", 6, kind="tether_quote", name="web.run"),
        node("e", "t", "assistant", "1/0", 7, to="python", kind="code"),
        node("f", "e", "tool", "Zero", 8, kind="execution_output", name="python", aggregate_result={"status": "failed_with_in_kernel_exception"}),
        node("a", "f", "assistant", "done", 9),
    ]  # fmt: skip
    (one,) = read_chatgpt_export(saved(tmp_path, talk(nodes, "a")))
    counts = inspected(one)
    assert (counts.tool_calls, counts.tool_results, counts.orphan_results, counts.unanswered_calls) == (
        3,
        3,
        0,
        0,
    )
    assert (counts.errors, counts.images, counts.assistant_messages) == (1, 1, 4)
    calls = [call for m in one.conversations[0].messages for call in m.tool_calls]
    assert [(c.name, c.arguments) for c in calls] == [
        ("python", {"input": "1+1"}),
        ("web.run", {"query": "x"}),
        ("python", {"input": "1/0"}),
    ]
    assert one.conversations[0].messages[2].content == "2\n[image]"


def test_a_result_without_a_call_stays_an_orphan_and_an_open_call_stays_open(tmp_path):
    nodes = [
        node("u", None, "user", "q", 1),
        node("r", "u", "tool", "2", 2, name="python"),
        node("c", "r", "assistant", "x", 3, to="python"),
    ]
    (one,) = read_chatgpt_export(saved(tmp_path, talk(nodes, "c")))
    assert (inspected(one).orphan_results, inspected(one).unanswered_calls) == (1, 1)
    (sample,) = chatgpt_export(path=[str(tmp_path)])
    assert sample.drop == "unanswered"


def test_hidden_and_weightless_nodes_profile_and_memory_stay_out_counted(tmp_path):
    nodes = [
        {"id": "root", "parent": None, "children": ["s"], "message": None},
        node("s", "root", "system", "", 1, is_visually_hidden_from_conversation=True), node("w", "s", "user", "x", 1, weight=0),
        node("p", "w", "user", "me", 1, kind="user_editable_context"), node("m", "p", "assistant", "it", 1, kind="model_editable_context"),
        node("u", "m", "user", "q", 2), node("t", "u", "assistant", [{"summary": "S", "content": "I think"}], 3, kind="thoughts"),
        node("k", "t", "assistant", "4 s", 4, kind="reasoning_recap"), node("a", "k", "assistant", "yes", 5, model_slug="m-large"),
    ]  # fmt: skip
    (one,) = read_chatgpt_export(saved(tmp_path, talk(nodes, "a")))
    assert texts(one) == [("user", "q"), ("assistant", "yes")]
    assert one.conversations[0].messages[1].reasoning_content == "I think"
    assert one.skipped == {"hidden": 2, "memory": 1, "profile": 1, "recap": 1} and not one.unknown
    assert inspected(one).models == {"m-large": 1} and inspected(one).records == 9


def test_marks_of_citations_go_and_names_stay():
    assert without_marks("a\ue200cite\ue202turn0search0\ue202turn1\ue201.") == "a."
    assert without_marks('in \ue200entity\ue202["city","Riga"]\ue201 now') == "in Riga now"
    assert without_marks("\ue200x\ue201 \ue20f\ue203y") == "x y"
    assert without_marks("\ue200entity\ue202broken\ue201!") == "!"


def test_what_no_known_version_writes_is_counted_and_its_text_kept(tmp_path):
    nodes = [node("u", None, "user", ["look", {"content_type": "hologram", "text": "3d"}, {"content_type": "audio_asset_pointer"}], 1, kind="multimodal_text"),
             node("a", "u", "assistant", "seen", 2, kind="super_widget"), node("b", "a", "critic", "?", 3)]  # fmt: skip
    (one,) = read_chatgpt_export(saved(tmp_path, talk(nodes, "b")))
    assert texts(one) == [("user", "look\n3d\n[audio]"), ("assistant", "seen")]
    assert one.unknown == {"content/super_widget": 1, "part/hologram": 1, "role/critic": 1}


def test_an_answer_that_was_stopped_says_so(tmp_path):
    nodes = [node("u", None, "user", "q", 1), node("a", "u", "assistant", "half", 2, status="in_progress")]
    (one,) = read_chatgpt_export(saved(tmp_path, talk(nodes, "a")))
    assert one.conversations[0].messages[1].meta["interrupted"] is True


@pytest.mark.parametrize("mapping", [
    {"a": None}, {"a": 3, "b": []}, {"a": {"parent": "a", "message": {}}}, {"a": {"parent": "b"}, "b": {"parent": "a", "message": None}},
    {"a": {"message": {"author": "x", "content": 3, "create_time": "late", "metadata": []}}},
    {"a": {"parent": ["x"], "children": "bc", "message": {"author": {"role": "assistant"}, "content": {"content_type": "thoughts", "thoughts": 5}}}},
    {"a": {"message": {"author": {"role": "tool"}, "content": {"content_type": None, "parts": [None, 4, {}]}, "metadata": {"aggregate_result": []}}}},
])  # fmt: skip
def test_damaged_nodes_are_no_end(tmp_path, mapping):
    good = talk([node("u", None, "user", "q", 1), node("a", "u", "assistant", "y", 2)], "a", "good")
    path = saved(tmp_path, {"id": "bad", "mapping": mapping, "current_node": 7}, good)
    found = read_chatgpt_export(path)
    assert [one.session for one in found] == ["bad", "good"] and all(inspected(one) for one in found)
    assert [sample.origin.session for sample in chatgpt_export(path=[str(path)])][-1] == "good"


tree = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from("uat"), st.integers(0, 5)), min_size=1, max_size=14
)


@given(tree, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_every_visible_turn_of_any_tree_is_told_and_trained_once(tmp_path_factory, plan, random):
    nodes: list[dict[str, Any]] = []
    for number, (above, kind, time) in enumerate(plan):
        parent = f"n{above % number}" if number else None
        role = {"u": "user", "a": "assistant", "t": "tool"}[kind]
        nodes.append(node(f"n{number}", parent, role, f"text {number}", time, name="python"))
    current = f"n{random.randrange(len(nodes))}"
    shuffled = random.sample(nodes, len(nodes))
    path = saved(tmp_path_factory.mktemp("tree"), talk(shuffled, current))
    (one,) = read_chatgpt_export(path)
    assert one.conversations[0].messages[-1].meta["uuid"] == current
    told = {m.meta["uuid"] for c in one.conversations for m in c.messages}
    assert told == {n["id"] for n in nodes}
    samples = list(chatgpt_export(path=[str(path)]))
    trained = [
        m.meta["uuid"] for s in samples for m in s.messages if m.role == "assistant" and m.train is None
    ]
    assert len(trained) == len(set(trained))
    assert all(s.messages[0].role == "user" for s in samples)


# Claude.ai


def test_blocks_are_preferred_to_the_flat_text(tmp_path):
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Yes."},
        {"type": "token_budget"},
        {"type": "flag"},
    ]
    messages = [
        claude("a", "human", [{"type": "voice_note", "title": "n", "text": "spoken"}]),
        claude("b", "assistant", content, text="Yes. This block is not …"),
    ]
    (one,) = read_claude_export(saved(tmp_path, {"uuid": "c", "name": "N", "chat_messages": messages}))
    assert texts(one) == [("user", "spoken"), ("assistant", "Yes.")] and not one.unknown
    assert one.conversations[0].messages[1].reasoning_content == "hm" and one.meta["title"] == "N"


def test_flat_text_is_read_where_there_are_no_blocks(tmp_path):
    shown = "Here:\n```\nThis block is not supported on your current device yet.\n```\nend"
    messages = [claude("a", "human", None, text="q"), claude("b", "assistant", [], text=shown)]
    (one,) = read_claude_export(saved(tmp_path, {"uuid": "c", "chat_messages": messages}))
    assert texts(one) == [("user", "q"), ("assistant", "Here:\n\nend")]


def test_attachments_come_with_their_text_and_files_by_name(tmp_path):
    more = {
        "attachments": [{"file_name": "a.txt", "extracted_content": "one"}, {"file_name": "b"}],
        "files": [{"file_name": "c.png", "file_kind": "image"}],
    }
    (one,) = read_claude_export(
        saved(tmp_path, {"uuid": "c", "chat_messages": [claude("a", "human", "q", **more)]})
    )
    assert texts(one) == [("user", "q\n[attachment: a.txt]\none\n\n[attachment: b]\n\n[file: c.png]")]
    assert inspected(one).images == 1


@pytest.mark.parametrize("ids", [("t1", "t2"), (None, None)])
def test_results_inside_an_answer_stand_behind_their_calls(tmp_path, ids):
    content = [
        {"type": "text", "text": "I look."}, {"type": "tool_use", "id": ids[0], "name": "repl", "input": {"code": "1"}},
        {"type": "tool_use", "id": ids[1], "name": "search", "input": {}},
        {"type": "tool_result", "tool_use_id": ids[1], "name": "search", "content": [{"type": "text", "text": "two"}]},
        {"type": "tool_result", "tool_use_id": ids[0], "name": "repl", "content": "one", "is_error": True}, {"type": "text", "text": "Done."},
    ]  # fmt: skip
    path = saved(
        tmp_path,
        {"uuid": "c", "chat_messages": [claude("a", "human", "q"), claude("b", "assistant", content)]},
    )
    (sample,) = claude_export(path=[str(path)])
    assert [(m.role, m.content) for m in sample.messages[1:]] == [
        ("assistant", "I look."),
        ("tool", "one"),
        ("tool", "two"),
        ("assistant", "Done."),
    ]
    assert sample.messages[-1].meta["continues"] is True
    counts = inspected(read_claude_export(path)[0])
    assert (
        counts.tool_calls,
        counts.tool_results,
        counts.orphan_results,
        counts.unanswered_calls,
        counts.errors,
    ) == (2, 2, 0, 0, 1)


def test_several_children_of_one_parent_are_branches(tmp_path):
    messages = [claude("a", "human", "1", NULL), claude("b", "assistant", "x", "a"), claude("c", "human", "2", NULL),
                claude("d", "assistant", "y", "c"), claude("e", "assistant", "z", "c")]  # fmt: skip
    (one,) = read_claude_export(saved(tmp_path, {"uuid": "c", "chat_messages": messages}))
    assert [texts(one, n)[-1][1] for n in range(3)] == ["z", "y", "x"] and one.branches == 2
    (two,) = read_claude_export(
        saved(tmp_path, {"uuid": "c", "chat_messages": messages, "current_leaf_message_uuid": "b"})
    )
    assert texts(two)[-1][1] == "x"


def test_without_parents_messages_stand_as_stored(tmp_path):
    messages = [
        claude("a", "human", "1"),
        claude("b", "assistant", "x"),
        claude("b", "assistant", "y"),
        claude("", "human", "2"),
    ]
    (one,) = read_claude_export(saved(tmp_path, {"uuid": "c", "chat_messages": messages}))
    assert [text for _, text in texts(one)] == ["1", "x", "y", "2"] and one.branches == 0
    uuids = [m.meta["uuid"] for m in one.conversations[0].messages]
    assert len(set(uuids)) == 4


@pytest.mark.parametrize("messages", [
    [None, 3, "x"], [{}], [{"sender": 4, "content": 5}], [claude("a", "human", [None, {"type": "hologram"}, {}])],
    [claude("a", "assistant", [{"type": "tool_result", "content": None}, {"type": "tool_use"}], "a")],
    [claude("a", "human", "x", "b"), claude("b", "assistant", "y", "a")], [claude("a", "human", "q", attachments=3, files={}, created_at=[])],
])  # fmt: skip
def test_damaged_messages_are_no_end(tmp_path, messages):
    good = {"uuid": "good", "chat_messages": [claude("a", "human", "q"), claude("b", "assistant", "y")]}
    path = saved(tmp_path, {"uuid": "bad", "chat_messages": messages}, good)
    with collecting_unreadable():
        found = read_claude_export(path)
        assert [one.session for one in found] == ["bad", "good"] and all(inspected(one) for one in found)
        assert [sample.origin.session for sample in claude_export(path=[str(path)])][-1] == "good"


def test_unknown_senders_and_blocks_are_counted(tmp_path):
    messages = [
        claude("a", "robot", "x"),
        claude("b", "human", [{"type": "text", "text": "q"}, {"type": "hologram"}]),
    ]
    (one,) = read_claude_export(saved(tmp_path, {"uuid": "c", "chat_messages": messages}))
    assert one.unknown == {"block/hologram": 1, "sender/robot": 1}


# both


def chats() -> list[tuple[Any, Any, dict[str, Any]]]:
    nodes = [node("u", None, "user", "q", 1), node("a", "u", "assistant", "y", 2)]
    messages = [claude("a", "human", "q"), claude("b", "assistant", "y")]
    return [
        (chatgpt_export, read_chatgpt_export, talk(nodes, "a")),
        (claude_export, read_claude_export, {"uuid": "c1", "chat_messages": messages}),
    ]


@pytest.mark.parametrize(("collect", "read", "value"), chats())
def test_a_zip_is_read_where_it_lies(tmp_path, collect, read, value):
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(
                f"x/conversations-00{number}.json",
                json.dumps([value | {"uuid": f"c{number}", "conversation_id": f"c{number}"}]),
            )
        archive.writestr("x/users.json", "[{}]")
        archive.writestr("chat.html", "<html>")
    samples = list(collect(path=[str(tmp_path)]))
    assert [s.origin.session for s in samples] == ["c0", "c1", "c2"] and samples[
        0
    ].origin.path == "export.zip"
    assert samples[1].meta["member"] == "x/conversations-001.json"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export.zip"]


@pytest.mark.parametrize(("collect", "read", "value"), chats())
def test_the_fuller_of_two_exports_counts(tmp_path, collect, read, value):
    short = json.loads(json.dumps(value))
    if "mapping" in short:
        del short["mapping"]["a"], short["current_node"]
    else:
        short["chat_messages"].pop()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    saved(tmp_path / "a", short)
    saved(tmp_path / "b", value)
    (sample,) = collect(path=[str(tmp_path)])
    assert sample.origin.path == "b/conversations.json" and not sample.drop


@pytest.mark.parametrize(("collect", "read", "value"), chats())
def test_empty_conversations_are_sessions_without_turns(tmp_path, collect, read, value):
    empty = (
        {"uuid": "e", "conversation_id": "e", "mapping": {}}
        if "mapping" in value
        else {"uuid": "e", "chat_messages": []}
    )
    found = read(saved(tmp_path, empty, value))
    assert [inspected(one).conversations for one in found] == [0, 1] and len(
        list(collect(path=[str(tmp_path)]))
    ) == 1


@pytest.mark.parametrize(("collect", "read", "value"), chats())
@pytest.mark.parametrize("tail", ['{"uuid": "c9", "mapp', ", nonsense]", "]]", "\ud800]"])
def test_a_file_that_is_cut_off_gives_what_stands_before(tmp_path, collect, read, value, tail):
    (tmp_path / "conversations.json").write_bytes(
        ("[\n" + json.dumps(value) + ",\n" + tail).encode("utf-8", "surrogatepass")
    )
    with collecting_unreadable() as said:
        assert len(list(collect(path=[str(tmp_path)]))) == 1
    assert "1 conversations stand before" in said[0].reason


@pytest.mark.parametrize(("collect", "read", "value"), chats())
@pytest.mark.parametrize(
    "raw", [b"", b"null", b"3", b'"x"', b"{}", b"[]", b"[1, null]", b"\x00\xff\xfe", b"PK\x03\x04broken"]
)
def test_what_is_no_export_is_said_with_a_remedy(tmp_path, collect, read, value, raw):
    (tmp_path / "conversations.json").write_bytes(raw)
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04" + raw)
    with collecting_unreadable() as said:
        assert list(collect(path=[str(tmp_path)])) == []
    assert said[-1].reason == "No conversation of this account was found there." and said[-1].remedy


@pytest.mark.parametrize(("collect", "read", "value"), chats())
def test_a_broken_member_does_not_hide_the_others(tmp_path, collect, read, value):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations-000.json", json.dumps([value | {"title": "MARKMARK"}]))
        archive.writestr("conversations-001.json", json.dumps([value]))
    path.write_bytes(path.read_bytes().replace(b"MARKMARK", b"MURKMURK", 1))
    with collecting_unreadable() as said:
        assert len(list(collect(path=[str(path)]))) == 1
    assert "cannot be unpacked" in said[0].reason


@pytest.mark.parametrize(("collect", "read", "value"), chats())
def test_lone_surrogates_and_nan_are_mended(tmp_path, collect, read, value):
    text = json.dumps(value).replace('"y"', '"y\\ud83d"')[:-1] + ', "score": NaN}'
    (tmp_path / "conversations.json").write_text(f"[{text}]")
    (sample,) = collect(path=[str(tmp_path)])
    assert sample.messages[-1].content == "y\ufffd"


def test_each_knows_its_own():
    assert (
        is_chatgpt_export({"mapping": {}})
        and not is_chatgpt_export({"chat_messages": []})
        and not is_chatgpt_export(None)
    )
    assert (
        is_claude_export({"chat_messages": []})
        and not is_claude_export({"mapping": {}})
        and not is_claude_export([])
    )


def test_lines_are_those_of_the_file(tmp_path):
    value = {"uuid": "c1", "chat_messages": [claude("a", "human", "q"), claude("b", "assistant", "y")]}
    (tmp_path / "conversations.json").write_text(json.dumps([value, value | {"uuid": "c2"}], indent=1))
    first, second = claude_export(path=[str(tmp_path)])
    rows = (tmp_path / "conversations.json").read_text().split("\n")
    assert rows[first.origin.lines[0] - 1].strip() == "{" and rows[first.origin.lines[1] - 1].strip() == "},"
    assert '"uuid": "c2"' in "".join(rows[second.origin.lines[0] - 1 : second.origin.lines[1]])
