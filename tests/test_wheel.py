"""The wheel: built from the tree, it runs the bundled quickstart spec far from the repository."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment that holds the wheel; what it depends on is borrowed from the one that tests."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    site = next((folder / "lib").glob("python3*/site-packages"))
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return folder


def test_the_wheel_carries_steps_specs_and_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("steps/collect.ipynb", "params/quickstart.yaml", "bundled/tokenizer/tokenizer.json"):
        assert f"sftbench/_share/{needed}" in names
    assert "sftbench/_index.json" in names and "sftbench/py.typed" in names


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_wheel_runs_the_quickstart_outside_the_repository(environment, tmp_path):
    variables = {
        **os.environ,
        "SFTBENCH_HOME": str(tmp_path / "home"),
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
    }
    variables.pop("PYTHONPATH", None)
    code = "import sftbench; print(sftbench.__file__)"
    where = subprocess.run(
        [environment / "bin" / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert str(environment) in where.stdout
    shorter = [
        "collect.sources.codebase.max_samples=250",
        "train.scratch_size=tiny",
        "train.pretrain_steps=20",
        "evaluate.answers=1",
    ]
    command = [environment / "bin" / "sftbench", "run", "quickstart", *shorter]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=variables)
    assert done.returncode == 3, done.stdout + done.stderr
    assert (
        "not in a git repository"
        in (next((tmp_path / "outputs").rglob("quarantine.jsonl"))).read_text().lower()
    )
    assert (tmp_path / "outputs" / "quickstart" / "report.html").is_file()
    assert list((tmp_path / "outputs" / "quickstart").glob("*_train/adapter/adapter_model.safetensors"))
