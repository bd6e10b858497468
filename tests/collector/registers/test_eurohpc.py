import pytest

from wattline_collector.registers.eurohpc import ACCESS_MODES, ProjectId, parse
from wattline_collector.registers.words import ACCESS_MODES as WORDS


@pytest.mark.parametrize(
    ("text", "mode", "cut_off"),
    [
        ("EHPC-REG-2024R01-123", "regular", "2024R01"),
        ("EHPC-AI-2024A01-001", "ai_data_intensive", "2024A01"),
        ("EHPC-DEV-2025D08-065", "development", "2025D08"),
        ("EHPC-BEN-2025B03-046", "benchmark", "2025B03"),
        ("EHPC-EXT-2023E01-013", "extreme_scale", "2023E01"),
        ("EHPC-AIF-2026PG01-1124", "playground", "2026PG01"),
        ("EHPC-AIF-2025FL01-445", "fast_lane", "2025FL01"),
        ("EHPC-AIF-2026LS01-004", "large_scale", "2026LS01"),
        ("EHPC-AIF-2025SC04-225", "ai_for_science", "2025SC04"),
    ],
)
def test_an_id_tells_mode_and_cut_off(text: str, mode: str, cut_off: str) -> None:
    found = parse(text)
    assert found is not None
    assert (found.text, found.access_mode, found.cut_off) == (text, mode, cut_off)
    assert found.year == int(cut_off[:4])


@pytest.mark.parametrize(
    ("account", "text"),
    [
        ("ehpc-reg-2023r03-178", "EHPC-REG-2023R03-178"),
        ("EEHPC-DEV-2026D08-260", "EHPC-DEV-2026D08-260"),
        ("eehpc-dev-2024d08-066x", "EHPC-DEV-2024D08-066"),
        ("e-aif-2026fl01-991", "EHPC-AIF-2026FL01-991"),
        ("EHPC-AI-2024-A04-051", "EHPC-AI-2024A04-051"),
        ("EHPC-AIF-2025SC02060", "EHPC-AIF-2025SC02-060"),
        (" EHPC-BEN-2025B03-46 ", "EHPC-BEN-2025B03-046"),
    ],
)
def test_accounts_that_sites_make_of_ids_are_read(account: str, text: str) -> None:
    found = parse(account)
    assert found is not None
    assert found.text == text
    assert found.access_mode is not None


@pytest.mark.parametrize(
    ("account", "call", "mode"),
    [
        ("EUHPC_E03_068", "EXT", "extreme_scale"),
        ("EUHPC_R04_192", "REG", "regular"),
        ("euhpc_d30_031", "DEV", "development"),
        ("EUHPC_D23_125_0", "DEV", "development"),
        ("EUHPC_A06_067", "AI", "ai_data_intensive"),
        ("AIFAC_P02_222", "AIF", "playground"),
        ("AIFAC_F02_434", "AIF", "fast_lane"),
        ("AIFAC_L01_028", "AIF", "large_scale"),
        ("AIFAC_S07_154", "AIF", "ai_for_science"),
    ],
)
def test_accounts_of_leonardo_tell_the_mode_and_no_year(account: str, call: str, mode: str) -> None:
    assert parse(account) == ProjectId(account.upper(), call, None, None, mode)


def test_a_call_that_is_not_known_is_an_id_without_a_mode() -> None:
    found = parse("EHPC-QC-2027Q01-001")
    assert found is not None
    assert (found.call, found.cut_off, found.access_mode) == ("QC", "2027Q01", None)


def test_a_call_and_a_kind_that_do_not_go_together_tell_no_mode() -> None:
    found = parse("EHPC-REG-2024D01-001")
    assert found is not None and found.access_mode is None


@pytest.mark.parametrize(
    "text",
    [
        "", "project_465000123", "EHPC", "EHPC-REG-2024R01", "XEHPC-REG-2024R01-123",
        "AIFAC_5C0_261", "EUHPC_Z01_001", "EHPC-REG-2024R01-123/../x", "EHPC-REG-1999R01-123",
        "EHPC-REG-20\uff12\uff14R01-123", "EHPC-REG-2024R01-123\nEHPC", "E" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_id_is_none(text: str) -> None:
    assert parse(text) is None


def test_modes_are_words_of_the_register() -> None:
    assert set(ACCESS_MODES.values()) <= set(WORDS)
