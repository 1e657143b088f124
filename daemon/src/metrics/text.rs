//! The two text formats: OpenMetrics, and the older one of Prometheus.

use super::families::PREFIX;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::fmt::Write;

/// What a scrape is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0, for whoever asks for it.
    OpenMetrics,
    /// The format that every Prometheus reads.
    Plain,
}

impl Format {
    /// The one that an `Accept` header asks for.
    #[must_use]
    pub fn wanted(accept: &str) -> Self {
        let wanted = accept.split(',').any(|kind| {
            let mut parts = kind.split(';').map(str::trim);
            let is_it =
                parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            let mut version_fits = true;
            for part in parts {
                match part.split_once('=') {
                    Some(("version", version)) => version_fits = version.trim_matches('"') == "1.0.0",
                    Some(("q", weight)) if weight.parse() == Ok(0.0) => version_fits = false,
                    _ => {}
                }
            }
            is_it && version_fits
        });
        if wanted { Self::OpenMetrics } else { Self::Plain }
    }

    /// Its content type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All that a collector has to tell.
pub(super) fn written(collector: impl Collector, format: Format) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(collector));
    let mut text = String::new();
    // Writing to a string does not fail, and no metric here has a value that cannot be written.
    if let Err(error) = encode(&mut text, &registry) {
        tracing::error!(%error, "the metrics cannot be written");
    }
    match format {
        Format::OpenMetrics => text,
        Format::Plain => plain(&text),
    }
}

/// The older format knows neither units nor an end, no info metrics, and names a counter with its `_total`.
fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let lines = openmetrics.lines();
    let mut help = None;
    for line in lines {
        if let Some(said) = line.strip_prefix("# HELP ") {
            help = said.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                let _ = writeln!(text, "# HELP {name}{suffix} {help}");
            }
            let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_ask_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, wanted) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text; version=\"1.0.0\"; charset=utf-8", Format::OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Format::Plain),
            ("application/openmetrics-text;q=0", Format::Plain),
            ("text/plain", Format::Plain),
            ("*/*", Format::Plain),
            ("", Format::Plain),
        ] {
            assert_eq!(Format::wanted(accept), wanted, "{accept}");
        }
    }

    #[test]
    fn the_older_format_says_the_same() {
        let openmetrics = "# HELP a_seconds How long.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                           a_seconds_total{x=\"# EOF\"} 1.5\n# HELP b It.\n# TYPE b info\nb_info{v=\"1\"} 1\n# EOF\n";
        assert_eq!(
            plain(openmetrics),
            "# HELP a_seconds_total How long.\n# TYPE a_seconds_total counter\na_seconds_total{x=\"# EOF\"} 1.5\n\
             # HELP b_info It.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n"
        );
    }
}
