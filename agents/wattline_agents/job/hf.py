"""Counts what a Hugging Face `Trainer` trains.

from wattline_agents.job.hf import WattlineCallback

trainer = Trainer(..., callbacks=[WattlineCallback(sequence_length=2048)])

Written for and tested with transformers 5. It reads numbers the trainer already has and never a
tensor's value, so it waits for no device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wattline_agents.job.job import Job, Phase
from wattline_agents.job.model import DTYPES, ModelFacts

if TYPE_CHECKING:
    # To a type checker it is nobody's child, with or without transformers at hand.
    TrainerCallback = object
else:
    from transformers import TrainerCallback


class WattlineCallback(TrainerCallback):
    """Steps, tokens, samples, phases and checkpoints of a `Trainer`, and its model's facts.

    Tokens come from the first of these that is given:

    1. `tokens_per_step`;
    2. the trainer's own count, with `include_num_input_tokens_seen="all"` or `"non_padding"` in its
       arguments: exact for batches of any length, at the price of one exchange between ranks per
       batch;
    3. `sequence_length` times the sequences of a step, for data packed or padded to that length;
       each rank counts its own. It holds where every rank has batches of its own; with tensor or
       context parallelism give `tokens_per_step`.

    Without any of them steps, samples and phases are counted, and no tokens.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        sequence_length: int | None = None,
        tokens_per_step: int | Callable[[Any], int] | None = None,
        model: ModelFacts | None = None,
        run: str | None = None,
        job: Job | None = None,
    ) -> None:
        """Begin to count; until training begins, time counts to phase `init`.

        Args:
            name: The job's name, for people.
            sequence_length: Tokens of one sequence, padding included.
            tokens_per_step: Tokens of one optimiser step of all ranks together, or a function that
                gives them for the trainer's state.
            model: The model's facts; read from the model and its configuration if not given.
            run: The training run this job is part of; see `Job`.
            job: A job that counts already; one of its own if not given.

        Raises:
            ValueError: A length is not above 0.
        """
        if sequence_length is not None and sequence_length <= 0:
            raise ValueError(f"sequence_length: not above 0: {sequence_length}")
        self.job = Job(name, run=run, model=model) if job is None else job
        self._sequence_length = sequence_length
        self._tokens_per_step = tokens_per_step
        self._batches = 0
        self._seen = 0
        self._is_training = False
        self.job.turn_to("init")

    def on_init_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """The trainer is made: the model is whole and not yet spread over ranks."""
        if self.job.model is None and (model := more.get("model")) is not None:
            self.job.model = facts_of(model, args, self._sequence_length)

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Training begins, from nothing or from a checkpoint."""
        self.job.rank = int(args.process_index)
        self._seen = int(state.num_input_tokens_seen)
        self._batches = 0
        self._is_training = True
        self.job.resumed(int(state.global_step))
        self.job.turn_to("data_wait")

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """The first batch of an epoch is waited for."""
        self.job.turn_to("data_wait")

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """The batches of a step are there."""
        self.job.turn_to("step")

    def on_substep_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """One batch of a step that takes several."""
        self._batches += 1

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """A step is done."""
        samples = self._samples(args, state, more.get("train_dataloader"))
        self._batches = 0
        tokens = self._tokens(args, state, samples)
        self.job.step(tokens=tokens, samples=samples, number=int(state.global_step))
        # Writing a log waits for the device to end what it was given: that is the step's time.
        self.job.turn_to("step" if control.should_log else self._next(control))

    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """A log was written; an evaluation writes one, too, and goes on."""
        if self._is_training:
            self.job.turn_to(self._next(control))

    def on_prediction_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """A batch of an evaluation or a prediction is done."""
        self.job.turn_to("eval")

    def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """An evaluation is done."""
        saves = self._is_training and control.should_save
        self.job.turn_to("checkpoint_save" if saves else self._idle())

    def on_predict(self, args: Any, state: Any, control: Any, *more: Any, **named: Any) -> None:
        """A prediction is done."""
        self.job.turn_to(self._idle())

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """A checkpoint is written whole."""
        self.job.saved(int(state.global_step))
        self.job.turn_to(self._idle())

    def on_epoch_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Between epochs there may be an evaluation or a checkpoint."""
        self.job.turn_to(self._next(control))

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Training is over; the job ends with its process."""
        self._is_training = False
        self.job.turn_to(None)

    def _idle(self) -> Phase | None:
        return "data_wait" if self._is_training else None

    def _next(self, control: Any) -> Phase:
        """What the trainer does next, as the callbacks before this one decided."""
        if control.should_evaluate:
            return "eval"
        return "checkpoint_save" if control.should_save else "data_wait"

    def _samples(self, args: Any, state: Any, loader: Any) -> int:
        """Sequences this rank worked on in the step that ends."""
        size = int(args.train_batch_size)
        samples = (self._batches + 1) * size
        if args.world_size == 1 and not args.dataloader_drop_last and state.epoch % 1 == 0:
            # The last batch of an epoch holds what is left; with several ranks it is filled up.
            try:
                samples -= -len(loader.dataset) % size
            except (AttributeError, TypeError):
                pass  # a stream without an end
        return samples

    def _tokens(self, args: Any, state: Any, samples: int) -> int:
        if self._tokens_per_step is not None:
            told = self._tokens_per_step
            tokens = int(told(state) if callable(told) else told)
            return 0 if self.job.rank else tokens
        seen = int(state.num_input_tokens_seen)
        tokens, self._seen = seen - self._seen, seen
        if str(args.include_num_input_tokens_seen) not in ("no", "False"):
            return 0 if self.job.rank else max(0, tokens)  # of all ranks together
        return samples * self._sequence_length if self._sequence_length else 0


def facts_of(model: Any, args: Any = None, sequence_length: int | None = None) -> ModelFacts:
    """The facts of a Hugging Face model, from its parameters' shapes and its configuration.

    Experts of a mixture are known by `.experts.` in the names of their parameters.

    Args:
        model: The model, not yet spread over ranks.
        args: The trainer's arguments, for the type its products are computed in.
        sequence_length: Tokens of one sequence.
    """
    config = getattr(model, "config", None)
    config = getattr(config, "text_config", None) or config
    sizes = {name: _size(parameter) for name, parameter in model.named_parameters()}
    parameters = sum(sizes.values())
    experts = _first(config, "num_local_experts", "num_experts", "n_routed_experts")
    chosen = _first(config, "num_experts_per_tok", "num_experts_per_token", "moe_top_k")
    active = parameters
    if experts and chosen and chosen < experts:
        of_experts = sum(size for name, size in sizes.items() if ".experts." in name)
        active -= of_experts * (experts - chosen) // experts
    heads = _first(config, "num_attention_heads", "n_head")
    width = _first(config, "hidden_size", "n_embd")
    return ModelFacts(
        name=getattr(config, "name_or_path", None) or getattr(config, "model_type", None),
        parameters=parameters or None,
        parameters_active=active or None,
        parameters_embedding=_looked_up(model, parameters),
        layers=_first(config, "num_hidden_layers", "n_layer"),
        heads=heads,
        head_dimension=_first(config, "head_dim") or (width // heads if width and heads else None),
        sequence_length=sequence_length,
        dtype=_dtype(model, args),
    )


def _looked_up(model: Any, parameters: int) -> int | None:
    """Parameters of the input embedding, unless the output's product uses them too."""
    try:
        embedding = model.get_input_embeddings().weight
        output = model.get_output_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    if output is not None and getattr(output, "weight", None) is embedding:
        return 0
    size = _size(embedding)
    return size if size <= parameters else None


def _size(parameter: Any) -> int:
    # DeepSpeed leaves an empty shell where it has spread a parameter over ranks.
    return int(getattr(parameter, "ds_numel", None) or parameter.numel())


def _first(config: Any, *names: str) -> int | None:
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _dtype(model: Any, args: Any) -> str | None:
    if getattr(args, "bf16", False):
        return "bf16"
    if getattr(args, "fp16", False):
        return "fp16"
    own = str(getattr(model, "dtype", "")).removeprefix("torch.")
    known = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "float64": "fp64"}
    dtype = known.get(own)
    if dtype == "fp32" and getattr(args, "tf32", False):
        return "tf32"
    return dtype if dtype in DTYPES else None
