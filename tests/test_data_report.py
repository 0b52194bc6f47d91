"""data_report.json: a stable shape, sums that add up, the same figures as the page."""

import html
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_up_run import demo_run

from sftbench.core.jsonl import read_json, read_samples, write_json, write_lines
from sftbench.core.spec import read_spec
from sftbench.core.system import locate
from sftbench.operate import pipeline
from sftbench.report.data_report import data_report, write_data_report
from sftbench.report.data_schema import FIELDS, DataReport
from sftbench.report.page import page, write_page
from sftbench.report.tables import headline
from sftbench.report.tables_data import audited, lengths, parts, reasons, secrets, split_sizes
from sftbench.report.token_counts import Template, token_counts

SPEC = """run: small
steps:
  - collect: {sources: {claude_code: {path: 'bundled:sessions'}, skills: {path: 'bundled:skills'}}}
  - scrub: {}
  - score: {profile: halops}
  - curate: {}
  - validate: {min_chars: 300}
  - score: {profile: default}
  - dedup: {threshold: 0.4}
  - split: {train: 0.8, val: 0.1, test: 0.1}
"""
SHAPE = {
    "DataReport": "schema run seed model collected samples steps by tokens duplicates secrets split audit",
    "StepLine": "name verb counts reasons quarantined by",
    "Share": "value kept dropped",
    "Part": "value collected dropped samples splits tokens trained",
    "Tokens": "model of refused why lengths",
    "Lengths": "value samples total trained shortest median mean p95 longest",
    "Duplicates": "step samples exact near clusters removed threshold",
    "Secrets": "total samples_touched kinds",
    "SecretKind": "kind count distinct sources layers",
    "SplitProof": "components largest samples asked reached edges proven",
    "Edge": "kind pairs across",
    "Audited": "status values found",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "small.yaml").write_text(SPEC)
    pipeline.run(read_spec(folder / "small.yaml"), outputs=folder, engine="inline", tell=lambda line: None)
    return folder / "small"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_run(tmp_path_factory.mktemp("runs") / "demo", samples=400)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "small"))


def table_of(text: str, title: str) -> list[list[str]]:
    "The rows of a table of the page, as text."
    block = text[text.index(f"<h3>{html.escape(title)}</h3>") :]
    body = block[block.index("<tbody>") : block.index("</tbody>")]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in rows]


def test_the_shape_is_a_promise() -> None:
    found = {
        name: " ".join(one["properties"]) for name, one in msgspec.json.schema(DataReport)["$defs"].items()
    }
    assert found == SHAPE
    assert FIELDS == ("source", "domain", "track", "tier") and data_report(Path("nowhere")).schema == 1


def test_every_breakdown_adds_up(run: Path) -> None:
    report = read_json(run / "data_report.json", DataReport)
    assert [step.name for step in report.steps] == sorted(
        path.parent.name for path in run.glob("*/step.json")
    )
    for step in report.steps:
        for field in FIELDS:
            assert sum(share.kept for share in step.by[field]) == step.counts["kept"]
            for reason, count in step.reasons.items():
                assert sum(share.dropped.get(reason, 0) for share in step.by[field]) == count
    assert report.steps[4].reasons["too_short"] > 0
    left = list(read_samples(run / "08_split" / "samples.jsonl"))
    assert report.samples == len(left)
    for found in report.by.values():
        assert sum(part.samples for part in found) == len(left)
        assert all(sum(part.splits.values()) == part.samples for part in found)
    assert {part.value: part.samples for part in report.by["source"]}.keys() == {"claude_code", "skills"}


def test_tokens_are_those_of_the_models_template(run: Path) -> None:
    template = pytest.importorskip("sftbench.models.template")
    pytest.importorskip("transformers")
    tokenizer = template.chat_tokenizer("scratch")
    samples = list(read_samples(run / "08_split" / "samples.jsonl"))
    texts = [template.chat_text(sample, tokenizer) for sample in samples]
    assert texts == [template.chat_text(sample, Template("scratch")) for sample in samples]
    counts = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    tokens = data_report(run).tokens
    assert tokens and tokens.of == "left" and tokens.lengths[0].trained is None
    whole = tokens.lengths[0]
    assert (whole.samples, whole.total, whole.longest) == (len(counts), sum(counts), max(counts))
    assert sum(one.total for one in tokens.lengths[1:]) == whole.total
    assert sum(part.tokens or 0 for part in data_report(run).by["track"]) == whole.total


def test_of_a_trained_run_the_trainers_counts_are_taken(copy: Path) -> None:
    keys = [sample.key for sample in read_samples(copy / "08_split" / "samples.jsonl")][:3]
    (copy / "09_train").mkdir()
    rows = [{"key": key, "tokens": 10 * n, "trained": n} for n, key in enumerate(keys, 1)]
    write_lines(copy / "09_train" / "trained.jsonl", rows)
    write_json(copy / "09_train" / "step.json", {"name": "09_train", "verb": "train", "counts": {"kept": 1}})
    tokens = data_report(copy).tokens
    assert tokens and tokens.of == "trained"
    assert (tokens.lengths[0].total, tokens.lengths[0].trained, tokens.lengths[0].median) == (60, 6, 20)


def test_a_model_that_is_not_here_gives_a_sentence(copy: Path) -> None:
    record = read_json(copy / "run.json")
    write_json(copy / "run.json", record | {"spec": record["spec"] | {"model": "someone/far-away"}})
    counted = token_counts(copy)
    assert counted and not counted.tokens and "someone/far-away is not on this machine" in counted.why
    assert lengths(copy).title == "Tokens were not counted"
    assert all(part.tokens is None for part in data_report(copy).by["source"])


def test_scrubbing_steps_are_counted_together(run: Path) -> None:
    first, second = (read_json(run / name / "scrub.json")["found"] for name in ("01_collect", "02_scrub"))
    found = data_report(run).secrets
    assert found and first and found.total == sum(row["count"] for row in [*first, *second])
    for kind in found.kinds:
        assert kind.count == sum(kind.sources.values()) == sum(kind.layers.values())
    tiles = {tile.label: tile.value for tile in headline(run)}
    assert tiles["secrets removed"] == f"{found.total:,}"


def test_no_value_stands_in_it(run: Path) -> None:
    assert read_json(run / "audit.json")["status"] == "clean"
    assert "data_report.json" in read_json(run / "audit.json")["searched"]


def test_the_split_is_proven_only_while_nothing_crosses(copy: Path) -> None:
    proof = data_report(copy).split
    assert proof and proof.proven and sum(proof.samples.values()) == data_report(copy).samples
    certificate = read_json(copy / "08_split" / "split_certificate.json")
    certificate["edges"][0]["across"] = 1
    write_json(copy / "08_split" / "split_certificate.json", certificate)
    torn = data_report(copy).split
    assert torn and not torn.proven
    write_json(copy / "08_split" / "split_certificate.json", certificate | {"edges": []})
    unproven = data_report(copy).split
    assert unproven and not unproven.proven


def test_duplicates_are_what_the_step_dropped(run: Path) -> None:
    (found,) = data_report(run).duplicates
    assert found.step == "07_dedup" and found.threshold == 0.4
    step = next(step for step in data_report(run).steps if step.name == "07_dedup")
    assert found.removed == step.counts["dropped"] and found.samples == step.counts["in"]


def test_the_page_and_the_file_say_the_same(run: Path, tmp_path: Path) -> None:
    text, report = page(run), read_json(run / "data_report.json", DataReport)
    shown = table_of(text, parts(run).title)
    expected = [[field, part.value, f"{part.samples:,}"] for field in FIELDS for part in report.by[field]
                if len(report.by[field]) > 1 or part.value != "none"]  # fmt: skip
    assert [[row[0], row[1], row[4]] for row in shown] == expected
    lost = {(row[0], row[1].replace(" ", "_")): int(row[2]) for row in table_of(text, reasons(run).title)}
    assert lost == {(step.name, word): n for step in report.steps for word, n in step.reasons.items()}
    assert report.secrets and report.tokens and report.split and report.audit
    assert [int(row[1]) for row in table_of(text, secrets(run).title)] == [
        kind.count for kind in report.secrets.kinds
    ]
    assert table_of(text, lengths(run).title)[0][2] == f"{report.tokens.lengths[0].total:,}"
    sizes = {row[0]: int(row[1]) for row in table_of(text, split_sizes(run).title)}
    assert sizes == report.split.samples
    searched = table_of(text, audited(run).title)
    assert sum(int(row[1]) for row in searched) == sum(report.audit.values.values())


def test_notebooks_and_no_notebooks_write_the_same_file(copy: Path) -> None:
    before = (copy / "data_report.json").read_bytes()
    (copy / "data_report.json").unlink()
    write_page(copy)
    assert (copy / "data_report.json").read_bytes() == before


def test_a_page_elsewhere_or_of_one_step_writes_no_numbers(copy: Path, tmp_path: Path) -> None:
    (copy / "data_report.json").unlink()
    write_page(copy, tmp_path / "elsewhere.html")
    write_page(copy / "07_dedup")
    assert not list(tmp_path.rglob("data_report.json"))


def test_a_changed_run_changes_its_numbers(copy: Path) -> None:
    before = data_report(copy)
    assert data_report(copy) is before
    write_lines(
        copy / "08_split" / "samples.jsonl", list(read_samples(copy / "08_split" / "samples.jsonl"))[:5]
    )
    assert sum(part.samples for part in data_report(copy).by["source"]) == 5


def test_damage_costs_numbers_not_the_report(demo: Path, tmp_path: Path) -> None:
    whole = data_report(demo)
    assert whole.samples and whole.split and whole.tokens and whole.secrets
    for number in range(2):
        hurt = tmp_path / f"hurt{number}"
        shutil.copytree(demo, hurt)
        for place, file in enumerate(sorted(hurt.rglob("*.json*"))):
            if file.parent != hurt and place % 2 == number:
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        read_json(write_data_report(hurt), DataReport)
    nonsense: list[Any] = [
        [],
        3,
        {"found": 5},
        {"found": ["x", {"count": "many"}]},
        {"edges": [3]},
        {"ratios": 1},
    ]
    for number, value in enumerate(nonsense):
        odd = tmp_path / f"odd{number}"
        shutil.copytree(demo, odd)
        for name in ("scrub.json", "dedup.json", "split_certificate.json", "audit.json"):
            write_json(odd / "06_dedup" / name, value)
            write_json(odd / "07_split" / name, value)
            write_json(odd / "audit.json", value)
        read_json(write_data_report(odd), DataReport)


def test_a_step_that_never_ran_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "bare" / "01_collect").mkdir(parents=True)
    empty = data_report(tmp_path / "bare")
    assert (empty.samples, empty.steps, empty.tokens, empty.secrets, empty.split) == (0, [], None, None, None)


def test_a_template_may_refuse_a_sample(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(locate("bundled:tokenizer"), folder)
    (folder / "chat_template.jinja").write_text(
        "{%- generation -%}{% for m in messages %}{% if 'refuse' in m.content %}{{ raise_exception('no') }}{% endif %}"
        "{{ m.role }}: {{ m.content }}{% endfor %}{%- endgeneration -%}"
    )
    (tmp_path / "run" / "01_collect").mkdir(parents=True)
    write_json(tmp_path / "run" / "run.json", {"run": "run", "spec": {"model": str(folder)}})
    lines = [{"key": key, "messages": [{"role": "user", "content": text}]}
             for key, text in (("a", "please refuse"), ("b", "hello"))]  # fmt: skip
    write_lines(tmp_path / "run" / "01_collect" / "samples.jsonl", lines)
    counted = token_counts(tmp_path / "run")
    assert counted and counted.refused == 1 and counted.tokens.keys() == {"b"}
