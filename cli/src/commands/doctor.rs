//! `ckptctl doctor [CLUSTER]`

use crate::args::Output;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::{TextStyle, doctor};
use crate::server::Server;
use crate::view::text::clean;
use ckpt_client::{Answer, ClientError};
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A Flink cluster's name, as in the column CLUSTER of get; all that are followed if left out
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    cluster: Option<String>,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let cluster = args.cluster.as_deref();
    let what = cluster.map_or("every cluster".to_owned(), |name| format!("cluster {name}"));
    console::progress(&format!("looking at {what}, which may take a minute …"));
    let Answer { value: diagnosis, body } =
        server.client.diagnose(cluster).await.map_err(|error| refused(server, cluster, error))?;
    let clusters = &diagnosis.clusters;
    match output {
        Some(Output::Json) => console::data(&body)?,
        _ if clusters.is_empty() => {}
        Some(Output::Name) => {
            let names = clusters.iter().map(|cluster| format!("cluster/{}", clean(&cluster.cluster)));
            console::data(&names.collect::<Vec<_>>().join("\n"))?;
        }
        Some(Output::Wide) | None => {
            let style = TextStyle::of_stdout(output == Some(Output::Wide));
            console::data(&doctor::text(clusters, style))?;
        }
    }
    if clusters.is_empty() {
        return Err(Error::new(Exit::Error, "this ckptd follows no Flink cluster")
            .hint("start it with: ckptd serve --flink http://HOST:PORT"));
    }
    Ok(match clusters.iter().all(|cluster| cluster.changeable) {
        true => Exit::Done,
        false => Exit::Error,
    })
}

fn refused(server: &Server, cluster: Option<&str>, error: ClientError) -> Error {
    match (error.status().map(|status| status.as_u16()), cluster) {
        (Some(404), Some(_)) => server.failed(error).hint("see which there are with: ckptctl doctor"),
        // Where nothing was asked for by name, nothing can be missing but the whole diagnosis.
        (Some(404 | 405), None) => {
            Error::new(Exit::Error, format!("{} cannot diagnose clusters: {error}", server.address()))
                .hint("is it a ckptd, and as new as this ckptctl?")
                .caused_by(error)
        }
        _ => server.failed(error),
    }
}
