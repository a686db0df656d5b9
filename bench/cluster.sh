#!/usr/bin/env bash
# Two hosts on one machine: network namespaces with names of their own, joined
# by a pair of virtual cables, TCP between them. Measures how long ranks take to
# add up a message and how many steps they take in a second, on one host and on
# both, and at last cuts the cable during a training. Linux, as root; needs
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

# Without --bind-to none either host binds its first rank to the first core of
# the machine, which is the same one here.
ranks=(mpirun --allow-run-as-root --oversubscribe --bind-to none
  -n $((2 * slots)))

on_both() {
  ip netns exec weft1 unshare --uts sh -c 'hostname weft1; exec "$@"' sh \
    "${ranks[@]}" --hostfile "$folder/hosts" \
    --mca plm_rsh_agent "$folder/agent" \
    --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 \
    --mca oob_tcp_keepalive_probes 3 "$@"
}

deno=$(command -v deno)
echo "One process"
"$deno" run -A bench/step_rate.ts
echo "One host"
"${ranks[@]}" "$deno" run -A bench/allreduce.ts
"${ranks[@]}" "$deno" run -A bench/step_rate.ts
echo "Two hosts"
on_both "$deno" run -A bench/allreduce.ts
on_both "$deno" run -A bench/step_rate.ts

echo "Cut the cable"
on_both "$deno" run -A mod.ts --set training.epochs=1000000 \
  --set output.dir="$folder/run" &
training=$!
checkpoints=$folder/run/checkpoints
until compgen -G "$checkpoints/*" >/dev/null; do sleep 0.1; done
ip -n weft2 link set veth2 down
start=$SECONDS
if wait "$training"; then exit 1; fi
echo "All ranks have ended after $((SECONDS - start)) seconds"
test -z "$(ip netns pids weft1)$(ip netns pids weft2)"
ip -n weft2 link set veth2 up
on_both "$deno" run -A mod.ts --set training.epochs=20 \
  --set output.dir="$folder/run" --resume --output "$folder/results.json"
