# Runs a docker daemon: a directory for what is small, one for what is large, then the daemon's program and arguments.
run=$1 data=$2
shift 2

# Adding a bridge fails when there is one of the name: so daemons of several processes find different numbers.
number=0
network=
until [ -n "$network" ]; do
    number=$((number + 1))
    if [ "$number" -gt 200 ]; then
        echo 'no bridge can be added for a docker daemon' >&2
        exit 1
    fi
    bridge=lropstest$number
    if ip -4 -oneline address show | grep --quiet --fixed-strings " 10.213.$number."; then
        continue
    fi
    if ip link add "$bridge" type bridge; then
        network=10.213.$number
    fi
done

# The daemon's own rules would be put into chains that all daemons of a machine share, and that each of them empties
# when it starts. These are enough for commands of builds to reach a network.
rules() {
    iptables --wait "$1" FORWARD -i "$bridge" -j ACCEPT
    iptables --wait "$1" FORWARD -o "$bridge" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    iptables --wait --table nat "$1" POSTROUTING -s "$network.0/24" ! -o "$bridge" -j MASQUERADE
}

ip address add "$network.1/24" dev "$bridge"
ip link set "$bridge" up
rules --insert

# What a daemon would share with the machine's own, because the places are compiled in: containerd's socket, above all,
# which is used instead of an own containerd when it is there.
hide='for place in /run/containerd /run/docker /etc/docker /opt/containerd; do
    mkdir -p "$place" && mount -t tmpfs none "$place"
done'
keep "$hide" "$@" --bridge "$bridge" --fixed-cidr "$network.0/24"

rules --delete
ip link delete "$bridge"
rm -rf "$run" "$data"
