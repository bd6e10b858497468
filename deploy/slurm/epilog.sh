#!/bin/sh
# Wattline's part of Slurm's Epilog: writes down that a job has ended on this node.
#
# To be run as Epilog=, or sourced from the epilog a site has. As with prolog.sh, whatever happens in
# here, it ends with status 0, says nothing, and changes nothing of the caller's shell.
#
# The job's record is renamed to DIRECTORY/ended.TIME.STATUS.RESTARTS.KEY.json, which a full disk
# does not prevent. The newest 256 stay, for an agent that was away. The count of restarts tells that
# a job was queued again: in the epilog of the run that ended it has gone up already, so a record is
# found by the job's number alone.
# shellcheck disable=SC2317  # functions are called below
(
    set +eufC
    PATH=/usr/bin:/bin:/usr/sbin:/sbin
    LC_ALL=C
    export PATH LC_ALL
    unalias -a
    unset -f date mv rm mkdir ls printf
    umask 022
    wl_most_ended=256

    wl_job=${SLURM_JOB_ID:-${SLURM_JOBID:-}}
    case $wl_job in
    '' | *[!0-9]* | 0*) exit ;;
    esac
    wl_dir=${WATTLINE_RECORDS:-/run/wattline-records}
    case $wl_dir in
    /*) ;;
    *) exit ;;
    esac

    # Sets wl_out to a whole number of at most six digits, or to x.
    wl_number() {
        wl_out=x
        case $1 in
        '' | *[!0-9]* | ???????*) ;;
        *) wl_out=$1 ;;
        esac
    }
    wl_number "${SLURM_JOB_EXIT_CODE:-}"
    wl_how=$wl_out
    wl_number "${SLURM_JOB_RESTART_COUNT:-${SLURM_RESTART_COUNT:-}}"
    wl_how=$wl_how.$wl_out

    wl_now=
    for wl_record in "$wl_dir/job.$wl_job.json" "$wl_dir/job.$wl_job".*.json; do
        [ -f "$wl_record" ] || continue
        if [ -z "$wl_now" ]; then
            wl_now=$(date +%s%3N)
            case $wl_now in
            '' | *[!0-9]*) wl_now=$(date +%s)000 ;;
            esac
        fi
        # What cannot be renamed is taken away: that it is gone is an end, too.
        mv -f "$wl_record" "$wl_dir/ended.$wl_now.$wl_how.${wl_record##*/job.}" ||
            rm -f "$wl_record"
    done

    # Their names begin with the time, so the first are the oldest.
    set -- "$wl_dir"/ended.*.json
    wl_left=32
    while [ $# -gt $wl_most_ended ] && [ $wl_left -gt 0 ]; do
        rm -f "$1"
        wl_left=$((wl_left - 1))
        shift
    done
) </dev/null >/dev/null 2>&1 || :
