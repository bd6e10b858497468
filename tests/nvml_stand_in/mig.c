/* MIG: a GPU cut into instances. They have memory and activity of their own, and no power. */
#include "stand_in.h"

#include <stdio.h>

enum { CORES_PER_SLICE = 16, PROFILES = 5 };

NVML int nvmlDeviceGetMigMode(const Device *device, unsigned *current, unsigned *pending)
{
    BEGIN_ON_GPU(device);
    *current = *pending = faults_of(device)->mig;
    return SUCCESS;
}

NVML int nvmlDeviceGetMaxMigDeviceCount(const Device *device, unsigned *count)
{
    BEGIN_ON_GPU(device);
    *count = MOST_INSTANCES;
    return SUCCESS;
}

NVML int nvmlDeviceIsMigDeviceHandle(const Device *device, unsigned *is_instance)
{
    BEGIN_ON(device);
    *is_instance = device->instance >= 0;
    return SUCCESS;
}

NVML int nvmlDeviceGetMigDeviceHandleByIndex(const Device *device, unsigned index, Device **found)
{
    BEGIN_ON_GPU(device);
    *found = instance_of(device->index, index);
    return *found == NULL ? NOT_FOUND : SUCCESS;
}

NVML int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(const Device *instance, const Device **device)
{
    BEGIN_ON(instance);
    if (instance->instance < 0)
        return INVALID_ARGUMENT;
    *device = gpu_at(instance->index);
    return SUCCESS;
}

NVML int nvmlDeviceGetGpuInstanceId(const Device *instance, unsigned *id)
{
    BEGIN_ON(instance);
    if (instance->instance < 0)
        return NOT_SUPPORTED;
    *id = (unsigned)instance->instance + 1;
    return SUCCESS;
}

NVML int nvmlDeviceGetComputeInstanceId(const Device *instance, unsigned *id)
{
    BEGIN_ON(instance);
    if (instance->instance < 0)
        return NOT_SUPPORTED;
    *id = 0;
    return SUCCESS;
}

typedef struct {
    unsigned multiprocessorCount, sharedCopyEngineCount, sharedDecoderCount, sharedEncoderCount,
        sharedJpegCount, sharedOfaCount, gpuInstanceSliceCount, computeInstanceSliceCount;
    unsigned long long memorySizeMB;
} Attributes;

NVML int nvmlDeviceGetAttributes_v2(const Device *instance, Attributes *attributes)
{
    BEGIN_ON(instance);
    if (instance->instance < 0)
        return NOT_SUPPORTED;
    *attributes = (Attributes){
        .multiprocessorCount = instance->slices * CORES_PER_SLICE,
        .sharedCopyEngineCount = instance->slices,
        .gpuInstanceSliceCount = instance->slices,
        .computeInstanceSliceCount = instance->slices,
        .memorySizeMB = instance->gib * 1024ull,
    };
    return SUCCESS;
}

typedef struct {
    unsigned version, id, isP2pSupported, sliceCount, instanceCount, multiprocessorCount,
        copyEngineCount, decoderCount, encoderCount, jpegCount, ofaCount;
    unsigned long long memorySizeMB;
    char name[96];
} ProfileInfo;

NVML int nvmlDeviceGetGpuInstanceProfileInfoV(const Device *device, unsigned profile,
                                              ProfileInfo *info)
{
    /* Slices, and which part of memory comes with them. */
    static const unsigned SLICES[PROFILES] = {1, 2, 3, 4, 7}, PARTS[PROFILES] = {8, 4, 2, 2, 1};
    static const unsigned IDS[PROFILES] = {19, 14, 9, 5, 0}, MOST[PROFILES] = {7, 3, 2, 1, 1};
    BEGIN_ON_GPU(device);
    if (profile >= PROFILES)
        return NOT_SUPPORTED;
    unsigned gib = (unsigned)(model->memory_bytes / GIB / PARTS[profile]);
    unsigned version = info->version;
    *info = (ProfileInfo){
        .version = version,
        .id = IDS[profile],
        .sliceCount = SLICES[profile],
        .instanceCount = MOST[profile],
        .multiprocessorCount = SLICES[profile] * CORES_PER_SLICE,
        .copyEngineCount = SLICES[profile],
        .memorySizeMB = gib * 1024ull,
    };
    snprintf(info->name, sizeof info->name, "MIG %ug.%ugb", SLICES[profile], gib);
    return SUCCESS;
}

/* A GPU instance is known by the handle of its only compute instance. */
NVML int nvmlDeviceGetGpuInstanceById(const Device *device, unsigned id, Device **instance)
{
    BEGIN_ON_GPU(device);
    *instance = id == 0 ? NULL : instance_of(device->index, id - 1);
    return *instance == NULL ? NOT_FOUND : SUCCESS;
}

typedef struct {
    const Device *device;
    unsigned id, profileId;
    struct {
        unsigned start, size;
    } placement;
} InstanceInfo;

NVML int nvmlGpuInstanceGetInfo(const Device *instance, InstanceInfo *info)
{
    BEGIN_ON(instance);
    unsigned start = 0;
    for (int i = 0; i < instance->instance; i++)
        start += faults_of(instance)->instance[i].slices;
    *info = (InstanceInfo){
        .device = gpu_at(instance->index),
        .id = (unsigned)instance->instance + 1,
        .placement = {start, instance->slices},
    };
    return SUCCESS;
}
