"""What a job imports to count what it makes; needs nothing but the standard library.

from wattline_agents.job import Job

with Job("my-model", kind="training") as job:
    for batch in batches:
        with job.phase("step"):
            train(batch)
        job.step()
        job.tokens(batch.size)
"""

from wattline_agents.job.job import Job

__all__ = ["Job"]
