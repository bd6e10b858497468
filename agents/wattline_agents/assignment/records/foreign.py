"""The files that other tools' prologs leave for other exporters, read and never written.

jobstats        /run/gpustat/NUMBER|GPU-UUID|MIG-UUID     `JOBID UID`
dcgm-exporter   DCGM_HPC_JOB_MAPPING_DIR/GPU[.GI]         a job per line
AMD             /var/run/exporter/NUMBER                  JSON with SLURM_JOB_ID

None says when the job began; the file's time does. None says when it ended, but its going away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from wattline_agents.assignment.claim import Claim
from wattline_agents.assignment.devices import expanded, modulo_render
from wattline_agents.assignment.records.directory import Directory, Mark
from wattline_agents.assignment.records.record import EARLIEST_MS
from wattline_agents.pattern import pattern
from wattline_agents.wire import Row, Value

JOBSTATS_PLACE = "/run/gpustat"
AMD_PLACE = "/var/run/exporter"
DCGM_VARIABLE = "DCGM_HPC_JOB_MAPPING_DIR"

_EVERY_MS = 5_000
_MOST_JOBS = 64
"""Lines of one file: jobs that share one device."""
_JOB = pattern(r"[1-9][0-9]{0,11}(?:\.[1-9][0-9]{0,5})?")
_NAME = pattern(r"(?:GPU-|MIG-)?[0-9A-Za-z][0-9A-Za-z.:/_-]{0,80}")

_Parsed = Iterator[tuple[str, str, dict[str, Value]]]
"""Device as named, job's id, and what is said of the job."""
Parser = Callable[[str, bytes], _Parsed]


class ForeignRecords:
    """A directory of another tool's files."""

    def __init__(
        self, method: str, path: str, parser: Parser, key_of: Callable[[str], str] = str
    ) -> None:
        """Read nothing yet.

        Args:
            method: Which tool's, as in `catalogue.METHODS`.
            path: The directory.
            parser: Reads one file.
            key_of: The job's key by its id: a restart is not in any of these files.
        """
        # These are written in place, so each file is asked for its time.
        self.directory = Directory(path, _EVERY_MS, files_change=True)
        self._method, self._parser, self._key_of = method, parser, key_of
        self._read: dict[str, tuple[Mark, tuple[Claim, ...]]] = {}
        self._infos: dict[str, dict[str, Value]] = {}
        self._claims: Sequence[Claim] = ()

    @property
    def quiet_until_ms(self) -> int:
        """Before this nothing new is said."""
        return self.directory.quiet_until_ms

    def claims(self, now_ms: int) -> Sequence[Claim]:
        """What the files say."""
        marks = self.directory.look(now_ms)
        if marks is None:
            return self._claims
        before, self._read = self._read, {}
        for name, mark in marks.items():
            known = before.get(name)
            parsed = known[1] if known is not None and known[0] == mark else None
            if parsed is None:
                parsed = self._parsed(name, mark, now_ms)
            self._read[name] = mark, parsed
        self._claims = list(
            dict.fromkeys(claim for _mark, claims in self._read.values() for claim in claims)
        )
        held = {claim.job for claim in self._claims}
        self._infos = {job: info for job, info in self._infos.items() if job in held}
        return self._claims

    def names(self) -> Sequence[Row]:
        """What the files say of their jobs: little."""
        return [{"job": job, "state": "running", **info} for job, info in self._infos.items()]

    def _parsed(self, name: str, mark: Mark, now_ms: int) -> tuple[Claim, ...]:
        content = self.directory.read(name) if _NAME.fullmatch(name) else None
        start_ms = min(mark[1] // 1_000_000, now_ms)
        if content is None or start_ms < EARLIEST_MS:
            return ()
        claims = []
        for device, job_id, info in self._parser(name, content):
            job = self._key_of(job_id)
            claims.append(Claim(device, job, start_ms, None, None, self._method))
            self._infos[job] = info
        return tuple(claims)


def jobstats(name: str, content: bytes) -> _Parsed:
    """A file of jobstats' prolog: `JOBID UID`; an empty one is no job's."""
    words = content[:200].decode(errors="replace").split()
    if words and _JOB.fullmatch(words[0]):
        yield name, words[0], {}


def dcgm(name: str, content: bytes) -> _Parsed:
    """A file of dcgm-exporter's job mapping: a job on each line."""
    for line in content.decode(errors="replace").splitlines()[:_MOST_JOBS]:
        if _JOB.fullmatch(line.strip()):
            yield name, line.strip(), {}


def amd(name: str, content: bytes) -> _Parsed:
    """A file of AMD's device-metrics-exporter: a JSON object of the prolog's environment.

    Its name and its SLURM_JOB_GPUS may count as render nodes do, from 128 on.
    """
    import json  # a node without such files need not load it

    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return
    if not isinstance(fields, dict):
        return
    job_id = str(fields.get("SLURM_JOB_ID", ""))[:20]
    if not _JOB.fullmatch(job_id):
        return
    user = fields.get("SLURM_JOB_USER", fields.get("USER"))
    account = fields.get("SLURM_JOB_ACCOUNT", fields.get("ACCOUNT"))
    info: dict[str, Value] = {"user": _plain(user), "project": _plain(account)}
    gpus = fields.get("SLURM_JOB_GPUS")
    # A file per device is usual, a file per job has been seen: then it is named by no number.
    names = (name,) if name.isdecimal() else expanded(gpus) if isinstance(gpus, str) else ()
    for device in modulo_render(names):
        yield device, job_id, info


def _plain(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return "".join(c for c in value[:64] if c.isprintable()).strip() or None
