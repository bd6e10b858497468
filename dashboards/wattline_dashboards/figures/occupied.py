"""The lowest strips of a timeline: errors as ticks, accounts in their colours, jobs as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wattline_collector.palette import TOKENS, Mode, format_number
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.short import cut
from wattline_dashboards.figures import moments
from wattline_dashboards.figures.timeline import Timeline, bold
from wattline_dashboards.language import _, ngettext

Rows = Sequence[Mapping[str, Any]]

MOST_LANES = 8
ROW_PX = 22
_TICK_PX = 20
_LANE_PX = 28
"""Room for a line of text and what plots leave around it."""


def kind_name(event: Mapping[str, Any]) -> str:
    """What an error is called."""
    kind = str(event.get("kind"))
    if kind == "xid":
        return _("XID {number}").format(number=int(number(event.get("xid")) or 0))
    return {
        "ecc_corrected_volatile_total": _("Memory errors corrected"),
        "ecc_uncorrected_volatile_total": _("Memory errors uncorrected"),
        "nvlink_replay_errors_total": _("NVLink packets repeated"),
        "nvlink_recovery_errors_total": _("NVLink trained again"),
        "nvlink_crc_errors_total": _("NVLink checksums wrong"),
        "pcie_replays_total": _("PCI Express packets repeated"),
        "read_errors_total": _("Reads failed"),
        "read_timeouts_total": _("Reads timed out"),
    }.get(kind, cut(kind.removesuffix("_total").replace("_", " "), 40))


def events(strips: Timeline, rows: Rows, names: Mapping[str, str], mode: Mode) -> None:
    """A strip of errors, a row per kind; XIDs are one kind, and those that matter stand out.

    Args:
        strips: What is drawn so far.
        rows: The collector's `events`.
        names: What each device is called, by its id; empty on the page of one.
        mode: Light or dark.
    """
    title = bold(_("Errors"))
    if not rows:
        strips.empty(_("Errors"), _("none in this period"))
        return
    kinds = sorted({str(row.get("kind")) for row in rows}, key=lambda kind: (kind != "xid", kind))
    axis = strips.rows(title, ["XID" if kind == "xid" else "" for kind in kinds], _TICK_PX)
    tokens = TOKENS[mode]
    for grave, colour in ((True, tokens.warning), (False, tokens.muted)):
        mine = [row for row in rows if (row.get("class") in ("critical", "warning")) is grave]
        strips.marks(
            axis,
            [number(row.get("at_ms")) or 0 for row in mine],
            [kinds.index(str(row.get("kind"))) for row in mine],
            [_said(row, names) for row in mine],
            colour,
        )


def accounts(
    strips: Timeline, rows: Rows, devices: Mapping[str, int], names: Sequence[str]
) -> None:
    """A strip of accounts, a row per device.

    Args:
        strips: What is drawn so far.
        rows: The collector's `accounts`.
        devices: Each device's row.
        names: What each row is called.
    """
    title = bold(_("Account"))
    if not rows:
        strips.empty(_("Account"), _("not booked yet"))
        return
    axis = strips.rows(title, names, ROW_PX if len(names) <= 8 else 14)
    strips.accounts(
        axis,
        [
            (devices[str(row.get("device"))], str(row.get("account")),
             number(row.get("start_ms")) or 0, number(row.get("end_ms")) or 0)
            for row in rows
            if str(row.get("device")) in devices
        ],
    )  # fmt: skip


def jobs(strips: Timeline, rows: Rows, mode: Mode, *, counts_devices: bool = False) -> None:
    """A strip of jobs as bars; those that run at once stand one under the other."""
    title = bold(_("Jobs"))
    if not rows:
        strips.empty(_("Jobs"), _("none held it in this period"))
        return
    laid = lanes(rows)
    shown = [(lane, row) for lane, row in zip(laid, rows, strict=True) if lane < MOST_LANES]
    more = len(rows) - len(shown)
    if more:
        said = ngettext("{n} more at the same time", "{n} more at the same time", more)
        title += "  " + said.format(n=format_number(more))
    axis = strips.rows(title, [""] * (max(lane for lane, _row in shown) + 1), _LANE_PX)
    tokens = TOKENS[mode]
    strips.bars(
        axis,
        [(lane, number(row.get("start_ms")) or 0, number(row.get("end_ms")) or 0)
         for lane, row in shown],
        [_job(row, counts_devices=counts_devices) for _lane, row in shown],
        tokens.grid,
        line=tokens.mark,
        text=[escape(cut(text(row.get("job")) or "", 24)) for _lane, row in shown],
    )  # fmt: skip


def job_name(row: Mapping[str, Any]) -> str:
    """A job's id and name; somebody else's is a job."""
    key = text(row.get("job"))
    if key is None:
        return _("a job")
    name = text(row.get("name"))
    return f"{key} {name}" if name and name != key else key


def lanes(rows: Rows) -> list[int]:
    """The first lane that is free when each bar begins; bars come in the order they begin."""
    ends: list[float] = []
    found = []
    for row in rows:
        start, end = number(row.get("start_ms")) or 0, number(row.get("end_ms")) or 0
        lane = next((at for at, busy_until in enumerate(ends) if busy_until <= start), len(ends))
        if lane == len(ends):
            ends.append(end)
        else:
            ends[lane] = end
        found.append(lane)
    return found


def _said(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    count = int(number(row.get("count")) or 1)
    device = names.get(str(row.get("device")), "")
    where = f"{escape(cut(device, 40))}<br>" if device else ""
    times = f" × {format_number(count)}" if count > 1 else ""  # noqa: RUF001 (times is meant)
    at = moments.utc(number(row.get("at_ms")) or 0)
    return f"{where}<b>{escape(kind_name(row))}</b>{times}<br>{at}"


def _job(row: Mapping[str, Any], *, counts_devices: bool) -> str:
    start, end = number(row.get("start_ms")) or 0, number(row.get("end_ms")) or 0
    count = int(number(row.get("devices")) or 0)
    held = ngettext("{n} device", "{n} devices", count).format(n=count) if counts_devices else ""
    lines = [
        f"<b>{escape(cut(job_name(row)))}</b>", held,
        f"{moments.utc(start)} – {moments.utc(end)}",  # noqa: RUF001 (a range)
    ]  # fmt: skip
    return "<br>".join(line for line in lines if line)
