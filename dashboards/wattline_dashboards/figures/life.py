"""What device time was for, day by day: GPU-hours by stage of a model's life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from wattline_collector.palette import RAMP, TOKENS, Mode, format_number, format_percent
from wattline_dashboards import plot
from wattline_dashboards.columns import number
from wattline_dashboards.components import stats
from wattline_dashboards.figures import series
from wattline_dashboards.language import _

HEIGHT = 240
_DAY_MS = 86_400_000
_STEPS = {
    Mode.LIGHT: {"data": 9, "pretrain": 1, "finetune": 3, "training": 2, "eval": 5, "inference": 7},
    Mode.DARK: {"data": 9, "pretrain": 3, "finetune": 5, "training": 4, "eval": 6, "inference": 8},
}
"""Of the ramp; its darkest would not be seen on a dark ground."""
Rows = Sequence[Mapping[str, Any]]


def names(rows: Rows, mode: Mode) -> dict[str, tuple[str, str]]:
    """Label and colour of each stage that there is."""
    told = {
        "data": _("data"),
        "pretrain": _("pre-training"),
        "finetune": _("fine-tuning"),
        "training": _("training, nobody says of what"),
        "eval": _("evaluation"),
        "inference": _("inference"),
    }
    there = {str(row.get("stage")) for row in rows}
    found = {
        word: (label, RAMP[_STEPS[mode][word]]) for word, label in told.items() if word in there
    }
    if there - set(told):
        found["other"] = (_("other"), TOKENS[mode].mark)
    return found


def finding(figures: Sequence[Mapping[str, Any]]) -> str:
    """What most of it was for."""
    known = [
        (stats.dim(one, "stage"), value)
        for one in figures
        if (value := stats.value_of(one)) is not None
    ]
    if not known:
        return _("What device time was for is not known")
    stage, value = max(known, key=lambda pair: pair[1])
    label = names([{"stage": stage}], Mode.LIGHT).get(stage, (_("other"), ""))[0]
    return _("{share} of held GPU-hours were for {stage}").format(
        share=format_percent(value / 100), stage=label
    )


def figure(rows: Rows, mode: Mode, zone: ZoneInfo) -> plot.Figure:
    """A stacked bar a day."""
    drawn = [{**row, "value": number(row.get("numerator"))} for row in rows]
    return series.stacked(
        names(rows, mode), drawn, "stage", mode, zone,
        lambda value: format_number(value, "GPU-h"), step_ms=_DAY_MS,
    )  # fmt: skip
