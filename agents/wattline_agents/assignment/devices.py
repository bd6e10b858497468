"""Which device of this node a scheduler means by the name it uses.

Only a UUID and a PCI address are sure. A number is an index where Slurm finds its devices itself
(`AutoDetect=nvml`), and the N of /dev/nvidiaN where they are listed as files; on some boards the
two differ, and a job is charged with another's device. Which one is meant can be told
(`[assignment] numbers`); what is taken otherwise is said, where it matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattline_agents.light import NamedTuple
from wattline_agents.pattern import pattern
from wattline_agents.wire import Row

AUTO, INDEX, MINOR = "auto", "index", "minor"
NUMBERS = (AUTO, INDEX, MINOR)
RENDER_NODES = 128
"""Numbers of /dev/dri/renderDN begin here, and AMD devices are known by them."""
MOST_NAMES = 256
"""Names in one list: eight devices of seven instances each are 56."""
_LEAST_PREFIX = 8
"""CUDA takes the beginning of a UUID for the whole; less than this is too little to mean one."""
_MOST_NAME = 128
_MOST_INSTANCES = 4096

_PCI = pattern(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")
_NUMBER = pattern(r"[0-9]{1,4}")
_INSTANCE_OF_NUMBER = pattern(r"([0-9]{1,4})[.:]([0-9]{1,3})")
_FILE = pattern(r"(?:/dev/)?nvidia([0-9]{1,4})(?:/(?:gi([0-9]{1,3})(?:/.*)?|vgpu[0-9]{1,4}))?")
_RENDER = pattern(r"(?:/dev/dri/)?renderD([0-9]{1,4})")
_OLD_MIG = pattern(r"mig-(gpu-[0-9a-f-]+)/([0-9]{1,3})/[0-9]{1,3}")
_RANGE = pattern(r"([0-9]{1,4})-([0-9]{1,4})")
_IDX = pattern(r"\(IDX:([0-9,-]*)\)")


class Found(NamedTuple):
    """What a name means here.

    Attributes:
        device: The device's UUID.
        share: Which part of it the name means, 0-1; None where that is all, or not known.
        instance: UUID of the MIG instance it means, if one.
    """

    device: str
    share: float | None = None
    instance: str | None = None


class _Instance(NamedTuple):
    """One MIG instance and whose part it is."""

    uuid: str
    device: str
    gpu_instance: int | None
    share: float | None


class Devices:
    """The node's devices, by all the names there are for them.

    Attributes:
        version: Counts up when a name may mean something else than before.
        learned: What a number is, `index` or `minor`, by the devices that jobs were seen on.
    """

    def __init__(self, numbers: str = AUTO, *, renumbered: bool = False) -> None:
        """Know none yet.

        Args:
            numbers: What a number is, one of `NUMBERS`.
            renumbered: Indices here count only some of the node's devices, as they do inside a
                job's own control group: they mean nothing to the node's scheduler.
        """
        self.version = 0
        self.numbers, self.renumbered = numbers, renumbered
        self.learned: str | None = None
        self._infos: list[Row] = []
        self._instances: dict[str, _Instance] = {}
        self._by_uuid: dict[str, str] = {}
        self._by_index: dict[int, str] = {}
        self._by_minor: dict[int, str] = {}
        self._by_pci: dict[tuple[int, int, int, int], str] = {}
        self._amd: set[str] = set()

    @property
    def taken(self) -> str:
        """What a number is taken for: `index` or `minor`."""
        if self.numbers == AUTO:
            return self.learned or (MINOR if self.renumbered else INDEX)
        return self.numbers

    def learn(self, numbers: str) -> bool:
        """Take numbers for that from now on, unless it was told; returns whether that is news."""
        before, self.learned = self.taken, numbers
        if self.taken == before:
            return False
        self.version += 1
        return True

    def ordinals(self, uuid: str) -> tuple[int, int] | None:
        """A device's index and minor number; None where one of them is not known."""
        for info in self._infos:
            if info["device"] == uuid:
                index, minor = info["index"], info["minor"]
                both = isinstance(index, int) and isinstance(minor, int)
                return (int(index), int(minor)) if both else None  # type: ignore[arg-type]
        return None

    @property
    def numbers_differ(self) -> bool:
        """Whether some device's index is not the N of its file."""
        return any(self._by_index.get(number) != uuid for number, uuid in self._by_minor.items())

    def on_infos(self, rows: Iterable[Row]) -> None:
        """The node's devices, as rows of `device_info`."""
        infos: list[Row] = [
            {c: row.get(c) for c in ("device", "index", "minor", "pci", "vendor")} for row in rows
        ]
        if infos == self._infos:
            return
        self._infos, self.version = infos, self.version + 1
        self._by_uuid, self._by_index, self._by_minor, self._by_pci = {}, {}, {}, {}
        self._amd = set()
        for info in infos:
            uuid, index, minor = str(info["device"]), info["index"], info["minor"]
            self._by_uuid[uuid.casefold()] = uuid
            if isinstance(index, int):
                self._by_index[index] = uuid
            if isinstance(minor, int):
                self._by_minor[minor] = uuid
            if (address := _address(str(info["pci"] or ""))) is not None:
                self._by_pci[address] = uuid
            if info["vendor"] == "amd":
                self._amd.add(uuid)

    def on_instances(self, rows: Iterable[Row]) -> None:
        """Some of the MIG instances, as rows of `mig`."""
        for row in rows:
            slices, number = row.get("slice_ratio"), row.get("gpu_instance")
            one = _Instance(
                str(row.get("instance")),
                str(row["device"]),
                number if isinstance(number, int) else None,
                float(slices) if isinstance(slices, int | float) else None,
            )
            # The one seen last stands last: a number may have been another instance's before MIG
            # was divided anew.
            before = self._instances.pop(one.uuid.casefold(), None)
            self._instances[one.uuid.casefold()] = one
            if before != one:
                self.version += 1
        while len(self._instances) > _MOST_INSTANCES:
            del self._instances[next(iter(self._instances))]

    def note_instance(self, instance: str, device: str) -> None:
        """A MIG instance of which only its device is known yet; a row of `mig` says more."""
        if instance.casefold() not in self._instances and len(self._instances) < _MOST_INSTANCES:
            self._instances[instance.casefold()] = _Instance(instance, device, None, None)
            self.version += 1

    def resolve(self, name: str) -> Found | None:
        """The device of this node that is meant; None if none is, or it is not known which."""
        text = name.strip()[:_MOST_NAME].casefold().partition("::")[0]
        if not text:
            return None
        if (uuid := self._by_uuid.get(text)) is not None:
            return Found(uuid)
        if (instance := self._instances.get(text)) is not None:
            return Found(instance.device, instance.share, instance.uuid)
        if _NUMBER.fullmatch(text):
            return _whole(self._numbered(int(text)))
        if (match := _INSTANCE_OF_NUMBER.fullmatch(text)) is not None:
            return self._part(self._numbered(int(match[1])), int(match[2]))
        if (match := _FILE.fullmatch(text)) is not None:
            device = self._by_minor.get(int(match[1]))
            return _whole(device) if match[2] is None else self._part(device, int(match[2]))
        if (match := _RENDER.fullmatch(name.strip()[:_MOST_NAME])) is not None:
            return _whole(self._by_minor.get(int(match[1]) - RENDER_NODES))
        if (match := _OLD_MIG.fullmatch(text)) is not None:
            return self._part(self._by_uuid.get(match[1]), int(match[2]))
        if (address := _address(text)) is not None:
            return _whole(self._by_pci.get(address))
        return self._beginning(text)

    def _numbered(self, number: int) -> str | None:
        device = (self._by_index if self.taken == INDEX else self._by_minor).get(number)
        if device is None and number >= RENDER_NODES and self._amd:
            device = self._by_minor.get(number - RENDER_NODES)
        return device

    def _part(self, device: str | None, number: int) -> Found | None:
        if device is None:
            return None
        for instance in reversed(self._instances.values()):
            if instance.device == device and instance.gpu_instance == number:
                return Found(device, instance.share, instance.uuid)
        return Found(device)

    def _beginning(self, text: str) -> Found | None:
        if len(text) < _LEAST_PREFIX:
            return None
        fits = [uuid for folded, uuid in self._by_uuid.items() if folded.startswith(text)]
        parts = [one for folded, one in self._instances.items() if folded.startswith(text)]
        if len(fits) + len(parts) != 1:
            return None
        return Found(fits[0]) if fits else Found(parts[0].device, parts[0].share, parts[0].uuid)


def expanded(text: str) -> tuple[str, ...]:
    """The names in a list as Slurm writes one: `0,2-3`, `gpu:h200:2(IDX:0-1)`, UUIDs.

    Returns:
        Each name once, in order, at most `MOST_NAMES`; nothing for `NoDevFiles` and `-1`, by which
        a job is given none.
    """
    if (match := _IDX.search(text)) is not None:
        text = match[1]
    names: dict[str, None] = {}
    for part in text.split(",")[:MOST_NAMES]:
        name = part.strip()[:_MOST_NAME]
        match = _RANGE.fullmatch(name)
        if match is not None and 0 <= int(match[2]) - int(match[1]) < MOST_NAMES:
            names.update(dict.fromkeys(map(str, range(int(match[1]), int(match[2]) + 1))))
        elif name and name not in ("-1", "NoDevFiles", "none", "void"):
            names[name] = None
    return tuple(names)[:MOST_NAMES]


def modulo_render(names: Sequence[str]) -> tuple[str, ...]:
    """Numbers that may be those of render nodes, as AMD's exporter takes them: modulo 128."""
    return tuple(
        str(int(name) % RENDER_NODES) if name.isdecimal() and len(name) <= 4 else name
        for name in names
    )


def _whole(device: str | None) -> Found | None:
    return None if device is None else Found(device)


def _address(text: str) -> tuple[int, int, int, int] | None:
    """A PCI address as numbers: its domain is written with four digits, eight, or not at all."""
    match = _PCI.fullmatch(text.casefold())
    if match is None:
        return None
    return int(match[1] or "0", 16), int(match[2], 16), int(match[3], 16), int(match[4])
