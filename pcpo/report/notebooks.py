"""Execute notebooks with the running interpreter and write them as pages without network, scripts or dates.

The sources hold no outputs.  A page depends on the notebook, the results and the library alone: paths, times, execution
counts and the user's Jupyter settings do not enter.
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import re
import sys
import tempfile
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup

from pcpo.errors import ResultsError
from pcpo.report.formulas import markdown
from pcpo.report.html import missing, template
from pcpo.report.page import style
from pcpo.report.store import ROOT_VARIABLE
from pcpo.storage.files import write_text

__all__ = ["execute", "notebook_page", "only_drawn", "read_notebook", "run_notebook"]

_LOG = logging.getLogger("pcpo.job")
_SECONDS = 600
_COMPARISON = re.compile(r'r\.comparison\("(?P<figure>\w+)"\)')
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def read_notebook(path: Path | str) -> nbformat.NotebookNode:
    """Read a notebook of format 4; raises ResultsError, naming the file, for anything else."""
    try:
        notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such notebook") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, KeyError, TypeError) as error:
        raise ResultsError(f"{path}: found no notebook of format 4 ({str(error).splitlines()[0]})") from None
    return notebook


def execute(notebook: nbformat.NotebookNode, folder: Path, root: Path, name: str) -> nbformat.NotebookNode:
    """Execute a notebook in `folder` on the results under `root`, by IPython in a process of its own.

    Installed kernels and settings of the user are ignored.  The process is a fork, which need not load the libraries
    again, if strings are hashed as in every other run; otherwise it is a fresh interpreter that hashes them so.

    Raises:
        ResultsError: with the last line of the error of the failing cell.
    """
    sources = [cell.source if cell.cell_type == "code" else "" for cell in notebook.cells]
    context = multiprocessing.get_context("spawn" if sys.flags.hash_randomization or os.name != "posix" else "fork")
    with tempfile.TemporaryDirectory(prefix="pcpo-") as private, _environment(Path(private), root):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(theirs, sources, folder))  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        try:
            outputs, failure = _answered(ours)
        except (EOFError, TimeoutError) as error:
            process.kill()
            process.join()
            why = str(error) or f"it ended with exit code {process.exitcode}"
            raise ResultsError(f"notebook {name}: the kernel did not finish ({why})") from None
        process.join()
    if failure:
        raise ResultsError(f"notebook {name}: a cell failed: {failure}")
    done = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    for cell, shown in zip(done.cells, outputs, strict=True):
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(output) for output in shown]  # type: ignore[no-untyped-call]
    return done  # type: ignore[no-any-return]


def _answered(connection: Connection) -> tuple[list[list[dict[str, Any]]], str]:
    """Receive the outputs of all cells and the first error; TimeoutError if there is nothing for ten minutes."""
    outputs: list[list[dict[str, Any]]] = []
    while True:
        if not connection.poll(_SECONDS):
            raise TimeoutError(f"a cell took more than {_SECONDS} s")
        message = connection.recv()
        if isinstance(message, str):
            return outputs, message
        outputs.append(message)


def _answer(connection: Connection, sources: Sequence[str], folder: Path) -> None:
    """Execute the cells and send the outputs of each, then the first error, empty if there is none."""
    from IPython.core.displayhook import CapturingDisplayHook
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    os.chdir(folder)
    sys.stdin = io.StringIO()
    sys.path[:0] = [] if str(folder) in sys.path else [str(folder)]
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}), colors="nocolor")
    for source in sources:
        outputs: list[dict[str, Any]] = []
        shell.display_pub = CapturingDisplayPublisher()  # type: ignore[no-untyped-call]
        shell.display_pub.outputs = outputs
        shell.display_trap.hook = CapturingDisplayHook(shell, outputs)  # type: ignore[no-untyped-call]
        with redirect_stdout(_Stream("stdout", outputs)), redirect_stderr(_Stream("stderr", outputs)):
            result = shell.run_cell(source)  # type: ignore[no-untyped-call]
        if (error := result.error_before_exec or result.error_in_exec) is not None:
            connection.send(f"{type(error).__name__}: {error}")
            return
        connection.send([output if "output_type" in output else _shown(output) for output in outputs])
    connection.send("")


def _shown(output: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output of IPython as a notebook holds it: bytes as text."""
    data = {
        kind: b64encode(value).decode() if isinstance(value, bytes) else value for kind, value in output["data"].items()
    }
    return {"output_type": "display_data", "data": data, "metadata": {}}


class _Stream(io.TextIOBase):
    """Keep what is printed among the outputs of a cell, in their order."""

    def __init__(self, name: str, outputs: list[dict[str, Any]]) -> None:
        self._name, self._outputs = name, outputs

    def write(self, text: str) -> int:
        """Append to the last output if that was printed here too."""
        last = self._outputs[-1] if self._outputs else {}
        if last.get("name") == self._name:
            last["text"] += text
        elif text:
            self._outputs.append({"output_type": "stream", "name": self._name, "text": text})
        return len(text)


@contextmanager
def _environment(private: Path, root: Path) -> Iterator[None]:
    """Set the environment of a process that executes cells, for as long as it is started."""
    fixed = {"IPYTHONDIR": str(private), "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg", ROOT_VARIABLE: str(root)}
    before = {name: os.environ.get(name) for name in fixed}
    os.environ.update(fixed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def notebook_page(notebook: nbformat.NotebookNode, name: str, root: Path) -> str:
    """Convert an executed notebook to a page: text, formulas as MathML, code, and outputs."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cells.append({"kind": "text", "body": markdown(cell.source, name), "outputs": []})
        elif cell.cell_type == "code" and cell.source.strip():
            source = Markup('<pre class="source"><code>{}</code></pre>').format(cell.source)
            shown = [_output(output, name, root) for output in cell.outputs]
            cells.append({"kind": "code", "body": source, "outputs": shown})
    title = next((line[2:] for cell in notebook.cells for line in cell.source.splitlines() if line[:2] == "# "), name)
    return template("templates/notebook.html.j2").render(title=title.replace("$", ""), style=style(), cells=cells)


def _output(output: Mapping[str, Any], name: str, root: Path) -> Markup:
    """Convert one output; a warning goes to the log, since it names places on this machine."""
    if output["output_type"] == "stream":
        if output["name"] == "stderr":
            _LOG.info("notebook %s: %s", name, output["text"].rstrip())
            return Markup("")
        return _words(output["text"], root)
    data = output.get("data", {})
    if "text/html" in data:
        return Markup('<div class="scroll">{}</div>').format(Markup(data["text/html"].replace(str(root), ".")))
    if "image/png" in data:
        image = data["image/png"].replace("\n", "")
        return Markup('<img src="data:image/png;base64,{}" alt="shown by the code above">').format(image)
    return _words(data["text/plain"], root) if "text/plain" in data else missing("an output that a page can show")


def _words(text: str, root: Path) -> Markup:
    return Markup("<pre>{}</pre>").format(_ADDRESS.sub("", text.replace(str(root), ".")))


def only_drawn(notebook: nbformat.NotebookNode, figures: Collection[str]) -> nbformat.NotebookNode:
    """Return the notebook without the cells that show a figure of runs that is not drawn, and the texts before them."""
    kept: list[nbformat.NotebookNode] = []
    for cell in notebook.cells:
        kept.append(cell)
        shown = _COMPARISON.fullmatch(cell.source.strip()) if cell.cell_type == "code" else None
        if shown and shown["figure"] not in figures:
            kept.pop()
            while kept and kept[-1].cell_type == "markdown":
                kept.pop()
    return nbformat.from_dict({**notebook, "cells": kept})  # type: ignore[no-untyped-call, no-any-return]


def run_notebook(
    source: Path | str, output: Path | str, root: Path | str, *, figures: Collection[str] | None = None
) -> None:
    """Execute a notebook on the results under `root` and write it as one page.

    Args:
        source: the notebook.
        output: the page to write.
        root: directory that has results/ and figures/.
        figures: ids of the figures of runs that the configuration draws; cells of other figures are dropped.
    """
    source, root = Path(source).resolve(), Path(root).resolve()
    notebook = read_notebook(source)
    done = execute(notebook if figures is None else only_drawn(notebook, figures), source.parent, root, source.stem)
    write_text(output, notebook_page(done, source.stem, root))
