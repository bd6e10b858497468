"""Jobs: what they make, what they are, what they hold."""

from __future__ import annotations

from wattline_agents.catalogue.declare import (
    DEVICE_KEY,
    JOB_KEY,
    TIME,
    Field,
    Table,
    Type,
    counter,
    gauge,
)

TOKEN_KINDS = ("trained", "prompt", "prompt_cached", "generated")
PHASES = ("init", "data_wait", "step", "checkpoint_save", "restore", "eval")

JOB = Table(
    "job",
    "What one job has made so far, as the job or its engine counts it.",
    (TIME, JOB_KEY),
    (
        *(
            counter(
                f"tokens_{kind}_total",
                "job_tokens_total",
                "{token}",
                text,
                type=Type.INT,
                labels=(("kind", kind),),
                every_seconds=5,
            )
            for kind, text in (
                (
                    "trained",
                    "Tokens trained on, in steps that were done; steps done again count again.",
                ),
                ("prompt", "Prompt tokens served, cached ones included."),
                ("prompt_cached", "Prompt tokens that a cache answered."),
                ("generated", "Tokens generated."),
            )
        ),
        counter("steps_total", "job_steps_total", "{step}", "Steps finished.", type=Type.INT),
        counter(
            "samples_total", "job_samples_total", "{sample}", "Samples worked on.", type=Type.INT
        ),
        counter(
            "checkpoints_total",
            "job_checkpoints_total",
            "{checkpoint}",
            "Checkpoints written whole.",
            type=Type.INT,
            every_seconds=5,
        ),
        counter(
            "requests_total",
            "job_requests_total",
            "{request}",
            "Requests answered.",
            type=Type.INT,
        ),
        counter(
            "requests_failed_total",
            "job_requests_failed_total",
            "{request}",
            "Requests that ended in an error or were broken off.",
            type=Type.INT,
            every_seconds=5,
        ),
        counter(
            "requests_good_total",
            "job_requests_good_total",
            "{request}",
            "Requests answered within their targets for first token and time per token.",
            type=Type.INT,
            every_seconds=5,
        ),
        counter("flops_total", "job_flops_total", "{operation}", "Model operations done."),
        *(
            counter(
                f"phase_{phase}_seconds_total",
                "job_phase_seconds_total",
                "s",
                f"Time spent in phase {phase}.",
                labels=(("phase", phase),),
                every_seconds=5,
            )
            for phase in PHASES
        ),
        gauge(
            "step",
            "job_step",
            "{step}",
            "The training run's number of the last step that was done; falls when the run goes back"
            " to a checkpoint.",
            type=Type.INT,
            every_seconds=5,
        ),
        gauge(
            "step_resumed",
            "job_step_resumed",
            "{step}",
            "The run's step this job went on from: 0, or that of the checkpoint it restored.",
            type=Type.INT,
            every_seconds=5,
        ),
        gauge(
            "step_saved",
            "job_step_saved",
            "{step}",
            "The run's step that the newest whole checkpoint holds.",
            type=Type.INT,
            every_seconds=5,
        ),
    ),
    key=("job",),
)

JOB_INFO = Table(
    "job_info",
    "What a job is; sent at start, on change, at the end, and every ten minutes.",
    (
        TIME,
        JOB_KEY,
        Field("name", Type.TEXT, "The name its owner gave it."),
        Field("kind", Type.TEXT, "training, inference or other."),
        Field("project", Type.TEXT, "The grant it runs under."),
        Field(
            "run",
            Type.TEXT,
            "The training run it is part of: jobs of one run go on from one another's checkpoints."
            " Null: restarts of one job id are one run.",
        ),
        Field("user", Type.TEXT, "Its owner; a person's name, shown only to those allowed."),
        Field("state", Type.TEXT, "running, completed, failed or cancelled."),
        Field("start_unix_ms", Type.INT, "When it started."),
        Field("end_unix_ms", Type.INT, "When it ended; null while it runs."),
    ),
    key=("job",),
)

METHODS = (
    "prolog",  # our record, written by the scheduler's prolog and closed by its epilog
    "jobstats",  # the record jobstats' prolog writes
    "dcgm-exporter",  # the job mapping dcgm-exporter reads
    "amd-exporter",  # the job file AMD's device-metrics-exporter reads
    "cgroup",  # a process on the device, and the scheduler's job its control group names
    "slurm",  # the scheduler's own answer
    "kubernetes",  # the kubelet's list of the pods that hold devices
    "job",  # the job said so itself
    "process",  # a process on the device that belongs to no scheduler
    "recording",
    "simulated",
)
"""How a device is known to be a job's, the most trusted first. Where two speak of one device at
one time, the first of these is believed."""

ASSIGNMENT = Table(
    "assignment",
    "A device held by a job over an interval, as far as is known at the row's time.",
    (
        TIME,
        DEVICE_KEY,
        JOB_KEY,
        Field("start_unix_ms", Type.INT, "Since when the job holds the device.", True),
        Field("end_unix_ms", Type.INT, "Until when; if null, it still did at the row's time."),
        Field("share", Type.FLOAT, "Part of the device, 0-1; 1 if null."),
        Field("method", Type.TEXT, "How it was found; see METHODS."),
    ),
    key=("device", "job", "method", "start_unix_ms"),
)

JOB_MODEL = Table(
    "job_model",
    "The model a job trains or serves; sent as `job_info` is.",
    (
        TIME,
        JOB_KEY,
        Field("model", Type.TEXT, "Its name, for people."),
        Field("architecture", Type.TEXT, "dense or moe."),
        Field("parameters", Type.INT, "All its parameters."),
        Field("parameters_active", Type.INT, "Those one token goes through; all of a dense one."),
        Field("layers", Type.INT, "Transformer layers."),
        Field("heads", Type.INT, "Attention heads per layer."),
        Field("head_dimension", Type.INT, "Width of one head."),
        Field("sequence_length", Type.INT, "Tokens of one sequence."),
        Field(
            "dtype",
            Type.TEXT,
            "What the matrix products are computed in: bf16, fp16, fp8, tf32, fp32.",
        ),
        Field(
            "flops_per_token",
            Type.FLOAT,
            "Model operations of one token, forward and, in training, backward.",
        ),
        Field("formula", Type.TEXT, "What they were computed by."),
    ),
    key=("job",),
)

SERVING = Table(
    "serving",
    "One engine that serves a model, at one time, as its own page says it.",
    (
        TIME,
        JOB_KEY,
        Field("engine", Type.TEXT, "Which engine of the job: its address.", True),
        Field(
            "framework",
            Type.TEXT,
            "vllm, sglang, tensorrt-llm, tgi, dynamo, ray, triton, llamacpp.",
        ),
        Field("model", Type.TEXT, "The model it serves."),
    ),
    (
        *(
            counter(
                f"tokens_{kind}_total",
                "serving_tokens_total",
                "{token}",
                text,
                type=Type.INT,
                labels=(("kind", kind),),
                every_seconds=5,
            )
            for kind, text in (
                ("prompt", "Prompt tokens the engine took in, cached ones included."),
                ("prompt_cached", "Prompt tokens that its cache answered."),
                ("generated", "Tokens it generated."),
            )
        ),
        counter(
            "requests_total",
            "serving_requests_total",
            "{request}",
            "Requests it answered.",
            type=Type.INT,
            every_seconds=5,
        ),
        counter(
            "requests_failed_total",
            "serving_requests_failed_total",
            "{request}",
            "Requests that ended in an error or were broken off.",
            type=Type.INT,
            every_seconds=5,
        ),
        gauge(
            "requests_running",
            "serving_requests_running",
            "{request}",
            "Requests it works on.",
            type=Type.INT,
            every_seconds=5,
        ),
        gauge(
            "requests_waiting",
            "serving_requests_waiting",
            "{request}",
            "Requests that wait.",
            type=Type.INT,
            every_seconds=5,
        ),
        gauge(
            "kv_cache_used_ratio",
            "serving_kv_cache_used_ratio",
            "1",
            "Part of its cache of keys and values in use.",
            every_seconds=5,
        ),
    ),
    key=("job", "engine"),
)

LATENCIES = ("first_token", "per_token", "inter_token", "request", "queue")

LATENCY = Table(
    "latency",
    "One bucket of one histogram of an engine: how many were at most that long, so far.",
    (
        TIME,
        JOB_KEY,
        Field("engine", Type.TEXT, "Which engine of the job: its address.", True),
        Field("kind", Type.TEXT, f"What took that long: {', '.join(LATENCIES)}.", True),
        Field("le_seconds", Type.FLOAT, "Upper bound of the bucket; null: no bound, all of them."),
    ),
    (
        counter(
            "latency_count_total",
            "serving_latency_count_total",
            "{observation}",
            "Observations of at most the bucket's bound.",
            type=Type.INT,
            every_seconds=15,
        ),
        counter(
            "latency_seconds_total",
            "serving_latency_seconds_total",
            "s",
            "Sum of all observations; only in the row without a bound.",
            every_seconds=15,
        ),
    ),
    key=("job", "engine", "kind", "le_seconds"),
)
