"""What a finished run claims: ledgers, origins, no secret, a better adapter, one page."""

import base64
import html
import json
import random
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from sftbench.clean.audit import audit
from sftbench.core.jsonl import read_samples
from sftbench.core.params import step_names
from sftbench.core.rundir import file_hash, read_run, read_step, step_folders
from sftbench.operate.trace import trace

ROOT = Path(__file__).resolve().parent.parent
PLANTED = json.loads((ROOT / "tests" / "planted_secrets.json").read_text())


def planted(secret: bool = True) -> list[str]:
    return [
        base64.b64decode(entry["value_base64"]).decode() for entry in PLANTED if entry["secret"] is secret
    ]


def folder_of(run: Path, step: str) -> Path:
    return next(folder for folder in step_folders(run) if folder.name.endswith("_" + step))


def test_every_step_notebook_was_executed_by_papermill(tiny):
    ran = {folder.name.split("_", 1)[1] for folder in step_folders(tiny)}
    assert ran == set(step_names())
    for folder in step_folders(tiny):
        cells = json.loads((folder / "notebook.ipynb").read_text())["cells"]
        errors = [o for c in cells for o in c.get("outputs", ()) if o["output_type"] == "error"]
        assert not errors and any(c.get("outputs") for c in cells)


def test_the_ledger_holds_at_every_step(tiny):
    kept = 0
    for folder in step_folders(tiny):
        record = read_step(folder)
        counts = record.counts
        assert (
            counts.in_ == kept and counts.in_ + counts.made == counts.kept + counts.dropped + counts.consumed
        )
        assert sum(record.reasons.values()) == counts.dropped
        for name, mark in record.hashes.items():
            assert file_hash(folder / name) == mark
        kept = counts.kept


def test_every_reason_word_was_declared(tiny):
    from sftbench.core.registry import KINDS, components

    declared = {word for kind in KINDS for found in components(kind).values() for word in found.reasons}
    given = {word for folder in step_folders(tiny) for word in read_step(folder).reasons}
    assert given and given <= declared


def test_trained_samples_are_traced_to_file_and_lines(tiny):
    samples = [s for s in read_samples(folder_of(tiny, "rebalance") / "samples.jsonl") if s.split == "train"]
    for sample in random.Random(3).sample(samples, 12):
        if sample.meta.get("rehearsal"):
            continue
        found = trace(tiny, sample.key)
        assert "tokens learnt from" in found.trained[0] and found.split == "train"
        assert found.place and found.lines and found.excerpt, sample.origin
        assert found.steps[0].step == "01_collect"


def test_no_group_and_no_parent_crosses_the_split(tiny):
    samples = list(read_samples(folder_of(tiny, "split") / "samples.jsonl"))
    splits: dict[str, set[str]] = {}
    for sample in samples:
        splits.setdefault(sample.group, set()).add(sample.split)
    assert not [group for group, found in splits.items() if len(found) > 1]
    certificate = json.loads((folder_of(tiny, "split") / "split_certificate.json").read_text())
    assert certificate["edges"] and all(edge["across"] == 0 for edge in certificate["edges"])


def encodings(value: str) -> set[bytes]:
    raw = value.encode()
    found = {raw, html.escape(value).encode(), urllib.parse.quote(value, safe="").encode()}
    found |= {json.dumps(value)[1:-1].encode(), json.dumps(json.dumps(value)[1:-1])[1:-1].encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        found.add(text[-(-shift * 8 // 6) + 1 : len(text) - 1])
    return {one for one in found if len(one) >= 8}


@pytest.mark.parametrize("entry", [e for e in PLANTED if e["secret"]], ids=lambda e: e["name"])
def test_no_planted_secret_is_anywhere_in_the_run(tiny, entry):
    value = base64.b64decode(entry["value_base64"]).decode()
    for path in (p for p in tiny.rglob("*") if p.is_file()):
        data = path.read_bytes()
        assert not [e for e in encodings(value) if e in data], f"{entry['name']} in {path.relative_to(tiny)}"


def test_the_audit_finds_nothing_here_and_everything_in_a_raw_run(tiny, tmp_path):
    assert not audit(tiny, planted())
    (tmp_path / "notebook.ipynb").write_text(json.dumps({"cells": [{"outputs": [{"text": planted()[0]}]}]}))
    assert audit(tmp_path, planted())


def test_the_adapter_is_better_on_val_than_its_base(tiny):
    training = json.loads((folder_of(tiny, "train") / "training.json").read_text())
    assert training["adapter_val_loss"] < training["base_val_loss"]


def test_the_ledger_of_tokens_is_what_the_collator_saw(tiny):
    ledger = json.loads((folder_of(tiny, "train") / "loss_ledger.json").read_text())
    assert ledger["totals"]["trained"] == ledger["collator"]["trained"] > 0
    assert ledger["totals"]["tokens"] == ledger["collator"]["tokens"]


def test_convert_writes_what_load_dataset_reads(tiny):
    folder = folder_of(tiny, "convert")
    files = json.loads((folder / "convert.json").read_text())["files"]
    assert {entry["split"] for entry in files} == {"train", "val", "test"}
    for entry in files:
        lines = (folder / entry["path"]).read_text().splitlines()
        assert len(lines) == entry["records"] and all(json.loads(line) for line in lines)


def test_a_second_run_has_nothing_to_do(tiny):
    sftbench = Path(sys.executable).with_name("sftbench")
    command = [sftbench, "run", "params/tiny.yaml", "--outputs", "outputs/test"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    steps_and_audit = len(read_run(tiny).steps) + 1
    assert done.returncode == 0 and done.stdout.count("(unchanged)") == steps_and_audit
