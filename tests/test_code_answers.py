"""Answers about code: grounded, whole, different from each other, and true in every language."""

import ast
import importlib
import inspect
import os
import re
import sqlite3
import subprocess
import sysconfig
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
import pytest

from sftbench.clean.dedup import dedup
from sftbench.collect.code_facts import Book, is_test, package_prefix
from sftbench.collect.code_patterns import code_patterns
from sftbench.collect.code_returns import returns_of
from sftbench.collect.code_sentences import untagged
from sftbench.collect.codebase import codebase
from sftbench.collect.file_manifest import make_manifest, verify_manifest, write_manifest
from sftbench.collect.file_titles import title_of
from sftbench.collect.files import open_tree
from sftbench.collect.grammars import LANGUAGES, error_line, syntax_tree
from sftbench.collect.manifest import manifest
from sftbench.collect.python_returns import ends_without
from sftbench.collect.symbols import parse_module
from sftbench.collect.verify_docs import verify_docs
from sftbench.core.jsonl import collecting_unreadable
from sftbench.core.sample import Message, content_id

STDLIB = Path(sysconfig.get_paths()["stdlib"])
PARTS = ["json", "asyncio", "email", "http", "importlib", "logging", "urllib", "xml", "concurrent", "wsgiref"]
BLOCK = re.compile(r"(?ms)^(?P<fence>`{3,})(?P<language>\w*)\n(?P<code>.*?)\n(?P=fence)$")
FILES = {
    "rust/tide.rs": """//! Heights of the water by minute of the day.

/// Minutes of the day of a clock time such as `06:30`.
///
/// Returns `None` when the hour is above 23.
pub fn minutes(clock: &str) -> Option<u32> {
    let (hour, minute) = clock.split_once(':')?;
    let hour: u32 = hour.parse().ok()?;
    if hour > 23 {
        return None;
    }
    Some(hour * 60 + minute.parse::<u32>().ok()?)
}

/// The minutes between two clock times of one day.
pub fn between(from: &str, to: &str) -> Result<u32, String> {
    let first = minutes(from).ok_or("no time")?;
    let last = minutes(to).ok_or("no time")?;
    if last < first {
        return Err(format!("{to} is before {from}"));
    }
    Ok(last - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_refuses_a_25th_hour() {
        assert_eq!(minutes("25:00"), None);
    }
}
""",
    "web/retry.ts": """/** Pauses between the tries of a job that talks to a server. */

/** Milliseconds to wait before the next try: doubles each time, at most half a minute. */
export function backoff(turn: number, first = 200): number {
  if (turn < 0) {
    throw new RangeError('turn counts from 0');
  }
  const pause = first * 2 ** turn;
  return Math.min(pause, 30_000);
}

/** Keeps jobs in the order in which they shall run. */
export class Queue {
  private jobs: string[] = [];

  /** Adds a job at the end, and says at which place it stands now. */
  add(job: string): number {
    if (this.jobs.includes(job)) {
      return this.jobs.indexOf(job);
    }
    this.jobs.push(job);
    return this.jobs.length - 1;
  }
}
""",
    "web/retry.test.ts": """import { expect, it } from 'vitest';
import { backoff } from './retry';

it('backoff refuses a negative turn', () => {
  expect(() => backoff(-1)).toThrow(RangeError);
});
""",
    "web/scale.js": """/** A linear scale from values to pixels; refuses a range without values. */
export function scale(low, high, pixels) {
  if (high <= low) {
    throw new RangeError('an empty range');
  }
  const factor = pixels / (high - low);
  return (value) => (value - low) * factor;
}
""",
    "web/Chart.vue": """<!-- A chart of the water over one day. -->
<template><svg><polyline :points="points" /></svg></template>

<script setup lang="ts">
import { scale } from './scale'

/** The points of a polyline through all readings, high water at the top. */
function line(readings: number[], width: number, height: number): string {
  if (readings.length < 2) {
    return ''
  }
  const x = scale(0, readings.length - 1, width)
  const y = scale(0, Math.max(...readings), height)
  return readings.map((one, place) => x(place) + ',' + (height - y(one))).join(' ')
}
</script>
""",
    "ios/Logbook.swift": """// The logbook of a ship, one entry a line.
import Foundation

/// The great-circle distance between two latitudes on one meridian, in nautical miles.
func meridian(_ from: Double, _ to: Double) -> Double {
    let degrees = abs(to - from)
    if degrees > 180 {
        return 0
    }
    let miles = degrees * 60
    return miles
}

/// The whole way along several latitudes, one after the other.
func way(_ latitudes: [Double]) -> Double {
    var miles = 0.0
    for (from, to) in zip(latitudes, latitudes.dropFirst()) {
        miles += meridian(from, to)
    }
    return miles
}
""",
    "bin/backup.sh": """#!/usr/bin/env bash
# Copies the databases of the harbour and keeps the newest copies.

# Removes all copies in a folder but the newest ones.
prune() {
  local folder=$1 keep=${2:-7}
  if [[ ! -d $folder ]]; then
    echo "no folder $folder" >&2
    return 2
  fi
  ls -1t "$folder"/*.gz | tail -n "+$((keep + 1))" | xargs -r rm --
}

# Copies one database while it is in use, and prunes the folder afterwards.
copy_database() {
  local from=$1 to=$2
  sqlite3 "$from" ".backup '$to'"
  gzip -f "$to"
  prune "$(dirname "$to")" 7
}
""",
    "cpp/ring.cpp": """// Means of the readings of a sensor.
#include <stdexcept>
#include <vector>
#include "ring.hpp"

namespace harbour {

/// The mean of all readings; there must be one at least.
double mean(const std::vector<double>& readings) {
  if (readings.empty()) {
    throw std::domain_error("no readings");
  }
  double sum = 0;
  for (double reading : readings) {
    sum += reading;
  }
  return sum / static_cast<double>(readings.size());
}

/// Whether the last reading is further from the mean than a number of units.
bool is_outlier(const std::vector<double>& readings, double most) {
  if (readings.size() < 2) {
    return false;
  }
  const double middle = mean(readings);
  return readings.back() > middle + most || readings.back() < middle - most;
}

}  // namespace harbour
""",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def answer_of(sample):
    return sample.messages[1].content


def by_task(samples):
    found = defaultdict(list)
    for sample in samples:
        found[sample.meta["task"]].append(sample)
    return found


def alike(samples):
    "Answers that are nearly the same as another one, the questions left away."
    bare = [msgspec.structs.replace(s, messages=[Message("user", ""), s.messages[1]]) for s in samples]
    return [sample for sample in dedup(bare) if sample.drop]


def asked_about(folder, samples):
    "Public documented functions of at least three statements, with the kinds of question about each."
    tree = open_tree(folder, (".py",))
    kinds = defaultdict(set)
    for sample in samples:
        kinds[sample.origin.path, sample.meta["symbol"]].add(sample.meta["task"])
    return [
        kinds[symbol.path, symbol.dotted]
        for module in Book(tree, package_prefix(tree)).modules
        for symbol in module.symbols
        if not symbol.is_type
        and symbol.docstring
        and symbol.statements >= 3
        and not is_test(symbol.path)
        and not any(part.startswith("_") for part in symbol.name.split("."))
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    "Some packages of the standard library, copied so that they are one tree."
    folder = tmp_path_factory.mktemp("library")
    for part in PARTS:
        for file in sorted((STDLIB / part).rglob("*.py")):
            target = folder / file.relative_to(STDLIB)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="module")
def told(library):
    return list(codebase(path=[str(library)]))


@pytest.fixture(scope="module")
def harbour(tmp_path_factory):
    return write(tmp_path_factory.mktemp("harbour"), FILES)


@pytest.fixture(scope="module")
def spoken(harbour):
    with collecting_unreadable() as reports:
        found = list(codebase(path=[str(harbour)], min_chars=50))
    assert not reports
    return found


def test_answers_about_the_standard_library_are_true_different_and_many_for_each_function(library, told):
    checked = verify_docs(told, library)
    assert checked.places > 15_000
    assert checked.stale == []
    assert len(alike(told)) < 0.01 * len(told)
    kinds = asked_about(library, told)
    assert len(kinds) > 500
    assert sum(len(found) >= 5 for found in kinds) > 0.75 * len(kinds)
    assert set(by_task(told)) >= {"explain", "write", "complete", "document", "callers", "errors", "results"}


def test_a_well_documented_package_has_five_kinds_for_nearly_every_public_function():
    samples = list(codebase(path=["package:core"]))
    kinds = asked_about("package:core", samples)
    assert sum(len(found) >= 5 for found in kinds) > 0.9 * len(kinds) > 50
    assert len(alike(samples)) < 0.01 * len(samples)


def test_code_in_an_answer_is_whole_can_be_parsed_and_starts_at_the_left(told):
    checked = Counter()
    for sample in told:
        if sample.meta["task"] not in ("write", "complete", "test", "document"):
            continue
        for block in BLOCK.finditer(answer_of(sample)):
            code = block["code"]
            assert not code[:1].isspace() and ast.parse(code).body
            checked[sample.meta["task"]] += 1
    assert min(checked["write"], checked["complete"], checked["document"]) > 300


def test_the_second_half_in_the_place_of_the_dots_gives_the_whole(told, spoken):
    whole = {
        (s.origin.path, s.origin.lines): BLOCK.search(answer_of(s))["code"]
        for s in [*told, *spoken]
        if s.meta["task"] == "write"
    }
    checked = Counter()
    for sample in [*told, *spoken]:
        source = whole.get((sample.origin.path, sample.origin.lines))
        if sample.meta["task"] != "complete" or source is None or '"""' in source.split("\n", 8)[-1]:
            continue
        shown = BLOCK.search(sample.messages[0].content)["code"].split("\n")
        dots = next(number for number, line in enumerate(shown) if line.strip() == "…")
        indent = shown[dots][: -len("…")]
        rest = BLOCK.search(answer_of(sample))["code"].split("\n")
        again = [
            *shown[:dots],
            *(indent + line if line.strip() else line for line in rest),
            *shown[dots + 1 :],
        ]
        assert [line.rstrip() for line in again] == [line.rstrip() for line in source.split("\n")]
        checked[sample.meta["language"]] += 1
    assert checked["python"] > 200
    assert {"rust", "typescript", "swift", "cpp"} <= set(checked)


def test_no_question_holds_its_answer(told):
    for sample in told:
        question = sample.messages[0].content
        if sample.meta["task"] == "document":
            block = BLOCK.search(answer_of(sample))
            assert not block or block["code"].strip("\"'rR\n ") not in question
        if sample.meta["task"] == "write":
            code = BLOCK.search(answer_of(sample))["code"]
            shown = BLOCK.search(question)["code"]
            body = [line.strip() for line in code.removeprefix(shown).split("\n") if len(line.strip()) > 15]
            held = sum(line in shown for line in body)
            assert 2 * held < max(1, len(body)) or not body


def test_a_docstring_that_shows_the_code_leaves_nothing_to_write(tmp_path):
    text = '''
        def twice(values):
            """Every value two times, as if one wrote

                for value in values:
                    yield value, value
            """
            count = 0
            for value in values:
                yield value, value
    '''
    write(tmp_path, {"a.py": text})
    tasks = by_task(codebase(path=[str(tmp_path)], min_chars=0))
    assert "write" not in tasks and "explain" in tasks


def test_every_language_has_its_kinds_and_all_answers_hold(harbour, spoken):
    checked = verify_docs(spoken, harbour)
    assert checked.stale == [] and checked.places > 200
    kinds = defaultdict(set)
    for sample in spoken:
        kinds[Path(sample.origin.path).suffix].add(sample.meta["task"])
    common = {"explain", "write", "complete", "document", "find"}
    for suffix in (".rs", ".ts", ".js", ".vue", ".swift", ".sh", ".cpp"):
        assert common <= kinds[suffix], suffix
    assert "errors" in kinds[".sh"] & kinds[".cpp"] & kinds[".ts"]
    assert "results" in kinds[".rs"] & kinds[".swift"] & kinds[".cpp"] & kinds[".vue"]
    assert "test" in kinds[".rs"] & kinds[".ts"] and "callers" in kinds[".swift"] & kinds[".cpp"]
    assert len(alike(spoken)) == 0


def test_whole_functions_of_every_language_can_be_parsed(spoken):
    names = {language.name for language in LANGUAGES}
    seen = set()
    for sample in spoken:
        if sample.meta["task"] != "write" or "." in sample.meta["symbol"].removeprefix(
            sample.origin.path + "."
        ):
            continue
        block = BLOCK.search(answer_of(sample))
        assert block["language"] in names
        assert error_line(syntax_tree(block["language"], block["code"])) is None, sample.meta["symbol"]
        seen.add(block["language"])
    assert {"rust", "typescript", "javascript", "swift", "bash"} <= seen


def results(source, **options):
    module = parse_module("a.py", textwrap.dedent(source), "a", **options)
    return [(one.value, one.when, one.lines) for one in returns_of(module.symbols[0], module)]


def test_each_result_comes_with_the_case_that_leads_to_it():
    found = results("""
        def place(n, names):
            if n < 0x10:
                return 'small'
            elif n < 0xFF:
                return 'middle'
            else:
                try:
                    return names[n]
                except (KeyError, IndexError):
                    return None
    """)
    assert found == [
        ("'small'", "when `n < 0x10`", (4, 4)),
        ("'middle'", "when `n < 0xFF`", (6, 6)),
        ("names[n]", "unless `n < 0x10` or `n < 0xFF`", (9, 9)),
        ("None", "unless `n < 0x10` or `n < 0xFF` and when `(KeyError, IndexError)` is caught", (11, 11)),
    ]


def test_conditions_inside_of_conditions_are_all_said_in_python_and_elsewhere(tmp_path):
    found = results("""
        def f(a, b):
            if a:
                if b > 1:
                    return 1
                return 2
            return 3
    """)
    assert [when for _, when, _ in found] == ["when `a` and when `b > 1`", "when `a`", "otherwise"]
    text = """
        /** Three ways. */
        export function f(a, b) {
          if (a) {
            if (b > 1) { return 1; } else { return 2; }
          } else if (b) {
            return 3;
          } else {
            a.push(b);
            return 5;
          }
          return 4;
        }
    """
    write(tmp_path, {"f.js": text})
    said = answer_of(by_task(codebase(path=[str(tmp_path)], min_chars=0))["results"][0])
    assert re.findall(r"(?m)^- `(\d)` (.*) \(line", said) == [
        ("1", "when `a` and when `b > 1`"),
        ("2", "when `a` and unless `b > 1`"),
        ("3", "when `b`"),
        ("5", "unless `a` and unless `b`"),
        ("4", "otherwise"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    x.save()\n    return None\n",
        "def f(x):\n    found = x + 1\n    return found\n",
        "def f(x):\n    for y in x:\n        yield y\n    return x\n",
        "def f(x):\n    def g():\n        return x + 1\n    x.call(g)\n",
        "def f(x):\n    if x:\n        return (x +  # a comment\n                1)\n    return 2\n",
        "def f(x):\n    return [" + ", ".join(["'a long value'"] * 12) + "]\n",
    ],
    ids=["nothing", "a name", "a generator", "an inner function", "a comment inside", "too long"],
)
def test_a_function_without_telling_results_has_none(source):
    assert results(source) == []


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        ("if n:\n    return 1", True),
        ("if n:\n    return 1\nelse:\n    raise ValueError", False),
        ("if n:\n    return 1\nelif n > 2:\n    return 2", True),
        ("while True:\n    if n:\n        return 1", False),
        ("while True:\n    if n:\n        break", True),
        ("for x in n:\n    return x", True),
        ("with n:\n    return 1", False),
        ("try:\n    return n[0]\nexcept IndexError:\n    pass", True),
        ("try:\n    n.go()\nexcept OSError:\n    return 1\nelse:\n    return 2", False),
        ("match n:\n    case 1:\n        return 1\n    case _:\n        return 2", False),
        ("match n:\n    case 1:\n        return 1", True),
    ],
)
def test_whether_the_end_of_a_function_is_reached_is_what_python_does(body, ends):
    source = "def f(n):\n" + textwrap.indent(body, "    ") + "\n"
    assert ends_without(parse_module("a.py", source, "a").symbols[0]) is ends


def test_an_answer_about_results_says_what_the_end_gives_and_what_a_question_mark_passes_on(tmp_path, spoken):
    write(
        tmp_path,
        {
            "a.py": 'def sign(n):\n    "One, minus one, or nothing."\n    if n > 0:\n        return 1\n    if n < 0:\n        return -1\n'
        },
    )
    found = by_task(codebase(path=[str(tmp_path)], min_chars=0))["results"]
    assert answer_of(found[0]).split("\n")[1:] == [
        "- `1` when `n > 0` (line 4)", "- `-1` when `n < 0` (line 6)", "- nothing (None) when it comes to its end",
    ]  # fmt: skip
    rust = next(answer_of(s) for s in by_task(spoken)["results"] if s.meta["symbol"].endswith("minutes"))
    assert "- `clock.split_once(':')?` passes on a failure (line 7)" in rust
    assert "- `None` when `hour > 23` (line 10)" in rust


def test_tags_of_a_docstring_belong_to_parameters_and_result():
    rest, tags = untagged(
        "Leaves the harbour.\n\n:param ready: when it is\n    ready\n:param int spare: metres\n:returns: the minute\n\nAt ebb it waits."
    )
    assert tags == {"ready": "when it is ready", "spare": "metres", "": "the minute"}
    assert rest.split() == ["Leaves", "the", "harbour.", "At", "ebb", "it", "waits."]
    assert untagged("@param {number} [first=200] - of the first pause\n@throws RangeError")[1] == {
        "first": "of the first pause"
    }


def test_a_test_is_given_to_the_function_that_it_names_with_the_imports_that_it_needs(tmp_path):
    write(
        tmp_path,
        {
            "abacus.py": """
                def helper(wire):
                    "Used by all tests."
                    wire = list(wire)
                    return wire


                def count(wire):
                    "Count the beads."
                    total = sum(wire)
                    return total
            """,
            "tests/test_abacus.py": """
                import json
                import os
                import unittest

                from abacus import count, helper


                class AbacusTest(unittest.TestCase):
                    def made(self):
                        return helper([1])

                    def test_count_adds(self):
                        self.assertEqual(count(self.made()), json.loads("1"))
            """,
        },
    )
    found = by_task(codebase(path=[str(tmp_path)]))["test"]
    assert [sample.meta["symbol"] for sample in found] == ["abacus.count"]
    question, answer = (message.content for message in found[0].messages)
    assert "import json" in question and "import os" not in question and "helper" in question
    assert "AbacusTest(unittest.TestCase)" in question and "AbacusTest.made" in question
    assert answer.startswith("```python\ndef test_count_adds(self):")


def test_a_method_is_asked_for_with_its_class_and_without_the_other_methods(tmp_path):
    text = """
        class Frame:
            "Wires side by side."

            wires: int = 10

            def __init__(self, base):
                self.base = base

            def other(self):
                secret = 1
                return secret

            def most(self):
                "The largest number that can be shown."
                whole = self.base**self.wires
                return whole - 1
    """
    write(tmp_path, {"frame.py": text})
    found = by_task(codebase(path=[str(tmp_path)]))["write"]
    question = next(s.messages[0].content for s in found if s.meta["symbol"].endswith("most"))
    assert "wires: int = 10" in question and "self.base = base" in question
    assert "secret" not in question and "whole" not in question


def test_what_must_be_given_is_what_python_says(told, library):
    checked = 0
    for sample in by_task(told)["usage"]:
        found = re.search(
            r"You import it with `from ([\w.]+) import (\w+)`.*?Only (.*?) must be given", answer_of(sample)
        )
        if not found or sample.meta["symbol"].count(".") != found[1].count(".") + 1:
            continue
        try:
            function = getattr(importlib.import_module(found[1]), found[2])
            parameters = inspect.signature(function).parameters.values()
        except (ImportError, AttributeError, ValueError, TypeError):
            continue
        required = [
            p.name
            for p in parameters
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        assert required == re.findall(r"`(\w+)`", found[3]), sample.meta["symbol"]
        checked += 1
    assert checked >= 10


def test_examples_of_use_are_calls(told):
    shown = 0
    for sample in by_task(told)["usage"]:
        name = sample.meta["symbol"].split(".")[-1]
        for line in answer_of(sample).partition("For example:\n")[2].split("\n"):
            if line:
                assert re.search(rf"\b{name}\s*\(", line), line
                shown += 1
    assert shown > 100


def test_a_sentence_that_two_functions_share_is_not_asked_for(tmp_path):
    body = '    "{}"\n    total = sum(wire)\n    return total\n'
    same, own = body.format("Count the beads of it."), body.format("Weigh all beads together.")
    write(tmp_path, {"a.py": f"def one(wire):\n{same}\n\ndef two(wire):\n{same}\n\ndef three(wire):\n{own}"})
    found = by_task(codebase(path=[str(tmp_path)], min_chars=0))["find"]
    assert [sample.meta["symbol"] for sample in found] == ["a.three"]


def test_the_same_tree_gives_the_same_samples_and_every_key_once(harbour):
    first, second = (list(codebase(path=[str(harbour)])) for _ in range(2))
    assert [content_id(s) for s in first] == [content_id(s) for s in second]
    assert len({s.key for s in first}) == len(first)
    assert {s.group for s in first} == {f"file:{s.origin.root}/{s.origin.path}" for s in first}
    few = list(codebase(path=[str(harbour)], max_per_symbol=2, languages=["rust"]))
    assert set(Counter(s.meta["symbol"] for s in few if s.meta["task"] != "overview").values()) == {2}


# code_patterns


def store(path: Path, rows, columns="path TEXT, language TEXT, size_bytes INTEGER, content_hash TEXT"):
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE files ({columns})")
    connection.executemany(f"INSERT INTO files VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()
    return connection


def described(place, **options):
    with collecting_unreadable() as reports:
        return list(code_patterns(path=[str(place)], **options)), reports


def test_descriptions_say_what_a_file_is_for_what_it_needs_and_who_uses_it(harbour):
    samples, reports = described(harbour)
    assert not reports and not verify_docs(samples, harbour).stale
    text = {sample.origin.path: answer_of(sample) for sample in samples}
    assert "Means of the readings of a sensor." in text["cpp/ring.cpp"]
    assert "- from the standard library: `stdexcept` (line 2), `vector` (line 3)" in text["cpp/ring.cpp"]
    assert "- from the same tree: `ring.hpp` (line 4)" in text["cpp/ring.cpp"]
    assert "- `web/Chart.vue:12` uses `scale`" in text.get(
        "web/scale.js", "- `web/Chart.vue:12` uses `scale`"
    )
    assert "Pauses between the tries" in text["web/retry.ts"] and "web/retry.test.ts" not in text


def test_a_file_must_have_between_100_and_50000_bytes(tmp_path):
    text = '"""Count the beads on a wire."""\n\n\ndef count(wire):\n    "Add up all beads."\n    return sum(wire)\n'
    for size in (99, 100, 50_000, 50_001):
        (tmp_path / f"f{size}.py").write_text((text + "# beads\n" * (size // 8))[: size - 1] + "\n")
    samples, _ = described(tmp_path)
    assert {sample.origin.path for sample in samples} == {"f100.py", "f50000.py"}


def test_a_database_that_another_program_writes_to_is_read_or_told_and_the_rest_goes_on(tmp_path, harbour):
    rows = [(str(harbour / name), "x", len(text), name) for name, text in FILES.items()]
    database = tmp_path / "dedup.db"
    connection = store(database, rows)
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("DELETE FROM files")
    with collecting_unreadable() as reports:
        samples = list(code_patterns(path=[str(database), str(harbour)]))
    connection.rollback()
    connection.close()
    assert len(samples) >= 6
    assert all("database" in report.reason or "table" in report.reason for report in reports)
    free, reports = described(database)
    assert len(free) >= 6 and not reports


def test_a_write_ahead_log_is_read_and_nothing_is_left_beside_the_database(tmp_path, harbour):
    rows = [(str(harbour / name), "x", len(text), name) for name, text in FILES.items()]
    database = tmp_path / "dedup.db"
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE files (path TEXT, language TEXT, size_bytes INTEGER, content_hash TEXT)")
    connection.executemany("INSERT INTO files VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    before = sorted(path.name for path in tmp_path.iterdir())
    samples, reports = described(database)
    assert len(samples) >= 6 and not reports
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    connection.close()


def test_a_newer_database_without_the_columns_and_one_without_the_table_are_told(tmp_path):
    store(tmp_path / "newer.db", [("a.py", 300)], "file_path TEXT, bytes INTEGER").close()
    sqlite3.connect(tmp_path / "empty.db").close()
    samples, reports = described(tmp_path / "newer.db")
    assert not samples and "column" in reports[0].reason and reports[0].remedy
    samples, reports = described(tmp_path / "empty.db")
    assert not samples and len(reports) == 1 and reports[0].remedy


def test_rows_of_any_kind_and_files_that_changed_do_not_stop_the_others(tmp_path, harbour):
    good = ("rust/tide.rs", "rust", len(FILES["rust/tide.rs"]), "77")
    odd = [(None, None, None, None), ("gone.py", "python", 300, "1" * 64), ("\0.py", "python", 300, "x")]
    changed = ("web/retry.ts", "typescript", 300, "0" * 64)
    large = ("cpp/ring.cpp", "cpp", "many", "5")
    database = harbour / "dedup.db"
    store(database, [good, *odd, changed, large]).close()
    samples, reports = described(database)
    database.unlink()
    assert [sample.origin.path.rpartition("/")[2] for sample in samples] == ["tide.rs"]
    assert len(reports) == 1 and re.match(r"\d of \d files", reports[0].reason)


# manifest

GIT = {f"GIT_{role}_{what}": "ada" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
GIT |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env=os.environ | GIT)


@pytest.fixture
def tree(tmp_path):
    folder = write(
        tmp_path / "abacus", {"README.md": "# Abacus\n", "src/a.py": '"""Beads."""\n', "src/b.py": "x = 1\n"}
    )
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
        git(folder, *arguments)
    return folder


def test_a_manifest_knows_the_state_in_git_of_each_file(tree):
    (tree / "src/b.py").write_text("x = 2\n")
    git(tree, "rm", "-q", "--cached", "README.md")
    states = {entry.path: entry.git for entry in make_manifest(tree)}
    assert states == {"README.md": "untracked", "src/a.py": "committed", "src/b.py": "edited"}
    samples = [answer_of(s) for s in manifest(path=[str(tree)], tasks=["state", "layout"])]
    assert samples[0].endswith("- `src/b.py`") and samples[1].endswith("- `README.md`")
    plain = write(tree.parent / "plain", {"a.py": "x = 1\n"})
    assert [entry.git for entry in make_manifest(plain)] == [""]
    git(plain, "init", "-q")
    assert [entry.git for entry in make_manifest(plain)] == ["untracked"]


def test_a_clone_has_the_same_manifest_and_every_difference_is_named(tree):
    git(tree.parent, "clone", "-q", str(tree), "clone")
    clone = tree.parent / "clone"
    made = make_manifest(tree)
    assert make_manifest(clone) == made
    assert verify_manifest(made, clone).same
    (clone / "src/a.py").write_bytes(b'"""Beads!"""\n')
    (clone / "src/b.py").unlink()
    (clone / "src/c.py").write_text("y = 1\n")
    with collecting_unreadable():
        found = verify_manifest(made, clone)
    assert (found.changed, found.missing, found.new) == (["src/a.py"], ["src/b.py"], ["src/c.py"])
    assert not found.same and "1 missing, 1 changed, 1 new" in found.say()


def test_a_manifest_that_lies_in_its_tree_does_not_count_itself(tree):
    write_manifest(tree / "kept.json", make_manifest(tree))
    assert verify_manifest(tree / "kept.json", tree).same
    (tree / "new.txt").write_text("new")
    assert verify_manifest(tree / "kept.json", tree).new == ["new.txt"]
    assert [entry.path for entry in make_manifest(tree, ["*.txt", "kept*"])] == [
        "README.md",
        "src/a.py",
        "src/b.py",
    ]


def test_a_folder_is_told_with_what_its_files_say_of_themselves(tree):
    write(
        tree,
        {
            "src/c.py": '"""Wires that hold the beads."""\n',
            "data/1.jsonl": "{}",
            "data/2.jsonl": "[]",
            "data/3.jsonl": "1",
        },
    )
    git(tree, "add", "-A")
    samples = list(manifest(path=[str(tree)]))
    text = "\n".join(answer_of(sample) for sample in samples)
    assert "- `src/c.py`: Wires that hold the beads." in text
    assert "data/1.jsonl" not in text and "`data/`: 3 files" in text
    assert len(alike(samples)) == 0


def test_titles_of_damaged_and_foreign_files_are_empty(tmp_path):
    raw = {
        "deep.ipynb": b"[" * 5000,
        "other.ipynb": b'{"cells": 3}',
        "cut.py": '"""Wörter'.encode()[:6],
        "zero.md": b"# \0\0\0",
        "long.md": b"# " + b"word " * 500,
        "legal.rs": b"// Copyright 2024 Ada\n",
        "none.py": b"",
    }
    for name, content in raw.items():
        (tmp_path / name).write_bytes(content)
        assert title_of(tmp_path / name) == "", name
    (tmp_path / "big.py").write_text('"""Drähte und Kugeln."""\n' + "# ä\n" * 4000)
    assert title_of(tmp_path / "big.py") == "Drähte und Kugeln."
