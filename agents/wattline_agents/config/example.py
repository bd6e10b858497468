"""A configuration file with all keys, explained: `wattline agent --example-config`."""

from __future__ import annotations

EXAMPLE = """\
# Configuration of `wattline agent --config FILE`, with every key there is. A line that begins
# with `#` and a key shows the default or an example; take the `#` away to set it. What is given
# on the command line wins over this file.

# The supercomputer or partition this node belongs to.
system = "local"
# The node's name, if it is not to be its host name.
#node = "n0001"
# Where it stands.
#rack = "r07"

# Seconds between readings, 0.1 to 3600. Ticks are aligned to the wall clock.
period_seconds = 1

# What to read. "auto" tries nvml, amdsmi, intel, host, cray, rapl and grace, and reads those that
# are there. Others are named: ["auto", "dcgm"].
sources = ["auto"]

# Stand back behind the node's own work: 0 (not at all) to 19.
#nice = 10
# Stay on these processors, those the jobs do not get, for example.
#cpus = "0,64-67"
# Write everything that was read to this file, for `--source replay`.
#record = "/var/tmp/readings.jsonl"

# Send to a Wattline collector. While it is away, batches wait in the spool.
#[push]
#url = "https://collector.example:8600"
#token_file = "/etc/wattline/token"
#every_seconds = 5
#spool = "/var/lib/wattline/spool"
#spool_bytes = 67108864

# Answer scrapes of Prometheus.
#[prometheus]
#listen = "127.0.0.1:9400"

# Send to an OpenTelemetry collector; needs `pip install 'wattline-agents[otlp]'`.
#[otlp]
#endpoint = "http://127.0.0.1:4318"
#every_seconds = 10
#headers_file = "/etc/wattline/otlp-headers"
#gzip = false

# Write to InfluxDB v2 or VictoriaMetrics; needs `pip install 'wattline-agents[influx]'`.
#[influx]
#url = "http://127.0.0.1:8086"
#bucket = "wattline"
#org = "wattline"
#token_file = "/etc/wattline/influx-token"
#every_seconds = 10

# Where jobs count their tokens.
#[job]
#socket = "/run/wattline/job.sock"
# Jobs in containers that cannot reach the socket leave files here (WATTLINE_JOB_DIRECTORY).
#directory = "/run/wattline/jobs"
#enabled = true

# Read the pages of inference engines: vLLM, SGLang, TensorRT-LLM, TGI, llama.cpp and others; needs
# `pip install 'wattline-agents[scrape]'`. The section alone, without keys, reads the engines that
# processes of this node's jobs are seen to be. `pages` are those that are told, as addresses or as
# { url, job, role = "prefill", "decode" or "frontend", framework, token_file }.
#[serving]
#pages = ["http://127.0.0.1:8000/metrics", { url = "http://127.0.0.1:8001/metrics", job = "chat" }]
#discover = true
#every_seconds = 5
#token_file = "/etc/wattline/engine-token"
# Pods of this node with the annotation prometheus.io/scrape; the node by its name in Kubernetes.
#kubernetes = false
#kubernetes_node = "n0001"
# A request that keeps both counts as good; bounds of buckets of the engine's histograms.
#first_token_target_seconds = 0.5
#per_token_target_seconds = 0.05

# Which job holds which device: by the records of deploy/slurm/prolog.sh and epilog.sh, by those
# that other tools leave, and by the processes on the devices.
#[assignment]
#enabled = true
#records = "/run/wattline-records"
#jobstats = "/run/gpustat"
#dcgm = "/var/run/dcgm-jobs"
#amd = "/var/run/exporter"
# What a device's number is to the scheduler: its index, the N of /dev/nvidiaN ("minor"), or "auto":
# an index, until jobs are seen to run on the devices of the minor numbers they were given.
#numbers = "auto"
# Into how many shards Slurm divides a device, where it does.
#shards_per_device = 64
# The kubelet's list of the pods that hold devices: "auto" asks it where it is, a path names its
# socket, false asks nobody.
#kubernetes = "auto"

# Options of one source, by its name.
#[source.host]
#every = 5
"""
