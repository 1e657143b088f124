//! What a local Flink is configured with, and how its processes are started.

use crate::install::Distribution;
use std::io;
use std::path::Path;
use tokio::process::Command;

/// What Flink's own scripts pass to Java 11 and later.
const OPENED: [&str; 11] = [
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
];
/// A JVM that does not optimise what it has compiled starts with a third of the work.
pub(crate) const QUICK: &str = "-XX:TieredStopAtLevel=1";
/// A collector without threads of its own, for a JVM that nobody looks into.
pub(crate) const SERIAL: &str = "-XX:+UseSerialGC";
const LOG4J: &str = "rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS}{UTC} %-5p %-60c %x - %m%n
";

/// Flink's schedulers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheduler {
    /// The default one: a coordinator outlives the failures of tasks.
    #[default]
    Default,
    /// The adaptive one: every restart makes a new coordinator.
    Adaptive,
}

/// Where a local Flink listens, on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) rest: u16,
    pub(crate) rpc: u16,
}

impl Ports {
    /// Two that are free at the moment.
    pub(crate) fn free() -> io::Result<Self> {
        let listeners =
            [std::net::TcpListener::bind("127.0.0.1:0")?, std::net::TcpListener::bind("127.0.0.1:0")?];
        let [rest, rpc] = listeners.map(|listener| listener.local_addr().map(|address| address.port()));
        Ok(Self { rest: rest?, rpc: rpc? })
    }
}

/// Writes the configuration into `directory`; later settings win.
pub(crate) fn write(
    distribution: &Distribution,
    directory: &Path,
    ports: Ports,
    (scheduler, slots): (Scheduler, u32),
    extra: &[(String, String)],
) -> io::Result<()> {
    let release = distribution.release();
    let place = |name: &str| directory.join(name).display().to_string();
    let (checkpoints, savepoints) = match release {
        (0, _) | (1, ..20) => ("state.checkpoints.dir", "state.savepoints.dir"),
        _ => ("execution.checkpointing.dir", "execution.checkpointing.savepoint-dir"),
    };
    let mut settings: Vec<(String, String)> = [
        ("jobmanager.rpc.address", "127.0.0.1"),
        ("jobmanager.bind-host", "127.0.0.1"),
        ("jobmanager.memory.process.size", "768m"),
        ("rest.address", "127.0.0.1"),
        ("rest.bind-address", "127.0.0.1"),
        ("taskmanager.host", "127.0.0.1"),
        ("taskmanager.bind-host", "127.0.0.1"),
        // Without Flink's scripts nobody else works out the parts of a TaskManager's memory.
        ("taskmanager.cpu.cores", "4.0"),
        ("taskmanager.memory.task.heap.size", "128m"),
        ("taskmanager.memory.task.off-heap.size", "0m"),
        ("taskmanager.memory.framework.heap.size", "128m"),
        ("taskmanager.memory.framework.off-heap.size", "128m"),
        ("taskmanager.memory.network.min", "32m"),
        ("taskmanager.memory.network.max", "32m"),
        ("taskmanager.memory.managed.size", "32m"),
        ("taskmanager.memory.jvm-metaspace.size", "160m"),
        ("taskmanager.memory.jvm-overhead.min", "192m"),
        ("taskmanager.memory.jvm-overhead.max", "192m"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let actors = if release < (1, 18) { "akka" } else { "pekko" };
    let mut set = |key: &str, value: String| settings.push((key.to_owned(), value));
    // Flink gives up when its actors are not there after 10 s, which happens on a machine with too much to do.
    set(&format!("{actors}.startup-timeout"), "120 s".to_owned());
    set("jobmanager.rpc.port", ports.rpc.to_string());
    set("rest.port", ports.rest.to_string());
    set("rest.bind-port", ports.rest.to_string());
    set("taskmanager.numberOfTaskSlots", slots.to_string());
    set("io.tmp.dirs", place("tmp"));
    set("blob.storage.directory", place("blobs"));
    set("web.tmpdir", place("web"));
    set(checkpoints, format!("file://{}", place("checkpoints")));
    set(savepoints, format!("file://{}", place("savepoints")));
    if scheduler == Scheduler::Adaptive {
        set("jobmanager.scheduler", "Adaptive".to_owned());
    }
    for (key, value) in extra {
        settings.retain(|(known, _)| known != key);
        settings.push((key.clone(), value.clone()));
    }
    let file = if release < (1, 19) { "flink-conf.yaml" } else { "config.yaml" };
    let text: String = settings.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    std::fs::create_dir_all(directory.join("conf"))?;
    std::fs::create_dir_all(directory.join("tmp"))?;
    std::fs::write(directory.join("conf").join(file), text)?;
    std::fs::write(directory.join("conf/log4j.properties"), LOG4J)
}

/// The command that runs a class of Flink, with `jar` on the class path if there is one.
pub(crate) fn java(
    distribution: &Distribution,
    directory: &Path,
    arguments: &[String],
    jar: Option<&Path>,
    class: &str,
) -> Command {
    let conf = directory.join("conf");
    let mut command = Command::new(&distribution.machine.java);
    command.args(["-Xms64m", "-Xmx256m", "-XX:MaxMetaspaceSize=160m", "-XX:MaxDirectMemorySize=192m"]);
    command.arg("--add-exports=java.base/sun.net.util=ALL-UNNAMED");
    for package in OPENED.into_iter().chain(["sun.nio.ch"]) {
        command.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
    }
    command.arg(format!("-Dlog4j.configurationFile={}", conf.join("log4j.properties").display()));
    command.args(arguments);
    let mut class_path = distribution.home.join("lib/*").into_os_string();
    if let Some(jar) = jar {
        class_path.push(":");
        class_path.push(jar);
    }
    command.arg("-cp").arg(class_path);
    command.arg(format!("org.apache.flink.{class}")).arg("--configDir").arg(&conf);
    // What a user's own Flink or tools are told through the environment is not for this one.
    command.env_remove("FLINK_CONF_DIR").env_remove("JAVA_TOOL_OPTIONS").current_dir(directory);
    command
}

/// The command that has `wrapper` run another one.
pub(crate) fn wrapped(wrapper: &[String], command: Command) -> Command {
    let Some((program, arguments)) = wrapper.split_first() else { return command };
    let inner = command.as_std();
    let mut outer = Command::new(program);
    outer.args(arguments).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(directory) = inner.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Machine;

    fn text(version: &str, extra: &[(String, String)]) -> (tempfile::TempDir, String) {
        let home = tempfile::tempdir().unwrap();
        let machine = Machine {
            java: "java".into(),
            javac: "javac".into(),
            python: "python3".into(),
            java_version: 17,
        };
        let distribution = Distribution { version: version.to_owned(), home: "/flink".into(), machine };
        let ports = Ports { rest: 8081, rpc: 6123 };
        write(&distribution, home.path(), ports, (Scheduler::Adaptive, 3), extra).unwrap();
        let name = if version < "1.19" { "flink-conf.yaml" } else { "config.yaml" };
        let text = std::fs::read_to_string(home.path().join("conf").join(name)).unwrap();
        (home, text)
    }

    #[test]
    fn old_and_new_releases_have_their_own_names() {
        let (_home, old) = text("1.18.1", &[]);
        assert!(old.contains("\nstate.checkpoints.dir: file:///"), "{old}");
        let (_home, older) = text("1.17.2", &[]);
        assert!(
            older.contains("\nakka.startup-timeout: ") && old.contains("\npekko.startup-timeout: "),
            "{older}"
        );
        let (_home, new) = text("2.3.0", &[("rest.port".to_owned(), "1".to_owned())]);
        assert!(new.contains("\nexecution.checkpointing.dir: file:///"), "{new}");
        assert!(new.contains("\njobmanager.scheduler: Adaptive\n"));
        assert!(new.contains("\nrest.port: 1\n") && !new.contains("rest.port: 8081"));
    }
}
