from __future__ import annotations

import pytest

from wattline_collector.alerts.expression import Binary, Condition, Number, keys
from wattline_collector.alerts.parse import (
    MOST_CHARACTERS,
    NotAnExpression,
    parse,
    parse_condition,
    seconds_of,
)
from wattline_collector.alerts.promql import promql
from wattline_collector.alerts.series import SERIES


@pytest.mark.parametrize(
    ("text", "exported"),
    [
        ("device.up", "aif_gpu_up"),
        ("increase(device.pcie_replays_total[30m])", "increase(aif_gpu_pcie_replays_total[30m])"),
        (
            "rate(device.throttle_thermal_seconds_total[90s])",
            'rate(aif_gpu_throttle_seconds_total{reason="thermal"}[90s])',
        ),
        (
            "now - xid.last_unix_seconds{xid=48|79}",
            '(time() - aif_gpu_xid_last_timestamp_seconds{xid=~"48|79"})',
        ),
        ("sum(device.power_watts by node)", "sum by (node) (aif_gpu_power_watts)"),
        ("count(device.up by all)", "count by () (aif_gpu_up)"),
        ("median(device.up by node)", "quantile by (node) (0.5, aif_gpu_up)"),
        (
            "of_job(device.busy_ratio)",
            "(aif_gpu_assignment * on (node, device) group_left () aif_gpu_busy_ratio)",
        ),
        (
            "where(device.power_watts, device.busy_ratio >= 0.5)",
            "(aif_gpu_power_watts and on (node, device) (aif_gpu_busy_ratio >= 0.5))",
        ),
        (
            "device.power_watts / max(device.power_watts by node)",
            "(aif_gpu_power_watts / on (node) group_left () max by (node) (aif_gpu_power_watts))",
        ),
        (
            "device.power_watts / device.power_limit_watts",
            "(aif_gpu_power_watts / on (node, device) aif_gpu_power_limit_watts)",
        ),
        ("2 * (device.up + 1)", "(2 * (aif_gpu_up + 1))"),
    ],
)
def test_an_expression_says_the_same_in_promql(text: str, exported: str) -> None:
    assert promql(parse(text)) == exported


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "ends too early"),
        ("device.powr_watts", "did you mean 'device.power_watts'?"),
        ("device.power_watts +", "ends too early"),
        ("device.power_watts 3", "'3' stands where an end should"),
        ("incrase(device.pcie_replays_total[5m])", "did you mean 'increase'?"),
        ("increase(device.power_watts[5m])", "device.power_watts is no counter"),
        ("avg(device.power_watts[2h])", "from 1m to 1h"),
        ("avg(device.power_watts[10s])", "from 1m to 1h"),
        ("median(device.power_watts[10m])", "not a function over a window"),
        ("increase(device.pcie_replays_total)", "needs a series and a window"),
        ("sum(device.power_watts by job)", "by job: there are node, device"),
        ("sum(3 by node)", "nobody's"),
        ("of_job(node.power_watts)", "only values of devices"),
        ("node.power_watts / device.power_watts", "told apart by node, device"),
        ("either(device.up, node.power_watts)", "the same labels"),
        ("where(node.power_watts, device.up > 0)", "labels that the value has not"),
        ("where(device.up, node.power_watts)", "should"),
        ("xid.last_unix_seconds{job=3}", "has no label job"),
        ("xid.last_unix_seconds{xid=3|}", "not words"),
        ("device.up; import os", "cannot be read from ';"),
        ("__import__('os')", "cannot be read"),
        ("(" * 40 + "1" + ")" * 40, "deep"),
        ("1 + " * MOST_CHARACTERS, "over 2000 characters"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(NotAnExpression) as refused:
        parse(text)
    assert complaint in str(refused.value)


def test_products_bind_before_sums_and_both_from_the_left() -> None:
    expression = parse("10 - 4 - 3 * 2")
    assert expression == Binary(
        "-", Binary("-", Number(10), Number(4)), Binary("*", Number(3), Number(2))
    )


def test_a_name_stands_for_its_expression() -> None:
    known = {"watts": parse("device.power_watts")}
    assert parse("watts / 2", known) == parse("device.power_watts / 2")


def test_a_condition_compares_with_a_number_of_either_sign() -> None:
    expression = parse("device.temperature_celsius")
    assert parse_condition("device.temperature_celsius > -4.5") == Condition(expression, ">", -4.5)
    with pytest.raises(NotAnExpression, match="a comparison"):
        parse_condition("device.temperature_celsius, 4")
    with pytest.raises(NotAnExpression, match="a number"):
        parse_condition("device.temperature_celsius > device.up")


def test_labels_come_in_one_order_whatever_order_they_were_given_in() -> None:
    assert keys(parse("sum(of_job(device.up) by job, node)")) == ("node", "job")


def test_times_have_a_unit() -> None:
    assert [seconds_of(text) for text in ("90s", "10m", "1h")] == [90, 600, 3600]
    with pytest.raises(NotAnExpression, match="not a time"):
        seconds_of("10")


def test_every_series_has_a_name_of_its_own_in_prometheus() -> None:
    names = [(one.metric, one.labels) for one in SERIES.values()]
    assert len(set(names)) == len(names)
