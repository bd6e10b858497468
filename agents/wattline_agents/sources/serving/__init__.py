"""What serves models on this node: tokens, requests and latencies, from the engines' own pages.

`names` says what may be declared of a framework, `engines` and `frontends` declare each;
`reading` makes numbers of a page, `counts` keeps them apart from restarts, `jobs` adds them up per
job, `source` does the reading. Where pages are found is in `told`, `listeners` and `pods`.
"""
