# Runs a command as in a container: in namespaces of its own, with a read-only root file system, a /tmp and a /proc
# of its own. The network is shared.
#
#   CKPT_LOCAL_FLINK=DIRECTORY sh container.sh start KIND USER SHOWN COMMAND...
#
# DIRECTORY is seen inside under the same path, and becomes USER's. So is SHOWN, which may be nothing.
#
#   rootless   made by USER, who is root inside; COMMAND is process 1
#   remapped   made by root; 100000 and on are the users 0 and on inside, USER is one of those; two pid namespaces,
#              one in the other, and COMMAND is not process 1
#   pod        no user namespace; COMMAND is process 1
#   network:N  the same, with a network namespace of its own: N.1 outside is joined with N.2 inside
#   beside:PID as a pod, in the pid namespace of process PID
set -eu
here=$CKPT_LOCAL_FLINK
new=/mnt
stage=$1
shift

start() {
    cp "$0" "$here/container.sh"
    chmod 711 "$here"
    chown -R "$2:$2" "$here"
    exec unshare --mount sh "$here/container.sh" build "$@"
}

# Makes the root file system while everything can still be seen.
build() {
    kind=$1 user=$2 shown=$3
    shift 3
    program=$(command -v "$1")
    case $program in
        /usr/* | "$here"/*) ;;
        *) shown="$shown ${program%/bin/*}" ;;
    esac
    # What is in /tmp gets its place there when that has been made.
    later=
    for path in "$here" $shown; do
        case $path in
            /tmp/*) later="$later $path" ;;
        esac
    done
    export later
    mount -t tmpfs -o mode=755 tmpfs "$new"
    mkdir "$new/tmp" "$new/proc"
    for path in /bin /lib /lib64 /sbin /usr /etc /dev "$here" $shown; do
        case $path in
            /tmp/*)
                mkdir -p "$new/later$path"
                mount --rbind "$path" "$new/later$path"
                continue
                ;;
        esac
        if [ -L "$path" ]; then
            mkdir -p "$new${path%/*}"
            cp -P "$path" "$new$path"
        elif [ -e "$path" ]; then
            mkdir -p "$new$path"
            mount --rbind "$path" "$new$path"
        fi
    done
    mount -o remount,ro "$new"
    case $kind in
        rootless)
            exec setpriv --reuid "$user" --regid "$user" --clear-groups \
                unshare --user --map-root-user --mount --pid --fork --kill-child \
                sh "$here/container.sh" enter - "$@"
            ;;
        remapped)
            mkfifo -m 666 "$here/ready"
            outside=$(readlink /proc/self/ns/user)
            {
                while [ "$(readlink "/proc/$$/ns/user")" = "$outside" ]; do :; done
                echo 0 100000 65536 >"/proc/$$/uid_map"
                echo 0 100000 65536 >"/proc/$$/gid_map"
                echo >"$here/ready"
            } &
            exec unshare --user --keep-caps --pid --fork --kill-child \
                sh "$here/container.sh" remap $((user - 100000)) "$@"
            ;;
        network:*)
            mkfifo "$here/ready"
            outside=$(readlink /proc/self/ns/net)
            {
                while [ "$(readlink "/proc/$$/ns/net")" = "$outside" ]; do :; done
                ip link add "ckpt$$" type veth peer name eth0 netns "$$"
                ip address add "${kind#*:}.1/30" dev "ckpt$$"
                ip link set "ckpt$$" up
                nsenter --target $$ --net ip link set lo up
                nsenter --target $$ --net ip address add "${kind#*:}.2/30" dev eth0
                nsenter --target $$ --net ip link set eth0 up
                echo >"$here/ready"
            } &
            exec unshare --net --pid --fork --kill-child sh "$here/container.sh" join "$user" "$@"
            ;;
        pod) exec unshare --pid --fork --kill-child sh "$here/container.sh" enter "$user" "$@" ;;
        beside:*) exec nsenter --target "${kind#*:}" --pid sh "$here/container.sh" enter "$user" "$@" ;;
    esac
}

# Becomes root inside, once users are mapped.
remap() {
    read -r _ <"$here/ready"
    exec setpriv --reuid 0 --regid 0 --clear-groups --pdeathsig KILL \
        unshare --mount --pid --fork --kill-child sh "$here/container.sh" stay "$@"
}

# The command gets a process of its own.
stay() {
    (enter "$@") || exit
}

join() {
    read -r _ <"$here/ready"
    enter "$@"
}

# The last step, in all namespaces.
enter() {
    user=$1
    shift
    mount -t proc proc "$new/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$new/tmp"
    for path in $later; do
        mkdir -p "$new$path"
        mount --rbind "$new/later$path" "$new$path"
    done
    set -- env --chdir="$here" "$@"
    [ "$user" = - ] && exec chroot "$new" "$@"
    set -- setpriv --reuid "$user" --regid "$user" --clear-groups --pdeathsig KILL "$@"
    exec chroot "$new" "$@"
}

"$stage" "$@"
