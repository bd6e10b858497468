#!/bin/sh
# Wattline's part of Slurm's Prolog: writes down which devices a job was given on this node.
#
# To be run as Prolog=, or sourced from the prolog a site has. Whatever happens in here, it ends
# with status 0 and says nothing: a prolog that fails drains its node. Nothing of the caller's shell
# is changed. It asks nobody and waits for nobody; it starts three short programs (date, mv, and
# mkdir the first time).
#
# The record is DIRECTORY/job.KEY.json, where KEY is the job's number, and `.N` after its Nth
# restart. WATTLINE_RECORDS names another directory; it should be on a local disk or in memory.
# shellcheck disable=SC2012,SC2317  # names are ours, and functions are called below
(
    set +eufC
    PATH=/usr/bin:/bin:/usr/sbin:/sbin
    LC_ALL=C
    IFS=' '
    export PATH LC_ALL
    unalias -a
    unset -f date mv rm mkdir ls printf
    umask 022
    wl_most_running=512

    # Sets wl_out to the text with every character taken out that a name does not need, as JSON.
    wl_text() {
        wl_out=$1
        [ "${#wl_out}" -le 256 ] || wl_out=$(printf '%.256s' "$wl_out")
        while :; do
            case $wl_out in
            *[!A-Za-z0-9._:@+,/=-]*) ;;
            *) break ;;
            esac
            wl_head=${wl_out%%[!A-Za-z0-9._:@+,/=-]*}
            wl_tail=${wl_out#"$wl_head"}
            wl_out=$wl_head${wl_tail#?}
        done
        if [ -n "$wl_out" ]; then wl_out="\"$wl_out\""; else wl_out=null; fi
    }

    # Sets wl_out to a list of devices as JSON. One that is not as Slurm writes it is left out as a
    # whole: half of it would be other devices.
    wl_list() {
        wl_out=null
        case $1 in
        '' | NoDevFiles | *[!A-Za-z0-9._:,/-]*) return ;;
        esac
        [ "${#1}" -gt 4096 ] || wl_out="\"$1\""
    }

    # Sets wl_out to a whole number as JSON.
    wl_number() {
        wl_out=null
        case $1 in
        '' | *[!0-9]*) return ;;
        esac
        [ "${#1}" -le 12 ] || return
        wl_out=$1
        while :; do
            case $wl_out in
            0?*) wl_out=${wl_out#0} ;;
            *) break ;;
            esac
        done
    }

    wl_number "${SLURM_JOB_ID:-${SLURM_JOBID:-}}"
    wl_job=$wl_out
    case $wl_job in
    null | 0) exit ;;
    esac
    wl_number "${SLURM_JOB_RESTART_COUNT:-${SLURM_RESTART_COUNT:-}}"
    wl_restarts=$wl_out
    wl_key=$wl_job
    case $wl_restarts in
    null | 0) ;;
    ???????*) wl_restarts=null ;;
    *) wl_key=$wl_job.$wl_restarts ;;
    esac

    wl_list "${SLURM_JOB_GPUS:-}"
    wl_gpus="\"SLURM_JOB_GPUS\":$wl_out"
    wl_list "${CUDA_VISIBLE_DEVICES:-}"
    wl_gpus="$wl_gpus,\"CUDA_VISIBLE_DEVICES\":$wl_out"
    wl_list "${GPU_DEVICE_ORDINAL:-}"
    wl_gpus="$wl_gpus,\"GPU_DEVICE_ORDINAL\":$wl_out"
    wl_list "${ROCR_VISIBLE_DEVICES:-}"
    wl_gpus="$wl_gpus,\"ROCR_VISIBLE_DEVICES\":$wl_out"
    case $wl_gpus in
    *':"'*) ;;
    *) exit ;; # a job without devices
    esac

    wl_dir=${WATTLINE_RECORDS:-/run/wattline-records}
    case $wl_dir in
    /*) ;;
    *) exit ;;
    esac
    [ -d "$wl_dir" ] || mkdir -p "$wl_dir" || exit

    wl_now=$(date +%s%3N)
    case $wl_now in
    '' | *[!0-9]*) wl_now=$(date +%s)000 ;;
    esac
    case $wl_now in
    *[!0-9]*) exit ;;
    ?????????????) ;;
    *) exit ;;
    esac

    # A record of this job that is still here is of a run whose epilog did not come.
    for wl_old in "$wl_dir/job.$wl_job.json" "$wl_dir/job.$wl_job".*.json; do
        [ -f "$wl_old" ] || continue
        wl_was=${wl_old##*/job.}
        mv -f "$wl_old" "$wl_dir/ended.$wl_now.x.x.$wl_was" || rm -f "$wl_old"
    done

    wl_number "${SLURM_JOB_UID:-}"
    wl_line="\"uid\":$wl_out"
    wl_number "${SLURM_ARRAY_JOB_ID:-}"
    wl_line="$wl_line,\"array_job_id\":$wl_out"
    wl_number "${SLURM_ARRAY_TASK_ID:-}"
    wl_line="$wl_line,\"array_task_id\":$wl_out"
    wl_number "${SLURM_SHARDS_ON_NODE:-}"
    wl_line="$wl_line,\"shards\":$wl_out"
    wl_text "${SLURM_JOB_USER:-}"
    wl_line="$wl_line,\"user\":$wl_out"
    wl_text "${SLURM_JOB_ACCOUNT:-}"
    wl_line="$wl_line,\"account\":$wl_out"
    wl_text "${SLURM_JOB_PARTITION:-}"
    wl_line="$wl_line,\"partition\":$wl_out"
    wl_text "${SLURM_JOB_NAME:-}"
    wl_line="$wl_line,\"name\":$wl_out"
    wl_text "${SLURM_JOB_SLUID:-}"
    wl_line="$wl_line,\"sluid\":$wl_out"
    wl_text "${SLURMD_NODENAME:-}"
    wl_line="$wl_line,\"node\":$wl_out"
    wl_text "${SLURM_CLUSTER_NAME:-}"
    wl_line="$wl_line,\"cluster\":$wl_out"
    wl_text "${CUDA_MPS_ACTIVE_THREAD_PERCENTAGE:-}"
    wl_line="$wl_line,\"mps_percent\":$wl_out"

    wl_new=$wl_dir/.new.$wl_job.$$
    printf '{"format":1,"job_id":"%s","restart_count":%s,"start_ms":%s,"gpus":{%s},%s}\n' \
        "$wl_job" "$wl_restarts" "$wl_now" "$wl_gpus" "$wl_line" >"$wl_new" &&
        mv -f "$wl_new" "$wl_dir/job.$wl_key.json" || rm -f "$wl_new"

    # Where no epilog is installed nothing takes records away: the oldest go.
    set -- "$wl_dir"/job.*.json
    if [ $# -gt $wl_most_running ]; then
        wl_over=$(($# - wl_most_running))
        ls -tr "$wl_dir" | while read -r wl_old && [ $wl_over -gt 0 ]; do
            case $wl_old in
            job.*.json)
                rm -f "$wl_dir/$wl_old"
                wl_over=$((wl_over - 1))
                ;;
            esac
        done
    fi
) </dev/null >/dev/null 2>&1 || :
