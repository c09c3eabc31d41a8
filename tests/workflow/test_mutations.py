"""500 generated mutations of a configuration and a fleet file: used as written, or refused by one sentence."""

from __future__ import annotations

import copy
import json
import math
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from support.workspace import Workspace

from pcpo.errors import PcpoError
from pcpo.fleets.files import read_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.pipeline import config as reading

CONFIGURATION: dict[str, Any] = {
    "name": "mutated",
    "featured": "pair",
    "report": False,
    "scenarios": {
        "pair": {
            "title": "two clusters",
            "noise": "sphere",
            "fleet": {
                "random": {
                    "seed": 3,
                    "n": 2,
                    "m": 1,
                    "sizes": [1, 2, 3],
                    "gamma": 0.5,
                    "separation": 4,
                    "spacing": [1, 1.5],
                    "spectral_radius": [0.5, 1.0],
                    "initial": "common",
                    "initial_gap": 1,
                }
            },
            "schedule": {"mode": "calibrated", "Delta0": 12, "delta": 0.1, "minibatch_scale": 0.05},
            "budget": {"epochs": 2},
            "algorithms": ["pcpo", "local"],
            "tuning": {"seeds": {"first": 10, "count": 2}, "grid": {"step_scale": [1, 2.5], "radius_scale": [1]}},
            "seeds": {"first": 0, "count": 4, "per_job": 2},
        },
        "single": {
            "title": "one cluster",
            "fleet": {"file": "fleets/single.yaml", "initial_gains": {"seed": 1, "rule": "common", "gap": 2.5}},
            "schedule": {"mode": "calibrated", "Delta0": 1},
            "budget": {"rollouts": 5000},
            "seeds": {"first": 5, "count": 1},
        },
    },
    "fedlqr": {"rounds": 20, "realisations": 2, "every": 5, "seed": 1, "first_stage": 1},
    "evidence": {"scaling": {"first": 1, "count": 2, "per_job": 1, "options": {}}},
}
FLEET: dict[str, Any] = {
    "format": "pcpo-fleet",
    "version": 1,
    "name": "mutated",
    "source": "a test",
    "gamma": 0.8,
    "clusters": [
        {"size": 2, "A": [[0.9, 0.1], [0.0, 0.5]], "B": [[1.0], [0.5]], "Q": "identity", "R": {"scale": 2}},
        {"size": 1, "A": [[0.5, 0.0], [0.2, 0.4]], "B": [[0.4], [1]], "Q": [[4.0, 0.5], [0.5, 1.0]], "R": [[1.0]]},
    ],
    "initial_gains": "zero",
    "labels": [0, 1, 0],
}

VALUES: tuple[Any, ...] = (
    *(0, -1, 1, 2, 1.0, 2.0, 0.5, -0.5, 1e-300, 1e308, -1e308, 2**31, 2**63 - 1, 2**63, 10**40, -(10**40)),
    *(math.inf, -math.inf, math.nan, True, False, None),
    *("", "x", "pcpo", "identity", "zero", "1", "0.5", "null", "true", "a: b", "é 中文 🙂", "a\nb", "../x", "x" * 5000),
    *([], [1], [[1.0]], [[1.0, 2.0], [3.0, 4.0]], [None], ["a"], [True], [[[1.0]]], {}, {"scale": 3}, {"x": 1}),
)
Path_ = tuple[Any, ...]


class Twice(dict[str, Any]):
    """A mapping that is written with one key twice, the second time with another value."""

    key = ""
    value: Any = None


@dataclass(frozen=True)
class Mutation:
    """What was done, the bytes of the file, and what they say; `says` is None if they must be refused."""

    done: str
    data: bytes
    says: Any = field(default=None)
    mended: bool = True


def flow(value: Any) -> str:
    """Write a value in the flow style of YAML, without the library; numbers so that YAML 1.1 and 1.2 agree on them."""
    if isinstance(value, dict):
        pairs = [f"{json.dumps(key, ensure_ascii=False)}: {flow(item)}" for key, item in value.items()]
        if isinstance(value, Twice):
            pairs.append(f"{json.dumps(value.key)}: {flow(value.value)}")
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
        mantissa, mark, exponent = repr(value).partition("e")
        return mantissa + ("" if "." in mantissa or not mark else ".0") + mark + exponent
    return json.dumps(value, ensure_ascii=False)


def text(document: dict[str, Any]) -> bytes:
    """Write a document with a line for each key at the top."""
    lines = [f"{json.dumps(key, ensure_ascii=False)}: {flow(value)}" for key, value in document.items()]
    if isinstance(document, Twice):
        lines.append(f"{json.dumps(document.key)}: {flow(document.value)}")
    return ("\n".join(lines) + "\n").encode()


def paths(node: Any, above: Path_ = ()) -> Iterator[Path_]:
    """Yield the paths of all values."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*above, key))


def at(document: Any, path: Path_) -> Any:
    for key in path:
        document = document[key]
    return document


def misspelt(rng: random.Random, key: str) -> str:
    place = rng.randrange(len(key))
    kinds = (key[:place] + key[place + 1 :], key[:place] + key[place] * 2 + key[place + 1 :], key.swapcase(), key + " ")
    return rng.choice(kinds) or "x"


def structural(rng: random.Random, base: dict[str, Any]) -> Mutation:
    """Drop, double, rename or replace one key or item."""
    document = copy.deepcopy(base)
    *parents, key = path = rng.choice(list(paths(document)))
    parent = at(document, tuple(parents))
    kind = rng.choice(["value", "value", "value", "drop", "rename", "twice"])
    where = f"{kind} {'.'.join(map(str, path))}"
    if kind == "value" or (isinstance(parent, list) and kind != "drop"):
        parent[key] = copy.deepcopy(rng.choice(VALUES))
        finite = not isinstance(parent[key], float) or math.isfinite(parent[key])
        return Mutation(f"{where} = {parent[key]!r:.60}", text(document), document, mended=finite)
    if kind == "drop":
        del parent[key]
        return Mutation(where, text(document), document)
    if kind == "rename":
        items = {misspelt(rng, key) if name == key else name: value for name, value in parent.items()}
        parent.clear()
        parent.update(items)
        return Mutation(where, text(document), document)
    double = Twice(parent)
    double.key, double.value = key, copy.deepcopy(rng.choice([parent[key], *VALUES]))
    if parents:
        at(document, tuple(parents[:-1]))[parents[-1]] = double
    else:
        document = double
    return Mutation(where, text(document), None, mended=False)


def textual(rng: random.Random, base: dict[str, Any]) -> Mutation:
    """Damage a valid file, or write it in another valid way."""
    good = text(base)
    kind = rng.choice(["truncated", "bytes", "noise", "BOM", "CRLF", "BOM and CRLF"])
    if kind == "truncated":
        cut = rng.randrange(len(good) - 2)
        # A file may end between two lines: then the keys so far are what it says.
        says = dict(list(base.items())[: good[:cut].count(b"\n")]) if good[:cut].endswith(b"\n") else None
        return Mutation(f"{kind} at {cut}", good[:cut], says)
    if kind == "bytes":
        return Mutation(kind, rng.randbytes(rng.randrange(1, 200)))
    if kind == "noise":
        place = rng.randrange(len(good))
        byte = rng.choice([0x00, 0x07, 0x80, 0xC3, 0xFF, 0xFE])
        return Mutation(f"byte {byte:02x} at {place}", good[:place] + bytes([byte]) + good[place:])
    data = good.replace(b"\n", b"\r\n") if "CRLF" in kind else good
    return Mutation(kind, (b"\xef\xbb\xbf" if "BOM" in kind else b"") + data, base)


def mutations(seed: int, base: dict[str, Any], count: int) -> list[Mutation]:
    """Generate mutations that differ from each other and from what was changed; one in eight is textual."""
    rng = random.Random(seed)
    found: dict[bytes, Mutation] = {}
    while len(found) < count:
        mutation = (textual if len(found) % 8 == 7 else structural)(rng, base)
        if mutation.data != text(base):
            found.setdefault(mutation.data, mutation)
    return list(found.values())


CONFIGURATIONS = mutations(1, CONFIGURATION, 270)
FLEETS = mutations(2, FLEET, 230)
#: Whether the package reads configurations itself: keys once, and finite numbers.
OWN_READER = hasattr(reading, "read_configuration")


def same(written: Any, used: Any) -> bool:
    """Return whether everything that was written is what is used; a used mapping may have more keys: the defaults."""
    if isinstance(written, dict):
        return isinstance(used, dict) and all(key in used and same(written[key], used[key]) for key in written)
    if isinstance(written, list):
        return isinstance(used, list) and len(written) == len(used) and all(map(same, written, used))
    if isinstance(written, bool) or isinstance(used, bool):
        return written is used
    return bool(written == used)


def is_sentence(message: str) -> bool:
    """Return whether a message is one line that names a key or file first, and says what was found or expected."""
    short = len(message) < 1500 and message.isprintable()
    return short and re.match(r"[^:]{1,200}: \S|[\w.' -]+: ", message) is not None


@pytest.fixture(scope="module")
def checked(repository: Path) -> Callable[[Path], Any]:
    """What the Snakefile does with a configuration: the functions of common.smk, which is Python so far."""
    source = (repository / "workflow/rules/common.smk").read_text(encoding="utf-8")
    code = compile(source[: source.index("\nCONFIG = ")], "common.smk", "exec")

    def read(path: Path) -> Any:
        settings = SimpleNamespace(configfiles=[path], config_args=[], replace_workflow_config=False)
        workflow = SimpleNamespace(
            basedir=repository,
            main_snakefile=repository / "Snakefile",
            is_main_process=True,
            config_settings=settings,
            configfiles=[path],
            modifier=SimpleNamespace(skip_configfile=False),
        )
        try:
            config = load_configfile(path)  # Snakemake itself, before it reads the Snakefile
        except UnicodeDecodeError as error:
            raise WorkflowError(f"not valid JSON or YAML: {error}") from None
        names: dict[str, Any] = {"workflow": workflow, "config": config, "CHECKOUT": repository}
        exec(code, names)
        return names["checked_config"]()

    return read


def outcome(read: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what was read, or the sentence that refuses it; any other exception is not caught."""
    try:
        return read(), None
    except PcpoError as error:
        return None, str(error)
    except WorkflowError as error:
        kind, _, sentence = str(error).partition(": ")
        if not kind.endswith("Error"):
            sentence = f"configuration: {' '.join(str(error).split())}"
            if "not valid JSON or YAML" not in sentence and "must be given as" not in sentence:
                raise
        return None, sentence


@pytest.mark.parametrize("part", range(10))
def test_configurations(part: int, checked: Callable[[Path], Any], tmp_path: Path) -> None:
    faults = []
    for mutation in CONFIGURATIONS[part::10]:
        if not (mutation.mended or OWN_READER):
            continue
        path = tmp_path / "mutated.yaml"
        path.write_bytes(mutation.data)
        try:
            used, sentence = outcome(lambda: checked(path))  # noqa: B023
        except Exception as error:  # any: it is what this test looks for
            faults.append(f"{mutation.done}: {type(error).__name__}: {error!s:.200}")
            continue
        if sentence is None and (mutation.says is None or not same(mutation.says, used)):
            faults.append(f"{mutation.done}: accepted")
        if sentence is not None and not is_sentence(sentence):
            faults.append(f"{mutation.done}: {sentence!r}")
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert "\n".join(faults) == ""


def described(fleet: Fleet) -> dict[str, Any]:
    return {
        "name": fleet.name,
        "source": fleet.source,
        "gamma": fleet.gamma,
        "labels": fleet.labels.tolist(),
        "matrices": [[s.A.tolist(), s.B.tolist(), s.Q.tolist(), s.R.tolist()] for s in fleet.systems],
        "gains": fleet.initial_gains.tolist(),
    }


def independent(document: dict[str, Any]) -> dict[str, Any]:
    """Read the document of a fleet as config/README.md has it."""

    def matrix(value: Any, size: int) -> Any:
        if value == "identity":
            return np.eye(size).tolist()
        return (value["scale"] * np.eye(size)).tolist() if isinstance(value, dict) else np.array(value, float).tolist()

    clusters = document["clusters"]
    n, m = len(clusters[0]["A"][0]), len(clusters[0]["B"][0])
    sizes = [cluster["size"] for cluster in clusters]
    gains = document["initial_gains"]
    one = np.zeros((m, n)) if gains == "zero" else np.array(matrix(gains, n))
    labels = document.get("labels")
    return {
        "name": document["name"],
        "source": document.get("source", ""),
        "gamma": float(document["gamma"]),
        "labels": np.repeat(np.arange(len(sizes)), sizes).tolist() if labels is None else labels,
        "matrices": [[matrix(c["A"], 0), matrix(c["B"], 0), matrix(c["Q"], n), matrix(c["R"], m)] for c in clusters],
        "gains": (one if one.ndim == 3 else np.repeat(one[None], sum(sizes), axis=0)).tolist(),
    }


@pytest.mark.parametrize("part", range(5))
def test_fleets(part: int, tmp_path: Path) -> None:
    faults = []
    for mutation in FLEETS[part::5]:
        path = tmp_path / "mutated.yaml"
        path.write_bytes(mutation.data)
        try:
            fleet, sentence = outcome(lambda: read_fleet(path))  # noqa: B023
        except Exception as error:  # any: it is what this test looks for
            faults.append(f"{mutation.done}: {type(error).__name__}: {error!s:.200}")
            continue
        if fleet is not None and (mutation.says is None or described(fleet) != independent(mutation.says)):
            faults.append(f"{mutation.done}: accepted")
        if sentence is not None and not (is_sentence(sentence) and sentence.startswith(f"{path}: ")):
            faults.append(f"{mutation.done}: {sentence!r}")
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert "\n".join(faults) == ""


def test_the_unchanged_files_are_accepted_and_most_mutations_are_not(
    checked: Callable[[Path], Any], tmp_path: Path
) -> None:
    """Check that the tests above could fail: mutations are refused because of what was done to them."""
    path = tmp_path / "plain.yaml"
    path.write_bytes(text(CONFIGURATION))
    assert same(CONFIGURATION, checked(path))
    assert not same({**CONFIGURATION, "report": True}, checked(path))
    path.write_bytes(text(FLEET))
    assert described(read_fleet(path)) == independent(FLEET)
    assert len({mutation.data for mutation in (*CONFIGURATIONS, *FLEETS)}) == 500
    refused = 0
    for mutation in FLEETS:
        path.write_bytes(mutation.data)
        refused += outcome(lambda: read_fleet(path))[1] is not None
    assert 0.5 < refused / len(FLEETS) < 0.95


@pytest.mark.slow
@pytest.mark.workflow
def test_some_of_them_through_snakemake(checked: Callable[[Path], Any], compiled: Path, tmp_path: Path) -> None:
    """Ten that are refused: the same sentence, no traceback, and nothing written."""
    workspace = Workspace.create(compiled, tmp_path / "w")
    chosen: dict[str, str] = {}
    for k, mutation in enumerate(CONFIGURATIONS[::7]):
        name = f"mutated{k}.yaml"
        (workspace.root / name).write_bytes(mutation.data)
        if mutation.mended or OWN_READER:
            sentence = outcome(lambda: checked(workspace.root / name))[1]  # noqa: B023
            if sentence is not None and not sentence.startswith("configuration: "):
                chosen[name] = sentence
    chosen = dict(list(chosen.items())[:10])
    assert len(chosen) == 10
    before = workspace.files()
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda name: workspace.snakemake("-n", configuration=name), chosen))
    for sentence, end in zip(chosen.values(), ends, strict=True):
        assert end.code != 0
        assert sentence.replace(f"{workspace.root}/", "") in end.text.replace(f"{workspace.root}/", ""), end.text
        assert "Traceback" not in end.text
    assert workspace.files() == before
