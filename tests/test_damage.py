"""Every damage that a JSONL file may have: what is quarantined, what is said, what the exit code is."""

import gzip
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from sftbench.clean.findings import fake
from sftbench.clean.repair import RepairReport, repair, repair_table
from sftbench.core.damage import Unreadable, collecting_unreadable, masked
from sftbench.core.jsonl import atomic_write, read_records, read_samples, write_samples
from sftbench.core.sample import Message, Sample, ToolCall
from sftbench.core.system import Problem
from sftbench.operate import cli
from sftbench.operate.diagnose import diagnose

SECRET = fake("ghp_{w36}")
SFTBENCH = str(Path(sys.executable).with_name("sftbench"))


def pair(number: int, answer: str = "It is a fine day, and the sun is out.") -> bytes:
    return json.dumps({"instruction": f"Question {number}: what is it?", "output": answer}).encode()


ONE, TWO = pair(1), pair(2)


class Done(NamedTuple):
    code: int
    kept: list[Sample]
    quarantine: list[Unreadable]
    said: str  # on both streams and the log

    @property
    def only(self) -> Unreadable:
        (found,) = self.quarantine
        return found


@pytest.fixture
def validated(tmp_path, monkeypatch, capsys, caplog):
    "Runs `sftbench validate in.jsonl -o out.jsonl` on bytes."

    def run(raw: bytes, *options: str) -> Done:
        monkeypatch.chdir(tmp_path)
        Path("in.jsonl").write_bytes(raw)
        monkeypatch.setattr(sys, "argv", ["sftbench", "validate", "in.jsonl", "-o", "out.jsonl", *options])
        with pytest.raises(SystemExit) as ended, caplog.at_level(logging.WARNING):
            cli.main()
        told = capsys.readouterr()
        beside = Path("out.jsonl.quarantine.jsonl")
        kept = list(read_samples("out.jsonl")) if Path("out.jsonl").exists() else []
        lines = beside.read_bytes().splitlines() if beside.exists() else []
        found = [Unreadable(**json.loads(line)) for line in lines]
        said = told.out + told.err + caplog.text
        shown = said + "".join(map(repr, found))
        assert not any(SECRET[n : n + 8] in shown for n in range(len(SECRET) - 8)), "a secret was shown"
        assert Path("in.jsonl").read_bytes() == raw, "the source was changed"
        return Done(int(ended.value.code or 0), kept, found, said)

    return run


def asked(done: Done) -> list[str]:
    return [sample.messages[0].content[:10] for sample in done.kept]


def holds(found: Unreadable, raw: bytes, part: bytes, line: int) -> None:
    "The report gives the place of `part` in the file."
    place = raw.index(part)
    assert (found.path, found.line, found.offset) == ("in.jsonl", line, place)
    assert found.length is not None and len(part) <= found.length <= len(part) + 2
    assert found.preview and found.remedy and not set(found.preview) - set('x9{}[]":, .')


def test_a_whole_file_is_read_and_nothing_is_said(validated):
    done = validated(ONE + b"\n" + TWO + b"\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2"], [])
    assert "in.jsonl" not in done.said


def test_truncated_last_line(validated):
    cut = pair(2, f"The token is {SECRET}, keep it")[:-15]
    done = validated(raw := ONE + b"\n" + cut)
    assert (done.code, asked(done)) == (3, ["Question 1"])
    holds(done.only, raw, cut, 2)
    assert "The last line is cut off" in done.only.reason and "in.jsonl:2" in done.said


def test_a_cut_line_in_the_middle_is_not_called_the_last(validated):
    done = validated(raw := ONE[:30] + b"\n" + TWO + b"\n")
    assert (done.code, asked(done)) == (3, ["Question 2"])
    holds(done.only, raw, ONE[:30], 1)
    assert done.only.reason.startswith("The line is not JSON (Unterminated string")


def test_cut_utf8(validated):
    whole = json.dumps({"instruction": "Was it?", "output": f"{SECRET} – é"}, ensure_ascii=False).encode()
    cut = whole[: whole.rindex("é".encode()) + 1]
    done = validated(raw := ONE + b"\n" + cut)
    assert (done.code, asked(done)) == (3, ["Question 1"])
    holds(done.only, raw, cut, 2)
    assert "cut off" in done.only.reason
    middle = validated(cut + b"\n" + ONE + b"\n")
    assert "ends in the middle of a letter" in middle.only.reason and asked(middle) == ["Question 1"]


def test_byte_order_mark(validated):
    done = validated(b"\xef\xbb\xbf" + ONE + b"\n" + TWO + b"\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2"], [])


def test_byte_order_mark_of_a_file_that_was_appended(validated):
    done = validated(ONE + b"\n\xef\xbb\xbf" + TWO + b"\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2"], [])


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_utf16(validated, codec, mark):
    broken = f'{{"instruction": "{SECRET} é'
    text = f"{mark}{ONE.decode()}\r\n{broken}\r\n{pair(2, '漢字 and 😀 in it').decode()}\r\n"
    done = validated(raw := text.encode(codec))
    assert (done.code, asked(done)) == (3, ["Question 1", "Question 2"])
    assert done.kept[1].messages[1].content == "漢字 and 😀 in it"
    found, part = done.only, broken.encode(codec)
    assert raw[found.offset : (found.offset or 0) + len(part)] == part
    assert found.length == len(part + "\r\n".encode(codec)), "places are those of the file, not of its UTF-8"


def test_carriage_returns_and_newlines(validated):
    done = validated(ONE + b"\r\n\r\n" + TWO + b"\r\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2"], [])


def test_lone_carriage_returns(validated):
    broken = b'{"instruction": "' + SECRET.encode()
    done = validated(raw := ONE + b"\r" + TWO + b"\r" + broken)
    assert (done.code, asked(done)) == (3, ["Question 1", "Question 2"])
    holds(done.only, raw, broken, 3)
    inside = ONE.replace(b'", "', b'",\r"')
    assert asked(validated(inside + b"\n" + TWO + b"\n")) == ["Question 1", "Question 2"]


def test_nul_padding_is_left_out_and_told(validated):
    done = validated(ONE + b"\0\0\0\n\0\0" + TWO + b"\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2"], [])
    assert "in.jsonl: NUL padding left out, lines 1, 2" in done.said
    assert done.kept[0].meta["mended"] == "NUL padding left out"


def test_a_block_of_nuls(validated):
    block = b"\0" * 4096
    done = validated(raw := ONE + b"\n" + block)
    assert (done.code, asked(done)) == (3, ["Question 1"])
    holds(done.only, raw, block, 2)
    assert "only NUL bytes" in done.only.reason


def test_nuls_inside_a_line(validated):
    broken = pair(1, SECRET).replace(b"what", b"wh\0\0t")
    done = validated(raw := broken + b"\n" + TWO + b"\n")
    assert (done.code, asked(done)) == (3, ["Question 2"])
    holds(done.only, raw, broken, 1)
    assert "NUL bytes" in done.only.reason and "sftbench repair" in done.only.remedy


def test_lone_surrogates(validated):
    broken = ONE.replace(b"fine", b"\\ud83d fi\\uDC00ne")
    done = validated(broken + b"\n" + TWO + b"\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2"], [])
    assert "\ufffd" in done.kept[0].messages[1].content or "?" in done.kept[0].messages[1].content
    assert "lone surrogate replaced" in done.kept[0].meta["mended"] and "line 1" in done.said


def test_surrogate_pairs_are_no_damage(validated):
    done = validated(ONE.replace(b"fine", b"\\ud83d\\ude00") + b"\n")
    assert done.code == 0 and "😀" in done.kept[0].messages[1].content and not done.kept[0].meta


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_nan_and_infinity(validated, word):
    done = validated(ONE[:-1] + b', "score": ' + word.encode() + b"}\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1"], [])
    assert "read as null" in done.kept[0].meta["mended"] and "read as null, line 1" in done.said


def test_duplicate_keys_are_reported_and_the_last_wins(validated):
    twice = ONE[:-1] + b', "output": "No, it rains, and has for days."}'
    nested = TWO[:-1] + b', "about": {"a": [{"b": 1, "b": 2}]}}'
    done = validated(twice + b"\n" + nested + b"\n" + pair(3, 'the "b": "b": of it is fine') + b"\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2", "Question 3"], [])
    assert done.kept[0].messages[1].content.startswith("No, it rains")
    assert ["key stands twice" in sample.meta.get("mended", "") for sample in done.kept] == [
        True,
        True,
        False,
    ]
    assert "in.jsonl: key stands twice, the last one was read, lines 1, 2" in done.said


def test_duplicate_keys_in_our_own_files_too(validated, tmp_path):
    call = ToolCall("c", "Write", {"path": "a.py", "content": 'x = {"a": 1, "a": 2}'})
    messages = [Message("user", "Write it, please."), Message("assistant", "", tool_calls=[call])]
    samples = [Sample(key=f"k{n}", messages=messages, domain="code") for n in range(400)]
    write_samples(tmp_path / "own.jsonl", samples)
    raw = (tmp_path / "own.jsonl").read_bytes()
    assert validated(raw).said.strip() == "400 in = 400 kept"
    lines = raw.split(b"\n")
    lines[300] = lines[300].replace(b'"domain":"code"', b'"domain":"docs","domain":"code"')
    lines[301] = lines[301].replace(b'"path":"a.py"', b'"path":"b.py","path":"a.py"')
    lines[302] = lines[302].replace(b'"role":"user"', b'"role": "user"')
    done = validated(b"\r\n".join(lines))
    assert done.code == 0 and [s.key for s in done.kept if s.meta] == ["k300", "k301"]
    assert done.kept[301].messages[1].tool_calls[0].arguments["path"] == "a.py"


def test_a_line_of_100_mb(tmp_path):
    with open(tmp_path / "in.jsonl", "wb") as file:
        file.write(b'{"instruction": "Say it all.", "output": "')
        for _ in range(100):
            file.write(b"word and number 12345 or so\\n" * 35_000)
        file.write(b'"}\n' + ONE + b"\n" + TWO[:40])
        for _ in range(100):
            file.write(b"cut from here on, word by word " * 33_000)
    script = (
        "import re, sys\nfrom sftbench.operate import cli\n"
        "sys.argv = ['sftbench', 'validate', 'in.jsonl', '-o', 'out.jsonl']\n"
        "try: cli.main()\nfinally: print(int(re.search(r'VmHWM:[^0-9]*([0-9]+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert "too_long" in done.stdout and "in.jsonl:3: The last line is cut off" in done.stderr
    assert int(done.stdout.split()[-1]) < 1000, "MB at the peak"
    assert len(list(read_samples(tmp_path / "out.jsonl"))) == 1


@pytest.mark.parametrize("depth", [100, 480, 600, 960, 1200, 100_000])
def test_nesting_beyond_the_recursion_limit(validated, depth):
    deep = ONE[:-1] + b', "tree": ' + b"[" * depth + b"]" * depth + b"}"
    own = b'{"key":"k","messages":[{"role":"user","content":"Hi, who is it?"},{"role":"assistant","content":"Me, of course."'
    own += b',"tool_calls":[{"id":"1","name":"a","arguments":{"b":' + b"[" * depth + b"]" * depth + b"}}]}]}"
    done = validated(deep + b"\n" + own + b"\n" + TWO + b"\n")
    assert asked(done)[-1] == "Question 2"
    assert done.code == (3 if done.quarantine else 0) and len(done.kept) + len(done.quarantine) == 3
    assert {found.reason for found in done.quarantine} <= {"The line is nested too deeply."}
    assert len(done.quarantine) == (0 if depth <= 100 else 2 if depth > 1000 else len(done.quarantine))


def test_mixed_shapes_in_a_file(validated):
    lines = [
        ONE,
        b'{"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "It was me, and nobody else."}]}',
        b'{"conversations": [{"from": "human", "value": "When?"}, {"from": "gpt", "value": "It was noon, I think."}]}',
        b'{"what": "ever", "it": "is"}',
        b'{"messages": [{"role": "' + SECRET.encode() + b'", "content": "Hi"}]}',
        b'{"text": "A plain document of some length."}',
    ]
    done = validated(raw := b"\n".join(lines) + b"\n")
    assert done.code == 3 and len(done.kept) == 4
    assert [found.line for found in done.quarantine] == [4, 5]
    assert "fit no known shape" in done.quarantine[0].reason and "speaker" in done.quarantine[1].reason
    holds(done.quarantine[0], raw, lines[3], 4)


def test_blank_lines(validated):
    done = validated(b"\n\n" + ONE + b"\n   \n\t\r\n" + TWO + b"\n\n\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2"], [])


def test_an_empty_file(validated):
    done = validated(b"")
    assert (done.code, done.kept, done.quarantine) == (0, [], [])


def test_line_separators_inside_strings(validated):
    odd = "one\u2028two\u2029three\x85four\x0cfive"
    line = json.dumps({"instruction": "Say it.", "output": odd}, ensure_ascii=False)
    done = validated(line.replace("\x0c", "\\f").encode() + b"\n" + ONE + b"\n")
    assert (done.code, len(done.kept), done.quarantine) == (0, 2, [])
    assert done.kept[0].messages[1].content == odd


def test_latin1_bytes(validated):
    broken = ONE.replace(b"fine", f"café {SECRET}".encode("latin-1"))
    done = validated(raw := broken + b"\n" + TWO + b"\n")
    assert (done.code, asked(done)) == (3, ["Question 2"])
    holds(done.only, raw, broken, 1)
    assert "looks like Latin-1" in done.only.reason


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda raw: b"\x28\xb5\x2f\xfd" + raw, lambda raw: b"PK\3\4" + raw]
)
def test_a_packed_file(validated, pack):
    done = validated(raw := pack(ONE + b"\n" + TWO + b"\n"))
    assert (done.code, done.kept) == (3, [])
    assert (done.only.offset, done.only.length) == (0, len(raw))
    assert "is packed with" in done.only.reason and "Unpack it with" in done.only.remedy


def test_a_json_array_instead_of_lines(validated):
    array = b"[" + ONE + b", " + pair(2, SECRET) + b"]"
    done = validated(array + b"\n")
    assert (done.code, done.kept) == (3, [])
    holds(done.only, array, array, 1)
    assert "may be one JSON array" in done.only.reason and "sftbench repair" in done.only.remedy


def test_a_json_array_with_an_object_a_line(validated):
    done = validated(b"[\n" + ONE + b",\n" + TWO + b"\n]\n")
    assert (done.code, asked(done), done.quarantine) == (0, ["Question 1", "Question 2"], [])
    assert "bracket of a JSON array left out, lines 1, 4" in done.said
    assert "comma behind the object left out, line 2" in done.said


def test_a_pretty_printed_object_over_many_lines(validated):
    value = {"messages": [{"role": "user", "content": SECRET}, {}], "text": {"deep": [1, 2]}}
    pretty = json.dumps(value, indent=2).encode()
    done = validated(raw := ONE + b"\n" + pretty + b"\n" + TWO + b"\n")
    assert (done.code, asked(done)) == (3, ["Question 1", "Question 2"])
    holds(done.only, raw, pretty, 2)
    assert "a value goes over many lines" in done.only.reason and "sftbench repair" in done.only.remedy
    whole = validated(json.dumps([json.loads(ONE), value], indent=2).encode())
    assert whole.code == 3 and len(whole.quarantine) == 1 and not whole.kept


def test_concatenated_objects_on_one_line(validated):
    both = ONE + pair(5, SECRET)
    done = validated(raw := both + b"\n" + TWO + b"\n")
    assert (done.code, asked(done)) == (3, ["Question 2"])
    holds(done.only, raw, both, 1)
    assert "several JSON values" in done.only.reason


def test_trailing_commas(validated):
    inner = pair(3, SECRET)[:-1] + b",}"
    done = validated(raw := ONE + b",\n" + inner + b"\n" + TWO + b"\n")
    assert (done.code, asked(done)) == (3, ["Question 1", "Question 2"])
    holds(done.only, raw, inner, 2)
    assert "comma before a closing bracket" in done.only.reason
    assert "comma behind the object left out, line 1" in done.said


@pytest.mark.parametrize("comment", [f"// {SECRET}", f"# {SECRET}", f"/* {SECRET} */"])
def test_comments(validated, comment):
    behind = pair(3) + b" " + comment.encode()
    done = validated(raw := comment.encode() + b"\n" + ONE + b"\n" + behind + b"\n")
    assert (done.code, asked(done)) == (3, ["Question 1"])
    holds(done.quarantine[0], raw, comment.encode(), 1)
    assert "is a comment" in done.quarantine[0].reason and "holds a comment" in done.quarantine[1].reason


def test_single_quoted_python_dicts(validated):
    python = repr(json.loads(pair(1, SECRET))).encode()
    done = validated(raw := python + b"\n" + TWO + b"\n")
    assert (done.code, asked(done)) == (3, ["Question 2"])
    holds(done.only, raw, python, 1)
    assert "Python dict" in done.only.reason


def test_a_missing_file_is_wrong_usage(validated, tmp_path):
    done = subprocess.run(
        [SFTBENCH, "validate", "none.jsonl", "-o", "out.jsonl"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and "none.jsonl cannot be read. It does not exist." in done.stderr


def test_many_damages_at_once_lose_no_good_line(validated):
    bad = [
        b"{",
        b"\xff\xfe",
        b"null",
        b"}",
        b'"text"',
        b"12",
        b"[1]",
        b"// x",
        b"{'a': 1}",
        b'{"a":',
        b"\0\0",
        b"\x1b[31m",
    ]
    lines = [line for number, one in enumerate(bad) for line in (pair(number), one)]
    done = validated(b"\n".join(lines) + b"\n")
    assert done.code == 3 and len(done.kept) == len(bad)
    assert [found.line for found in done.quarantine] == [2 * n + 2 for n in range(len(bad))]


def test_every_prefix_and_every_changed_byte_is_read_or_reported(tmp_path):
    whole = ONE + b"\n" + b'{"a": {"b": [1, 2.5, null, true, "\xc3\xa9"]}}' + b"\n"
    path = tmp_path / "in.jsonl"
    changed = [
        whole[:n] + bytes([byte]) + whole[n + 1 :]
        for n in range(0, len(whole), 3)
        for byte in (0, 34, 125, 255)
    ]
    for raw in [whole[:n] for n in range(len(whole))] + changed:
        path.write_bytes(raw)
        with collecting_unreadable() as found:
            read = [line.number for line in read_records(path)]
        numbers = {n for n, line in enumerate(raw.split(b"\n"), 1) if line.strip()}
        assert len(set(read)) + len(found) >= min(len(numbers), 1)
        assert not set(read) & {one.line for one in found}


def test_a_preview_holds_nothing_of_what_was_said():
    for raw in (
        SECRET.encode(),
        b"p@$$w0rd!#%",
        "pässwörd–😀".encode(),
        b"\x1b]0;title\x07",
        bytes(range(256)),
    ):
        assert not set(masked(raw)) - set('x9{}[]":, .')


FULL = """
import resource, sys
from sftbench.operate import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
sys.argv = ["sftbench", *sys.argv[1:]]
cli.main()
"""


def test_a_disk_that_fills_during_a_write_leaves_old_files_whole(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(
        b"".join(pair(n, f"It is day {n}. " * 9) + b"\n" for n in range(1000))
    )
    (tmp_path / "out.jsonl").write_bytes(b"what was there before\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", FULL, "validate", "in.jsonl", "-o", "out.jsonl"],
        cwd=tmp_path, capture_output=True, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "out.jsonl cannot be written: File too large" in done.stderr and "Free some space" in done.stderr
    assert "bytes of it were written" in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "no temporary is left"
    assert (tmp_path / "out.jsonl").read_bytes() == b"what was there before\n"


def test_a_device_without_room_leaves_old_files_whole(tmp_path, monkeypatch):
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"before\n")
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    with (
        pytest.raises(OSError, match=r"out\.jsonl cannot be written: No space left") as told,
        atomic_write(path) as file,
    ):
        os.dup2(full.fileno(), file.fileno())
        file.write(b"x" * 100_000)
    full.close()
    assert told.value.code == 1 and "Free some space" in str(told.value)
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"] and path.read_bytes() == b"before\n"


def test_a_place_where_nothing_may_be_written_is_a_sentence(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(ONE + b"\n")
    (tmp_path / "file").write_bytes(b"")
    done = subprocess.run(
        [SFTBENCH, "validate", "in.jsonl", "-o", "file/out.jsonl"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr


def repaired(tmp_path: Path, raw: bytes) -> tuple[RepairReport, list[Any]]:
    "What `repair` makes of bytes; nothing raw may stand in the report, and the source stays."
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(raw)
    report = repair(source, out)
    told = (tmp_path / "out.jsonl.report.json").read_text() + repair_table(report)
    assert not any(SECRET[n : n + 8] in told for n in range(len(SECRET) - 8)), "a secret was shown"
    assert source.read_bytes() == raw and report.written == out.read_bytes().count(b"\n")
    assert msgspec.json.decode((tmp_path / "out.jsonl.report.json").read_bytes(), type=RepairReport) == report
    return report, [json.loads(line) for line in out.read_text().split("\n") if line]


A, B = {"a": "one"}, {"b": "two é"}
LINE_A, LINE_B = (json.dumps(value, ensure_ascii=False) for value in (A, B))
PRETTY = json.dumps({"deep": [A, {"more": [1, 2]}]}, indent=2)
MENDABLE = {
    "byte order mark": (b"\xef\xbb\xbf" + LINE_A.encode() + b"\n", [A]),
    "utf-16 with mark": (f"\ufeff{LINE_A}\n{LINE_B}".encode("utf-16-le"), [A, B]),
    "utf-16 without mark": (f"{LINE_A}\r\n{LINE_B}\r\n".encode("utf-16-be"), [A, B]),
    "carriage returns": (f"{LINE_A}\r\n{LINE_B}\r\n".encode(), [A, B]),
    "lone carriage returns": (f"{LINE_A}\r{LINE_B}\r".encode(), [A, B]),
    "nuls": (b'\0\0{"a": "o\0ne"}\0\n', [A]),
    "lone surrogates": (b'{"a": "\\ud800"}\n', [{"a": "\ufffd"}]),
    "surrogates as letters": (b'{"a": "\xed\xa0\xbd\xed\xb8\x80 \xed\xa0\xbd"}', [{"a": "😀 \ufffd"}]),
    "nan": (b'{"a": [NaN, Infinity, -Infinity, 1e999, 1.5]}\n', [{"a": [None, None, None, None, 1.5]}]),
    "duplicate keys": (b'{"a": "two", "a": "one"}\n', [A]),
    "trailing commas": (b'{"a": "one",},\n{"a": [1, 2, ], }\n', [A, {"a": [1, 2]}]),
    "comments": (b'// x\n{"a": /* y */ "one"} // z\n# w\n', [A]),
    "comment marks inside texts": (b'{"a": "http://x // #1, ]",}', [{"a": "http://x // #1, ]"}]),
    "python dicts": (b"{'a': 'one', 'b': None, \"c\": True, 'd': (1, 2)}\n", [{"a": "one", "b": None, "c": True, "d": [1, 2]}]),
    "concatenated objects": (f"{LINE_A}{LINE_B}\n{LINE_A} {LINE_A}".encode(), [A, B, A, A]),
    "json array": (f"[{LINE_A}, {LINE_B}]".encode(), [A, B]),
    "json array of lines": (f"[\n{LINE_A},\n{LINE_B}\n]\n".encode(), [A, B]),
    "pretty array": (json.dumps([A, B], indent=4, ensure_ascii=False).encode(), [A, B]),
    "pretty object": (f"{LINE_A}\n{PRETTY}\n{PRETTY}\n{LINE_B}".encode(), [A, json.loads(PRETTY), json.loads(PRETTY), B]),
    "latin-1": ('{"a": "café – “so”"}\n'.encode("cp1252"), [{"a": "café – “so”"}]),
    "broken letter": (b'{"a": "\xc3\xa9 \xff"}\n', [{"a": "é \ufffd"}]),
    "control characters": (b'{"a": "x\ty"}\n', [{"a": "x\ty"}]),
    "cut between values": (b'{"a": {"b": ["c", {"d": null}', [{"a": {"b": ["c", {"d": None}]}}]),
    "blank lines": (f"\n\n{LINE_A}\n\n{LINE_B}\n".encode(), [A, B]),
    "separators inside strings": ('{"a": "x\u2028y"}\n'.encode(), [{"a": "x\u2028y"}]),
}  # fmt: skip


@pytest.mark.parametrize("damage", MENDABLE)
def test_repair_mends(tmp_path, damage):
    raw, wanted = MENDABLE[damage]
    report, values = repaired(tmp_path, raw)
    assert values == wanted and (report.left_out, report.code) == (0, 0)
    again, same = repaired(tmp_path, (tmp_path / "out.jsonl").read_bytes())
    assert same == wanted and not again.touched and not again.file, "what was mended needs no mending"


LOST = {
    "cut inside a text": f'{{"a": "one", "b": "{SECRET}'.encode(),
    "cut inside a number": b'{"a": "one", "b": 12',
    "cut behind a comma": b'{"a": "one",',
    "cut inside a key": b'{"a": "one", "b',
    "cut behind a key": b'{"a": "one", "b"',
    "cut inside a letter": b'{"a": "one\xe2\x80',
    "a block of nuls": b"\0" * 100,
    "words": SECRET.encode(),
    "a number": b"12",
    "deep nesting": b'{"a":' + b"[" * 100_000,
    "no colon": f'{{"a" "{SECRET}"}}'.encode(),
    "a torn pretty object": f'{{\n "a": "one",\n "b": "{SECRET}'.encode(),
}


@pytest.mark.parametrize("damage", LOST)
def test_repair_leaves_out_and_tells(tmp_path, damage):
    raw = LOST[damage]
    report, values = repaired(tmp_path, f"{LINE_A}\n".encode() + raw + f"\n{LINE_B}\n".encode())
    assert values == [A, B] and (report.left_out, report.code) == (1, 3)
    (told,) = report.touched
    assert (told.line, told.offset, told.action) == (2, len(LINE_A) + 1, "left out") and told.preview


def test_repair_keeps_good_lines_byte_for_byte(tmp_path):
    lines = [b'{ "a" :1.0,  "b":"\\u00e9" }', b'{"key":"k","n":123456789012345678901234567890}', ONE]
    repaired(tmp_path, b"\n".join(lines) + b"\n")
    assert (tmp_path / "out.jsonl").read_bytes() == b"\n".join(lines) + b"\n"


def test_repair_refuses_to_write_over_its_source(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(ONE)
    (tmp_path / "link.jsonl").symlink_to("in.jsonl")
    for out in ("in.jsonl", "link.jsonl", "../" + tmp_path.name + "/in.jsonl"):
        with pytest.raises(Problem, match="is the file to repair") as told:
            repair(tmp_path / "in.jsonl", tmp_path / out)
        assert told.value.code == 2
    assert (tmp_path / "in.jsonl").read_bytes() == ONE


def test_repair_of_what_is_no_file_is_a_sentence(tmp_path):
    (tmp_path / "packed.jsonl").write_bytes(gzip.compress(ONE))
    for name, words in (
        ("none.jsonl", "does not exist"),
        (".", "is a folder"),
        ("packed.jsonl", "packed with gzip"),
    ):
        with pytest.raises(Problem, match=words):
            repair(tmp_path / name, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_what_repair_wrote_reads_without_a_word(tmp_path):
    raw = b"".join(one + b"\n" for one, _ in list(MENDABLE.values())[4:] if b"\r" not in one) + b"\n".join(
        LOST.values()
    )
    report, values = repaired(tmp_path, raw)
    assert report.left_out and len(values) > 20
    with collecting_unreadable() as found:
        assert [line.value for line in read_records(tmp_path / "out.jsonl")] == values
    assert not found


def states(path: Path, **options) -> dict[str, tuple[str, str, str]]:
    "What `diagnose` finds, by name; each problem has a remedy, and nothing raw is shown."
    found = diagnose(path, **{"wait": 0.0, **options})
    assert found and all(one.remedy for one in found if one.state == "problem")
    assert not any(SECRET[n : n + 8] in repr(found) for n in range(len(SECRET) - 8))
    return {one.what: (one.state, one.found, one.remedy) for one in reversed(found)}


def made(path: Path, raw: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    os.utime(path, (0, 0))
    return path


def test_doctor_knows_a_path_that_is_not_there(tmp_path):
    made(tmp_path / "training_data" / "a.jsonl", ONE)
    state, found, remedy = states(tmp_path / "trainin_data" / "a.jsonl")["path"]
    assert state == "problem" and "does not exist" in found and "Did you mean 'training_data'?" in remedy
    assert "A relative path starts where you run this" in states(Path("surely/not/here.jsonl"))["path"][2]
    (tmp_path / "gone").symlink_to("nowhere")
    assert "link to what is gone" in states(tmp_path / "gone")["path"][1]


def test_doctor_knows_an_empty_folder_and_the_right_one_beside_it(tmp_path):
    (tmp_path / "here" / "empty").mkdir(parents=True)
    state, found, remedy = states(tmp_path / "here" / "empty")["folder"]
    assert (state, found) == ("problem", "empty is empty") and "Give the folder" in remedy
    made(tmp_path / "here" / "data" / "a.jsonl", ONE + b"\n")
    assert "there is data in ../data" in states(tmp_path / "here" / "empty")["folder"][2]
    made(tmp_path / "here" / "a.jsonl", ONE + b"\n")
    assert "there is data in .., ../data" in states(tmp_path / "here" / "empty")["folder"][2]
    made(tmp_path / "here" / "empty" / "picture.png", b"\x89PNG")
    assert "holds no file that a source reads" in states(tmp_path / "here" / "empty")["folder"][1]


def test_doctor_knows_a_folder_one_level_too_high(tmp_path):
    made(tmp_path / ".claude" / "projects" / "-x" / "a.jsonl", b'{"type": "user"}\n')
    state, found, remedy = states(tmp_path)["store"]
    assert (
        state == "note"
        and found.endswith(".claude/projects")
        and "sftbench collect claude_code --path" in remedy
    )
    made(tmp_path / "top" / "only" / "a.jsonl", ONE + b"\n")
    assert "all of them in only/" in states(tmp_path / "top")["folder"][1]


def test_doctor_knows_a_repository_without_commits(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path / "new")], check=True)
    assert "has no commits yet" in states(tmp_path / "new")["repository"][1]


def test_doctor_knows_rights_that_are_missing(tmp_path, monkeypatch):
    file = made(tmp_path / "in" / "a.jsonl", ONE + b"\n")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != file and allowed(path, mode))
    assert "chmod u+r a.jsonl" in states(file)["rights"][2]
    assert "1 below it may not be read: a.jsonl" in states(tmp_path / "in")["rights"][1]
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != file.parent and allowed(path, mode))
    assert "may not be entered" in states(file.parent)["rights"][1]


def test_doctor_knows_a_file_that_is_being_written(tmp_path):
    path = made(tmp_path / "a.jsonl", ONE + b"\n" + TWO[:30])
    assert "file" not in states(path), "it was cut long ago"
    os.utime(path)
    assert "ends in the middle of a line" in states(path)["file"][1]
    script = "import sys, time\nfile = open(sys.argv[1], 'ab', buffering=0)\nwhile True: file.write(b'x' * 10); time.sleep(.01)"
    with subprocess.Popen([sys.executable, "-c", script, str(path)]) as writer:
        try:
            found = next(
                f for f in (states(path, wait=0.4) for _ in range(10)) if "is being written" in f["file"][1]
            )
        finally:
            writer.kill()
    assert found["file"][0] == "problem" and "Wait until its program has ended" in found["file"][2]


@pytest.mark.parametrize(
    "raw, what, words",
    [
        (b"", "file", "is empty"),
        (gzip.compress(ONE), "form", "packed with gzip"),
        (b"SQLite format 3\0" + bytes(99), "form", "is no text"),
        (f"\ufeff{ONE.decode()}\n".encode("utf-16-le"), "encoding", "UTF-16-LE"),
        (ONE.decode().encode("utf-16-be"), "encoding", "UTF-16-BE without its mark"),
        (ONE.replace(b"fine", b"caf\xe9"), "lines", "looks like Latin-1"),
        (ONE.replace(b"fine", b"f\0ne"), "lines", "NUL bytes"),
        (b"[" + ONE + b"]", "lines", "may be one JSON array"),
        (pair(1, SECRET)[:-5], "lines", "1 of in.jsonl cannot be read"),
        (ONE[:-1] + b', "x": NaN}\n', "lines", "NaN read as null"),
        (b'{"what": 1}\n', "shape", "no known shape"),
        (ONE + b"\n", "samples", "1 instruction"),
    ],
)
def test_doctor_knows_what_is_wrong_with_a_file(tmp_path, raw, what, words):
    found = states(made(tmp_path / "in.jsonl", raw))
    assert words in found[what][1] and found[what][2]


def test_doctor_has_nothing_to_say_of_good_data(tmp_path):
    path = made(tmp_path / "in.jsonl", b"".join(pair(n) + b"\n" for n in range(120)))
    assert states(path) == {"samples": ("ok", "in.jsonl: 120 instruction", "")}
    assert states(tmp_path) == {"folder": ("ok", "1 files to read: 1 .jsonl", "")}
    assert states(made(tmp_path / "a.md", "# Café\n".encode()))["file"][0] == "ok"
    assert "not UTF-8" in states(made(tmp_path / "b.md", b"caf\xe9\n"))["encoding"][1]


def test_repair_of_a_cut_line_of_50_mb_stays_small(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(
        ONE + b'\n{"instruction": "x", "output": "' + b"cut from here on \\n" * 2_800_000
    )
    script = (
        "import re\nfrom pathlib import Path\nfrom sftbench.clean.repair import repair\n"
        "report = repair('in.jsonl', Path('out.jsonl'))\n"
        "print(report.code, report.written, int(re.search(r'VmHWM:[^0-9]*([0-9]+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    code, written, megabytes = map(int, done.stdout.split())
    assert (code, written) == (3, 1) and megabytes < 500


def test_the_repair_command_says_what_it_did(tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SFTBENCH, "repair", *arguments], cwd=tmp_path, capture_output=True, text=True)

    (tmp_path / "in.jsonl").write_bytes(ONE + b",\n" + TWO + b"\n")
    (tmp_path / "lost.jsonl").write_bytes(ONE + b"\n" + pair(2, SECRET)[:-6])
    done, lost, same = (
        run("in.jsonl", "-o", "out.jsonl"),
        run("lost.jsonl", "-o", "b.jsonl"),
        run("in.jsonl", "-o", "in.jsonl"),
    )
    assert (done.returncode, lost.returncode, same.returncode) == (0, 3, 2)
    assert "2 lines: 1 as they were, 1 mended, 0 not mended; 2 objects written to out.jsonl" in done.stdout
    assert (
        "lost.jsonl:2: it is cut inside a value" in lost.stdout
        and SECRET[:8] not in lost.stdout + lost.stderr
    )
    assert "in.jsonl is the file to repair" in same.stderr
