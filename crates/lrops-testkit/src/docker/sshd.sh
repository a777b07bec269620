# Runs an ssh server: its directory, then its program and arguments.
run=$1
shift

# sshd wants a user without rights and an empty directory, and lets nobody in whose password is locked, as root's often
# is. With files of its own the machine stays as it is, and what root's shell does at a login does not matter.
printf '%s\n' 'root:x:0:0::/:/bin/sh' 'sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin' >"$run/passwd"
printf '%s\n' 'root:*:::::::' 'sshd:*:::::::' >"$run/shadow"
chmod 600 "$run/shadow"
keep "mkdir -p /run/sshd && mount --bind '$run/passwd' /etc/passwd && mount --bind '$run/shadow' /etc/shadow" "$@"

rm -rf "$run"
