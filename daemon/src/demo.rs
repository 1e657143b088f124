//! x
/// x
#[derive(Debug, clap::Args)]
pub struct Options {}
/// x
pub async fn run(_: &Options) -> Result<(), std::io::Error> {
    Ok(())
}
