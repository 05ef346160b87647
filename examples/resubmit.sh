#!/usr/bin/env bash
#SBATCH --job-name=temperatures
#SBATCH --time=01:00:00
#SBATCH --cpus-per-task=2
#
# Submit this as often as you like: it computes only what is stale, and nothing if nothing is.
#
#     sbatch resubmit.sh        on a Slurm cluster
#     bash resubmit.sh          anywhere
#
# In a crontab or a Makefile the question alone is enough, and costs no job:
#
#     cachepy status -q --cache-dir DIR || sbatch resubmit.sh
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-$(dirname "${BASH_SOURCE[0]}")}"
cache="${RESUBMIT_DIR:-out/resubmit}/cache"
python="${PYTHON:-python}"

# Code is looked at too, by its source files. --import imports resubmit.py where these do not tell all.
# It speaks of calls that were made before: for new arguments, such as one more file of data, start resubmit.py itself.
[ -e "$cache" ] || exec "$python" resubmit.py # nothing has been computed yet
code=0
"$python" -m cachepy status -q --import --cache-dir "$cache" || code=$?
case $code in
    0) echo "nothing to do: every result is fresh" ;;
    1 | 3) exec "$python" resubmit.py ;; # something is stale or missing, or it is not known
    *) echo "cachepy status failed ($code)" >&2; exit "$code" ;;
esac
