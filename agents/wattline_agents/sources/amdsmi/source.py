"""All AMD GPUs of a node; loses and finds them again, one by one or all at once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.errors import ReadFailed, SourceUnavailable
from wattline_agents.sources.amdsmi.device import Device, is_time, tell
from wattline_agents.sources.amdsmi.figures import cgroup, text_of, whole_of
from wattline_agents.sources.amdsmi.library import (
    DRIVER_GONE,
    AmdFailed,
    call,
    load,
    place,
)
from wattline_agents.sources.settings import SourceConfig
from wattline_agents.sources.source import Part, Readings
from wattline_agents.wire import Row

KFD = Path("/sys/class/kfd/kfd")
"""Where Linux shows AMD's compute driver; without it there is nothing to ask."""
PROC = Path("/proc")

_PROCESSES_MS = 10_000
_FIND_MS = 60_000
_RETRY_MS = 10_000
_GONE_MS = 3_600_000
"""How long a device that is listed no more is called down before it is forgotten."""
_MOST_DEVICES = 256
_MOST_PROCESSES = 1_024
_BDF = re.compile(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]\Z")


class AmdSource:
    """Reads every AMD GPU that ROCm shows, keyed by UUID."""

    name = "amdsmi"
    may_block = True

    def __init__(
        self,
        load_module: Callable[[], Any] | None = None,
        clock: Clock | None = None,
        proc: Path = PROC,
    ) -> None:
        """Touch nothing yet; the part `open` opens the driver.

        Args:
            load_module: Gives what answers like the module `amdsmi`; imports it if not given.
            clock: Tells how much time lies between two readings.
            proc: Where processes tell their control group.
        """
        self._load = load if load_module is None else load_module
        self._clock = SystemClock() if clock is None else clock
        self._proc = proc
        self._smi: Any = None
        self._devices: dict[str, Device] = {}
        self._unnamed: list[tuple[int, str, Any]] = []
        # Those that were listed and have no row: by index, and PCI address where that is known.
        self._unread: dict[str, str] = {}
        self._mute: list[str] = []
        self._found_ms: int | None = None
        self._opened_ms: int | None = None
        self._processes_ms: int | None = None
        self._gone_ms: dict[str, int] = {}

    @classmethod
    def from_config(cls, config: SourceConfig, kfd: Path = KFD) -> Self:
        """Open it, without touching the driver; it has no options.

        Raises:
            SourceUnavailable: There is no AMD compute driver, or no `amdsmi` to ask it with.
        """
        config.check_options(cls.name, ())
        if not kfd.exists():
            raise SourceUnavailable(f"no AMD compute driver on this node ({kfd} is not there)")
        if place() is None:
            raise SourceUnavailable(
                "there is an AMD GPU and no amdsmi: install it as ROCm says "
                "(pip install /opt/rocm/share/amd_smi)"
            )
        return cls()

    def parts(self, now_ms: int) -> Iterator[Part]:
        """Opening, finding, one part per device, and processes every ten seconds."""
        if self._smi is None:
            if is_time(self._opened_ms, _RETRY_MS, now_ms):
                yield "open", lambda: self._open(now_ms)
            if self._smi is None:
                if self._devices:
                    yield "lost", lambda: {"device": [one.lost_row(now_ms) for one in self._all()]}
                return
        if is_time(self._found_ms, _FIND_MS, now_ms):
            yield "find", lambda: self._find(now_ms)
        while self._unnamed:
            index, pci, handle = self._unnamed.pop(0)
            yield (
                f"find {pci}",
                lambda index=index, pci=pci, handle=handle: self._name(index, pci, handle),  # type: ignore[misc]
            )
        for device in self._all():
            yield device.uuid, lambda device=device: self._read_device(device, now_ms)  # type: ignore[misc]
        if is_time(self._processes_ms, _PROCESSES_MS, now_ms):
            yield "processes", lambda: self._read_processes(now_ms)

    def read(self, now_ms: int) -> Readings:
        """All parts after one another; a part that fails stops no other.

        Raises:
            ReadFailed: Nothing could be read.
        """
        found: Readings = {}
        failed: ReadFailed | None = None
        for _, part in self.parts(now_ms):
            try:
                for table, rows in part().items():
                    found.setdefault(table, []).extend(rows)
            except ReadFailed as error:
                failed = failed or error
        if failed is not None and not found:
            raise failed
        return found

    def describe(self, now_ms: int) -> Readings:
        """One row of `device_info` per device, from what was found."""
        return {"device_info": [self._info(device, now_ms) for device in self._all()]}

    def why_not(self) -> Mapping[str, Mapping[str, str]]:
        """Why columns of a device are null."""
        return {device.uuid: dict(device.why_not) for device in self._all() if device.why_not}

    def unread(self) -> Sequence[str]:
        """Devices that the driver lists and of which there is no row; asks the driver nothing."""
        return list(self._unread.values())

    def close(self) -> None:
        """Detach from the driver."""
        smi, self._smi = self._smi, None
        if smi is not None:
            with contextlib.suppress(AmdFailed):
                call(smi, "amdsmi_shut_down")

    def _all(self) -> list[Device]:
        return list(self._devices.values())

    # Opening and finding.

    def _open(self, now_ms: int) -> Readings:
        self._opened_ms = now_ms
        try:
            smi = self._load()
        except Exception as error:  # its import fails in whatever way the library is missing
            raise ReadFailed(f"amdsmi: {type(error).__name__}: {str(error)[:160]}") from error
        call(smi, "amdsmi_init")
        self._smi = smi
        self._found_ms = None
        return {}

    def _find(self, now_ms: int) -> Readings:
        """List what there is; who is new is named part by part."""
        try:
            seen = self._listed()
        except AmdFailed as error:
            # Where every device was lost before, no reading meets the driver's absence.
            if error.code in DRIVER_GONE:
                self._lose_driver(now_ms)
            raise
        self._found_ms = now_ms
        self._forget({pci for pci, _ in seen}, now_ms)
        known = {(device.pci, device.index) for device in self._all() if not device.is_lost}
        self._unnamed = [
            (index, pci, handle)
            for index, (pci, handle) in enumerate(seen)
            if (pci, index) not in known
        ]
        rows = {device.pci for device in self._all()}
        self._unread = {
            pci: f"{index} at {pci}" for index, (pci, _) in enumerate(seen) if pci not in rows
        }
        if not any(device.is_lost for device in self._all()):  # which has a row, and may be it
            self._unread |= dict(zip(self._mute, self._mute, strict=True))
        return {}

    def _listed(self) -> list[tuple[str, Any]]:
        """PCI address and handle of each, in the order of dies on a module."""
        handles = call(self._smi, "amdsmi_get_processor_handles")[:_MOST_DEVICES]
        seen: list[tuple[str, Any]] = []
        self._mute = []
        for number, handle in enumerate(handles):
            try:
                bdf = str(call(self._smi, "amdsmi_get_gpu_device_bdf", handle)).lower()
            except AmdFailed as error:
                if error.code in DRIVER_GONE:
                    raise
                self._mute.append(str(number))  # it must not hide the others
                continue
            seen.append((bdf if _BDF.match(bdf) else f"gpu-{number}", handle))
        return sorted(seen, key=lambda one: one[0])

    def _forget(self, there: set[str], now_ms: int) -> None:
        """Leave out what has not been there for an hour: a partition that was undone, say."""
        for device in self._all():
            if not device.is_lost or device.pci in there:
                self._gone_ms.pop(device.uuid, None)
            elif now_ms - self._gone_ms.setdefault(device.uuid, now_ms) > _GONE_MS:
                del self._devices[device.uuid], self._gone_ms[device.uuid]

    def _name(self, index: int, pci: str, handle: Any) -> Readings:
        """Find out who a device is, by calls that tell what never changes."""
        uuid = text_of(call(self._smi, "amdsmi_get_gpu_device_uuid", handle))
        if uuid is None:
            raise ReadFailed(f"amdsmi: the device at {pci} tells no UUID")
        kfd = tell(self._smi, "amdsmi_get_gpu_kfd_info", handle)
        partition = whole_of(kfd.get("current_partition_id")) or 0
        key = uuid if partition == 0 else f"{uuid}-{partition}"
        known = self._devices.get(key)
        if known is not None and not known.is_lost and known.pci != pci:
            key = f"{key}@{pci}"  # two that tell the same UUID must not be taken for one
            known = self._devices.get(key)
        device = known or Device(key, handle, pci, index)
        device.attach(self._smi, handle, pci, index)
        device.partition = partition
        self._devices[key] = device
        self._unread.pop(pci, None)
        self._place_modules()
        return {}

    def _place_modules(self) -> None:
        """Tell which devices share a meter: dies of a pair, and partitions of a socket."""
        dies = sorted(
            (device for device in self._all() if device.has_two_dies), key=lambda one: one.pci
        )
        for number, device in enumerate(dies):
            device.is_paired = True
            # Dies come in pairs; where one is missing nobody knows which of them belong together.
            device.module = dies[number - number % 2].pci if len(dies) % 2 == 0 else None
        sockets: dict[str, list[Device]] = {}
        for device in self._all():
            if not device.is_paired:
                sockets.setdefault(device.pci.rpartition(".")[0], []).append(device)
        for socket, devices in sockets.items():
            is_shared = len(devices) > 1 or any(device.partition for device in devices)
            for device in devices:
                device.shares_socket = is_shared
                device.module = f"{socket}.0" if is_shared else None

    def _info(self, device: Device, now_ms: int) -> Row:
        measures = device.mode is not None
        return {
            "time_unix_ms": now_ms,
            "device": device.uuid,
            "index": device.index,
            "vendor": "amd",
            "pci": device.pci,
            "source": self.name,
            "power_mode": device.mode,
            "power_scope": device.scope if measures else None,
            "energy_scope": device.scope if device.has_energy else None,
            "module": device.module,
            **device.identity,
        }

    def _read_device(self, device: Device, now_ms: int) -> Readings:
        if device.is_lost or self._smi is None:
            return {"device": [device.lost_row(now_ms)]}
        try:
            return {"device": [device.read(self._smi, now_ms, self._clock.monotonic())]}
        except AmdFailed as error:
            device.errors += 1
            if error.code in DRIVER_GONE:
                self._lose_driver(now_ms)
            else:
                device.is_lost = True
                self._found_ms = now_ms  # looked for again after a while, not at once
            return {"device": [device.lost_row(now_ms)]}

    def _read_processes(self, now_ms: int) -> Readings:
        """Who holds memory of each device; reads no more of a process than its control group."""
        self._processes_ms = now_ms
        rows: list[Row] = []
        for device in self._all():
            if device.is_lost:
                continue
            try:
                found = device.ask(self._smi, "processes", now_ms, "amdsmi_get_gpu_process_list")
            except AmdFailed:
                device.errors += 1
                continue
            if not isinstance(found, list):
                continue
            device.kept["processes"] = len(found)
            rows += [
                row
                for one in found[:_MOST_PROCESSES]
                if (row := self._process(device, one, now_ms)) is not None
            ]
        return {"process": rows} if rows else {}

    def _process(self, device: Device, one: Any, now_ms: int) -> Row | None:
        if not isinstance(one, Mapping):
            return None
        pid = whole_of(one.get("pid"))
        if not pid:
            return None
        usage = one.get("memory_usage")
        held = whole_of(usage.get("vram_mem")) if isinstance(usage, Mapping) else None
        return {
            "time_unix_ms": now_ms,
            "device": device.uuid,
            "pid": pid,
            "cgroup": cgroup(self._proc / str(pid) / "cgroup"),
            "memory_used_bytes": whole_of(one.get("mem")) if held is None else held,
        }

    def _lose_driver(self, now_ms: int) -> None:
        self._smi, self._opened_ms = None, now_ms
        for device in self._all():
            device.is_lost = True
