"""Train a tiny language model with PyTorch, and count what it does.

It predicts the next letter of a text. The counting is the lines with `job.`: one after each step,
one around each phase, one after each checkpoint. Started again it goes on from its checkpoint, and
the books know which steps it did twice.

    python examples/train_torch.py --steps 200 --checkpoint /var/tmp/tiny.pt
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wattline_agents.job import Job, ModelFacts

# From "Alice's Adventures in Wonderland" by Lewis Carroll, 1865; in the public domain.
TEXT = """\
Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing \
to do: once or twice she had peeped into the book her sister was reading, but it had no pictures \
or conversations in it, "and what is the use of a book," thought Alice, "without pictures or \
conversations?"
"""
WIDTH, HEADS, LAYERS = 32, 2, 2


def batches(numbers: Any, samples: int, length: int, seed: int) -> Iterator[Any]:
    chance = torch.Generator().manual_seed(seed)
    windows = numbers.unfold(0, length + 1, 1)
    while True:
        chosen = torch.randint(len(windows), (samples,), generator=chance)
        yield windows[chosen]


def made(letters: int) -> Any:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, dim_feedforward=4 * WIDTH, dropout=0.0, batch_first=True
    )
    encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
    return nn.Sequential(nn.Embedding(letters, WIDTH), encoder, nn.Linear(WIDTH, letters))


def facts_of(model: Any, length: int) -> ModelFacts:
    return ModelFacts(
        name="tiny",
        parameters=sum(p.numel() for p in model.parameters()),
        parameters_embedding=model[0].weight.numel(),
        layers=LAYERS,
        heads=HEADS,
        head_dimension=WIDTH // HEADS,
        sequence_length=length,
        dtype="fp32",
    )


def saved(path: Path, step: int, model: Any, optimiser: Any) -> None:
    """As a whole or not at all: a job may end while it writes."""
    draft = path.with_suffix(".tmp")
    state = {"step": step, "model": model.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save(state, draft)
    draft.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200, help="train up to this step (200)")
    parser.add_argument("--samples", type=int, default=8, help="sequences a step (8)")
    parser.add_argument("--length", type=int, default=32, help="tokens of a sequence (32)")
    parser.add_argument("--checkpoint", type=Path, help="where to save, and to go on from")
    parser.add_argument("--save-every", type=int, default=50, help="steps (50)")
    parser.add_argument("--name", default="train-torch", help="the job's name (train-torch)")
    parser.add_argument("--run", help="the training run it is part of")
    options = parser.parse_args()
    torch.set_num_threads(1)

    with Job(options.name, kind="training", run=options.run) as job:
        with job.phase("init"):
            torch.manual_seed(1)
            letters = "".join(sorted(set(TEXT)))
            numbers = torch.tensor([letters.index(letter) for letter in TEXT])
            model = made(len(letters))
            optimiser = torch.optim.AdamW(model.parameters(), lr=0.003)
            job.model = facts_of(model, options.length)
        step = 0
        if options.checkpoint is not None and options.checkpoint.exists():
            with job.phase("restore"):
                state = torch.load(options.checkpoint, weights_only=True)
                model.load_state_dict(state["model"])
                optimiser.load_state_dict(state["optimiser"])
                step = state["step"]
        job.resumed(step)
        print(f"job {job.key}: from step {step}", flush=True)

        source = batches(numbers, options.samples, options.length, seed=step)
        while step < options.steps:
            with job.phase("data_wait"):
                batch = next(source)
            with job.phase("step"):
                scores = model(batch[:, :-1])
                loss = nn.functional.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten())
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            step += 1
            job.step(tokens=options.samples * options.length, samples=options.samples)
            if options.checkpoint is not None and step % options.save_every == 0:
                with job.phase("checkpoint_save"):
                    saved(options.checkpoint, step, model, optimiser)
                job.saved(step)
        with job.phase("eval"), torch.no_grad():
            scores = model(batch[:, :-1])
            loss = nn.functional.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten())
    print(f"done: step {step}, loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
