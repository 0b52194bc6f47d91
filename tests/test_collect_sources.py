"""Sources on real trees: odd repositories, encodings and files that cannot be read."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from sftbench.collect.codebase import codebase
from sftbench.collect.documents import documents
from sftbench.collect.git_history import git_history
from sftbench.collect.skills import skills
from sftbench.core.jsonl import Unreadable, collecting_unreadable
from sftbench.core.sample import Sample, content_id
from sftbench.core.system import locate

ME = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": "2024-05-01T10:00:00+02:00"}
AUTHOR = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in ME.items()}
NOWHERE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
SOURCES = [git_history, codebase, documents, skills]
CODE = '''"""Beads on wires."""


def count(
    wires: list[int],  # beads on each wire
    base: int = 10,  # beads that a full wire has
) -> int:  # never negative
    "Count the beads, each wire as one digit."
    total = 0
    for beads in wires:
        if beads >= base:
            raise OverflowError(f"{beads} beads on one wire")
        total = total * base + beads
    return total
'''
TEXT = "# Abacus\n\nAn abacus is a frame with wires and beads, and it counts in any base that you like.\n" + (
    "It needs no battery, and a child learns it in an afternoon. " * 2
)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", folder, *arguments], check=True, capture_output=True, env=os.environ | AUTHOR | NOWHERE
    )
    return done.stdout.decode().strip()


def commit(folder: Path, message: str, **files: str | bytes) -> str:
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(folder, "add", "-A")
    git(folder, "commit", "--allow-empty", "-m", message)
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


def option(source) -> str:
    return "repo" if source is git_history else "path"


@pytest.mark.parametrize("source", SOURCES)
def test_a_missing_path_an_empty_folder_and_a_file_are_reported_with_a_remedy(source, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"\0")
    (tmp_path / "empty").mkdir()
    for name in ("missing", "empty", "file.bin"):
        samples, reports = read(source, **{option(source): str(tmp_path / name)})
        assert samples == [] and len(reports) == 1
        assert reports[0].path.endswith(name)


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_input_gives_the_same_samples_again(source, repo):
    commit(repo, "Start the abacus", beads__py=CODE, README__md=TEXT)
    (repo / "count").mkdir()
    (repo / "count" / "SKILL.md").write_text("# Count\n\nFrom below.\n")
    first, _ = read(source, **{option(source): str(repo)})
    again, _ = read(source, **{option(source): str(repo)})
    assert first and first == again
    for sample in first:
        assert sample.origin.root == "abacus" and not sample.origin.path.startswith("/")
        assert str(repo) not in str(sample)
        assert sample.group and sample.domain and sample.source == source.__name__


def test_a_repository_without_commits_is_reported_and_its_files_are_still_read(repo):
    (repo / "beads.py").write_text(CODE)
    samples, reports = read(git_history, repo=repo)
    assert samples == [] and "no commits" in reports[0].reason
    samples, reports = read(codebase, path=[str(repo)])
    assert samples and not reports
    assert {sample.origin.commit for sample in samples} == {""}


def test_a_shallow_clone_leaves_out_the_commit_whose_changes_are_unknown(repo, tmp_path):
    commit(repo, "Start the abacus", **{f"f{n}__txt": "x" for n in range(9)})
    commit(repo, "Add the beads", beads__py=CODE)
    commit(repo, "Count the beads twice", more__py=CODE)
    git(tmp_path, "clone", "--depth=2", f"file://{repo}", "shallow")
    samples, reports = read(git_history, repo=tmp_path / "shallow")
    assert [sample.messages[1].content for sample in samples] == ["Count the beads twice"]
    assert not reports
    code, _ = read(codebase, path=[str(tmp_path / "shallow")])
    assert {sample.origin.path: bool(sample.created_at) for sample in code} == {
        "beads.py": False,
        "more.py": True,
    }


def test_a_detached_head_reads_the_history_below_it(repo):
    first = commit(repo, "Start the abacus", beads__py=CODE)
    commit(repo, "Count the beads twice", more__py=CODE)
    git(repo, "checkout", "--detach", first)
    samples, _ = read(git_history, repo=repo)
    assert [sample.origin.commit for sample in samples] == [first]


def test_a_bare_repository_has_a_history_too(repo, tmp_path):
    commit(repo, "Start the abacus", beads__py=CODE)
    git(tmp_path, "clone", "--bare", str(repo), "bare.git")
    samples, reports = read(git_history, repo=tmp_path / "bare.git")
    assert len(samples) == 1 and not reports


def test_binary_files_renames_and_odd_names_stay_whole_in_the_statistics(repo):
    commit(repo, "Start the abacus", **{"a\tb\nc__txt": "x\n", "picture__png": b"\x89PNG\0\0"})
    git(repo, "mv", "a\tb\nc.txt", "größe.txt")
    commit(repo, "Rename the odd file")
    rename, start = read(git_history, repo=repo)[0]
    assert "a\tb\nc.txt => größe.txt" in rename.messages[0].content
    assert "picture.png | binary" in start.messages[0].content


def test_merges_bots_reverts_and_short_messages_are_left_out(repo):
    commit(repo, "Start the abacus", a__txt="1\n")
    git(repo, "checkout", "-b", "side")
    commit(repo, "Work on the side", b__txt="1\n")
    git(repo, "checkout", "main")
    commit(repo, "Work on the main branch", c__txt="1\n")
    git(repo, "merge", "--no-ff", "-m", "Merge what was done on the side", "side")
    commit(repo, "fix", c__txt="2\n")
    git(repo, "revert", "--no-edit", "HEAD")
    (repo / "d.txt").write_text("1\n")
    git(repo, "add", "-A")
    git(repo, "commit", "--author=renovate[bot] <r@bots.org>", "-m", "Update everything to the newest")
    found = {sample.messages[1].content for sample in read(git_history, repo=repo)[0]}
    assert found == {"Start the abacus", "Work on the side", "Work on the main branch"}


def test_a_diff_is_cut_at_a_line_and_says_how_much_is_missing(repo):
    commit(repo, "Start the abacus", a__txt="".join(f"line {n}\n" for n in range(100)))
    shown = read(git_history, repo=repo, include_diff=True, max_diff_tokens=50)[0][0].messages[0].content
    diff = shown.split("```diff\n")[1].split("\n[diff cut here")[0]
    whole = git(repo, "diff-tree", "--root", "-p", "HEAD")
    assert len(diff) <= 200 and diff + "\n" in whole
    missing = len(whole[whole.index("diff --git") :].split("\n")) - len(diff.split("\n"))
    assert f"[diff cut here: {missing} more lines]" in shown


def test_variables_of_a_git_hook_do_not_point_to_another_repository(repo, tmp_path, monkeypatch):
    commit(repo, "Start the abacus", beads__py=CODE)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert len(read(git_history, repo=repo)[0]) == 1
    assert read(codebase, path=[str(repo)])[0]


def test_the_settings_of_a_repository_run_no_program_and_change_no_answer(repo, tmp_path):
    commit(repo, "Start the abacus", beads__py=CODE)
    plain = [read(source, **{option(source): str(repo)})[0] for source in (git_history, codebase)]
    touched = tmp_path / "touched"
    for name in ("core.fsmonitor", "diff.external", "core.pager", "gpg.program"):
        git(repo, "config", name, f"touch {touched}; false")
    for name in ("log.showSignature", "diff.noprefix", "log.follow"):
        git(repo, "config", name, "true")
    again = [read(source, **{option(source): str(repo)})[0] for source in (git_history, codebase)]
    assert plain == again and not touched.exists()


def test_reading_writes_nothing_into_a_repository(repo):
    commit(repo, "Start the abacus", beads__py=CODE, README__md=TEXT)
    (repo / "beads.py").touch()

    def state() -> dict[str, tuple[int, int]]:
        files = (path for path in repo.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    before = state()
    for source in (git_history, codebase, documents):
        read(source, **{option(source): str(repo)})
    assert state() == before


def test_files_that_git_does_not_track_are_not_read(repo):
    commit(repo, "Start the abacus", beads__py=CODE, __gitignore="secret.py\n")
    (repo / "secret.py").write_text(CODE.replace("count", "secret"))
    assert {sample.origin.path for sample in read(codebase, path=[str(repo)])[0]} == {"beads.py"}


def test_a_file_edited_since_its_commit_names_no_commit(repo):
    first = commit(repo, "Start the abacus", beads__py=CODE, more__py=CODE)
    (repo / "more.py").write_text("\n" + CODE)
    origins = {s.origin.path: s.origin.commit for s in read(codebase, path=[str(repo)])[0]}
    assert origins == {"beads.py": first, "more.py": ""}


def test_a_package_inside_an_ignored_environment_is_read(repo):
    commit(repo, "Start the abacus", __gitignore=".venv/\n")
    package = repo / ".venv" / "lib" / "site-packages" / "abacus"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "beads.py").write_text(CODE)
    samples, reports = read(codebase, path=[str(package)])
    assert samples and not reports
    assert "`abacus/beads.py:4-14`" in samples[0].messages[1].content
    assert samples[0].origin.path == "beads.py" and samples[0].origin.commit == ""


def test_a_syntax_error_is_reported_with_its_line_and_the_rest_is_read(repo):
    commit(
        repo,
        "Start",
        beads__py=CODE,
        bad__py="x = 1\ndef f(:\n",
        old__py="print 'ten'\n",
        nul__py=b"x = '\0'\n",
    )
    samples, reports = read(codebase, path=[str(repo)])
    assert {sample.origin.path for sample in samples} == {"beads.py"}
    assert {(Path(r.path).name, r.line) for r in reports} == {
        ("bad.py", 2),
        ("old.py", 1),
        ("nul.py", None),
    }
    assert any("Python 2" in report.remedy for report in reports)


def test_code_in_several_encodings_is_read_with_exact_lines(repo):
    german = CODE.replace("Beads on wires", "Kugeln auf Drähten")
    commit(
        repo, "Start the abacus",
        plain__py=german, bom__py=german.encode("utf-8-sig"), windows__py=german.replace("\n", "\r\n"),
        latin__py=b"# coding: latin-1\n" + german.encode("latin-1"), cp1252__py=german.encode("cp1252"),
    )  # fmt: skip
    samples, reports = read(codebase, path=[str(repo)], tasks=["explain"])
    assert not reports and len(samples) == 5
    for sample in samples:
        raw = (repo / sample.origin.path).read_bytes().splitlines()
        assert raw[sample.origin.lines[0] - 1].startswith(b"def count(")
        assert raw[sample.origin.lines[1] - 1].strip() == b"return total"


def test_links_to_nowhere_pipes_and_folders_named_like_files_do_not_stop_a_source(tmp_path):
    tree = tmp_path / "tree"
    (tree / "folder.py").mkdir(parents=True)
    (tree / "folder.py" / "beads.py").write_text(CODE)
    (tree / "gone.py").symlink_to("nowhere.py")
    (tree / "again.py").symlink_to("folder.py/beads.py")
    os.mkfifo(tree / "pipe.py")
    (tree / "README.md").write_text(TEXT)
    (tree / "gone.md").symlink_to("nowhere.md")
    samples, reports = read(codebase, path=[str(tree)])
    assert {sample.origin.path for sample in samples} == {"folder.py/beads.py"}
    assert {Path(report.path).name for report in reports} == {"gone.py", "pipe.py"}
    samples, reports = read(documents, path=[str(tree)])
    assert len(samples) == 1 and [Path(report.path).name for report in reports] == ["gone.md"]


def test_a_tracked_file_that_is_missing_is_reported(repo):
    commit(repo, "Start the abacus", beads__py=CODE, gone__py=CODE)
    (repo / "gone.py").unlink()
    samples, reports = read(codebase, path=[str(repo)])
    assert samples and "git checkout" in reports[0].remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_a_file_without_the_right_to_read_it_is_reported(tmp_path):
    (tmp_path / "beads.py").write_text(CODE)
    (tmp_path / "closed.py").write_text(CODE)
    (tmp_path / "closed.py").chmod(0)
    samples, reports = read(codebase, path=[str(tmp_path)])
    assert samples and "cannot be read" in reports[0].reason


def test_a_name_that_is_no_text_is_reported(tmp_path):
    (tmp_path / "beads.py").write_text(CODE)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.py")).write_text(CODE)
    samples, reports = read(codebase, path=[str(tmp_path)])
    assert samples and len(reports) == 1


def test_every_place_that_an_answer_about_this_package_names_exists():
    samples, reports = read(codebase, path=["package:core"])
    assert samples and not reports
    folder = locate("package:").parent
    for sample in samples:
        file = locate(sample.origin.root) / sample.origin.path
        lines = file.read_text(encoding="utf-8").split("\n")
        first, last = sample.origin.lines
        assert 1 <= first <= last <= len(lines)
        assert 200 <= sum(len(message.content) for message in sample.messages) <= 3000
        if sample.meta["task"] == "write":
            code = sample.messages[1].content.split("```python\n")[1].split("\n```")[0].split("\n")
            assert [line.strip() for line in code] == [line.strip() for line in lines[first - 1 : last]]
        if sample.meta["task"] == "callers":
            for item in sample.messages[1].content.split("\n")[1:]:
                if "`: " in item or "`:" not in item:
                    continue
                place, code = item[3:].split("`", 1)[0], item.split(": `", 1)[1][:-1]
                path, number = place.rsplit(":", 1)
                assert (folder / path).read_text(encoding="utf-8").split("\n")[
                    int(number) - 1
                ].strip() == code


def test_the_lines_of_every_answer_about_this_package_lie_inside_their_files():
    samples, _ = read(codebase, path=["package:"])
    folder = locate("package:")
    heights = {
        path.relative_to(folder).as_posix(): len(path.read_bytes().splitlines())
        for path in folder.rglob("*.py")
    }
    assert {sample.meta["task"] for sample in samples} >= {"explain", "complete", "overview"}
    for sample in samples:
        first, last = sample.origin.lines
        assert 1 <= first <= last <= heights[sample.origin.path]
        named = re.findall(r"`([\w/.]+\.py):(\d+)(?:-(\d+))?`", sample.messages[1].content)
        assert named or sample.meta["task"] not in ("explain", "overview")
        for path, start, end in named:
            height = heights[path.removeprefix(f"{folder.name}/")]
            assert 1 <= int(start) <= int(end or start) <= height, f"{path}:{start}-{end}"


def test_a_test_is_only_asked_for_where_one_exists(repo):
    test = "from beads import count\n\n\ndef test_count_is_zero_for_no_wires():\n    assert count([]) == 0\n"
    commit(
        repo,
        "Start the abacus",
        beads__py=CODE,
        test_beads__py=test,
        lonely__py=CODE.replace("count", "lone"),
    )
    samples, _ = read(codebase, path=[str(repo)], tasks=["test"])
    assert [sample.meta["symbol"] for sample in samples] == ["beads.count"]
    assert "`test_beads.py:4-5`" in samples[0].messages[1].content


def test_documents_quote_their_lines_word_for_word():
    samples, reports = read(documents, path=["bundled:documents"])
    assert samples and not reports
    for sample in samples:
        file = locate(sample.origin.root) / sample.origin.path
        first, last = sample.origin.lines
        lines = file.read_text(encoding="utf-8").split("\n")[first - 1 : last]
        quoted = sample.messages[1].content.rsplit("\n\nSource: ", 1)[0]
        if file.suffix == ".ipynb":
            words = "".join(json.loads(f'"{line}"') if '"' not in line else line for line in lines)
            assert quoted.split()[0] in words
        else:
            assert quoted in "\n".join(lines)


def in_strings(lines: list[str]) -> str:
    found = re.findall(r'"(?:[^"\\]|\\.)*"', "\n".join(lines))
    return "".join(json.loads(string) for string in found)


def test_documents_of_notebooks_stand_in_the_strings_of_the_lines_that_they_name():
    nbs = Path(__file__).parents[1] / "nbs"
    samples = [s for s in read(documents, path=[str(nbs)])[0] if s.origin.path.endswith(".ipynb")]
    assert len(samples) > 500
    for sample in samples:
        first, last = sample.origin.lines
        lines = (nbs / sample.origin.path).read_text(encoding="utf-8").split("\n")[first - 1 : last]
        answer, place = sample.messages[1].content.rsplit("\n\nSource: ", 1)
        assert place.startswith(f"`{sample.origin.path}:{first}-{last}`")
        rows = [row for row in answer.split("\n") if row.strip() and row != "…" and "```" not in row]
        shown = in_strings(lines)
        assert all(row in shown for row in rows), place
        for edge in (in_strings(lines[:1]), in_strings(lines[-1:])):
            assert any(row in edge for row in [*rows, sample.meta["heading"]] if row) or "```" in edge, place


def test_a_part_of_a_notebook_section_has_the_lines_of_its_own_strings(tmp_path):
    prose = [
        f"Paragraph {number} tells how many beads there are on wire {number}.\n\n" for number in range(9)
    ]
    plot = {"output_type": "display_data", "data": {"application/json": list(range(200))}, "metadata": {}}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Beads\n", "\n", *prose]},
        {"cell_type": "code", "metadata": {}, "outputs": [plot], "source": ["wires = 9\n", "plot(wires)"]},
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": "One string with\nits own rows, and\nthree of them.",
        },
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)
    (tmp_path / "beads.ipynb").write_text(text)
    samples, _ = read(documents, path=[str(tmp_path)], max_chars=150, min_chars=20)
    lines = text.split("\n")
    assert len(samples) > 3
    for sample in samples:
        first, last = sample.origin.lines
        rows = sample.messages[1].content.rsplit("\n\nSource: ", 1)[0].split("\n")
        rows = [row for row in rows if row and "```" not in row]
        assert rows[0] in in_strings(lines[first - 1 : first])
        assert rows[-1] in in_strings(lines[last - 1 : last])


def test_a_file_in_two_places_is_read_once(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "abacus.md").write_text(TEXT)
    samples, _ = read(documents, path=[str(tmp_path), str(tmp_path / "docs")])
    assert len(samples) == 1


def test_damaged_notebooks_are_reported_and_the_rest_is_read(tmp_path):
    (tmp_path / "abacus.md").write_text(TEXT)
    for name, text in {
        "cut": '{"cells": [{"cell_type"',
        "list": "[1, 2]",
        "old": '{"worksheets": [], "nbformat": 3}',
    }.items():
        (tmp_path / f"{name}.ipynb").write_text(text)
    samples, reports = read(documents, path=[str(tmp_path)])
    assert len(samples) == 1 and len(reports) == 3


def test_the_lines_of_a_skill_section_are_those_of_its_file():
    samples, reports = read(skills, path=["bundled:skills"])
    assert samples and not reports
    for sample in samples:
        assert sample.kind == "document" and sample.messages[1].content
        lines = (locate(sample.origin.root) / sample.origin.path).read_text(encoding="utf-8").split("\n")
        for section in sample.meta["sections"]:
            first, last = section["lines"]
            assert section["text"] in "\n".join(lines[first - 1 : last])
            assert not section["heading"] or section["heading"] in lines[first - 1]


def test_content_ids_can_be_made_of_everything_that_sources_give(repo):
    commit(
        repo,
        "Start the abacus \udcff".encode("utf-8", "replace").decode(),
        odd__py=CODE.encode() + b"# \xff\n",
    )
    for source in SOURCES[:2]:
        for sample in read(source, **{option(source): str(repo)})[0]:
            assert len(content_id(sample)) == 32
