"""Why a bundle, or a part of a challenge, is not taken."""

from __future__ import annotations

from enum import StrEnum

from wattline_agents.errors import InputError


class Reason(StrEnum):
    """Every way in which a bundle or a challenge can be wrong, each with a word of its own."""

    UNREADABLE = "unreadable"  # no file, no zip, or too large
    COMPRESSED = "compressed"  # an entry is compressed, or says that it is larger than it may be
    NAME = "name"  # an entry that no bundle holds, or a path in its name
    DUPLICATE = "duplicate"  # the same entry, or the same key of a JSON object, twice
    ALTERED_ARCHIVE = "altered-archive"  # bytes that belong to no entry, or flags that we never set
    NOT_CANONICAL = "not-canonical"  # JSON that says the same in other bytes
    SCHEMA = "schema"  # a field that is missing, unknown, or not what it must be
    MISSING_FILE = "missing-file"  # the manifest names a file that is not there
    UNLISTED_FILE = "unlisted-file"  # a file that the manifest does not name
    ALTERED_FILE = "altered-file"  # a file's digest is not the manifest's
    DICTIONARY = "dictionary"  # the digest of the KPI dictionary is none that is known
    UNSIGNED = "unsigned"  # no signature of the factory, or fewer than were asked for
    UNKNOWN_KEY = "unknown-key"  # signed with a key that the key ring does not hold
    WRONG_KEY = "wrong-key"  # a key of another factory, or of another role
    OLD_KEY = "old-key"  # signed outside the time in which the key holds
    REVOKED_KEY = "revoked-key"  # the key was revoked
    BAD_SIGNATURE = "bad-signature"  # the signature is not of this manifest
    CREDENTIAL = "credential"  # the verifiable credential is not of this bundle, or not its own
    BAD_RING = "bad-ring"  # the key ring itself is not right
    CHAIN = "chain"  # it does not follow from the bundle it should follow from
    REPLAYED = "replayed"  # a period, or a revision of it, that was already there
    PERIOD = "period"  # not of the period that was asked for
    DISCLOSURE = "disclosure"  # a cell that should have been suppressed
    PERSONAL = "personal"  # a name of a user, a job or a node

    # Of challenges
    ALTERED_SPEC = "altered-spec"  # the revealed specification is not the one committed to
    ALTERED_RESULT = "altered-result"  # the revealed result is not the one submitted
    SWAPPED_NONCE = "swapped-nonce"  # the revealed nonce is not the one committed to
    ALTERED_ITEM = "altered-item"  # a secret item, or its nonce, is not the one its leaf is of
    WRONG_PROOF = "wrong-proof"  # an item's leaf is not under the root committed to
    DUPLICATE_COMMIT = "duplicate-commit"  # another's commitment or nonce, or a second entry
    RETRY = "retry"  # a submission after the one retry that there is
    NO_RECEIPT = "no-receipt"  # nothing of the organiser's says when it came
    LATE = "late"  # an entry, a submission or a reveal that came after its time
    TIMES = "times"  # times that are not in order
    NOT_REVEALED = "not-revealed"  # what was committed to was not shown
    NOT_GIVEN = "not-given"  # a run of an item that the entrant was not given
    TOO_FEW_RUNS = "too-few-runs"  # fewer runs of an item than a result takes
    NOT_CONVERGED = "not-converged"  # more runs missed the target than the rules forgive
    RULES = "rules"  # an entry or a run that is not as the rules have it
    SCORES = "scores"  # published scores that do not follow from what was revealed


class Refused(InputError):
    """A bundle, or a part of a challenge, that is not taken, and why.

    Attributes:
        code: The reason, for programs.
    """

    def __init__(
        self,
        code: Reason,
        reason: str,
        *,
        path: object = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        """Put the code in front of the words: `PATH: FIELD: REASON (CODE)`."""
        super().__init__(f"{reason} ({code.value})", path=path, line=line, field=field)
        self.code = code
