"""JupyterLab opens the tour and runs it, in a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium")
SCREENSHOTS = ROOT / "outputs" / "screenshots"

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium: apt-get install chromium")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on a copy of the tour; gives its address."""
    shutil.copy(ROOT / "nbs" / "index.ipynb", tmp_path / "index.ipynb")
    shutil.copytree(ROOT / "nbs" / "images", tmp_path / "images")
    port = free_port()
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}",
               "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    jupyter = Path(sys.executable).with_name("jupyter-lab")
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
    }
    server = subprocess.Popen(
        [jupyter, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(address + "/api", timeout=2).close()
            break
        except OSError:
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait(30)


def run_all(page) -> None:
    """Run all cells and wait for the last one; a click before the kernel is connected is lost, so click again."""
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    for _ in range(12):
        page.wait_for_timeout(3000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        for _ in range(240):
            page.wait_for_timeout(500)
            shown = [text.strip(" []:") for text in prompts.all_inner_texts()]
            if shown[-1].isdigit():
                return
            if not any(shown):
                break
    raise AssertionError(f"the tour did not run to its end: {shown}")


@pytest.mark.timeout(600)
def test_jupyterlab_opens_the_tour_and_runs_it(lab):
    from playwright.sync_api import sync_playwright

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.goto(f"{lab}/lab/tree/index.ipynb", timeout=120_000)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        page.wait_for_selector(
            '.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=120_000, state="attached"
        )
        run_all(page)
        page.locator(".jp-CodeCell").last.scroll_into_view_if_needed()
        page.screenshot(path=SCREENSHOTS / "lab_tour.png")
        errors = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]').count()
        assert errors == 0
        browser.close()
