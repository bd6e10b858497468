from pathlib import Path

import pytest

from wattline_collector.registers import csv_file
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Register
from wattline_collector.registers.schema import REGISTERS
from wattline_collector.registers.template import table, template

DOCS = Path(__file__).parents[3] / "docs/registers.md"

registers = pytest.mark.parametrize("register", REGISTERS.values(), ids=list(REGISTERS))


@registers
def test_a_template_as_it_is_holds_no_row(register: Register, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(template(register))
    taken = csv_file.read(path, register, Setting())
    assert (taken.rows, taken.damaged, taken.unkept) == ([], [], ())
    assert taken.header == tuple(column.name for column in register.columns)


@registers
def test_its_example_is_a_good_row_once_the_mark_is_taken_away(
    register: Register, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    *lines, example = template(register).splitlines()
    path.write_text("\n".join([*lines, example.removeprefix("#")]))
    taken = csv_file.read(path, register, Setting())
    assert taken.damaged == []
    assert len(taken.rows) == 1


@registers
def test_it_explains_every_column(register: Register) -> None:
    text = template(register)
    for column in register.columns:
        assert f"\n#   {column.name}: " in text
        assert all(word in text for word in column.words if len(column.words) <= 40)
    assert max(map(len, text.splitlines()[:-3])) <= 101


@registers
def test_the_documentation_holds_its_table(register: Register) -> None:
    assert table(register) in DOCS.read_text()
