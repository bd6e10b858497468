"""Counts what a Lightning `Trainer` trains.

from wattline_agents.job.lightning import WattlineCallback

trainer = Trainer(..., callbacks=[WattlineCallback()])

Written for and tested with Lightning 2.6; NeMo 2 takes the same callback. It looks at shapes and
never at a tensor's value, so it waits for no device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wattline_agents.job.job import Job, Phase
from wattline_agents.job.model import ModelFacts

if TYPE_CHECKING:
    # To a type checker it is nobody's child, with or without Lightning at hand.
    Callback = object
else:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback  # the name it is installed by where NeMo is


class WattlineCallback(Callback):
    """Steps, tokens, samples, phases and checkpoints of a `Trainer`.

    Every rank counts its own batches. Tokens of a batch are the elements of its `input_ids`, or of
    the whole numbers it is or begins with; of other batches `tokens_fn` says them, or they are not
    counted. With tensor or context parallelism, where ranks share batches, let `tokens_fn` answer 0
    on all but one of those that share.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        tokens_fn: Callable[[Any], int] | None = None,
        batch_size_fn: Callable[[Any], int] | None = None,
        model: ModelFacts | None = None,
        run: str | None = None,
        job: Job | None = None,
    ) -> None:
        """Begin to count; until training begins, time counts to phase `init`.

        Args:
            name: The job's name, for people.
            tokens_fn: Tokens of a batch of this rank.
            batch_size_fn: Samples of a batch of this rank; its first dimension if not given.
            model: The model's facts.
            run: The training run this job is part of; see `Job`.
            job: A job that counts already; one of its own if not given.
        """
        self.job = Job(name, run=run, model=model) if job is None else job
        self._tokens = tokens_of if tokens_fn is None else tokens_fn
        self._samples = samples_of if batch_size_fn is None else batch_size_fn
        self._step = 0
        self._saving: int | None = None
        self.job.turn_to("init")

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        """A checkpoint was read and is put back into its places."""
        self.job.turn_to("restore")

    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
        """Lightning tries a few batches of the evaluation before it begins."""
        self.job.turn_to("init")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Training begins, from nothing or from a checkpoint."""
        self.job.rank = int(trainer.global_rank)
        self._step = int(trainer.global_step)
        self._saving = None
        self.job.resumed(self._step)
        self.job.turn_to("data_wait")

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """The first batch of an epoch is waited for."""
        self._turn("data_wait")

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """A batch is there."""
        self._turn("step")

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A batch is done, and with it perhaps a step of several."""
        tokens, samples = self._tokens(batch), self._samples(batch)
        number = int(trainer.global_step)
        if number > self._step:
            self.job.step(number - self._step, tokens=tokens, samples=samples, number=number)
            self._step = number
        else:
            self.job.count(tokens=tokens, samples=samples)
        self.job.turn_to("data_wait")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """An evaluation begins."""
        if not trainer.sanity_checking:
            self._turn("eval")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """An evaluation is done."""
        if not trainer.sanity_checking:
            self._turn("data_wait" if trainer.state.fn == "fit" else None)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        """A checkpoint is about to be written; that it is whole is known at the next event."""
        self._settle()
        self._saving = int(checkpoint.get("global_step", trainer.global_step))
        self.job.turn_to("checkpoint_save")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Between epochs there may be an evaluation or a checkpoint."""
        self._turn("data_wait")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Training is over, save for a last checkpoint."""
        self._turn(None)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """All is over; the job ends with its process."""
        self._turn(None)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """What was being written may be torn."""
        self._saving = None
        self.job.turn_to(None)

    def _turn(self, phase: Phase | None) -> None:
        self._settle()
        self.job.turn_to(phase)

    def _settle(self) -> None:
        if self._saving is not None:
            self.job.saved(self._saving)
            self._saving = None


def tokens_of(batch: Any) -> int:
    """Tokens of a batch by its shape; 0 where they cannot be told."""
    ids = batch.get("input_ids") if isinstance(batch, Mapping) else None
    if ids is None:
        ids = batch[0] if isinstance(batch, list | tuple) and batch else batch
        kind = str(getattr(ids, "dtype", ""))
        if not kind.removeprefix("torch.").startswith(("int", "uint")):
            return 0
    count = getattr(ids, "numel", None)
    return int(count()) if callable(count) and ids.dim() >= 2 else 0


def samples_of(batch: Any) -> int:
    """Samples of a batch: the first dimension of the first tensor in it; 0 where there is none."""
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, list | tuple):
        return next((size for part in batch if (size := samples_of(part))), 0)
    shape: Any = getattr(batch, "shape", ())
    return int(shape[0]) if len(shape) else 0
