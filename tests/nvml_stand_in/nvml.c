/*
 * A stand-in for NVIDIA's management library, for tests on machines without a GPU.
 *
 * It answers what a telemetry agent asks. Names, numbers and layouts are those that the public
 * Python binding (nvidia-ml-py) declares; a function that is not here is one that the binding
 * finds missing, as in an old driver. Every reading is a closed-form function of time and device,
 * so energy is the exact integral of power, and all processes see the same.
 *
 *   cc -fvisibility=hidden -shared -fPIC -o libnvidia-ml.so.1 *.c -lm
 *
 * Environment:
 *   NVML_STAND_IN_DEVICES   how many GPUs there are, at most 16 (2)
 *   NVML_STAND_IN_MODEL     h100 | h200 | a100 | gh200 | b200 (h100)
 *   NVML_STAND_IN_NODE      a number in its GPUs' UUIDs, so that those of several nodes differ (0)
 *   NVML_STAND_IN_MINORS    if set, the first GPU has the last minor number and so on
 *   NVML_STAND_IN_CONTROL   a file looked at by every call; replace it by renaming. What a driver
 *                           keeps is beside it in `.state`, shared by all processes, so that a
 *                           process started later sees the same counters.
 *   NVML_STAND_IN_COUNTERS  a file of calls counted, %p in it is the process: records of 56 bytes
 *                           of name and 8 of count, up to the first without a name. `fields` counts
 *                           the fields that nvmlDeviceGetFieldValues was asked for.
 *
 * Lines of the control file; what is not in it any more is over, except where it says once. What
 * begins with a line begins when some process looks, that is, makes a call.
 *   now SECONDS      the time stands still at this many seconds since 1970
 *   slow MS          every call takes this long
 *   cost US          every call burns this much of the processor
 *   fail WHAT CODE [N]   returns this code, on device N only if given. WHAT is a function; a field
 *                    by its number (186) or number and scope (186/0); a metric of GPM (gpm5)
 *   unloaded         the driver is gone; when it is back, it must be opened again, counters at 0
 *   mismatch         the driver was changed: every call returns 18 for good, in processes that had
 *                    loaded the library before this line came; others see nothing of it
 *   hang_init        opening the library does not return while this line is there
 *   uninitialized    the library forgets that it was opened, once
 *   gpu_scope        a module's GPU answers for power of its own scope too
 *   wrap             the PCIe byte counters (fields 197, 198) are kept in 32 bits
 *   lost N           device N has fallen off the bus: its calls return 15
 *   hang N           a call on device N returns only once this line is gone
 *   unplug N         device N is gone: not counted, later ones move up in index; on old handles 15
 *   reset N          device N's counters begin again, once
 *   frozen N         power, in all its readings, stands still; energy goes on
 *   load N LEVEL     device N works at this level (0-1) from now on instead of in waves; if the
 *                    line is there when the first process begins, it always did
 *   throttle N REASON    power_cap, sync_boost, sw_thermal, hw_thermal or power_brake: its bit is
 *                    set and its time counter runs
 *   mig N [PROFILE,...]  MIG is on, with these instances, such as 3g.40gb,2g.20gb
 *   processes N PID:MIB[:INSTANCE],...   compute processes, on the instance counted from 0 if given
 *   ecc N corrected|uncorrected volatile|aggregate COUNT
 *   remap N CORRECTED UNCORRECTED PENDING FAILED
 *   recovery N ACTION    what field 230 says (0)
 *   gpm_deny N       GPM samples of device N are refused (4)
 *   xid N CODE [SECONDS [INSTANCE]]   an XID at this time, or now; once per line, and a line that
 *                    was there before is the same XID. Who waits wakes when the file is replaced.
 *
 * Values. t is the time; d the device's index when nothing is unplugged; T0 when its counters
 * began: an hour before the first process, or the last reset.
 *   load L(t)        0.55 + 0.35 sin(2 pi t / 60 + d); of instance k, d + 0.1 (k + 1) for d
 *   W                its integral from T0 to now, in load seconds
 *   power            idle + (peak - idle) L; average: its mean over the last second. Idle, peak,
 *                    limit and least limit: see MODELS. Of a module (gh200) it is the whole
 *                    module's; with `gpu_scope` the GPU's is 0.8 of that. Memory (field 185, scope
 *                    2, Hopper and newer): 0.15 of the average
 *   energy           the integral of power since T0 (mJ)
 *   power rings      the power at each multiple of 20 ms, the last 120; others alike
 *   utilisation      100 L and 40 L, rounded
 *   temperature      30 + floor(40 L); memory 8 more; margin 87 less it (Hopper and newer)
 *   thresholds       T.Limit fields 193-196: -8, -2, 0, 0 (Hopper and newer); else 92, 89, 95, 85
 *   memory           10 + d GiB used, 0.5 reserved; instance k: 1 + k used, its size by the profile
 *   clocks           graphics and SM, memory, of the model, at most the same; performance state 0
 *   throttling       power cap: the first of every 20 seconds, in bits and in time; others by line
 *   PCIe             sent 2 GiB per load second, received 4; 2 + d replays; Gen5 (A100: 4) x16
 *   NVLink           sent 64 GiB per load second, received 60, shared evenly by the links;
 *                    10 + d replays, 20 + d recoveries, 30 + d flits and 40 + d data with bad CRC
 *   C2C (gh200)      data sent 32 GiB per load second, received 48; in total 9/8 of it; evenly
 *   GPM              graphics 1.0 L, SM 1.0, occupancy 0.5, integer 0.2, tensor 0.6 (of it DFMA 0,
 *                    HMMA 0.55, DMMA 0.02, IMMA 0.03), DRAM 0.4, FP64 0.05, FP32 0.3, FP16 0.25:
 *                    mean of L between the samples; rates in MiB/s; cycles: SM clock times seconds
 *                    since T0, or times load seconds and the same shares
 *   processes        each uses an equal part of utilisation, in samples at each full second
 */
#include "stand_in.h"

#include <stdio.h>
#include <string.h>

static const Model MODELS[] = {
    {"h100", "NVIDIA H100 80GB HBM3", ARCHITECTURE_HOPPER, true, false, 70, 680, 700, 200, 1980,
     2619, 132, 18, 0, 80 * GIB},
    {"h200", "NVIDIA H200", ARCHITECTURE_HOPPER, true, false, 75, 690, 700, 200, 1980, 3201, 132,
     18, 0, 141 * GIB},
    /* GA100 has no averaged power, and nothing before Hopper has GPM. */
    {"a100", "NVIDIA A100-SXM4-80GB", ARCHITECTURE_AMPERE, false, false, 60, 390, 400, 100, 1410,
     1593, 108, 12, 0, 80 * GIB},
    /* Its power and energy are those of the whole module: GPU, processor and memory. */
    {"gh200", "NVIDIA GH200 480GB", ARCHITECTURE_HOPPER, true, true, 160, 870, 900, 200, 1980, 2619,
     132, 18, 10, 96 * GIB},
    {"b200", "NVIDIA B200", ARCHITECTURE_BLACKWELL, true, false, 140, 980, 1000, 400, 1965, 3996,
     148, 18, 0, 180 * GIB},
};

const Model *model = &MODELS[0];
unsigned device_count = 2;
static unsigned node;
static bool minors_reversed;
static Device devices[MOST_DEVICES], instances[MOST_DEVICES][MOST_INSTANCES];

__attribute__((constructor)) static void choose_model(void)
{
    const char *count = getenv("NVML_STAND_IN_DEVICES"), *word = getenv("NVML_STAND_IN_MODEL");
    const char *of_node = getenv("NVML_STAND_IN_NODE");
    if (count != NULL)
        device_count = (unsigned)atoi(count);
    minors_reversed = getenv("NVML_STAND_IN_MINORS") != NULL;
    if (of_node != NULL)
        node = (unsigned)atoi(of_node) & 0xffff;
    if (device_count > MOST_DEVICES)
        device_count = MOST_DEVICES;
    for (size_t i = 0; word != NULL && i < sizeof MODELS / sizeof *MODELS; i++)
        if (strcmp(word, MODELS[i].word) == 0)
            model = &MODELS[i];
    for (unsigned i = 0; i < MOST_DEVICES; i++)
        devices[i] = (Device){.index = i, .instance = -1};
}

/* An instance's handle dies with the instance. */
bool is_gpu(const Device *device)
{
    if (device >= devices && device < devices + device_count)
        return true;
    if (device < &instances[0][0] || device >= &instances[0][0] + MOST_DEVICES * MOST_INSTANCES ||
        device->slices == 0)
        return false;
    const Faults *faults = faults_of(device);
    unsigned instance = (unsigned)device->instance;
    return instance < faults->instances && faults->instance[instance].slices == device->slices &&
           faults->instance[instance].gib == device->gib;
}

const Device *gpu_at(unsigned index)
{
    return &devices[index];
}

/* The handle of an instance as it is now; NULL if there is none. */
Device *instance_of(unsigned index, unsigned instance)
{
    const Faults *faults = &control.device[index];
    if (instance >= faults->instances)
        return NULL;
    Device *device = &instances[index][instance];
    *device = (Device){index, (int)instance, faults->instance[instance].slices,
                       faults->instance[instance].gib};
    return device;
}

int copy_text(char *to, unsigned size, const char *text)
{
    if (strlen(text) >= size)
        return INSUFFICIENT_SIZE;
    strcpy(to, text);
    return SUCCESS;
}

/* The library itself. */

NVML int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    COUNT();
    RETURN_IF(begin(__func__, NULL, false));
    count_opening(1);
    return SUCCESS;
}

NVML int nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

NVML int nvmlShutdown(void)
{
    BEGIN();
    count_opening(-1);
    return SUCCESS;
}

NVML const char *nvmlErrorString(int code)
{
    switch (code) {
    case SUCCESS: return "The operation was successful";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case TIMEOUT: return "Timeout";
    case FUNCTION_NOT_FOUND: return "Function Not Found";
    case GPU_IS_LOST: return "GPU is lost";
    case RESET_REQUIRED: return "GPU requires reset";
    case LIB_RM_VERSION_MISMATCH: return "Driver/library version mismatch";
    case ARGUMENT_VERSION_MISMATCH: return "Argument Version Mismatch";
    case GPU_NOT_FOUND: return "No GPUs were found";
    default: return "Unknown Error";
    }
}

NVML int nvmlSystemGetDriverVersion(char *version, unsigned size)
{
    BEGIN();
    return copy_text(version, size, "580.65.06");
}

NVML int nvmlSystemGetNVMLVersion(char *version, unsigned size)
{
    BEGIN();
    return copy_text(version, size, "13.580.65.06");
}

NVML int nvmlSystemGetCudaDriverVersion(int *version)
{
    BEGIN();
    *version = 13000;
    return SUCCESS;
}

NVML int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    return nvmlSystemGetCudaDriverVersion(version);
}

/* Which devices there are. */

static Device *present(unsigned index)
{
    for (unsigned i = 0; i < device_count; i++)
        if (!control.device[i].unplugged && index-- == 0)
            return &devices[i];
    return NULL;
}

static unsigned index_now(const Device *device)
{
    unsigned index = device->index;
    for (unsigned i = 0; i < device->index; i++)
        index -= control.device[i].unplugged;
    return index;
}

/* Hand out the device if it answers. */
static int give(const char *function, Device *found, int otherwise, Device **device)
{
    RETURN_IF(begin(function, found, true));
    if (found == NULL)
        return otherwise;
    *device = found;
    return SUCCESS;
}

NVML int nvmlDeviceGetCount_v2(unsigned *count)
{
    BEGIN();
    for (*count = 0; present(*count) != NULL;)
        ++*count;
    return SUCCESS;
}

NVML int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device)
{
    COUNT();
    lock();
    look();
    Device *found = present(index);
    unlock();
    return give(__func__, found, INVALID_ARGUMENT, device);
}

typedef struct {
    char busIdLegacy[16];
    unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} PciInfo;

static PciInfo pci_of(const Device *device)
{
    PciInfo info = {.domain = device->index / 8, .bus = 0x1B + device->index % 8 * 0x10,
                    .pciDeviceId = 0x233010DE, .pciSubSystemId = 0x16C110DE};
    snprintf(info.busIdLegacy, sizeof info.busIdLegacy, "%04X:%02X:00.0", info.domain & 0xFFFF,
             info.bus & 0xFF);
    snprintf(info.busId, sizeof info.busId, "%08X:%02X:00.0", info.domain, info.bus & 0xFF);
    return info;
}

static void write_uuid(const Device *device, char *uuid)
{
    if (device->instance < 0)
        snprintf(uuid, 48, "GPU-57a4d14e-%04x-4000-8000-%012u", node, device->index);
    else
        snprintf(uuid, 48, "MIG-57a4d14e-%04x-4000-%04x-%012u",
                 (device->slices << 8 | device->gib) & 0xFFFF, (unsigned)device->instance & 0xFFFF,
                 device->index);
}

static void write_bus_id(const Device *device, char *text)
{
    snprintf(text, 48, "%s", pci_of(device).busId);
}

static void write_short_bus_id(const Device *device, char *text)
{
    snprintf(text, 48, "%s", pci_of(device).busIdLegacy);
}

static void write_serial(const Device *device, char *text)
{
    snprintf(text, 48, "16%011u", device->index);
}

/* The device of which `write` writes the text wanted. */
static Device *find(const char *wanted, void (*write)(const Device *, char *))
{
    char known[48];
    for (unsigned i = 0; i < device_count; i++) {
        if (control.device[i].unplugged)
            continue;
        write(&devices[i], known);
        if (strcmp(wanted, known) == 0)
            return &devices[i];
        for (unsigned k = 0; k < control.device[i].instances; k++) {
            Device *instance = instance_of(i, k);
            write(instance, known);
            if (strcmp(wanted, known) == 0)
                return instance;
        }
    }
    return NULL;
}

NVML int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device)
{
    COUNT();
    lock();
    look();
    Device *found = find(uuid, write_uuid);
    unlock();
    return give(__func__, found, NOT_FOUND, device);
}

NVML int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, Device **device)
{
    COUNT();
    lock();
    look();
    Device *found = find(bus_id, write_bus_id);
    found = found != NULL ? found : find(bus_id, write_short_bus_id);
    unlock();
    return give(__func__, found, NOT_FOUND, device);
}

NVML int nvmlDeviceGetHandleBySerial(const char *serial, Device **device)
{
    COUNT();
    lock();
    look();
    Device *found = find(serial, write_serial);
    unlock();
    return give(__func__, found, NOT_FOUND, device);
}

/* Who they are. */

NVML int nvmlDeviceGetUUID(const Device *device, char *uuid, unsigned size)
{
    char known[48];
    BEGIN_ON(device);
    write_uuid(device, known);
    return copy_text(uuid, size, known);
}

NVML int nvmlDeviceGetIndex(const Device *device, unsigned *index)
{
    BEGIN_ON(device);
    *index = device->instance < 0 ? index_now(device) : (unsigned)device->instance;
    return SUCCESS;
}

NVML int nvmlDeviceGetMinorNumber(const Device *device, unsigned *minor)
{
    BEGIN_ON_GPU(device);
    *minor = minors_reversed ? device_count - 1 - device->index : device->index;
    return SUCCESS;
}

NVML int nvmlDeviceGetModuleId(const Device *device, unsigned *id)
{
    BEGIN_ON_GPU(device);
    *id = device->index + 1;
    return SUCCESS;
}

NVML int nvmlDeviceGetName(const Device *device, char *name, unsigned size)
{
    char full[96];
    BEGIN_ON(device);
    if (device->instance < 0)
        return copy_text(name, size, model->name);
    snprintf(full, sizeof full, "%s MIG %ug.%ugb", model->name, device->slices, device->gib);
    return copy_text(name, size, full);
}

NVML int nvmlDeviceGetSerial(const Device *device, char *serial, unsigned size)
{
    char known[48];
    BEGIN_ON_GPU(device);
    write_serial(device, known);
    return copy_text(serial, size, known);
}

NVML int nvmlDeviceGetVbiosVersion(const Device *device, char *version, unsigned size)
{
    char known[32];
    BEGIN_ON_GPU(device);
    snprintf(known, sizeof known, "96.00.61.00.%02X", device->index + 1);
    return copy_text(version, size, known);
}

NVML int nvmlDeviceGetBrand(const Device *device, unsigned *brand)
{
    BEGIN_ON(device);
    *brand = 14; /* NVIDIA */
    return SUCCESS;
}

NVML int nvmlDeviceGetArchitecture(const Device *device, unsigned *architecture)
{
    BEGIN_ON(device);
    *architecture = model->architecture;
    return SUCCESS;
}

NVML int nvmlDeviceGetCudaComputeCapability(const Device *device, int *major, int *minor)
{
    BEGIN_ON(device);
    *major = model->architecture == ARCHITECTURE_AMPERE ? 8 : (int)model->architecture;
    *minor = 0;
    return SUCCESS;
}

NVML int nvmlDeviceGetPersistenceMode(const Device *device, unsigned *mode)
{
    BEGIN_ON_GPU(device);
    *mode = 1;
    return SUCCESS;
}

NVML int nvmlDeviceGetComputeMode(const Device *device, unsigned *mode)
{
    BEGIN_ON_GPU(device);
    *mode = 0;
    return SUCCESS;
}

NVML int nvmlDeviceGetPciInfo_v3(const Device *device, PciInfo *info)
{
    BEGIN_ON(device);
    *info = pci_of(device);
    return SUCCESS;
}
