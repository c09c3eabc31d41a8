"""A Slurm of one node on this machine, for the tests: munged, slurmctld and slurmd, with no service and no accounts.

Slurm's clients look for their configuration in /etc/slurm only (what a job starts does not inherit SLURM_CONF), so that
is where it is written; one that is not from here is never touched.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CONFIGURATION = Path("/etc/slurm/slurm.conf")
MARK = "# Written by tests/support/slurm_node.py, removed when its node stops.\n"
PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scontrol", "scancel")
#: Seconds until the node has to be idle, and until a daemon has to end.
PATIENCE = 60.0

# MinJobAge: without accounts, squeue is the only one to ask about a job, and has to know of it after its end.
# task/none and linuxproc need no cgroups, which a container may not have.
SETTINGS = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge.socket
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/node
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
AccountingStorageType=accounting_storage/none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
MinJobAge=3600
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def obstacle(configuration: Path = CONFIGURATION) -> str | None:
    """Why no node can be started here, in one sentence; None if it can."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"Slurm is not installed: no {', '.join(missing)}"
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    if is_foreign(configuration):
        return f"{configuration} is another Slurm's"
    if configuration.exists() and " is UP" in asked("scontrol", "ping"):
        return "a Slurm of this kind is running already"
    return None


def is_foreign(configuration: Path) -> bool:
    """Whether the file is there and was not written here."""
    return configuration.exists() and not configuration.read_text(encoding="utf-8").startswith(MARK)


@contextmanager
def node(state: Path, *, cpus: int, memory: int = 4000, configuration: Path = CONFIGURATION) -> Iterator[None]:
    """Slurm with one idle node of `cpus` processors and `memory` MB, for as long as the context lasts.

    state: a directory for keys, sockets, logs.  Raises RuntimeError if `obstacle` finds one or the node does not come
    up, with the last lines of the logs.  At the end every job is cancelled, every daemon stopped, the configuration
    removed.
    """
    if reason := obstacle(configuration):
        raise RuntimeError(reason)
    prepare(state, configuration, cpus, memory)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands(state):
            with (state / f"{command[0]}.out").open("wb") as out:
                orphaned = ("setpriv", "--pdeathsig", "TERM")  # not to outlive a test that is killed
                daemons.append(
                    subprocess.Popen([*orphaned, *command], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
                )
            if command[0] == "munged":
                wait_for((state / "munge.socket").exists, daemons, state)
        wait_for(lambda: asked("sinfo", "--noheader", "--format=%T") == "idle", daemons, state)
        yield
    finally:
        stop(daemons)
        configuration.unlink()


def prepare(state: Path, configuration: Path, cpus: int, memory: int) -> None:
    """Write the key, the directories and the configuration."""
    for name in ("controller", "node"):
        (state / name).mkdir(parents=True)
    key = state / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    configuration.parent.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().split(".")[0]
    text = MARK + SETTINGS.format(host=host, state=state, cpus=cpus, memory=memory)
    configuration.write_text(text, encoding="utf-8")


def commands(state: Path) -> list[list[str]]:
    """The daemons, all in the foreground, so that their processes are ours to stop."""
    names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{option}={state}/munge.{suffix}" for option, suffix in names.items()]
    # --force: a directory of temporary files is not as closed as munged would have it.
    return [["munged", "--foreground", "--force", *options], ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-c"]]


def wait_for(ready: object, daemons: list[subprocess.Popen[bytes]], state: Path) -> None:
    """Until `ready()` holds; RuntimeError when a daemon has ended or it takes too long."""
    assert callable(ready)
    deadline = time.monotonic() + PATIENCE
    while not ready():
        ended = [str(daemon.args) for daemon in daemons if daemon.poll() is not None]
        if ended or time.monotonic() > deadline:
            logs = sorted(state.glob("*.log")) + sorted(state.glob("*.out"))
            tails = [f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}" for path in logs]
            raise RuntimeError("\n".join(["the node does not come up", *ended, *tails]))
        time.sleep(0.1)


def asked(*command: str) -> str:
    """What a client of Slurm answers, or nothing while the controller does not."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def stop(daemons: list[subprocess.Popen[bytes]]) -> None:
    """Cancel what is left in the queue, then stop the daemons, the last one first."""
    if left := asked("squeue", "--noheader", "--format=%A").split():
        asked("scancel", *left)
        deadline = time.monotonic() + PATIENCE
        while asked("squeue", "--noheader") and time.monotonic() < deadline:
            time.sleep(0.2)
    for daemon in reversed(daemons):
        with suppress(ProcessLookupError):
            daemon.terminate()
        try:
            daemon.wait(PATIENCE / 4)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
