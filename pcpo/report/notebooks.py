"""Execute notebooks with the running interpreter and write them as pages without network, scripts or dates.

The sources hold no outputs.  A page depends on the notebook, the results and the library alone: paths, times, execution
counts and the user's Jupyter settings do not enter.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from markupsafe import Markup
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from pcpo.errors import ResultsError
from pcpo.report.markup.formulas import markdown
from pcpo.report.markup.html import missing, template
from pcpo.report.page import style
from pcpo.report.store import ROOT_VARIABLE
from pcpo.storage.files import write_text

__all__ = ["execute", "notebook_page", "only_drawn", "read_notebook", "run_notebook"]

_LOG = logging.getLogger("pcpo.job")
_SECONDS = 600
_LONGEST_SOCKET = 90  # of the 104 bytes that the shortest systems allow, with room for the port's number
_INLINE = "module://matplotlib_inline.backend_inline"  # pictures become outputs of the cells that draw them
_DRAWN = re.compile(r'r\.figure_numbers\("(?P<figure>\w+)"\)')
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
    """Execute a notebook in `folder` on the results under `root`, with the interpreter that runs this.

    Installed kernels and settings of the user are ignored, and so are tags of cells: in JupyterLab, a cell tagged
    raises-exception may fail without stopping the others; in a page none may.

    Raises:
        ResultsError: with the last line of the error of the failing cell.
    """
    for cell in notebook.cells:
        cell.metadata.pop("tags", None)
    with tempfile.TemporaryDirectory(prefix="pcpo-") as private:
        manager = _manager(Path(private))
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=_SECONDS,
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            client.execute(env=_environment(Path(private), root), cleanup_kc=True)
        except CellExecutionError as error:
            raise ResultsError(f"notebook {name}: a cell failed: {error.ename}: {error.evalue}") from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise ResultsError(f"notebook {name}: the kernel did not finish ({error})") from None
        finally:
            if client.km is not None:
                client._cleanup_kernel()
    return notebook


def _manager(private: Path) -> AsyncKernelManager:
    """Return a manager of a kernel of this interpreter, reached through sockets in a private folder."""
    specs = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
    manager = AsyncKernelManager(kernel_name=NATIVE_KERNEL_NAME, kernel_spec_manager=specs)
    if os.name == "posix" and len(str(private)) < _LONGEST_SOCKET:
        manager.transport, manager.ip = "ipc", str(private / "k")
    manager.connection_file = str(private / "connection.json")
    return manager


def _environment(private: Path, root: Path) -> dict[str, str]:
    own = {name: str(private / name.lower()) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    fixed = {"PYTHONHASHSEED": "0", "MPLBACKEND": _INLINE, ROOT_VARIABLE: str(root)}
    return {**os.environ, **own, **fixed}


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
    """Return the notebook without the cells that read a figure of runs that is not drawn, and the texts before them."""
    kept: list[nbformat.NotebookNode] = []
    for cell in notebook.cells:
        kept.append(cell)
        read = _DRAWN.findall(cell.source) if cell.cell_type == "code" else []
        if not set(read) <= set(figures):
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
