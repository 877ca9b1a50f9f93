#!/usr/bin/env bash
# Build pysal for the CUDA card of this machine, test it there, and time it against PyTorch.
#
#   benchmarks/device.sh [--dry-run] [STEP ...]
#
# Results go to the folder $OUT (default: benchmarks/results/device-CARD): rows.jsonl, one line per
# figure as soon as it is known; results.json, all of them; table.txt, also printed last; log.txt.
# The exit code is 0 if every required step passed. No network is needed and nothing is installed.
#
#   --dry-run         the same path on the CPU with tiny sizes; its figures mean nothing
#   STEP ...          only these of: machine build tests check kernels explain gradient methods ort
#                     tensorrt
#   PYTHON            interpreter, with torch (default python3)
#   PYSAL_SECONDS     for everything (default 470); steps that do not fit are cut short or left out
#   ORT_GPU_WHEEL     folder with a wheel of onnxruntime-gpu, or its pieces NAME.whl.part*
#   TENSORRT_WHEELS   the same for TensorRT: bindings and libraries
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
python=${PYTHON:-python3}
dry=0
steps=()
for argument in "$@"; do
    case $argument in
    --dry-run) dry=1 ;;
    -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2 ;;
    *) steps+=("$argument") ;;
    esac
done

card=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
slug=$(tr -cs '[:alnum:]' '-' <<<"${card:-none}" | tr '[:upper:]' '[:lower:]')
out=${OUT:-$root/benchmarks/results/device-${slug%-}}
dry_run=""
if ((dry)); then
    dry_run=--dry-run
    out=${OUT:-$root/build/device-dry}
    export OMP_NUM_THREADS=1
fi
total=${PYSAL_SECONDS:-470}
reserve=6 # for the report
status=0
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
build=$root/build/device
if ((dry)); then build=$out/build; fi
site=$build/site
mkdir -p "$build" || exit 1
rm -f "$out"/{rows.jsonl,results.json,table.txt,log.txt}
if ((dry)); then rm -rf "$site"; fi

# Not the folder of the checkout: its pysal/ has no compiled modules. Python 3.11 and later.
export PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH=$site:$root/benchmarks${PYTHONPATH:+:$PYTHONPATH}
export TORCHINDUCTOR_CACHE_DIR=$build/inductor

wanted() { # STEP
    ((${#steps[@]} == 0)) || [[ " ${steps[*]} " == *" $1 "* ]]
}

row() { # STEP RC SECONDS REQUIRED LIMIT: one line of rows.jsonl about a whole step
    printf '{"step": "%s", "whole": true, "rc": %d, "seconds": %d, "required": %s, "limit": %d}\n' \
        "$@" >>"$out/rows.jsonl"
}

step() { # NAME SECONDS REQUIRED COMMAND ...: run it within its time and what is left of all
    local name=$1 limit=$2 required=$3 rc begin=$SECONDS left=$((total - reserve - SECONDS))
    shift 3
    wanted "$name" || return 0
    ((left < limit)) && limit=$left
    printf '\n== %s (at %d s, limit %d s)\n' "$name" "$SECONDS" "$limit" | tee -a "$out/log.txt"
    if ((limit < 8)); then
        rc=124
    else
        STEP_SECONDS=$limit timeout -k 5 "$limit" bash -uo pipefail -c '"$@"' "$name" "$@" \
            >"$build/step.log" 2>&1
        rc=$?
        cat "$build/step.log" >>"$out/log.txt"
    fi
    row "$name" "$rc" $((SECONDS - begin)) "$required" "$limit"
    if ((rc)); then
        printf 'exit code %d; the end of its log:\n' "$rc"
        tail -n 12 "$build/step.log" 2>/dev/null | cut -c1-300
        [[ $required == true ]] && status=1
    fi
    return "$rc"
}

measure() { # MODULE, in its process; no new case begins in the last tenth of its time
    "$python" -m "device.$1" --out "$out" --seconds $((STEP_SECONDS * 9 / 10)) \
        ${dry_run:+"$dry_run"}
}

installed() { # whether pysal with its compiled modules is importable
    "$python" -c 'import pysal.export, pysal._kernels'
}

architecture() { # of the card, as CMake writes it
    local found
    found=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1)
    if [[ $found =~ ^[0-9]+\.[0-9]+$ ]]; then echo "${found/./}"; else echo native; fi
}

find_nvcc() {
    command -v nvcc || find /usr/local/cuda*/bin /opt/cuda*/bin -name nvcc 2>/dev/null | sort | tail -n 1
}

build_with_pip() { # CUDA: a wheel's content in $site, built without anything from outside
    PYSAL_NATIVE=1 "$python" -m pip install . --target "$site" --upgrade --no-build-isolation \
        --no-deps --no-index --disable-pip-version-check --no-warn-script-location --verbose \
        -C build-dir="$build/pip-$1" -C "cmake.define.PYSAL_CUDA=$1" \
        -C "cmake.define.pybind11_DIR=$("$python" -m pybind11 --cmakedir)" \
        -C "cmake.define.CMAKE_CUDA_ARCHITECTURES=$(architecture)"
}

build_with_cmake() { # CUDA: the same by hand
    local version part cmake=$build/cmake-$1
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -n 1)
    cmake -S . -B "$cmake" -G Ninja -DCMAKE_BUILD_TYPE=Release -DPYSAL_CUDA="$1" \
        -DSKBUILD_PROJECT_VERSION="$version" -DPython_EXECUTABLE="$(command -v "$python")" \
        -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" \
        -DCMAKE_CUDA_ARCHITECTURES="$(architecture)" &&
        cmake --build "$cmake" || return
    rm -rf "$site" && mkdir -p "$site/pysal_saliency-$version.dist-info" &&
        cp -r pysal "$site/pysal" && cp -r export "$site/pysal/export" || return
    printf 'Metadata-Version: 2.1\nName: pysal-saliency\nVersion: %s\n' "$version" \
        >"$site/pysal_saliency-$version.dist-info/METADATA"
    for part in "$cmake"/*.so; do cp "$part" "$site/pysal/" || return; done
}

build_all() {
    if ((dry)) && installed; then return; fi
    local nvcc
    nvcc=$(find_nvcc)
    if [[ -n $nvcc ]]; then export CUDACXX=$nvcc PATH=${nvcc%/*}:$PATH; fi
    if ((dry)); then
        build_with_pip OFF || build_with_cmake OFF
        return
    fi
    build_with_pip ON || build_with_cmake ON || { build_with_cmake OFF && return 1; }
    "$python" -c 'import sys; from pysal.kernels import cuda; sys.exit(cuda.available())' || return
}

gpu_tests() { # only where such tests are: others may need packages that are not here
    local where=() selected=() path
    while read -r path; do
        case $path in
        */conftest.py) where+=("${path%/*}") ;;
        */test_*.py) where+=("$path") ;;
        esac
    done < <(grep -rlF 'mark.gpu' tests --include='*.py')
    if ((${#where[@]} == 0)); then
        echo "no test is marked gpu"
        return $((dry ? 0 : 5))
    fi
    if ((dry)); then selected=(--collect-only --quiet); fi
    # Versions of packages differ from those of CI: warnings are shown and are no errors here.
    "$python" -m pytest -m gpu "${where[@]}" "${selected[@]}" -v -W default --durations=10 \
        -p no:cacheprovider --continue-on-collection-errors
}

wheels() { # FOLDER NAME: install the wheels of a folder, some in pieces NAME.whl.part*
    local packages=$build/$2 name
    rm -rf "$packages" && mkdir -p "$packages" || return
    for name in "$1"/*.whl.part*; do
        [[ -e $name ]] && cat "${name%.part*}".part* >"$packages/$(basename "${name%.part*}")"
    done
    for name in "$1"/*.whl; do [[ -e $name ]] && ln -sf "$(realpath "$name")" "$packages/"; done
    compgen -G "$packages/*.whl" >/dev/null || { echo "no wheel in $1"; return 1; }
    "$python" -m pip install "$packages"/*.whl --target "$packages/site" --upgrade --no-deps \
        --no-index --disable-pip-version-check || return
    export PYTHONPATH=$packages/site:$PYTHONPATH
}

ort_cuda() {
    if [[ -n ${ORT_GPU_WHEEL:-} && $dry == 0 ]]; then wheels "$ORT_GPU_WHEEL" ort || return; fi
    measure ort
}

tensorrt() { # the contract that every engine is tested on, and the figures
    local selected=(--collect-only --quiet) rc=0
    if [[ -n ${TENSORRT_WHEELS:-} && $dry == 0 ]]; then
        wheels "$TENSORRT_WHEELS" tensorrt || return
    fi
    if ((dry)) || "$python" -c 'import sys
from pysal.backends import devices
sys.exit(devices()["tensorrt cuda"] != "available")'; then
        if ((dry == 0)); then selected=(-v) && export PYSAL_TEST_BACKENDS=tensorrt_cuda; fi
        "$python" -m pytest tests/backends/test_contract.py -m gpu -k 'tensorrt and not ort_tensorrt' \
            "${selected[@]}" -W default -p no:cacheprovider || rc=$?
    fi
    measure tensorrt || rc=$?
    return "$rc"
}

finish() {
    trap - EXIT
    "$python" -m device.report --out "$out" ${dry_run:+"$dry_run"} || status=1
    exit "$status"
}

export -f measure installed architecture find_nvcc build_with_pip build_with_cmake build_all \
    gpu_tests wheels ort_cuda tensorrt
export python out build site dry dry_run
trap finish EXIT
trap 'status=1; exit' INT TERM

step machine 45 true measure machine
step build 120 true build_all
step check 75 true measure check
step tests 90 true gpu_tests
step kernels 70 true measure kernels
step explain 150 true measure explain
step gradient 150 true measure gradient
step methods 90 true measure others
step ort 60 false ort_cuda
step tensorrt 120 false tensorrt
