"""Documents in every format: spans that stand where they are said to stand, sections that say nothing, bad input."""

import csv
import html
import io
import json
import re
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from sftbench.collect.capture import capture
from sftbench.collect.check_source import check_source
from sftbench.collect.distillation import distillation
from sftbench.collect.documents import documents
from sftbench.collect.jsonl import jsonl
from sftbench.collect.memory import memory
from sftbench.collect.verify_docs import verify_docs
from sftbench.core.jsonl import Unreadable, collecting_unreadable
from sftbench.core.registry import components
from sftbench.core.sample import Sample
from sftbench.core.system import locate

ROOT = Path(__file__).parents[1]
PROSE = (
    "The bell is rung twice before the gate opens, and once more when every boat has come in for the night."
)


def read(source, **options) -> tuple[list[Sample], list[Unreadable]]:
    "The samples of a source that were kept, and what it reported."
    with collecting_unreadable() as reports:
        samples = list(source(**options))
    assert len({sample.key for sample in samples}) == len(samples)
    assert all(report.reason.endswith(".") and report.remedy for report in reports)
    return [sample for sample in samples if not sample.drop], reports


def ask(sample: Sample) -> str:
    return sample.messages[0].content


def quoted(sample: Sample) -> str:
    return sample.messages[-1].content.rsplit("\n\nSource: ", 1)[0]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def stands_there(sample: Sample, text: str) -> bool:
    "Whether each row of an answer stands in the lines that it names, its words in order."
    assert sample.origin.lines
    first, last = sample.origin.lines
    lines = text.split("\n")[first - 1 : last]
    if sample.origin.path.endswith(".ipynb"):
        lines = [" ".join(json.loads(s) for s in re.findall(r'"(?:[^"\\]|\\.)*"', line)) for line in lines]
    if sample.origin.path.endswith(".csv"):  # titles of columns stand in the first line
        lines = [text.split("\n")[0], *lines]
    there = "\n".join(lines)
    there = " ".join(words(html.unescape(there) if ".htm" in sample.origin.path else there))
    for row in quoted(sample).split("\n"):
        if row.lstrip().startswith("```") or row == "…":
            continue
        if ".htm" in sample.origin.path:  # numbers of items are not written in a page
            row = re.sub(r"^\s*\d+\. ", "", row)
        rest = iter(there.split())
        if not all(any(word == other for other in rest) for word in words(row)):
            return False
    return True


RST = """========
The gate
========

.. contents::

Opening it
----------

Ring the ``bell`` twice, as :ref:`the rules <rules>` say, before you open :func:`~harbour.gate.open`::

    ring --twice
    open --slowly

.. note::

   Never open it at high tide, since the water comes in faster than the gate can be closed again.

.. This comment is for nobody.

Parts
-----

wood
    The wings of the gate, which are painted anew in every spring by whoever lost the bet.

iron
    The hinges, which are oiled once a month.
"""
PAGE = f"""<html><head><title>The lamp - harbour manual</title></head><body>
<ul class="nav"><li><a href="/">Home</a></li></ul>
<h1>The lamp</h1><h2>Lighting the lamp<a class="headerlink" href="#x">¶</a></h2>
<p>Open the glass &amp; put the flame to the wick. {PROSE}</p>
<pre><code class="language-sh">light --wick
close</code></pre><pre><code class="language-python">light()</code><code class="language-js">lamp.light()</code></pre><dl><dt>wick</dt><dd>cotton, renewed in spring</dd></dl></body></html>"""


@pytest.fixture
def tree(tmp_path) -> Path:
    "One small document of each format."
    folder = tmp_path / "harbour"
    folder.mkdir()
    book = {"cells": [{"cell_type": "markdown", "source": ["# Tides\n", "\n", PROSE]},
                      {"cell_type": "code", "source": "high = 3\nhigh * 2", "outputs": []}], "nbformat": 4}  # fmt: skip
    files = {
        "bell.md": f"---\ntitle: The bell\n---\n# The bell\n\n## Ringing the bell\n\n1. Take the rope.\n2. Pull it.\n3. Let go.\n\n{PROSE}\n",
        "gate.rst": RST,
        "lamp.html": PAGE,
        "tides.ipynb": json.dumps(book, indent=1),
        "rules.txt": f"Rules of the harbour\n\nWHO MAY ENTER\n\n{PROSE}\n\n2. Who may leave\n\n{PROSE.upper()}\n",
        "terms.csv": f'Term,Meaning\nbell,"{PROSE}"\ngate,"{PROSE[::-1]} and it is made of wood and iron"\n',
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_each_format_gives_sections_that_stand_in_the_lines_that_they_name(tree):
    samples, reports = read(documents, path=[str(tree)])
    assert not reports
    assert {s.origin.path for s in samples} == {path.name for path in tree.iterdir()}
    for sample in samples:
        assert stands_there(sample, (tree / sample.origin.path).read_text()), sample
    report = verify_docs(samples, str(tree))
    assert report.samples == len(samples) and report.places >= len(samples) and not report.stale


def test_a_shifted_line_is_found_by_both_proofs(tree):
    samples, _ = read(documents, path=[str(tree / "bell.md")])
    (tree / "bell.md").write_text("one line\n")
    assert not stands_there(samples[0], (tree / "bell.md").read_text())
    assert verify_docs(samples, str(tree)).stale


@pytest.mark.parametrize(
    "path", ["bundled:documents", "bundled:rom_hack", str(ROOT / "nbs" / "10_collect"), str(ROOT)]
)
def test_every_span_of_this_repository_stands_where_its_answer_says(path):
    samples, reports = read(documents, path=[path], exclude=["nbs/*"] if path == str(ROOT) else [])
    assert samples and not reports
    texts = {s.origin.path: (locate(path) / s.origin.path).read_text(encoding="utf-8") for s in samples}
    assert [str(s.origin) for s in samples if not stands_there(s, texts[s.origin.path])] == []
    assert not verify_docs(samples, path).stale


def test_questions_fit_what_the_section_holds(tree):
    asked = {ask(s) for s in read(documents, path=[str(tree)])[0]}
    assert any(q.startswith("What are the steps of ringing the bell") for q in asked)
    assert any("how do i open it" in q.lower() or "go about opening it" in q for q in asked)
    assert any("light the lamp" in q or "go about lighting" in q for q in asked)
    assert not any(q.count("?") > 1 or "  " in q for q in asked)


def test_answers_of_restructured_text_and_pages_are_markdown(tree):
    answers = {s.meta["heading"]: quoted(s) for s in read(documents, path=[str(tree)])[0]}
    assert answers["Opening it"].startswith(
        "Ring the `bell` twice, as the rules say, before you open `open`:"
    )
    assert "```\nring --twice\nopen --slowly\n```" in answers["Opening it"]
    assert "**Note:**" in answers["Opening it"] and "comment" not in answers["Opening it"]
    assert "- **wood**\n  The wings" in answers["Parts"]
    page = answers["Lighting the lamp"]
    assert "```python\nlight()\n```\n\n```js\nlamp.light()\n```" in page
    assert "glass & put" in page and "```sh\nlight --wick\nclose\n```" in page and "- wick\n  cotton" in page
    assert not any("Home" in text for text in answers.values())


WEAK = f"""# Harbour

{PROSE}

## Contents

- [Opening the gate](#gate)
- [Ringing the bell](#bell)
- [Lighting the lamp](#lamp) and the other lamps

## Links

- [The harbour of the next town](https://example.org/a)
- [The harbour behind that one](https://example.org/b)
- [And the last one of all](https://example.org/c)

## License

{PROSE}

## 1.2.0 (2026-01-02)

{PROSE}

## Authors

{PROSE}

## Figures

| 17 | 23 | 42 | 17 | 23 | 42 |
|----|----|----|----|----|----|
| 18 | 24 | 43 | 18 | 24 | 43 |
| 19 | 25 | 44 | 19 | 25 | 44 |

## Plans

TODO: say here what is planned for the harbour in the next year, and who is going to pay for all of it.
"""


def test_sections_that_say_nothing_are_rejected_with_their_reason(tmp_path):
    (tmp_path / "harbour.md").write_text(WEAK)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n{PROSE}\n")
    samples = list(documents(path=[str(tmp_path)]))
    found = {s.meta["heading"]: s.drop for s in samples}
    assert found == {
        "Harbour": "", "Contents": "contents", "Links": "links", "License": "licence", "1.2.0 (2026-01-02)": "changelog",
        "Authors": "people", "Figures": "no_prose", "Plans": "placeholder",
    }  # fmt: skip
    assert set(found.values()) - {""} == set(components("source")["documents"].reasons)


def test_comments_badges_and_link_definitions_are_no_part_of_an_answer(tmp_path):
    text = f"# Gate\n\n[![build](a.svg)](https://x)\n<!-- hidden -->\n{PROSE} See [the bell][b].\n\n<p align=center>\n\n[b]: https://example.org\n"
    (tmp_path / "gate.md").write_text(text)
    samples, _ = read(documents, path=[str(tmp_path)])
    assert [(quoted(s), s.origin.lines) for s in samples] == [(f"{PROSE} See the bell.", (1, 5))]


def test_a_long_section_is_asked_in_parts_that_name_what_they_begin_with(tmp_path):
    parts = [f"**Wire {n}.** " + " ".join([PROSE] * 3) for n in range(6)]
    (tmp_path / "wires.md").write_text("# Frame\n\n## Wires\n\n" + "\n\n".join(parts) + "\n")
    samples, _ = read(documents, path=[str(tmp_path)], max_chars=800)
    assert len(samples) == 3 and not any("part " in ask(s) for s in samples)
    assert "“Wire 2”" in ask(samples[1]) and "“Wire 4”" in ask(samples[2])


# --- Notion ---

HASH = "1a2b3c4d5e6f708192a3b4c5d6e7f809"


def export_files() -> dict[str, str]:
    "A workspace: a page, a table with its pages, a page below a page."
    table = io.StringIO()
    csv.writer(table).writerows(
        [["Name", "Owner", "What it does"], ["Gateway", "Mara", PROSE], ["Queue", "Orla", ""]]
    )
    return {
        f"Harbour {HASH}.md": f"# Harbour\n\n{PROSE} See [Boats](Harbour%20{HASH}/Boats%20{HASH}.md).\n",
        f"Harbour {HASH}/Boats {HASH}.md": f"# Boats\n\nOwner: Mara\nStatus: afloat\n\n## Mooring a boat\n\n{PROSE}\n",
        f"Services {HASH}.csv": table.getvalue(),
        f"Services {HASH}_all.csv": table.getvalue(),
        f"Services {HASH}/Gateway {HASH}.md": f"# Gateway\n\nOwner: Mara\n\n## Restarting the gateway\n\n{PROSE}\n",
    }  # fmt: skip


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def test_a_notion_zip_gives_what_its_folder_gives_also_when_it_holds_further_zips(tmp_path):
    folder = tmp_path / "folder"
    for name, text in export_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    flat, nested = tmp_path / "Export-a.zip", tmp_path / "deep" / "Export-b.zip"
    flat.write_bytes(zipped(export_files()))
    nested.parent.mkdir()
    nested.write_bytes(zipped({"ExportBlock-1-Part-1.zip": zipped(export_files())}))
    kinds = []
    for place in (folder, flat, nested.parent):
        samples, reports = read(documents, path=[str(place)])
        assert not reports and not any(HASH in ask(s) + quoted(s) for s in samples)
        kinds.append(sorted((ask(s), quoted(s)) for s in samples))
        assert not any(s.origin.path.startswith("/") or "tmp" in s.origin.root for s in samples)
    assert kinds[0] == kinds[1] == kinds[2] and len(kinds[0]) == 4
    assert {s.origin.root for s in samples} == {"Export-b"}


def test_a_table_of_words_is_read_and_one_of_measurements_is_not(tmp_path):
    (tmp_path / "faq.csv").write_text(f"Question;Answer\nWhen is the gate open?;{PROSE}\n")
    (tmp_path / "measured.csv").write_text(f"when,what\n1,{PROSE}\n2,{PROSE}\n")
    samples, reports = read(documents, path=[str(tmp_path)])
    assert not reports and len(samples) == 1
    assert "When is the gate open?" in ask(samples[0]) and quoted(samples[0]) == PROSE


# --- bad input: a sentence each, the rest goes on ---


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("yaml.md", f"---\ntitle: Tea: green\n---\n# Tea\n\n{PROSE}\n".encode(), "front matter is no YAML"),
        ("open.md", f"---\ntitle: Tea\n# Tea\n\n{PROSE}\n".encode(), "never closed"),
        ("cut.ipynb", b'{"cells": [{"cell_type"', "notebook cannot be read"),
        ("old.ipynb", b'{"worksheets": [], "nbformat": 3}', "format 4"),
        ("deep.ipynb", b'{"cells":' + b"[" * 200_000, "nested too deeply"),
        ("text.ipynb", b"not JSON at all", "notebook cannot be read"),
        ("quote.csv", b'Name,Text\nx,"never closed\n', "line 2"),
        ("wide.csv", f'Name,Text\ngate,"{PROSE}"\nbell,a,b,c\n'.encode(), "more cells"),
        ("Export-x.zip", b"PK\x03\x04 cut off", "cannot be unpacked"),
    ],
)
def test_a_damaged_file_is_reported_with_a_sentence_and_the_rest_is_read(name, content, said, tmp_path):
    (tmp_path / "good.md").write_text(f"# Good\n\n{PROSE}\n")
    (tmp_path / name).write_bytes(content)
    samples, reports = read(documents, path=[str(tmp_path)])
    assert [said in report.reason for report in reports] == [True] and reports[0].path.endswith(name)
    assert "good.md" in {s.origin.path for s in samples}
    assert (name in {s.origin.path for s in samples}) == (name in ("yaml.md", "open.md", "wide.csv"))


def test_texts_in_mixed_encodings_are_read_and_binary_or_huge_ones_are_not(tmp_path):
    text = f"# Brücke\n\n{PROSE} Für größere Schiffe.\n"
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16", "latin-1"):
        (tmp_path / f"{encoding}.md").write_bytes(text.encode(encoding))
    (tmp_path / "mixed.md").write_bytes(text.encode() + b"\n\x84\xff\n")
    (tmp_path / "binary.md").write_bytes(b"\0\1\2" * 1000)
    (tmp_path / "huge.txt").write_bytes(b"word " * 5_000_000)
    samples, _ = read(documents, path=[str(tmp_path)])
    found = Counter(s.origin.path for s in samples)
    assert set(found) == {"utf-8.md", "utf-8-sig.md", "cp1252.md", "utf-16.md", "latin-1.md", "mixed.md"}
    assert all("größere" in quoted(s) for s in samples if s.origin.path != "mixed.md")


def test_pages_without_a_body_or_with_open_tags_are_read(tmp_path):
    pages = {
        "bare.html": f"<h1>Gate</h1><p>{PROSE}", "unclosed.htm": f"<html><body><div><h2>Bell<p>{PROSE}<ul><li>one<li>two",
        "open.html": f"<h1>Rope</h1><pre>\n{PROSE}\n", "empty.html": "", "script.html": "<script>if (a < b) { go() }</script>", "table.html": f"<table><tr><td>{PROSE}",
    }  # fmt: skip
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    samples, reports = read(documents, path=[str(tmp_path)])
    assert not reports and {s.origin.path for s in samples} == {
        "bare.html",
        "unclosed.htm",
        "table.html",
        "open.html",
    }
    assert all("bell is rung" in quoted(s) for s in samples)
    assert not verify_docs(samples, str(tmp_path)).stale


@pytest.mark.parametrize("source", [documents, memory, capture, distillation])
def test_an_empty_folder_and_a_missing_one_are_a_sentence_each(source, tmp_path):
    (tmp_path / "empty").mkdir()
    samples, reports = read(source, path=[str(tmp_path / "empty"), str(tmp_path / "missing")])
    assert samples == [] and [Path(report.path).name for report in reports] == ["empty", "missing"]


@pytest.mark.parametrize(
    "version", ["locked", "no table", "new columns", "no database", "cut off", "newer format"]
)
def test_a_store_that_cannot_be_read_is_a_sentence_and_the_next_one_is_read(version, tmp_path):
    columns = "id INTEGER PRIMARY KEY, prompt TEXT, reasoning TEXT, response TEXT"
    with sqlite3.connect(tmp_path / "good.db") as good:
        good.execute(f"CREATE TABLE distillations ({columns})")
        good.execute("INSERT INTO distillations VALUES (1, 'Why?', 'So.', 'Because.')")
    good.close()
    bad = tmp_path / "bad.db"
    connection = sqlite3.connect(bad)
    connection.execute(
        {
            "no table": "CREATE TABLE other (id)",
            "new columns": "CREATE TABLE distillations (id, question2, thought, reply)",
        }.get(version, f"CREATE TABLE distillations ({columns})")
    )
    if version == "new columns":
        connection.execute("INSERT INTO distillations VALUES (1, 'a', 'b', 'c')")
    connection.commit()
    if version == "locked":
        connection.execute("BEGIN EXCLUSIVE")
    else:
        connection.close()
    if version == "no database":
        bad.write_bytes(b"This is a text that somebody called .db, nothing more." * 100)
    if (
        version == "newer format"
    ):  # versions of the file format for writing and reading stand at bytes 18 and 19
        raw = bad.read_bytes()
        bad.write_bytes(raw[:18] + b"\x07\x07" + raw[20:])
    if version == "cut off":
        bad.write_bytes(bad.read_bytes()[:4000])
    samples, reports = read(distillation, path=[str(tmp_path)])
    connection.close()
    assert [s.messages[1].content for s in samples] == ["Because."]
    assert [report.path.endswith("bad.db") for report in reports] == [True]


def test_a_damaged_line_of_rated_conversations_is_a_sentence_and_the_others_are_read(tmp_path):
    turns = [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Up there."}]
    lines = [
        json.dumps({"messages": turns, "feedback": "positive"}).encode(),
        b'{"cut": ',
        b"\xff\xfe{}",
        b'{"colour": "red"}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    samples, reports = read(capture, path=[str(tmp_path)])
    assert len(samples) == 1 and len(reports) == 3


# --- files of training data, line by line ---

Q, A, THOUGHT = "1+1?", "2", "One and one."
DIALECTS: list[tuple[str, dict]] = [
    ("instruction", {"instruction": Q, "output": A}),
    ("instruction", {"instruction": "Add.", "input": Q, "output": A}),
    ("instruction", {"instruction": Q, "response": A, "metadata": {"domain": "sums"}}),
    ("instruction", {"question": Q, "answer": A}),
    ("instruction", {"query": Q, "response": A}),
    ("instruction", {"Question": Q, "Answer": A}),
    ("instruction", {"input": Q, "output": A}),
    ("instruction", {"instruction": Q, "output": A, "system": "Be brief.", "history": [["0+1?", "1"]]}),
    ("messages", {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]}),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}, {"role": "assistant", "content": A}]}),
    *(("sharegpt", {"conversations": [{"from": who, "value": Q}, {"from": other, "value": A}]})
      for who, other in (("human", "gpt"), ("user", "assistant"), ("user", "chatgpt"), ("user", "bing"), ("human", "bard"))),
    ("sharegpt", {"conversations": [{"from": "system", "value": "x"}, {"from": "human", "value": Q}, {"from": "gpt", "value": A}]}),
    ("sharegpt", {"conversations": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]}),
    ("sharegpt", {"conversations": [{"from": "human", "text": Q}, {"from": "gpt", "text": A}]}),
    ("sharegpt", {"conversation": [{"human": Q, "assistant": A}]}),
    ("sharegpt", {"items": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]}),
    ("sharegpt", {"messages": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]}),
    ("sharegpt", {"conversations": [
        {"from": "human", "value": Q}, {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'},
        {"from": "observation", "value": "2"}, {"from": "gpt", "value": A}]}),
    ("prompt_completion", {"prompt": Q, "completion": A}),
    ("prompt_completion", {"prompt": Q, "response": A}),
    ("prompt_completion", {"prompt": [{"role": "user", "content": Q}], "completion": [{"role": "assistant", "content": A}]}),
    ("preference", {"prompt": Q, "chosen": A, "rejected": "3"}),
    ("preference", {"chosen": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}],
                    "rejected": [{"role": "user", "content": Q}, {"role": "assistant", "content": "3"}]}),
    ("thinking", {"instruction": Q, "thinking": THOUGHT, "output": A}),
    ("thinking", {"prompt": Q, "reasoning": THOUGHT, "completion": A}),
    ("chatml", {"text": f"<|im_start|>user\n{Q}<|im_end|>\n<|im_start|>assistant\n{A}<|im_end|>"}),
]  # fmt: skip


def test_each_dialect_is_told_line_by_line_and_in_one_line_a_file(tmp_path, capsys):
    rows = [json.dumps(record) for _, record in DIALECTS] + ['{"colour": "red"}', "{cut", ""]
    (tmp_path / "mixed.jsonl").write_text("\n".join(rows))
    samples, reports = read(jsonl, path=[str(tmp_path / "mixed.jsonl")])
    assert [s.origin.lines for s in samples] == [(n, n) for n in range(1, len(DIALECTS) + 1)]
    for (shape, _), sample in zip(DIALECTS, samples, strict=True):
        assert sample.messages[-1].content == A and any(
            m.role == "user" and Q in m.content for m in sample.messages
        )
        assert bool(sample.rejected) == (shape == "preference")
        assert (sample.messages[-1].reasoning_content == THOUGHT) == (shape == "thinking")
    assert [report.line for report in reports] == [len(DIALECTS) + 1, len(DIALECTS) + 2]
    told = capsys.readouterr().err.strip().split("\n")
    counts = Counter(shape for shape, _ in DIALECTS)
    assert len(told) == 1 and all(f"{count} {shape}" in told[0] for shape, count in counts.items())


def test_damaged_notes_are_a_sentence_each_and_the_others_are_read(tmp_path):
    notes = {"cut.json": b'{"a": ', "deep.json": b"[" * 100_000, "front.md": b"---\ntitle: Tea: green\n---\nIt is in the upper cupboard.\n",
             "binary.txt": b"\0\1" * 100, "good.txt": b"Where is the key?\n\nBehind the door, on the left.\n"}  # fmt: skip
    for name, content in notes.items():
        (tmp_path / name).write_bytes(content)
    samples, reports = read(memory, path=[str(tmp_path)])
    assert {s.origin.path for s in samples} == {"front.md", "good.txt"}
    assert {"cut.json", "deep.json", "front.md"} <= {Path(report.path).name for report in reports}


def test_documents_pass_the_conformance_test(tree):
    assert check_source(documents, {"path": [str(tree)]}) == []
