/*
 * A stand-in for NVIDIA's management library, for tests on machines without a GPU.
 *
 * It answers what a telemetry agent asks. Names, numbers and layouts are those that the public
 * Python binding (nvidia-ml-py) declares; a function that is not here is one that the binding
 * finds missing, as in an old driver. Every reading is a closed-form function of time and device,
 * so energy is the exact integral of power, and all processes see the same power.
 *
 *   cc -shared -fPIC -o libnvidia-ml.so.1 nvml.c -lm
 *
 * Environment:
 *   NVML_STAND_IN_DEVICES   how many GPUs there are (2)
 *   NVML_STAND_IN_MODEL     h100 | a100 | gh200 (h100)
 *   NVML_STAND_IN_CONTROL   a file looked at by every call; replace it by renaming. Its lines:
 *     now SECONDS      the time stands still at this many seconds since 1970
 *     lost N           device N has fallen off the bus
 *     hang N           a call on device N returns only once this line is gone
 *     slow MS          every call takes this long
 *     fail WHAT CODE   a function, or a field by its number, returns this code
 *     unloaded         the driver is gone; when it is back, it must be opened again
 *     reset N          device N's counters begin again, once
 *     uninitialized    the library forgets that it was opened, once
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    FUNCTION_NOT_FOUND = 13,
    GPU_IS_LOST = 15,
    ARGUMENT_VERSION_MISMATCH = 25,
};

enum { MOST_DEVICES = 16, MOST_FAILURES = 16 };
enum { TYPE_UINT = 1, TYPE_ULONG_LONG = 3 };
enum { SCOPE_GPU = 0, SCOPE_MODULE = 1 };
enum { CLOCK_SM = 1, CLOCK_MEMORY = 2 };

#define MEMORY_V2 0x02000028u
#define TEMPERATURE_V1 0x0100000Cu
#define GIB (1024ull * 1024 * 1024)

typedef struct {
    const char *word, *name;
    unsigned architecture;
    bool has_gpm, has_average_power, is_module;
    double idle_watts, peak_watts;
    unsigned limit_watts, sm_mhz, memory_mhz;
    unsigned long long memory_bytes;
} Model;

static const Model MODELS[] = {
    {"h100", "NVIDIA H100 80GB HBM3", 9, true, true, false, 70, 680, 700, 1980, 2619, 80 * GIB},
    /* GA100 has no averaged power, and nothing before Hopper has GPM. */
    {"a100", "NVIDIA A100-SXM4-80GB", 7, false, false, false, 60, 390, 400, 1410, 1593, 80 * GIB},
    /* Its power and energy are those of the whole module: GPU, processor and memory. */
    {"gh200", "NVIDIA GH200 480GB", 9, true, true, true, 160, 870, 900, 1980, 2619, 96 * GIB},
};

typedef struct Device {
    int index;
    double counting_since;
} Device;

typedef struct {
    double now;
    int slow_ms;
    uint32_t lost, hanging;
    bool unloaded;
    int failures;
    struct {
        char what[48];
        int code;
    } fail[MOST_FAILURES];
} Control;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const Model *model = &MODELS[0];
static Device devices[MOST_DEVICES];
static unsigned device_count = 2;
static int openings;
static Control control = {.now = NAN};

/* Time, and what follows from it. */

static double now_seconds(void)
{
    if (!isnan(control.now))
        return control.now;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const double TURN_SECONDS = 60, MEAN_LOAD = 0.55, LOAD_SWING = 0.35;

static double load_at(const Device *device, double t)
{
    return MEAN_LOAD + LOAD_SWING * sin(2 * M_PI * t / TURN_SECONDS + device->index);
}

/* The integral of load_at from a to b. */
static double load_seconds(const Device *device, double a, double b)
{
    double turn = 2 * M_PI / TURN_SECONDS;
    double swing = cos(turn * a + device->index) - cos(turn * b + device->index);
    return MEAN_LOAD * (b - a) + LOAD_SWING / turn * swing;
}

static double watts_at(double load)
{
    return model->idle_watts + (model->peak_watts - model->idle_watts) * load;
}

static double joules(const Device *device, double a, double b)
{
    double dynamic = model->peak_watts - model->idle_watts;
    return model->idle_watts * (b - a) + dynamic * load_seconds(device, a, b);
}

static unsigned instant_milliwatts(const Device *device)
{
    return (unsigned)lround(1e3 * watts_at(load_at(device, now_seconds())));
}

static unsigned average_milliwatts(const Device *device)
{
    double now = now_seconds();
    return (unsigned)lround(1e3 * joules(device, now - 1, now));
}

static unsigned long long millijoules(const Device *device)
{
    return (unsigned long long)llround(1e3 * joules(device, device->counting_since, now_seconds()));
}

static int celsius(const Device *device)
{
    return 30 + (int)(40 * load_at(device, now_seconds()));
}

/* The power cap holds the clock back in the first of every twenty seconds. */
static const double CAP_EVERY_SECONDS = 20;

static bool is_capped(void)
{
    return fmod(now_seconds(), CAP_EVERY_SECONDS) < 1;
}

static double capped_seconds_until(double t)
{
    return floor(t / CAP_EVERY_SECONDS) + fmin(1, fmod(t, CAP_EVERY_SECONDS));
}

static unsigned long long capped_nanoseconds(const Device *device)
{
    double since = capped_seconds_until(device->counting_since);
    return (unsigned long long)llround(1e9 * (capped_seconds_until(now_seconds()) - since));
}

/* Faults. */

static void restart_counters(Device *device)
{
    device->counting_since = now_seconds();
}

static void control_line(const char *line, uint32_t *reset)
{
    char word[24] = "", what[48] = "";
    double number = 0;
    int code = 0;
    sscanf(line, "%23s %47s %d", word, what, &code);
    number = atof(what);
    uint32_t device = number >= 0 && number < MOST_DEVICES ? 1u << (int)number : 0;
    if (strcmp(word, "now") == 0)
        control.now = number;
    else if (strcmp(word, "lost") == 0)
        control.lost |= device;
    else if (strcmp(word, "hang") == 0)
        control.hanging |= device;
    else if (strcmp(word, "slow") == 0)
        control.slow_ms = (int)number;
    else if (strcmp(word, "unloaded") == 0)
        control.unloaded = true;
    else if (strcmp(word, "reset") == 0)
        *reset |= device;
    else if (strcmp(word, "uninitialized") == 0)
        openings = 0;
    else if (strcmp(word, "fail") == 0 && control.failures < MOST_FAILURES) {
        snprintf(control.fail[control.failures].what, sizeof what, "%s", what);
        control.fail[control.failures++].code = code;
    } else if (word[0] != '\0') {
        fprintf(stderr, "nvml stand-in: what does this mean: %s", line);
        abort(); /* a test that plants a fault nobody understands would prove nothing */
    }
}

static void read_control(void)
{
    static struct stat seen;
    const char *path = getenv("NVML_STAND_IN_CONTROL");
    struct stat found;
    if (path == NULL || stat(path, &found) != 0)
        return;
    if (found.st_ino == seen.st_ino && found.st_size == seen.st_size &&
        found.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
        found.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)
        return;
    seen = found;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    bool was_unloaded = control.unloaded;
    uint32_t reset = 0;
    char line[128];
    control = (Control){.now = NAN};
    while (fgets(line, sizeof line, file) != NULL)
        control_line(line, &reset);
    fclose(file);
    if (control.unloaded)
        openings = 0;
    for (unsigned i = 0; i < device_count; i++)
        if ((reset >> i & 1) || (was_unloaded && !control.unloaded))
            restart_counters(&devices[i]);
}

static int planted(const char *what)
{
    for (int i = 0; i < control.failures; i++)
        if (strcmp(control.fail[i].what, what) == 0)
            return control.fail[i].code;
    return SUCCESS;
}

static void pause_ms(int ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&left, NULL);
}

static void count_opening(int change)
{
    pthread_mutex_lock(&lock);
    openings += change;
    pthread_mutex_unlock(&lock);
}

/* Every call begins here: what it returns before it has looked at anything. */
static int begin(const char *function, const Device *device, bool needs_open)
{
    for (bool waited = false;;) {
        pthread_mutex_lock(&lock);
        read_control();
        uint32_t mask = device == NULL ? 0 : 1u << device->index;
        int slow_ms = waited ? 0 : control.slow_ms;
        bool hangs = control.hanging & mask;
        int code = planted(function);
        if (control.unloaded)
            code = DRIVER_NOT_LOADED;
        else if (needs_open && openings == 0)
            code = UNINITIALIZED;
        else if (control.lost & mask)
            code = GPU_IS_LOST;
        pthread_mutex_unlock(&lock);
        if (!hangs && slow_ms == 0)
            return code;
        waited = true;
        pause_ms(hangs ? 10 : slow_ms);
    }
}

static bool is_device(const Device *device)
{
    return device >= devices && device < devices + device_count;
}

#define RETURN_IF(code_)                                                                           \
    do {                                                                                           \
        int returned = (code_);                                                                    \
        if (returned != SUCCESS)                                                                   \
            return returned;                                                                       \
    } while (0)
#define BEGIN() RETURN_IF(begin(__func__, NULL, true))
#define BEGIN_ON(device)                                                                           \
    do {                                                                                           \
        if (!is_device(device))                                                                    \
            return INVALID_ARGUMENT;                                                               \
        RETURN_IF(begin(__func__, device, true));                                                  \
    } while (0)

static int text(char *to, unsigned size, const char *value)
{
    if (strlen(value) >= size)
        return INSUFFICIENT_SIZE;
    strcpy(to, value);
    return SUCCESS;
}

/* The library itself. */

static void configure(void)
{
    const char *count = getenv("NVML_STAND_IN_DEVICES"), *word = getenv("NVML_STAND_IN_MODEL");
    if (count != NULL)
        device_count = (unsigned)atoi(count);
    if (device_count > MOST_DEVICES)
        device_count = MOST_DEVICES;
    for (size_t i = 0; word != NULL && i < sizeof MODELS / sizeof *MODELS; i++)
        if (strcmp(word, MODELS[i].word) == 0)
            model = &MODELS[i];
    for (unsigned i = 0; i < device_count; i++)
        /* The machine has been up for an hour. */
        devices[i] = (Device){(int)i, now_seconds() - 3600};
}

int nvmlInitWithFlags(unsigned flags)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)flags;
    RETURN_IF(begin("nvmlInitWithFlags", NULL, false));
    pthread_once(&once, configure);
    count_opening(1);
    return SUCCESS;
}

int nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

int nvmlShutdown(void)
{
    BEGIN();
    count_opening(-1);
    return SUCCESS;
}

const char *nvmlErrorString(int code)
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
    case FUNCTION_NOT_FOUND: return "Function Not Found";
    case GPU_IS_LOST: return "GPU is lost";
    case ARGUMENT_VERSION_MISMATCH: return "Argument Version Mismatch";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned size)
{
    BEGIN();
    return text(version, size, "580.65.06");
}

/* Which devices there are. */

int nvmlDeviceGetCount_v2(unsigned *count)
{
    BEGIN();
    *count = device_count;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device)
{
    BEGIN();
    if (index >= device_count)
        return INVALID_ARGUMENT;
    BEGIN_ON(&devices[index]);
    *device = &devices[index];
    return SUCCESS;
}

static void write_uuid(const Device *device, char *uuid)
{
    snprintf(uuid, 48, "GPU-57a4d14e-0000-4000-8000-%012d", device->index);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device)
{
    char known[48];
    BEGIN();
    for (unsigned i = 0; i < device_count; i++) {
        write_uuid(&devices[i], known);
        if (strcmp(uuid, known) == 0) {
            BEGIN_ON(&devices[i]);
            *device = &devices[i];
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(const Device *device, char *uuid, unsigned size)
{
    char known[48];
    BEGIN_ON(device);
    write_uuid(device, known);
    return text(uuid, size, known);
}

int nvmlDeviceGetIndex(const Device *device, unsigned *index)
{
    BEGIN_ON(device);
    *index = (unsigned)device->index;
    return SUCCESS;
}

int nvmlDeviceGetMinorNumber(const Device *device, unsigned *minor)
{
    BEGIN_ON(device);
    *minor = (unsigned)device->index;
    return SUCCESS;
}

int nvmlDeviceGetName(const Device *device, char *name, unsigned size)
{
    BEGIN_ON(device);
    return text(name, size, model->name);
}

int nvmlDeviceGetArchitecture(const Device *device, unsigned *architecture)
{
    BEGIN_ON(device);
    *architecture = model->architecture;
    return SUCCESS;
}

typedef struct {
    char busIdLegacy[16];
    unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} PciInfo;

int nvmlDeviceGetPciInfo_v3(const Device *device, PciInfo *info)
{
    BEGIN_ON(device);
    *info = (PciInfo){.bus = 0x1B + (unsigned)device->index * 0x10};
    snprintf(info->busIdLegacy, sizeof info->busIdLegacy, "0000:%02X:00.0", info->bus);
    snprintf(info->busId, sizeof info->busId, "00000000:%02X:00.0", info->bus);
    return SUCCESS;
}

/* Power, energy, and the other fields that are asked for together. */

int nvmlDeviceGetPowerUsage(const Device *device, unsigned *milliwatts)
{
    BEGIN_ON(device);
    *milliwatts =
        model->has_average_power ? average_milliwatts(device) : instant_milliwatts(device);
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(const Device *device, unsigned long long *energy)
{
    BEGIN_ON(device);
    *energy = millijoules(device);
    return SUCCESS;
}

int nvmlDeviceGetEnforcedPowerLimit(const Device *device, unsigned *milliwatts)
{
    BEGIN_ON(device);
    *milliwatts = model->limit_watts * 1000;
    return SUCCESS;
}

typedef struct {
    unsigned fieldId, scopeId;
    long long timestamp, latencyUsec;
    unsigned valueType;
    int nvmlReturn;
    union {
        unsigned uiVal;
        unsigned long long ullVal;
    } value;
} FieldValue;

static void answer_uint(FieldValue *field, unsigned value)
{
    field->valueType = TYPE_UINT;
    field->value.uiVal = value;
}

static void answer_ulong_long(FieldValue *field, unsigned long long value)
{
    field->valueType = TYPE_ULONG_LONG;
    field->value.ullVal = value;
}

static int answer_field(const Device *device, FieldValue *field)
{
    char number[16];
    snprintf(number, sizeof number, "%u", field->fieldId);
    RETURN_IF(planted(number));
    unsigned scope = model->is_module ? SCOPE_MODULE : SCOPE_GPU;
    switch (field->fieldId) {
    case 74: /* nanoseconds held back by the power cap */
        answer_ulong_long(field, capped_nanoseconds(device));
        return SUCCESS;
    case 82: /* memory temperature */
        answer_uint(field, (unsigned)celsius(device) + 8);
        return SUCCESS;
    case 83: /* energy */
        answer_ulong_long(field, millijoules(device));
        return SUCCESS;
    case 185: /* power, average of one second */
        if (!model->has_average_power || field->scopeId != scope)
            return NOT_SUPPORTED;
        answer_uint(field, average_milliwatts(device));
        return SUCCESS;
    case 186: /* power, this instant */
        if (field->scopeId != scope)
            return NOT_SUPPORTED;
        answer_uint(field, instant_milliwatts(device));
        return SUCCESS;
    case 269: /* nanoseconds held back by heat, as the driver and as the board see it */
    case 270:
    case 271: /* and by the power brake */
        answer_ulong_long(field, 0);
        return SUCCESS;
    default:
        return NOT_SUPPORTED;
    }
}

int nvmlDeviceGetFieldValues(const Device *device, int count, FieldValue *fields)
{
    BEGIN_ON(device);
    for (int i = 0; i < count; i++) {
        fields[i].timestamp = llround(now_seconds() * 1e6);
        fields[i].latencyUsec = 1;
        fields[i].nvmlReturn = answer_field(device, &fields[i]);
    }
    return SUCCESS;
}

int nvmlDeviceGetCurrentClocksEventReasons(const Device *device, unsigned long long *reasons)
{
    BEGIN_ON(device);
    *reasons = is_capped() ? 0x4 : 0;
    return SUCCESS;
}

/* Work, memory, heat, clocks. */

typedef struct {
    unsigned gpu, memory;
} Utilization;

int nvmlDeviceGetUtilizationRates(const Device *device, Utilization *percent)
{
    BEGIN_ON(device);
    double load = load_at(device, now_seconds());
    *percent = (Utilization){(unsigned)lround(100 * load), (unsigned)lround(40 * load)};
    return SUCCESS;
}

typedef struct {
    unsigned long long total, free, used;
} Memory;

typedef struct {
    unsigned version;
    unsigned long long total, reserved, free, used;
} MemoryV2;

static const unsigned long long RESERVED_BYTES = GIB / 2;

static unsigned long long used_bytes(const Device *device)
{
    return (10 + (unsigned long long)device->index) * GIB;
}

int nvmlDeviceGetMemoryInfo(const Device *device, Memory *memory)
{
    BEGIN_ON(device);
    memory->total = model->memory_bytes;
    memory->used = used_bytes(device) + RESERVED_BYTES;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(const Device *device, MemoryV2 *memory)
{
    BEGIN_ON(device);
    if (memory->version != MEMORY_V2)
        return ARGUMENT_VERSION_MISMATCH;
    memory->total = model->memory_bytes;
    memory->reserved = RESERVED_BYTES;
    memory->used = used_bytes(device);
    memory->free = memory->total - memory->used - memory->reserved;
    return SUCCESS;
}

typedef struct {
    unsigned version, sensorType;
    int temperature;
} Temperature;

int nvmlDeviceGetTemperatureV(const Device *device, Temperature *temperature)
{
    BEGIN_ON(device);
    if (temperature->version != TEMPERATURE_V1)
        return ARGUMENT_VERSION_MISMATCH;
    if (temperature->sensorType != 0)
        return INVALID_ARGUMENT;
    temperature->temperature = celsius(device);
    return SUCCESS;
}

int nvmlDeviceGetTemperature(const Device *device, unsigned sensor, unsigned *temperature)
{
    BEGIN_ON(device);
    if (sensor != 0)
        return INVALID_ARGUMENT;
    *temperature = (unsigned)celsius(device);
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(const Device *device, unsigned clock, unsigned *mhz)
{
    BEGIN_ON(device);
    if (clock != CLOCK_SM && clock != CLOCK_MEMORY)
        return NOT_SUPPORTED;
    *mhz = clock == CLOCK_SM ? model->sm_mhz : model->memory_mhz;
    return SUCCESS;
}

/* GPM: the share of time that parts of the chip worked, between two samples. */

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

int nvmlGpmQueryDeviceSupport(const Device *device, GpmSupport *support)
{
    BEGIN_ON(device);
    support->isSupportedDevice = model->has_gpm;
    return SUCCESS;
}

int nvmlGpmSampleAlloc(Sample **sample)
{
    BEGIN();
    *sample = calloc(1, sizeof **sample);
    return SUCCESS;
}

int nvmlGpmSampleFree(Sample *sample)
{
    BEGIN();
    free(sample);
    return SUCCESS;
}

int nvmlGpmSampleGet(const Device *device, Sample *sample)
{
    BEGIN_ON(device);
    if (!model->has_gpm)
        return NOT_SUPPORTED;
    *sample = (Sample){device, now_seconds()};
    return SUCCESS;
}

int nvmlGpmMetricsGet(GpmMetrics *wanted)
{
    BEGIN();
    const Sample *from = wanted->sample1, *to = wanted->sample2;
    if (wanted->version != 1)
        return ARGUMENT_VERSION_MISMATCH;
    if (from->device == NULL || from->device != to->device || from->taken >= to->taken)
        return INVALID_ARGUMENT;
    double worked = load_seconds(from->device, from->taken, to->taken) / (to->taken - from->taken);
    for (unsigned i = 0; i < wanted->numMetrics; i++) {
        GpmMetric *metric = &wanted->metrics[i];
        /* SM, any tensor core, memory bandwidth. */
        double share = metric->metricId == 2    ? 1.0
                       : metric->metricId == 5  ? 0.6
                       : metric->metricId == 10 ? 0.4
                                                : NAN;
        metric->nvmlReturn = isnan(share) ? NOT_SUPPORTED : SUCCESS;
        metric->value = isnan(share) ? 0 : 100 * share * worked;
    }
    return SUCCESS;
}
