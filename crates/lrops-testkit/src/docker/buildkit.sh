# Runs BuildKit: a directory for what is small, one for what is large, then the daemon's program and arguments.
run=$1 data=$2
shift 2

# It has a socket of its own besides the one that it is told, at a place that is compiled in.
keep 'mkdir -p /run/buildkit && mount -t tmpfs none /run/buildkit' "$@"

rm -rf "$run" "$data"
