/* XIDs, for those who wait. */
#include "stand_in.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

enum { SINGLE_BIT = 0x1, DOUBLE_BIT = 0x2, XID = 0x8, CLOCK = 0x10 };

typedef struct {
    int changes; /* of the directory of the control file */
    bool wants[MOST_DEVICES], told[MOST_XIDS];
    const Device *device[MOST_DEVICES];
} EventSet;

typedef struct {
    const Device *device;
    unsigned long long eventType, eventData;
    unsigned gpuInstanceId, computeInstanceId;
} EventData;

static int watch_control(void)
{
    char folder[4096];
    const char *path = control_path();
    if (path == NULL)
        return -1;
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        strcpy(folder, ".");
    else
        *slash = '\0';
    int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (changes >= 0)
        inotify_add_watch(changes, folder, IN_MOVED_TO | IN_CLOSE_WRITE);
    return changes;
}

NVML int nvmlEventSetCreate(EventSet **set)
{
    BEGIN();
    *set = calloc(1, sizeof **set);
    (*set)->changes = watch_control();
    return SUCCESS;
}

NVML int nvmlEventSetFree(EventSet *set)
{
    BEGIN();
    if (set->changes >= 0)
        close(set->changes);
    free(set);
    return SUCCESS;
}

NVML int nvmlDeviceGetSupportedEventTypes(const Device *device, unsigned long long *types)
{
    BEGIN_ON(device);
    *types = SINGLE_BIT | DOUBLE_BIT | XID | CLOCK;
    return SUCCESS;
}

/* What happened before is not told. */
NVML int nvmlDeviceRegisterEvents(const Device *device, unsigned long long types, EventSet *set)
{
    BEGIN_ON_GPU(device);
    if (types & ~(unsigned long long)(SINGLE_BIT | DOUBLE_BIT | XID | CLOCK))
        return NOT_SUPPORTED;
    double now = now_seconds();
    for (unsigned i = 0; i < driver->xids; i++)
        if (driver->xid[i].device == device->index && driver->xid[i].at <= now)
            set->told[i] = true;
    set->device[device->index] = device;
    set->wants[device->index] = (types & XID) != 0;
    return SUCCESS;
}

/* The next XID that the set has not been told of; also how long until the next comes. */
static const Xid *next_xid(EventSet *set, double *in_seconds)
{
    double now = now_seconds();
    *in_seconds = INFINITY;
    for (unsigned i = 0; i < driver->xids; i++) {
        const Xid *xid = &driver->xid[i];
        if (set->told[i] || !set->wants[xid->device])
            continue;
        if (xid->at <= now) {
            set->told[i] = true;
            return xid;
        }
        if (isnan(control.now))
            *in_seconds = fmin(*in_seconds, xid->at - now);
    }
    return NULL;
}

static double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Until the control file changes, or so many seconds. */
static void await_change(const EventSet *set, double seconds)
{
    struct pollfd watched = {.fd = set->changes, .events = POLLIN};
    int ms = seconds > 3600 ? 3600000 : (int)ceil(seconds * 1e3);
    if (poll(&watched, set->changes >= 0 ? 1 : 0, ms) > 0) {
        char changes[4096];
        while (read(set->changes, changes, sizeof changes) > 0)
            ;
    }
}

NVML int nvmlEventSetWait_v2(EventSet *set, EventData *data, unsigned timeout_ms)
{
    double until = monotonic_seconds() + timeout_ms / 1e3, next;
    COUNT();
    for (;;) {
        RETURN_IF(begin(__func__, NULL, true));
        lock();
        const Xid *xid = next_xid(set, &next);
        unlock();
        if (xid != NULL) {
            unsigned instance = xid->instance == NO_INSTANCE ? NO_INSTANCE : xid->instance + 1;
            *data = (EventData){set->device[xid->device], XID, xid->code, instance,
                                instance == NO_INSTANCE ? NO_INSTANCE : 0};
            return SUCCESS;
        }
        double left = until - monotonic_seconds();
        if (left <= 0)
            return TIMEOUT;
        await_change(set, fmin(left, next));
    }
}
