/*
 * The least a sampler can do that calls the driver for each reading: 29 metrics of each GPU once a
 * second by 23 calls, kept nowhere, shown to nobody. What an agent is measured against.
 *
 *   cc -O2 -o floor floor.c libnvidia-ml.so.1
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>

typedef struct Device Device;

typedef struct {
    unsigned gpu, memory;
} Utilization;

typedef struct {
    unsigned version;
    unsigned long long total, reserved, free, used;
} Memory;

typedef struct {
    unsigned id, scope;
    long long time, latency;
    unsigned type;
    int code;
    unsigned long long value;
} Field;

int nvmlInit_v2(void);
int nvmlDeviceGetCount_v2(unsigned *);
int nvmlDeviceGetHandleByIndex_v2(unsigned, Device **);
int nvmlDeviceGetPowerUsage(Device *, unsigned *);
int nvmlDeviceGetTotalEnergyConsumption(Device *, unsigned long long *);
int nvmlDeviceGetEnforcedPowerLimit(Device *, unsigned *);
int nvmlDeviceGetUtilizationRates(Device *, Utilization *);
int nvmlDeviceGetMemoryInfo_v2(Device *, Memory *);
int nvmlDeviceGetTemperature(Device *, unsigned, unsigned *);
int nvmlDeviceGetClockInfo(Device *, unsigned, unsigned *);
int nvmlDeviceGetPerformanceState(Device *, unsigned *);
int nvmlDeviceGetCurrentClocksEventReasons(Device *, unsigned long long *);
int nvmlDeviceGetEncoderUtilization(Device *, unsigned *, unsigned *);
int nvmlDeviceGetDecoderUtilization(Device *, unsigned *, unsigned *);
int nvmlDeviceGetCurrPcieLinkGeneration(Device *, unsigned *);
int nvmlDeviceGetCurrPcieLinkWidth(Device *, unsigned *);
int nvmlDeviceGetPcieReplayCounter(Device *, unsigned *);
int nvmlDeviceGetTotalEccErrors(Device *, unsigned, unsigned, unsigned long long *);
int nvmlDeviceGetRemappedRows(Device *, unsigned *, unsigned *, unsigned *, unsigned *);
int nvmlDeviceGetFieldValues(Device *, int, Field *);

enum { MOST = 16 };

static void read_device(Device *device)
{
    static const unsigned FIELDS[] = {82, 74, 269, 270, 271};
    unsigned number, rest[4];
    unsigned long long big;
    Utilization utilization;
    Memory memory = {.version = 0x02000028u};
    nvmlDeviceGetPowerUsage(device, &number);
    nvmlDeviceGetTotalEnergyConsumption(device, &big);
    nvmlDeviceGetEnforcedPowerLimit(device, &number);
    nvmlDeviceGetUtilizationRates(device, &utilization);
    nvmlDeviceGetMemoryInfo_v2(device, &memory);
    nvmlDeviceGetTemperature(device, 0, &number);
    nvmlDeviceGetClockInfo(device, 1, &number);
    nvmlDeviceGetClockInfo(device, 2, &number);
    nvmlDeviceGetPerformanceState(device, &number);
    nvmlDeviceGetCurrentClocksEventReasons(device, &big);
    nvmlDeviceGetEncoderUtilization(device, &number, rest);
    nvmlDeviceGetDecoderUtilization(device, &number, rest);
    nvmlDeviceGetCurrPcieLinkGeneration(device, &number);
    nvmlDeviceGetCurrPcieLinkWidth(device, &number);
    nvmlDeviceGetPcieReplayCounter(device, &number);
    nvmlDeviceGetTotalEccErrors(device, 0, 0, &big);
    nvmlDeviceGetTotalEccErrors(device, 1, 0, &big);
    nvmlDeviceGetRemappedRows(device, rest, rest + 1, rest + 2, rest + 3);
    for (unsigned i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        Field field = {.id = FIELDS[i]};
        nvmlDeviceGetFieldValues(device, 1, &field);
    }
}

int main(void)
{
    Device *devices[MOST];
    unsigned count = 0;
    if (nvmlInit_v2() != 0 || nvmlDeviceGetCount_v2(&count) != 0 || count > MOST) {
        fprintf(stderr, "floor: no driver\n");
        return 1;
    }
    for (unsigned i = 0; i < count; i++)
        nvmlDeviceGetHandleByIndex_v2(i, &devices[i]);
    struct timespec next;
    clock_gettime(CLOCK_REALTIME, &next);
    next.tv_nsec = 0;
    for (;;) {
        next.tv_sec++;
        clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &next, NULL);
        for (unsigned i = 0; i < count; i++)
            read_device(devices[i]);
    }
}
