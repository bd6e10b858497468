from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_agents.errors import UsageError
from wattline_collector.kpi.figure import Status
from wattline_reports.document import Report
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.network.compared import factory_of, is_hidden, outliers, spread
from wattline_reports.network.taken import Taken, read_ring, take
from wattline_reports.quoted import Quoted, stated

SIX = ("bsc-aif", "it4lia", "jaif", "lumi-aif", "mimer", "pharos")


@pytest.fixture(scope="module")
def three(network_kit: Any) -> list[Bundle]:
    made: list[Bundle] = network_kit.three()
    return made


def made(kit: Any, directory: Path, bundles: list[Bundle], names: tuple[str, ...]) -> Report:
    """The report of these bundles."""
    from wattline_reports.asked import Asked
    from wattline_reports.network import KIND
    from wattline_reports.period import EVER

    paths = tuple(map(str, kit.write(directory, bundles)))
    options = {"ring": str(kit.ring_of(directory, names)), "season": ""}
    return KIND.build(Asked(KIND, Path(), EVER, of=paths, options=options))


@pytest.fixture(scope="module")
def report(three: list[Bundle], network_kit: Any, tmp_path_factory: Any) -> Report:
    return made(network_kit, tmp_path_factory.mktemp("three"), three, network_kit.NAMES)


@pytest.fixture(scope="module")
def wide(network_kit: Any, tmp_path_factory: Any) -> Report:
    """Six factories: one hides, one lacks, one saw little, and one has a high PUE."""
    sent = []
    for place, name in enumerate(SIX):
        figures = network_kit.figures(
            1 + place % 3, 0.6 + 0.03 * place, pue=1.7 if name == "mimer" else 1.1 + 0.02 * place,
            coverage=0.71 if name == "bsc-aif" else 0.985,
        )  # fmt: skip
        for one in figures:
            if name == "jaif" and one["id"] == "P01":
                nothing = {"value": None, "numerator": None, "n": None, "flags": ["A"]}
                one.update(nothing, status="suppressed")
        if name == "pharos":
            figures = [one for one in figures if one["id"] != "S04"]
        sent.append(network_kit.sent(name, figures, seed=place + 1))
    return made(network_kit, tmp_path_factory.mktemp("six"), sent, SIX)


def test_a_factory_has_the_figure_of_its_own_bundle(report: Report, three: list[Bundle]) -> None:
    for one in three:
        told = next(figure for figure in one.figures if figure["id"] == "U01")
        mine = report.figure(f"U01/factory={one.manifest.factory}")
        assert mine.value == pytest.approx(told["value"])
        assert (mine.figure.n, mine.figure.coverage) == (told["n"], told["coverage"])


def test_the_network_is_sums_over_sums_and_no_average(report: Report) -> None:
    assert report.figure("U01/over=all").value == pytest.approx(
        100 * (0.62 * 1 + 0.75 * 4 + 0.70 * 2) / 7
    )
    per_hour = report.figure("trained_per_gpu_hour/over=all")
    assert per_hour.value == pytest.approx(20 * (0.62 * 1 + 0.75 * 4 + 0.70 * 2) / 7)
    assert report.figure("U01.median").value == pytest.approx(70.0)
    assert report.figure("U01.lower_quartile").value is None


def test_a_sum_is_compared_by_the_size_of_its_factory(report: Report) -> None:
    for id in ("it4lia", "jaif", "lumi-aif"):
        own = report.figure(f"projects_per_100_gpus/factory={id}")
        assert own.value == pytest.approx(3.0)
        assert own.figure.denominator is not None


def test_records_that_disagree_are_told_from_both_sides(report: Report) -> None:
    assert [one["kind"] for one in _data(report, "mismatches")] == ["joint_project"]
    assert report.figure("exchange/joint_project/it4lia/jaif").value == 2
    assert report.figure("exchange/joint_project/jaif/it4lia").value == 1
    text = json.dumps([one.answer for one in report.sections])
    assert "the two sides tell different amounts" in text


def _data(report: Report, name: str) -> Any:
    return report.data[name]


def test_what_is_hidden_stays_hidden_and_is_named(wide: Report) -> None:
    hidden = wide.figure("trained_per_gpu_hour/factory=jaif")
    assert hidden.value is None and hidden.figure.numerator is None
    assert is_hidden(hidden)
    assert hidden.figure.status is Status.WITHHELD
    assert "the bundle of jaif hides it" in hidden.figure.note
    absent = wide.figure("S04/factory=pharos")
    assert not is_hidden(absent)
    assert absent.figure.status is Status.UNKNOWN
    assert any("of pharos" in one.why for one in wide.missing)
    both = wide.figure("trained_per_gpu_hour/over=all")
    assert both.figure.n == 5


def test_an_outlier_is_named_with_what_its_own_bundle_says(wide: Report) -> None:
    assert _data(wide, "outliers")["S03"] == ["S03/factory=mimer"]
    first = json.dumps([str(block) for block in wide.sections[0].blocks])
    assert "1.70, where the middle half of the factories has" in first
    assert "Its bundle says: measured" in first


def one_of(value: float | None, coverage: float | None, period: Any) -> Quoted:
    return stated("x", "x", "1", value, period=period, method="", coverage=coverage)


def test_nobody_is_apart_on_thin_data_or_among_few(report: Report) -> None:
    period = report.span
    near = [one_of(value, 1.0, period) for value in (1.0, 1.1, 1.2, 1.3, 1.15)]
    assert [one.value for one in outliers([*near, one_of(9.0, 1.0, period)])] == [9.0]
    assert outliers([*near, one_of(9.0, 0.9, period)]) == ()
    assert outliers([*near[:3], one_of(9.0, 1.0, period)]) == ()
    assert outliers([one_of(1.0, 1.0, period)] * 6) == ()


def test_quartiles_are_those_of_the_values_with_both_ends() -> None:
    assert spread([1.0, 2.0]) == (None, None, None)
    assert spread([1.0, 2.0, 9.0]) == (None, 2.0, None)
    assert spread([4.0, 1.0, 3.0, 2.0, 5.0]) == (2.0, 3.0, 4.0)


def taken(kit: Any, directory: Path, bundles: list[Bundle]) -> Taken:
    return take(kit.write(directory, bundles), read_ring(kit.ring_of(directory)), None)


def test_a_bundle_that_does_not_hold_is_named_with_its_reason_and_left_out(
    three: list[Bundle], network_kit: Any, tmp_path: Path
) -> None:
    paths = network_kit.write(tmp_path, three)
    data = bytearray(paths[0].read_bytes())
    data[data.index(b"balanced")] ^= 1
    paths[0].write_bytes(bytes(data))
    stranger = network_kit.sent("stranger", network_kit.figures(1, 0.5))
    paths += network_kit.write(tmp_path, [stranger])
    found = take(paths, read_ring(network_kit.ring_of(tmp_path)), None)
    assert found.factories == ("jaif", "lumi-aif")
    assert [one.file for one in found.left_out] == ["it4lia_1.aifb.zip", "stranger_1.aifb.zip"]
    assert "(unknown-key)" in found.left_out[1].why
    with pytest.raises(UsageError, match=r"side by side: 1, .*it4lia_1.aifb.zip: "):
        take(paths[:2], read_ring(tmp_path / "keys.json"), None)


def test_the_newest_revision_and_the_period_of_most_are_taken(
    three: list[Bundle], network_kit: Any, tmp_path: Path
) -> None:
    figures = network_kit.figures(1, 0.9)
    again = network_kit.sent("it4lia", figures, supersedes=three[0])
    late = network_kit.sent("lumi-aif", figures, quarter=2)
    found = taken(network_kit, tmp_path, [three[0], again, three[1], late])
    assert found.bundles[0].manifest.revision == 2
    assert found.factories == ("it4lia", "jaif")
    why = {one.file: one.why for one in found.left_out}
    assert "revision 2" in why["it4lia_1.aifb.zip"]
    assert "second quarter of 2026" in why["lumi-aif_1.aifb.zip"]


@pytest.mark.parametrize("words", [["--as-of", "2027-01-01"], ["--ring", "none.json"]])
def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str], three: list[Bundle], network_kit: Any, tmp_path: Path, capsys: Any
) -> None:
    paths = [str(path) for path in network_kit.write(tmp_path, three)]
    ring = str(network_kit.ring_of(tmp_path))
    code = main(["report", "network", *paths, "--ring", ring, *words, "--out", str(tmp_path / "o")])
    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_factory_figures_say_whose_they_are(report: Report) -> None:
    own = [one for one in report.figures if "factory" in one.figure.dims and one.kpi]
    assert {factory_of(one) for one in own} == {"it4lia", "jaif", "lumi-aif"}
