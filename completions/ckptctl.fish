# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ckptctl_global_optspecs
    string join \n server= state-dir= by= o/output= h/help V/version
end

function __fish_ckptctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ckptctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ckptctl_using_subcommand
    set -l cmd (__fish_ckptctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ckptctl -n "__fish_ckptctl_needs_command" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_needs_command" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_needs_command" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_needs_command" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -s V -l version -d 'Print version'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "get" -d 'Show jobs, or one job: what was submitted, what is overridden, what is in flight'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "set-timeout" -d 'Change how long a checkpoint may take, for checkpoints in flight too'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "set-interval" -d 'Change how often a checkpoint is triggered, from the next trigger on'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "set" -d 'Change timeout and interval together'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "reset" -d 'Go back to what was submitted'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "adopt" -d 'Carry the override of an earlier job of the same name over to the one that runs now'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "audit" -d 'Show who changed what, when and why, and what came of it'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "reconcile" -d 'Pause and resume the applying of overrides that stop holding, or say whether it is paused'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "watch" -d 'Follow jobs, or one job, as they go'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "history" -d 'Show a job\'s recent checkpoints'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "trigger" -d 'Make a checkpoint now'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "savepoint" -d 'Make a savepoint now, a checkpoint that outlives the job'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "doctor" -d 'Say whether Flink clusters can be changed from where ckptd runs, and if not, why'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "submit" -d 'Submit a job file'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "cancel" -d 'Cancel a job, with a savepoint or without'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c ckptctl -n "__fish_ckptctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand get" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand get" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand get" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand get" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand get" -l all -d 'Also show jobs that have ended'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand get" -l check -d 'Say by the exit code whether every override that is shown holds: 0 if so, 6 when one is in conflict, 5 when one is orphaned, 8 when one waits or is not applied'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l for -d 'How long it lasts, such as 4h: then it ends by itself, and what was in force before applies again; forever for one that does not end, where ckptd is configured otherwise' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l if-revision -d 'Change nothing unless the job is at this revision' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l reason -d 'Why, for whoever comes after' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l wait-timeout -d 'How long to wait at most (it is not called --timeout, which is the checkpoints\')' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l dry-run -d 'Only say what would happen, also to checkpoints in flight'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -s y -l yes -d 'Do not ask before a checkpoint in flight is made to expire'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l error-unchanged -d 'End with 3 when nothing changed'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l allow-prefix -d 'Take a unique prefix of the job\'s name or id as well'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -l wait -d 'Wait until the change is applied'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-timeout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l for -d 'How long it lasts, such as 4h: then it ends by itself, and what was in force before applies again; forever for one that does not end, where ckptd is configured otherwise' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l if-revision -d 'Change nothing unless the job is at this revision' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l reason -d 'Why, for whoever comes after' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l wait-timeout -d 'How long to wait at most (it is not called --timeout, which is the checkpoints\')' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l now -d 'Bring the next trigger forward to one new interval from now'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l dry-run -d 'Only say what would happen, also to checkpoints in flight'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -s y -l yes -d 'Do not ask before a checkpoint in flight is made to expire'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l error-unchanged -d 'End with 3 when nothing changed'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l allow-prefix -d 'Take a unique prefix of the job\'s name or id as well'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -l wait -d 'Wait until the change is applied'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set-interval" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l timeout -d 'How long a checkpoint may take, such as 20m' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l interval -d 'How often a checkpoint is triggered, such as 5m' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l for -d 'How long it lasts, such as 4h: then it ends by itself, and what was in force before applies again; forever for one that does not end, where ckptd is configured otherwise' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l if-revision -d 'Change nothing unless the job is at this revision' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l reason -d 'Why, for whoever comes after' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l wait-timeout -d 'How long to wait at most (it is not called --timeout, which is the checkpoints\')' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l now -d 'Bring the next trigger forward to one new interval from now'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l dry-run -d 'Only say what would happen, also to checkpoints in flight'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -s y -l yes -d 'Do not ask before a checkpoint in flight is made to expire'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l error-unchanged -d 'End with 3 when nothing changed'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l allow-prefix -d 'Take a unique prefix of the job\'s name or id as well'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -l wait -d 'Wait until the change is applied'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l if-revision -d 'Change nothing unless the job is at this revision' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l reason -d 'Why, for whoever comes after' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l wait-timeout -d 'How long to wait at most (it is not called --timeout, which is the checkpoints\')' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l dry-run -d 'Only say what would happen, also to checkpoints in flight'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -s y -l yes -d 'Do not ask before a checkpoint in flight is made to expire'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l error-unchanged -d 'End with 3 when nothing changed'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l allow-prefix -d 'Take a unique prefix of the job\'s name or id as well'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -l wait -d 'Wait until the change is applied'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l from -d 'The id of the earlier job; only needed when several have left an override behind' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l reason -d 'Why, for whoever comes after; the override\'s own reason stays if left out' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l wait-timeout -d 'How long to wait at most (it is not called --timeout, which is the checkpoints\')' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l dry-run -d 'Only say what would happen, also to checkpoints in flight'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -s y -l yes -d 'Do not ask before a checkpoint in flight is made to expire'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l allow-prefix -d 'Take a unique prefix of the job\'s name or id as well'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -l wait -d 'Wait until the override is applied'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand adopt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand audit" -l since -d 'Only from then on: how long ago, such as 2h, or a time, such as 2026-11-22T16:00:00Z' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand audit" -l limit -d 'So many entries at most, 1 to 1000' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand audit" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand audit" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand audit" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand audit" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand audit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -f -a "pause" -d 'Leave overrides that stop holding as they are, until resume; changes that somebody asks for are made'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -f -a "resume" -d 'Apply overrides that stop holding again'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -f -a "status" -d 'Say where reconcile is paused, since when and why'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and not __fish_seen_subcommand_from pause resume status help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from pause" -l reason -d 'Why, for whoever comes after' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from pause" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from pause" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from pause" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from pause" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from resume" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from resume" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from resume" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from resume" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from status" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from status" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from status" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from status" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from help" -f -a "pause" -d 'Leave overrides that stop holding as they are, until resume; changes that somebody asks for are made'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Apply overrides that stop holding again'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from help" -f -a "status" -d 'Say where reconcile is paused, since when and why'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand reconcile; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand watch" -l every -d 'How often to ask, at least 100ms' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand watch" -l until -d 'End when this has come about' -r -f -a "completed\t'The checkpoint in flight, or else the next one, has ended: 0 if it completed, else 8'
applied\t'The job\'s override holds: 0; 6 when it is in conflict, 5 when it is orphaned, 8 when the job ends before'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand watch" -l wait-timeout -d 'How long to wait for that at most; no limit if left out' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand watch" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand watch" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand watch" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand watch" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand history" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand history" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand history" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand history" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -l wait-timeout -d 'How long to wait at most (it is not called --timeout, which is the checkpoints\')' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -l full -d 'A full checkpoint, even where incremental ones are configured'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -l wait -d 'Wait until it has completed or failed'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -l allow-prefix -d 'Take a unique prefix of the job\'s name or id as well'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand trigger" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand savepoint" -l wait-timeout -d 'How long to wait at most' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand savepoint" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand savepoint" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand savepoint" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand savepoint" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand savepoint" -l no-wait -d 'Do not wait until it has completed or failed'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand savepoint" -l allow-prefix -d 'Take a unique prefix of the job\'s name or id as well'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand savepoint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand doctor" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand doctor" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand doctor" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand doctor" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand submit" -l from-savepoint -d 'Start from this savepoint or retained checkpoint: its directory or its _metadata, on ckptd\'s machine' -r -F
complete -c ckptctl -n "__fish_ckptctl_using_subcommand submit" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand submit" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand submit" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand submit" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand submit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand cancel" -l with-savepoint -d 'Make a savepoint in DIR first, and wait for it; if it fails, the job goes on' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand cancel" -l wait-timeout -d 'How long to wait for the savepoint at most' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand cancel" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand cancel" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand cancel" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand cancel" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand cancel" -l allow-prefix -d 'Take a unique prefix of the job\'s name or id as well'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand completions" -l server -d 'The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]' -r -f
complete -c ckptctl -n "__fish_ckptctl_using_subcommand completions" -l state-dir -d 'The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE, which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]' -r -f -a "(__fish_complete_directories)"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand completions" -l by -d 'Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and this machine\'s]' -r
complete -c ckptctl -n "__fish_ckptctl_using_subcommand completions" -s o -l output -d 'What to print instead of text for people' -r -f -a "json\t'The server\'s answer as it came'
wide\t'The table with more columns'
name\t'Only names, one a line'"
complete -c ckptctl -n "__fish_ckptctl_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "get" -d 'Show jobs, or one job: what was submitted, what is overridden, what is in flight'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "set-timeout" -d 'Change how long a checkpoint may take, for checkpoints in flight too'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "set-interval" -d 'Change how often a checkpoint is triggered, from the next trigger on'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "set" -d 'Change timeout and interval together'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "reset" -d 'Go back to what was submitted'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "adopt" -d 'Carry the override of an earlier job of the same name over to the one that runs now'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "audit" -d 'Show who changed what, when and why, and what came of it'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "reconcile" -d 'Pause and resume the applying of overrides that stop holding, or say whether it is paused'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "watch" -d 'Follow jobs, or one job, as they go'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "history" -d 'Show a job\'s recent checkpoints'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "trigger" -d 'Make a checkpoint now'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "savepoint" -d 'Make a savepoint now, a checkpoint that outlives the job'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "doctor" -d 'Say whether Flink clusters can be changed from where ckptd runs, and if not, why'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "submit" -d 'Submit a job file'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "cancel" -d 'Cancel a job, with a savepoint or without'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and not __fish_seen_subcommand_from get set-timeout set-interval set reset adopt audit reconcile watch history trigger savepoint doctor submit cancel completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and __fish_seen_subcommand_from reconcile" -f -a "pause" -d 'Leave overrides that stop holding as they are, until resume; changes that somebody asks for are made'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and __fish_seen_subcommand_from reconcile" -f -a "resume" -d 'Apply overrides that stop holding again'
complete -c ckptctl -n "__fish_ckptctl_using_subcommand help; and __fish_seen_subcommand_from reconcile" -f -a "status" -d 'Say where reconcile is paused, since when and why'
