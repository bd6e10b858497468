"""A real Slurm on this machine: controller, accounting and several nodes with stand-in GPUs.

Everything lives in one directory and listens on loopback at free ports, so that clusters do not
meet. Debian's slurmd takes several nodes per host. Devices are files: Slurm only needs them to
exist. Root only, as slurmd must become its users.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "deploy" / "slurm"
CLUSTER = "wattline"
USERS = ("nobody", "games")
"""Users of every Debian, who submit the tests' jobs."""
ACCOUNTS = {"nobody": "proj-a", "games": "proj-b"}

_READY_SECONDS = 60.0
_FINAL = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "TIMEOUT",
)  # fmt: skip


class ClusterError(Exception):
    """The cluster did not start, or a command on it failed."""


@dataclass
class Cluster:
    """A running cluster.

    Attributes:
        directory: All of its state; `records/NODE` is where prolog and epilog write.
        nodes: Names of its nodes.
        gpus: Devices per node.
        controller_port: Of slurmctld.
        rest_socket: Where slurmrestd answers, once `start_rest` was called.
    """

    directory: Path
    nodes: tuple[str, ...]
    gpus: int
    controller_port: int
    rest_socket: Path | None = None
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to find this cluster."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        return {**kept, "SLURM_CONF": str(self.directory / "slurm.conf"), "SLURM_TIME_FORMAT": "%s"}

    def records(self, node: str) -> Path:
        """Where that node's prolog and epilog leave their records."""
        return self.directory / "records" / node

    def held(self) -> list[tuple[str, int, str, str, tuple[int, ...]]]:
        """What prologs and epilogs were called for, as Slurm told them.

        Returns:
            `prolog` or `epilog`, time in Unix milliseconds, node, job id, device numbers.
        """
        calls = []
        for line in (self.directory / "log" / "held").read_text().splitlines():
            name, time_ms, node, job, *gpus = line.split()
            numbers = tuple(int(gpu) for gpu in gpus[0].split(",")) if gpus else ()
            calls.append((name, int(time_ms), node, job, numbers))
        return calls

    def job_socket(self, node: str) -> Path:
        """Where that node's agent should listen: the jobs are told so by the task prolog."""
        return self.directory / "agents" / node / "job.sock"

    def run(
        self,
        *argv: str,
        user: str | None = None,
        check: bool = True,
        timeout: float = 60,
        environment: Mapping[str, str] | None = None,
        input: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands, as root or as another user."""
        command = [*_as_user(user), *argv]
        done = subprocess.run(
            command,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.directory / "work",
            input=input,
            check=False,
        )
        if check and done.returncode != 0:
            raise ClusterError(f"{' '.join(argv)}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def submit(
        self,
        script: str,
        *options: str,
        user: str = USERS[0],
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Submit a batch script (without its first line); returns the job's id."""
        text = script if script.startswith("#!") else f"#!/bin/bash\n{script}\n"
        done = self.run(
            "sbatch",
            "--parsable",
            "--output=/dev/null",
            f"--account={ACCOUNTS.get(user, 'proj-a')}",
            *options,
            user=user,
            environment=environment,
            input=text,
        )
        return done.stdout.strip().split(";")[0]

    def state(self, job: str) -> str:
        """The state of a job (of all tasks of an array: that of the least finished)."""
        shown = self.run(
            "squeue", "--noheader", "--array", "--format=%T", f"--jobs={job}", check=False
        )
        if words := shown.stdout.split():
            return words[0]
        done = self.run("sacct", "-nXP", "--format=State", f"--jobs={job}").stdout.split("\n")
        return next((line.split()[0] for line in done if line.strip()), "")

    def wait(self, job: str, timeout: float = 180, until: Sequence[str] = _FINAL) -> str:
        """Wait until a job (all tasks of an array) is in one of these states; returns it."""
        deadline = time.monotonic() + timeout
        while True:
            state = self.state(job)
            if state in until:
                return state
            if time.monotonic() > deadline:
                raise ClusterError(f"job {job} is {state or 'nowhere'} after {timeout:g} s")
            time.sleep(0.1)

    def start_rest(self) -> Path:
        """Start slurmrestd on a Unix socket, for the user who calls; returns the socket."""
        if self.rest_socket is None:
            path = self.directory / "run" / "rest.sock"
            # It refuses to run as root or as SlurmUser.
            (self.directory / "run").chmod(0o777)
            command = [*_as_user("daemon"), "slurmrestd", "-a", "rest_auth/local", f"unix:{path}"]
            self._start(command, "slurmrestd")
            _await(path.exists, "slurmrestd")
            path.chmod(0o777)
            self.rest_socket = path
        return self.rest_socket

    def _start(self, command: Sequence[str], name: str) -> subprocess.Popen[bytes]:
        with (self.directory / "log" / f"{name}.out").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory / "work",
            )
        self._started.append(process)
        return process

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self._start(["slurmd", "-D", "-N", node], f"slurmd.{node}")

    def stop(self) -> None:
        """Cancel what runs, and stop every daemon."""
        self.run("scancel", "--full", "--user=nobody", check=False)
        self.run("scancel", "--full", "--user=games", check=False)
        deadline = time.monotonic() + 10
        while self._steps() and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in reversed(self._started):
            process.terminate()
        for process in reversed(self._started):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in self._steps():
            os.kill(pid, signal.SIGKILL)

    def _steps(self) -> list[int]:
        """Step daemons of this cluster that still run."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if b"slurmstepd" not in (entry / "cmdline").read_bytes()[:40]:
                    continue
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(self.directory).encode() in environment:
                found.append(int(entry.name))
        return found


def _as_user(user: str | None) -> list[str]:
    if user is None:
        return []
    who = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens at now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _await(is_ready: object, what: str) -> None:
    assert callable(is_ready)
    deadline = time.monotonic() + _READY_SECONDS
    while not is_ready():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} is not ready after {_READY_SECONDS:g} s")
        time.sleep(0.05)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text)
    path.chmod(mode)


def _configure(cluster: Cluster, ports: Mapping[str, int], options: Mapping[str, str]) -> None:
    top = cluster.directory
    host = socket.gethostname().split(".")[0]
    socket_of_munge = top / "munge" / "munge.socket"
    settings = {
        "ClusterName": CLUSTER,
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": str(ports["slurmctld"]),
        "SlurmUser": "root",
        "AuthType": "auth/munge",
        # A job that is requeued waits until its old credential has expired.
        "AuthInfo": f"socket={socket_of_munge},cred_expire=5",
        "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
        "StateSaveLocation": str(top / "state"),
        "SlurmdSpoolDir": str(top / "spool" / "%n"),
        "SlurmctldPidFile": str(top / "run" / "slurmctld.pid"),
        "SlurmdPidFile": str(top / "run" / "slurmd.%n.pid"),
        "SlurmctldLogFile": str(top / "log" / "slurmctld.log"),
        "SlurmdLogFile": str(top / "log" / "slurmd.%n.log"),
        # Processes of a job are known by their control groups, which is what agents read.
        "ProctrackType": "proctrack/cgroup",
        "TaskPlugin": "task/cgroup",
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=1",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "SlurmdParameters": "config_overrides",
        "SchedulerParameters": (
            "sched_min_interval=50000,batch_sched_delay=0,sched_interval=1,bf_interval=1"
        ),
        "GresTypes": "gpu",
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(ports["slurmdbd"]),
        # slurmdbd's clients do not look at AuthInfo.
        "AccountingStoragePass": str(socket_of_munge),
        "AccountingStorageTRES": "gres/gpu,gres/gpu:h200",
        "Prolog": str(top / "prolog.sh"),
        "Epilog": str(top / "epilog.sh"),
        "TaskProlog": str(top / "taskprolog.sh"),
        "PrologFlags": "Alloc",
        "ReturnToService": "2",
        "InactiveLimit": "0",
        "KillWait": "2",
        "MinJobAge": "60",
        "JobRequeue": "1",
        "MaxArraySize": "1001",
        "SlurmctldTimeout": "30",
        "SlurmdTimeout": "30",
        "MailProg": "/bin/true",
        **options,
    }
    lines = [f"{key}={value}" for key, value in settings.items()]
    for node in cluster.nodes:
        lines.append(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[node]} CPUs=64"
            f" Sockets=2 CoresPerSocket=32 ThreadsPerCore=1 RealMemory=8000"
            f" Gres=gpu:h200:{cluster.gpus} State=UNKNOWN"
        )
    every = ",".join(cluster.nodes)
    lines.append(f"PartitionName=gpu Nodes={every} Default=YES MaxTime=24:00:00 DefMemPerCPU=50")
    _write(top / "slurm.conf", "\n".join(lines) + "\n")
    devices = f"{top}/dev/nvidia[0-{cluster.gpus - 1}]"
    _write(top / "gres.conf", f"NodeName={every} Name=gpu Type=h200 File={devices}\n")
    _write(
        top / "cgroup.conf",
        "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n"
        "ConstrainCores=no\nConstrainRAMSpace=yes\nConstrainDevices=no\n",
    )
    database = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={socket_of_munge}",
        "DbdHost": host,
        "DbdAddr": "127.0.0.1",
        "DbdPort": str(ports["slurmdbd"]),
        "SlurmUser": "root",
        "LogFile": str(top / "log" / "slurmdbd.log"),
        "PidFile": str(top / "run" / "slurmdbd.pid"),
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "127.0.0.1",
        "StoragePort": str(ports["mariadb"]),
        "StorageUser": "slurm",
        "StoragePass": "slurm",
        "StorageLoc": "slurm_acct",
        "CommunicationParameters": "NoInAddrAny",
    }
    _write(
        top / "slurmdbd.conf",
        "".join(f"{key}={value}\n" for key, value in database.items()),
        0o600,
    )
    for name in ("prolog", "epilog"):
        script = SCRIPTS / f"{name}.sh"
        _write(
            top / f"{name}.sh",
            "#!/bin/sh\n"
            # What the tests hold our records against.
            f"echo {name} $(date +%s%3N) $SLURMD_NODENAME $SLURM_JOB_ID $SLURM_JOB_GPUS"
            f" >>{top}/log/held\n"
            f"export WATTLINE_RECORDS={top}/records/$SLURMD_NODENAME\n"
            f"[ -e {script} ] || exit 0\nexec {script}\n",
            0o755,
        )
    _write(
        top / "taskprolog.sh",
        f'#!/bin/sh\necho "export WATTLINE_JOB_SOCKET={top}/agents/$SLURMD_NODENAME/job.sock"\n'
        f'echo "export WATTLINE_TEST_NODE=$SLURMD_NODENAME"\n',
        0o755,
    )


def _start_database(cluster: Cluster, port: int) -> None:
    top = cluster.directory
    data = top / "mysql"
    data.mkdir()
    shutil.chown(data, "mysql", "mysql")
    subprocess.run(
        [
            "mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}",
            "--auth-root-authentication-method=socket", "--skip-test-db",
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    path = data / "m.sock"
    cluster._start(
        [
            "mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}", f"--socket={path}",
            f"--pid-file={data}/m.pid", "--bind-address=127.0.0.1", f"--port={port}",
            "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--performance-schema=off",
            "--skip-name-resolve",
        ],
        "mariadbd",
    )  # fmt: skip

    def ask(*more: str) -> int:
        client = ["mariadb", "--no-defaults", f"--socket={path}", *more]
        return subprocess.run(client, capture_output=True, timeout=30, check=False).returncode

    _await(lambda: ask("-e", "select 1") == 0, "MariaDB")
    made = ask(
        "-e",
        "create database slurm_acct; create user 'slurm'@'127.0.0.1' identified by 'slurm';"
        "grant all on slurm_acct.* to 'slurm'@'127.0.0.1';",
    )
    if made != 0:
        raise ClusterError("MariaDB refused to make the accounting database")


def _start_munge(cluster: Cluster) -> None:
    directory = cluster.directory / "munge"
    directory.mkdir()
    (directory / "munge.key").write_bytes(os.urandom(1024))
    for path in (directory / "munge.key", directory):
        shutil.chown(path, "munge", "munge")
    (directory / "munge.key").chmod(0o400)
    directory.chmod(0o755)
    cluster._start(
        [
            *_as_user("munge"), "munged", "--foreground", f"--key-file={directory}/munge.key",
            f"--socket={directory}/munge.socket", f"--pid-file={directory}/munged.pid",
            f"--seed-file={directory}/seed", f"--log-file={directory}/munged.log",
            "--num-threads=2", "--force",
        ],
        "munged",
    )  # fmt: skip
    _await((directory / "munge.socket").exists, "munged")


@contextmanager
def cluster(
    nodes: int = 4,
    gpus: int = 4,
    options: Mapping[str, str] | None = None,
    prefix: str = "gpu",
) -> Iterator[Cluster]:
    """Start a cluster; it is stopped, and its directory removed, at the end.

    Args:
        nodes: How many nodes.
        gpus: Devices per node.
        options: Settings of slurm.conf in place of the tests' own.
        prefix: What the nodes' names begin with. Control groups of jobs are named by node and job,
            so clusters that run at the same time must differ in it.
    """
    # Paths of Unix sockets must be short, which pytest's own directories are not.
    top = Path(tempfile.mkdtemp(prefix="wl-slurm-"))
    top.chmod(0o755)
    names = tuple(f"{prefix}{number:02}" for number in range(nodes))
    ports = dict(
        zip(("slurmctld", "slurmdbd", "mariadb", *names), _free_ports(nodes + 3), strict=True)
    )
    for name in ("log", "run", "spool", "state", "dev", "work", "records", "agents"):
        (top / name).mkdir()
    (top / "work").chmod(0o777)
    for name in names:
        for place in ("records", "agents", "spool"):
            (top / place / name).mkdir()
    for index in range(gpus):
        # Slurm asks for a device file; this one is /dev/null by another name.
        subprocess.run(
            ["mknod", "-m", "666", top / "dev" / f"nvidia{index}", "c", "1", "3"], check=True
        )
    made = Cluster(top, names, gpus, ports["slurmctld"])
    try:
        _configure(made, ports, options or {})
        _start_munge(made)
        _start_database(made, ports["mariadb"])
        made._start(["slurmdbd", "-D"], "slurmdbd")

        def answers() -> bool:
            return made.run("sacctmgr", "-n", "show", "cluster", check=False).returncode == 0

        _await(answers, "slurmdbd")
        made.run("sacctmgr", "-i", "add", "cluster", CLUSTER)
        accounts = sorted(set(ACCOUNTS.values()))
        made.run("sacctmgr", "-i", "add", "account", ",".join(accounts))
        for user, account in ACCOUNTS.items():
            made.run("sacctmgr", "-i", "add", "user", user, f"Account={account}")
        made._start(["slurmctld", "-D", "-c"], "slurmctld")
        for name in names:
            made.start_node(name)

        def idle() -> bool:
            shown = made.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N", check=False)
            return len(shown.stdout.split()) == nodes

        _await(idle, "the nodes")
    except (ClusterError, subprocess.SubprocessError, OSError) as error:
        made.stop()
        logs = "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-800:]}"
            for path in sorted((top / "log").glob("*.out"))
        )
        shutil.rmtree(top, ignore_errors=True)
        raise ClusterError(f"{error}\n{logs}") from None
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(top, ignore_errors=True)
