"""The health of a device, read once a minute: limits, errors, what the driver asks for."""

from __future__ import annotations

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.fields import Field, Fields
from wattline_agents.sources.nvml.identity import Identity
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import Ledger, Off
from wattline_agents.sources.nvml.slow import Number, whole

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from wattline_agents.wire import Value

_ECC = {
    "ecc_corrected_volatile_total": ids.FIELD_ECC_CORRECTED_VOLATILE,
    "ecc_uncorrected_volatile_total": ids.FIELD_ECC_UNCORRECTED_VOLATILE,
    "ecc_corrected_aggregate_total": ids.FIELD_ECC_CORRECTED_AGGREGATE,
    "ecc_uncorrected_aggregate_total": ids.FIELD_ECC_UNCORRECTED_AGGREGATE,
}
_COUNTS = _ECC | {
    "row_remaps_corrected": ids.FIELD_ROWS_REMAPPED_CORRECTED,
    "row_remaps_uncorrected": ids.FIELD_ROWS_REMAPPED_UNCORRECTED,
    "row_remap_pending": ids.FIELD_ROW_REMAP_PENDING,
    "row_remap_failed": ids.FIELD_ROW_REMAP_FAILED,
    "recovery_action": ids.FIELD_RECOVERY_ACTION,
    "pcie_replays_total": ids.FIELD_PCIE_REPLAYS,
    "nvlink_replay_errors_total": ids.FIELD_NVLINK_REPLAY_ERRORS,
    "nvlink_recovery_errors_total": ids.FIELD_NVLINK_RECOVERY_ERRORS,
}
"""Columns that one field each fills."""
_CRC = {
    "nvlink crc flits": ids.FIELD_NVLINK_CRC_FLIT_ERRORS,
    "nvlink crc data": ids.FIELD_NVLINK_CRC_DATA_ERRORS,
}
"""Fields that fill one column together."""

_SWITCHES = frozenset(("row_remap_pending", "row_remap_failed"))


class Health:
    """What is read of a device once a minute."""

    def __init__(
        self, library: Library, handle: object, ledger: Ledger, identity: Identity
    ) -> None:
        """Nothing is read yet."""
        self._identity, self._ledger = identity, ledger
        single = [Field(ledger.ask_for(c, c), number) for c, number in _COUNTS.items()]
        crc = [
            Field(ledger.ask_for(name, "nvlink_crc_errors_total"), number)
            for name, number in _CRC.items()
        ]
        self._fields = Fields(library, handle, ledger, single + crc)
        self._numbers = {
            column: (
                Number(library.function(name), ledger.ask_for(column, column), handle),
                divisor,
            )
            for column, name, divisor in (
                ("power_limit_watts", "nvmlDeviceGetEnforcedPowerLimit", 1e3),
                ("power_limit_default_watts", "nvmlDeviceGetPowerManagementDefaultLimit", 1e3),
                ("pcie_link_generation", "nvmlDeviceGetCurrPcieLinkGeneration", None),
                ("pcie_link_width", "nvmlDeviceGetCurrPcieLinkWidth", None),
            )
        }

    def read(self, row: dict[str, Value], now_ms: int) -> None:
        """Put it into the row.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        for column, (number, divisor) in self._numbers.items():
            value = number.read(now_ms)
            row[column] = value if value is None or divisor is None else value / divisor
        values = self._fields.read(now_ms)
        for column in _COUNTS:
            count = values.get(column)
            if count is not None:
                count = whole(count) if column not in _SWITCHES else int(count != 0)
            row[column] = count
        crc = [values[name] for name in _CRC if name in values]
        # Without one that answered before, the sum would be less than it was.
        lacks = any(self._ledger.ask_for(name).answered for name in _CRC if name not in values)
        row["nvlink_crc_errors_total"] = whole(sum(crc)) if crc and not lacks else None
        self._say_that_ecc_is_off()

    def _say_that_ecc_is_off(self) -> None:
        """Where it is switched off, its counters are called not supported."""
        asked = [self._ledger.ask_for(column) for column in _ECC]
        if all(one.off is Off.NOT_SUPPORTED for one in asked) and self._identity.ecc_is_off():
            for one in asked:
                one.switch_off(Off.DISABLED, one.again_ms)
