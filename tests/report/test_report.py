"""The report: whole, partial and refused; every number from a file; the same bytes for the same inputs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.report_tree import CLUSTERING, PROVENANCE, TOY, toy_tables, toy_tree, write_verdicts
from support.small_fleets import experiment, three_clusters

from pcpo.claims.judging import Agrees, AtMost, Never, judge
from pcpo.errors import ConfigError, ResultsError
from pcpo.experiments.records import write_runs
from pcpo.figures.registry import entries
from pcpo.report import build_report, load
from pcpo.report.__main__ import main
from pcpo.report.markup.formulas import markdown, mathml, plain, prose
from pcpo.report.markup.html import badge
from pcpo.report.origin import read_sources, rollouts_by_kind, time_spent
from pcpo.report.sentences import (
    alone,
    context,
    estimated,
    expected,
    interval,
    kinds_sentence,
    number,
    p_text,
    replicates,
    result_sentence,
)
from pcpo.report.store import ROOT_VARIABLE, find_root, read_verdicts
from pcpo.statistics import proportion


@pytest.fixture(scope="module")
def whole(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete tree: to be copied, never changed."""
    return toy_tree(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    """A copy of the complete tree, free to be changed."""
    return Path(shutil.copytree(whole, tmp_path / "tree"))


def built(root: Path, **options: object) -> str:
    return build_report(root, groups=TOY, **options).read_text(encoding="utf-8")  # type: ignore[arg-type]


class Reader(HTMLParser):
    """Ids, addresses, texts and whether all tags are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.alternatives: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        elif "src" in given or "href" in given:
            self.loads.append(str(given.get("src") or given.get("href")))
        if tag == "img":
            self.alternatives.append(str(given["alt"]))
        if tag not in {"meta", "link", "img", "br", "hr", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open[-1:] != ["script"] else ""


def test_a_complete_report(tree: Path) -> None:
    page = built(tree)
    read = Reader(page)
    assert read.open == []
    assert "missing:" not in read.text
    assert len(set(read.ids)) == len(read.ids)
    targets = {link[1:] for link in read.links if link.startswith("#")}
    assert targets <= set(read.ids)
    assert {f"claim-{claim.id}" for claim in CLUSTERING.claims} <= targets
    assert all((tree / "results" / link).is_file() for link in read.links if not re.match("#|https:", link))
    assert all(address.startswith("data:") for address in read.loads)
    assert page.count("<script") == page.count("<script>\n") == 1, "none is loaded"
    assert "default-src 'none'; img-src data:" in page
    assert "url(" not in page
    assert "@import" not in page
    assert "runs" not in read.ids  # none were given
    assert all(page.count(f'id="figure-{name}"') == 1 for group in TOY.values() for name in group.figures)
    assert len(read.alternatives) == len({name for group in TOY.values() for name in group.figures}) + len(entries())
    assert all(alternative and "$" not in alternative for alternative in read.alternatives)
    words = " ".join(read.text.split())
    assert "4 claims: 3 supported, 0 refuted, 1 inconclusive. Of 4 negative controls 4 are refuted" in words
    assert "feedbeef (2)" in words
    assert "$" not in read.text


def test_a_report_without_evidence(tree: Path) -> None:
    """Runs and figures of any configuration: no word of verdicts, whole, and a table of what the runs ended with."""
    settled = experiment(three_clusters(), epochs=2, Delta0=16.0, c4=40.0)
    path = tree / "results/runs/b/pcpo/1-2.parquet"
    write_runs(pd.concat([settled.run(seed=k, scenario="b") for k in (1, 2)]), path, PROVENANCE)
    shutil.copy(tree / "figures/elimination.png", tree / "figures/elimination_b.png")
    shown = ["fleets", "elimination_b", "elimination", "learning_curves"]
    titles = {"a": "first", "b": "my & fleet"}
    made = build_report(tree, groups={}, figures=shown, runs=[path], titles=titles)
    page = made.read_text(encoding="utf-8")
    read = Reader(page)
    assert read.open == []
    assert "missing:" not in read.text
    assert not {"answers", "not-shown", "verdicts", "defects", "missing"} & set(read.ids)
    assert {link[1:] for link in read.links if link.startswith("#")} <= set(read.ids)
    names = [name for name in read.ids if name.startswith("comparison-")]
    assert names == [f"comparison-{one}" for one in ("fleets", "elimination", "elimination_b", "learning_curves")]
    assert "my & fleet" in read.text
    assert re.search(r">[0-2] of 2<", page)  # failed runs
    assert "verdicts" in Reader(built(tree)).ids  # negative control


def test_the_same_bytes(tree: Path, whole: Path, tmp_path: Path) -> None:
    first = build_report(tree, tmp_path / "a.html", groups=TOY).read_bytes()
    other = Path(shutil.copytree(whole, tmp_path / "elsewhere"))
    assert first == build_report(other, groups=TOY).read_bytes()
    assert str(tmp_path).encode() not in first
    # Negative control: the time spent is in the page, and can be left out of it.
    note = tree / "results/benchmarks/runs/toy.tsv"
    note.write_text(note.read_text(encoding="utf-8").replace("12.5", "99.5"), encoding="utf-8")
    assert first != build_report(tree, groups=TOY).read_bytes()
    assert built(tree, spent=False) == built(other, spent=False)
    assert 'id="spent"' not in built(other, spent=False)


def test_numbers_come_from_the_files(tree: Path) -> None:
    frames = {name: judge(name, group.claims, toy_tables()) for name, group in TOY.items()}
    frames["clustering"].loc[1, ["estimate", "ci_low", "ci_high"]] = [0.98765, 0.97, 1.0]
    chosen = frames["clustering"]["claim"] == "clustering.toy_ratio"
    frames["clustering"].loc[chosen & (frames["clustering"]["role"] == "claim"), "estimate"] = 0.97531
    write_verdicts(tree, frames)
    assert "0.975 [" in Reader(built(tree)).text
    chosen &= frames["clustering"]["role"] == "negative_control"
    frames["clustering"].loc[chosen, "verdict"] = "inconclusive"
    write_verdicts(tree, frames)
    text = " ".join(Reader(built(tree)).text.split())
    assert "only 0 of 1 refuted" in text
    assert "expected refuted: the check is in doubt" in text


def _drop(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def _drop_power(root: Path) -> None:
    frame = read_verdicts(root / "results/verdicts/clustering.csv")
    frame = frame[~((frame["claim"] == "clustering.toy_ratio") & (frame["role"] != "claim"))]
    frame.to_csv(root / "results/verdicts/clustering.csv", index=False)
    (root / "results/verdicts.csv").unlink()


def _drop_group(root: Path) -> None:
    (root / "results/verdicts/defects.csv").unlink()
    (root / "results/verdicts.csv").unlink()


def _drop_tables(root: Path) -> None:
    shutil.rmtree(root / "results/evidence")
    shutil.rmtree(root / "results/runs")


PARTIAL: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "verdicts": (_drop_group, ["verdicts of group defects", "verdict of claim defects.toy_defect"]),
    "figure": (_drop("figures/toy_event.png"), ["figure toy_event"]),
    "comparison": (_drop("figures/baselines.png"), ["figure baselines"]),
    "notebook": (_drop("results/notebooks/clustering.html"), ["notebook clustering", "notebook"]),
    "control": (_drop_power, ["negative control of claim clustering.toy_ratio", "power of claim clustering.toy_ratio"]),
    "runs": (_drop_tables, ["tables of runs", "rollouts simulated"]),
}


@pytest.mark.parametrize("case", PARTIAL)
def test_a_partial_report_says_what_is_missing(case: str, tree: Path) -> None:
    spoil, notes = PARTIAL[case]
    spoil(tree)
    page = built(tree)
    text = " ".join(Reader(page).text.split())
    assert "This report is partial" in text
    for note in notes:
        assert f"missing: {note}" in text
    assert (
        page.index('id="missing"')
        < page.index('id="answers"')
        < page.index('id="not-shown"')
        < page.index('id="verdicts"')
    )
    others = {name for name in TOY["clustering"].figures if name not in notes[0]}
    assert all(f'id="figure-{name}"' in page for name in others)


def test_what_a_configuration_does_not_draw_is_not_missing(tree: Path) -> None:
    for name in ("baselines", "ablations"):
        (tree / f"figures/{name}.png").unlink()
    page = built(tree, figures=["fleets", "elimination"])
    assert "This report is partial" not in page
    assert "FedLQR" not in Reader(page).text.split("Deviations from the paper, and readings", 2)[1]


def _edit(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        change(pd.read_csv(root / name)).to_csv(root / name, index=False)

    return spoil


def _cut(name: str, share: float) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: int(share * len(content))])

    return spoil


def _first(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.assign(**{column: [value, *frame[column].astype(object)[1:]]})


OWN = "results/verdicts/clustering.csv"
PARQUET = "results/evidence/toy/000000-000149.parquet"
WRONG: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "other column": (OWN, _edit(OWN, lambda f: f.rename(columns={"verdict": "outcome"})), "found other columns"),
    "no row": (OWN, _edit(OWN, lambda f: f[:0]), "found no row"),
    "empty file": (OWN, _cut(OWN, 0), "not a readable table"),
    "NaN verdict": (OWN, _edit(OWN, _first("verdict", float("nan"))), "verdict: found nothing (NaN)"),
    "other verdict": (OWN, _edit(OWN, _first("verdict", "proved")), "verdict: found proved"),
    "other role": (OWN, _edit(OWN, _first("role", "judge")), "role: found judge"),
    "other mode": (OWN, _edit(OWN, _first("mode", "tuned")), "mode: found tuned"),
    "no number": (OWN, _edit(OWN, _first("estimate", "high")), "column estimate: expected numbers"),
    "no runs": (OWN, _edit(OWN, _first("n_runs", "")), "NaN in column n_runs"),
    "twice": (OWN, _edit(OWN, lambda f: pd.concat([f, f[:1]])), "found twice"),
    "other group": (OWN, _edit(OWN, _first("group", "scaling")), "found verdicts of group 'scaling'"),
    "other claim": (OWN, _edit(OWN, _first("claim", "thm9")), "found claim 'thm9'"),
    "joined": ("results/verdicts.csv", _edit("results/verdicts.csv", _first("estimate", 0.5)), "join the files again"),
    "cut figure": ("figures/toy_event.png", _cut("figures/toy_event.png", 0.5), "no whole PNG"),
    "cut parquet": (PARQUET, _cut(PARQUET, 0.5), "may be truncated"),
    "numbers": (
        "figures/baselines.csv",
        _edit("figures/baselines.csv", lambda f: f.drop(columns="rounds")),
        "found no columns ['rounds']",
    ),
    "benchmark": (
        "results/benchmarks/runs/toy.tsv",
        lambda root: (root / "results/benchmarks/runs/toy.tsv").write_text("a\tb\n1\t2\n", encoding="utf-8") and None,
        "found columns ['a', 'b']",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named(case: str, tree: Path) -> None:
    name, spoil, message = WRONG[case]
    spoil(tree)
    with pytest.raises(ResultsError, match=re.escape(message)) as caught:
        built(tree)
    assert str(tree / name) in str(caught.value)
    assert not (tree / "results/report.html").exists()


def test_the_command(tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcpo.report.store.declared_groups", lambda: TOY)
    assert main(["--root", str(tree), "--output", str(tree / "r.html"), "--without-machine"]) == 0
    assert 'id="spent"' not in (tree / "r.html").read_text(encoding="utf-8")
    assert main(["--root", str(tree / "figures")]) == 1
    assert "ResultsError" in capsys.readouterr().err


def test_where_results_are(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "notebooks").mkdir()
    assert find_root(tree / "notebooks") == find_root(tree) == tree
    with pytest.raises(ResultsError, match="run the workflow first"):
        find_root(tmp_path)
    monkeypatch.setenv(ROOT_VARIABLE, str(tree))
    assert find_root(tmp_path) == tree
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    with pytest.raises(ResultsError, match=ROOT_VARIABLE):
        find_root(tree)


def test_what_notebooks_call(tree: Path) -> None:
    r = load(tree, TOY)
    assert "3" in r.studies("clustering").html
    assert r.table("toy")["seed"].nunique() == 150
    assert list(r.figure_numbers("toy_event").columns) == ["epoch", "gap"]
    shown = [r.introduction("clustering"), r.overview("clustering"), r.numbers("clustering"), r.claims("clustering")]
    shown += [
        r.statement("clustering.toy_event"),
        r.refutation("clustering.toy_event"),
        r.result("clustering.toy_event"),
    ]
    shown += [r.figure("toy_event"), r.figure("clustering.toy_never"), r.figure("fleets"), r.comparison("baselines")]
    for fragment in shown:
        assert "missing:" not in fragment.html
        bundle = fragment._repr_mimebundle_()
        assert set(bundle) == {"text/html", "text/plain"}
        assert Reader(bundle["text/html"]).open == []
        assert "<" not in bundle["text/plain"].replace("b < c", "").replace("a < b", "")
    with pytest.raises(ConfigError, match=r"expected one of clustering\.toy_event"):
        r.statement("thm9")
    with pytest.raises(ConfigError, match="expected one of clustering, defects"):
        r.claims("clusters")
    with pytest.raises(ConfigError, match="expected one of toy"):
        r.table("toys")
    with pytest.raises(ConfigError, match="expected one of fleets"):
        r.comparison("toy_event")
    (tree / "results/verdicts/defects.csv").unlink()
    assert "supported" in load(tree, TOY).overview("clustering").html
    assert "inconclusive" in load(tree, TOY).overview("defects").html, "from the joined file"


ROW = {"estimate": 0.5, "ci_low": 0.4, "ci_high": 0.6, "predicted": 0.55, "n_runs": 40, "statistic": "mean"}
ROW |= {"p_value": 0.012, "p_adjusted": 0.024, "interval": "jackknife-t", "trials": 40}


@pytest.mark.parametrize(
    ("rule", "verdict", "words"),
    [
        (AtMost(), "supported", "the interval does not reach above the bound 0.55"),
        (AtMost(), "refuted", "significantly above the bound 0.55; p = 0.012, corrected for the table p = 0.024"),
        (AtMost(), "inconclusive", "reaches above the bound"),
        (Agrees(0.1), "supported", "the prediction 0.55 is met"),
        (Agrees(0.1), "refuted", "is significantly missed"),
        (Agrees(0.01), "inconclusive", "too wide to support"),
        (Never(100), "inconclusive", "the rule asks for 100, so this is too few"),
        (Never(10), "supported", "the rule asks for 10 without one"),
        (Never(10), "refuted", "one would refute"),
    ],
)
def test_sentences(rule: AtMost | Agrees | Never, verdict: str, words: str) -> None:
    assert words in result_sentence(ROW | {"verdict": verdict, "refuted_if": rule.refuted_if}, rule)


def test_rows_show_what_they_were_judged_by() -> None:
    """Rates of what must never happen, numbers without chance, bounds of arithmetic, and what n counts."""
    never = ROW | {"refuted_if": Never(3).refuted_if, "estimate": 0.0, "n_runs": 300.0, "trials": 14460.0}
    assert (estimated(never), expected(never)) == ("0 violations in 300, at most 1.2 %", "never")
    assert replicates(never) == "300 (of 14,460 looked at)"
    assert estimated(never | {"estimate": 2.0}) == "2 violations in 300: 0.67 % [0.081 %, 2.4 %]"
    assert estimated(never | {"estimate": 1.0}).startswith("1 violation in 300: ")
    pairs = never | {"n_runs": 14460.0}
    assert (estimated(pairs), replicates(pairs)) == (
        "0 violations in 14,460, at most 0.026 %",
        "14,460",
    )
    bound = ROW | {"refuted_if": AtMost().refuted_if}
    assert (estimated(bound), expected(bound), replicates(bound)) == ("0.50 [0.40, 0.60]", "≤ 0.55", "40")
    equal = bound | {"estimate": -2.5, "ci_low": -2.5, "ci_high": -2.5, "interval": "none: all runs are equal"}
    assert (estimated(equal), replicates(equal)) == ("−2.5", "–")
    assert replicates(bound | {"interval": "rounding bound"}) == "–"
    row = {"mode": "calibrated", "minibatch_scale": "0.08", "population": "one fleet"}
    assert context(row) == "calibrated; κ_M = 0.08; one fleet"
    assert context(row | {"minibatch_scale": ""}) == "calibrated; one fleet"


def test_shares_of_runs_are_counts_in_words() -> None:
    found = proportion(0, 840)
    rate = ROW | {"refuted_if": AtMost().refuted_if, "interval": "Clopper-Pearson", "statistic": "fraction of runs"}
    rate |= {"estimate": 0.0, "ci_low": found.low, "ci_high": found.high, "n_runs": 840.0, "predicted": 0.05}
    assert estimated(rate) == "0 failures in 840 runs, at most 0.44 %"
    assert expected(rate) == "≤ 5 %"
    some = rate | {"estimate": 7 / 48, "ci_low": 0.0607, "ci_high": 0.2776, "n_runs": 48.0}
    assert estimated(some) == "7 failures in 48 runs: 15 % [6.1 %, 28 %]"
    cells = rate | {"interval": "Clopper-Pearson, largest of 10", "n_runs": 80.0, "ci_high": 0.04506}
    assert estimated(cells) == "0 failures in 80 runs of each of 10 cells, at most 4.5 %"
    worst = cells | {"estimate": 0.0125, "ci_high": 0.0677}
    assert estimated(worst).startswith("1 failure in 80 runs of the worst of 10 cells: 1.2 % [")
    assert (
        estimated(some | {"estimate": 1.0, "ci_high": 1.0, "ci_low": 0.926}) == "48 failures in 48 runs, at least 93 %"
    )
    finer = rate | {"estimate": 0.00035, "ci_low": 2e-4, "ci_high": 6e-4, "n_runs": 2000.0}
    assert estimated(finer) == "0.035 % [0.02 %, 0.06 %]", "of more things than the independent runs"
    assert "the interval does not reach above the bound 5 %" in result_sentence(
        rate | {"verdict": "supported"}, AtMost()
    )
    assert estimated(rate | {"interval": "normal"}).startswith("0 ["), "negative control: no share of runs"


def test_claims_are_counted_by_kind_and_weak_supports_marked() -> None:
    rows = [
        ("a", "of the paper", "supported", 1e-6),
        ("b", "of the paper", "supported", 0.024),
        ("c", "companion", "refuted", 1.0),
        ("d", "defect", "inconclusive", 0.3),
    ]
    verdicts = pd.DataFrame(rows, columns=["claim", "kind", "verdict", "p_support"]).assign(role="claim")
    words = kinds_sentence(verdicts)
    assert "2 statements of the paper (2 supported); 1 places where its text errs" in words
    assert "1 statements of other papers (1 refuted)" in words
    assert alone(verdicts) == {"b"}, "3 · .024 is above 5 %"
    assert kinds_sentence(verdicts.assign(kind="")) == ""
    assert alone(verdicts.assign(p_support=np.nan)) == frozenset()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.025, "0.025"),
        (-0.5, "−0.5"),
        (1234.5, "1,234"),
        (1e-9, "1 × 10⁻⁹"),
        (-2.346e8, "−2.35 × 10⁸"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (99.97, "100"),
        (0.09999, "0.1"),
        (12.0, "12"),
        (12345678.0, "1.23 × 10⁷"),
        (2e7, "2 × 10⁷"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_intervals() -> None:
    assert interval(24.94, 22.41, 29.3) == "24.9 [22.4, 29.3]"
    assert interval(0.0025, 0.0001, 0.0139) == "0.0025 [0.0001, 0.0139]"
    assert interval(float("inf"), float("nan"), float("inf")) == "∞ [–, ∞]"
    assert interval(2.0, 2.0, 2.0) == "2 [2, 2]"
    assert (p_text(1e-9), p_text(0.0456), p_text(float("nan"))) == ("p < 0.001", "p = 0.046", "")


def test_mathematics() -> None:
    assert mathml(r"a<\alpha & b".replace("& b", "")).startswith("<math><mrow><mi>a</mi><mo>&lt;</mo><mi>α</mi>")
    assert "<msubsup>" in mathml(r"\mathcal N_i^{(l)}")
    assert "\U0001d4a9" in mathml(r"\mathcal N").unescape()
    assert prose("a < b & $x$, `c_d`").startswith("a &lt; b &amp; <math")
    assert "<code>c_d</code>" in prose("a < b & $x$, `c_d`")
    assert plain("the set $N_i$ of `i`") == "the set N_i of i"
    assert "\\" not in mathml(r"\bigl\{x\bigr\}, \arg\min_K, \mathrm{s}, \mathbf 1\{y\}")


@pytest.mark.parametrize("formula", [r"\frac{a", r"\left(a", r"\nosuch x", r"a & b", r"{a}}"])
def test_a_formula_that_cannot_be_shown_is_refused(formula: str) -> None:
    with pytest.raises(ConfigError, match="formula"):
        mathml(formula)


def test_an_odd_dollar_is_refused() -> None:
    with pytest.raises(ConfigError, match="odd number"):
        prose("costs $5")


def test_markdown(repository: Path) -> None:
    page = markdown(
        "# A b\n\nHere $a_i^*b$ and $c_j*d$.\n\n$$\\frac{a}{b}$$\n\n[in](x.md) [out](https://a.b/) <b>", "p", below=2
    )
    assert '<h3 id="p-a-b">' in page
    assert page.count("<math") == 3
    assert 'display="block"' in page
    assert "<cite>in</cite>" in page
    assert '<a href="https://a.b/">' in page
    assert "&lt;b&gt;" in page
    reading = markdown((repository / "docs/reading.md").read_text(encoding="utf-8"), "reading")
    assert reading.count("<table>") == reading.count('class="scroll"') > 1
    assert len(set(Reader(reading).ids)) == len(Reader(reading).ids)


def test_origin_and_time(tree: Path) -> None:
    sources = read_sources(tree)
    assert [Path(source.path).parts[1] for source in sources] == ["evidence", "runs"]
    counted = rollouts_by_kind(tree, sources)  # a study has no row per agent
    assert counted.to_dict("records") == [{"kind": "runs", "files": 1, "rollouts": 9.0 + 9.0 + 7.0}]
    (tree / "results/benchmarks/report.tsv").write_text("s\tmax_rss\tcpu_time\n7\t1\t1\n", encoding="utf-8")
    (tree / "results/benchmarks/runs/b.tsv").write_text("s\tmax_rss\tcpu_time\n2.5\t400\t-\n", encoding="utf-8")
    row = {"kind": "runs", "jobs": 2, "seconds": 15.0, "cpu_seconds": 11.0, "memory": 400.0}
    assert time_spent(tree).to_dict("records") == [row]
    kept = tree / "results/checkpoints/evidence/toy/0"
    kept.mkdir(parents=True)
    pd.DataFrame({"a": [1]}).to_parquet(kept / "0.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tree / "results/runs/.being-written.parquet")
    assert read_sources(tree) == sources
    pd.DataFrame({"a": [1]}).to_parquet(tree / "results/strange.parquet")
    with pytest.raises(ResultsError, match=r"strange\.parquet: found a parquet file without provenance"):
        read_sources(tree)


def test_badges_have_words() -> None:
    assert "supported" in Reader(badge("supported")).text
