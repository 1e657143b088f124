//! A Java exception as Flink's own clients read it.
//!
//! They look at `serialized-throwable` alone, which is Java's serialization of Flink's `SerializedThrowable`,
//! in base64. Without it they cannot read the answer, ask again for a minute and never show why something failed.

use super::FailureCause;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The class of a checkpoint's failures.
pub const CHECKPOINT_EXCEPTION: &str = "org.apache.flink.runtime.checkpoint.CheckpointException";

// The classes in the stream, with the versions that they declare and the same fields in every Flink since 1.17 and
// every Java since 7.
const SERIALIZED_THROWABLE: (&str, u64) =
    ("org.apache.flink.util.SerializedThrowable", 0x6516_9df5_1fa7_13f3);
const EXCEPTION: (&str, u64) = ("java.lang.Exception", 0xd0fd_1f3e_1a3b_1cc4);
const THROWABLE: (&str, u64) = ("java.lang.Throwable", 0xd5c6_3527_3977_b8cb);
const STACK_TRACE: (&str, u64) = ("[Ljava.lang.StackTraceElement;", 0x0246_2a3c_3cfd_2239);

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const ARRAY: u8 = 0x75;
const END_OF_DATA: u8 = 0x78;
const LONG_STRING: u8 = 0x7c;
/// The class has fields, and no method that writes more.
const PLAIN: u8 = 2;
/// The class has a method that writes its objects.
const WITH_METHOD: u8 = 3;
/// The second thing in the stream, the name of the type `String`.
const STRING_TYPE: [u8; 5] = [REFERENCE, 0, 0x7e, 0, 1];

impl FailureCause {
    /// A failure that has no stack trace, only a class and a message.
    #[must_use]
    pub fn new(class: &str, message: &str) -> Self {
        let text = format!("{class}: {message}");
        let serialized_throwable = BASE64_STANDARD.encode(serialized(class, message, &text));
        Self { class: class.to_owned(), stack_trace: text, serialized_throwable }
    }
}

fn serialized(class: &str, message: &str, stack_trace: &str) -> Vec<u8> {
    let mut to = vec![0xac, 0xed, 0, 5, OBJECT];
    describe(&mut to, SERIALIZED_THROWABLE, PLAIN, 3);
    field(&mut to, b'L', "fullStringifiedStackTrace");
    string(&mut to, "Ljava/lang/String;");
    field(&mut to, b'L', "originalErrorClassName");
    to.extend(STRING_TYPE);
    field(&mut to, b'[', "serializedException");
    string(&mut to, "[B");
    to.push(END_OF_DATA);
    describe(&mut to, EXCEPTION, PLAIN, 0);
    to.push(END_OF_DATA);
    describe(&mut to, THROWABLE, WITH_METHOD, 4);
    field(&mut to, b'L', "cause");
    string(&mut to, "Ljava/lang/Throwable;");
    field(&mut to, b'L', "detailMessage");
    to.extend(STRING_TYPE);
    field(&mut to, b'[', "stackTrace");
    string(&mut to, "[Ljava/lang/StackTraceElement;");
    field(&mut to, b'L', "suppressedExceptions");
    string(&mut to, "Ljava/util/List;");
    to.extend([END_OF_DATA, NULL]);
    // The fields of Throwable: no cause, the message, an empty stack trace, nothing suppressed.
    to.push(NULL);
    string(&mut to, message);
    to.push(ARRAY);
    describe(&mut to, STACK_TRACE, PLAIN, 0);
    to.extend([END_OF_DATA, NULL]);
    to.extend(0_u32.to_be_bytes());
    to.extend([NULL, END_OF_DATA]);
    // The fields of SerializedThrowable: the exception itself is not there, so that nobody looks for its class.
    string(&mut to, stack_trace);
    string(&mut to, class);
    to.push(NULL);
    to
}

fn describe(to: &mut Vec<u8>, (name, version): (&str, u64), flags: u8, fields: u16) {
    to.push(CLASS);
    short_text(to, name);
    to.extend(version.to_be_bytes());
    to.push(flags);
    to.extend(fields.to_be_bytes());
}

fn field(to: &mut Vec<u8>, kind: u8, name: &str) {
    to.push(kind);
    short_text(to, name);
}

/// A text whose length is known to be small.
fn short_text(to: &mut Vec<u8>, text: &str) {
    to.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    to.extend(text.as_bytes());
}

fn string(to: &mut Vec<u8>, text: &str) {
    let bytes = modified_utf8(text);
    if let Ok(length) = u16::try_from(bytes.len()) {
        to.push(STRING);
        to.extend(length.to_be_bytes());
    } else {
        to.push(LONG_STRING);
        to.extend(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    }
    to.extend(bytes);
}

/// Java's own form: NUL takes two bytes, and what UTF-16 writes as two units takes three bytes for each.
fn modified_utf8(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        let (top, middle, last) = (high >> 4, (high & 0xf) << 2 | low >> 6, low & 0x3f);
        match unit {
            1..=0x7f => bytes.push(low),
            0 | 0x80..=0x7ff => bytes.extend([0xc0 | middle, 0x80 | last]),
            0x800.. => bytes.extend([0xe0 | top, 0x80 | middle, 0x80 | last]),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of what a Flink 2.3.0 wrote, as far as it says classes and not what happened.
    const RECORDED: &str = "rO0ABXNyAClvcmcuYXBhY2hlLmZsaW5rLnV0aWwuU2VyaWFsaXplZFRocm93YWJsZWUWnfUfpxPzAgADTAAZZnVs\
        bFN0cmluZ2lmaWVkU3RhY2tUcmFjZXQAEkxqYXZhL2xhbmcvU3RyaW5nO0wAFm9yaWdpbmFsRXJyb3JDbGFzc05hbWVxAH4AAVsAE3NlcmlhbGl6\
        ZWRFeGNlcHRpb250AAJbQnhyABNqYXZhLmxhbmcuRXhjZXB0aW9u0P0fPho7HMQCAAB4cgATamF2YS5sYW5nLlRocm93YWJsZdXG";

    #[test]
    fn it_begins_as_flinks_own_does() {
        let cause = FailureCause::new(CHECKPOINT_EXCEPTION, "Checkpoint expired before completing.");
        assert!(cause.serialized_throwable.starts_with(RECORDED), "{}", cause.serialized_throwable);
        assert_eq!(
            cause.stack_trace,
            format!("{CHECKPOINT_EXCEPTION}: Checkpoint expired before completing.")
        );
    }

    #[test]
    fn any_text_is_written_as_java_writes_it() {
        assert_eq!(modified_utf8("a\u{0}é→"), [b'a', 0xc0, 0x80, 0xc3, 0xa9, 0xe2, 0x86, 0x92]);
        assert_eq!(modified_utf8("\u{1f600}"), [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]);
        let mut long = Vec::new();
        string(&mut long, &"x".repeat(65_536));
        assert_eq!(long[..9], [LONG_STRING, 0, 0, 0, 0, 0, 1, 0, 0]);
        let mut longest_short = Vec::new();
        string(&mut longest_short, &"x".repeat(65_535));
        assert_eq!(longest_short[..3], [STRING, 0xff, 0xff]);
    }
}
