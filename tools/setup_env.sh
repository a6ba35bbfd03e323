#!/usr/bin/env bash
# Create, repair or check mmpldc's Python environment.  Safe to call at any time.
#
#   MMPLDC_VENV          folder of the environment           (default: .venv in this repository)
#   MMPLDC_PYTHON        its base interpreter                (default: the first suitable on PATH)
#   MMPLDC_CACHE         folder of compiled mmcv wheels      (default: ~/.cache/mmpldc)
#   MMPLDC_MIN_DISK_GB   required free space                 (default: 12, or 5 with CPU-only torch)
#   MMPLDC_MMCV_INDEX, MMPLDC_TORCH_CPU_INDEX   other addresses of the prebuilt wheels
#   FORCE_CUDA=0         compile mmcv's CPU ops even if an nvcc is present
#   MAX_JOBS             number of parallel compilers
# pip's own settings (PIP_INDEX_URL, HTTPS_PROXY, pip.conf, ...) are respected.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${MMPLDC_VENV:-$ROOT/.venv}
[[ $VENV == /* ]] || VENV=$PWD/$VENV
PY=$VENV/bin/python
CHECK=$ROOT/tools/check_env.py
PINS=$ROOT/requirements/constraints.txt
LOG=$VENV/setup.log
WORK=$VENV/.setup-work # temporary files, on the disk whose free space is checked
WHEELS=${MMPLDC_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/mmpldc}/wheels
MMCV_INDEX=${MMPLDC_MMCV_INDEX:-https://mmwheels.onedl.ai} # named in onedl-mmcv's README
TORCH_CPU_INDEX=${MMPLDC_TORCH_CPU_INDEX:-https://download.pytorch.org/whl/cpu}
PYTHON_MINORS=(11 12 13 10) # CPython 3.x that every pin has a build for, the best tested first
STEP=0 EXPLAINED=''
unset PYTHONPATH PYTHONHOME # packages from there would pass for installed
export PIP_USER=0 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off PIP_DISABLE_PIP_VERSION_CHECK=1

clock() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }
step() { STEP=$((STEP + 1)) && printf '[%d/6] %s  (at %s)\n' "$STEP" "$*" "$(clock)"; }
note() { printf '      %s\n' "$*"; }
die() { EXPLAINED=yes && printf '\nsetup_env: %s\n' "$*" >&2 && exit 1; }
pin() { sed -n "s/^$1==\([^ ;]*\).*/\1/p" "$PINS"; }
has_gpu() { compgen -G '/proc/driver/nvidia/gpus/*' >/dev/null || nvidia-smi -L 2>/dev/null | grep -q '^GPU'; }
is_supported() { [[ $1 == 3.* && " ${PYTHON_MINORS[*]} " == *" ${1#3.} "* ]]; }
python_version() { # PYTHON; fails when it does not run, as pyenv's shims do, or is not CPython
  "$1" -c 'import sys; assert sys.implementation.name == "cpython"; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}
answers() { # PYTHON URL; any HTTP answer within 5 s will do
  "$1" -c '
import sys, urllib.error, urllib.request as request
try: request.urlopen(request.Request(sys.argv[1], method="HEAD"), timeout=5)
except urllib.error.HTTPError: pass' "$2" 2>/dev/null
}

# ---------------------------------------------------------------- prerequisites

lock() { # wait for another set-up of the same environment to end
  mkdir -p "$(dirname "$VENV")"
  command -v flock >/dev/null || return 0
  exec 9>"$VENV.lock"
  flock -n 9 || { note "another set-up of $VENV is running, waiting for it" && flock 9; }
}

find_python() { # sets BASE to a suitable interpreter
  local candidates=(python3 "${PYTHON_MINORS[@]/#/python3.}") candidate version seen=''
  [[ -z ${MMPLDC_PYTHON:-} ]] || candidates=("$MMPLDC_PYTHON")
  for candidate in "${candidates[@]}"; do
    version=$(python_version "$candidate") || continue
    is_supported "$version" && BASE=$("$candidate" -c 'import sys; print(sys.executable)') && return
    seen+="; $candidate is Python $version"
  done
  die "no suitable Python: the pinned packages need CPython 3.10 to 3.13 (tried ${candidates[*]}$seen)." \
    "Install one, or name it: MMPLDC_PYTHON=/path/to/python3.11"
}

check_disk() { # GB
  local need=${MMPLDC_MIN_DISK_GB:-$1} place free
  place=$(dirname "$VENV")
  free=$(df -Pk "$place" | awk 'NR == 2 { print int($4 / 1048576) }')
  ((free >= need)) || die "not enough disk space: $place has $free GB free, $need GB are needed." \
    "Free some, or put the environment on another disk: MMPLDC_VENV=/other/disk/mmpldc-venv"
}

check_compiler() { # PYTHON; sets CC and CXX
  local include
  export CC=${CC:-gcc} CXX=${CXX:-g++}
  if ! command -v "$CC" >/dev/null || ! command -v "$CXX" >/dev/null; then
    die "no C++ compiler: mmcv's operations must be compiled, and there is no $CC or no $CXX." \
      "Install them, e.g. 'sudo apt install g++'"
  fi
  include=$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [[ -f $include/Python.h ]] ||
    die "no Python headers: compiling mmcv's operations needs $include/Python.h." \
      "Install them, e.g. 'sudo apt install python$(python_version "$1")-dev'"
  "$CXX" -std=c++17 "-I$include" -x c++ -fsyntax-only - \
    <<<$'#include <Python.h>\n#include <filesystem>\n' 2>/dev/null ||
    die "$CXX cannot compile C++17, which mmcv's operations need." \
      "Install GCC 9 or newer, or name another compiler: CC=... CXX=..."
}

check_prerequisites() { # PYTHON; before anything large is downloaded
  compgen -G "$VENV/lib/python3*/site-packages/torch-$(pin torch)*" >/dev/null || check_disk 5
  compgen -G "$VENV/lib/python3*/site-packages/mmcv/_ext.*" >/dev/null ||
    compgen -G "$WHEELS/$(wheel_key "$1" '*' '*')/*.whl" >/dev/null ||
    answers "$1" "$MMCV_INDEX" || check_compiler "$1"
}

# ---------------------------------------------------------------- pip

run_pip() { # COMMAND ARGUMENT...; everything goes to the log, only progress to the screen
  "$PY" -m pip "$@" 2>&1 |
    tee "$WORK/pip.log" |
    awk '/Downloading.*\([0-9][0-9][0-9.]* [MG]B\)/ { sub(/-[0-9][^ ]*/, ""); show = 1 }
      /^(Installing|Building)|Retrying/ { show = 1 }
      show { print "      " substr($0, 1, 100); fflush(); show = 0 }' ||
    explain_pip_failure
  cat "$WORK/pip.log" >>"$LOG"
}

explain_pip_failure() { # [PIP'S OUTPUT]
  local name output=${1:-$WORK/pip.log}
  cat "$output" >>"$LOG"
  name=$(sed -nE 's/.*(No matching distribution found for|Failed building wheel for) ([^ ;]+).*/\2/p' "$output" | tail -1)
  if grep -q 'No space left on device' "$output"; then
    die "the disk is full. Free some space, or set MMPLDC_VENV to another disk, and call again"
  elif grep -qE 'NewConnectionError|Connection (refused|reset|aborted)|[Tt]imed? ?out|Name or service|name resolution|ProxyError|SSLError|Max retries|from versions: none' "$output"; then
    die "cannot download ${name:-a package}: the package index does not answer, or does not have it." \
      "Check the network; behind a proxy set HTTPS_PROXY, or name a mirror: PIP_INDEX_URL=https://.../simple (log: $LOG)"
  fi
  die "pip could not install ${name:-the packages}: $(grep -m1 '^ERROR' "$output" || tail -1 "$output") (log: $LOG)"
}

# ---------------------------------------------------------------- the environment

make_venv() {
  if "$PY" -c 'import pip' 2>/dev/null; then
    is_supported "$(python_version "$PY")" ||
      die "$VENV has Python $(python_version "$PY"), the pinned packages need 3.10 to 3.13: remove it and call again"
    check_prerequisites "$PY"
    drop_half_installed
    return
  fi
  [[ ! -e $VENV || -f $VENV/pyvenv.cfg ]] || [[ -d $VENV && -z $(ls -A "$VENV") ]] ||
    die "$VENV exists and is no Python environment: remove it, or set MMPLDC_VENV to another place"
  find_python
  "$BASE" -c 'import venv, ensurepip' 2>/dev/null ||
    die "$BASE has no venv or ensurepip module. Install it, e.g. 'sudo apt install python$(python_version "$BASE")-venv'"
  check_prerequisites "$BASE"
  rm -rf "$VENV"
  "$BASE" -m venv "$VENV" || die "$BASE could not make an environment in $VENV (see above)"
  note "made with $BASE"
}

drop_half_installed() { # what an interrupted pip left, which it would take for installed
  local info
  for info in "$VENV"/lib/python3*/site-packages/*.dist-info; do
    [[ -s $info/METADATA && -s $info/RECORD ]] || rm -rf "$info"
  done
  rm -rf "$VENV"/lib/python3*/site-packages/~*
}

install_build_tools() {
  local name tools=()
  for name in setuptools wheel packaging ninja psutil; do tools+=("$name==$(pin "$name")"); done
  run_pip install --no-deps "${tools[@]}"
}

install_torch() {
  local local_tag='' index=()
  if [[ ! -d $(compgen -G "$VENV/lib/python3*/site-packages/torch-*.dist-info") ]]; then
    if has_gpu; then
      check_disk 12 && note "a GPU is here: the CUDA build (3 GB to download)"
    elif [[ $(uname -s) == Linux ]] && answers "$PY" "$TORCH_CPU_INDEX"; then
      local_tag=+cpu index=(--extra-index-url "$TORCH_CPU_INDEX")
      note "no GPU here: the CPU build from $TORCH_CPU_INDEX (200 MB to download)"
    else
      check_disk 12 && note "no GPU here, but $TORCH_CPU_INDEX is out of reach: the index's normal build (3 GB to download)"
    fi
  fi
  run_pip install -c "$PINS" "${index[@]}" "torch==$(pin torch)$local_tag" "torchvision==$(pin torchvision)$local_tag"
}

install_packages() {
  local opencv
  # Two OpenCV distributions overwrite each other's files: after one too many is gone, install anew.
  opencv=$("$PY" -m pip list --format=freeze 2>/dev/null | sed -n 's/^\(opencv-[a-z-]*\)[=@ ].*/\1/p')
  if [[ $opencv == *opencv-*opencv-* || $opencv == opencv-python ]]; then
    # shellcheck disable=SC2086 # one name per word
    run_pip uninstall -y $opencv
  fi
  # The list is complete, so nothing is resolved, and mmcv's wish for opencv-python is not heard.
  grep -v '^onedl-mmcv==' "$PINS" >"$WORK/packages.txt"
  run_pip install --no-deps --no-build-isolation -r "$WORK/packages.txt"
}

# ---------------------------------------------------------------- all of it

tidy_up() { # on exit
  local status=$?
  stop_watcher
  stop_mmcv
  rm -rf "$WORK"
  [[ $status == 0 || -n $EXPLAINED ]] || printf '\nsetup_env: stopped in step %d of 6 (log: %s). Call again to go on from there\n' "$STEP" "$LOG" >&2
}

main() {
  lock
  if [[ -x $PY ]] && "$PY" -I "$CHECK" complete 2>/dev/null; then
    echo "$VENV is complete"
    return
  fi
  echo "setting up $VENV: three to five minutes the first time on two cores, if mmcv must be compiled"
  trap tidy_up EXIT
  trap 'EXPLAINED=yes && printf "\nsetup_env: interrupted. Call again to go on from there\n" >&2 && exit 130' INT TERM
  step "Python environment: a few seconds"
  make_venv
  rm -rf "$WORK" "$VENV/.mmpldc-complete" && mkdir "$WORK" && : >"$LOG"
  export TMPDIR=$WORK
  step "build tools: a few seconds"
  install_build_tools
  step "PyTorch: 1 to 5 minutes, depending on the network"
  install_torch
  step "OpenMMLab and the other packages: about a minute, with mmcv beside it"
  begin_mmcv
  install_packages
  step "mmcv with its compiled operations"
  finish_mmcv
  step "mmpldc itself, and a check of everything: about 15 seconds"
  run_pip install --no-deps --no-build-isolation -e "$ROOT"
  "$PY" -I "$CHECK" pins || die "the packages listed above are not as pinned (log: $LOG). Remove $VENV and call again"
  "$PY" -I "$CHECK" imports || die "the check failed (see above; log: $LOG). Remove $VENV and call again"
  "$PY" -I "$CHECK" finish
  echo "$VENV is complete  (took $(clock))"
}

# shellcheck source=tools/setup_mmcv.sh
source "$ROOT/tools/setup_mmcv.sh"
[[ ${BASH_SOURCE[0]} != "$0" ]] || main # the tests source this file
