"""What the callbacks read from models and batches, by shape alone."""

from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = [
    pytest.mark.training,
    # Said by code of others while it is imported, about itself.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def parameter(size: int, **more: object) -> Any:
    return SimpleNamespace(numel=lambda: size, **more)


def model(sizes: dict[str, Any], config: object, embedding: Any, output: Any) -> Any:
    return SimpleNamespace(
        config=config,
        dtype="torch.bfloat16",
        named_parameters=lambda: sizes.items(),
        get_input_embeddings=lambda: SimpleNamespace(weight=embedding),
        get_output_embeddings=lambda: SimpleNamespace(weight=output),
    )


def test_a_mixture_of_experts_has_fewer_active_parameters() -> None:
    from wattline_agents.job.hf import facts_of

    embedding, output = parameter(100), parameter(100)
    sizes = {
        "embed": embedding,
        "head": output,
        "layers.0.mlp.experts.gate_up": parameter(800),
        "layers.0.attention": parameter(50),
    }
    config = SimpleNamespace(
        model_type="mixtral", num_local_experts=8, num_experts_per_tok=2, num_hidden_layers=1,
        num_attention_heads=4, hidden_size=32,
    )  # fmt: skip
    facts = facts_of(model(sizes, config, embedding, output), None, 64)
    assert (facts.parameters, facts.parameters_active) == (1_050, 450)
    assert (facts.architecture, facts.parameters_embedding) == ("moe", 100)
    assert (facts.head_dimension, facts.sequence_length, facts.dtype) == (8, 64, "bf16")
    assert facts.flops_per_token("training") == 6 * 350 + 12 * 4 * 8 * 64


def test_a_matrix_that_is_looked_up_and_multiplied_with_counts() -> None:
    from wattline_agents.job.hf import facts_of

    tied = parameter(100)
    facts = facts_of(model({"embed": tied}, SimpleNamespace(), tied, tied))
    assert (facts.parameters, facts.parameters_embedding) == (100, 0)
    assert facts.formula_of("training") == "6n"


def test_parameters_spread_over_ranks_count_whole() -> None:
    from wattline_agents.job.hf import facts_of

    shell = parameter(0, ds_numel=700)
    facts = facts_of(model({"w": shell}, None, shell, None))
    assert facts.parameters == 700


def test_tokens_of_a_batch_are_those_of_its_shape() -> None:
    import torch

    from wattline_agents.job.lightning import samples_of, tokens_of

    ids = torch.zeros(4, 16, dtype=torch.int64)
    for batch in ({"input_ids": ids, "labels": ids}, (ids, ids), [ids], ids):
        assert (tokens_of(batch), samples_of(batch)) == (64, 4)
    images = torch.zeros(4, 3, 8, 8)
    assert (tokens_of((images, torch.zeros(4))), samples_of((images,))) == (0, 4)
    assert (tokens_of(torch.zeros(4, dtype=torch.int64)), samples_of("text")) == (0, 0)
    assert (tokens_of([]), samples_of({})) == (0, 0)


def test_a_length_of_nothing_is_refused() -> None:
    from wattline_agents.job.hf import WattlineCallback

    with pytest.raises(ValueError, match="sequence_length: not above 0"):
        WattlineCallback(sequence_length=0)
