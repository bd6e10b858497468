"""Which job holds which device, and what the job has made so far.

claim       one device, held by one job, as somebody says
records     what prologs wrote down: ours, and those of other tools
kubernetes  what a kubelet lists
processes   what the processes on a device say, by `owners`, `cgroups` and `proc`
devices     which device is meant by the name somebody uses
joining     what all of them say together: pure
told        the rows of that which are news
source      the source `assignment`, which joins them; `opening` puts it together
process     the source `jobs`: jobs that count for themselves, kept by `book`
"""
