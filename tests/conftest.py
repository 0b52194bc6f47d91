"""One run of the tiny spec under papermill, shared by the tests that look at a finished run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The folder of a finished run of params/tiny.yaml; every step notebook was executed."""
    sftbench = Path(sys.executable).with_name("sftbench")
    outputs = ROOT / "outputs" / "test"
    command = [sftbench, "run", str(ROOT / "params" / "tiny.yaml"), "--outputs", str(outputs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return outputs / "tiny"
