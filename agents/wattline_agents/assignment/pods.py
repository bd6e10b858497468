"""Pods of this node as its file system shows them: their uids, and whether they still run.

The kubelet's list names a pod by namespace and name, which the next pod may have again. Its uid,
which is what it is known by everywhere else, stands in the name of the directory of its logs, made
before its first container starts: `/var/log/pods/NAMESPACE_NAME_UID`.
"""

from __future__ import annotations

import os
import re

LOGS = "/var/log/pods"
CGROUPS = "/sys/fs/cgroup"
_MOST_ENTRIES = 16_384
_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
_CLASSES = ("", "burstable", "besteffort")
_V1 = ("", "memory/", "cpu,cpuacct/", "cpuset/", "pids/")


class PodDirectories:
    """The directories of pods' logs."""

    def __init__(self, path: str = LOGS) -> None:
        """Look at nothing yet."""
        self._path = path

    def look(self) -> dict[tuple[str, str], tuple[str, int]] | None:
        """Uid, and when its directory last got a container, of every pod by namespace and name.

        Of two pods of one name the newer counts: logs of the one before are kept for a while.

        Returns:
            None where the directory cannot be seen.
        """
        found: dict[tuple[str, str], tuple[str, int]] = {}
        try:
            with os.scandir(self._path) as entries:
                for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False):
                    namespace, _, rest = entry.name.partition("_")
                    name, _, uid = rest.partition("_")
                    if not _UID.fullmatch(uid):
                        continue
                    try:
                        made_ms = entry.stat(follow_symlinks=False).st_mtime_ns // 1_000_000
                    except OSError:  # gone since it was listed
                        continue
                    before = found.get((namespace, name))
                    if before is None or before[1] < made_ms:
                        found[namespace, name] = uid, made_ms
        except OSError:
            return None
        return found


class PodGroups:
    """Control groups of pods: one that has none has ended, though the kubelet may still list it."""

    def __init__(self, root: str = CGROUPS) -> None:
        """Look below this directory."""
        self._root = root

    def is_running(self, uid: str) -> bool | None:
        """Whether the pod has a group; None where groups of pods cannot be seen from here."""
        seen = False
        plain, dashes = f"pod{uid}", uid.replace("-", "_")
        for base in _V1:
            for top in (f"{self._root}/{base}kubepods.slice", f"{self._root}/{base}kubepods"):
                if not os.path.isdir(top):
                    continue
                seen = True
                for name in _CLASSES:
                    inner = f"kubepods-{name}.slice/kubepods-{name}" if name else "kubepods"
                    if os.path.isdir(f"{top}/{inner}-pod{dashes}.slice"):
                        return True
                    if os.path.isdir(f"{top}/{name}/{plain}" if name else f"{top}/{plain}"):
                        return True
        return False if seen else None
