//! What ckptd does not start with: exit code 1, one sentence, and nothing changed.

use crate::support::{HANGING, Home, LIMIT, QUICK, ckptd, refused, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_second_daemon_is_told_the_pid_of_the_first() {
    let home = Home::new();
    let first = home.daemon().await;
    let sentence = refused(home.serve()).await;
    assert!(sentence.contains(&format!("pid {}", first.pid)), "{sentence}");
    assert!(sentence.contains("--state-dir"), "it says what to do: {sentence}");
    // The first one has noticed nothing, and its lock file still says who it is.
    first.get("/jobs").await;
    let lock = ckptd::state_dir::Owner::of(&home.state()).unwrap();
    assert_eq!((lock.pid, lock.listen.as_deref()), (first.pid, Some(first.address.as_str())));
    first.kill().await;
    // A lock whose owner was killed keeps nobody off.
    home.daemon().await;
}

#[tokio::test]
async fn an_occupied_port_starts_and_changes_no_job() {
    let home = Home::new();
    let occupied = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    let file = home.write("quick.toml", QUICK);
    let mut command = ckptd();
    command.args(["serve", "--listen", &address, "--state-dir"]).arg(home.state()).arg("--job").arg(&file);
    let sentence = refused(command).await;
    assert!(sentence.contains(&address) && sentence.contains("--listen"), "{sentence}");
    assert_eq!(fs::read_dir(home.state().join("jobs")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(home.state().join("checkpoints")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_state_directory_that_is_a_file_is_named() {
    let home = Home::new();
    home.write("state", "not a directory");
    let sentence = refused(home.serve()).await;
    assert!(sentence.contains(&home.state().display().to_string()), "{sentence}");
    assert_eq!(fs::read_to_string(home.state()).unwrap(), "not a directory");
    // Below a file nothing can be made either.
    let mut command = ckptd();
    command.args(["serve", "--listen", "127.0.0.1:0", "--state-dir"]).arg(home.state().join("below"));
    refused(command).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() {
    // A kernel's own directory: nobody, root included, makes a directory there.
    let mut command = ckptd();
    command.args(["serve", "--listen", "127.0.0.1:0", "--state-dir", "/proc/ckptd-state"]);
    let sentence = refused(command).await;
    assert!(sentence.contains("/proc/ckptd-state") && sentence.contains("--state-dir"), "{sentence}");
}

#[tokio::test]
async fn a_damaged_override_file_is_named_with_its_line_and_left_alone() {
    let home = Home::new();
    let file = home.write("hanging.toml", HANGING);
    let daemon = home.daemon_with(&file).await;
    daemon.set_timeout("hanging", 20_000).await.unwrap();
    daemon.stop().await;
    let path = home.state().join("overrides.json");
    let good = fs::read_to_string(&path).unwrap();
    let half = good.len() / 2;
    let cut = good[..half].lines().count();
    for (damaged, part) in [
        (good[..half].to_owned(), format!("line {cut}")),
        (good.replace("\"schema\": 1", "\"schema\": 3"), "schema 3".to_owned()),
        (good.replace("20000", "9"), "9ms is too short".to_owned()),
        (good.replace("20000", "\"20s\""), "line 9".to_owned()),
        (good.replace("\"reason\"", "\"why\""), "line 10".to_owned()),
        ("garbage".to_owned(), "line 1".to_owned()),
        (String::new(), "line 1".to_owned()),
        ("\0\0\0\0".to_owned(), "line 1".to_owned()),
        ("[]".to_owned(), "line 1".to_owned()),
        (format!("{good}{good}"), "line".to_owned()),
    ] {
        fs::write(&path, &damaged).unwrap();
        let sentence = refused(home.serve_job(&file)).await;
        assert!(sentence.contains("overrides.json"), "{sentence}");
        assert!(sentence.contains(&part), "{damaged:?} gave {sentence}");
        assert!(sentence.contains("move it away"), "it says what to do: {sentence}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged, "it is left alone");
    }
    fs::write(&path, &good).unwrap();
    let daemon = home.daemon().await;
    assert_eq!(daemon.configuration("hanging").await.revision, 1);
}

#[tokio::test]
async fn a_damaged_job_is_named() {
    let home = Home::new();
    let daemon = home.daemon_with(&home.write("quick.toml", QUICK)).await;
    let id = daemon.configuration("quick").await.job_id;
    daemon.stop().await;
    let path = home.state().join(format!("jobs/{id}/job.toml"));
    fs::write(&path, &QUICK[..QUICK.len() / 2]).unwrap();
    let sentence = refused(home.serve()).await;
    assert!(sentence.contains(&path.display().to_string()) && sentence.contains("line"), "{sentence}");
    fs::write(&path, QUICK).unwrap();
    fs::write(path.with_file_name("ended.json"), "{").unwrap();
    let sentence = refused(home.serve()).await;
    assert!(sentence.contains("ended.json"), "{sentence}");
}

#[tokio::test]
async fn a_mistake_in_a_job_file_is_named_with_line_and_column() {
    let home = Home::new();
    let file = home.write("bad.toml", &QUICK.replace("'1h'", "'1H'"));
    let sentence = refused(home.serve_job(&file)).await;
    for part in ["bad.toml", "line 4, column 11", "'H'"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    assert_eq!(fs::read_dir(home.state().join("jobs")).unwrap().count(), 0);
    let sentence = refused(home.serve_job(&home.state().join("missing.toml"))).await;
    assert!(sentence.contains("missing.toml"), "{sentence}");
    let large = home.write("large.toml", &format!("{QUICK}#{}", "x".repeat(65_536)));
    let sentence = refused(home.serve_job(&large)).await;
    assert!(sentence.contains("large.toml") && sentence.contains("65536"), "{sentence}");
}

#[tokio::test]
async fn when_one_of_two_job_files_has_a_mistake_neither_is_submitted() {
    let home = Home::new();
    let mut command = home.serve_job(&home.write("good.toml", QUICK));
    command.arg("--job").arg(home.write("bad.toml", "nam = 'x'"));
    let sentence = refused(command).await;
    assert!(sentence.contains("bad.toml"), "{sentence}");
    assert_eq!(fs::read_dir(home.state().join("jobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn two_job_files_that_name_different_jobs_alike_are_both_refused() {
    let home = Home::new();
    let mut command = home.serve_job(&home.write("one.toml", QUICK));
    command.arg("--job").arg(home.write("other.toml", &QUICK.replace("'1h'", "'2h'")));
    let sentence = refused(command).await;
    assert!(sentence.contains("other.toml") && sentence.contains("names its job 'quick' too"), "{sentence}");
    assert_eq!(fs::read_dir(home.state().join("jobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn listening_beyond_loopback_has_to_be_said() {
    let home = Home::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let mut command = ckptd();
        command.args(["serve", "--listen", address, "--state-dir"]).arg(home.state());
        let sentence = refused(command).await;
        assert!(sentence.contains("--listen-beyond-loopback"), "{sentence}");
        assert!(!home.state().exists(), "nothing is made before");
    }
    let mut command = ckptd();
    command.args(["serve", "--listen", "0.0.0.0:0", "--listen-beyond-loopback", "--state-dir"]);
    command.arg(home.state());
    let daemon = crate::support::Daemon::start(command, &home.state()).await;
    assert!(daemon.address.starts_with("0.0.0.0:"));
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2() {
    for arguments in
        [&["serve", "--listen", "nowhere"][..], &["serve", "--lisen", "127.0.0.1:0"], &["nothing"], &[]]
    {
        let mut command = ckptd();
        command.args(arguments);
        let ended = run(command, LIMIT).await;
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty());
    }
}

#[tokio::test]
async fn the_token_is_for_its_owner_alone_and_kept() {
    let home = Home::new();
    let daemon = home.daemon().await;
    let file = home.state().join("token");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&home.state())), (0o600, 0o700));
    let token = fs::read_to_string(&file).unwrap();
    assert!(token.trim().len() >= 32);
    assert!(!daemon.log().contains(token.trim()), "it is in no log");
    daemon.stop().await;
    let daemon = home.daemon().await;
    assert_eq!((fs::read_to_string(&file).unwrap(), mode(&file)), (token, 0o600));
    daemon.stop().await;
    fs::write(&file, "\n").unwrap();
    let sentence = refused(home.serve()).await;
    assert!(sentence.contains("token") && sentence.contains("delete it"), "{sentence}");
}

/// What is said about Flink is read before anything is made.
async fn refused_before_anything(home: &Home, arguments: &[&str]) -> String {
    let mut command = home.serve();
    command.args(arguments);
    let sentence = refused(command).await;
    assert!(!home.state().exists(), "nothing was started: {sentence}");
    sentence
}

#[tokio::test]
async fn an_address_that_is_no_clusters_is_named() {
    let home = Home::new();
    for (address, part) in [
        ("8081", "'8081' is not the address of a Flink cluster"),
        ("ftp://jm:8081", "'ftp'"),
        ("prod=jm:8081", "'jm:8081'"),
        ("", "''"),
        ("hosted=http://jm:8081", "'hosted' cannot be the name"),
        ("a b=http://jm:8081", "'a b' cannot be the name"),
    ] {
        let sentence = refused_before_anything(&home, &["--flink", address]).await;
        assert!(sentence.contains(part), "{address:?} gave {sentence}");
    }
    let twice = ["--flink", "a=http://jm:8081", "--flink", "a=http://jm:8082"];
    let sentence = refused_before_anything(&home, &twice).await;
    assert!(sentence.contains("two clusters are named 'a'"), "{sentence}");
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named_with_file_and_line() {
    let home = Home::new();
    let missing = home.state().with_file_name("missing.toml");
    let sentence = refused_before_anything(&home, &["--config", missing.to_str().unwrap()]).await;
    assert!(sentence.contains("missing.toml"), "{sentence}");
    let directory = missing.parent().unwrap().to_str().unwrap().to_owned();
    refused_before_anything(&home, &["--config", &directory]).await;
    let large = format!("#{}", "x".repeat(70_000));
    let no_file = "[[flink]]\nurl = 'http://jm:8081'\nca-file = '/nonexistent/ca.pem'\n";
    let no_certificate = format!(
        "[[flink]]\nurl = 'https://jm:8081'\nca-file = '{}'\n",
        home.write("ca.pem", "not a certificate").display()
    );
    for (content, parts) in [
        ("[[flink]]\nurl = 'http://jm:8081'\nattach = 'sometimes'\n", &["line 3", "sometimes"][..]),
        ("[[flink]]\nurl = 'http://jm:8081'\natach = 'never'\n", &["line 3", "atach"]),
        ("[[flink]]\nname = 'prod'\n", &["line 1", "url"]),
        ("attach = \n", &["line 1"]),
        ("attach-other-users = 'yes'\n", &["line 1", "yes"]),
        ("[[flink]]\nurl = 'jm'\n", &["'jm'"]),
        (&large, &["65536"]),
        (no_file, &["/nonexistent/ca.pem"]),
        (&no_certificate, &["ca.pem"]),
    ] {
        let file = home.write("ckptd.toml", content);
        let sentence = refused_before_anything(&home, &["--config", file.to_str().unwrap()]).await;
        let names_the_file = ["ckptd.toml", "ca.pem", "'jm'"].iter().any(|name| sentence.contains(name));
        assert!(names_the_file, "{sentence}");
        for part in parts {
            assert!(sentence.contains(part), "{content:.60?} gave {sentence}");
        }
    }
}
