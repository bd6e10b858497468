/* Every reading as a function of time and device; the head of nvml.c lists them. */
#include "stand_in.h"

#include <time.h>

static const double TURN_SECONDS = 60, MEAN_LOAD = 0.55, LOAD_SWING = 0.35;

double now_seconds(void)
{
    if (!isnan(control.now))
        return control.now;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double phase(const Device *device)
{
    return device->index + (device->instance < 0 ? 0 : 0.1 * (device->instance + 1));
}

/* The angle of a time in its turn: small, because a sine of billions is dear. */
static double angle(double t)
{
    return 2 * M_PI / TURN_SECONDS * (t - TURN_SECONDS * floor(t / TURN_SECONDS));
}

static double wave(const Device *device, double t)
{
    return MEAN_LOAD + LOAD_SWING * sin(angle(t) + phase(device));
}

/* The integral of the wave from a to b. */
static double wave_seconds(const Device *device, double a, double b)
{
    double shift = phase(device), swing = cos(angle(a) + shift) - cos(angle(b) + shift);
    return MEAN_LOAD * (b - a) + LOAD_SWING * TURN_SECONDS / (2 * M_PI) * swing;
}

double load_at(const Device *device, double t)
{
    const Kept *kept = &driver->device[device->index];
    for (unsigned i = 0; i < kept->loads; i++)
        if (t >= kept->load[i].from && t < kept->load[i].until)
            return kept->load[i].level;
    return wave(device, t);
}

double load_seconds(const Device *device, double a, double b)
{
    const Kept *kept = &driver->device[device->index];
    double seconds = wave_seconds(device, a, b);
    for (unsigned i = 0; i < kept->loads; i++) {
        double from = fmax(a, kept->load[i].from), until = fmin(b, kept->load[i].until);
        if (from < until)
            seconds += kept->load[i].level * (until - from) - wave_seconds(device, from, until);
    }
    return seconds;
}

double counted_load(const Device *device)
{
    return load_seconds(device, driver->device[device->index].counting_since, now_seconds());
}

/* Power stands still from when the sensor froze; energy goes on. */
static double seen_by_sensor(const Device *device, double t)
{
    double frozen_at = driver->device[device->index].frozen_at;
    return isnan(frozen_at) ? t : fmin(t, frozen_at);
}

static double joules(const Device *device, double a, double b)
{
    double dynamic = model->peak_watts - model->idle_watts;
    return model->idle_watts * (b - a) + dynamic * load_seconds(device, a, b);
}

unsigned instant_milliwatts(const Device *device, double t)
{
    double load = load_at(device, seen_by_sensor(device, t));
    double dynamic = model->peak_watts - model->idle_watts;
    return (unsigned)lround(1e3 * (model->idle_watts + dynamic * load));
}

unsigned average_milliwatts(const Device *device)
{
    double now = seen_by_sensor(device, now_seconds());
    return (unsigned)lround(1e3 * joules(device, now - 1, now));
}

unsigned long long millijoules(const Device *device)
{
    double since = driver->device[device->index].counting_since;
    return (unsigned long long)llround(1e3 * joules(device, since, now_seconds()));
}

int celsius(const Device *device)
{
    return 30 + (int)(40 * load_at(device, now_seconds()));
}

/* The power cap holds the clock back in the first of every twenty seconds. */
static const double CAP_EVERY_SECONDS = 20;

static double capped_until(double t)
{
    return floor(t / CAP_EVERY_SECONDS) + fmin(1, fmod(t, CAP_EVERY_SECONDS));
}

double capped_seconds(double a, double b)
{
    return capped_until(b) - capped_until(a);
}

unsigned throttle_bits(const Device *device)
{
    static const unsigned BITS[REASONS] = {0x4, 0x10, 0x20, 0x48, 0x88};
    double now = now_seconds();
    unsigned bits = fmod(now, CAP_EVERY_SECONDS) < 1 ? BITS[POWER_CAP] : 0;
    if (load_at(device, now) <= 0)
        bits |= 0x1;
    for (int reason = 0; reason < REASONS; reason++)
        if (faults_of(device)->throttle[reason])
            bits |= BITS[reason];
    return bits;
}

unsigned long long throttled_nanoseconds(const Device *device, int reason)
{
    const Kept *kept = &driver->device[device->index];
    double now = now_seconds(), seconds = kept->throttled[reason];
    if (reason == POWER_CAP)
        seconds += capped_seconds(kept->counting_since, now);
    double since = kept->throttled_since[reason];
    if (!isnan(since))
        seconds += now - since - (reason == POWER_CAP ? capped_seconds(since, now) : 0);
    return (unsigned long long)llround(1e9 * seconds);
}
