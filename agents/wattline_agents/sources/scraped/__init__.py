"""Readers of exporters that a site already runs.

page                 one page of metrics: its samples, and the lines that are none
values               what a number must be to stand in a column
devices              rows of devices put together sample by sample
fetch                gets a page over HTTP, bounded in time and size
source               what all of these sources do alike
pages                which exporter a page is from, and its rows
dcgm                 dcgm-exporter, with the names of DCGM before and after 4.6
amd_exporter         AMD Device Metrics Exporter
nvidia_gpu_exporter  nvidia_gpu_exporter, through nvidia-smi or NVML
node_exporter        node_exporter
xpumd                Intel XPU Daemon, through OpenTelemetry's Prometheus exporter

Each exporter has one file: a table of its names, and `rows_of_page`, a pure function.
"""
