"""Train a tiny language model on the processor, and count its tokens.

It predicts the next character of a text from the characters before it: an embedding, one hidden
layer, a softmax, all in NumPy, trained with Adam. The counting is the few lines with `job.`; they
cost nothing and work the same whether a Wattline agent listens on this machine or not.

    python examples/train_numpy.py --seconds 30
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass

# Matrices this small gain nothing from more threads, and lose much where others use the processor.
# NumPy reads it when it is imported.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from numpy.typing import NDArray

from wattline_agents.job import Job, ModelFacts

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# The opening of "Alice's Adventures in Wonderland" by Lewis Carroll, 1865; in the public domain.
TEXT = """\
Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing \
to do: once or twice she had peeped into the book her sister was reading, but it had no pictures \
or conversations in it, "and what is the use of a book," thought Alice, "without pictures or \
conversations?"

So she was considering in her own mind (as well as she could, for the hot day made her feel very \
sleepy and stupid), whether the pleasure of making a daisy-chain would be worth the trouble of \
getting up and picking the daisies, when suddenly a White Rabbit with pink eyes ran close by her.

There was nothing so very remarkable in that; nor did Alice think it so very much out of the way \
to hear the Rabbit say to itself, "Oh dear! Oh dear! I shall be late!" (when she thought it over \
afterwards, it occurred to her that she ought to have wondered at this, but at the time it all \
seemed quite natural); but when the Rabbit actually took a watch out of its waistcoat-pocket, and \
looked at it, and then hurried on, Alice started to her feet, for it flashed across her mind that \
she had never before seen a rabbit with either a waistcoat-pocket, or a watch to take out of it, \
and burning with curiosity, she ran across the field after it, and fortunately was just in time to \
see it pop down a large rabbit-hole under the hedge.

In another moment down went Alice after it, never once considering how in the world she was to get \
out again.
"""

CONTEXT = 4


@dataclass
class Model:
    """The parameters, by name, and what Adam remembers of each."""

    parameters: dict[str, Floats]
    mean: dict[str, Floats]
    square: dict[str, Floats]
    steps: int = 0

    @classmethod
    def fresh(cls, letters: int, width: int, hidden: int, seed: int) -> Model:
        chance = np.random.default_rng(seed)

        def matrix(rows: int, columns: int) -> Floats:
            values = chance.standard_normal((rows, columns), np.float32)
            return values / np.float32(np.sqrt(rows))

        parameters = {
            "embedding": matrix(letters, width),
            "hidden": matrix(CONTEXT * width, hidden),
            "hidden_bias": np.zeros(hidden, np.float32),
            "output": matrix(hidden, letters),
            "output_bias": np.zeros(letters, np.float32),
        }
        zeros = {name: np.zeros_like(value) for name, value in parameters.items()}
        return cls(parameters, zeros, {name: value.copy() for name, value in zeros.items()})

    @property
    def size(self) -> int:
        """How many parameters take part in every token; a looked-up embedding does not."""
        return sum(p.size for name, p in self.parameters.items() if name != "embedding")

    def forward(self, contexts: Ints) -> tuple[Floats, Floats, Floats]:
        p = self.parameters
        inputs = p["embedding"][contexts].reshape(len(contexts), -1)
        hidden = np.tanh(inputs @ p["hidden"] + p["hidden_bias"])
        scores = hidden @ p["output"] + p["output_bias"]
        scores -= scores.max(axis=1, keepdims=True)
        likely = np.exp(scores)
        likely /= likely.sum(axis=1, keepdims=True)
        return inputs, hidden, likely

    def train(self, contexts: Ints, targets: Ints, rate: float) -> float:
        """One step of Adam; returns the loss before it."""
        p = self.parameters
        inputs, hidden, likely = self.forward(contexts)
        rows = np.arange(len(targets))
        loss = float(-np.log(likely[rows, targets] + 1e-9).mean())
        error = likely
        error[rows, targets] -= 1
        error /= len(targets)
        back = (error @ p["output"].T) * (1 - hidden**2)
        embedding = np.zeros_like(p["embedding"])
        np.add.at(embedding, contexts, (back @ p["hidden"].T).reshape(*contexts.shape, -1))
        gradients = {
            "embedding": embedding,
            "hidden": inputs.T @ back,
            "hidden_bias": back.sum(axis=0),
            "output": hidden.T @ error,
            "output_bias": error.sum(axis=0),
        }
        self.steps += 1
        for name, gradient in gradients.items():
            self.mean[name] = 0.9 * self.mean[name] + 0.1 * gradient
            self.square[name] = 0.99 * self.square[name] + 0.01 * gradient**2
            mean = self.mean[name] / (1 - 0.9**self.steps)
            square = self.square[name] / (1 - 0.99**self.steps)
            p[name] -= (rate * mean / (np.sqrt(square) + 1e-8)).astype(np.float32)
        return loss

    def write(self, start: Ints, letters: str, length: int, seed: int) -> str:
        """Go on from a context, one likely letter after the other."""
        chance = np.random.default_rng(seed)
        context, written = start.copy(), []
        for _ in range(length):
            _, _, likely = self.forward(context[None, :])
            letter = int(chance.choice(len(letters), p=likely[0] / likely[0].sum()))
            written.append(letters[letter])
            context = np.append(context[1:], letter)
        return "".join(written)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to train (20)")
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps instead")
    parser.add_argument("--batch", type=int, default=256, help="tokens a step (256)")
    parser.add_argument("--name", default="train-numpy", help="the job's name (train-numpy)")
    arguments = parser.parse_args()

    letters = "".join(sorted(set(TEXT)))
    numbers = np.array([letters.index(letter) for letter in TEXT], np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, CONTEXT + 1)
    chance = np.random.default_rng(1)
    model = Model.fresh(len(letters), width=12, hidden=96, seed=2)

    # Operations follow from the parameters: six for each of them and token.
    facts = ModelFacts(name="letters", parameters=model.size, dtype="fp32")
    with Job(arguments.name, kind="training", model=facts) as job:
        print(f"job {job.key}: {model.size} parameters, {len(windows)} windows of text")
        began, said, loss = time.monotonic(), 0.0, 0.0
        while True:
            passed = time.monotonic() - began
            if arguments.steps and model.steps >= arguments.steps:
                break
            if not arguments.steps and passed >= arguments.seconds:
                break
            with job.phase("data_wait"):
                batch = windows[chance.integers(0, len(windows), arguments.batch)]
            with job.phase("step"):
                now = model.train(batch[:, :-1], batch[:, -1], rate=0.0001)
            loss = now if model.steps == 1 else 0.95 * loss + 0.05 * now
            job.step(tokens=len(batch))
            if model.steps == 1 or passed - said >= 2.0:
                said = passed
                print(f"{passed:5.1f} s  step {model.steps:6d}  loss {loss:.3f}", flush=True)
        with job.phase("eval"):
            sample = model.write(windows[0][:-1], letters, 120, seed=3)
    tokens = model.steps * arguments.batch
    print(f"done: {model.steps} steps, {tokens} tokens counted, loss {loss:.3f}")
    print(f"it writes: {sample!r}")


if __name__ == "__main__":
    main()
