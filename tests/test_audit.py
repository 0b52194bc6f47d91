"""The audit: no value that scrubbing replaces stands in anything that a run wrote, in whatever form."""

import base64
import bz2
import gzip
import html
import json
import lzma
import os
import shutil
import subprocess
import sys
import urllib.parse
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import plotly.graph_objects as go
import pytest

from sftbench.clean.audit import audit
from sftbench.clean.findings import fake
from sftbench.core.jsonl import read_json, write_json, write_samples
from sftbench.core.rundir import read_run
from sftbench.core.sample import Message, Sample
from sftbench.core.spec import read_spec
from sftbench.core.system import Problem, locate
from sftbench.operate import cli, pipeline
from sftbench.operate.audit_report import audit_table, problem
from sftbench.operate.auditing import RunAudit, audit_run
from sftbench.report.page import write_page

ROOT = Path(__file__).resolve().parent.parent
CANARY = fake("{w8}/&{w8}<{w4}'é")
PLAIN = fake("{w28}")
SPEC = """run: small
steps:
  - collect: {sources: {claude_code: {path: 'bundled:sessions'}}}
  - curate: {}
  - validate: {}
  - split: {}
"""
Plant = Callable[[Path, str], None]


def planted() -> dict[str, str]:
    "The secrets of the bundled sessions that are long enough to travel."
    found = read_json(ROOT / "tests" / "planted_secrets.json")
    values = {base64.b64decode(one["value_base64"]).decode(): one["name"] for one in found if one["secret"]}
    return {line: name for value, name in values.items() for line in value.split("\n") if len(line) >= 20}


def cell(**parts: object) -> str:
    "A notebook of one cell."
    return json.dumps({"cells": [{"cell_type": "code", "source": [], **parts}], "metadata": {}})


def in_an_output(folder: Path, value: str) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": [f"key: {value}\n"]}
    (folder / "notebook.ipynb").write_text(cell(outputs=[output]))


def in_a_shown_table(folder: Path, value: str) -> None:
    shown = {"text/html": [f"<td>{html.escape(json.dumps({'key': value}))}</td>"]}
    (folder / "notebook.ipynb").write_text(cell(outputs=[{"output_type": "display_data", "data": shown}]))


def in_papermill_parameters(folder: Path, value: str) -> None:
    metadata = {"papermill": {"parameters": {"token": value}}}
    (folder / "notebook.ipynb").write_text(cell(metadata=metadata))


def in_injected_parameters(folder: Path, value: str) -> None:
    (folder / "notebook.ipynb").write_text(cell(source=[f"token = {value!r}\n"]))


def in_a_plotly_page(folder: Path, value: str) -> None:
    figure = go.Figure(go.Bar(x=[f"host {value}"], y=[1]))
    (folder / "figure.html").write_text(figure.to_html(include_plotlyjs=False))


def in_a_figure_of_a_notebook(folder: Path, value: str) -> None:
    shown = {"text/html": [go.Figure(go.Bar(x=[value], y=[1])).to_html(include_plotlyjs=False)]}
    (folder / "notebook.ipynb").write_text(cell(outputs=[{"output_type": "display_data", "data": shown}]))


def in_the_report_page(folder: Path, value: str) -> None:
    messages = [Message("user", "What is it?"), Message("assistant", f"It is {value}")]
    write_samples(folder / "run" / "01_collect" / "samples.jsonl", [Sample(key="a", messages=messages)])
    write_page(folder / "run", folder / "report.html")
    shutil.rmtree(folder / "run")
    assert value not in (folder / "report.html").read_text()


def in_a_log(folder: Path, value: str) -> None:
    (folder / "run.log").write_text(f"08:12 ERROR refused: {value}\n")


def in_an_error_message(folder: Path, value: str) -> None:
    (folder / "run.log").write_text(f"ValueError: wrong token {value!r}\n")


def in_base64(shift: int) -> Plant:
    def plant(folder: Path, value: str) -> None:
        blob = base64.b64encode(f"{'x' * shift}{value}, and so on".encode()).decode()
        (folder / "blob.jsonl").write_text(json.dumps({"blob": blob}) + "\n")

    plant.__name__ = f"in_base64_{shift}"
    return plant


def in_lines_of_base64(folder: Path, value: str) -> None:
    text = base64.encodebytes(f"{'x' * 40}{value}{'y' * 40}".encode()).decode()
    (folder / "mail.txt").write_text(text)
    (folder / "samples.jsonl").write_text(json.dumps({"output": text}))


def in_base64_for_urls(folder: Path, value: str) -> None:
    (folder / "blob.txt").write_text(base64.urlsafe_b64encode(f"user:{value}".encode()).decode())


def in_base64_of_utf_16(folder: Path, value: str) -> None:
    (folder / "blob.txt").write_text(base64.b64encode(f"echo {value}".encode("utf-16-le")).decode())


def in_a_url(folder: Path, value: str) -> None:
    (folder / "urls.txt").write_text(f"https://example.org/?{urllib.parse.urlencode({'key': value})}\n")


def in_json(folder: Path, value: str) -> None:
    (folder / "samples.jsonl").write_text(json.dumps({"text": value}) + "\n")


def in_json_in_json(folder: Path, value: str) -> None:
    (folder / "samples.jsonl").write_text(json.dumps({"arguments": json.dumps({"key": value})}) + "\n")


def in_an_adapter_card(folder: Path, value: str) -> None:
    (folder / "adapter").mkdir()
    (folder / "adapter" / "README.md").write_text(f"---\nbase_model: scratch\n---\nTrained with {value}.\n")


def in_an_adapter(folder: Path, value: str) -> None:
    header = json.dumps({"__metadata__": {"note": value}}).encode()
    data = len(header).to_bytes(8, "little") + header + os.urandom(4096)
    (folder / "adapter_model.safetensors").write_bytes(data)


def in_a_hidden_file(folder: Path, value: str) -> None:
    (folder / ".old").mkdir()
    (folder / ".old" / ".cache").write_text(value)


def in_gzip(folder: Path, value: str) -> None:
    (folder / "samples.jsonl.gz").write_bytes(gzip.compress(json.dumps({"text": value}).encode()))


def in_the_second_part_of_a_gzip(folder: Path, value: str) -> None:
    (folder / "two.gz").write_bytes(gzip.compress(b"first") + gzip.compress(value.encode()))


def in_bzip2(folder: Path, value: str) -> None:
    (folder / "log.bz2").write_bytes(bz2.compress(value.encode()))


def in_xz(folder: Path, value: str) -> None:
    (folder / "log.xz").write_bytes(lzma.compress(value.encode()))


def in_a_zip(folder: Path, value: str) -> None:
    with zipfile.ZipFile(folder / "trace.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/log.txt", f"say {value}")


def in_utf_16_with_a_mark(folder: Path, value: str) -> None:
    (folder / "notes.txt").write_text(f"key {value}", encoding="utf-16")


def in_utf_16_without_one(folder: Path, value: str) -> None:
    (folder / "notes.txt").write_bytes(b"\0" + f"key {value}".encode("utf-16-be"))


def in_hexadecimal(folder: Path, value: str) -> None:
    (folder / "dump.txt").write_text(f"0x{value.encode().hex()}")


PLACES = [
    in_an_output, in_a_shown_table, in_papermill_parameters, in_injected_parameters, in_a_plotly_page,
    in_a_figure_of_a_notebook, in_the_report_page, in_a_log, in_an_error_message, *(in_base64(n) for n in range(3)),
    in_lines_of_base64, in_base64_for_urls, in_base64_of_utf_16, in_a_url, in_json, in_json_in_json, in_an_adapter_card, in_an_adapter,
    in_a_hidden_file, in_gzip, in_the_second_part_of_a_gzip, in_bzip2, in_xz, in_a_zip, in_utf_16_with_a_mark,
    in_utf_16_without_one, in_hexadecimal,
]  # fmt: skip


@pytest.mark.parametrize("value", [CANARY, PLAIN], ids=["with_marks", "plain"])
@pytest.mark.parametrize("plant", PLACES, ids=lambda plant: plant.__name__)
def test_a_canary_is_found(tmp_path: Path, plant: Plant, value: str) -> None:
    plant(tmp_path, value)
    others = {fake("{w24}", seed): "OTHER" for seed in range(50)}
    hits = audit(tmp_path, others | {value: "CANARY"})
    assert {hit.kind for hit in hits} == {"CANARY"}
    assert {hit.path for hit in hits} == {
        p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()
    }
    assert audit(tmp_path, others) == []


def test_a_canary_in_a_file_name_is_found(tmp_path: Path) -> None:
    (tmp_path / f"{PLAIN}.log").write_text("")
    assert [hit.form for hit in audit(tmp_path, [PLAIN])] == ["name"]


def test_a_canary_is_found_wherever_the_pieces_of_a_large_file_meet(tmp_path: Path) -> None:
    edge = 1 << 22
    for start in (edge - 40, edge - 28, edge - 14, edge - 8, edge - 1, edge, edge + 5, 2 * edge - 3):
        (tmp_path / "large.bin").write_bytes(b" " * start + PLAIN.encode())
        assert [hit.offset for hit in audit(tmp_path, [PLAIN])] == [start]


def test_part_of_a_longer_word_is_no_hit_but_an_escape_before_it_is_none(tmp_path: Path) -> None:
    short = fake("{a9}")
    (tmp_path / "a.txt").write_text(f"x{short} {short}y {short[:-1]}")
    assert audit(tmp_path, [short]) == []
    (tmp_path / "b.txt").write_text(f'"\\n{short}"')
    assert [hit.path for hit in audit(tmp_path, [short])] == ["b.txt"]


def raw_log(folder: Path) -> Path:
    "A session with secrets, as its program wrote it, in a run's folder."
    return Path(shutil.copy(next(locate("bundled:sessions").rglob("00bb8c8d*.jsonl")), folder / "stray.log"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "small.yaml").write_text(SPEC)
    pipeline.run(read_spec(folder / "small.yaml"), outputs=folder, engine="inline", tell=lambda line: None)
    return folder


@pytest.fixture
def outputs(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "outputs")
    return tmp_path / "outputs"


def again(outputs: Path) -> list[str]:
    "Run the small spec again."
    said: list[str] = []
    pipeline.run(read_spec(outputs / "small.yaml"), outputs=outputs, engine="inline", tell=said.append)
    return said


def test_a_run_is_audited_and_clean(finished: Path) -> None:
    report = read_json(finished / "small" / "audit.json")
    assert report["status"] == "clean" and report["hits"] == [] and report["records"] == 17
    assert {"AWS_ACCESS_KEY", "GITHUB_TOKEN", "PASSWORD", "PRIVATE_KEY", "JWT"} <= report["values"].keys()
    files = [
        p for p in (finished / "small").rglob("*") if p.is_file() and p.name not in ("audit.json", ".lock")
    ]
    assert report["files"] == len(files) == len(report["searched"])
    assert audit(finished / "small", planted()) == []


def test_a_second_run_searches_nothing_again(outputs: Path) -> None:
    again(outputs)  # a copy has other times
    assert again(outputs)[-1].endswith("none found  (unchanged)")


def test_only_what_is_new_is_searched(outputs: Path) -> None:
    again(outputs)
    stray = raw_log(outputs / "small")
    searched: list[str] = []
    watched = RunAudit(outputs / "small")
    with pytest.MonkeyPatch.context() as patch:
        search = pipeline.RunAudit.search.__globals__["audit_file"]
        patch.setitem(
            pipeline.RunAudit.search.__globals__,
            "audit_file",
            lambda path, *rest: (searched.append(path.name), search(path, *rest))[1],
        )
        report = watched.search()
    assert searched == [stray.name] and report.status == "hits"


def test_a_leak_fails_the_run_and_its_report_holds_no_value(outputs: Path) -> None:
    stray = raw_log(outputs / "small")
    with pytest.raises(Problem, match=r"found a value of kind \w+ in stray\.log") as caught:
        again(outputs)
    assert caught.value.code == 1 and "Share nothing of this run" in caught.value.remedy
    assert read_run(outputs / "small").status == "failed"
    written = (outputs / "small" / "audit.json").read_text()
    assert not [value for value in planted() if value in written]
    stray.unlink()
    assert "none found" in again(outputs)[-1]
    assert read_run(outputs / "small").status == "done"


def test_a_leak_stays_a_failure_until_it_is_mended(outputs: Path) -> None:
    raw_log(outputs / "small")
    for _ in range(2):
        with pytest.raises(Problem, match="audit found"):
            again(outputs)


def test_a_run_without_scrubbing_fails_and_names_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raw(samples, *, out=None):  # type: ignore[no-untyped-def]
        write_json(out / "scrub.json", {"found": [], "samples_touched": 0, "placeholders": 0})
        yield from samples

    (tmp_path / "small.yaml").write_text(SPEC)
    monkeypatch.setattr("sftbench.clean.scrub.scrub", raw)
    command = [
        "sftbench",
        "run",
        str(tmp_path / "small.yaml"),
        "--outputs",
        str(tmp_path),
        "--engine",
        "inline",
    ]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert (
        "in 01_collect/samples.jsonl" in said
        and "--from 01_collect --force" in said
        and "Traceback" not in said
    )
    report = read_json(tmp_path / "small" / "audit.json")
    kinds = {hit["kind"] for hit in report["hits"]}
    assert {"AWS_ACCESS_KEY", "GITHUB_TOKEN", "PRIVATE_KEY", "JWT", "SLACK_TOKEN"} <= kinds
    assert {"01_collect/samples.jsonl", "02_curate/samples.jsonl"} <= report["found"].keys()
    told = audit_table(RunAudit(tmp_path / "small").search())
    shown = (tmp_path / "small" / "audit.json").read_text() + said + told
    assert not [value for value in planted() if value in shown]


def test_a_step_that_brings_raw_data_in_is_named(tmp_path: Path) -> None:
    raw = raw_log(tmp_path).read_text()
    messages = [Message("user", "What does the log say?"), Message("assistant", raw[4000:9000])]
    write_samples(tmp_path / "buffer.jsonl", [Sample(key="b", messages=messages)])
    buffer = f"  - rehearse: {{buffer: ['{tmp_path / 'buffer.jsonl'}'], ratio: 0.1}}\n"
    (tmp_path / "small.yaml").write_text(SPEC + buffer)
    command = [
        Path(sys.executable).with_name("sftbench"),
        "run",
        str(tmp_path / "small.yaml"),
        "--engine",
        "inline",
    ]
    done = subprocess.run([*command, "--outputs", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "in 05_rehearse/samples.jsonl" in done.stderr and "05_rehearse brings it in" in done.stderr


def test_a_value_in_a_file_name_is_not_told(outputs: Path) -> None:
    value = max(planted(), key=len)
    name = next(part for part in value.split() if len(part) >= 20).replace("/", "%2F")[:200]
    token = next(
        v for v, kind in RunAudit(outputs / "small").derived.values.items() if kind == "GITHUB_TOKEN"
    )
    (outputs / "small" / f"{token}.txt").write_text(name)
    report = audit_run(outputs / "small")
    assert "<GITHUB_TOKEN>.txt" in report.found
    assert token not in msgspec.json.encode(report).decode() + audit_table(report) + str(problem(report))


def told(folder: Path, *answers: str) -> Path:
    "A file of samples."
    lines = [json.dumps({"instruction": "What does the note say?", "output": answer}) for answer in answers]
    (folder / "notes.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "notes.jsonl"


def test_what_scrubbing_was_told_to_leave_is_no_hit(tmp_path: Path) -> None:
    address = "mara.lindqvist" + "@" + "quayside.org"
    notes = told(tmp_path, f"Write to {address}, the answer takes a day or two.")
    spec = "run: %s\nsteps:\n  - collect: {sources: {jsonl: {path: %s}}, scrub: {personal: %s}}\n"
    for name, personal in (("all", "true"), ("some", "false")):
        (tmp_path / f"{name}.yaml").write_text(spec % (name, notes, personal))
        run = read_spec(tmp_path / f"{name}.yaml")
        pipeline.run(run, outputs=tmp_path, engine="inline", tell=lambda line: None)
    assert address not in (tmp_path / "all" / "01_collect" / "samples.jsonl").read_text()
    assert address in (tmp_path / "some" / "01_collect" / "samples.jsonl").read_text()
    assert read_json(tmp_path / "all" / "audit.json")["values"] == {"EMAIL": 1}
    assert read_json(tmp_path / "some" / "audit.json")["values"] == {}


def test_known_values_are_searched_for_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = fake("{w18}")
    (tmp_path / ".env").write_text(f"DEPLOY_PASSWORD={own}\n")
    told(tmp_path, "Ask for the word, then wait for the light to turn green.")
    options = "{sources: {jsonl: {path: notes.jsonl}}, scrub: {known_values: auto}}"
    (tmp_path / "known.yaml").write_text(f"run: known\nsteps:\n  - collect: {options}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    pipeline.run(read_spec("known.yaml"), engine="inline", tell=lambda line: None)
    assert read_json("outputs/known/audit.json")["values"].get("PASSWORD") == 1
    Path("outputs/known/notes.log").write_text(f"deployed with {own}")
    with pytest.raises(Problem, match=r"kind PASSWORD in notes\.log"):
        pipeline.run(read_spec("known.yaml"), engine="inline", tell=lambda line: None)


def test_records_that_left_their_source_make_an_audit_incomplete(tmp_path: Path) -> None:
    answers = [f"The light on page {number} turns green after some minutes." for number in range(3)]
    notes = told(tmp_path, *answers)
    (tmp_path / "gone.yaml").write_text(
        f"run: gone\nsteps:\n  - collect: {{sources: {{jsonl: {{path: {notes}}}}}}}\n"
    )
    run = read_spec(tmp_path / "gone.yaml")
    pipeline.run(run, outputs=tmp_path, engine="inline", tell=lambda line: None)
    told(tmp_path, answers[0])
    report = audit_run(tmp_path / "gone")
    assert (report.status, report.missing) == ("incomplete", 2)
    assert "2 records are not in their sources any more" in audit_table(report)


def test_what_cannot_be_opened_is_named(outputs: Path) -> None:
    (outputs / "small" / "signatures.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    (outputs / "small" / "cut.gz").write_bytes(gzip.compress(os.urandom(999))[:500])
    (outputs / "small" / "elsewhere").symlink_to(outputs)
    report = audit_run(outputs / "small")
    assert report.closed.keys() == {"signatures.parquet", "cut.gz", "elsewhere"} and report.status == "clean"
    assert "signatures.parquet: not searched whole" in audit_table(report)


def test_only_the_spec_turns_an_audit_off(outputs: Path) -> None:
    raw_log(outputs / "small")
    record = read_json(outputs / "small" / "run.json")
    record["spec"]["audit"] = "off"
    write_json(outputs / "small" / "run.json", record)
    assert audit_run(outputs / "small").status == "off"
    record["spec"]["audit"] = "on"
    write_json(outputs / "small" / "run.json", record)
    assert audit_run(outputs / "small").status == "hits"
