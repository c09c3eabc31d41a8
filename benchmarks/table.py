"""The table of the benchmark session: what was timed, in ns per rollout, and what follows from it."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass, field
from pathlib import Path

from pcpo.simulation.estimators import flops_per_rollout

HEADER = (
    "| n, m | kernel GF/s | DGEMM GF/s | kernel / DGEMM | estimate / DGEMM "
    "| kernel / twin | estimate / twin | estimate ns/rollout |"
)

#: Ratios and seconds by the code that was replaced, on two cores of an AMD EPYC.
LAWS_BEFORE = {
    "cube": {1: 4.0, 2: 6.4, 3: 6.4, 4: 4.6},
    "sphere": {1: 12.9, 2: 14.8, 3: 11.6, 4: 7.6},
}
PLANNING_BEFORE = {
    (2, 1, 10): 0.6, (2, 1, 14): 0.8, (2, 1, 100): 4.8, (2, 1, 300): 15, (2, 1, 1000): 49,
    (3, 2, 14): 3.1, (4, 2, 14): 5.7, (20, 3, 14): 30,
}  # fmt: skip
AUTO_BEFORE = 0.45


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


MOMENTS = "| n, m | D | moments µs/agent and iteration | moments / 1,024 rollouts |"


@dataclass
class Table:
    """Best times: the kernel, the estimate and their twins in seconds per rollout by (n, m); DGEMM in flop/s."""

    horizon: int = 60
    seconds: dict[tuple[str, int, int], float] = field(default_factory=dict)
    dgemm: float | None = None
    moments: dict[tuple[int, int], float] = field(default_factory=dict)
    minibatch: dict[tuple[int, int], float] = field(default_factory=dict)
    warm_start: float | None = None
    dry_run: tuple[int, float, float] | None = None
    by_agents: dict[tuple[str, int], float] = field(default_factory=dict)
    laws: dict[int, dict[str, float]] = field(default_factory=dict)
    planning: dict[tuple[int, int, int], float] = field(default_factory=dict)
    auto: tuple[float, float] | None = None

    def rows(self) -> list[str]:
        rows = []
        for n, m in sorted({key[1:] for key in self.seconds}):
            names = ("kernel", "estimate", "twin", "twin estimate")
            if self.dgemm is None or not all((name, n, m) in self.seconds for name in names):
                continue
            kernel, estimate, twin, twin_estimate = (self.seconds[name, n, m] for name in names)
            flops = flops_per_rollout(n, self.horizon)
            rows.append(
                f"| {n}, {m} | {flops / kernel / 1e9:.1f} | {self.dgemm / 1e9:.1f} | {flops / kernel / self.dgemm:.2f} "
                f"| {flops / estimate / self.dgemm:.2f} | {twin / kernel:.0f}x | {twin_estimate / estimate:.0f}x "
                f"| {estimate * 1e9:.0f} |"
            )
        return rows

    def scaling(self) -> list[str]:
        """Return a row for everything timed against the number of agents, with the exponent of the upper end."""
        names, sizes = dict.fromkeys(name for name, _ in self.by_agents), sorted({N for _, N in self.by_agents})
        if len(sizes) < 2:
            return []
        head = ["seconds, n, m = 2, 1", *(f"N = {N:,}" for N in sizes), "exponent"]
        lines = ["", f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
        for name in names:
            seconds = {N: self.by_agents[name, N] for N in sizes if (name, N) in self.by_agents}
            last = sorted(seconds)[-2:]
            grown = seconds[last[-1]] / seconds[last[0]] if seconds[last[0]] > 0 else math.inf
            exponent = f"{math.log(grown) / math.log(last[-1] / last[0]):.2f}" if len(last) == 2 else "-"
            cells = [f"{seconds[N]:.2g}" if N in seconds else "-" for N in sizes]
            lines.append(f"| {name} | {' | '.join(cells)} | {exponent} |")
        return lines

    def render(self) -> str:
        """Markdown; empty if nothing was measured."""
        rows, lines = self.rows(), []
        if rows:
            lines = [f"{_machine()}, one thread, horizon {self.horizon}, sign noise, best of many repetitions", ""]
            lines += [HEADER, "|" + " --- |" * (HEADER.count("|") - 1), *rows]
        if self.minibatch:
            lines += ["", MOMENTS, "|" + " --- |" * (MOMENTS.count("|") - 1)]
            for (n, m), simulated in sorted(self.minibatch.items()):
                drawn = self.moments[n, m]
                lines.append(f"| {n}, {m} | {n * m} | {drawn * 1e6:.1f} | {drawn / simulated:.3f} |")
        lines += self.scaling()
        if self.warm_start is not None:
            lines += ["", f"Process start to first estimate with a warm cache: {self.warm_start:.2f} s"]
        if self.dry_run is not None:
            jobs, seconds, start = self.dry_run
            lines += [
                "",
                f"Dry run of config/full.yaml, {jobs} jobs: {seconds:.1f} s, {seconds / start:.1f} starts of Snakemake",
            ]
        return "\n".join([*lines, *self._law_rows(), *self._planning_rows(), *self._auto_row()])

    def _law_rows(self) -> list[str]:
        """Cost of a whole estimate with the other laws of noise, over that with signs."""
        if not self.laws:
            return []
        sizes = sorted(self.laws)
        lines = ["", f"Whole estimate over that with signs, horizon {self.horizon}", ""]
        lines += ["| law | " + " | ".join(f"n = {n}" for n in sizes) + " |", "|" + " --- |" * (len(sizes) + 1)]
        for law, before in LAWS_BEFORE.items():
            ratios = [self.laws[n][law] / self.laws[n]["signs"] for n in sizes]
            lines.append(f"| {law} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
            lines.append(f"| {law}, before | " + " | ".join(str(before.get(n, "")) for n in sizes) + " |")
        return lines

    def _planning_rows(self) -> list[str]:
        """Seconds of planning by size of the fleet, beside those of testing all pairs at every step."""
        if not self.planning:
            return []
        lines = ["", "Planning (`Experiment.calibrated`), kernel compiled", ""]
        lines += ["| n, m, agents | seconds | before |", "| --- | --- | --- |"]
        for size, seconds in self.planning.items():
            lines.append(f"| {', '.join(map(str, size))} | {seconds:.2f} | {PLANNING_BEFORE.get(size, '')} |")
        return lines

    def _auto_row(self) -> list[str]:
        """Seconds of planning with oracle auto, and their ratio to a run of what was planned."""
        if self.auto is None:
            return []
        planning, run = self.auto
        return [
            "",
            f"Planning a random fleet (n, m = 2, 1, eight agents, five epochs) with oracle auto: {planning:.3f} s, "
            f"{planning / run:.2f} of a run; {AUTO_BEFORE} s before thresholds were compiled",
        ]
