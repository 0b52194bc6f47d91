"""Assembly projects, notes, merged files, stores of reasoning and feedback, graphs and routes."""

import contextlib
import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from sftbench.collect import merging
from sftbench.collect.assembly_math import evaluate
from sftbench.collect.assembly_places import place_of, rom_offset
from sftbench.collect.assembly_project import assembly_project
from sftbench.collect.assembly_walk import walk_through
from sftbench.collect.capture import capture
from sftbench.collect.check_source import check_source
from sftbench.collect.distillation import distillation
from sftbench.collect.documents import documents
from sftbench.collect.graph_records import known_names, read_graph
from sftbench.collect.jsonl import jsonl
from sftbench.collect.knowledge_graph import knowledge_graph
from sftbench.collect.memory import memory
from sftbench.collect.merging import write_merged
from sftbench.collect.routing import routing, session_decisions
from sftbench.core.jsonl import Unreadable, collecting_unreadable
from sftbench.core.sample import Message, Sample, ToolCall
from sftbench.core.system import locate


def read(source, **options) -> tuple[list[Sample], list[Unreadable]]:
    with collecting_unreadable() as reports:
        samples = list(source(**options))
    assert len({sample.key for sample in samples}) == len(samples)
    for report in reports:
        assert report.reason.endswith(".") and report.remedy
    for sample in samples:
        assert sample.source == source.__name__ and sample.group and sample.domain
        assert not sample.origin.path.startswith("/")
    return samples, reports


def ask(sample: Sample) -> str:
    return sample.messages[0].content


def answer(sample: Sample) -> str:
    return sample.messages[-1].content


@pytest.fixture(scope="module")
def hack() -> list[Sample]:
    return read(assembly_project, path=["bundled:rom_hack"])[0]


def test_a_hack_gives_each_of_its_five_kinds(hack):
    kinds = Counter(sample.source_type for sample in hack)
    assert set(kinds) == {"routine", "address", "documentation", "guide", "architecture"}
    assert min(kinds.values()) >= 3


# name: address in its usual form, worked out by hand from bundled/rom_hack/Core/ram.asm
NAMES = {
    "!PlayerX": "$7E0022", "!PlayerY": "$7E0020", "!Frame": "$7E001A", "!GameMode": "$7E0010",
    "!LampCount": "$7F5010", "!LampTimer": "$7F5012", "!Tide": "$7F5020",
    "!Message": "$7F5030", "!SavedLamps": "$700A3C", "SavedTide": "$700A3E", "!Bright": "$2100", "!Buttons": "$4218",
    "Lamp.x": "$7F5100", "Lamp.y": "$7F5120", "Lamp.oil": "$7F5140", "Lamp.state": "$7F5150",
}  # fmt: skip


def test_every_name_of_the_hack_has_the_address_that_was_worked_out_by_hand(hack):
    found = {}
    for sample in hack:
        if sample.source_type == "address" and (told := re.match(r"`([!\w.]+)` is (\$\w+)", answer(sample))):
            found[told[1]] = told[2]
    assert (
        found == NAMES
    )  # and so !AllLamps, !LowTide, !Slot, !SaveSize, which are no addresses, are not told


# where code lies: address, byte of the file; lengths of instructions counted by hand
PLACES = {
    "EveryFrame": ("$328000", "$190000"), "AllOn": ("$328017", "$190017"), "LampBits": ("$328029", "$190029"),
    "Lamp_Update": ("$338000", "$198000"), "Lamp_Next": ("$338018", "$198018"), "Lamp_Save": ("$338036", "$198036"),
    "Tide_Rise": ("$33A000", "$19A000"), "Bell_Ring": ("$34A000", "$1A2000"),
    "Bell_Notes": ("$34A021", "$1A2021"), "org $028034": ("$028034", "$010034"), "org $82F9A0": ("$82F9A0", "$0179A0"),
    "org $328000": ("$328000", "$190000"), "org $00FFD6": ("$00FFD6", "$007FD6"),
}  # fmt: skip


def test_every_label_and_patch_lies_where_it_was_counted_by_hand(hack):
    found = {}
    for sample in hack:
        place = re.search(r"(?:lies at|put at) (\$\w+) in the ROM.*offset (\$\w+) of a file", answer(sample))
        if place:
            name = sample.meta["name"].rpartition(" ")[0].removesuffix(" patch").removesuffix(" table")
            found["org " * name.startswith("$") + name] = (place[1], place[2])
    assert found == PLACES  # QuayHeights and Tide_Show stand behind a condition that cannot be told


def test_what_the_answers_of_a_hack_quote_stands_in_the_lines_that_they_name(hack):
    root = locate("bundled:rom_hack")
    for sample in hack:
        for path, first, last in re.findall(r"`([\w/.-]+\.(?:asm|md)):(\d+)(?:-(\d+))?`", answer(sample)):
            lines = (root / path).read_text().split("\n")
            assert 1 <= int(first) <= int(last or first) <= len(lines)
        for code in re.findall(r"```asm\n(.*?)\n```", answer(sample), re.DOTALL):
            assert code.removesuffix("\n; …") in (root / sample.origin.path).read_text()


def test_callers_are_found_across_files_and_a_macro_is_no_routine(hack):
    callers = next(sample for sample in hack if sample.meta["name"] == "Tide_Rise callers")
    assert answer(callers).count("\n- ") == 2 and "`Core/hooks.asm:10`" in answer(callers)
    assert not any("Hidden" in answer(sample) for sample in hack if sample.source_type != "routine")
    assert not any("Lamp_Unused" in ask(sample) for sample in hack)  # no comment: nothing is said about it


@pytest.mark.parametrize(
    ("mapper", "address", "offset"),
    [("lorom", 0x80FFC0, 0x7FC0), ("lorom", 0x6F8000, 0x378000), ("lorom", 0x7D8000, 0x3E8000),
     ("lorom", 0xFE8000, 0x3F0000), ("lorom", 0x7E8000, None), ("lorom", 0x400000, 0x200000),
     ("hirom", 0xC0FFC0, 0xFFC0), ("hirom", 0x00FFC0, 0xFFC0), ("hirom", 0x3F7FFF, None),
     ("exhirom", 0x40FFC0, 0x40FFC0), ("exlorom", 0x00FFC0, 0x407FC0), ("norom", 0x1234, 0x1234)],
)  # fmt: skip
def test_bank_mirrors_lead_to_the_byte_of_the_file_that_asar_writes(mapper, address, offset):
    assert rom_offset(address, mapper) == offset


def test_a_define_is_text_and_arithmetic_follows_asars_levels():
    files = {
        "a.asm": ["!a = $10+2", "!b = !a*2", "!c := !a", "!a = 5", "!d #= !a<<1+1", "Here = !b", "X = !c|1&2"]
    }
    values = {name.name: name.value for name in walk_through(files).names}
    assert values == {"!a": 5, "!b": 0x14, "!c": 0x12, "!d": 20, "Here": 10, "X": (0x12 | 1) & 2}
    assert evaluate("$10+2*2") == 0x14 and place_of(0x14, "hirom").address == 0x7E0014


def test_an_org_in_hirom_and_a_base_in_ram_are_followed():
    lines = ["hirom", "org $C21000", "; Copies the code to RAM first.", "A:", " RTS", "base $7F8000", "B:", " NOP", "C:",
             " RTS", "base off", "D:", " %unknown()", "E: RTS"]  # fmt: skip
    blocks = {block.name: block.address for block in walk_through({"a.asm": lines}).blocks}
    assert blocks == {
        "$C21000": 0xC21000,
        "A": 0xC21000,
        "B": 0x7F8000,
        "C": 0x7F8001,
        "D": 0xC21003,
        "E": None,
    }


def test_a_hack_with_other_encodings_circles_and_binaries_is_read_to_the_end(tmp_path):
    project = tmp_path / "hack"
    shutil.copytree(locate("bundled:rom_hack"), project)
    before, _ = read(assembly_project, path=[str(project)])
    (project / "loop.asm").write_text("incsrc loop.asm\nincsrc main.asm\n" * 3)
    (project / "windows.asm").write_bytes(
        "; Zählt die Lampen im Hafen von vorn.\nZ:\n RTS\n".encode("cp1252")
    )
    (project / "binary.asm").write_bytes(b"\0\1\2" * 100)
    after, reports = read(assembly_project, path=[str(project)])
    assert [Path(report.path).name for report in reports] == ["binary.asm"]
    assert any("Zählt die Lampen" in answer(sample) for sample in after)
    assert {answer(sample) for sample in before} <= {answer(sample) for sample in after}


@pytest.mark.parametrize("source", [assembly_project, memory, capture, distillation, knowledge_graph])
def test_a_missing_path_and_an_empty_folder_are_reported_with_a_remedy(source, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("missing", "empty"):
        samples, reports = read(source, path=[str(tmp_path / name)])
        assert samples == [] and len(reports) == 1 and reports[0].path.endswith(name)


# --- merging, held against a script that knows the rules and nothing else ---


def messy(text: str, draw: random.Random) -> str:
    "The same instruction, written in another way."
    text = draw.choice([text, text.upper(), text.title(), unicodedata.normalize("NFD", text)])
    return draw.choice(["", "  ", "\n"]) + text + draw.choice(["", " ", "\t\n"])


def training_files(folder: Path, seed: int) -> list[Path]:
    "Four files that overlap, in the shapes that SCBE's have; not in the order of their names."
    draw, paths = random.Random(seed), []
    qualities = [n / 1000 for n in range(1000)]
    draw.shuffle(qualities)
    for name in ("scbe_instructions", "sft_notion", "sft_codebase", "sft_old"):
        rows = []
        for number in range(150):
            row = {"instruction": messy(f"Wozu dient die größte Schicht {draw.randrange(220)}?", draw)}
            if draw.random() < 0.1:
                row["input"] = draw.choice(["im Norden", "im Süden"])
            text = f"{name} {number} ".ljust(draw.choice([30, 49, 50, 51, 120]), "x")
            row["response"] = draw.choice(["", "  "]) + text + draw.choice(["", " \n  "])
            if draw.random() < 0.4:
                row["category"] = draw.choice(
                    ["Policy", "crypto", "architecture", "SAFETY", "code", "weather"]
                )
            if draw.random() < 0.3:
                row["track"] = draw.choice(["system", "governance", "functions"])
            metadata = {"quality_score": qualities.pop()} if draw.random() < 0.5 or name == "sft_old" else {}
            if name == "sft_old" or draw.random() < 0.1:
                metadata = {"quality_score": qualities.pop(), "source_type": "legacy_docstring"}
            if metadata.get("source_type") and draw.random() < 0.3:
                row["source_type"] = metadata.pop("source_type")
            if draw.random() < 0.2:
                metadata["quality_tier"] = draw.choice(["gold", "raw"])
            if draw.random() < 0.3:
                metadata["source_file"] = draw.choice(["src/a.py", "docs/a.md", "lib/b.ts"])
            rows.append(json.dumps(row | ({"metadata": metadata} if metadata else {}), ensure_ascii=False))
        paths.append(folder / f"{name}.jsonl")
        paths[-1].write_text("\n".join(rows) + "\n", encoding="utf-8")
    return paths


def merged_by_the_rules(paths: list[Path]) -> list[dict]:
    "What must come out: written from the rules alone, nothing of sftbench in it."
    kept, seen = [], set()
    for path in paths:  # rule 1: priority
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            asked = "\n\n".join(filter(None, [row["instruction"], row.get("input")]))
            instruction = unicodedata.normalize("NFC", asked).strip().lower()
            if len(row["response"].strip()) < 50 or instruction in seen:  # rules 2 and 3
                continue
            seen.add(instruction)
            meta = {
                **row.get("metadata", {}),
                **{name: row[name] for name in ("source_type",) if name in row},
            }
            category = row.get("category", "").lower()
            by_category = {
                "policy": "governance", "safety": "governance", "crypto": "functions", "code": "functions", "architecture": "system",
            }.get(category)  # fmt: skip
            by_file = "functions" if meta.get("source_file", "").endswith((".py", ".ts")) else "system"
            quality, explicit = meta.get("quality_score"), meta.get("quality_tier")
            by_quality = None if quality is None else (
                "gold" if quality >= 0.9 else "silver" if quality >= 0.7 else "bronze" if quality >= 0.5 else "raw"
            )  # fmt: skip
            inferred = {"track"} - row.keys() | {"source_type"} - meta.keys()
            kept.append(
                {
                    "instruction": asked,
                    "response": row["response"].strip(),
                    "track": row.get("track") or by_category or by_file,
                    "source_type": meta.get("source_type") or path.stem.removeprefix("sft_"),
                    "tier": explicit or by_quality,
                    "quality": quality,
                    "inferred": inferred | ({"tier"} if by_quality and not explicit else set()),
                }
            )
    old = [row for row in kept if row["source_type"] == "legacy_docstring"]
    old.sort(key=lambda row: -row["quality"])
    new = len(kept) - len(old)
    allowed = max(n for n in range(len(old) + 1) if n * 100 <= 15 * (n + new))  # rule 5, by trying
    gone = [id(row) for row in old[allowed:]]
    return [row for row in kept if id(row) not in gone]


def lines_of(path: Path) -> list[dict]:
    return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]


def differences(folder: Path, wanted: list[dict]) -> list[str]:
    "In what a folder of merged files differs from what must come out."
    combined, chat = lines_of(folder / "sft_combined.jsonl"), lines_of(folder / "sft_combined_chat.jsonl")
    found = [f"{len(combined)} records for {len(wanted)}"] if len(combined) != len(wanted) else []
    for ours, rule in zip(combined, wanted, strict=False):
        about = ours["metadata"]
        inferred = set(about.get("inferred", [])) - {"domain"}
        is_ = (
            *(ours[name] for name in ("instruction", "response", "track", "source_type")),
            about.get("tier"),
            inferred,
        )
        must = (
            *(rule[name] for name in ("instruction", "response", "track", "source_type", "tier", "inferred")),
        )
        found += [f"{is_} for {must}"] if is_ != must else []
    talk = [[turn["content"] for turn in row["messages"]] for row in chat]
    if talk != [[rule["instruction"], rule["response"]] for rule in wanted] or [r["id"] for r in chat] != [
        r["id"] for r in combined
    ]:
        found.append("the chat file holds something else")
    for track in ("system", "governance", "functions"):
        if lines_of(folder / f"sft_{track}.jsonl") != [row for row in combined if row["track"] == track]:
            found.append(f"the file of {track} holds something else")
    return found


SCBE = {"min_response": 50, "unique": True, "enrich": True, "max_legacy": 0.15}


@pytest.mark.parametrize("seed", range(5))
def test_the_scbe_merge_equals_a_script_written_from_its_rules_record_by_record(seed, tmp_path):
    paths = training_files(tmp_path, seed)
    samples, reports = read(jsonl, path=[str(path) for path in paths], **SCBE)
    wanted = merged_by_the_rules(paths)
    assert not reports and len(samples) == 600
    assert {s.drop for s in samples} == {"", "short_response", "repeated_instruction", "over_quota"}
    write_merged(samples, tmp_path / "out")
    assert differences(tmp_path / "out", wanted) == []
    old = sum(rule["source_type"] == "legacy_docstring" for rule in wanted)
    assert old / len(wanted) <= 0.15 < (old + 1) / (len(wanted) + 1)


def without(old: str, new: str) -> dict:
    "The module of the merge with one of its rules broken."
    code = Path(merging.__file__).read_text()
    assert code.count(old) >= 1, old
    broken = dict(vars(merging))
    exec(compile(code.replace(old, new), merging.__file__, "exec"), broken)
    return broken


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("TRACKS = {", "TRACKS = {"),  # nothing is broken: no difference
        ('unicodedata.normalize("NFC", asked)', "asked"),
        (".strip().lower()", ".strip()"),
        (".strip().lower()\n", ".lower()\n"),
        ("answers[-1].strip()", "answers[-1]"),
        ("< min_response", "<= min_response"),
        ("elif unique and key in seen", "elif unique and key in seen and False"),
        ("        if sample.drop or sample.kind", "        seen.setdefault(key, '')\n        if sample.drop or sample.kind"),
        ("    if category in tracks:", "    if False:"),
        (".strip().lower()\n    if category", ".strip()\n    if category"),
        ("        else \"system\"", "        else \"governance\""),
        ('.removeprefix("sft_")', ""),
        ("and not getattr(sample, name)}", "}"),
        ("if (sample.quality or 0) >= least", "if (sample.quality or 0) > least + 0.1"),
        ("int(exact / (1 - exact) * rest)", "int(exact * rest)"),
        ("int(exact / (1 - exact) * rest)", "round(exact / (1 - exact) * rest) + 1"),
        ("(-(s.quality", "((s.quality"),
        ("ranked[most:]", "ranked[: len(ranked) - most]"),
        ('row["track"] == track', 'row["track"] >= track'),
    ],
)  # fmt: skip
def test_a_merge_with_one_rule_broken_is_told_apart(old, new, tmp_path, monkeypatch):
    broken = without(old, new)
    module = sys.modules["sftbench.collect.jsonl"]
    for name in ("enriched", "first_of_each", "within_quota"):
        monkeypatch.setattr(module, name, broken[name])
    paths = training_files(tmp_path, 0)
    with collecting_unreadable():
        samples = list(jsonl(path=[str(path) for path in paths], **SCBE))
    broken["write_merged"](samples, tmp_path / "out")
    assert bool(differences(tmp_path / "out", merged_by_the_rules(paths))) == (old != new)


def test_the_merge_can_be_done_on_the_command_line(tmp_path):
    paths, exe = training_files(tmp_path, 7), Path(sys.executable).with_name("sftbench")
    given = [word for path in paths for word in ("--path", path.name)]
    rules = [
        "--min-response",
        "50",
        "--unique",
        "--enrich",
        "--max-legacy",
        "0.15",
        "-o",
        "merged.jsonl",
        "--dropped",
        "left.jsonl",
    ]
    for command in (
        ["collect", "jsonl", *given, *rules],
        ["convert", "merged.jsonl", "--layout", "scbe", "-o", "training-data"],
    ):
        done = subprocess.run([exe, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert differences(tmp_path / "training-data", merged_by_the_rules(paths)) == []
    kept, left = lines_of(tmp_path / "merged.jsonl"), lines_of(tmp_path / "left.jsonl")
    assert len(kept) + len(left) == 600 and all(row["drop"] for row in left)
    told = json.loads((tmp_path / "training-data" / "convert.json").read_text())["files"]
    assert {row["path"]: row["records"] for row in told}["sft_combined.jsonl"] == len(kept)


def test_a_table_of_ones_own_names_the_tracks_and_splits_stay_apart(tmp_path):
    rows = [{"instruction": f"{n}?", "response": "x", "category": "Weather"} for n in range(2)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    samples, _ = read(jsonl, path=[str(tmp_path / "a.jsonl")], enrich=True, tracks={"weather": "lore"})
    assert write_merged(samples, tmp_path / "out")["sft_lore.jsonl"] == 2


def test_ties_under_the_quota_are_drawn_by_seed_and_draws_are_repeatable(tmp_path):
    rows = [
        {"instruction": f"Old {n}?", "response": "x", "source_type": "legacy_docstring"} for n in range(50)
    ]
    rows += [{"instruction": f"New {n}?", "response": "x"} for n in range(50)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    draws = []
    for seed in (1, 1, 2):
        samples, _ = read(jsonl, path=[str(tmp_path / "a.jsonl")], max_legacy=0.15, seed=seed)
        draws.append([s.key for s in samples if s.drop])
    assert len(draws[0]) == 42 and draws[0] == draws[1] != draws[2]  # 8 of 58 is under .15, 9 of 59 is not
    samples, _ = read(jsonl, path=[str(tmp_path / "a.jsonl")])
    assert not any(s.drop or s.track for s in samples)  # all rules are off by default


# --- notes ---


def test_notes_keep_their_words_lines_tags_and_dates_and_private_ones_are_left_out(tmp_path):
    notes = {
        "a.md": "---\r\ntitle: The gate\r\ntags: [harbour, key]\r\ncreated: 2026-01-02\r\n---\r\nIt opens at low tide only.\r\n",
        "b.txt": "Oil for the lamps\n=================\nThe cellar of the inn has some left.\n",
        "c.json": '{"notes": [{"question": "Who has the flint?", "answer": "Orla, at the lighthouse."}]}',
        "private.md": "---\nprivate: true\n---\n# Mine\n\nNobody but me reads this one.\n",
        "links.md": "# Links\n\n- [[gate]]\n- [[oil]]\n- https://example.org\n",
    }
    for name, text in notes.items():
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "old.md").write_bytes("# Brücke\n\nDie Brücke ist nachts geschlossen.\n".encode("cp1252"))
    samples, reports = read(memory, path=[str(tmp_path)])
    assert not reports
    assert {s.origin.path: answer(s) for s in samples} == {
        "a.md": "It opens at low tide only.",
        "b.txt": "The cellar of the inn has some left.",
        "c.json": "Orla, at the lighthouse.",
        "old.md": "Die Brücke ist nachts geschlossen.",
    }
    first = samples[0]
    assert first.meta["tags"] == ["harbour", "key"] and first.created_at.startswith("2026-01-02")
    assert [s.origin.lines for s in samples] == [(6, 6), (3, 3), None, (3, 3)]
    assert ask(samples[2]) == "Who has the flint?"


# --- stores of reasoning, rated conversations ---

COLUMNS = (
    "id INTEGER PRIMARY KEY, query TEXT, reasoning TEXT, response TEXT, quality_tier TEXT, category TEXT"
)
COLUMNS += ", validated INTEGER, created_at TEXT, teacher TEXT, terms TEXT"


def store(path: Path, rows: list[tuple], mode: str = "delete") -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode={mode}")
    connection.execute(f"CREATE TABLE distillations ({COLUMNS})")
    connection.executemany("INSERT INTO distillations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    return connection


ROWS = [
    (1, "Why?", "Since a.", "Because.", "gold", "coding", 1, "2026-01-02T03:04:05Z", "big-1", "no-training"),
    (2, "How?", None, "Like this.", "odd", None, 0, "1767322805", None, None),
    (3, "Who?", "x", "  ", "raw", None, 0, None, None, None),
]


def test_a_store_of_reasoning_keeps_teacher_terms_tier_and_date(tmp_path):
    store(tmp_path / "a.db", ROWS).close()
    samples, reports = read(distillation, path=[str(tmp_path)], teacher="other", licence="LicenseRef-x")
    assert [s.messages[1].reasoning_content for s in samples] == ["Since a.", None]
    assert [(s.meta["teacher"], s.licence, s.tier, s.validated) for s in samples] == [
        ("big-1", "no-training", "gold", True),
        ("other", "LicenseRef-x", "", False),
    ]
    assert [s.created_at[:19] for s in samples] == ["2026-01-02T03:04:05", "2026-01-02T03:00:05"]
    assert [s.domain for s in samples] == ["coding", "distillation"] and len(reports) == 1


def test_a_store_that_is_being_written_is_read_and_a_locked_or_foreign_one_is_reported(tmp_path):
    writer = store(tmp_path / "open.db", ROWS, "wal")
    before = sorted(path.name for path in tmp_path.iterdir())
    samples, _ = read(distillation, path=[str(tmp_path / "open.db")])
    assert len(samples) == 2 and sorted(path.name for path in tmp_path.iterdir()) == before
    writer.close()
    locked = store(tmp_path / "locked.db", ROWS)
    locked.execute("BEGIN EXCLUSIVE")
    samples, reports = read(distillation, path=[str(tmp_path / "locked.db")])
    assert samples == [] and "locked" in reports[0].reason
    locked.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "foreign.db")) as foreign:
        foreign.execute("CREATE TABLE notes (id)")
        foreign.commit()
    samples, reports = read(distillation, path=[str(tmp_path / "foreign.db")])
    assert samples == [] and "distillations" in reports[0].reason


def rated(ask_: str, answer_: str, **metadata) -> dict:
    turns = [{"role": "user", "content": ask_}, {"role": "assistant", "content": answer_}]
    return {"messages": turns, "metadata": metadata}


def test_praise_never_makes_gold_blame_is_never_learnt_and_both_make_a_preference(tmp_path):
    records = [
        rated("List them.", "Here: a, b.", feedback="positive", quality_tier="gold"),
        rated("List them.", "No.", feedback={"type": "thumbs_down"}),
        rated("Again?", "Yes.", feedback="positive", quality_tier="gold", human_reviewed=True),
        rated("Hm?", "Well.", rating=3),
        rated("Star?", "One.", rating=1),
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)) + '\n{"cut": "o')
    samples, reports = read(capture, path=[str(tmp_path)], rated_only=True)
    assert [s.drop for s in samples] == ["", "negative_feedback", "", "no_feedback", "negative_feedback"]
    assert [s.tier for s in samples] == ["silver", "", "gold", "", ""]
    assert (
        samples[0].rejected
        and samples[0].rejected[0].content == "No."
        and samples[0].meta["claimed_tier"] == "gold"
    )
    assert samples[2].rejected is None and samples[0].group == samples[1].group and len(reports) == 1


# --- graphs and routes ---

BEADS = '''"""Beads."""
import os
from abacus.wires import (
    Wire,
)


class Bead(Wire):
    "A bead that slides along its own wire."

    def push(self, force: int) -> int:
        "Push the bead and tell how far it went."
        if force < 0:
            raise ValueError("pull it")
        return force


def string(count: int) -> list[Bead]:
    return [Bead() for _ in range(count)]
'''
WIRES = '"""Wires."""\n\n\nclass Wire:\n    "A wire that is fixed in the frame at both ends."\n\n\ndef cut(length):\n    raise ValueError("too hard")\n'


def test_each_line_of_a_graph_says_what_the_graph_says(tmp_path):
    (tmp_path / "abacus").mkdir()
    for name, text in {"abacus/__init__.py": "", "abacus/beads.py": BEADS, "abacus/wires.py": WIRES}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "README.md").write_text(
        "# Use\n\n* Push with `Bead.push`; a `bead` is no symbol, and `push` alone is none.\n* Rest.\n"
    )
    samples, reports = read(knowledge_graph, path=[str(tmp_path)], graph_file=tmp_path / "graph.json")
    graph, lines = read_graph(tmp_path / "graph.json"), {}
    assert not reports
    found = {(r.subject, r.name, r.object) for r in graph.relations}
    assert {
        ("abacus.beads.Bead", "derives from", "abacus.wires.Wire"),
        ("abacus.beads.Bead.push", "raises", "ValueError"),
        ("abacus.beads", "imports", "abacus.wires"),
        ("README.md#Use", "mentions", "abacus.beads.Bead.push"),
    } <= found
    for relation in graph.relations:
        lines.setdefault(relation.path, (tmp_path / relation.path).read_text().split("\n"))
        word = "raise" if relation.name == "raises" else relation.object.rpartition(".")[2]
        assert word in lines[relation.path][relation.line - 1], relation
    assert {s.source_type for s in samples} == {
        "language to code", "code to language", "entity to relations", "relation to entities"
    }  # fmt: skip
    told = next(answer(s) for s in samples if s.source_type == "code to language")
    assert "* Push with" in told and "Rest." not in told
    assert any(
        ask(s) in ("What raises `ValueError`?", "When I see `ValueError`, where can it come from?")
        for s in samples
    )


def test_routes_are_balanced_repeatable_and_held_out_phrasings_are_nowhere_else(tmp_path):
    rows = {"a": 4, "b": 6}
    tasks = [{"handler": name, "phrasings": [f"{name} {n} {{x}}" for n in range(count)], "fill": {"x": ["p", "q"]}}
             for name, count in rows.items()]  # fmt: skip
    (tmp_path / "t.yaml").write_text(json.dumps({"handlers": {"a": "A", "b": "B"}, "tasks": tasks}))
    samples, reports = read(routing, table=str(tmp_path / "t.yaml"), held_out=0.25)
    again, _ = read(routing, table=str(tmp_path / "t.yaml"), held_out=0.25)
    assert samples == again and not reports and len(samples) == 20
    kept = [s for s in samples if not s.drop]
    for held in (True, False):
        counts = Counter(s.meta["handler"] for s in kept if s.meta["held_out"] is held)
        assert len(set(counts.values())) == 1 and set(counts) == {"a", "b"}
    assert not {s.group for s in kept if s.meta["held_out"]} & {
        s.group for s in kept if not s.meta["held_out"]
    }
    openings = {
        held: {ask(s).partition(":")[0].partition("?")[0] for s in kept if s.meta["held_out"] is held}
        for held in (True, False)
    }
    assert all("dispatcher" in text for text in openings[True])
    assert not any("dispatcher" in text for text in openings[False])


TABLES = {
    "no list": "handlers: {a: '', b: ''}\ntasks:\n- {handler: a, phrasings: one text}\n",
    "no fill": "handlers: {a: '', b: ''}\ntasks:\n- {handler: a, phrasings: [x], fill: [1]}\n",
    "no tasks": "handlers: {a: '', b: ''}\n",
    "no yaml": "handlers: [",
    "a number": "7",
    "nothing": "",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_none_is_said_to_be_none(name, tmp_path):
    (tmp_path / "t.yaml").write_text(TABLES[name])
    samples, reports = read(routing, table=str(tmp_path / "t.yaml"))
    assert samples == [] and len(reports) == 1 and reports[0].reason.startswith("It is no table of handlers")


def test_reasons_take_turns_and_say_what_the_task_says(tmp_path):
    task = {
        "handler": "a",
        "phrasings": ["do {x}", "make {x}"],
        "because": ["{x} is code.", "It is {x}."],
        "fill": {"x": ["p", "q"]},
    }
    other = {
        "handler": "b",
        "phrasings": ["see {x}", "show {x}"],
        "because": "{x} is text",
        "fill": {"x": ["r", "s"]},
    }
    (tmp_path / "t.yaml").write_text(json.dumps({"handlers": {"a": "A", "b": "B"}, "tasks": [task, other]}))
    samples, _ = read(routing, table=str(tmp_path / "t.yaml"), held_out=0)
    told = {ask(one).rpartition("Task: ")[2]: answer(one) for one in samples}
    assert (
        told["Do p"] == "a. P is code." and told["Do q"] == "a. It is q." and told["Make p"] == "a. It is p."
    )
    assert told["See r"] == "b. R is text."


def test_a_table_of_addresses_says_where_a_name_of_the_code_lies(tmp_path):
    (tmp_path / "ram.asm").write_text("!LinkX = $7E0022 ; where he stands\n LDA !LinkX\n")
    rows = "| Address | Label | Notes |\n|---|---|---|\n| $0022 | `LinkX` | from the left border |\n| $7E0020 | LinkY | from the top border |\n"
    (tmp_path / "map.md").write_text(f"# Memory\n\n{rows}")
    read(knowledge_graph, path=[str(tmp_path)], graph_file=tmp_path / "graph.json")
    graph = read_graph(tmp_path / "graph.json")
    lies = {(r.subject, r.object, r.path) for r in graph.relations if r.name == "lies at"}
    assert lies == {
        ("!LinkX", "$7E0022", "ram.asm"),
        ("!LinkX", "$7E0022", "map.md"),
        ("LinkY", "$7E0020", "map.md"),
    }
    assert {"LinkX", "LinkY", "7e0022", "7e0020"} <= known_names(graph)


def test_a_failed_hand_over_is_no_decision():
    def session(is_error: bool) -> Sample:
        call = ToolCall(
            "1", "Agent", {"subagent_type": "Explore", "prompt": "Find it.", "description": "Find"}
        )
        result = Message("tool", "?", tool_call_id="1", meta={"is_error": True} if is_error else {})
        messages = [Message("user", "Go."), Message("assistant", "", tool_calls=[call]), result]
        return Sample(key="0" * 24, messages=messages, kind="session")

    assert [d.handler for d in session_decisions(iter([session(True), session(False)]))] == ["Explore"]


# --- all of them ---


def test_every_source_here_passes_the_conformance_test(tmp_path):
    (tmp_path / "a.md").write_text("# Where is the tea?\n\nIn the upper cupboard, on the left.\n")
    (tmp_path / "a.jsonl").write_text(json.dumps(rated("Tea?", "Up there.", feedback="positive")) + "\n")
    store(tmp_path / "a.db", ROWS[:2]).close()
    for fn in (memory, capture, distillation, jsonl, knowledge_graph):
        here = str(locate("bundled:rom_hack")) if fn is knowledge_graph else str(tmp_path)
        assert check_source(fn, {"path": [here]}) == [], fn.__name__
    assert check_source(assembly_project, {"path": ["bundled:rom_hack"]}) == []
    assert check_source(routing, {"sessions": ["bundled:sessions"]}) == []


# --- Notion exports and pages ---

HASH = "1a2b3c4d5e6f708192a3b4c5d6e7f809"
PROSE = (
    "The bell is rung twice before the gate opens, and once more when every boat has come in for the night."
)


def test_a_notion_export_loses_its_hashes_and_properties_and_keeps_its_lines(tmp_path):
    export = tmp_path / f"Export-{HASH}"
    (export / f"Harbour {HASH}").mkdir(parents=True)
    page = f"# The gate\n\nCreated: January 5, 2026 10:00 AM\nTags: gate, bell\n\n{PROSE} See [Boats](Harbour%20{HASH}/Boats%20{HASH}.csv).\n"
    (export / f"The gate {HASH}.md").write_text(page)
    table = f'\ufeffName,Berth,Notes\nHeron,3,"{PROSE}\nIt leaks."\nEmpty,,\n'
    (export / f"Harbour {HASH}" / f"Boats {HASH}.csv").write_text(table)
    (export / f"Harbour {HASH}" / f"Boats {HASH}_all.csv").write_text(table)
    (export / "measured.csv").write_text(f"when,what\n1,{PROSE}\n")
    (export / f"Broken {HASH}.csv").write_text('a,b\nx,"never closed\n')
    html = f"<html><body>\n<h1 class=page-title>Lamps</h1>\n<div><p>{PROSE}</p>\n<ul><li>one</li><li>two</li></ul></div></body></html>"
    (export / f"Lamps {HASH}.html").write_text(html)
    samples, reports = read(documents, path=[str(export)])
    found = {ask(s): (s.origin.lines, answer(s)) for s in samples}
    assert not any(HASH in text for q, (_, a) in found.items() for text in (q, a))
    assert {lines for lines, _ in found.values()} == {(1, 6), (2, 3), (2, 4)} and len(found) == 3
    gate = next(text for _, text in found.values() if "See Boats." in text)
    assert "January" not in gate and "Source: the page “The gate”" in gate
    assert any(text.startswith(f"- Berth: 3\n- Notes: {PROSE} It leaks.") for _, text in found.values())
    assert any(text.startswith(f"{PROSE}\n\n- one\n- two") for _, text in found.values())
    assert len(reports) == 1 and "Broken" in reports[0].path


def test_pages_of_a_site_are_read_without_what_stands_around_their_text(tmp_path):
    page = f"<head><title>No</title></head><nav>Home</nav><main><h1>Gate</h1><p>{PROSE}</p><pre><code>ring --twice\n  open</code></pre></main>"
    (tmp_path / "page.html").write_text(page + "<footer>Imprint</footer><script>never()</script>")
    (tmp_path / "open.html").write_bytes(f"<h1>Brücke<p>{PROSE} <b>Nachts zu".encode("cp1252"))
    samples, reports = read(documents, path=[str(tmp_path)])
    assert not reports and len(samples) == 2
    assert answer(samples[1]).startswith(f"{PROSE}\n\n```\nring --twice\n  open\n```")
    assert "Brücke" in ask(samples[0]) and not any(
        word in answer(s) for s in samples for word in ("Home", "Imprint", "never")
    )


def test_a_define_that_changes_its_value_is_told_as_no_address(tmp_path):
    code = "!Here = $7E0010 ; where it is\n!There = $7E0020 ; where it is not\n LDA !Here\n LDA !There\n!Here = $7E0012\n"
    (tmp_path / "a.asm").write_text(code)
    samples, _ = read(assembly_project, path=[str(tmp_path)])
    assert [s.meta["name"] for s in samples] == ["!There"]


def test_plain_addresses_in_code_get_their_names_and_numbers_do_not(tmp_path):
    code = """Save = $7EF36E ; magic power that is left
!Power = $10
; Spends one point of magic power and says so.
Spend:
    LDA.l $7EF36E : DEC A : STA.l Save
    LDA $0303 : CMP #!Power : BEQ + : STA $210E
  + LDA $12 : JSL $1DF65D ; ours is not
    RTL
"""
    (tmp_path / "a.asm").write_text(code)
    samples, _ = read(assembly_project, path=[str(tmp_path)])
    told = next(answer(s) for s in samples if s.meta["name"] == "Spend explain")
    assert "It reads `Save` ($7EF36E) and $7E0303.\nIt writes `Save` ($7EF36E) and $210E (BG1VOFS)." in told
    assert "It calls $1DF65D.\nWhen `$0303` equals `!Power`, it goes to the next `+`." in told
    assert not any("!Power` is" in answer(s) for s in samples)
