# Chains on a device that is none, for the tests here: `load device` after `load ../common` and
# `load ../parity/compare`.
# SPDX-License-Identifier: MIT

# use_emulated: the kernels of CUDA compiled for the CPU, with memory that faults when the host touches it
# and is NaN until it is written.
use_emulated() {
    export KILN_CUDA_BACKEND=$top_builddir/tests/cuda/kiln-cuda-emulated.so
    [ -e "$KILN_CUDA_BACKEND" ] || skip "no C++ compiler"
    export KILN_PRECISION=exact
}

# both CHAIN...: on the CPU and on the device, into cpu.safetensors and cuda.safetensors.
both() {
    kiln -d cpu "$@" ! save cpu.safetensors
    kiln -d cuda "$@" ! save cuda.safetensors
}

# same CHAIN...: on both, to 1e-5 and 1e-5 of each value: the two sum in different orders, an ulp
# or two in a layer; seen up to 3e-6.
same() {
    both "$@"
    floats cpu.safetensors >cpu.txt
    floats cuda.safetensors >cuda.txt
    close 1e-5 cuda.txt cpu.txt
}

# copies STEPS CHAIN...: what a run counts, into $to_device and so on.
copies() {
    local n=$1
    shift
    KILN_EMULATED_COUNTS=counts kiln -d cuda "$@" "steps=$n" ! save cuda.safetensors
    read_counts
}

read_counts() {
    while read -r name value; do declare -g "$name=$value"; done <counts
}

# per_step TO_DEVICE TO_HOST CHAIN...: the copies of a step, which asks for no new memory.
per_step() {
    local up=$1 down=$2
    shift 2
    copies 3 "$@"
    local a=$to_device b=$to_host c=$blocks
    copies 7 "$@"
    echo "to the device $(((to_device - a) / 4)), to the host $(((to_host - b) / 4)) a step"
    [ $((to_device - a)) = $((4 * up)) ]
    [ $((to_host - b)) = $((4 * down)) ]
    [ "$blocks" = "$c" ]
}

# same_bits CHAIN...: step by step and with recorded steps, the bits are the same, and the memory that is
# left. Counts of the second run are in $graphs, $replays and so on.
same_bits() {
    KILN_CUDA_GRAPHS=0 counted "$@"
    echo "one by one: $launches launches, peak $peak"
    [ "$graphs" = 0 ]
    local before=$left
    mv cuda.safetensors plain.safetensors
    counted "$@"
    echo "recorded: $graphs graphs of $recorded, $replays replays, $launches launches, peak $peak"
    floats plain.safetensors >plain.txt
    floats cuda.safetensors >recorded.txt
    diff plain.txt recorded.txt
    [ "$dropped" = "$graphs" ]
    [ "$left" = "$before" ]
}

counted() {
    KILN_EMULATED_COUNTS=counts kiln -d cuda "$@" ! save cuda.safetensors
    read_counts
}
