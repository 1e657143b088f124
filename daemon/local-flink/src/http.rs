//! One request, one connection: enough for Flink's REST API, which wants more than `GET` here.

use serde_json::Value;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest wait for a whole answer: a busy machine that runs a job's main method takes its time.
const LIMIT: Duration = Duration::from_secs(60);

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, `null` if it is no JSON.
    pub body: Value,
}

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No answer.
    #[error("{address} does not answer: {cause}")]
    Silent {
        /// Who was asked.
        address: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Another one than wanted.
    #[error("{request} was answered {status}: {body}")]
    Refused {
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Value,
    },
}

impl Answer {
    /// The body of an answer that says yes.
    ///
    /// # Errors
    /// [`HttpError::Refused`] for any other status than 2xx.
    pub fn ok(self, request: &str) -> Result<Value, HttpError> {
        match self.status {
            200..300 => Ok(self.body),
            status => Err(HttpError::Refused { request: request.to_owned(), status, body: self.body }),
        }
    }
}

/// Sends a request to `address` (`host:port`); `headers` are whole lines without their ends.
///
/// # Errors
/// [`HttpError::Silent`] when no whole answer comes.
pub async fn call(
    address: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> Result<Answer, HttpError> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    let exchange = timeout(LIMIT, exchange(address, method, path, headers, body));
    let answer = exchange.await.map_err(late).and_then(|answer| answer);
    answer.map_err(|cause| HttpError::Silent { address: address.to_owned(), cause })
}

async fn exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> io::Result<Answer> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for line in headers {
        head.push_str(&format!("{line}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not whole"))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = &answer[end + 4..];
    let body = body.get(..length.unwrap_or(body.len()))?;
    Some(Answer { status, body: serde_json::from_slice(body).unwrap_or(Value::Null) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_one_with_as_much_body_as_it_says() {
        let whole = b"HTTP/1.1 202 Accepted\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
        let parsed = parse(whole).unwrap();
        assert_eq!((parsed.status, &parsed.body["a"]), (202, &Value::from(1)));
        assert!(parse(&whole[..whole.len() - 1]).is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }
}
