"""Code and commits on hand-made files and repositories: every line number here was counted by hand."""

import ast
import codecs
import os
import random
import subprocess
import sysconfig
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
import pytest

from sftbench.clean.dedup import dedup
from sftbench.collect.claims import claims
from sftbench.collect.codebase import codebase
from sftbench.collect.definitions import definitions
from sftbench.collect.files import open_tree, read_tree
from sftbench.collect.git_history import git_history
from sftbench.collect.grammars import error_line, suffixes_of, syntax_tree
from sftbench.collect.symbols import parse_module
from sftbench.collect.syntax_symbols import parse_file
from sftbench.collect.verify_docs import verify_docs
from sftbench.core.jsonl import Unreadable, collecting_unreadable
from sftbench.core.sample import Message, Sample, trained_text
from sftbench.core.system import Problem, locate

ME = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": "2024-05-01T10:00:00+02:00"}
AUTHOR = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in ME.items()}
NOWHERE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
ALLOW = ("-c", "protocol.file.allow=always")


def git(folder: Path, *arguments: str | bytes, author: str = "Ada") -> str:
    who = AUTHOR | {"GIT_AUTHOR_NAME": author}
    command = ["git", "-C", folder, *ALLOW, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, env=os.environ | who | NOWHERE)
    return done.stdout.decode("utf-8", "replace").rstrip("\n")


def commit(
    folder: Path, message: str, files: dict[str, str | bytes] | None = None, author: str = "Ada"
) -> str:
    for name, content in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(folder, "add", "-A")
    git(folder, "commit", "--allow-empty", "-m", message, author=author)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "abacus"
    folder.mkdir()
    git(folder, "init", "-b", "main")
    return folder


def read(source, **options) -> tuple[list[Sample], list[Unreadable]]:
    with collecting_unreadable() as reports:
        samples = list(source(**options))
    assert len({sample.key for sample in samples}) == len(samples)
    for report in reports:
        assert report.reason.endswith(".") and report.remedy
    return samples, reports


def write(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", ".").replace("_slash_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


# --- what files define -------------------------------------------------------------------------------------------

PYTHON = '''\
import functools
from typing import overload


@overload
def pick(x: int) -> int: ...
@overload
def pick(x: str) -> str: ...
def pick(x):
    return x


def cached(most=3):
    def wrap(function):
        return function

    return wrap


@functools.cache
@cached(
    most=9,
)
async def load(name):
    "Loads."
    return name


class Outer:
    """One.

    def not_a_function(): inside a string
    """

    class Inner:
        @property
        def size(self):
            return 1

        @size.setter
        def size(self, value): ...

    @staticmethod
    def make(): return Outer()


if True:
    def chosen():
        return 1
else:
    def chosen():
        return 2

try:
    import fast
except ImportError:
    class fast:
        run = lambda self: 1
'''
PYTHON_HAS = [
    ("pick", "function", 5, 6), ("pick", "function", 7, 8), ("pick", "function", 9, 10), ("cached", "function", 13, 17),
    ("load", "function", 20, 26), ("Outer", "class", 29, 44), ("Outer.Inner", "class", 35, 41),
    ("Outer.Inner.size", "method", 36, 38), ("Outer.Inner.size", "method", 40, 41), ("Outer.make", "method", 43, 44),
    ("chosen", "function", 48, 49), ("chosen", "function", 51, 52), ("fast", "class", 57, 58),
]  # fmt: skip

RUST = """\
//! Beads.
use std::fmt;

/// A wire.
#[derive(Debug)]
pub struct Wire<T> {
    beads: Vec<T>,
}

impl<T: fmt::Debug> Wire<T> {
    /// Makes one.
    ///
    /// It is empty.
    pub fn new() -> Self {
        Wire { beads: Vec::new() }
    }

    fn push(&mut self, bead: T) -> Result<(), String> {
        if self.beads.len() > 9 {
            return Err(WireError::Full);
        }
        self.beads.push(bead);
        Ok(())
    }
}

macro_rules! bead {
    ($x:expr) => {
        fn hidden() {}
    };
}

mod inner {
    pub trait Count {
        fn count(&self) -> usize;
        fn twice(&self) -> usize {
            self.count() * 2
        }
    }
}

pub async fn load<'a>(name: &'a str) -> Option<&'a str>
where
    'a: 'static,
{
    fn nested() {}
    Some(name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn wires_start_empty() {
        assert!(Wire::<u8>::new().beads.is_empty());
    }
}
"""
RUST_HAS = [
    ("Wire", "struct", 4, 8), ("Wire.new", "method", 11, 16), ("Wire.push", "method", 18, 24), ("inner.Count", "trait", 34, 39),
    ("inner.Count.twice", "method", 36, 38), ("load", "function", 42, 48), ("tests.wires_start_empty", "function", 52, 55),
]  # fmt: skip

JAVASCRIPT = """\
'use strict'
// Adds two.
export function add(a, b = 2) {
  const text = `function hidden() {`
  return a + b
}

/**
 * A frame.
 */
export default class Frame extends Base {
  static async make(size) {
    return new Frame(size)
  }

  handler = (event) => {
    event.stop()
  }
}

const twice = (x) => {
  return x * 2
}
const short = (x) => x * 2

module.exports.later = function (y) {
  if (!y) throw new RangeError('no y')
  return y
}

const api = {
  start(port) { return port },
  stop: async () => {
    return 1
  },
}

describe('add', () => {
  it('adds `two`', () => {
    expect(add(1, 2)).toBe(3)
  })
})
"""
JAVASCRIPT_HAS = [
    ("add", "function", 2, 6), ("Frame", "class", 8, 19), ("Frame.make", "method", 12, 14), ("Frame.handler", "method", 16, 18),
    ("twice", "function", 21, 23), ("later", "function", 26, 29), ("api.start", "method", 32, 32), ("api.stop", "method", 33, 35),
    ("adds 'two'", "test", 39, 41),
]  # fmt: skip

TYPESCRIPT = """\
/** A bead. */
export interface Bead {
  colour: string
}

export function pick(x: string): string
export function pick(x: number): number
export function pick(x: unknown): unknown {
  return x
}

export const enum Kind { Small, Large = 3 }

@Component({
  selector: 'a',
})
export abstract class Frame<T> extends Base<T> implements Bead {
  constructor(private name: string) {
    super(name)
  }

  @Input()
  get size(): number {
    return 1
  }

  abstract weigh(): number

  load = async <K extends keyof T>(key: K): Promise<T[K]> => {
    return this.get(key)
  }
}

namespace Beads {
  export function count(): number {
    return 1
  }
}

declare function outside(x: number): void
"""
TYPESCRIPT_HAS = [
    ("Bead", "interface", 1, 4), ("pick", "function", 8, 10), ("Kind", "enum", 12, 12), ("Frame", "class", 14, 32),
    ("Frame.constructor", "method", 18, 20), ("Frame.size", "method", 22, 25), ("Frame.load", "method", 29, 31),
    ("Beads.count", "function", 35, 37),
]  # fmt: skip

VUE = """\
<template>
  <div @click="add">{{ n }}</div>
</template>

<script lang="ts">
export default {
  data() {
    return { n: 0 }
  },
  methods: {
    /** Stops. */
    stop(by: number): void {
      this.n -= by
    },
  },
}
</script>

<script setup lang="ts">
// Adds a bead.
function add(by: number = 1): void {
  n.value += by
}
</script>

<style>
.a { color: red; }
</style>
"""
VUE_HAS = [
    ("data", "method", 7, 9), ("methods.stop", "method", 11, 14), ("add", "function", 20, 23),
]  # fmt: skip

SWIFT = """\
/// A frame.
public final class Frame: NSObject, Codable {
    init(size: Int) {
        self.size = size
    }

    @discardableResult
    func add(_ beads: Int, to wire: Int) throws -> Int {
        guard wire < count else {
            throw FrameError.noWire(wire)
        }
        return wire
    }

    struct Part {
        func weigh() -> Double { 1.0 }
    }
}

enum FrameError: Error {
    case noWire(Int)
}

protocol Countable {
    func count() -> Int
}

extension Frame: Countable {
    func count() -> Int {
        return 1
    }
}

actor Store {
    func put(_ x: Int) async {
        await save(x)
    }
}
"""
SWIFT_HAS = [
    ("Frame", "class", 1, 18), ("Frame.init", "method", 3, 5), ("Frame.add", "method", 7, 13), ("Frame.Part", "struct", 15, 17),
    ("Frame.Part.weigh", "method", 16, 16), ("FrameError", "enum", 20, 22), ("Countable", "protocol", 24, 26),
    ("Frame.count", "method", 29, 31), ("Store", "actor", 34, 38), ("Store.put", "method", 35, 37),
]  # fmt: skip

BASH = """\
#!/bin/bash
# Beads.

# Counts the lines.
count() {
  if [ -z "$1" ]; then
    exit 2
  fi
  wc -l < "$1"
}

function show_help {
  cat <<EOF
usage() {
  echo "this is text"
}
EOF
}

function both() ( cd /tmp; ls )

write() {
	cat <<-'END'
	function fake { :; }
	END
  echo "}"
}
"""
BASH_HAS = [
    ("count", "function", 4, 10), ("show_help", "function", 12, 18), ("both", "function", 20, 20), ("write", "function", 22, 27),
]  # fmt: skip

CPP = """\
#include <vector>

#define SQUARE(x) ((x) * (x))

namespace beads {

/// A wire.
template <typename T>
class Wire : public Base<T> {
 public:
  explicit Wire(int size) : size_(size) {}
  ~Wire() = default;
  virtual int count() const;
  T operator[](int place) const {
    return items_[place];
  }
  struct Part {
    int weigh() { return 1; }
  };
};

template <typename T>
int Wire<T>::count() const {
  if (size_ < 0) {
    throw std::runtime_error("size");
  }
  return size_;
}

int add(int a, int b) { return a + b; }
const double& add(const double& a) {
  return a;
}

}  // namespace beads

enum class Kind { Small, Large };

#ifdef FAST
int speed() { return 2; }
#else
int speed() { return SQUARE(1); }
#endif

GENERATED(int, broken) {
  return 3;
}

TEST(WireTest, IsEmpty) {
  EXPECT_EQ(beads::add(1, 2), 3);
}
"""
CPP_HAS = [
    ("beads.Wire", "class", 7, 20), ("beads.Wire.Wire", "method", 11, 11), ("beads.Wire.operator[]", "method", 14, 16),
    ("beads.Wire.Part", "struct", 17, 19), ("beads.Wire.Part.weigh", "method", 18, 18), ("beads.Wire.count", "method", 22, 28),
    ("beads.add", "function", 30, 30), ("beads.add", "function", 31, 33), ("Kind", "enum", 37, 37),
    ("speed", "function", 40, 40), ("speed", "function", 42, 42), ("WireTest.IsEmpty", "test", 49, 51),
]  # fmt: skip
FILES = {
    "beads.py": (PYTHON, PYTHON_HAS), "beads.rs": (RUST, RUST_HAS), "beads.js": (JAVASCRIPT, JAVASCRIPT_HAS),
    "beads.ts": (TYPESCRIPT, TYPESCRIPT_HAS), "Beads.vue": (VUE, VUE_HAS), "beads.swift": (SWIFT, SWIFT_HAS),
    "beads.sh": (BASH, BASH_HAS), "beads.cpp": (CPP, CPP_HAS),
}  # fmt: skip


def symbols_of(path: str, text: str):
    return (parse_module(path, text, "beads") if path.endswith(".py") else parse_file(path, text)[0]).symbols


@pytest.mark.parametrize("path", FILES)
def test_every_definition_has_the_name_and_the_lines_that_a_person_counts(path):
    text, wanted = FILES[path]
    assert [(s.name, s.kind, *s.lines) for s in symbols_of(path, text)] == wanted
    assert definitions(path, text) == {(name, first, last) for name, _, first, last in wanted}
    if not path.endswith(".py"):
        assert error_line(syntax_tree(parse_file(path, text)[0].language, text)) is None
    lines = text.split("\n")
    for symbol in symbols_of(path, text):
        first, last = symbol.lines
        stripped = [line.strip() for line in symbol.source.split("\n")]
        assert stripped == [line.strip() for line in lines[first - 1 : last]]


def test_what_symbols_raise_return_and_mean_is_read_in_every_language():
    found = {(path, s.name): s for path, (text, _) in FILES.items() for s in symbols_of(path, text)}
    raised = {
        ("beads.rs", "Wire.push"): ("WireError::Full", 20, "self.beads.len() > 9"),
        ("beads.js", "later"): ("RangeError", 27, "!y"),
        ("beads.swift", "Frame.add"): ("FrameError.noWire", 10, "!(wire < count)"),
        ("beads.sh", "count"): ("exit 2", 7, '[ -z "$1" ]'),
        ("beads.cpp", "beads.Wire.count"): ("std::runtime_error", 25, "size_ < 0"),
    }
    assert {name: msgspec.structs.astuple(found[name].raises[0]) for name in raised} == raised
    assert found["beads.rs", "Wire.new"].docstring == "Makes one.\n\nIt is empty."
    assert found["Beads.vue", "methods.stop"].docstring == "Stops."
    assert found["beads.cpp", "beads.Wire"].docstring == "A wire." and found[
        "beads.cpp", "beads.Wire"
    ].bases == ["Base<T>"]
    assert [s.returns for s in symbols_of("beads.cpp", CPP) if s.name == "beads.add"] == [
        "int",
        "const double&",
    ]
    assert found["beads.rs", "load"].traits == ["async"] and found["beads.py", "load"].traits[0] == "async"
    assert found["beads.swift", "Frame.add"].returns == "Int"
    assert "test" in found["beads.rs", "tests.wires_start_empty"].traits


def test_conditions_of_errors_are_the_authors_own_words():
    code = 'def f(flags):\n    if (flags & 0xF0 and\n            b"\\037" != flags):\n        raise ValueError(flags)\n'
    assert (
        parse_module("f.py", code, "f").symbols[0].raises[0].condition == 'flags & 0xF0 and b"\\037" != flags'
    )


def test_a_name_that_a_function_binds_itself_is_no_use_of_the_modules():
    code = "def count(): ...\n\n\ndef {}\n"
    binders = [
        "f(count):\n    return count", "f():\n    def count(): ...\n    return count", "f():\n    class count: ...\n    return count",
        "f():\n    try: ...\n    except E as count: print(count)", "f():\n    with x as count: print(count)",
        "f(x):\n    match x:\n        case [count]: print(count)", "f():\n    return [count for count in ()]",
    ]  # fmt: skip
    for binder in binders:
        assert parse_module("m.py", code.format(binder), "m").symbols[1].uses == [], binder
    used = parse_module("m.py", code.format("f(x: count = 1):\n    return count(x)"), "m").symbols[1].uses
    assert [(use.target, use.line) for use in used] == [("m.count", 5)]


def test_the_root_of_a_damaged_file_still_gives_its_whole_definitions():
    broken = RUST.replace("    Some(name)", "    Some(name")
    module, line = parse_file("beads.rs", broken)
    assert line and {"Wire", "Wire.push"} <= {s.name for s in module.symbols}
    assert "load" not in {s.name for s in module.symbols}


# --- which files are read -----------------------------------------------------------------------------------------


def test_generated_minified_and_vendored_files_are_left_out_and_counted(tmp_path):
    write(
        tmp_path,
        beads__py=PYTHON,
        made__py="# Code generated by protoc. DO NOT EDIT.\n" + PYTHON,
        small__js="var a=1;" * 500 + "\n",
        node_modules_slash_wire__js=JAVASCRIPT,
        vendor_slash_wire__rs=RUST,
        build_slash_wire__py=PYTHON,
        __venv_slash_wire__py=PYTHON,
        env_slash_pyvenv__cfg="home = /usr\n",
        env_slash_wire__py=PYTHON,
        nothing__py="\n \n",
        skipped_slash_wire__py=PYTHON,
    )
    tree = open_tree(tmp_path, suffixes_of(["python", "javascript", "rust"]), ["skipped/*"])
    assert [path for path, _ in read_tree(tree)] == ["beads.py"]
    assert tree.left_out == {
        "generated": 1,
        "minified": 1,
        "vendored": 3,
        "built": 1,
        "hidden": 1,
        "excluded": 1,
    }


def test_binary_and_huge_files_are_told_and_not_read(tmp_path):
    write(tmp_path, beads__py=PYTHON, table__py=b"x = 1\n\0\1\2" * 100)
    with open(tmp_path / "huge.py", "wb") as file:
        file.truncate(20_000_001)
    tree = open_tree(tmp_path, (".py",))
    with collecting_unreadable() as told:
        assert [path for path, _ in read_tree(tree)] == ["beads.py"]
    assert tree.left_out == {"binary": 1, "large": 1}
    samples, reports = read(codebase, path=[str(tmp_path)])
    assert reports == told and {sample.origin.path for sample in samples} == {"beads.py"}
    assert {Path(report.path).name: report.reason.split()[2] for report in reports} == {
        "table.py": "binary",
        "huge.py": "larger",
    }


GERMAN = """\
def {name}(wires, base=10):
    "Zählt die Kugeln der Drähte, {name}, jede als eine Ziffer zur Basis."
    total = 0
    for beads in wires:
        if beads >= base:
            raise OverflowError("zu viele Kugeln für {name}")
        total = total * base + beads
    return total
"""


def test_files_in_five_encodings_are_read_with_their_letters_and_lines(tmp_path):
    cookie = "# -*- coding: {} -*-\n"
    write(
        tmp_path,
        plain__py=GERMAN.format(name="plain"),
        latin__py=(cookie.format("latin-1") + GERMAN.format(name="latin")).encode("latin-1"),
        second__py=("#!/usr/bin/python\n" + cookie.format("iso-8859-15") + GERMAN.format(name="second")).encode("iso-8859-15"),
        little__py=codecs.BOM_UTF16_LE + GERMAN.format(name="little").encode("utf-16-le"),
        big__py=codecs.BOM_UTF16_BE + GERMAN.format(name="big").encode("utf-16-be"),
        windows__py=GERMAN.format(name="windows").replace("\n", "\r\n").encode("cp1252"),
    )  # fmt: skip
    samples, reports = read(codebase, path=[str(tmp_path)], tasks=["explain"])
    assert not reports
    starts = {sample.origin.path: sample.origin.lines for sample in samples}
    assert starts == {
        "plain.py": (1, 8), "latin.py": (2, 9), "second.py": (3, 10), "little.py": (1, 8), "big.py": (1, 8), "windows.py": (1, 8),
    }  # fmt: skip
    assert all("Zählt die Kugeln der Drähte" in trained_text(sample) for sample in samples)
    assert verify_docs(samples, tmp_path).stale == []


def test_syntax_errors_and_python_2_are_told_with_their_line_and_the_rest_is_read(tmp_path):
    write(
        tmp_path,
        beads__py=GERMAN.format(name="count"),
        old__py="import os\nprint 'ten'\n",
        older__py="try:\n    pass\nexcept IOError, error:\n    pass\n",
        broken__py="x = (1,\n",
        deep__py="x = " + "(" * 300 + ")" * 300 + "\n",
        broken__ts="function good(a: number) {\n  return a\n}\n\nfunction (\n",
        empty__py="",
    )
    samples, reports = read(codebase, path=[str(tmp_path)])
    told = {Path(report.path).name: report for report in reports}
    assert {name: report.line for name, report in told.items()} == {
        "old.py": 2, "older.py": 3, "broken.py": 1, "deep.py": 1, "broken.ts": 5,
    }  # fmt: skip
    assert "Python 2" in told["old.py"].remedy and "Python 2" in told["older.py"].remedy
    assert {sample.origin.path for sample in samples} == {"beads.py"}


def test_an_empty_folder_and_a_folder_without_code_are_told(tmp_path):
    (tmp_path / "none").mkdir()
    write(tmp_path / "notes", notes__md="# Beads\n")
    for name in ("none", "notes"):
        samples, reports = read(codebase, path=[str(tmp_path / name)])
        assert samples == [] and [Path(report.path).name for report in reports] == [name]


# --- only what changed ---------------------------------------------------------------------------------------------


def test_after_a_cursor_only_changed_symbols_are_asked_about(tmp_path):
    tree, cursor = tmp_path / "tree", tmp_path / "state" / "cursor.json"
    two = GERMAN.format(name="count") + "\n\n" + GERMAN.format(name="weigh")
    write(tree, beads__py=two, wires__py=GERMAN.format(name="bend"))

    def asked() -> set[str]:
        return {sample.meta["symbol"] for sample in read(codebase, path=[str(tree)], cursor=cursor)[0]}

    assert asked() == {"beads.count", "beads.weigh", "wires.bend"}
    assert asked() == set()
    write(tree, beads__py="# one line above\n" + two.replace("base=10", "base=12", 1))
    assert asked() == {"beads.count"}
    write(tree, wires__py=GERMAN.format(name="bend") + "\n\n" + GERMAN.format(name="stretch"))
    assert asked() == {"wires.stretch"}
    cursor.write_text("{")
    samples, reports = read(codebase, path=[str(tree)], cursor=cursor)
    assert len({sample.meta["symbol"] for sample in samples}) == 4 and "cursor" in reports[0].reason


def test_an_unknown_task_or_language_is_refused_with_the_allowed_ones(tmp_path):
    for options in ({"tasks": ["explian"]}, {"languages": ["cobol"]}):
        with pytest.raises(Problem, match="there are"):
            list(codebase(path=[str(tmp_path)], **options))


# --- commits -------------------------------------------------------------------------------------------------------


def messages(repo: Path, **options) -> list[str]:
    return [sample.messages[-1].content for sample in read(git_history, repo=repo, **options)[0]]


def test_which_commits_are_worth_learning_from(repo):
    first = commit(repo, "Start the abacus", {"a.txt": "1\n"})
    commit(repo, "0123456789", {"a.txt": "2\n"})  # ten characters
    commit(repo, "Eleven char", {"a.txt": "3\n"})
    commit(repo, "x\n\nSigned-off-by: Ada Lovelace <ada@example.org>", {"a.txt": "4\n"})
    git(repo, "checkout", "-b", "side", first)
    commit(repo, "Work on the side of it", {"b.txt": "1\n"})
    git(repo, "checkout", "main")
    git(repo, "merge", "--no-ff", "-m", "Merge what was done on the side", "side")
    for bot in ("dependabot[bot]", "renovate", "github-actions"):
        commit(repo, f"Update everything, says {bot}", {"c.txt": bot}, author=bot)
    commit(repo, "An abbot's beads are counted", {"d.txt": "1\n"}, author="Abbott")
    git(repo, "revert", "--no-edit", "HEAD")
    commit(
        repo,
        'Reapply "An abbot\'s beads are counted"\n\nThis reverts commit 0123456789abcdef.',
        {"d.txt": "1\n"},
    )
    commit(repo, 'Revert "An abbot\'s beads"\n\nThey were blue, and nobody saw them.', {"d.txt": "2\n"})
    commit(repo, "fixup! An abbot's beads are counted", {"d.txt": "3\n"})
    commit(repo, "A commit that changes nothing at all")
    assert messages(repo) == [
        'Revert "An abbot\'s beads"\n\nThey were blue, and nobody saw them.', "An abbot's beads are counted",
        "Work on the side of it", "Eleven char", "Start the abacus",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "trailer",
    [
        "Co-authored-by: Bob <bob@example.org>",
        "Co-Authored-By: Claude <noreply@anthropic.com>\nSigned-off-by: Ada <ada@example.org>",
        "🤖 Generated with [Claude Code](https://claude.com/claude-code)\n\nCo-Authored-By: Claude <noreply@anthropic.com>",
        "Helped-by: Bob <bob@example.org>\nChange-Id: I0123456789",
        "git-svn-id: https://svn.example.org/trunk@12 0123-4567",
    ],
)
def test_lines_that_tools_add_are_not_the_authors(repo, trailer):
    commit(repo, f"Bug in the wires is mended\n\nBecause: it was there.\n\n{trailer}\n", {"a.txt": "1\n"})
    assert messages(repo) == ["Bug in the wires is mended\n\nBecause: it was there."]


def test_a_subject_that_begins_like_a_trailer_is_kept(repo):
    for number, subject in enumerate(
        ("Bug in the wires is mended", "Generated with care and love", "Cc the frame to the wires")
    ):
        commit(repo, subject, {"a.txt": f"{number}\n"})
    assert len(messages(repo)) == 3


def test_the_statistics_of_a_commit_are_those_that_git_shows(repo):
    chance = random.Random(42)
    lines = [f"line {n} of the file\n" for n in range(200)]
    commit(
        repo,
        "Start the abacus",
        {f"f{n}.txt": "".join(lines[n : n + 60]) for n in range(6)} | {"p.png": b"\0\1"},
    )
    for number in range(12):
        text = lines[:]
        for _ in range(9):
            place = chance.randrange(190)
            text[place : place + chance.randrange(3)] = [f"other {number}\n"] * chance.randrange(4)
        files: dict[str, str | bytes] = {f"f{number % 6}.txt": "".join(text[: chance.randrange(1, 190)])}
        if number % 4 == 1:
            git(repo, "mv", f"f{(number + 1) % 6}.txt", f"moved {number}.txt")
            files["p.png"] = bytes([0, number])
        if number % 4 == 3:
            (repo / f"f{number % 6}.txt").unlink(missing_ok=True)
            files = {"no newline.txt": f"end {number}", "ümlaut.txt": f"{number}\n"}
        commit(repo, f"Change number {number} of the abacus", files)
    samples = read(git_history, repo=repo)[0]
    assert len(samples) == 13
    for sample in samples:
        rows = git(repo, "show", "--numstat", "--format=", "-z", "-M", sample.origin.commit).split("\0")
        wanted, queue = [], iter(row.lstrip("\n") for row in rows if row)
        for row in queue:
            added, deleted, name = row.split("\t")
            name = name or f"{next(queue)} => {next(queue)}"
            wanted.append(f" {name} | " + ("binary" if added == "-" else f"+{added} -{deleted}"))
        shown = sample.messages[0].content.split("\n\n", 1)[1].split("\n")
        assert shown[:-1] == wanted
        total = git(repo, "show", "--stat", "--format=", "-M", sample.origin.commit).split("\n")[-1]
        counts = {word: int(count) for count, word in (part.split()[:2] for part in total.split(","))}
        files = counts.get("files", counts.get("file", 0))
        added, deleted = (
            next((n for w, n in counts.items() if w.startswith(k)), 0) for k in ("insertion", "deletion")
        )
        assert shown[-1] == f" {files} file{'s' * (files != 1)} changed, +{added} -{deleted} lines"


def test_a_long_diff_is_cut_with_a_marker_and_a_short_one_is_whole(repo):
    commit(repo, "Start the abacus", {"a.txt": "".join(f"bead {n}\n" for n in range(300))})
    commit(repo, "Paint the last bead blue", {"a.txt": "".join(f"bead {n}\n" for n in range(299)) + "blue\n"})
    short, long = (
        s.messages[0].content for s in read(git_history, repo=repo, include_diff=True, max_diff_tokens=200)[0]
    )
    whole = git(repo, "show", "--format=", "HEAD")
    assert short.endswith(f"```diff\n{whole}\n```")
    diff, marker = long.split("```diff\n")[1].rsplit("\n", 2)[0], long.split("\n")[-2]
    full = git(repo, "show", "--format=", "HEAD~1").split("\n")
    assert diff.split("\n") == full[: diff.count("\n") + 1] and len(diff) <= 800
    assert marker == f"[diff cut here: {len(full) - diff.count(chr(10)) - 1} more lines]"


def test_the_diff_of_a_change_applies_to_the_files_before(repo, tmp_path):
    before = "".join(f"bead {n}\n" for n in range(30))
    commit(repo, "Start the abacus", {"a.txt": before, "b.txt": "wire\n"})
    commit(
        repo,
        "Paint a bead and bend the wire",
        {"a.txt": before.replace("bead 7\n", "blue 7\n"), "b.txt": "bent\n"},
    )
    commit(repo, "Add a new file to it all", {"c.txt": "new\n"})  # there is no file before
    git(repo, "mv", "b.txt", "d.txt")
    commit(repo, "Rename the wire to something")  # nor here
    samples = read(git_history, repo=repo, tasks=["change"])[0]
    assert len(samples) == 1
    ask, answer = (message.content for message in samples[0].messages)
    assert f"`a.txt`:\n\n```\n{before.rstrip()}\n```" in ask and "Paint a bead and bend the wire" in ask
    other = write(tmp_path / "other", a__txt=before, b__txt="wire\n")
    (tmp_path / "patch").write_text(answer.removeprefix("```diff\n").removesuffix("\n```") + "\n")
    git(other, "apply", str(tmp_path / "patch"))
    assert (other / "a.txt").read_text() == before.replace("bead 7\n", "blue 7\n") and (
        other / "b.txt"
    ).read_text() == "bent\n"


def test_what_survives_of_an_agents_hunks_is_what_a_person_counts(repo):
    signed = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>"
    commit(repo, "Start the abacus", {"a.py": "one\n\ntwo\n", "b.py": "three\n"})
    agent = commit(
        repo, "Write four lines and two" + signed,
        {"a.py": "one\nA1\nA2\nA3\n\ntwo\nA4\n", "b.py": "B1\nthree\nB2\n", "gone.py": "G1\n", "tab\tname.py": "T1\n"},
    )  # fmt: skip
    commit(repo, "Change one, and delete a file", {"a.py": "one\nA1\nchanged\nA3\n\ntwo\nA4\n"})
    git(repo, "rm", "-q", "gone.py")
    git(repo, "mv", "b.py", "renamed.py")
    last = commit(repo, "Delete and rename some", {"a.py": "one\nA1\nchanged\nA3\n\ntwo\n"})
    commit(repo, "Nothing is left of it all", {"a.py": "", "renamed.py": ""})

    def label(after: int) -> dict | None:
        samples = read(git_history, repo=repo, survival_after=after)[0]
        made = next(sample for sample in samples if sample.origin.commit == agent)
        assert made.meta["agent"] == "claude" and all(
            "survival" not in s.meta for s in samples if s is not made
        )
        return made.meta.get("survival")

    found = label(2)
    assert found and found["later"] == last
    hunks = [(row["path"], row["line"], row["added"], row["alive"]) for row in found["hunks"]]
    assert hunks == [
        ("a.py", 2, 3, 2), ("a.py", 7, 1, 0), ("b.py", 1, 1, 1), ("b.py", 3, 1, 1), ("gone.py", 1, 1, 0), ("tab\tname.py", 1, 1, 1),
    ]  # fmt: skip
    assert (found["added"], found["alive"], found["share"]) == (8, 5, 0.625)
    assert label(1)["alive"] == 7 and label(3)["alive"] == 1 and label(4) is None


# --- odd repositories ------------------------------------------------------------------------------------------------


def three_commits(repo: Path) -> list[str]:
    return [
        commit(repo, "Start the abacus", {"beads.py": GERMAN.format(name="count")}),
        commit(repo, "Weigh the beads too", {"weigh.py": GERMAN.format(name="weigh")}),
        commit(repo, "Bend the wires, all of them", {"wires.py": GERMAN.format(name="bend")}),
    ]


def test_a_shallow_clone_gives_no_invented_changes_and_no_wrong_commit(repo, tmp_path):
    three_commits(repo)
    git(tmp_path, "clone", "--depth=2", f"file://{repo}", "shallow")
    assert messages(tmp_path / "shallow") == ["Bend the wires, all of them"]
    samples, reports = read(codebase, path=[str(tmp_path / "shallow")])
    assert not reports and {s.origin.path: bool(s.origin.commit) for s in samples} == {
        "beads.py": False, "weigh.py": False, "wires.py": True,
    }  # fmt: skip


def test_a_detached_head_a_worktree_and_a_bare_clone_each_give_their_history(repo, tmp_path):
    commits = three_commits(repo)
    git(repo, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"), commits[1])
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    git(repo, "checkout", "-q", "--detach", commits[0])
    assert (
        len(messages(repo)) == 1
        and len(messages(tmp_path / "tree")) == 2
        and len(messages(tmp_path / "bare.git")) == 3
    )
    samples, reports = read(codebase, path=[str(tmp_path / "tree")])
    assert not reports and {s.origin.commit for s in samples} == set(commits[:2])
    assert verify_docs(samples, tmp_path / "tree").stale == []


def test_an_unborn_branch_has_no_history_and_its_files_are_read(repo):
    write(repo, beads__py=GERMAN.format(name="count"))
    git(repo, "add", "-A")
    samples, reports = read(git_history, repo=repo)
    assert samples == [] and "no commits" in reports[0].reason
    three_commits(repo)
    git(repo, "checkout", "-q", "--orphan", "fresh")
    assert read(git_history, repo=repo)[0] == []
    samples, reports = read(codebase, path=[str(repo)])
    assert samples and not reports and {s.origin.commit for s in samples} == {""}


def test_a_submodule_is_not_entered_and_its_pointer_is_no_code(repo, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-b", "main")
    commit(other, "Start the other abacus", {"other.py": GERMAN.format(name="other")})
    three_commits(repo)
    git(repo, "submodule", "--quiet", "add", str(other), "other")
    signed = "Use the other abacus\n\nCo-Authored-By: Claude <noreply@anthropic.com>"
    commit(repo, signed, {"use.py": "import other\n"})
    commit(other, "Count in the other abacus", {"more.py": GERMAN.format(name="more")})
    git(repo / "other", "pull", "-q")
    commit(repo, "Take the newer abacus")
    samples, reports = read(git_history, repo=repo, tasks=["message", "change"], survival_after=1)
    assert not reports and "other | +1 -1" in samples[0].messages[0].content
    assert {s.meta["task"] for s in samples[:2]} == {"commit_message"}  # no "change" of a pointer
    used = next(s for s in samples if s.messages[1].content == "Use the other abacus")
    assert {row["path"] for row in used.meta["survival"]["hunks"]} == {".gitmodules", "use.py"}
    code, reports = read(codebase, path=[str(repo)])
    assert not reports and {s.origin.path for s in code} == {"beads.py", "weigh.py", "wires.py"}


def test_renamed_and_unreadable_names_stay_apart_and_can_be_written(repo, tmp_path):
    odd = os.fsencode(repo) + b"/caf\xe9.py"
    with open(odd, "wb") as file:
        file.write(GERMAN.format(name="odd").encode())
    signed = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>"
    commit(repo, "Start with an odd name" + signed, {"a b.py": "wire = 1\n", 'quo"te.py': "x = 1\n"})
    git(repo, "mv", "a b.py", "größe.py")
    with open(odd, "ab") as file:
        file.write(b"# more\n")
    commit(repo, "Rename one and change the other")
    samples, _ = read(
        git_history, repo=repo, tasks=["message", "change"], include_diff=True, survival_after=1
    )
    assert "a b.py => größe.py" in samples[0].messages[0].content
    label = next(s.meta["survival"] for s in samples if "survival" in s.meta)
    assert {row["path"]: row["alive"] for row in label["hunks"]} == {
        "a b.py": 1,
        'quo"te.py': 1,
        "caf\ufffd.py": 8,
    }
    assert msgspec.json.decode(msgspec.json.encode(samples), type=list[Sample]) == samples
    _, reports = read(codebase, path=[str(repo)])
    assert len(reports) == 1 and "Rename it" in reports[0].remedy


def test_a_file_that_a_merge_made_anew_names_the_merge(repo):
    commit(repo, "Start the abacus", {"beads.py": GERMAN.format(name="count"), "a.txt": "1\n"})
    git(repo, "checkout", "-q", "-b", "side")
    commit(repo, "Work on the side", {"beads.py": GERMAN.format(name="side")})
    git(repo, "checkout", "-q", "main")
    commit(repo, "Work on the main branch", {"beads.py": GERMAN.format(name="main")})
    subprocess.run(
        ["git", "-C", repo, "merge", "side"], capture_output=True, env=os.environ | AUTHOR | NOWHERE
    )
    merge = commit(repo, "Merge both by hand", {"beads.py": GERMAN.format(name="both")})
    samples, _ = read(codebase, path=[str(repo)])
    assert {s.origin.commit for s in samples} == {merge}


def test_a_partial_clone_is_told_to_be_cloned_whole_and_its_files_are_read(repo, tmp_path):
    three_commits(repo)
    git(repo, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=tree:0", f"file://{repo}", "partial")
    samples, reports = read(git_history, repo=tmp_path / "partial")
    assert samples == [] and "partial clone" in reports[0].reason and "--filter" in reports[0].remedy
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{repo}", "blobless")
    samples, reports = read(codebase, path=[str(tmp_path / "blobless")])
    assert samples and not reports


def test_settings_of_a_user_change_no_sample(repo, tmp_path, monkeypatch):
    three_commits(repo)
    commit(
        repo,
        "Change it all, and twice",
        {"beads.py": GERMAN.format(name="c"), "a.txt": "1\n", "wires.py": "x = 1\n"},
    )
    options = {"repo": repo, "include_diff": True, "tasks": ["message", "change"]}
    plain = read(git_history, **options)[0]
    (tmp_path / "order").write_text("wires.py\na.txt\n")
    settings = {
        "log.showRoot": "false", "diff.algorithm": "histogram", "diff.orderFile": str(tmp_path / "order"), "diff.context": "9",
        "diff.renames": "false", "log.mailmap": "true", "diff.relative": "true", "diff.noprefix": "true",
        "diff.suppressBlankEmpty": "true", "diff.submodule": "log", "i18n.logOutputEncoding": "latin-1",
    }  # fmt: skip
    for name, value in settings.items():
        git(repo, "config", name, value)
    monkeypatch.setenv("GIT_DIFF_OPTS", "--unified=0")
    assert read(git_history, **options)[0] == plain


def test_messages_in_another_encoding_are_read(repo):
    write(repo, a__txt="1\n")
    git(repo, "add", "-A")
    git(repo, "-c", "i18n.commitEncoding=latin-1", "commit", "-q", "-m", "Zähle die Kugeln".encode("latin-1"))
    assert messages(repo) == ["Zähle die Kugeln"]


# --- is it there? ----------------------------------------------------------------------------------------------------

BEADS = '''\
"""Beads on wires."""

import functools


class FullError(Exception):
    "A wire has no room left."

    limit: int = 10


@functools.cache
def room(wires: int, base: int = 10) -> int:
    "How many beads fit on some wires."
    if wires < 0:
        raise ValueError("negative")
    return wires * (base - 1)


def count(
    wires: list[int],  # beads on each wire
    base: int = 10,  # beads that a full wire has
) -> int:  # never negative
    "Count the beads, each wire as one digit."
    total = 0
    if not wires:
        return total
    for beads in wires:
        if beads >= base:
            raise FullError(beads, room(len(wires), base))
        total = total * base + beads
    return total


class Frame:
    "A frame that holds wires, and says what stands on them."

    def __init__(self, wires: list[int]) -> None:
        "Take the wires."
        self.wires = wires

    def show(self, base: int = 10) -> str:
        "Say how much stands on the wires, in some base."
        if base < 2:
            raise ValueError(f"no base {base}")
        rest = room(len(self.wires), base)
        return f"{count(self.wires, base)} of {rest}"
'''
TESTS = """\
from beads import Frame, count


def test_count_takes_each_wire_as_a_digit():
    assert count([1, 2]) == 12
    assert count([]) == 0


def test_a_frame_shows_its_count():
    assert Frame([1, 2]).show().startswith("12")
"""
SHELL = """\
# Counts the lines of a file.
count() {
  if [ -z "$1" ]; then
    exit 2
  fi
  wc -l < "$1"
}

# Says how many lines there are.
show() {
  echo "lines:"
  count "$1"
}
"""


@pytest.fixture
def beads(repo: Path) -> Path:
    commit(repo, "Start the abacus", {"beads.py": BEADS, "test_beads.py": TESTS, "tools/lines.sh": SHELL})
    return repo


def answers(folder: Path, **options) -> list[Sample]:
    samples, reports = read(codebase, path=[str(folder)], min_chars=1, **options)
    assert samples and not reports
    return samples


def test_true_answers_are_never_stale(beads):
    report = verify_docs(answers(beads), beads)
    assert report.stale == [] and report.unchecked == {}
    assert report.samples > 30 and report.places > 100


FALSE = [  # kind of question, symbol, what is said, what is said wrongly, why it is stale
    ("overview", "beads", "(class, lines 6-9)", "(class, lines 6-8)", "FullError is not defined there"),
    ("overview", "beads", "`room` (function", "`rum` (function", "rum is not defined there"),
    ("explain", "beads.room", "`beads.py:12-17`", "`bead.py:12-17`", "no such file"),
    ("explain", "beads.room", "`beads.py:12-17`", "`beads.py:13-17`", "room is not defined there"),
    ("explain", "beads.room", "`room` is a", "`rooms` is a", "rooms is not defined there"),
    ("explain", "beads.room", "`ValueError` when `wires < 0` (line 16)", "`ValueError` when `wires < 0` (line 17)", "ValueError does not stand there"),
    ("explain", "beads.room", "`ValueError` when", "`TypeError` when", "TypeError does not stand there"),
    ("explain", "beads.room", "when `wires < 0`", "when `bases < 0`", "bases < 0 does not stand there"),
    ("explain", "beads.room", "`Frame.show` (`beads.py:46`)", "`Frame.show` (`beads.py:40`)", "Frame.show is not defined there"),
    ("explain", "beads.Frame", "`show` (line 42)", "`show` (line 41)", "show does not stand there"),
    ("callers", "beads.room", "`rest = room(len(self.wires), base)`", "`rest = room(self.wires, base)`", "other code stands there"),
    ("callers", "beads.room", "`beads.py:30` in", "`beads.py:31` in", "other code stands there"),
    ("callers", "beads.room", "in `Frame.show`", "in `Frame.hide`", "Frame.hide is not defined there"),
    ("write", "beads.count", "total = 0", "total = 1", "other code stands there"),
    ("write", "beads.count", "`beads.py:20-32`", "`beads.py:20-33`", "other code stands there"),
    ("complete", "beads.count", "`beads.py:28-32`", "`beads.py:27-31`", "other code stands there"),
    ("complete", "beads.count", "+ beads", "- beads", "other code stands there"),
    ("document", "beads.room", "some wires", "all wires", "other code stands there"),
    ("test", "beads.count", "== 12", "== 21", "other code stands there"),
    ("test", "beads.count", "`test_beads.py:4-6`", "`test_bead.py:4-6`", "no such file"),
    ("errors", "beads.count", "(line 30)", "(line 31)", "does not stand there"),
    ("errors", "beads.count", "when `beads >= base`", "when `wires >= base`", "wires >= base does not stand there"),
    ("errors", "beads.count", "called in line 30", "called in line 28", "room does not stand there"),
    ("depends", "beads.count", "first in `beads.py:30`: A wire", "first in `beads.py:29`: A wire", "FullError does not stand there"),
    ("depends", "beads.count", "`room` (`beads.py:12-17`)", "`room` (`beads.py:12-99`)", "the file has 47 lines"),
    ("find", "beads.Frame", "`beads.py:35-47`", "`beads.py:34-46`", "Frame is not defined there"),
    ("usage", "beads.room", "is defined in `beads.py:12-17`", "is defined in `beads.py:11-17`", "room is not defined there"),
    ("errors", "tools/lines.sh.count", "(line 4)", "(line 6)", "does not stand there"),
    ("explain", "tools/lines.sh.count", "`tools/lines.sh:1-7`", "`tools/lines.sh:2-7`", "count is not defined there"),
]  # fmt: skip


def test_every_kind_of_claim_that_is_made_false_is_found(beads):
    samples = {(sample.meta["task"], sample.meta["symbol"]): sample for sample in answers(beads)}
    assert {task for task, _ in samples} <= {task for task, *_ in FALSE}
    missed = []
    for task, symbol, said, wrong, why in FALSE:
        sample = samples[task, symbol]
        text = sample.messages[1].content
        assert said in text, (task, symbol, said, text)
        told = [sample.messages[0], Message("assistant", text.replace(said, wrong, 1))]
        stale = verify_docs([msgspec.structs.replace(sample, messages=told)], beads).stale
        if bool(stale) != bool(why) or not any(why in one.why for one in stale or [None] if one):
            missed += [(task, symbol, wrong, why, [one.why for one in stale])] if why or stale else []
    assert missed == []


def test_values_and_conditions_of_results_must_stand_on_their_lines(beads):
    sample = next(s for s in answers(beads) if s.meta["symbol"] == "beads.room")
    true = "`room` (`beads.py:12-17`) returns:\n- `wires * (base - 1)` unless `wires < 0` (line 17)"
    for said, holds in (
        (true, True),
        (true.replace("base - 1", "base + 1"), False),
        (true.replace("wires < 0", "wires <= 0"), False),
        (true.replace("(line 17)", "(lines 15-16)"), False),
        ("It returns `wires * (base - 1)` (line 17).", True),
        ("It returns `wires * base` (line 17).", False),
    ):
        told = msgspec.structs.replace(sample, messages=[sample.messages[0], Message("assistant", said)])
        assert (verify_docs([told], beads).stale == []) is holds, said


def test_every_line_number_of_every_answer_is_checked(beads):
    for sample in answers(beads):
        for claim in claims(sample):
            assert claim.lines or claim.path == sample.origin.path
            far = msgspec.structs.replace(sample.origin, lines=(sample.origin.lines[0], 999))
            assert verify_docs([msgspec.structs.replace(sample, origin=far)], beads).stale


def changed(beads: Path, path: str, text: str | None) -> set[tuple[str, str]]:
    samples = answers(beads)
    place = beads / path
    if text is None:
        place.rename(place.with_name("moved.py"))
    else:
        place.write_text(text)
    report = verify_docs(samples, beads, against="now")
    assert verify_docs(samples, beads).stale == []  # the commit that was recorded still holds all of it
    return {(stale.task, stale.why) for stale in report.stale}


def test_a_moved_file_makes_its_answers_stale(beads):
    assert {why for _, why in changed(beads, "beads.py", None)} == {"no such file"}


def test_shifted_lines_make_answers_stale(beads):
    found = changed(beads, "beads.py", "# one more line\n" + BEADS)
    assert {"explain", "write", "callers", "errors", "find", "overview"} <= {task for task, _ in found}


def test_a_renamed_symbol_makes_answers_stale(beads):
    found = changed(beads, "beads.py", BEADS.replace("room", "space"))
    assert ("explain", "beads.room is not defined there") in found and (
        "depends",
        "room is not defined there",
    ) in found


def test_altered_code_makes_answers_stale(beads):
    found = changed(beads, "beads.py", BEADS.replace("    total = 0\n", "    total = 0  # nothing yet\n"))
    assert found == {("write", "other code stands there")}


def test_a_commit_that_was_lost_is_told(beads):
    commit(beads, "Add a commit that will go", {"more.txt": "1\n"})
    samples, code = read(git_history, repo=beads)[0], answers(beads)
    assert verify_docs(samples, beads).stale == []
    git(beads, "reset", "-q", "--hard", "HEAD~1")
    git(beads, "commit", "-q", "--amend", "-m", "Start the abacus anew", "--date=2024-06-01T10:00:00Z")
    assert verify_docs(samples, beads).stale == []  # rewritten, and still in the object store
    git(beads, "reflog", "expire", "--expire=now", "--all")
    git(beads, "gc", "-q", "--prune=now")
    assert {stale.why for stale in verify_docs(samples, beads).stale} == {"no such commit"}
    assert verify_docs(code, beads).stale == []  # the folder still holds what they say
    (beads / "beads.py").write_text("# gone\n")
    assert verify_docs(code, beads).stale


def test_a_placeholder_of_a_scrub_stands_for_what_it_hides(beads):
    sample = next(s for s in answers(beads) if s.meta["task"] == "write" and s.meta["symbol"] == "beads.room")
    text = sample.messages[1].content
    for shown, holds in (
        (text.replace('"negative"', '"<PERSON_1>"'), True),
        (text.replace('"negative"', "<PERSON_1>!"), False),
    ):
        told = msgspec.structs.replace(sample, messages=[sample.messages[0], Message("assistant", shown)])
        assert (verify_docs([told], beads).stale == []) is holds


def test_samples_of_an_unknown_root_are_counted_and_a_missing_folder_is_refused(beads, tmp_path):
    samples = answers(beads)
    (tmp_path / "more").mkdir()
    strangers = [
        msgspec.structs.replace(s, origin=msgspec.structs.replace(s.origin, root="elsewhere"))
        for s in samples
    ]
    report = verify_docs(strangers, [str(beads), str(tmp_path / "more")])
    assert report.samples == 0 and sum(report.unchecked.values()) == len(samples)
    with pytest.raises(Problem, match="no folder"):
        verify_docs(samples, tmp_path / "nowhere")


# --- real code -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["asyncio", "package:core"])
def real(request) -> tuple[Path, list[Sample]]:
    standard = Path(sysconfig.get_paths()["stdlib"])
    folder = standard / request.param if (standard / request.param).is_dir() else locate(request.param)
    samples, reports = read(codebase, path=[str(folder)])
    assert not reports
    return folder, samples


def test_real_code_gives_answers_of_which_none_is_stale(real):
    folder, samples = real
    report = verify_docs(samples, folder)
    assert report.stale == [] and report.samples == len(samples) > 50


def test_a_documented_public_function_is_asked_about_in_five_ways(real):
    folder, samples = real
    kinds = defaultdict(set)
    for sample in samples:
        kinds[sample.origin.path, sample.origin.lines].add(sample.meta["task"])
    counts = []
    for path in sorted(folder.glob("[a-z]*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.col_offset == 0:
                first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
                if ast.get_docstring(node) and len(list(ast.walk(node))) > 40:
                    counts.append(len(kinds[path.name, (first, node.end_lineno)]))
    assert len(counts) >= 5 and sum(counts) / len(counts) >= 5


def test_fewer_than_one_answer_in_a_hundred_repeats_another(real):
    only = [
        msgspec.structs.replace(
            sample, messages=[Message("user", ""), Message("assistant", trained_text(sample))]
        )
        for sample in real[1]
    ]
    dropped = Counter(sample.meta["task"] for sample in dedup(only) if sample.drop)
    assert dropped.total() < len(only) / 100, dropped


def test_code_that_holds_a_fence_is_checked_to_its_end(repo):
    fenced = BEADS.replace(
        '    "How many beads fit on some wires."\n',
        '    """How many beads fit on some wires.\n\n    ```python\n    room(3)\n    ```\n    """\n',
    )
    commit(repo, "Start the abacus", {"beads.py": fenced})
    sample = next(s for s in answers(repo) if s.meta["task"] == "write" and s.meta["symbol"] == "beads.room")
    assert verify_docs([sample], repo).stale == []
    wrong = sample.messages[1].content.replace("wires * (base - 1)", "wires * base")
    assert wrong != sample.messages[1].content
    told = msgspec.structs.replace(sample, messages=[sample.messages[0], Message("assistant", wrong)])
    assert [stale.why for stale in verify_docs([told], repo).stale] == ["other code stands there"]
