"""How much of a training step's time is spent in our code.

    python benchmarks/training/step_time.py [torch] [trainer] [lightning] [--steps N] [--pairs N]

Needs PyTorch, and transformers or lightning for their loops. The model is tiny on purpose: a step
of a few milliseconds is short beside those of real training, so the share found is an upper bound.

Two measures. *inside*: the time between entering and leaving our calls, over the time of the loop;
it leaves out the thread that sends. *paired*: loops with and without us in turn, the median of
their ratios; it holds everything, and as much of the machine's noise.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wattline_agents.job import Job
from wattline_agents.job.listener import Listener

MOST_SHARE = 0.005
LENGTH, SAMPLES, WIDTH, LETTERS = 64, 16, 64, 256


class Watch:
    """Adds up the time spent in wrapped calls, the outermost of nested ones only."""

    def __init__(self) -> None:
        self.seconds, self.calls, self._depth = 0.0, 0, 0

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*arguments: Any, **named: Any) -> Any:
            self._depth += 1
            began = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - began
                    self.calls += 1

        return timed


def torch_loop(steps: int, job: Job | None, watch: Watch | None) -> float:
    """A loop of one's own; returns its seconds."""
    import torch
    from torch import nn

    model = _model(torch, nn)
    optimiser = torch.optim.AdamW(model.parameters())
    batch = torch.randint(LETTERS, (SAMPLES, LENGTH + 1))

    def train() -> None:
        scores = model(batch[:, :-1])
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    timed = watch.wrap if watch is not None else lambda call: call
    train()
    began = time.perf_counter()
    for _ in range(steps):
        if job is None:
            train()
            continue
        # As `with job.phase(...)` does it, with each half watched on its own.
        wait, step = timed(job.phase)("data_wait"), timed(job.phase)("step")
        timed(wait.__enter__)()
        timed(wait.__exit__)(None, None, None)
        timed(step.__enter__)()
        train()
        timed(step.__exit__)(None, None, None)
        timed(job.step)(tokens=SAMPLES * LENGTH, samples=SAMPLES)
    return time.perf_counter() - began


def trainer_loop(steps: int, job: Job | None, watch: Watch | None) -> float:
    """Hugging Face's `Trainer`; returns the seconds of its steps."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

    from wattline_agents.job.hf import WattlineCallback

    config = LlamaConfig(
        vocab_size=LETTERS, hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=LENGTH,
    )  # fmt: skip
    rows = torch.randint(LETTERS, (SAMPLES * 8, LENGTH))
    arguments = TrainingArguments(
        output_dir=tempfile.gettempdir(), max_steps=steps, per_device_train_batch_size=SAMPLES,
        save_strategy="no", logging_steps=steps, report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    callbacks = []
    if job is not None:
        callbacks.append(_watched(WattlineCallback(job=job, sequence_length=LENGTH), watch))
    trainer = Trainer(
        model=LlamaForCausalLM(config),
        args=arguments,
        train_dataset=[{"input_ids": row, "labels": row} for row in rows],
        callbacks=callbacks,
    )
    began = time.perf_counter()
    trainer.train()
    return time.perf_counter() - began


def lightning_loop(steps: int, job: Job | None, watch: Watch | None) -> float:
    """Lightning's `Trainer`; returns the seconds of its steps."""
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from torch import nn
    from torch.utils.data import DataLoader

    from wattline_agents.job.lightning import WattlineCallback

    class Tiny(LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = _model(torch, nn)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            scores = self.net(batch[:, :-1]).flatten(0, 1)
            return nn.functional.cross_entropy(scores, batch[:, 1:].flatten())

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters())

    callbacks = [] if job is None else [_watched(WattlineCallback(job=job), watch)]
    trainer = Trainer(
        accelerator="cpu", devices=1, max_steps=steps, callbacks=callbacks, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    rows = torch.randint(LETTERS, (SAMPLES * 8, LENGTH + 1))
    began = time.perf_counter()
    trainer.fit(Tiny(), DataLoader(rows, batch_size=SAMPLES))
    return time.perf_counter() - began


LOOPS = {"torch": torch_loop, "trainer": trainer_loop, "lightning": lightning_loop}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("loops", nargs="*", help="which loops (all)")
    parser.add_argument("--steps", type=int, default=200, help="steps of a loop (200)")
    parser.add_argument("--pairs", type=int, default=5, help="loops with and without us (5)")
    options = parser.parse_args()
    if unknown := set(options.loops) - set(LOOPS):
        parser.error(f"no loop {min(unknown)}; there are {', '.join(LOOPS)}")
    warnings.simplefilter("ignore")
    is_met = True
    with _listening() as path:
        for name in options.loops or LOOPS:
            is_met &= _report(name, options.steps, options.pairs, path)
    return 0 if is_met else 1


def _report(name: str, steps: int, pairs: int, path: Path) -> bool:
    loop = LOOPS[name]
    watch = Watch()
    with Job(name, socket_path=path) as job:
        seconds = loop(steps, job, watch)
    share = watch.seconds / seconds
    ratios = []
    for _ in range(pairs):
        without = loop(steps, None, None)
        with Job(name, socket_path=path) as job:
            ratios.append(loop(steps, job, None) / without)
    print(
        f"{name:10} step {seconds / steps * 1e3:6.2f} ms, "
        f"in our code {watch.seconds / steps * 1e6:5.1f} us of it: {share:.3%}; "
        f"paired {statistics.median(ratios) - 1:+.2%} "
        f"({min(ratios) - 1:+.2%} to {max(ratios) - 1:+.2%})",
        flush=True,
    )
    return share < MOST_SHARE


def _model(torch: Any, nn: Any) -> Any:
    torch.set_num_threads(1)
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Embedding(LETTERS, WIDTH), encoder, nn.Linear(WIDTH, LETTERS))


def _watched(callback: Any, watch: Watch | None) -> Any:
    if watch is not None:
        for name in dir(type(callback)):
            if name.startswith("on_") and name in vars(type(callback)):
                setattr(callback, name, watch.wrap(getattr(callback, name)))
    return callback


@contextmanager
def _listening() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wl") as short:
        listener = Listener(Path(short) / "job.sock")
        try:
            yield listener.path
        finally:
            listener.close()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
