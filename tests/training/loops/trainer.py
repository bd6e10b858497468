"""A Hugging Face `Trainer` with a tiny model: DIRECTORY STEPS [resume] [ragged|seen|accumulate]."""

import sys
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from wattline_agents.job.hf import WattlineCallback

directory, steps, *words = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
torch.set_num_threads(1)
torch.manual_seed(1)
LENGTH, SAMPLES, BATCH = 16, 26, 4
config = GPT2Config(vocab_size=50, n_positions=LENGTH, n_embd=16, n_layer=2, n_head=2)
chance = torch.Generator().manual_seed(1)
rows = torch.randint(50, (SAMPLES, LENGTH), generator=chance)
data = [{"input_ids": row, "labels": row} for row in rows]
arguments = TrainingArguments(
    output_dir=str(directory / "out"),
    max_steps=steps,
    per_device_train_batch_size=BATCH,
    gradient_accumulation_steps=2 if "accumulate" in words else 1,
    dataloader_drop_last="ragged" not in words,
    include_num_input_tokens_seen="all" if "seen" in words else "no",
    save_steps=4,
    eval_strategy="steps",
    eval_steps=5,
    logging_steps=2,
    report_to=[],
    disable_tqdm=True,
    use_cpu=True,
)
counts = WattlineCallback("hf", run="hf-run", sequence_length=None if "seen" in words else LENGTH)
trainer = Trainer(
    model=GPT2LMHeadModel(config),
    args=arguments,
    train_dataset=data,
    eval_dataset=data[:4],
    callbacks=[counts],
)
trainer.train(resume_from_checkpoint="resume" in words)
