"""Check commands before anything is planned, and move abandoned files when jobs start; no rule."""

#: What the command asks for by name, filled in before planning.
REQUESTED = set()
#: Outputs that are not what their job wrote; they are made again.
ALTERED = {}


def provided():
    """List the files that people provide, each with the key that names it."""
    files = [
        (f"scenarios.{name}.fleet.file", PLACES.named(scenario["fleet"]["file"]))
        for name, scenario in SCENARIOS.items()
        if "file" in scenario["fleet"]
    ]
    files += [(f"evidence.{study}", str(path)) for study in EVIDENCE for path in read_by_study(study)]
    groups = [*EVIDENCE_GROUPS, *(["comparison"] if CONFIG["report"] else [])]
    files += [(f"notebook {name}", PLACES.of_checkout(f"notebooks/{name}.ipynb")) for name in groups]
    return files + ([("report", PLACES.of_checkout("docs/reading.md"))] if CONFIG["report"] else [])


def check_command(settings):
    """End with one sentence for a missing file, a fleet without initial gains where they are needed, or an unknown target."""
    drawable = [*entries(), *(figure for group in GROUPS.values() for figure in group.figures)]
    single = [rule.name for rule in workflow.rules if not rule.has_wildcards()]
    many = [rule.name for rule in workflow.rules if rule.has_wildcards()]
    selected = {*settings.forcerun, *settings.until, *settings.omit_from} - set(many)
    named = REQUESTED | selected
    if INSIDE:  # other targets may be those of the other Snakefile
        ours = [f"{RESULTS}/{kind}/" for kind in ("fleets", "plans", "tuning", "runs", "evidence", "verdicts")]
        named = {target for target in named if target.startswith(tuple([*ours, f"{FIGURES}/"] if ROOT else ours))}
    # A log or a benchmark is made with the file that it belongs to.
    named = {target for target in named if not target.startswith((f"{LOGS}/", f"{BENCHMARKS}/"))}
    known = [Path(path).stem for path in sorted((CHECKOUT / "docs/reference/known").glob("*.json"))]
    PLACES.check(provided())
    check_gains(SCENARIOS, PLACES.named)
    check_separation(SCENARIOS, PLACES.named)
    check_targets(named, [*ASKED, *REPORT, *FILMS], single, drawable, many=many)
    if "verify" in named:
        check_known_run(CONFIG["name"], KNOWN_RUN, known)


def asked():
    """List every file that the configuration or the command asks for, and what can be asked for: films."""
    reported = {*REPORT, "report", "notebook_comparison"} & REQUESTED
    return [*ASKED, *FILMS, *(REPORT if reported else []), *REQUESTED]


def starting():
    """Rename altered outputs, move abandoned ones, and say where progress is shown."""
    if workflow.touch:
        return
    for line in set_aside(ALTERED):
        print(line, file=sys.stderr)
    if left := abandoned(Path(RESULTS), asked()):
        move_away(Path(RESULTS), left, ABANDONED)
        print(sentence(left, ABANDONED), file=sys.stderr)
    start_warm(CHECKOUT / "workflow/scripts", len(workflow.dag))
    status = "`python -m pcpo.pipeline.status`, in another terminal."
    print(
        f"What runs, how far it is and how long to go: {'`make status`, or ' if PLACES.here == CHECKOUT else ''}{status}"
    )


def before(settings):
    """Check the command and rerun the jobs of altered outputs; files are moved only when jobs start."""
    REQUESTED.update(settings.targets)
    check_command(settings)
    if glob.glob(".snakemake/locks/*"):  # another command is writing
        return
    ALTERED.update({path: what for path, what in altered(Path(RESULTS)) if str(path) in {*ASKED, *REPORT}})
    again = {str(path) for path in ALTERED}
    if not CONFIG["report"] and not REQUESTED and abandoned(Path(RESULTS), asked()):
        again.add(f"{FIGURES}/fleets.csv")  # without the report nothing may run, and then nothing is moved
    settings.forcerun = frozenset(settings.forcerun) | again
    for line in [*waiting(ASKED, Path(ROOT or "."), ABANDONED), *in_sentences(CONFIG)]:
        print(line, file=sys.stderr)


if workflow.is_main_process:
    before_planning(workflow, before)
if INSIDE:  # Snakemake knows the hooks of the main file alone
    workflow._onstart = lambda log, main=workflow._onstart: (main(log), starting())
