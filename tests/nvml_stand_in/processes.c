/* Processes. On an instance's handle, those of the instance. */
#include "stand_in.h"

typedef struct {
    unsigned pid;
    unsigned long long usedGpuMemory;
    unsigned gpuInstanceId, computeInstanceId;
} ProcessInfo;

static bool is_on(const Device *device, const Process *process)
{
    return device->instance < 0 || process->instance == (unsigned)device->instance;
}

static int list_none(unsigned *count)
{
    *count = 0;
    return SUCCESS;
}

NVML int nvmlDeviceGetComputeRunningProcesses_v3(const Device *device, unsigned *count,
                                                 ProcessInfo *list)
{
    BEGIN_ON(device);
    const Faults *faults = faults_of(device);
    unsigned room = list == NULL ? 0 : *count, found = 0;
    for (unsigned i = 0; i < faults->processes; i++) {
        const Process *process = &faults->process[i];
        if (!is_on(device, process))
            continue;
        if (found < room) {
            bool on_instance = process->instance != NO_INSTANCE;
            list[found] = (ProcessInfo){process->pid, process->mib * MIB,
                                        on_instance ? process->instance + 1 : NO_INSTANCE,
                                        on_instance ? 0 : NO_INSTANCE};
        }
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

NVML int nvmlDeviceGetGraphicsRunningProcesses_v3(const Device *device, unsigned *count,
                                                  ProcessInfo *list)
{
    BEGIN_ON(device);
    (void)list;
    return list_none(count);
}

NVML int nvmlDeviceGetMPSComputeRunningProcesses_v3(const Device *device, unsigned *count,
                                                    ProcessInfo *list)
{
    BEGIN_ON(device);
    (void)list;
    return list_none(count);
}

typedef struct {
    unsigned pid;
    unsigned long long timeStamp;
    unsigned smUtil, memUtil, encUtil, decUtil;
} UtilizationSample;

NVML int nvmlDeviceGetProcessUtilization(const Device *device, UtilizationSample *samples,
                                         unsigned *count, unsigned long long last_seen)
{
    BEGIN_ON_GPU(device);
    const Faults *faults = faults_of(device);
    if (faults->mig)
        return NOT_SUPPORTED;
    double at = floor(now_seconds());
    unsigned long long at_us = (unsigned long long)(at * 1e6);
    if (faults->processes == 0 || last_seen >= at_us)
        return NOT_FOUND;
    unsigned room = samples == NULL ? 0 : *count;
    *count = faults->processes;
    if (room < faults->processes)
        return INSUFFICIENT_SIZE;
    double load = load_at(device, at) / faults->processes;
    for (unsigned i = 0; i < faults->processes; i++)
        samples[i] = (UtilizationSample){
            .pid = faults->process[i].pid,
            .timeStamp = at_us,
            .smUtil = (unsigned)lround(100 * load),
            .memUtil = (unsigned)lround(40 * load),
        };
    return SUCCESS;
}

/* Only root switches accounting on, and with MIG it cannot be. */
NVML int nvmlDeviceGetAccountingMode(const Device *device, unsigned *mode)
{
    BEGIN_ON(device);
    *mode = 0;
    return SUCCESS;
}
