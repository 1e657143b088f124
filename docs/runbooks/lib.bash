# What the runbooks have in common. They are read from top to bottom, like a page; each command is shown before it runs.

# What the person is to know or to do next.
step() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Shows a command as it could be typed, and runs it.
run() {
    printf '$'
    printf ' %q' "$@"
    printf '\n'
    "$@"
}

# Looks until something has come about. Without a terminal that would be a stream of JSON, which nobody wants in between.
follow() {
    if [[ -t 1 ]]; then
        run ckptctl watch "$@"
    else
        printf '$'
        printf ' %q' ckptctl watch "$@"
        printf '\n'
        ckptctl watch "$@" >/dev/null
    fi
}

# Goes on only if somebody agrees. Without a terminal nobody can, but for --yes.
agreed() {
    if [[ ${yes:-} == yes ]]; then
        return
    fi
    [[ -t 0 ]] || fail "nothing was changed: there is no terminal to ask on; look at what it would do above, and add --yes"
    local answer
    read -r -p "$1 [y/N] " answer
    [[ $answer == [yY] ]] || fail "nothing was changed"
}

# The timeout in force that an answer of ckptctl's in JSON tells, in milliseconds.
timeout_of() { sed -n 's/.*"checkpointTimeout": *{[^}]*"effective": *\([0-9]*\).*/\1/p'; }

# When that ends by itself, in milliseconds since the epoch; nothing when it does not.
end_of() { sed -n 's/.*"checkpointTimeout": *{[^}]*"origin": *{[^}]*"until": *\([0-9]*\).*/\1/p'; }

# Goes on only if this change, a dry run, makes the timeout longer, or lets it last longer: a shorter one would let what is in
# flight expire.
lengthens() {
    local before now then after
    before=$(ckptctl get "$job" -o json)
    then=$("$@" -o json 2>/dev/null)
    now=$(timeout_of <<<"$before")
    after=$(timeout_of <<<"$then")
    if ((${after:-0} == ${now:-0} && $(end_of <<<"$then") + 0 > $(end_of <<<"$before") + 0 && $(end_of <<<"$before") + 0 > 0)); then
        return
    fi
    ((${after:-0} > ${now:-0})) || fail "nothing was changed: the timeout in force is $((now / 1000))s, and this one would be $((after / 1000))s; say a longer one with --timeout"
}

# The help of a runbook is its own first comment.
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

# Parses JOB, --yes and what a runbook takes besides (as pairs of --name and a variable that has its default).
parse() {
    local -A variables=()
    while [[ $1 != -- ]]; do
        variables[$1]=$2
        shift 2
    done
    shift
    while (($#)); do
        case $1 in
            --help | -h) usage; exit 0 ;;
            --yes | -y) yes=yes ;;
            --*)
                [[ -n ${variables[$1]:-} ]] || fail "there is no option $1; see --help"
                (($# > 1)) || fail "$1 needs a value"
                printf -v "${variables[$1]}" %s "$2"
                shift
                ;;
            *)
                [[ -z ${job:-} ]] || fail "one JOB at a time: $job, and not $1 too"
                job=$1
                ;;
        esac
        shift
    done
    [[ -n ${job:-} ]] || fail "which job? see --help, and the jobs with: ckptctl get"
}
