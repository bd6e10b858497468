/*
 * What the parts of the stand-in share.
 *
 *   nvml.c       the library, its devices and who they are; what a control file may say
 *   control.c    the control file, what a driver keeps between processes, how a call begins
 *   values.c     every reading as a function of time and device
 *   power.c      power, energy, limits, rings of samples, fields
 *   health.c     memory, heat, clocks, errors, links
 *   gpm.c        how busy the parts of the chip are
 *   mig.c        instances
 *   processes.c  processes
 *   events.c     XIDs
 */
#ifndef STAND_IN_H
#define STAND_IN_H
#define _GNU_SOURCE
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    FUNCTION_NOT_FOUND = 13,
    GPU_IS_LOST = 15,
    RESET_REQUIRED = 16,
    LIB_RM_VERSION_MISMATCH = 18,
    ARGUMENT_VERSION_MISMATCH = 25,
    GPU_NOT_FOUND = 28,
    UNKNOWN = 999,
};

enum {
    MOST_DEVICES = 16,
    MOST_INSTANCES = 7,
    MOST_FAILURES = 32,
    MOST_PROCESSES = 64,
    MOST_LOADS = 64,
    MOST_XIDS = 256,
};

enum { ARCHITECTURE_AMPERE = 7, ARCHITECTURE_HOPPER = 9, ARCHITECTURE_BLACKWELL = 10 };
enum { TYPE_UINT = 1, TYPE_ULONG_LONG = 3, TYPE_INT = 5 };
enum { SCOPE_GPU = 0, SCOPE_MODULE = 1, SCOPE_MEMORY = 2 };
enum { CLOCK_GRAPHICS = 0, CLOCK_SM = 1, CLOCK_MEMORY = 2, CLOCK_VIDEO = 3 };
enum { POWER_CAP, SYNC_BOOST, SW_THERMAL, HW_THERMAL, POWER_BRAKE, REASONS };

#define GIB (1024ull * 1024 * 1024)
#define MIB (1024ull * 1024)
#define ALL_LINKS 0xFFFFFFFFu
#define NO_INSTANCE 0xFFFFFFFFu
#define NVML __attribute__((visibility("default")))

typedef struct {
    const char *word, *name;
    unsigned architecture;
    bool has_average_power, is_module;
    double idle_watts, peak_watts;
    unsigned limit_watts, least_limit_watts, sm_mhz, memory_mhz, cores, links, c2c_links;
    unsigned long long memory_bytes;
} Model;

/* A GPU, or one of its instances: what a handle points at. */
typedef struct Device {
    unsigned index;
    int instance; /* -1: the whole GPU */
    unsigned slices, gib;
} Device;

typedef struct {
    unsigned slices, gib;
} Instance;

typedef struct {
    unsigned pid, instance;
    unsigned long long mib;
} Process;

/* What the control file says of one device. */
typedef struct {
    bool lost, hangs, unplugged, frozen, gpm_deny, reset, mig;
    bool throttle[REASONS];
    double load; /* NAN: the wave */
    unsigned long long ecc[2][2];
    unsigned remap[4], recovery, instances, processes;
    Instance instance[MOST_INSTANCES];
    Process process[MOST_PROCESSES];
} Faults;

typedef struct {
    unsigned device, code, instance;
    double wanted, at;
} Xid;

typedef struct {
    double now;
    unsigned slow_ms, cost_us, failures, xids;
    bool unloaded, mismatch, hang_init, uninitialized, gpu_scope, wrap;
    struct {
        char what[64];
        int code, device;
    } fail[MOST_FAILURES];
    Faults device[MOST_DEVICES];
    Xid xid[MOST_XIDS];
} Control;

/* What the driver knows, whoever asks: it outlives processes. */
typedef struct {
    double from, until, level;
} Load;

typedef struct {
    double counting_since, frozen_at;
    double throttled[REASONS], throttled_since[REASONS];
    unsigned loads;
    Load load[MOST_LOADS];
} Kept;

typedef struct {
    uint64_t inode, bytes;
    int64_t seconds, nanoseconds;
} Version;

typedef struct {
    bool is_begun, unloaded;
    Version seen;
    unsigned xids;
    Xid xid[MOST_XIDS];
    Kept device[MOST_DEVICES];
} Driver;

/* nvml.c */
extern const Model *model;
extern unsigned device_count;
bool is_gpu(const Device *device);
const Device *gpu_at(unsigned index);
Device *instance_of(unsigned index, unsigned instance);
int copy_text(char *to, unsigned size, const char *text);

/* control.c */
extern Control *current_control;
#define control (*current_control)
extern Driver *driver;
void look(void); /* at the control file, if it changed */
void lock(void);
void unlock(void);
int planted(const char *what, const Device *device);
uint64_t *counter_named(const char *name);
int begin(const char *function, const Device *device, bool needs_open);
void pause_ms(unsigned ms);
void count_opening(int change);
const char *control_path(void);

static inline const Faults *faults_of(const Device *device)
{
    return &control.device[device->index];
}

/* values.c */
double now_seconds(void);
double load_at(const Device *device, double t);
double load_seconds(const Device *device, double a, double b);
double counted_load(const Device *device);
unsigned instant_milliwatts(const Device *device, double t);
unsigned average_milliwatts(const Device *device);
unsigned long long millijoules(const Device *device);
int celsius(const Device *device);
unsigned throttle_bits(const Device *device);
unsigned long long throttled_nanoseconds(const Device *device, int reason);
double capped_seconds(double a, double b);

/* The first lines of every function: count the call, and return what a fault says. */
#define RETURN_IF(code_)                                                                           \
    do {                                                                                           \
        int returned_ = (code_);                                                                   \
        if (returned_ != SUCCESS)                                                                  \
            return returned_;                                                                      \
    } while (0)
#define COUNT()                                                                                    \
    do {                                                                                           \
        static uint64_t *calls_;                                                                   \
        if (calls_ == NULL)                                                                        \
            calls_ = counter_named(__func__);                                                      \
        ++*calls_;                                                                                 \
    } while (0)
#define BEGIN()                                                                                    \
    do {                                                                                           \
        COUNT();                                                                                   \
        RETURN_IF(begin(__func__, NULL, true));                                                    \
    } while (0)
#define BEGIN_ON(device_)                                                                          \
    do {                                                                                           \
        COUNT();                                                                                   \
        if (!is_gpu(device_))                                                                      \
            return INVALID_ARGUMENT;                                                               \
        RETURN_IF(begin(__func__, device_, true));                                                 \
        if (!is_gpu(device_)) /* what was looked at may have ended it */                           \
            return INVALID_ARGUMENT;                                                               \
    } while (0)
/* For what an instance does not have of its own. */
#define BEGIN_ON_GPU(device_)                                                                      \
    do {                                                                                           \
        BEGIN_ON(device_);                                                                         \
        if ((device_)->instance >= 0)                                                              \
            return NOT_SUPPORTED;                                                                  \
    } while (0)

#endif
