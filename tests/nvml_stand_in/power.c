/* Power, energy, limits, rings of samples, and the fields that are asked for together. */
#include "stand_in.h"

#include <stdio.h>

static bool is_hopper_or_newer(void)
{
    return model->architecture >= ARCHITECTURE_HOPPER;
}

NVML int nvmlDeviceGetPowerUsage(const Device *device, unsigned *milliwatts)
{
    BEGIN_ON_GPU(device);
    *milliwatts = model->has_average_power ? average_milliwatts(device)
                                           : instant_milliwatts(device, now_seconds());
    return SUCCESS;
}

NVML int nvmlDeviceGetTotalEnergyConsumption(const Device *device, unsigned long long *energy)
{
    BEGIN_ON_GPU(device);
    *energy = millijoules(device);
    return SUCCESS;
}

NVML int nvmlDeviceGetEnforcedPowerLimit(const Device *device, unsigned *milliwatts)
{
    BEGIN_ON_GPU(device);
    *milliwatts = model->limit_watts * 1000;
    return SUCCESS;
}

NVML int nvmlDeviceGetPowerManagementLimit(const Device *device, unsigned *milliwatts)
{
    BEGIN_ON_GPU(device);
    *milliwatts = model->limit_watts * 1000;
    return SUCCESS;
}

NVML int nvmlDeviceGetPowerManagementDefaultLimit(const Device *device, unsigned *milliwatts)
{
    BEGIN_ON_GPU(device);
    *milliwatts = model->limit_watts * 1000;
    return SUCCESS;
}

NVML int nvmlDeviceGetPowerManagementLimitConstraints(const Device *device, unsigned *least,
                                                      unsigned *most)
{
    BEGIN_ON_GPU(device);
    *least = model->least_limit_watts * 1000;
    *most = model->limit_watts * 1000;
    return SUCCESS;
}

/* Rings. */

typedef union {
    double dVal;
    unsigned uiVal;
    int siVal;
    unsigned long long ullVal;
} Value;

typedef struct {
    unsigned long long timeStamp;
    Value sampleValue;
} Sample;

enum { RING = 120, RING_STEP_US = 20000 };
enum { TOTAL_POWER, GPU_UTIL, MEMORY_UTIL, ENCODER_UTIL, DECODER_UTIL, SM_CLOCK, MEMORY_CLOCK,
       MODULE_POWER };

static bool has_ring(const Device *device, int kind)
{
    switch (kind) {
    case TOTAL_POWER:
    case SM_CLOCK:
    case MEMORY_CLOCK:
        return true;
    case MODULE_POWER:
        return model->is_module;
    case GPU_UTIL:
    case MEMORY_UTIL:
    case ENCODER_UTIL:
    case DECODER_UTIL:
        return !faults_of(device)->mig;
    default:
        return false;
    }
}

static unsigned ring_value(const Device *device, int kind, double t)
{
    switch (kind) {
    case GPU_UTIL: return (unsigned)lround(100 * load_at(device, t));
    case MEMORY_UTIL: return (unsigned)lround(40 * load_at(device, t));
    case ENCODER_UTIL:
    case DECODER_UTIL: return 0;
    case SM_CLOCK: return model->sm_mhz;
    case MEMORY_CLOCK: return model->memory_mhz;
    default: return instant_milliwatts(device, t);
    }
}

/* Without a buffer it says how long the ring is; the oldest come first, as many as fit. */
NVML int nvmlDeviceGetSamples(const Device *device, int kind, unsigned long long last_seen,
                              unsigned *type, unsigned *count, Sample *samples)
{
    BEGIN_ON_GPU(device);
    if (!has_ring(device, kind))
        return NOT_SUPPORTED;
    unsigned long long newest =
        (unsigned long long)(now_seconds() * 1e6 + 0.5) / RING_STEP_US * RING_STEP_US;
    unsigned long long after = newest - (unsigned long long)RING * RING_STEP_US;
    if (last_seen > after)
        after = last_seen / RING_STEP_US * RING_STEP_US;
    if (last_seen >= newest)
        return NOT_FOUND;
    *type = TYPE_UINT;
    if (samples == NULL) {
        *count = RING;
        return SUCCESS;
    }
    unsigned given = 0;
    for (unsigned long long at = after + RING_STEP_US; at <= newest && given < *count;
         at += RING_STEP_US)
        samples[given++] =
            (Sample){at, {.uiVal = ring_value(device, kind, (double)at / 1e6)}};
    *count = given;
    return SUCCESS;
}

/* Fields. */

typedef struct {
    unsigned fieldId, scopeId;
    long long timestamp, latencyUsec;
    unsigned valueType;
    int nvmlReturn;
    Value value;
} FieldValue;

static int answer_uint(FieldValue *field, unsigned value)
{
    field->valueType = TYPE_UINT;
    field->value.uiVal = value;
    return SUCCESS;
}

static int answer_ulong_long(FieldValue *field, unsigned long long value)
{
    field->valueType = TYPE_ULONG_LONG;
    field->value.ullVal = value;
    return SUCCESS;
}

static int answer_int(FieldValue *field, int value)
{
    if (!is_hopper_or_newer())
        return NOT_SUPPORTED;
    field->valueType = TYPE_INT;
    field->value.siVal = value;
    return SUCCESS;
}

static int answer_power(const Device *device, FieldValue *field)
{
    bool is_average = field->fieldId == 185;
    if (is_average && !model->has_average_power)
        return NOT_SUPPORTED;
    unsigned milliwatts =
        is_average ? average_milliwatts(device) : instant_milliwatts(device, now_seconds());
    switch (field->scopeId) {
    case SCOPE_GPU:
        if (model->is_module && !control.gpu_scope)
            return NOT_SUPPORTED;
        return answer_uint(field, model->is_module
                                      ? (unsigned)lround(0.8 * milliwatts)
                                      : milliwatts);
    case SCOPE_MODULE:
        return model->is_module ? answer_uint(field, milliwatts) : NOT_SUPPORTED;
    case SCOPE_MEMORY:
        return is_average && is_hopper_or_newer()
                   ? answer_uint(field, (unsigned)lround(0.15 * milliwatts))
                   : NOT_SUPPORTED;
    default:
        return INVALID_ARGUMENT;
    }
}

static int answer_pcie_bytes(const Device *device, FieldValue *field, unsigned gib)
{
    if (!is_hopper_or_newer())
        return NOT_SUPPORTED;
    unsigned long long bytes = (unsigned long long)(gib * (double)GIB * counted_load(device));
    return answer_ulong_long(field, control.wrap ? bytes & 0xFFFFFFFFull : bytes);
}

/* Of one link, or of all if the scope says so. */
static int answer_nvlink(const Device *device, FieldValue *field, double unit, unsigned gib)
{
    if (field->scopeId != ALL_LINKS && field->scopeId >= model->links)
        return INVALID_ARGUMENT;
    double part = field->scopeId == ALL_LINKS ? 1 : 1.0 / model->links;
    return answer_ulong_long(
        field, (unsigned long long)(part * gib * (double)GIB / unit * counted_load(device)));
}

static int answer_limit(FieldValue *field, unsigned watts)
{
    bool is_known = field->scopeId == SCOPE_GPU ||
                    (field->scopeId == SCOPE_MODULE && model->is_module);
    return is_known ? answer_uint(field, watts * 1000) : NOT_SUPPORTED;
}

static int planted_on_field(const Device *device, const FieldValue *field)
{
    char name[32];
    if (control.failures == 0)
        return SUCCESS;
    snprintf(name, sizeof name, "%u", field->fieldId);
    RETURN_IF(planted(name, device));
    snprintf(name, sizeof name, "%u/%u", field->fieldId, field->scopeId);
    return planted(name, device);
}

static int answer_field(const Device *device, FieldValue *field)
{
    const Faults *faults = faults_of(device);
    RETURN_IF(planted_on_field(device, field));
    if (field->fieldId >= 3 && field->fieldId <= 6) { /* ECC: single and double, volatile first */
        unsigned place = field->fieldId - 3;
        return answer_ulong_long(field, faults->ecc[place % 2][place / 2]);
    }
    if (device->instance >= 0)
        return NOT_SUPPORTED;
    switch (field->fieldId) {
    case 38: return answer_ulong_long(field, 30 + device->index); /* NVLink flits with bad CRC */
    case 45: return answer_ulong_long(field, 40 + device->index); /* NVLink data with bad CRC */
    case 52: return answer_ulong_long(field, 10 + device->index); /* NVLink replays */
    case 59: return answer_ulong_long(field, 20 + device->index); /* NVLink recoveries */
    /* Nanoseconds held back: by the power cap, by the slowest of the group, by heat as the driver
       and as the board see it, by the power brake; the others never. */
    case 74: return answer_ulong_long(field, throttled_nanoseconds(device, POWER_CAP));
    case 76: return answer_ulong_long(field, throttled_nanoseconds(device, SYNC_BOOST));
    case 75: case 77: case 78: case 79: case 80: case 81: return answer_ulong_long(field, 0);
    case 269: return answer_ulong_long(field, throttled_nanoseconds(device, SW_THERMAL));
    case 270: return answer_ulong_long(field, throttled_nanoseconds(device, HW_THERMAL));
    case 271: return answer_ulong_long(field, throttled_nanoseconds(device, POWER_BRAKE));
    case 82: return answer_uint(field, (unsigned)celsius(device) + 8); /* memory */
    case 83: case 191: return answer_ulong_long(field, millijoules(device));
    case 91: return answer_uint(field, model->links);
    case 94: return answer_uint(field, 2 + device->index); /* PCIe replays */
    case 95: return answer_uint(field, 0);
    case 138: return answer_nvlink(device, field, 1024, 64); /* KiB sent */
    case 139: return answer_nvlink(device, field, 1024, 60); /* KiB received */
    case 202: case 204: /* bytes of the fifth NVLink */
        if (model->architecture < ARCHITECTURE_BLACKWELL)
            return NOT_SUPPORTED;
        return answer_nvlink(device, field, 1, field->fieldId == 202 ? 64 : 60);
    case 142: case 143: case 144: case 145:
        return answer_uint(field, faults->remap[field->fieldId - 142]);
    case 170: return model->c2c_links ? answer_uint(field, model->c2c_links) : NOT_SUPPORTED;
    case 173: case 174: case 175: case 176: case 177: case 178: case 179: case 180: case 181:
    case 182: case 183: return answer_uint(field, 0); /* PCIe errors */
    case 185: case 186: return answer_power(device, field);
    case 187: return answer_limit(field, model->least_limit_watts);
    case 188: case 189: case 190: case 192: return answer_limit(field, model->limit_watts);
    case 193: return answer_int(field, -8); /* T.Limit at which it shuts down */
    case 194: return answer_int(field, -2); /* slows down */
    case 195: case 196: return answer_int(field, 0); /* memory and chip at their most */
    case 197: return answer_pcie_bytes(device, field, 2);
    case 198: return answer_pcie_bytes(device, field, 4);
    case 230: return answer_uint(field, faults->recovery);
    default: return NOT_SUPPORTED;
    }
}

NVML int nvmlDeviceGetFieldValues(const Device *device, int count, FieldValue *fields)
{
    static uint64_t *asked;
    BEGIN_ON(device);
    if (count < 1 || fields == NULL)
        return INVALID_ARGUMENT;
    if (asked == NULL)
        asked = counter_named("fields");
    *asked += (uint64_t)count;
    long long at = llround(now_seconds() * 1e6);
    long long latency = 1000LL * control.slow_ms + control.cost_us;
    for (int i = 0; i < count; i++) {
        fields[i].timestamp = at;
        fields[i].latencyUsec = latency > 0 ? latency : 1;
        fields[i].nvmlReturn = answer_field(device, &fields[i]);
    }
    return SUCCESS;
}

/* Only root may. */
NVML int nvmlDeviceClearFieldValues(const Device *device, int count, FieldValue *fields)
{
    BEGIN_ON_GPU(device);
    for (int i = 0; i < count; i++)
        fields[i].nvmlReturn = NO_PERMISSION;
    return SUCCESS;
}
