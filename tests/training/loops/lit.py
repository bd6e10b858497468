"""A Lightning `Trainer` with a tiny model: DIRECTORY STEPS [resume] [accumulate] [torn]."""

import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from wattline_agents.job import ModelFacts
from wattline_agents.job.lightning import WattlineCallback

directory, steps, *words = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
torch.set_num_threads(1)
torch.manual_seed(1)
LENGTH, SAMPLES, BATCH = 16, 26, 4


class Tiny(LightningModule):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Embedding(50, 16), torch.nn.Linear(16, 50))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        scores = self.net(batch).flatten(0, 1)
        return torch.nn.functional.cross_entropy(scores, batch.flatten())

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.training_step(batch, batch_idx)

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters())


class Torn(ModelCheckpoint):  # type: ignore[misc]
    """Fails while its second checkpoint is being written."""

    def _save_checkpoint(self, trainer: Any, filepath: str) -> None:
        if trainer.global_step > 4:
            trainer._checkpoint_connector.dump_checkpoint(False)
            raise OSError(28, "No space left on device")
        super()._save_checkpoint(trainer, filepath)


rows = torch.randint(50, (SAMPLES, LENGTH), generator=torch.Generator().manual_seed(1))
kind = Torn if "torn" in words else ModelCheckpoint
keep = kind(dirpath=directory, filename="at-{step}", every_n_train_steps=4, save_top_k=-1)
trainer = Trainer(
    accelerator="cpu",
    devices=1,
    max_steps=steps,
    accumulate_grad_batches=2 if "accumulate" in words else 1,
    val_check_interval=5,
    check_val_every_n_epoch=None,
    callbacks=[WattlineCallback("lit", run="lit-run", model=ModelFacts(parameters=1650)), keep],
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    default_root_dir=directory,
)
trainer.fit(
    Tiny(),
    DataLoader(rows, batch_size=BATCH),
    DataLoader(rows[:8], batch_size=BATCH),
    ckpt_path=str(directory / "at-step=8.ckpt") if "resume" in words else None,
)
