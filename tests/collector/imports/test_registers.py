import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from wattline_agents import cli
from wattline_collector import registers
from wattline_collector.registers import csv_file, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import PROJECTS, REGISTERS


class Run:
    """`wattline import` on one store, and what it said."""

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self._capsys = store, capsys
        self.out = self.err = ""

    def __call__(self, *words: str | Path) -> int:
        code = cli.main(["import", *map(str, words), "--store", str(self.store)])
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path / "store", capsys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


@pytest.mark.parametrize("name", REGISTERS)
def test_a_template_filled_in_is_imported(
    name: str, run: Run, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["import", "--template", name, "-o", str(file)]) == 0
    assert run(f"{name}-csv", file) == 0
    assert run.out.startswith(f"{name}: 0 new, 0 changed, 0 as before\n0 rows in ")
    *lines, example = file.read_text().splitlines()
    file.write_text("\n".join([*lines, example.removeprefix("#")]))
    assert run(f"{name}-csv", file) == 0
    assert run.out.startswith(f"{name}: 1 new, 0 changed, 0 as before\n1 row in ")
    assert run(f"{name}-csv", file) == 0
    assert run.out.startswith(f"{name}: 0 new, 0 changed, 1 as before\n1 row in ")
    assert kept.current(run.store, REGISTERS[name]).height == 1


def test_a_template_is_printed_where_no_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "--template", "projects"]) == 0
    assert "\nsystem,project,account," in capsys.readouterr().out


def test_a_template_overwrites_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("mine")
    assert cli.main(["import", "--template", "projects", "-o", str(file)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_a_register_that_does_not_exist_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "--template", "project"]) == 2
    assert "did you mean 'projects'?" in capsys.readouterr().err


def test_nothing_to_import_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import"]) == 2
    assert "what is to be imported?" in capsys.readouterr().err


def test_a_changed_row_replaces_and_a_system_and_a_zone_are_understood(
    run: Run, file: Path
) -> None:
    file.write_text("project,valid_from\np1,2026-07-01\n")
    assert run("projects-csv", file, "--system", "leo", "--zone", "Europe/Rome") == 0
    row = registers.projects(run.store).row(0, named=True)
    assert (row["system"], row["valid_from_ms"]) == ("leo", 1_782_856_800_000)
    file.write_text("project,valid_from,title\np1,2026-07-01,x\n")
    assert run("projects-csv", file, "--system", "leo", "--zone", "Europe/Rome") == 0
    assert run.out.startswith("projects: 0 new, 1 changed, 0 as before\n1 row in ")


def test_a_few_damaged_rows_are_set_aside_with_the_reason(run: Run, file: Path) -> None:
    rows = [f"p{n};" for n in range(200)]
    rows[41] = 'p 41;"x;y"'
    file.write_text("\n".join(["project;title", *rows]))
    assert run("projects-csv", file) == 0
    assert run.out.startswith("projects: 199 new")
    assert "note: 1 damaged of 200 rows set aside\n" in run.out
    assert f"\n  {file}:43: project: 'p 41' is not a name" in run.out
    aside = file.with_name("list.damaged.csv")
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert list(csv.reader(aside.read_text().splitlines(), delimiter=";")) == [
        ["project", "title", "damaged_line", "damaged_reason"],
        ["p 41", "x;y", "43", "project: 'p 41' is not a name (letters, digits and . _ : @ + -,"
         " at most 128)"],
    ]  # fmt: skip


def test_what_was_set_aside_can_be_corrected_and_imported(run: Run, file: Path) -> None:
    file.write_text("project,title\np 1,one\np2,two\n")
    assert run("projects-csv", file, "--keep-good") == 0
    aside = file.with_name("list.damaged.csv")
    aside.write_text(aside.read_text().replace("\np 1,", "\np1,"))
    assert run("projects-csv", aside) == 0
    assert "left out" not in run.out
    assert sorted(registers.projects(run.store)["project"]) == ["p1", "p2"]


def test_too_many_damaged_rows_import_nothing(run: Run, file: Path) -> None:
    file.write_text("project,state\np1,SI\np2,Germany\n")
    assert run("projects-csv", file) == 2
    assert f"{file}:3: state: 'Germany' is not among its words" in run.err
    assert "1 of 2 rows are damaged, and nothing was imported" in run.err
    assert not run.store.exists()
    assert run("projects-csv", file, "--keep-good") == 0
    assert registers.projects(run.store)["project"].to_list() == ["p1"]


def test_a_place_for_damaged_rows_is_needed(run: Run, file: Path) -> None:
    file.write_text("project\na b\n")
    file.with_name(f"{file.stem}.damaged.csv").mkdir()  # stands in the way even of the superuser
    assert run("projects-csv", file) == 2
    assert "copy the file to where you may write" in run.err


def test_a_whole_list_retires_what_it_lacks(run: Run, file: Path) -> None:
    file.write_text("project\np1\np2\n")
    run("projects-csv", file)
    file.write_text("project\np2\n")
    assert run("projects-csv", file, "--whole") == 0
    assert run.out.startswith("projects: 0 new, 0 changed, 1 gone, 1 as before\n1 row in ")
    assert registers.projects(run.store)["project"].to_list() == ["p2"]


def test_a_list_with_damage_is_not_whole(run: Run, file: Path) -> None:
    file.write_text("project\np1\np2\n")
    run("projects-csv", file)
    file.write_text("project\np2\np 3\n")
    assert run("projects-csv", file, "--whole", "--keep-good") == 0
    assert "no row was retired" in run.out
    assert sorted(registers.projects(run.store)["project"]) == ["p1", "p2"]


def test_projects_come_from_a_portal(run: Run, portal: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken")
    portal.answers({"project": "a", "lead": "Ana Novak"}, {"project": "b"})
    assert run("projects-http", portal.url, "--token-file", token) == 0
    assert run.out.startswith("projects: 2 new, 0 changed, 0 as before\n2 rows in ")
    assert portal.asked[0][1]["Authorization"] == "Bearer t0ken"
    portal.status = 500
    assert run("projects-http", portal.url) == 2
    assert f"{portal.url}: 500 Internal Server Error" in run.err
    assert registers.projects(run.store).height == 2


def test_a_hostile_list_changes_nothing_but_its_own_display(run: Run, file: Path) -> None:
    titles = ["../../../etc/passwd", "<script>alert(1)</script>", '"; DROP TABLE', "=cmd|'x'!A1"]
    rows = [{"project": f"p{n}", "title": title} for n, title in enumerate(titles)]
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["project", "title"])
        writer.writeheader()
        writer.writerows(rows)
        writer.writerow({"project": "bad", "title": "\x1b[2J" + "x" * 1000})
    assert run("projects-csv", file, "--keep-good") == 0
    assert registers.projects(run.store).sort("project")["title"].to_list() == titles
    assert "\x1b" not in run.out
    assert max(map(len, run.out.splitlines())) < 250


def test_names_of_people_are_in_the_register_and_nowhere_else(run: Run, file: Path) -> None:
    file.write_text("project,lead,contact\np1,Ana Novak,ana@example.org\n")
    run("projects-csv", file)
    written = [path for path in run.store.rglob("*") if path.is_file()]
    assert [path.name for path in written if b"Novak" in path.read_bytes()] == ["projects.parquet"]
    assert json.dumps(run.out).find("Novak") == -1
    personal = {column.name for column in PROJECTS.columns if column.personal}
    assert personal == {"lead", "contact"}


def test_a_month_of_hourly_readings_is_imported(run: Run, file: Path) -> None:
    lines = "\n".join(
        f"m{n % 10},energy,counter,2026-01-{1 + n // 10 % 28:02}T{n // 280 % 24:02}:00,{n},kWh"
        for n in range(6720)
    )
    file.write_text(f"meter,quantity,reading,end,value,unit\n{lines}\n")
    assert run("meters-csv", file) == 0
    assert run.out.startswith("meters: 6,720 new")
    assert csv_file.read(file, REGISTERS["meters"], Setting()).frame.height == 6720
