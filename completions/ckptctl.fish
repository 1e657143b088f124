# Completion of ckptctl in fish: commands, options, and the jobs and clusters that the server knows at this moment.
# Put it into ~/.config/fish/completions/ckptctl.fish.

function __ckptctl_complete
    set -lx CKPTCTL_COMPLETE fish
    # The last word comes as it was typed, with an open quote if there is one.
    command ckptctl -- (commandline --current-process --tokenize --cut-at-cursor) \
        (commandline --current-token --cut-at-cursor | string collect --allow-empty) 2>/dev/null
end

complete --command ckptctl --no-files --keep-order --arguments '(__ckptctl_complete)'
