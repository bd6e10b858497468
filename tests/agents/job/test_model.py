import json
from pathlib import Path

import pytest

from wattline_agents.catalogue import JOB_MODEL
from wattline_agents.job.model import (
    FORMULAS,
    ModelFacts,
    attention_flops_per_token,
    hardware_flops_per_token,
    mfu,
)

LLAMA = ModelFacts(
    name="llama-3-8b",
    parameters=8_030_261_248,
    parameters_embedding=525_336_576,
    layers=32,
    heads=32,
    head_dimension=128,
    sequence_length=8192,
    dtype="bf16",
)
PEAKS = {
    ("a100", "bf16"): 312e12,
    ("h100", "bf16"): 989.5e12,
    ("h100", "fp8"): 1979e12,
}


def published(page: str) -> list[dict[str, str]]:
    """The rows of all tables of a page in Markdown, those of a title first."""
    rows: list[dict[str, str]] = []
    head: list[str] = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|"):
            head = []
        elif not head:
            head = cells
        elif not cells[0].startswith("---"):
            rows.append(dict(zip(head, cells, strict=True)))
    return rows


@pytest.mark.recordings
def test_the_published_tables_of_mpt_come_out_to_a_hundredth_of_a_point(shared: Path) -> None:
    source = shared / "data" / "13-training-mfu"
    sizes = json.loads((source / "model_dims.json").read_text())
    rows = published((source / "mpt_benchmark_tables.md").read_text())
    assert len(rows) == 77
    for row in rows:
        size = sizes[row["Model"]]
        length = int(row["SeqLen (T)"])
        facts = ModelFacts(
            parameters=int(row["NumParams"]),
            layers=size["n_layers"],
            heads=size["d_model"] // 64,
            head_dimension=64,
            sequence_length=length,
            formula="palm",
        )
        each = facts.flops_per_token("training")
        assert each is not None
        dtype = "fp8" if "fp8" in row["Precision"] else "bf16"
        peak = PEAKS[row["GPU"][:4], dtype] * int(row["# GPUs"])
        speed = float(row["Throughput (T/s)"])
        assert 100 * mfu(speed, each, peak) == pytest.approx(float(row["MFU"]), abs=0.01), row
        done = hardware_flops_per_token(
            each, 1.0 if row["Activation Checkpointing"] == "True" else 0
        )
        assert 100 * mfu(speed, done, peak) == pytest.approx(float(row["HFU"]), abs=0.01), row


def test_the_default_is_torchtitans_formula_where_attention_is_known() -> None:
    attention = 12 * 32 * 32 * 128 * 8192
    assert attention_flops_per_token(LLAMA) == attention
    assert LLAMA.formula_of("training") == "torchtitan"
    expected = 6 * (8_030_261_248 - 525_336_576) + attention
    assert LLAMA.flops_per_token("training") == expected


def test_without_attentions_sizes_it_is_six_per_parameter() -> None:
    facts = ModelFacts(parameters=1_000, parameters_embedding=100)
    assert (facts.formula_of("training"), facts.flops_per_token("training")) == ("6n", 5_400)


def test_serving_takes_a_forward_pass() -> None:
    facts = ModelFacts(parameters=1_000)
    assert (facts.formula_of("inference"), facts.flops_per_token("inference")) == ("2n", 2_000)


def test_a_mixture_of_experts_counts_what_a_token_goes_through() -> None:
    facts = ModelFacts(parameters=47_000, parameters_active=13_000)
    assert facts.architecture == "moe"
    assert facts.flops_per_token("training") == 6 * 13_000
    assert ModelFacts(parameters=47_000).architecture == "dense"


def test_nothing_known_gives_nothing() -> None:
    facts = ModelFacts(layers=3)
    assert facts.flops_per_token("training") is None
    assert facts.architecture is None
    assert facts.row("training") == {"layers": 3}


def test_what_is_published_are_columns_of_the_catalogue() -> None:
    row = LLAMA.row("training")
    assert row.keys() <= JOB_MODEL.columns.keys()
    assert row["formula"] == "torchtitan"
    assert row["parameters_active"] == LLAMA.parameters
    assert row["architecture"] == "dense"


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ({"parameters": 0}, "parameters: not a whole number from 1"),
        ({"parameters": 1.5}, "parameters: not a whole number"),
        ({"parameters": True}, "parameters: not a whole number"),
        ({"layers": -3}, "layers: not a whole number"),
        ({"sequence_length": 10**30}, "sequence_length: not a whole number"),
        ({"parameters": 10, "parameters_active": 11}, "parameters_active: more than all"),
        ({"parameters": 10, "parameters_embedding": 11}, "parameters_embedding: more than all"),
        ({"dtype": "bfloat16"}, "dtype: not one of bf16"),
        ({"formula": "mine"}, "formula: not one of torchtitan"),
        ({"parameters": 10, "formula": "palm"}, "formula palm: needs the parameters"),
    ],
)
def test_facts_that_cannot_be_are_refused(facts: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ModelFacts(**facts)  # type: ignore[arg-type]


def test_every_formula_says_where_it_comes_from() -> None:
    for formula in FORMULAS.values():
        text = formula.__doc__ or ""
        assert "arXiv" in text or "torchtitan" in text


def test_a_peak_of_nothing_has_no_utilisation() -> None:
    with pytest.raises(ValueError, match="peak_flops: not above 0"):
        mfu(1.0, 1.0, 0.0)
