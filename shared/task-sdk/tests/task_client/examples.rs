//! `examples/wordcount.py` against a server that sends prepared bytes. The tests of ckptd run it for real.

use crate::http::{Answer, Server, claimed};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/wordcount.py");

#[tokio::test]
async fn the_next_claim_of_wordcount_py_takes_over_a_session_whose_answer_was_lost() {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        let may_lack = std::env::var_os("CKPT_REQUIRE_ALL").is_none_or(|value| value != "1");
        assert!(may_lack, "python3 is missing");
        return;
    }
    let is_lost = AtomicBool::new(false);
    let end = "event: end\nid: 1\ndata: {\"event\": \"end\", \"state\": \"FINISHED\"}\n\n";
    let server = Server::start(move |line| match line.starts_with("get") {
        true => Answer::Events(vec![end.into()]),
        false if is_lost.swap(true, Ordering::Relaxed) => claimed(10_000),
        false => Answer::Break,
    })
    .await;
    let directory = std::env::temp_dir().join(format!("ckpt-wordcount-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let token = directory.join("token");
    std::fs::write(&token, "secret").unwrap();
    let mut worker = Command::new("python3");
    worker.args([EXAMPLE, "--server", &server.url, "--index", "0", "--of", "1"]);
    worker.arg("--token-file").arg(token).arg("--output").arg(&directory);
    let said = tokio::task::spawn_blocking(move || worker.output().unwrap()).await.unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(said.status.success(), "{said:?}");
    let claims: Vec<Value> = server
        .requests()
        .iter()
        .filter_map(|request| {
            let (_, body) = request.strip_prefix("post")?.split_once("\n{")?;
            serde_json::from_str(&format!("{{{body}")).ok()
        })
        .collect();
    let attempts: Vec<_> = claims.iter().map(|claim| claim["attempt"].as_u64().unwrap()).collect();
    assert!(matches!(attempts[..], [first, second] if second == first + 1), "{attempts:?}");
}
