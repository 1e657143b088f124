//! What a machine has, and what it lacks.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest Java that runs every release here, and that the job is compiled for.
const OLDEST_JAVA: u32 = 11;

/// Something that this machine lacks.
#[derive(Debug, Clone, thiserror::Error)]
#[error("needs {what}; {advice}")]
pub struct Lack {
    /// What it lacks.
    pub what: &'static str,
    /// How to get it.
    pub advice: &'static str,
}

const JAVA: Lack =
    Lack { what: "Java 11 or later", advice: "apt-get install openjdk-17-jdk-headless, or set JAVA_HOME" };
const JAVAC: Lack = Lack {
    what: "Java's compiler (javac, 11 or later)",
    advice: "apt-get install openjdk-17-jdk-headless, or set JAVA_HOME",
};
const PYTHON: Lack = Lack { what: "python3", advice: "apt-get install python3 python3-venv" };
const VENV: Lack =
    Lack { what: "python3 with venv and pip", advice: "apt-get install python3-venv python3-pip" };

/// The programs that a local Flink needs.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Runs Flink.
    pub java: PathBuf,
    /// Compiles its job.
    pub javac: PathBuf,
    /// Fetches Flink and makes archives.
    pub python: PathBuf,
    /// The version of Java, such as 17.
    pub java_version: u32,
}

impl Machine {
    /// Looks at this machine.
    ///
    /// # Errors
    /// What it lacks.
    pub fn look() -> Result<Self, Lack> {
        let home = std::env::var_os("JAVA_HOME").map(PathBuf::from);
        let of_java = |name: &str| {
            let in_home = home.as_ref().map(|home| home.join("bin").join(name));
            in_home.filter(|program| program.is_file()).unwrap_or_else(|| PathBuf::from(name))
        };
        let (java, javac, python) = (of_java("java"), of_java("javac"), PathBuf::from("python3"));
        let java_version =
            version(&java, "-version").filter(|version| *version >= OLDEST_JAVA).ok_or(JAVA)?;
        version(&javac, "-version").filter(|version| *version >= OLDEST_JAVA).ok_or(JAVAC)?;
        version(&python, "--version").ok_or(PYTHON)?;
        let modules = Command::new(&python).args(["-c", "import venv, ensurepip, zipfile"]).output();
        modules.ok().filter(|output| output.status.success()).ok_or(VENV)?;
        Ok(Self { java, javac, python, java_version })
    }
}

/// The major version that a program says it has: `openjdk version "17.0.15"`, `javac 25`, `Python 3.11.2`.
fn version(program: &Path, option: &str) -> Option<u32> {
    let output = Command::new(program).arg(option).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    output.status.success().then(|| major(&String::from_utf8_lossy(&said)))?
}

fn major(said: &str) -> Option<u32> {
    let line = said.lines().find(|line| line.contains(|letter: char| letter.is_ascii_digit()))?;
    let digits = line.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_a_program_says() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK"), Some(17));
        assert_eq!(major("Picked up JAVA_TOOL_OPTIONS: -Xmx\njavac 25"), Some(25));
        assert_eq!(major("java version \"1.8.0\""), Some(1));
        assert_eq!(major("nothing"), None);
    }

    #[test]
    fn a_lack_is_one_line_that_says_how_to_get_it() {
        assert_eq!(
            JAVA.to_string(),
            "needs Java 11 or later; apt-get install openjdk-17-jdk-headless, or set JAVA_HOME"
        );
    }
}
