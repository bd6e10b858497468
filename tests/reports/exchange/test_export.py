from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli
from wattline_agents.errors import UsageError
from wattline_collector.kpi import query
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.registry import REGISTRY
from wattline_reports.exchange import checked, dictionary, export, keys, scan
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.disclosure import table
from wattline_reports.exchange.verify import verify

PERSONAL = {"project", "user", "job", "node", "device", "model", "family", "entrant", "rack"}
START = datetime(2025, 1, 1, tzinfo=UTC)
HALVES = (
    Period(START, START + timedelta(days=14)),
    Period(START + timedelta(days=14), START + timedelta(days=28)),
)
DAY = datetime(2026, 1, 5, tzinfo=UTC).date()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A planted month with all registers and a profile."""
    path = tmp_path_factory.mktemp("exchange") / "store"
    words = ["--nodes", "6", "--devices", "2", "--days", "28"]
    assert cli.main(["simulate", "--year", str(path), *words]) == 0
    yield path


def name_of(figure: Mapping[str, Any]) -> tuple[object, ...]:
    return (figure["id"], *figure["dims"].items())


@pytest.fixture(scope="module")
def sent(store: Path) -> tuple[Bundle, keys.Ring]:
    private = keys.new_private()
    made = export.of_store(store, HALVES[0], "coordination-review")
    key = keys.public_key(private, made.manifest.factory, keys.FACTORY, DAY, DAY)
    return made.signed(private, keys.FACTORY, DAY), keys.ring_of(None, key)


def test_the_schema_and_the_program_let_out_the_same_dimensions() -> None:
    figure = checked.schema("kpis")["properties"]["figures"]["items"]
    assert set(figure["properties"]["dims"]["propertyNames"]["enum"]) == export.DIMENSIONS
    assert not export.DIMENSIONS & PERSONAL


def test_kpis_of_single_runs_and_entrants_stay_inside() -> None:
    inside = {kpi.id for kpi in REGISTRY.values() if not set(kpi.parts) <= export.DIMENSIONS}
    assert inside == {"P08", "E07", "I02", "I03", "C04", "C05"}


def test_a_bundle_of_a_store_is_verified_by_anybody(sent: tuple[Bundle, keys.Ring]) -> None:
    made, ring = sent
    verify(made, ring, dictionary.accepted(), period=HALVES[0])
    assert made.manifest.books.balanced
    assert len(made.manifest.books.heads) == 1
    assert set(made.cubes) == {
        "access", "sectors", "waiting", "energy", "incidents", "exchanges",
    }  # fmt: skip


def test_its_figures_are_those_of_the_books(store: Path, sent: tuple[Bundle, keys.Ring]) -> None:
    told = {figure["id"]: figure for figure in sent[0].figures if not figure["dims"]}
    for figure in query.figures(store, ["P01", "U01", "E04", "S12", "A01"], HALVES[0]):
        for name in ("value", "numerator", "denominator", "coverage"):
            wanted = getattr(figure, name)
            assert told[figure.id][name] == (wanted and pytest.approx(wanted, rel=1e-8))


def test_the_same_books_make_the_same_bytes(store: Path, sent: tuple[Bundle, keys.Ring]) -> None:
    again = export.of_store(store, HALVES[0], "coordination-review")
    # From the particular to the whole, so that what fails names the figure.
    assert [name_of(one) for one in again.figures] == [name_of(one) for one in sent[0].figures]
    for one, other in zip(again.figures, sent[0].figures, strict=True):
        assert one == other, name_of(one)
    for name, cells in sent[0].cubes.items():
        assert again.cubes[name] == cells, name
    for name, data in sent[0].files.items():
        assert again.files[name] == data, name
    assert again.manifest.to_bytes() == sent[0].manifest.to_bytes()


def test_no_name_that_the_store_knows_stands_in_it(
    store: Path, sent: tuple[Bundle, keys.Ring]
) -> None:
    names = scan.names_of(store)
    assert len(names) > 20
    text = " ".join(
        text for file, data in sent[0].files.items() for text in scan.texts_of(file, data)
    ).lower()
    # Looked for apart from the scanner: as parts of words too, where they are long enough for it.
    for name in names:
        if len(name) > 6:
            assert name not in text, name
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is None, name


def test_what_others_need_to_read_it_stands_beside_the_figures(
    store: Path, sent: tuple[Bundle, keys.Ring]
) -> None:
    made = sent[0]
    assert made.profile is not None and made.factors is not None
    assert made.eed is None  # of no return
    (system,) = made.profile["systems"]
    assert (system["id"], system["nodes"]) == ("sim", 6)
    assert [one["count"] for one in system["devices"]] == [12]
    # Grams of the factor are what the figure was made with.
    grams = {row.role: row.grams_per_kwh for row in made.factors}
    carbon = next(
        one
        for one in made.figures
        if one["id"] == "S08" and one["dims"]["way"] == "location_annual"
    )
    energy = next(one for one in made.figures if one["id"] == "S03" and not one["dims"])
    assert carbon["numerator"] / (energy["numerator"] / 3.6e6) == pytest.approx(
        grams["location_annual"] / 1000, rel=0.01
    )


def test_a_bundle_of_the_return_holds_it(store: Path) -> None:
    made = export.of_store(store, HALVES[0], "eed")
    assert made.eed is not None
    figures = {one["id"]: one["value"] for one in made.figures if not one["dims"]}
    assert made.eed["annex_iii"]["PUE"] == figures["S03"] is not None
    told = {one["key"]: one["value"] for one in made.eed["annex_ii"]}
    assert told["E_DC"] / told["E_IT"] == pytest.approx(made.eed["annex_iii"]["PUE"], rel=0.1)


def test_sums_of_cells_are_those_of_the_projects(store: Path) -> None:
    from wattline_collector.kpi.view import load
    from wattline_reports.exchange import tables

    view = load(store, HALVES[0])
    parts = tables.of_projects(view, ("participating_state", "commercial"))
    used = sum(part.values[1] for part in parts)
    assert used == pytest.approx(view.assigned["duration_ms"].sum() / 3_600_000)
    whole = table.cells_of(parts)[table.TOTAL, table.TOTAL]
    assert whole.values[1] == pytest.approx(used)


def test_the_next_period_follows_and_a_period_sent_again_is_a_revision(
    store: Path, sent: tuple[Bundle, keys.Ring]
) -> None:
    first = sent[0]
    second = export.of_store(store, HALVES[1], "coordination-review", earlier=[first])
    assert second.manifest.previous == first.manifest.digest
    assert (second.manifest.revision, second.manifest.supersedes) == (1, None)
    again = export.of_store(store, HALVES[0], "coordination-review", earlier=[first, second])
    assert (again.manifest.revision, again.manifest.supersedes) == (2, first.manifest.digest)
    for name, cells in first.cubes.items():
        hidden = {key for key, row in cells.items() if row is None}
        assert hidden <= {key for key, row in again.cubes[name].items() if row is None}


@pytest.mark.parametrize("kind", ["everything", "", "coordination review"])
def test_a_kind_there_is_not_is_said(store: Path, kind: str) -> None:
    with pytest.raises(UsageError, match="there are hosting-audit"):
        export.of_store(store, HALVES[0], kind)


@pytest.mark.parametrize(
    ("missing", "says"),
    [("profile.toml", "wattline profile use"), ("registers/projects.parquet", "projects-csv")],
)
def test_what_a_bundle_lacks_is_said_with_the_next_step(
    store: Path, tmp_path: Path, missing: str, says: str
) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    (copy / missing).unlink()
    if missing == "profile.toml":
        shutil.rmtree(copy / "profiles", ignore_errors=True)
    with pytest.raises(UsageError, match=says):
        export.of_store(copy, HALVES[0], "coordination-review")


def test_months_are_the_sites_own() -> None:
    period = Period(datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    found = list(export.months(period, "Europe/Helsinki"))
    assert [name for name, _ in found] == ["2026-01", "2026-02", "2026-03", "2026-04"]
    assert found[0][1].start == period.start
    assert found[0][1].end == datetime(2026, 1, 31, 22, tzinfo=UTC)
    assert found[-1][1] == Period(datetime(2026, 3, 31, 21, tzinfo=UTC), period.end)


def test_the_command_makes_a_file_that_the_command_verifies(
    store: Path, tmp_path: Path, capsys: Any
) -> None:
    def run(*words: object) -> str:
        assert cli.main(["bundle", *map(str, words)]) == 0
        return str(capsys.readouterr().out)

    pem, ring = tmp_path / "f.pem", tmp_path / "keys.json"
    run("key", "new", "--owner", "planted-aif", "--key", pem, "--ring", ring)
    told = run(
        "export", "--store", store, "--period", "2025-01-01..2025-01-29", "--key", pem,
        "--out", tmp_path, "--credential", "--issuer", "did:web:example.org",
    )  # fmt: skip
    path = Path(told.strip().splitlines()[-1])
    assert "verified" in run("verify", path, "--ring", ring)
    shown = run("show", path)
    assert "system sim: 12 Simulated H200" in shown
    assert "factor location_annual FI 2025: 72 g/kWh CO2e, Planted" in shown
    assert "credential of did:web:example.org" in shown
    # What may have been sent is not replaced by something else of its name.
    path.write_bytes(b"another")
    words = ["export", "--store", store, "--period", "2025-01-01..2025-01-29", "--key", pem]
    assert cli.main(["bundle", *map(str, words), "--out", str(tmp_path)]) == 2
    assert "next revision" in capsys.readouterr().err
    assert path.read_bytes() == b"another"


def test_a_period_that_is_not_over_is_no_bundle(tmp_path: Path, capsys: Any) -> None:
    pem = tmp_path / "f.pem"
    keys.write_private(keys.new_private(), pem)
    words = ["export", "--store", tmp_path, "--period", "2999", "--key", pem]
    assert cli.main(["bundle", *map(str, words)]) == 2
    assert "is not over" in capsys.readouterr().err
