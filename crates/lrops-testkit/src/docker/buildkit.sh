# Runs BuildKit: a directory for what is small, one for what is large, then the daemon's program and arguments.
run=$1 data=$2
shift 2
keep : "$@"
rm -rf "$run" "$data"
