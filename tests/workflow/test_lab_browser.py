"""JupyterLab as `make notebooks` opens it, in a real browser: a notebook runs to its end, and a slider moves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import jupyterlab
import pytest
from playwright.sync_api import expect
from support.browser import Page, browser, executable

CHROMIUM = executable()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH"),
]

TOKEN = "lab"
CELLS = 5  # of code in explore.ipynb
MILLISECONDS = 120_000
#: All cells stay in the page, also those that are out of sight; nothing asks for news, which may lie over a slider.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false"},
}
#: Where pip puts what JupyterLab and its extensions show, also if they are borrowed from another environment.
SHARED = Path(jupyterlab.__file__).resolve().parents[4] / "share/jupyter"


@pytest.fixture(scope="module")
def address(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a copy of the notebooks on the loopback interface, with settings of its own; return the address."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(repository / "notebooks", root / "notebooks", ignore=shutil.ignore_patterns(".*"))
    for name, values in SETTINGS.items():
        path = root / "config/lab/user-settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "IPYTHONDIR": "ipython"}
    places["JUPYTER_RUNTIME_DIR"] = "runtime"
    own = {variable: str(root / folder) for variable, folder in places.items()}
    inherited = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # set for the tests alone
    fixed = {"JUPYTER_PATH": str(SHARED), "PYTHONPATH": str(repository)}
    options = ["--no-browser", "--ip=127.0.0.1", "--port=0", f"--IdentityProvider.token={TOKEN}"]
    options += ["--ServerApp.port_retries=0"] + (["--allow-root"] if os.geteuid() == 0 else [])
    log = root / "lab.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, "notebooks"],
            cwd=root,
            env={**inherited, **own, **fixed},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _serving(server, root / "runtime", log)
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _serving(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Wait until the server answers; it writes the port that it chose into its folder."""
    until = time.monotonic() + MILLISECONDS / 1000
    while time.monotonic() < until and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            try:
                base = str(json.loads(path.read_text(encoding="utf-8"))["url"])
                with urllib.request.urlopen(f"{base}api", timeout=10):
                    return base
            except (ValueError, KeyError, urllib.error.URLError, TimeoutError):
                pass
        time.sleep(0.2)
    pytest.fail(f"JupyterLab does not answer:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    assert CHROMIUM is not None
    with browser(CHROMIUM) as opened:
        opened.page.set_default_timeout(MILLISECONDS)
        yield opened


def test_explore_runs_to_its_end_and_its_slider_moves(address: str, page: Page) -> None:
    lab = page.page
    lab.set_viewport_size({"width": 1400, "height": 1000})
    lab.goto(f"{address}lab/tree/explore.ipynb?token={TOKEN}&reset", wait_until="load")
    lab.locator(".jp-Notebook").wait_for()
    idle = lab.get_by_text("Python 3 (ipykernel) | Idle")
    idle.wait_for()  # before, running a cell asks for a kernel
    lab.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    lab.get_by_text("Run All Cells", exact=True).click()
    lab.get_by_text(f"[{CELLS}]:", exact=True).first.wait_for()
    lab.locator(".jp-Notebook img").nth(1).wait_for()  # of the cell with the sliders and of the last one
    assert lab.locator(".jp-Notebook [data-mime-type='application/vnd.jupyter.error']").count() == 0
    lab.locator(".jp-Notebook pre", has_text="epoch 1:").wait_for()
    slider = lab.locator(".widget-slider", has_text="epoch").locator(".noUi-handle")
    # The slider is drawn with the kernel's value, and the kernel is idle.
    expect(slider).to_have_attribute("aria-valuenow", "1.0", timeout=MILLISECONDS)
    idle.wait_for()
    slider.press("ArrowRight")
    # The key reached the page; next the kernel answers.
    expect(slider).to_have_attribute("aria-valuenow", "2.0", timeout=MILLISECONDS)
    lab.locator(".jp-Notebook pre", has_text="epoch 2:").wait_for()
    foreign = [
        url for url in page.requests if not url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))
    ]
    assert foreign == []
