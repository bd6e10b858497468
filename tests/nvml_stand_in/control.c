/* The control file, what a driver keeps between processes, and how a call begins. */
#include "stand_in.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Driver own_driver;
static int openings, state_file = -1;
static bool is_mismatched;
static char path[4096];

/* What is being read is not what is looked at: other threads may be in the middle of a call. */
enum { CONTROLS = 8 };
static Control controls[CONTROLS];
static Control *told = &controls[0];
Control *current_control = &controls[0];
Driver *driver = &own_driver;

void lock(void)
{
    pthread_mutex_lock(&mutex);
}

void unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

const char *control_path(void)
{
    return path[0] == '\0' ? NULL : path;
}

/* A test that plants a fault nobody understands would prove nothing. */
__attribute__((noreturn)) static void refuse(const char *line)
{
    fprintf(stderr, "nvml stand-in: what does this mean: %s\n", line);
    abort();
}

/* Lines. */

static const char *const REASON_WORDS[REASONS] = {
    "power_cap", "sync_boost", "sw_thermal", "hw_thermal", "power_brake",
};

static void read_instances(Faults *faults, char *list, const char *line)
{
    faults->mig = true;
    for (char *rest, *one = strtok_r(list, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        Instance *instance = &faults->instance[faults->instances];
        if (faults->instances == MOST_INSTANCES ||
            sscanf(one, "%ug.%ugb", &instance->slices, &instance->gib) != 2)
            refuse(line);
        faults->instances++;
    }
}

static void read_processes(Faults *faults, char *list, const char *line)
{
    for (char *rest, *one = strtok_r(list, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        Process *process = &faults->process[faults->processes];
        process->instance = NO_INSTANCE;
        if (faults->processes == MOST_PROCESSES ||
            sscanf(one, "%u:%llu:%u", &process->pid, &process->mib, &process->instance) < 2)
            refuse(line);
        faults->processes++;
    }
}

static void read_throttle(Faults *faults, const char *reason, const char *line)
{
    for (int i = 0; i < REASONS; i++)
        if (strcmp(reason, REASON_WORDS[i]) == 0) {
            faults->throttle[i] = true;
            return;
        }
    refuse(line);
}

static void read_ecc(Faults *faults, char **words, const char *line)
{
    bool uncorrected = strcmp(words[0], "uncorrected") == 0;
    bool aggregate = strcmp(words[1], "aggregate") == 0;
    if ((!uncorrected && strcmp(words[0], "corrected") != 0) ||
        (!aggregate && strcmp(words[1], "volatile") != 0))
        refuse(line);
    faults->ecc[uncorrected][aggregate] = strtoull(words[2], NULL, 10);
}

static void read_xid(unsigned device, char **words, int count, const char *line)
{
    if (told->xids == MOST_XIDS)
        refuse(line);
    told->xid[told->xids++] = (Xid){
        .device = device,
        .code = (unsigned)atoi(words[0]),
        .wanted = count > 1 ? atof(words[1]) : 0,
        .instance = count > 2 ? (unsigned)atoi(words[2]) : NO_INSTANCE,
    };
}

static void read_failure(char **words, int count, const char *line)
{
    if (told->failures == MOST_FAILURES || strlen(words[0]) >= sizeof told->fail[0].what)
        refuse(line);
    strcpy(told->fail[told->failures].what, words[0]);
    told->fail[told->failures].device = count > 2 ? atoi(words[2]) : -1;
    told->fail[told->failures++].code = atoi(words[1]);
}

/* Lines about no device in particular; false if it is none of them. */
static bool read_common(const char *word, char **words, int count, const char *line)
{
    if (count == 0) {
        bool *flag = strcmp(word, "unloaded") == 0        ? &told->unloaded
                     : strcmp(word, "mismatch") == 0      ? &told->mismatch
                     : strcmp(word, "hang_init") == 0     ? &told->hang_init
                     : strcmp(word, "uninitialized") == 0 ? &told->uninitialized
                     : strcmp(word, "gpu_scope") == 0     ? &told->gpu_scope
                     : strcmp(word, "wrap") == 0          ? &told->wrap
                                                          : NULL;
        if (flag == NULL)
            refuse(line);
        *flag = true;
    } else if (strcmp(word, "now") == 0)
        told->now = atof(words[0]);
    else if (strcmp(word, "slow") == 0)
        told->slow_ms = (unsigned)atoi(words[0]);
    else if (strcmp(word, "cost") == 0)
        told->cost_us = (unsigned)atoi(words[0]);
    else if (strcmp(word, "fail") == 0 && count >= 2)
        read_failure(words, count, line);
    else
        return false;
    return true;
}

static void read_line(char *line)
{
    char copy[1024], *words[8], *rest, *word;
    int count = 0;
    line[strcspn(line, "\n#")] = '\0';
    snprintf(copy, sizeof copy, "%s", line);
    word = strtok_r(copy, " \t", &rest);
    if (word == NULL)
        return;
    for (char *one; count < 8 && (one = strtok_r(NULL, " \t", &rest)) != NULL; count++)
        words[count] = one;
    if (read_common(word, words, count, line))
        return;
    char *end;
    unsigned long device = strtoul(words[0], &end, 10);
    if (*end != '\0' || device >= MOST_DEVICES)
        refuse(line);
    Faults *faults = &told->device[device];
    if (count == 1) {
        bool *flag = strcmp(word, "lost") == 0       ? &faults->lost
                     : strcmp(word, "hang") == 0     ? &faults->hangs
                     : strcmp(word, "unplug") == 0   ? &faults->unplugged
                     : strcmp(word, "frozen") == 0   ? &faults->frozen
                     : strcmp(word, "gpm_deny") == 0 ? &faults->gpm_deny
                     : strcmp(word, "reset") == 0    ? &faults->reset
                     : strcmp(word, "mig") == 0      ? &faults->mig
                                                     : NULL;
        if (flag == NULL)
            refuse(line);
        *flag = true;
    } else if (strcmp(word, "mig") == 0)
        read_instances(faults, words[1], line);
    else if (strcmp(word, "processes") == 0)
        read_processes(faults, words[1], line);
    else if (strcmp(word, "throttle") == 0)
        read_throttle(faults, words[1], line);
    else if (strcmp(word, "load") == 0)
        faults->load = atof(words[1]);
    else if (strcmp(word, "recovery") == 0)
        faults->recovery = (unsigned)atoi(words[1]);
    else if (strcmp(word, "xid") == 0)
        read_xid((unsigned)device, words + 1, count - 1, line);
    else if (strcmp(word, "ecc") == 0 && count == 4)
        read_ecc(faults, words + 1, line);
    else if (strcmp(word, "remap") == 0 && count == 5)
        for (int i = 0; i < 4; i++)
            faults->remap[i] = (unsigned)atoi(words[i + 1]);
    else
        refuse(line);
}

/* What the driver keeps: in a file beside the control file, so that all processes share it. */

static void open_state(void)
{
    char name[sizeof path + 8];
    snprintf(name, sizeof name, "%s.state", path);
    state_file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (state_file < 0 || ftruncate(state_file, sizeof *driver) != 0)
        return;
    void *shared =
        mmap(NULL, sizeof *driver, PROT_READ | PROT_WRITE, MAP_SHARED, state_file, 0);
    if (shared != MAP_FAILED)
        driver = shared;
}

static void begin_driver(double now)
{
    for (unsigned i = 0; i < MOST_DEVICES; i++) {
        driver->device[i] = (Kept){.counting_since = now - 3600, .frozen_at = NAN};
        for (int reason = 0; reason < REASONS; reason++)
            driver->device[i].throttled_since[reason] = NAN;
    }
}

static void restart_counters(Kept *kept, double now)
{
    kept->counting_since = now;
    for (int reason = 0; reason < REASONS; reason++) {
        kept->throttled[reason] = 0;
        if (!isnan(kept->throttled_since[reason]))
            kept->throttled_since[reason] = now;
    }
}

static void change_throttling(Kept *kept, const Faults *faults, double now)
{
    for (int reason = 0; reason < REASONS; reason++) {
        double *since = &kept->throttled_since[reason];
        if (faults->throttle[reason] == !isnan(*since))
            continue;
        if (!isnan(*since)) {
            double capped = reason == POWER_CAP ? capped_seconds(*since, now) : 0;
            kept->throttled[reason] += now - *since - capped;
        }
        *since = faults->throttle[reason] ? now : NAN;
    }
}

static void change_load(Kept *kept, double level, double now, bool is_first)
{
    Load *last = kept->loads > 0 ? &kept->load[kept->loads - 1] : NULL;
    bool is_open = last != NULL && isinf(last->until);
    if (is_open ? last->level == level : isnan(level))
        return;
    if (is_open)
        last->until = now;
    if (isnan(level))
        return;
    if (kept->loads == MOST_LOADS)
        refuse("too many changes of load");
    kept->load[kept->loads++] = (Load){is_first ? -INFINITY : now, INFINITY, level};
}

static void take_xid(const Xid *planted_xid, double now)
{
    for (unsigned i = 0; i < driver->xids; i++) {
        const Xid *known = &driver->xid[i];
        if (known->device == planted_xid->device && known->code == planted_xid->code &&
            known->wanted == planted_xid->wanted && known->instance == planted_xid->instance)
            return;
    }
    if (driver->xids == MOST_XIDS)
        refuse("too many XIDs");
    driver->xid[driver->xids] = *planted_xid;
    driver->xid[driver->xids++].at = fmax(now, planted_xid->wanted);
}

/* What a new control file does to the driver: once, by whoever sees it first. */
static void change_driver(void)
{
    bool is_first = !driver->is_begun;
    double now = now_seconds();
    if (is_first)
        begin_driver(now);
    for (unsigned i = 0; i < MOST_DEVICES; i++) {
        Kept *kept = &driver->device[i];
        const Faults *faults = &control.device[i];
        change_throttling(kept, faults, now);
        change_load(kept, faults->load, now, is_first);
        if (!faults->frozen)
            kept->frozen_at = NAN;
        else if (isnan(kept->frozen_at))
            kept->frozen_at = now;
        if (!is_first && (faults->reset || (driver->unloaded && !control.unloaded)))
            restart_counters(kept, now);
    }
    for (unsigned i = 0; i < control.xids; i++)
        take_xid(&control.xid[i], now);
    driver->unloaded = control.unloaded;
    driver->is_begun = true;
}

static bool is_same(const Version *a, const Version *b)
{
    return a->inode == b->inode && a->bytes == b->bytes && a->seconds == b->seconds &&
           a->nanoseconds == b->nanoseconds;
}

static bool is_older(const Version *a, const Version *b)
{
    return a->seconds != b->seconds ? a->seconds < b->seconds : a->nanoseconds < b->nanoseconds;
}

static Version version_of(const struct stat *found)
{
    return (Version){(uint64_t)found->st_ino, (uint64_t)found->st_size, found->st_mtim.tv_sec,
                     found->st_mtim.tv_nsec};
}

static void begin_control(void)
{
    told = current_control + 1 < controls + CONTROLS ? current_control + 1 : controls;
    *told = (Control){.now = NAN};
    for (unsigned i = 0; i < MOST_DEVICES; i++)
        told->device[i].load = NAN;
}

void look(void)
{
    static Version seen;
    static bool is_first = true;
    struct stat found;
    if (path[0] == '\0' || stat(path, &found) != 0)
        return;
    Version version = version_of(&found);
    if (is_same(&version, &seen))
        return;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fstat(fileno(file), &found) == 0)
        version = version_of(&found);
    seen = version;
    bool was_mismatch = control.mismatch;
    char line[1024];
    begin_control();
    while (fgets(line, sizeof line, file) != NULL)
        read_line(line);
    fclose(file);
    current_control = told;
    if (control.unloaded || control.uninitialized)
        openings = 0;
    if (control.mismatch && !was_mismatch && !is_first)
        is_mismatched = true;
    is_first = false;
    if (state_file >= 0)
        flock(state_file, LOCK_EX);
    if (!driver->is_begun || is_older(&driver->seen, &version)) {
        change_driver();
        driver->seen = version;
    }
    if (state_file >= 0)
        flock(state_file, LOCK_UN);
}

/* Before anything is asked; a library loaded anew knows nothing of a mismatch. */
__attribute__((constructor)) static void start(void)
{
    const char *name = getenv("NVML_STAND_IN_CONTROL");
    begin_control();
    current_control = told;
    if (name != NULL && name[0] != '\0' && strlen(name) < sizeof path) {
        strcpy(path, name);
        open_state();
        look();
        /* A look is a system call, of which a driver makes none: who measures samplers has one. */
        if (getenv("NVML_STAND_IN_STILL") != NULL)
            path[0] = '\0';
    }
    if (state_file >= 0)
        flock(state_file, LOCK_EX);
    if (!driver->is_begun)
        change_driver();
    if (state_file >= 0)
        flock(state_file, LOCK_UN);
}

int planted(const char *what, const Device *device)
{
    for (unsigned i = 0; i < control.failures; i++) {
        int on = control.fail[i].device;
        if ((on < 0 || (device != NULL && (int)device->index == on)) &&
            strcmp(control.fail[i].what, what) == 0)
            return control.fail[i].code;
    }
    return SUCCESS;
}

/* Counters of calls. */

enum { COUNTERS = 256 };
typedef struct {
    char name[56];
    uint64_t count;
} Counter;

static Counter *open_counters(void)
{
    static Counter none[COUNTERS];
    const char *wanted = getenv("NVML_STAND_IN_COUNTERS");
    if (wanted == NULL)
        return none;
    char name[4096];
    const char *mark = strstr(wanted, "%p");
    if (mark == NULL)
        snprintf(name, sizeof name, "%s", wanted);
    else
        snprintf(name, sizeof name, "%.*s%d%s", (int)(mark - wanted), wanted, (int)getpid(),
                 mark + 2);
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof none) != 0)
        return none;
    void *shared = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return shared == MAP_FAILED ? none : shared;
}

uint64_t *counter_named(const char *name)
{
    static Counter *counters;
    static uint64_t overflow;
    uint64_t *found = &overflow;
    lock();
    if (counters == NULL)
        counters = open_counters();
    for (int i = 0; i < COUNTERS; i++) {
        if (counters[i].name[0] == '\0')
            snprintf(counters[i].name, sizeof counters[i].name, "%s", name);
        if (strcmp(counters[i].name, name) == 0) {
            found = &counters[i].count;
            break;
        }
    }
    unlock();
    return found;
}

/* How a call begins. */

void pause_ms(unsigned ms)
{
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000L};
    nanosleep(&left, NULL);
}

static double thread_cpu_us(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (double)spent.tv_sec * 1e6 + (double)spent.tv_nsec / 1e3;
}

static void burn_us(unsigned us)
{
    for (double until = thread_cpu_us() + us; thread_cpu_us() < until;)
        ;
}

void count_opening(int change)
{
    lock();
    openings += change;
    unlock();
}

static int verdict(const char *function, const Device *device, bool needs_open)
{
    const Faults *faults = device == NULL ? NULL : faults_of(device);
    if (is_mismatched)
        return LIB_RM_VERSION_MISMATCH;
    if (control.unloaded)
        return DRIVER_NOT_LOADED;
    if (needs_open && openings == 0)
        return UNINITIALIZED;
    if (faults != NULL && (faults->lost || faults->unplugged))
        return GPU_IS_LOST;
    return control.failures == 0 ? SUCCESS : planted(function, device);
}

/* Every call: what it returns before it has looked at anything. */
int begin(const char *function, const Device *device, bool needs_open)
{
    for (bool waited = false;; waited = true) {
        lock();
        look();
        unsigned slow_ms = waited ? 0 : control.slow_ms, cost_us = waited ? 0 : control.cost_us;
        bool hangs = needs_open ? device != NULL && faults_of(device)->hangs : control.hang_init;
        int code = verdict(function, device, needs_open);
        unlock();
        if (cost_us > 0)
            burn_us(cost_us);
        if (!hangs && slow_ms == 0)
            return code;
        pause_ms(hangs ? 10 : slow_ms);
    }
}
