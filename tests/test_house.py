"""The house itself: exports, floors, index, notebooks, documents."""

import ast
import importlib.util
import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from sftbench.core.params import RESERVED, parameters_of, step_info, step_names
from sftbench.core.registry import components, scan_package, write_index
from sftbench.operate.fingerprint import imports_of

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {path.name.split("_", 1)[1]: int(path.name[:2]) for path in (ROOT / "nbs").glob("[0-9][0-9]_*")}
MODULES = sorted(path for path in (ROOT / "sftbench").rglob("*.py") if "_share" not in path.parts)
NOTEBOOKS = sorted(path for path in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_a_room_imports_only_rooms_below_it():
    wrong = []
    for path in MODULES:
        parts = module_name(path).split(".")
        if len(parts) < 3:
            continue
        for name in imports_of(path.read_text(), ".".join(parts[:-1])):
            words = name.split(".")
            if (
                words[0] == "sftbench"
                and len(words) > 1
                and words[1] in ROOMS
                and ROOMS[words[1]] > ROOMS[parts[1]]
            ):
                wrong.append(f"{module_name(path)} imports {name}")
    assert not wrong


def test_the_floors_test_sees_relative_imports():
    found = imports_of("from ..core.sample import Sample", "sftbench.clean")
    assert "sftbench.core.sample" in found


def test_every_module_has_its_notebook_and_exports_have_not_drifted(tmp_path):
    tree = tmp_path / "tree"
    for name in ("nbs", "settings.ini", "pyproject.toml"):
        source = ROOT / name
        shutil.copytree(source, tree / name) if source.is_dir() else (
            tree.mkdir(exist_ok=True),
            shutil.copy(source, tree / name),
        )
    (tree / "README.md").write_text("")
    nbdev_export = Path(sys.executable).with_name("nbdev_export")
    subprocess.run([nbdev_export], cwd=tree, check=True, capture_output=True)
    ours = {p.relative_to(ROOT / "sftbench") for p in MODULES}
    (tree / "sftbench" / "_modidx.py").unlink()
    theirs = {p.relative_to(tree / "sftbench") for p in (tree / "sftbench").rglob("*.py")}
    generated = {p for p in ours if p.name != "__init__.py"}
    assert generated == {p for p in theirs if p.name != "__init__.py"}
    drifted = [
        str(p)
        for p in generated
        if (tree / "sftbench" / p).read_text() != (ROOT / "sftbench" / p).read_text()
    ]
    assert not drifted, "run `make export`"


def test_the_command_index_has_not_drifted():
    index = ROOT / "sftbench" / "_index.json"
    before = index.read_bytes()
    try:
        assert write_index().read_bytes() == before, "run `make export`"
    finally:
        index.write_bytes(before)


def test_the_readme_is_the_tour(tmp_path):
    command = [
        "make",
        "-s",
        "readme",
        f"README={tmp_path / 'README.md'}",
        f"BIN={Path(sys.executable).parent}",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "README.md").read_text() == (ROOT / "README.md").read_text(), "run `make export`"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT / "nbs")))
def test_notebooks_are_clean(path):
    notebook = json.loads(path.read_text())
    assert set(notebook["metadata"]) <= {"kernelspec"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids))
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
        assert cell.get("execution_count") is None
        for output in cell.get("outputs", ()):
            assert output["output_type"] != "error"
    assert path.read_text() == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT / "nbs")))
def test_notebooks_name_no_machine(path):
    cells = json.loads(path.read_text())["cells"]
    stored = json.dumps([cell.get("outputs") for cell in cells])
    assert not re.findall(r"(?:/root|/work|/opt|/tmp|/home/(?!mara|<))/[\w./-]*", stored)


def exported(path: Path) -> list[ast.FunctionDef]:
    return [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]


def length(function: ast.FunctionDef) -> int:
    return (function.end_lineno or 0) - function.body[0].lineno + 1


def test_functions_are_short():
    lengths = {f"{module_name(p)}.{f.name}": length(f) for p in MODULES for f in exported(p)}
    assert statistics.median(lengths.values()) <= 12
    assert not {name: n for name, n in lengths.items() if n > 50}


def test_public_functions_say_what_they_do():
    public = [(p, f) for p in MODULES for f in exported(p) if not f.name.startswith("_")]
    assert not [f"{module_name(p)}.{f.name}" for p, f in public if not ast.get_docstring(f)]
    untyped = [
        f"{module_name(p)}.{f.name}"
        for p, f in public
        for a in (*f.args.args, *f.args.kwonlyargs)
        if a.annotation is None and a.arg != "self"
    ]
    assert not untyped


def test_nothing_is_caught_broadly():
    broad = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or ast.unparse(node.type) == "Exception"
            ):
                broad.append(f"{module_name(path)}:{node.lineno}")
    assert not broad


def test_components_are_found_without_importing_anything_heavy():
    code = (
        "import sys; from sftbench.core.registry import components; components('verb'); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pandas", "plotly", "numba", "torch", "papermill", "sklearn", "datasketch"} & set(loaded)


def test_every_component_can_be_imported_and_is_what_the_index_says():
    for found in scan_package(ROOT / "sftbench"):
        module = importlib.import_module(found.module)
        marked = getattr(module, found.function).component
        assert (marked["kind"], marked["name"]) == (found.kind, found.name)


@pytest.mark.parametrize("name", sorted(step_names()))
def test_a_step_notebook_takes_exactly_its_verbs_options(name):
    declared = {option.name: option for option in components("verb")[name].options}
    defaults = parameters_of(step_names()[name])
    assert set(RESERVED) <= set(defaults)
    extra = set(defaults) - set(RESERVED) - set(declared)
    assert extra <= set(components("verb")), f"{extra} are neither options of {name} nor verbs"
    missing = set(declared) - set(defaults)
    assert missing <= {"seed"}


@pytest.mark.parametrize("name", sorted(step_names()))
def test_a_step_notebook_defines_nothing(name):
    cells = json.loads(step_names()[name].read_text())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "an executed step notebook belongs to a run"
            source = "".join(cell["source"])
            assert "#| export" not in source
            kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
            assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


@pytest.mark.parametrize("name", sorted(step_names()))
def test_every_option_of_a_step_has_a_type_that_a_spec_can_be_checked_against(name):
    for option in step_info(name).options.values():
        assert option.type, option.name


def test_commands_in_the_readme_exist():
    from typer.main import get_command

    from sftbench.operate.cli import build_app

    known = set(get_command(build_app()).commands)  # type: ignore[attr-defined]
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"(?:`|\$ )sftbench ([a-z][a-z_-]+)", text))
    assert named and named <= known
