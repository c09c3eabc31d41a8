"""Where the progress of a command is shown: on a terminal by `rich`, elsewhere in short lines."""

from __future__ import annotations

import os
import selectors
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pcpo.pipeline.progress import duration, share

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["JobsUnderWay", "Lines", "Screen", "Terminal", "screen"]

#: Seconds between two lines at the least where there is no terminal, and at the most while jobs run.
OFTEN, SELDOM = 15.0, 120.0
#: Jobs under way that a terminal shows at the most.
_ROWS = 8


@dataclass(frozen=True)
class JobsUnderWay:
    """Hold what is shown: steps done and in all, seconds so far, the time to go, jobs under way, and what was found."""

    done: int
    steps: int
    seconds: float
    to_go: str
    running: Sequence[tuple[float, str, str]] = ()
    found: str = ""

    @property
    def head(self) -> str:
        """Return the steps and the times in one line."""
        steps = f"{self.done} of {self.steps} steps{share(self.done, self.steps)}"
        return f"{steps}, {self.to_go}" if self.to_go else steps


class Screen(Protocol):
    """Show lines that stay, and the state of a command, which is asked for when it is shown."""

    def begin(self, state: Callable[[], JobsUnderWay]) -> None:
        """Begin to show the state, from now on until `close`."""

    def say(self, text: str, style: str = "") -> None:
        """Show lines that stay; the style is one of `rich`, for terminals."""

    def tick(self) -> None:
        """Show the state, if it is time to; called every half second."""

    def close(self) -> None:
        """Show the state no longer."""


class Lines:
    """Write short lines: to a file, to a pipe, to the log of a server."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._state: Callable[[], JobsUnderWay] | None = None
        self._last, self._done = clock(), 0

    def begin(self, state: Callable[[], JobsUnderWay]) -> None:
        """Begin to show the state."""
        self._state, self._last = state, self._clock()

    def say(self, text: str, style: str = "") -> None:
        """Write lines; for the reader of a pipe who has gone there is nothing to write."""
        try:
            self._write(f"{text}\n")
        except BrokenPipeError:
            self._write, self._state = lambda text: None, None

    def tick(self) -> None:
        """Write a line if steps were done since the last one, not too often; else seldom, to say that it goes on."""
        if self._state is None or (since := self._clock() - self._last) < OFTEN:
            return
        state = self._state()
        if state.done == self._done and since < SELDOM:
            return
        self._last, self._done = self._clock(), state.done
        shown = [message for _, message, _ in state.running[:2]]
        more = f" and {len(state.running) - 2} more" if len(state.running) > 2 else ""
        self.say(f"{time.strftime('%H:%M:%S')}  {state.head}{'; now: ' if shown else ''}{', '.join(shown)}{more}")

    def close(self) -> None:
        """Show the state no longer."""
        self._state = None


class Terminal:
    """Show the state at the foot of a terminal; whatever else is written goes above it."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._state: Callable[[], JobsUnderWay] | None = None
        self._diverted: _Diverted | None = None
        self._lock = threading.Lock()

    def begin(self, state: Callable[[], JobsUnderWay]) -> None:
        """Begin to show the state, and take what this process and its jobs write to the terminal."""
        self._state = state
        shown = [number for number in (1, 2) if os.isatty(number)]
        with self._lock:
            self._diverted = _Diverted(shown, self.say)
            self._console.file = self._diverted.terminal
            self._live.start()

    def say(self, text: str, style: str = "") -> None:
        """Write lines above the state."""
        with self._lock:
            self._console.print(text, style=style or None, markup=False, highlight=False, soft_wrap=True)

    def tick(self) -> None:
        """Draw the state anew."""
        if self._state is not None:
            drawn = self._drawn(self._state())
            with self._lock:
                self._live.update(drawn, refresh=True)

    def close(self) -> None:
        """Remove the state and give the terminal back."""
        self._state = None
        if self._diverted is not None:
            self._diverted.close()
            with self._lock:
                self._live.stop()
                self._console.file = sys.stderr
            self._diverted.terminal.close()
            self._diverted = None

    def _drawn(self, state: JobsUnderWay) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True, overflow="ellipsis")
        head.add_row(ProgressBar(total=max(1, state.steps), completed=state.done), state.head)
        jobs = Table.grid(padding=(0, 1))
        jobs.add_column(justify="right", style="cyan", no_wrap=True)
        jobs.add_column(no_wrap=True, overflow="ellipsis")
        rows = max(1, min(_ROWS, self._console.height - 4))
        for seconds, message, line in state.running[:rows]:
            jobs.add_row(duration(seconds), Text.assemble(message, (f"  {line}", "dim")))
        if len(state.running) > rows:
            jobs.add_row("", Text(f"and {len(state.running) - rows} more", style="dim"))
        foot = f"{duration(state.seconds)} so far{'; ' if state.found else ''}{state.found}"
        return Group(head, jobs, Text(foot, style="green", no_wrap=True, overflow="ellipsis"))


class _Diverted:
    """Hand on, line by line, what this process and its children write to file descriptors of a terminal."""

    def __init__(self, numbers: Sequence[int], say: Callable[[str], None]) -> None:
        self._say = say
        self._kept = {number: os.dup(number) for number in numbers}
        self.terminal = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
        self._read, write = os.pipe()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._read, False)
        for number in numbers:
            os.dup2(write, number)
        os.close(write)
        self._thread = threading.Thread(target=self._hand_on, daemon=True)
        self._thread.start()

    def _hand_on(self) -> None:
        rest, open_ = b"", True
        with selectors.DefaultSelector() as waiting:
            for end in (self._read, self._woken):
                waiting.register(end, selectors.EVENT_READ)
            while open_:
                open_ = self._woken not in {key.fd for key, _ in waiting.select()}
                while new := self._new():
                    *lines, rest = (rest + new).split(b"\n")
                    for line in lines:
                        self._say(line.decode(errors="replace").rstrip("\r"))
        if rest:
            self._say(rest.decode(errors="replace"))

    def _new(self) -> bytes:
        try:
            return os.read(self._read, 65536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Give the descriptors back, and hand on what is left."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, kept in self._kept.items():
            os.dup2(kept, number)
            os.close(kept)
        os.write(self._wake, b"x")
        self._thread.join()
        for end in (self._read, self._woken, self._wake):
            os.close(end)


def screen(*, lines: bool, out: bool, plain: bool) -> Screen:
    """Return a terminal if stderr is one that can be drawn on, else lines.

    Args:
        lines: lines, also on a terminal.
        out: lines go to stdout instead of stderr, as those of a dry run.
        plain: no colours.
    """
    stream = sys.stdout if out else sys.stderr
    if lines or not stream.isatty() or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):

        def write(text: str) -> None:
            stream.write(text)
            stream.flush()

        return Lines(write)
    from rich.console import Console

    return Terminal(Console(file=stream, no_color=plain or None, force_terminal=True))
