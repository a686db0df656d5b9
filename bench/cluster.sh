#!/usr/bin/env bash
# Two hosts on one machine: network namespaces with names of their own, joined
# by a pair of virtual cables, TCP between them. Measures how long the ranks take
# to add up a message and trains the default model. Linux, as root; needs
# openmpi-bin, iproute2 and Deno. It removes all it has made, also when it fails.
#
#   bash bench/cluster.sh [ranks on each host, 1 by default]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
slots=${1:-1}
folder=$(mktemp -d)
made=()

clean() {
  for name in "${made[@]}"; do ip netns del "$name"; done
  rm -r "$folder"
}
trap clean EXIT

for number in 1 2; do
  ip netns add "weft$number"
  made+=("weft$number")
done
ip link add veth1 netns weft1 type veth peer name veth2 netns weft2
for number in 1 2; do
  ip -n "weft$number" addr add "10.77.0.$number/24" dev "veth$number"
  ip -n "weft$number" link set lo up
  ip -n "weft$number" link set "veth$number" up
  echo "10.77.0.$number slots=$slots" >>"$folder/hosts"
done

# What mpirun calls in place of ssh: a host, then a command.
cat >"$folder/agent" <<'AGENT'
#!/bin/sh
name=weft${1##*.}
shift
exec ip netns exec "$name" unshare --uts sh -c "hostname $name; exec $*"
AGENT
chmod +x "$folder/agent"

# Either host would bind its first rank to the first core of the one machine.
on_both() {
  ip netns exec weft1 unshare --uts sh -c 'hostname weft1; exec "$@"' sh \
    mpirun --allow-run-as-root --oversubscribe --hostfile "$folder/hosts" \
    --bind-to none -n $((2 * slots)) --mca plm_rsh_agent "$folder/agent" \
    --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_if_include 10.77.0.0/24 "$@"
}

deno=$(command -v deno)
on_both "$deno" run -A bench/allreduce.ts
on_both "$deno" run -A mod.ts --output "$folder/results.json"
grep -E '"(ranks|steps_per_second)"' "$folder/results.json"
