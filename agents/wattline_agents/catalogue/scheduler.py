"""What a scheduler says of its jobs and nodes; read by the collector itself, not by agents."""

from __future__ import annotations

from wattline_agents.catalogue.declare import JOB_KEY, TIME, Field, Table, Type

ACCOUNTING = Table(
    "accounting",
    "A job as its scheduler accounts for it, as far as is known at the row's time.",
    (
        TIME,
        JOB_KEY,
        Field("scheduler", Type.TEXT, "slurm or kubernetes.", True),
        Field("job_id", Type.TEXT, "The id its owner knows: 123, 123_4, 123+1, namespace/pod."),
        Field("array_job", Type.TEXT, "The array it is a task of."),
        Field("array_task", Type.INT, "Which task of it."),
        Field("het_job", Type.TEXT, "The heterogeneous job it is a component of."),
        Field("restarts", Type.INT, "How often it was requeued before."),
        Field("name", Type.TEXT, "The name its owner gave it."),
        Field("user", Type.TEXT, "Its owner; a person's name, shown only to those allowed."),
        Field("account", Type.TEXT, "The account or namespace it is charged to: a project's name."),
        Field("partition", Type.TEXT, "Where it was queued."),
        Field("qos", Type.TEXT, "Its quality of service."),
        Field(
            "state",
            Type.TEXT,
            "pending, running, suspended, completed, failed, cancelled, timeout, out_of_memory,"
            " node_fail, preempted, deadline, boot_fail or requeued.",
        ),
        Field("reason", Type.TEXT, "Why it waits or ended, in the scheduler's words."),
        Field("exit_code", Type.INT, "What its script returned."),
        Field("exit_signal", Type.INT, "The signal that ended it."),
        Field("submit_unix_ms", Type.INT, "When it was submitted."),
        Field("eligible_unix_ms", Type.INT, "When nothing but the queue held it back."),
        Field("start_unix_ms", Type.INT, "When it started; null: it never did."),
        Field("end_unix_ms", Type.INT, "When it ended; null while it runs or waits."),
        Field("suspended_seconds", Type.FLOAT, "For how long of it it stood still."),
        Field("time_limit_seconds", Type.FLOAT, "What it asked for; null: no limit."),
        Field("nodes", Type.INT, "Nodes it got."),
        Field("node_list", Type.TEXT, "Which, in Slurm's notation."),
        Field("cpus", Type.INT, "Processor cores it got."),
        Field("memory_bytes", Type.INT, "Main memory it got."),
        Field("gpus", Type.INT, "Devices it got; 0: none."),
        Field("gpu_type", Type.TEXT, "Their type, if the scheduler names one."),
        Field("tres_requested", Type.TEXT, "What it asked for, as Slurm writes it."),
        Field("tres_allocated", Type.TEXT, "What it got, as Slurm writes it."),
        Field("energy_joules", Type.FLOAT, "The scheduler's own figure; null where it has none."),
        Field("memory_peak_bytes", Type.INT, "Most main memory one of its steps used."),
    ),
    key=("job",),
)

NODE_STATE = Table(
    "node_state",
    "A state a node was in over an interval, as its scheduler says it.",
    (
        TIME,
        Field("host", Type.TEXT, "The node it is about.", True),
        Field("state", Type.TEXT, "down, drain, fail or maint, in lower case.", True),
        Field("reason", Type.TEXT, "Why, in the words of whoever set it."),
        Field("start_unix_ms", Type.INT, "Since when.", True),
        Field("end_unix_ms", Type.INT, "Until when; if null, it still was at the row's time."),
    ),
    key=("host", "state", "start_unix_ms"),
)
