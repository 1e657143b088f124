//! The checkpoints of a job as CSV (RFC 4180): a header row, lines that end in CR LF, raw milliseconds and bytes.
//! What is not known is empty.

use crate::view::text::clean;
use ckpt_api::EndedCheckpoint;

/// The columns. Times are in milliseconds since the epoch, durations in milliseconds, sizes in bytes.
const COLUMNS: [&str; 11] = [
    "id",
    "savepoint",
    "completed",
    "triggered_at_ms",
    "duration_ms",
    "state_size_bytes",
    "checkpointed_size_bytes",
    "timeout_ms",
    "rescued",
    "reason",
    "message",
];

/// All of them, the oldest first.
pub(crate) fn csv(checkpoints: &[EndedCheckpoint]) -> String {
    let mut text = COLUMNS.join(",") + "\r\n";
    for checkpoint in checkpoints {
        text.push_str(&row(checkpoint).join(","));
        text.push_str("\r\n");
    }
    text
}

fn row(checkpoint: &EndedCheckpoint) -> [String; 11] {
    let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    let text = |text: &Option<String>| text.as_deref().map_or_else(String::new, field);
    [
        number(checkpoint.id.map(|id| id.0)),
        checkpoint.savepoint.to_string(),
        checkpoint.completed.to_string(),
        checkpoint.triggered_at.to_string(),
        number(checkpoint.duration),
        number(checkpoint.state_size),
        number(checkpoint.checkpointed_size),
        number(checkpoint.timeout),
        checkpoint.rescued.to_string(),
        text(&checkpoint.reason),
        text(&checkpoint.message),
    ]
}

/// A text as one field. Control characters are shown, so each checkpoint is one line and a terminal is safe.
fn field(text: &str) -> String {
    let text = clean(text);
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture::ended;

    #[test]
    fn csv_quotes_foreign_text() {
        let mut failed = ended(2, 10_000, None);
        (failed.completed, failed.reason) = (false, Some("CHECKPOINT_DECLINED".to_owned()));
        failed.message = Some("it said \"no\", \nand left".to_owned());
        (failed.id, failed.state_size, failed.duration) = (None, None, None);
        assert_eq!(
            csv(&[ended(1, 9_000, Some(10_000)), failed]),
            "id,savepoint,completed,triggered_at_ms,duration_ms,state_size_bytes,checkpointed_size_bytes,timeout_ms,\
             rescued,reason,message\r\n\
             1,false,true,1790000000000,9000,1288490189,52428800,10000,false,,\r\n\
             ,false,false,1790000030000,,,52428800,,false,CHECKPOINT_DECLINED,\"it said \"\"no\"\", \\nand left\"\r\n"
        );
    }
}
