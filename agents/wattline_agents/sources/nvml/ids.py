"""The numbers NVML knows things by, as its header `nvml.h` declares them.

Written out rather than taken from the binding, so that an older binding that lacks a name still
reads what the driver offers.
"""

from __future__ import annotations

LIBRARY = "libnvidia-ml.so.1"

# Return codes.
SUCCESS = 0
UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
ARGUMENT_VERSION_MISMATCH = 25
DEPRECATED = 26
GPU_NOT_FOUND = 28
UNKNOWN = 999

# Fields of nvmlDeviceGetFieldValues.
FIELD_THROTTLE_POWER_CAP_NS = 74
FIELD_MEMORY_TEMPERATURE_CELSIUS = 82
FIELD_ENERGY_MILLIJOULES = 83
FIELD_POWER_AVERAGE_MILLIWATTS = 185
FIELD_POWER_INSTANT_MILLIWATTS = 186
FIELD_THROTTLE_SW_THERMAL_NS = 269
FIELD_THROTTLE_HW_THERMAL_NS = 270
FIELD_THROTTLE_POWER_BRAKE_NS = 271

# Scopes of the power fields.
SCOPE_GPU = 0
SCOPE_MODULE = 1

# Types of a field's value, and the member of the union that holds it.
VALUE_MEMBERS = {
    0: "dVal",
    1: "uiVal",
    2: "ulVal",
    3: "ullVal",
    4: "sllVal",
    5: "siVal",
    6: "usVal",
}

# Bits of nvmlDeviceGetCurrentClocksEventReasons. Idle (0x1), application clocks (0x2) and display
# (0x100) also stand there and hold nothing back.
REASON_SW_POWER_CAP = 0x4
REASON_SW_THERMAL = 0x20
REASON_HW_THERMAL = 0x40
REASON_HW_POWER_BRAKE = 0x80

# Kinds of clock, sensor, architecture, struct version.
CLOCK_SM = 1
CLOCK_MEMORY = 2
TEMPERATURE_GPU = 0
ARCHITECTURE_AMPERE = 7
MEMORY_INFO_V2 = 0x02000028

# Metrics of GPM, all in percent.
GPM_SM_UTIL = 2
GPM_ANY_TENSOR_UTIL = 5
GPM_DRAM_BANDWIDTH_UTIL = 10
GPM_VERSION = 1
