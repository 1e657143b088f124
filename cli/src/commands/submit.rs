//! `ckptctl submit FILE`

use crate::args::{Output, place};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use crate::view::name::label_in;
use ckpt_api::{HOSTED, LARGEST_BODY};
use ckpt_client::Answer;
use clap::ValueHint;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job file in TOML, or - for stdin
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Start from this savepoint or retained checkpoint: its directory or its _metadata, on ckptd's machine
    #[arg(long, value_name = "PATH", value_parser = place, value_hint = ValueHint::AnyPath)]
    from_savepoint: Option<String>,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let file = args.file.clone();
    // On a thread of its own, so that Ctrl-C is seen while stdin is waited for.
    let read = tokio::task::spawn_blocking(move || job_file(&file));
    let text = read.await.map_err(io::Error::other)??;
    let submission = server.client.submit_from(text, args.from_savepoint.as_deref()).await;
    let Answer { value: submitted, body } = submission.map_err(|error| server.failed(error))?;
    let job = label_in(HOSTED, &submitted.name);
    console::result(output, &body, &job, || {
        let what = if submitted.created { "submitted" } else { "is that very job already" };
        format!("{job} {what} (id {})", submitted.job_id)
    })?;
    Ok(Exit::Done)
}

fn job_file(path: &Path) -> Result<String, Error> {
    let (name, read) = match path.as_os_str() == "-" {
        true => ("stdin".to_owned(), limited(io::stdin().lock())),
        false => (path.display().to_string(), File::open(path).and_then(limited)),
    };
    let bytes = read.map_err(|error| {
        Error::new(Exit::Error, format!("cannot read the job file {name}: {error}")).caused_by(error)
    })?;
    if bytes.len() > LARGEST_BODY {
        let limit = LARGEST_BODY / 1024;
        return Err(Error::new(Exit::Usage, format!("{name} is larger than {limit} KB; is it a job file?")));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::new(Exit::Usage, format!("{name} is not UTF-8 text; is it a job file?")))
}

/// Reads one byte more than is allowed at most, so that an endless file is noticed too.
fn limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST_BODY as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_job_file_is_refused_before_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let largest = file("largest", &vec![b'#'; LARGEST_BODY]);
        assert_eq!(job_file(&largest).unwrap().len(), LARGEST_BODY);
        let error = job_file(&file("larger", &vec![b'#'; LARGEST_BODY + 1])).unwrap_err();
        assert!(error.to_string().contains("larger than 64 KB"), "{error}");
        assert!(job_file(&file("binary", b"\xff\xfe")).unwrap_err().to_string().contains("not UTF-8"));
        let missing = job_file(&dir.path().join("none")).unwrap_err();
        assert_eq!(missing.exit(), Exit::Error);
        assert!(job_file(dir.path()).unwrap_err().to_string().contains("directory"));
    }
}
