"""What prologs and exporters write down of jobs and their devices, read and never written.

directory   a directory that is read again only when it has changed
own         the records of `deploy/slurm/prolog.sh` and `epilog.sh`
record      one of those, checked
foreign     the files of jobstats, of dcgm-exporter and of AMD's exporter
"""
