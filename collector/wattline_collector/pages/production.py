"""What the page *Production* asks beside the overview: targets, the time before, life cycle."""

from __future__ import annotations

from wattline_collector import narrow
from wattline_collector.access import Sight
from wattline_collector.kpi import registry
from wattline_collector.kpi.compare import side_by_side
from wattline_collector.kpi.overview import of_view
from wattline_collector.kpi.period import PREVIOUS, compared_with
from wattline_collector.kpi.query import unlike
from wattline_collector.kpi.targets import aim_of
from wattline_collector.kpi.view import View
from wattline_collector.pages.period import SYSTEM, Scope, earlier, figures, points, scope, told
from wattline_collector.pages.read import House, Json, Question, Read

COMPARED = (
    "OEE", "OEE_A", "OEE_P", "OEE_Q", "LOADING", "P01", "P02", "P03", "S10", "E06", "S12",
)  # fmt: skip
"""The headline figures that are set beside their target and beside the period before."""


ENOUGH = 0.8
"""The part of the period before that must be booked: beside less of it any month looks better."""


def answer(house: House, question: Question) -> Json:
    """`GET /v1/production`: headline figures compared, and the life cycle, in all and by day.

    Where one system is asked for, its overview too: `GET /v1/overview` is of all of them.
    """
    asked = scope(house, question)
    view = asked.view
    now = figures(asked, COMPARED)
    other = compared_with(PREVIOUS, view.period, view.zone)
    before = Scope(earlier(house, asked, other), asked.system, asked.is_part, [])
    booked = booked_share(before.view)
    then = figures(before, COMPARED) if booked >= ENOUGH else []
    apart = unlike(house.store.path, view.period, other)
    if not then:
        apart = [f"nothing is compared: {booked:.0%} of the period before is booked"]
    systems = sorted({str(name) for name in view.totals["system"].unique()})
    compared = side_by_side(
        now,
        then,
        registry.REGISTRY,
        lambda figure: aim_of(registry.REGISTRY[figure.id], figure, view.profile, systems),
    )
    whole = None if asked.system is None else of_view(view).to_json()
    return {
        **asked.to_json(),
        "compared": [one.to_json() for one in compared],
        "previous": other.to_json(),
        "unlike": apart,
        "life_cycle": told(figures(asked, ["P09"])),
        "life_days": points(asked, "P09", "day"),
        "overview": None if whole is None else narrow.overview(whole, question.viewer),
    }


def booked_share(view: View) -> float:
    """The part of a period of which the books hold anything, 0-1."""
    hours = {hour.start_ms for hour in view.control.hours}
    return min(1.0, len(hours) * 3600 / view.period.seconds)


READS = (
    Read(
        "/v1/production",
        (Sight.FIGURES,),
        answer,
        takes=SYSTEM,
        keep_seconds=30.0,
        by_viewer=True,
    ),
)
