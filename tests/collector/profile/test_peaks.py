from collections.abc import Callable

from wattline_collector.profile.peaks import peaks_of, plain_model, stated_peak
from wattline_collector.profile.schema import FactoryProfile

TEXT = """
[system.a]
name = "A"
[system.a.device.x]
model = "NVIDIA A100-SXM-64GB"
count = 4
peak_source = "the site's own data sheet"
peaks = { bf16 = "624 TFLOP/s", int8 = "1248 TFLOP/s" }
[system.b]
name = "B"
[system.b.device.y]
model = "NVIDIA H200"
count = 4
"""


def test_stated_peaks_are_found_by_model_and_format(
    profile: Callable[[str], FactoryProfile],
) -> None:
    assert peaks_of(profile(TEXT)) == {
        ("NVIDIA A100 SXM 64GB", "bf16"): 624e12,
        ("NVIDIA A100 SXM 64GB", "int8"): 1248e12,
    }


def test_a_peak_comes_with_its_source_however_the_model_is_spelt(
    profile: Callable[[str], FactoryProfile],
) -> None:
    found = stated_peak(profile(TEXT), "nvidia A100_SXM 64GB", "bf16")
    assert found is not None
    assert (found.flops, found.source) == (624e12, "the site's own data sheet")
    assert stated_peak(profile(TEXT), "NVIDIA A100-SXM-64GB", "fp8") is None
    assert stated_peak(profile(TEXT), "NVIDIA H200", "bf16") is None


def test_spellings_of_a_model_are_one() -> None:
    assert plain_model("NVIDIA A100-SXM4-80GB ") == plain_model("nvidia a100 sxm4 80gb")
    assert plain_model("NVIDIA H100") != plain_model("NVIDIA H100 NVL")
