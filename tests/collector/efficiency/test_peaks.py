from __future__ import annotations

import pytest

from wattline_collector.efficiency.peaks import Peak, Unknown, peak, table


@pytest.mark.parametrize(
    ("model", "dtype", "flops"),
    [
        ("NVIDIA A100-SXM4-80GB", "bf16", 312e12),
        ("NVIDIA A100-SXM-64GB", "fp16", 312e12),
        ("NVIDIA H100 80GB HBM3", "bf16", 989e12),
        ("NVIDIA H100 PCIe", "bf16", 756e12),
        ("NVIDIA H100 NVL", "bfloat16", 835e12),
        ("NVIDIA H200", "bf16", 989e12),
        ("NVIDIA GH200 480GB", "bf16", 989e12),
        ("NVIDIA GH200 120GB", "FP8", 1979e12),
        ("NVIDIA B200", "bf16", 2.25e15),
        ("NVIDIA GB200", "bf16", 2.5e15),
        ("AMD Instinct MI250X", "bf16", 191.5e12),
        ("AMD Instinct MI300X", "bf16", 1.3e15),
        ("AMD Instinct MI355X", "bf16", 2.5e15),
        ("NVIDIA H100 80GB HBM3", None, 989e12),
        ("NVIDIA A100-SXM4-40GB", "tf32", 156e12),
    ],
)
def test_a_device_and_a_format_have_a_dense_peak(
    model: str, dtype: str | None, flops: float
) -> None:
    found = peak(model, dtype)
    assert isinstance(found, Peak)
    assert found.flops == flops
    assert found.source


@pytest.mark.parametrize(
    ("model", "dtype", "why"),
    [
        (None, "bf16", "no device of it says its model"),
        ("NVIDIA L40S", "bf16", "the peak of a NVIDIA L40S is not known"),
        ("AMD Instinct MI250", "bf16", "the peak of a AMD Instinct MI250 is not known"),
        ("NVIDIA A100-SXM4-80GB", "fp8", "the peak of a A100 in fp8 is not known"),
        ("NVIDIA H100 80GB HBM3", "int4", "the peak of a H100 SXM in int4 is not known"),
        ("XH100X", "bf16", "the peak of a XH100X is not known"),
    ],
)
def test_what_is_not_known_has_a_reason_and_no_peak(
    model: str | None, dtype: str, why: str
) -> None:
    found = peak(model, dtype)
    assert isinstance(found, Unknown)
    assert found == why


def test_every_peak_in_the_table_says_where_it_is_from() -> None:
    assert all(one.source and one.flops > 1e12 for one in table())
    assert len({(one.device, one.dtype) for one in table()}) == len(table())
