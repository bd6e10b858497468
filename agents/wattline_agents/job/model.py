"""What a model is, how many operations one of its tokens takes, and MFU.

Model operations count what the mathematics needs, not what the hardware did: what is computed twice
to save memory, and the half of the attention that a causal mask throws away, change nothing. So
they compare models, machines and frameworks. `hardware_flops_per_token` is the other figure.

Everything is computed from facts stated once; a figure is always published with the formula that
made it and the number of parameters that went in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

DENSE, MOE = "dense", "moe"
DTYPES = ("bf16", "fp16", "fp8", "fp4", "tf32", "fp32", "fp64", "int8")
_MOST = 2**53
"""Counts stay exact as floats up to here; the largest models have 2^42 parameters."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model, as its owner states it; what is not known is left out.

    Attributes:
        name: Its name, for people.
        parameters: All its parameters.
        parameters_active: Those one token goes through: all of a dense model, and of a mixture of
            experts the shared ones and those of the experts a token is sent to. All, if not given.
        parameters_embedding: Those of them that are only looked up, in no matrix product: the
            input embedding, unless it is also the output's matrix ("tied").
        layers: Transformer layers.
        heads: Query heads of one layer.
        head_dimension: Width of one head; where keys and values differ, half the sum of both.
        sequence_length: Tokens of one sequence.
        dtype: What the matrix products are computed in: bf16, fp16, fp8, tf32, fp32, ...
        formula: How operations are counted, a key of `FORMULAS`; if not given, `torchtitan` where
            the attention's dimensions are known, else `6n`.
    """

    name: str | None = None
    parameters: int | None = None
    parameters_active: int | None = None
    parameters_embedding: int | None = None
    layers: int | None = None
    heads: int | None = None
    head_dimension: int | None = None
    sequence_length: int | None = None
    dtype: str | None = None
    formula: str | None = None

    def __post_init__(self) -> None:
        """Check that it can be counted with.

        Raises:
            ValueError: A count is no positive whole number, parts are more than the whole, or there
                is no such dtype or formula, or the formula needs facts that are not given.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or field.name in ("name", "dtype", "formula"):
                continue
            least = 0 if field.name == "parameters_embedding" else 1
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
                raise ValueError(f"model: {field.name}: not a whole number from {least}: {value!r}")
        if self.dtype is not None and self.dtype not in DTYPES:
            raise ValueError(f"model: dtype: not one of {', '.join(DTYPES)}: {self.dtype!r}")
        if self.parameters is not None:
            for name in ("parameters_active", "parameters_embedding"):
                if (getattr(self, name) or 0) > self.parameters:
                    raise ValueError(f"model: {name}: more than all parameters, {self.parameters}")
        if self.formula is not None:
            if self.formula not in FORMULAS:
                known = ", ".join(FORMULAS)
                raise ValueError(f"model: formula: not one of {known}: {self.formula!r}")
            if FORMULAS[self.formula](self) is None:
                raise ValueError(
                    f"model: formula {self.formula}: needs the parameters and, for attention, "
                    "layers, heads, head_dimension and sequence_length"
                )

    @property
    def architecture(self) -> str | None:
        """`moe` if a token goes through a part of the parameters only, else `dense`."""
        if self.parameters is None:
            return None
        return MOE if self.active < self.parameters else DENSE

    @property
    def active(self) -> int:
        """Parameters one token goes through; 0 if nothing is known."""
        return self.parameters_active or self.parameters or 0

    def formula_of(self, kind: str) -> str | None:
        """The formula that counts operations of a token of a job of that kind.

        Args:
            kind: training, or anything else for a forward pass alone.

        Returns:
            A key of `FORMULAS`; None where the parameters are not known.
        """
        if not self.active:
            return None
        if kind != "training":
            return "2n"
        if self.formula is not None:
            return self.formula
        return "torchtitan" if attention_flops_per_token(self) is not None else "6n"

    def flops_per_token(self, kind: str) -> float | None:
        """Model operations of one token of a job of that kind; None where they are not known."""
        formula = self.formula_of(kind)
        return None if formula is None else FORMULAS[formula](self)

    def row(self, kind: str) -> dict[str, str | int | float]:
        """The columns of table `job_model` that are known."""
        columns = {
            "model": self.name,
            "architecture": self.architecture,
            "parameters": self.parameters,
            "parameters_active": self.active or None,
            "layers": self.layers,
            "heads": self.heads,
            "head_dimension": self.head_dimension,
            "sequence_length": self.sequence_length,
            "dtype": self.dtype,
            "flops_per_token": self.flops_per_token(kind),
            "formula": self.formula_of(kind),
        }
        return {column: value for column, value in columns.items() if value is not None}


def attention_flops_per_token(facts: ModelFacts) -> float | None:
    """Operations of attention itself for one token, forward and backward: 12 L H d S.

    Two products (queries with keys, weights with values) of 2 H d S operations each in every layer,
    once forward and twice backward. The causal mask is not discounted, as PaLM (arXiv 2204.02311,
    appendix B) and torchtitan hold it. torchtitan writes 6 L H (d_qk + d_v) S, which is the same:
    its two widths are the head's width twice.
    """
    sizes = (facts.layers, facts.heads, facts.head_dimension, facts.sequence_length)
    if None in sizes:
        return None
    return 12.0 * math.prod(size for size in sizes if size is not None)


def flops_6n(facts: ModelFacts) -> float | None:
    """6 N: two operations per parameter and pass, one pass forward and two backward.

    Kaplan et al., arXiv 2001.08361, section 2.1. N are the active parameters without those that are
    only looked up. Attention itself is left out, so it is too low for long sequences.
    """
    return 6.0 * _multiplied(facts) if facts.active else None


def flops_torchtitan(facts: ModelFacts) -> float | None:
    """6 N + 12 L H d S with N the active parameters without those that are only looked up.

    As torchtitan's metrics count (pytorch/torchtitan, `torchtitan/models/utils.py`), the default.
    """
    attention = attention_flops_per_token(facts)
    return None if attention is None or not facts.active else 6.0 * _multiplied(facts) + attention


def flops_palm(facts: ModelFacts) -> float | None:
    """6 N + 12 L H d S with N all active parameters, embeddings too.

    Chowdhery et al. (PaLM), arXiv 2204.02311, appendix B; MosaicML's tables of MPT count so.
    """
    attention = attention_flops_per_token(facts)
    return None if attention is None or not facts.active else 6.0 * facts.active + attention


def flops_2n(facts: ModelFacts) -> float | None:
    """2 N: a forward pass alone, as serving does it, without attention itself.

    Kaplan et al., arXiv 2001.08361, section 2.1, with N as for `6n`.
    """
    return 2.0 * _multiplied(facts) if facts.active else None


FORMULAS: Mapping[str, Callable[[ModelFacts], float | None]] = {
    "torchtitan": flops_torchtitan,
    "palm": flops_palm,
    "6n": flops_6n,
    "2n": flops_2n,
}
"""Operations of one token by the name they are published with."""


def hardware_flops_per_token(flops_per_token: float, recomputed: float = 1.0) -> float:
    """Operations the hardware does for one token in training, for HFU: never part of MFU.

    Korthikanti et al., arXiv 2205.05198: activations that are not kept are computed again in the
    backward pass, up to one more forward pass on top of the three that training counts as.

    Args:
        flops_per_token: Model operations of one token, forward and backward.
        recomputed: The part of the forward pass that is computed again: 0 none, 1 all of it ("full
            activation checkpointing").
    """
    return flops_per_token * (3.0 + recomputed) / 3.0


def mfu(tokens_per_second: float, flops_per_token: float, peak_flops: float) -> float:
    """Model FLOP utilisation, a ratio: what the model needed of what the devices can.

    Chowdhery et al. (PaLM), arXiv 2204.02311, appendix B. With `hardware_flops_per_token` in place
    of the model's operations it is HFU.

    Args:
        tokens_per_second: Tokens of all devices together.
        flops_per_token: Model operations of one token.
        peak_flops: Dense operations per second of all devices together, in the model's dtype.

    Raises:
        ValueError: The peak is not above 0.
    """
    if not peak_flops > 0:
        raise ValueError(f"peak_flops: not above 0: {peak_flops!r}")
    return tokens_per_second * flops_per_token / peak_flops


def _multiplied(facts: ModelFacts) -> int:
    return max(0, facts.active - (facts.parameters_embedding or 0))


def flops_of(model: ModelFacts | None, counted: Mapping[str, int | float]) -> float | None:
    """Operations of the tokens counted, by the model's facts.

    Args:
        model: What is known of the model.
        counted: Totals by column of table `job`.

    Returns:
        None where they are not known, or nothing was made.
    """
    if model is None:
        return None
    flops = 0.0
    if trained := counted.get("tokens_trained_total", 0):
        flops += trained * (model.flops_per_token("training") or 0.0)
    served = counted.get("tokens_prompt_total", 0) + counted.get("tokens_generated_total", 0)
    if served:
        computed = max(0, served - counted.get("tokens_prompt_cached_total", 0))
        flops += computed * (model.flops_per_token("inference") or 0.0)
    return flops or None
