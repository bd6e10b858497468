/* Work, memory, heat, clocks, errors and links. */
#include "stand_in.h"

#define MEMORY_V2 0x02000028u
#define TEMPERATURE_V1 0x0100000Cu
#define MARGIN_V1 0x01000008u

static bool is_hopper_or_newer(void)
{
    return model->architecture >= ARCHITECTURE_HOPPER;
}

/* Work; a GPU with MIG on does not tell. */

typedef struct {
    unsigned gpu, memory;
} Utilization;

NVML int nvmlDeviceGetUtilizationRates(const Device *device, Utilization *percent)
{
    BEGIN_ON_GPU(device);
    if (faults_of(device)->mig)
        return NOT_SUPPORTED;
    double load = load_at(device, now_seconds());
    *percent = (Utilization){(unsigned)lround(100 * load), (unsigned)lround(40 * load)};
    return SUCCESS;
}

static int idle_engine(const Device *device, unsigned *percent, unsigned *period_us)
{
    if (faults_of(device)->mig)
        return NOT_SUPPORTED;
    *percent = 0;
    *period_us = 167000;
    return SUCCESS;
}

NVML int nvmlDeviceGetEncoderUtilization(const Device *device, unsigned *percent, unsigned *period)
{
    BEGIN_ON_GPU(device);
    return idle_engine(device, percent, period);
}

NVML int nvmlDeviceGetDecoderUtilization(const Device *device, unsigned *percent, unsigned *period)
{
    BEGIN_ON_GPU(device);
    return idle_engine(device, percent, period);
}

NVML int nvmlDeviceGetCurrentClocksEventReasons(const Device *device, unsigned long long *reasons)
{
    BEGIN_ON_GPU(device);
    *reasons = throttle_bits(device);
    return SUCCESS;
}

NVML int nvmlDeviceGetPerformanceState(const Device *device, unsigned *state)
{
    BEGIN_ON_GPU(device);
    *state = 0;
    return SUCCESS;
}

/* Memory. */

typedef struct {
    unsigned long long total, free, used;
} Memory;

typedef struct {
    unsigned version;
    unsigned long long total, reserved, free, used;
} MemoryV2;

static MemoryV2 memory_of(const Device *device)
{
    bool is_instance = device->instance >= 0;
    MemoryV2 memory = {
        .version = MEMORY_V2,
        .total = is_instance ? device->gib * GIB : model->memory_bytes,
        .reserved = is_instance ? 0 : GIB / 2,
        .used = (is_instance ? 1u + (unsigned)device->instance : 10u + device->index) * GIB,
    };
    memory.free = memory.total - memory.reserved - memory.used;
    return memory;
}

NVML int nvmlDeviceGetMemoryInfo(const Device *device, Memory *memory)
{
    BEGIN_ON(device);
    MemoryV2 known = memory_of(device);
    *memory = (Memory){known.total, known.free, known.used + known.reserved};
    return SUCCESS;
}

NVML int nvmlDeviceGetMemoryInfo_v2(const Device *device, MemoryV2 *memory)
{
    BEGIN_ON(device);
    if (memory->version != MEMORY_V2)
        return ARGUMENT_VERSION_MISMATCH;
    *memory = memory_of(device);
    return SUCCESS;
}

typedef struct {
    unsigned long long total, free, used;
} Bar1;

NVML int nvmlDeviceGetBAR1MemoryInfo(const Device *device, Bar1 *memory)
{
    BEGIN_ON(device);
    *memory = (Bar1){128 * GIB, 128 * GIB - MIB, MIB};
    return SUCCESS;
}

/* Heat. */

typedef struct {
    unsigned version, sensorType;
    int temperature;
} Temperature;

NVML int nvmlDeviceGetTemperatureV(const Device *device, Temperature *temperature)
{
    BEGIN_ON_GPU(device);
    if (temperature->version != TEMPERATURE_V1)
        return ARGUMENT_VERSION_MISMATCH;
    if (temperature->sensorType != 0)
        return INVALID_ARGUMENT;
    temperature->temperature = celsius(device);
    return SUCCESS;
}

NVML int nvmlDeviceGetTemperature(const Device *device, unsigned sensor, unsigned *temperature)
{
    BEGIN_ON_GPU(device);
    if (sensor != 0)
        return INVALID_ARGUMENT;
    *temperature = (unsigned)celsius(device);
    return SUCCESS;
}

typedef struct {
    unsigned version;
    int marginTemperature;
} Margin;

NVML int nvmlDeviceGetMarginTemperature(const Device *device, Margin *margin)
{
    BEGIN_ON_GPU(device);
    if (margin->version != MARGIN_V1)
        return ARGUMENT_VERSION_MISMATCH;
    if (!is_hopper_or_newer())
        return NOT_SUPPORTED;
    margin->marginTemperature = 87 - celsius(device);
    return SUCCESS;
}

NVML int nvmlDeviceGetTemperatureThreshold(const Device *device, unsigned kind, unsigned *celsius_)
{
    static const unsigned THRESHOLDS[] = {92, 89, 95, 85};
    BEGIN_ON_GPU(device);
    if (is_hopper_or_newer() || kind >= sizeof THRESHOLDS / sizeof *THRESHOLDS)
        return NOT_SUPPORTED;
    *celsius_ = THRESHOLDS[kind];
    return SUCCESS;
}

NVML int nvmlDeviceGetFanSpeed(const Device *device, unsigned *percent)
{
    BEGIN_ON_GPU(device);
    (void)percent;
    return NOT_SUPPORTED;
}

/* Clocks. */

static int clock_mhz(unsigned clock, unsigned *mhz)
{
    switch (clock) {
    case CLOCK_GRAPHICS:
    case CLOCK_SM: *mhz = model->sm_mhz; return SUCCESS;
    case CLOCK_MEMORY: *mhz = model->memory_mhz; return SUCCESS;
    case CLOCK_VIDEO: *mhz = 1545; return SUCCESS;
    default: return INVALID_ARGUMENT;
    }
}

NVML int nvmlDeviceGetClockInfo(const Device *device, unsigned clock, unsigned *mhz)
{
    BEGIN_ON_GPU(device);
    return clock_mhz(clock, mhz);
}

NVML int nvmlDeviceGetMaxClockInfo(const Device *device, unsigned clock, unsigned *mhz)
{
    BEGIN_ON_GPU(device);
    return clock_mhz(clock, mhz);
}

/* Errors. */

NVML int nvmlDeviceGetEccMode(const Device *device, unsigned *current, unsigned *pending)
{
    BEGIN_ON_GPU(device);
    *current = *pending = 1;
    return SUCCESS;
}

NVML int nvmlDeviceGetTotalEccErrors(const Device *device, unsigned type, unsigned lifetime,
                                     unsigned long long *count)
{
    BEGIN_ON(device);
    if (type > 1 || lifetime > 1)
        return INVALID_ARGUMENT;
    *count = faults_of(device)->ecc[type][lifetime];
    return SUCCESS;
}

/* All of them are in device memory. */
NVML int nvmlDeviceGetMemoryErrorCounter(const Device *device, unsigned type, unsigned lifetime,
                                         unsigned location, unsigned long long *count)
{
    BEGIN_ON(device);
    if (type > 1 || lifetime > 1 || location > 7)
        return INVALID_ARGUMENT;
    *count = location == 2 ? faults_of(device)->ecc[type][lifetime] : 0;
    return SUCCESS;
}

NVML int nvmlDeviceGetRemappedRows(const Device *device, unsigned *corrected, unsigned *uncorrected,
                                   unsigned *pending, unsigned *failed)
{
    BEGIN_ON_GPU(device);
    const unsigned *remap = faults_of(device)->remap;
    *corrected = remap[0];
    *uncorrected = remap[1];
    *pending = remap[2];
    *failed = remap[3];
    return SUCCESS;
}

/* PCI Express. */

static unsigned generation(void)
{
    return is_hopper_or_newer() ? 5 : 4;
}

NVML int nvmlDeviceGetCurrPcieLinkGeneration(const Device *device, unsigned *value)
{
    BEGIN_ON_GPU(device);
    *value = generation();
    return SUCCESS;
}

NVML int nvmlDeviceGetMaxPcieLinkGeneration(const Device *device, unsigned *value)
{
    BEGIN_ON_GPU(device);
    *value = generation();
    return SUCCESS;
}

NVML int nvmlDeviceGetCurrPcieLinkWidth(const Device *device, unsigned *value)
{
    BEGIN_ON_GPU(device);
    *value = 16;
    return SUCCESS;
}

NVML int nvmlDeviceGetMaxPcieLinkWidth(const Device *device, unsigned *value)
{
    BEGIN_ON_GPU(device);
    *value = 16;
    return SUCCESS;
}

NVML int nvmlDeviceGetPcieReplayCounter(const Device *device, unsigned *value)
{
    BEGIN_ON_GPU(device);
    *value = 2 + device->index;
    return SUCCESS;
}

/* It measures for 20 ms, as the real one does, and the caller waits. */
NVML int nvmlDeviceGetPcieThroughput(const Device *device, unsigned direction, unsigned *kib)
{
    BEGIN_ON_GPU(device);
    if (direction > 1)
        return INVALID_ARGUMENT;
    pause_ms(20);
    *kib = (unsigned)lround((direction == 0 ? 2 : 4) * MIB * load_at(device, now_seconds()));
    return SUCCESS;
}

/* NVLink. */

NVML int nvmlDeviceGetNvLinkState(const Device *device, unsigned link, unsigned *is_active)
{
    BEGIN_ON_GPU(device);
    if (link >= model->links)
        return INVALID_ARGUMENT;
    *is_active = 1;
    return SUCCESS;
}

NVML int nvmlDeviceGetNvLinkVersion(const Device *device, unsigned link, unsigned *version)
{
    BEGIN_ON_GPU(device);
    if (link >= model->links)
        return INVALID_ARGUMENT;
    *version = model->architecture == ARCHITECTURE_AMPERE   ? 4
               : model->architecture == ARCHITECTURE_HOPPER ? 6
                                                            : 7;
    return SUCCESS;
}

/* All errors are on the first link. */
NVML int nvmlDeviceGetNvLinkErrorCounter(const Device *device, unsigned link, unsigned kind,
                                         unsigned long long *count)
{
    BEGIN_ON_GPU(device);
    if (link >= model->links || kind > 4)
        return INVALID_ARGUMENT;
    *count = link == 0 && kind < 4 ? 10 * (kind + 1) + device->index : 0;
    return SUCCESS;
}
