"""Write the captions of `snakemake --report` from those of the figures: `python -m tools.captions`."""

from __future__ import annotations

import json
from pathlib import Path

from pcpo.evidence.registry import GROUPS, load_figure
from pcpo.figures.registry import entries
from pcpo.report.markup.formulas import prose
from pcpo.storage.files import write_text

__all__ = ["PATH", "captions", "main", "template"]

#: The template that Snakemake renders for every file in its report, below the root of the repository.
PATH = Path("workflow/report/captions.rst")
_PAGES = {
    "verdicts": "Every claim with its verdict, estimate, interval, replicates, mode and negative controls.",
    "report": "The whole report: claims, figures, readings of the paper, provenance.",
}


def captions() -> dict[str, str]:
    """Map the name of each file, without its suffix, to its title and caption in HTML, mathematics as MathML."""
    compared = {name: f"{entry.title}. {entry.caption}" for name, entry in entries().items()}
    drawn = {name: load_figure(name) for group in GROUPS.values() for name in group.figures}
    evidence = {name: f"{entry.title}. {entry.caption}" for name, entry in drawn.items()}
    return {name: " ".join(prose(text).split()) for name, text in {**compared, **evidence, **_PAGES}.items()}


def template() -> str:
    """Return reStructuredText with one caption per file; a figure of one scenario has the caption of its entry."""
    table = json.dumps(captions(), indent=2, ensure_ascii=False, sort_keys=True)
    return (
        f"{{% set captions = {table} %}}\n"
        '{% set name = (snakemake.output.get("png") or snakemake.output[0]).split("/")[-1].split(".")[0] %}\n'
        ".. raw:: html\n\n   <p>{{ captions[name] or captions[name.split('_')[0]] }}</p>\n"
    )


def main() -> None:
    """Write the template."""
    write_text(PATH, template())


if __name__ == "__main__":
    main()
