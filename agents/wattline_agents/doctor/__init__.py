"""What this node has, what of it can be read, and the command that would change the rest.

finding        one thing found out, and how it is marked
machine        everything a check may look at or do; tests give another one
probe          reads one source in a process of its own, and tells what came of it
probing        starts those processes, and ends those that do not answer
node, accelerators, nvidia, capabilities, power, exporters, jobs, sending, extras
               the checks: each looks at one subject and returns findings
examine        all checks, for what a configuration asks for
page           findings as text for people, and as JSON
"""
