# Completion of ckptctl in bash: commands, options, and the jobs and clusters that the server knows at this moment.
# Put it into ~/.local/share/bash-completion/completions/ckptctl, or source it in ~/.bashrc.

_ckptctl() {
    local line
    COMPREPLY=()
    # Which words there are, and what readline replaces, ckptctl finds out itself: bash takes words apart at every colon.
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(CKPTCTL_COMPLETE=bash command ckptctl -- "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -o nosort -F _ckptctl ckptctl 2>/dev/null || complete -F _ckptctl ckptctl
