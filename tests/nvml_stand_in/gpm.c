/* GPM: the share of time that parts of the chip worked, between two samples. Hopper and newer. */
#include "stand_in.h"

#include <stdio.h>

typedef struct {
    const Device *device;
    double taken;
} Sample;

typedef struct {
    unsigned version, isSupportedDevice;
} GpmSupport;

typedef struct {
    unsigned metricId;
    int nvmlReturn;
    double value;
    const char *shortName, *longName, *unit;
} GpmMetric;

typedef struct {
    unsigned version, numMetrics;
    Sample *sample1, *sample2;
    GpmMetric metrics[];
} GpmMetrics;

static bool has_gpm(void)
{
    return model->architecture >= ARCHITECTURE_HOPPER;
}

NVML int nvmlGpmQueryDeviceSupport(const Device *device, GpmSupport *support)
{
    BEGIN_ON(device);
    if (support->version != 1)
        return ARGUMENT_VERSION_MISMATCH;
    support->isSupportedDevice = has_gpm();
    return SUCCESS;
}

NVML int nvmlGpmSampleAlloc(Sample **sample)
{
    BEGIN();
    *sample = calloc(1, sizeof **sample);
    return SUCCESS;
}

NVML int nvmlGpmSampleFree(Sample *sample)
{
    BEGIN();
    free(sample);
    return SUCCESS;
}

static int take(const Device *device, Sample *sample)
{
    if (!has_gpm())
        return NOT_SUPPORTED;
    if (faults_of(device)->gpm_deny)
        return NO_PERMISSION;
    *sample = (Sample){device, now_seconds()};
    return SUCCESS;
}

NVML int nvmlGpmSampleGet(const Device *device, Sample *sample)
{
    BEGIN_ON(device);
    return take(device, sample);
}

/* Instances are numbered from 1 here, as the handles' GPU instance ids are. */
NVML int nvmlGpmMigSampleGet(const Device *device, unsigned gpu_instance, Sample *sample)
{
    BEGIN_ON_GPU(device);
    const Device *instance =
        gpu_instance == 0 ? NULL : instance_of(device->index, gpu_instance - 1);
    return instance == NULL ? INVALID_ARGUMENT : take(instance, sample);
}

/* The share of each metric in the load, metrics 1 to 13. */
static const double SHARES[] = {NAN,  1.0,  1.0, 0.5,  0.2, 0.6, 0,
                                0.55, 0.02, 0.03, 0.4, 0.05, 0.3, 0.25};

enum { FIRST_SHARE = 1, LAST_SHARE = 13 };

/* MiB a second at full load, by direction. */
static const double NVLINK_RX_MIB = 60 * 1024, NVLINK_TX_MIB = 64 * 1024;

/* Counters since T0 as metrics: which share of the load they count in cycles. */
static double cycle_share(unsigned id)
{
    switch (id) {
    case 249: return SHARES[2];
    case 250: return SHARES[5];
    case 251: return SHARES[8];
    case 252: return SHARES[7];
    case 253: return SHARES[9];
    case 254: return SHARES[6];
    case 257: return SHARES[4];
    case 258: return SHARES[11];
    case 259: return SHARES[12];
    case 260: return SHARES[13];
    default: return NAN;
    }
}

/* Data sent and received, and in total, over all C2C links or one; MiB a second at full load. */
static double c2c_mib(unsigned id)
{
    unsigned link = (id - 100) / 4, which = (id - 100) % 4; /* link 0 stands for all */
    if (model->c2c_links == 0 || link > model->c2c_links)
        return NAN;
    double data = which % 2 == 0 ? 32 * 1024 : 48 * 1024;
    return data * (which < 2 ? 1.125 : 1) / (link == 0 ? 1 : model->c2c_links);
}

/* The value per unit of load between the samples; NAN if it is no such metric. */
static double per_load(unsigned id)
{
    if (id >= FIRST_SHARE && id <= LAST_SHARE)
        return 100 * SHARES[id];
    if (id == 20 || id == 21)
        return id == 20 ? 2 * 1024 : 4 * 1024;
    if ((id >= 30 && id <= 36) || (id >= 40 && id <= 46) || id == 50)
        return 0; /* decoders and the like stand idle */
    if (id >= 60 && id < 62 + 2 * model->links)
        return (id % 2 == 0 ? NVLINK_RX_MIB : NVLINK_TX_MIB) / (id < 62 ? 1 : model->links);
    if (id >= 100 && id <= 159)
        return c2c_mib(id);
    return NAN;
}

/* The value of a counter at the newer sample; NAN if it is no counter. */
static double counted(const Sample *at, unsigned id)
{
    double since = driver->device[at->device->index].counting_since;
    double worked = load_seconds(at->device, since, at->taken), hertz = model->sm_mhz * 1e6;
    if (id == 248)
        return hertz * (at->taken - since);
    if (id == 255 || id == 256)
        return (id == 255 ? 2 : 4) * (double)GIB * worked;
    if (id >= 261 && id < 261 + 2 * model->links)
        return (id % 2 == 1 ? NVLINK_RX_MIB : NVLINK_TX_MIB) * (double)MIB / model->links * worked;
    return hertz * cycle_share(id) * worked;
}

static int planted_on_metric(const Device *device, unsigned id)
{
    char name[16];
    if (control.failures == 0)
        return SUCCESS;
    snprintf(name, sizeof name, "gpm%u", id);
    return planted(name, device);
}

static int answer(const Sample *from, const Sample *to, GpmMetric *metric)
{
    RETURN_IF(planted_on_metric(to->device, metric->metricId));
    double seconds = to->taken - from->taken, value = per_load(metric->metricId);
    if (!isnan(value))
        value *= load_seconds(from->device, from->taken, to->taken) / seconds;
    else
        value = counted(to, metric->metricId);
    if (isnan(value))
        return NOT_SUPPORTED;
    metric->value = value;
    return SUCCESS;
}

NVML int nvmlGpmMetricsGet(GpmMetrics *wanted)
{
    BEGIN();
    const Sample *from = wanted->sample1, *to = wanted->sample2;
    if (wanted->version != 1)
        return ARGUMENT_VERSION_MISMATCH;
    if (from == NULL || to == NULL || from->device == NULL || from->device != to->device ||
        from->taken >= to->taken)
        return INVALID_ARGUMENT;
    for (unsigned i = 0; i < wanted->numMetrics; i++) {
        wanted->metrics[i].value = 0;
        wanted->metrics[i].nvmlReturn = answer(from, to, &wanted->metrics[i]);
    }
    return SUCCESS;
}
