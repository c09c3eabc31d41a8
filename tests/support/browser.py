"""Open pages in a headless Chromium without a network, by Playwright; record what they ask for and their errors."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright import sync_api

__all__ = ["Page", "browser", "executable"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: For root in a container without a GPU and with a small /dev/shm; no host but the loopback interface is reached.
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--allow-file-access-from-files"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
MILLISECONDS = 60_000


def executable() -> str | None:
    """Return the path of the system's Chromium, None if there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Page:
    """Hold an open page with the URLs that it asked for and the errors and warnings on its console."""

    page: sync_api.Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(MILLISECONDS)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message: sync_api.ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.errors.append(message.text)

    def open(self, path: Path, width: int, height: int = 900) -> None:
        """Load a file in a window of that size in pixels and wait until it is loaded."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(path.resolve().as_uri(), wait_until="load")

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page; a promise is awaited."""
        return self.page.evaluate(expression)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write the visible part or the whole page as PNG."""
        self.page.screenshot(path=path, full_page=whole)


@contextmanager
def browser(chromium: str) -> Iterator[Page]:
    """Start a browser with an empty profile and one page, and close it at the end."""
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(OPTIONS), timeout=MILLISECONDS)
        try:
            yield Page(opened.new_page())
        finally:
            opened.close()
