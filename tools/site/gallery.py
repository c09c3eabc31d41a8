"""Write the gallery: every figure that can be drawn, with its picture, caption, command and claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pcpo.evidence.registry import GROUPS, load_claims, load_figure
from pcpo.figures.registry import Configured, entries, module_drawing
from pcpo.pipeline.config import read_configuration, studies_of
from pcpo.report.markup.formulas import plain
from pcpo.schema import load_schema, validated
from tools.site.markdown import escaped

__all__ = ["kept_picture", "page"]

#: The pictures of the reference results, below the checkout.
PICTURES = Path("docs/reference")
#: The configuration that is read by default, and the one whose pictures are kept.
_MAIN, _FULL = "config/config.yaml", "config/full.yaml"

_HEAD = """# Gallery

Every figure with the commands that make it: the first draws it for the main job, the second from the runs of
`config/full.yaml`, as in the pictures here. Beside each picture the workflow writes a PDF, and a CSV of what is drawn.
A figure is declared in one entry; [Adding](docs/adding.md) shows how.

"""


def page(root: Path) -> str:
    """Return the gallery as Markdown, to stand at the top of the staged folder.

    Args:
        root: the checkout with its configurations and reference pictures.
    """
    schema = load_schema(root / "workflow/schemas/config.schema.yaml")
    main, full = (validated(read_configuration([root / path]), schema) for path in (_MAIN, _FULL))
    lines = [_HEAD]
    lines += ["## Runs and comparisons\n"]
    for name, entry in entries().items():
        files = [[*entry.wants(Configured(config["scenarios"], config["featured"]))] for config in (main, full)]
        lines += _figure(root, name, entry, module_drawing(name), *files)
    for group, made in GROUPS.items():
        lines += [f"## Claims: `{group}`\n"]
        claims = load_claims(group)
        for name in made.figures:
            files = [[name] if _drawn(group, config) else [] for config in (main, full)]
            judged = [claim.id for claim in claims if claim.figure == name]
            lines += _figure(root, name, load_figure(name), f"pcpo.evidence.{group}.figures", *files, judged)
    return "\n".join(lines)


def kept_picture(root: Path, name: str) -> str:
    """Return the path of the picture of a figure below the checkout, of the whole run or of a part; empty if none."""
    found = [path for path in sorted((root / PICTURES).rglob("*.png")) if path.stem == name]
    return found[0].relative_to(root).as_posix() if found else ""


def _drawn(group: str, config: Mapping[str, Any]) -> bool:
    """Return whether a configuration has a study of a group, and so draws its figures."""
    return any(study in studies_of(config) for study in GROUPS[group].studies)


def _figure(
    root: Path, name: str, entry: Any, module: str, main: Sequence[str], full: Sequence[str], claims: Sequence[str] = ()
) -> Iterator[str]:
    """Yield the blocks of a figure; `main` and `full` are the files that the configurations draw by its entry."""
    yield f"({name})=\n\n### {entry.title}\n"
    if picture := kept_picture(root, name):
        yield f"![{escaped(plain(entry.title))}]({picture})\n"
    else:
        yield "*No picture is kept of this figure; the command draws it.*\n"
    yield f"{_prose(entry.caption)}\n"
    commands = [f"snakemake figures/{file}.pdf --cores all" for file in main]
    commands += [f"snakemake build/full/figures/{file}.pdf --cores all --configfile {_FULL}" for file in full]
    yield "\n".join(["```sh", *(commands[:1] if main else []), *commands[len(main) : len(main) + 1], "```", ""])
    if len(full) > 1:
        yield f"Other files of this entry: {', '.join(f'`{file}`' for file in full[1:])}.\n"
    if claims:
        yield f"Claims judged beside it, in [Evidence](docs/evidence.md): {', '.join(f'`{one}`' for one in claims)}.\n"
    yield f"Declared as `{name}` in [`{module}`](#{module}).\n"


def _prose(text: str) -> str:
    """Return a caption as Markdown: formulas between $ and code between ` stay, other signs stand for themselves."""
    parts = " ".join(text.split()).split("$")
    return "$".join(part if k % 2 else _outside_code(part) for k, part in enumerate(parts))


def _outside_code(text: str) -> str:
    return "`".join(part if k % 2 else escaped(part) for k, part in enumerate(text.split("`")))
