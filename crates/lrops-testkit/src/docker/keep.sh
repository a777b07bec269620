# Put before the scripts beside it. A script gets a pipe as its input, and cleans up after `keep`.

# Runs a program, after a script, in process and mount namespaces of its own until it ends, or until the input does: a test that is
# killed cannot clean up, but its end of the pipe is closed then too. What the program started ends with the namespace,
# and so does what it mounted.
keep() {
    unshare --mount --pid --mount-proc --fork --kill-child sh -c '
        exec 3<&0
        eval "$0"
        "$@" 3<&- &
        program=$!
        { read -r line; kill "$program"; sleep 15; kill -KILL -1; } <&3 &
        wait "$program"
    ' "$@"
}
