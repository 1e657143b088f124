//! Changes that the configuration file does not allow.

use crate::support::{Host, calm, configuration_path};
use ckptd::flink::Settings;
use serde_json::json;

const POLICY: &str = "\
[overrides]
longest-for = '1d'
default-for = '4h'
[policy]
smallest-interval = '1m'
longest-timeout = '1h'
longest-extension = '30m'
[[policy.jobs]]
name = 'ca*'
longest-timeout = '3h'
reason-required = true
";

async fn host() -> Host {
    let host = Host::configured(tempfile::tempdir().unwrap(), Settings::default(), POLICY).await;
    host.run(&calm()).await;
    host
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_allowed_changes_nothing_and_names_the_rule_and_its_place() {
    let host = host().await;
    let dry = format!("{}?dryRun=true", configuration_path("calm"));
    for (body, said) in [
        (
            json!({"checkpointTimeout": 4 * 3_600_000, "reason": "slow"}),
            "the timeout 4h is longer than the 3h allowed for ca* (longest-timeout, /etc/ckptd.toml:10)",
        ),
        (
            json!({"checkpointTimeout": 2 * 3_600_000, "reason": "slow"}),
            "the timeout 2h is 1h 50m longer than the 10m in force, and 30m is the most at once for all jobs \
             (longest-extension, /etc/ckptd.toml:7)",
        ),
        (
            json!({"checkpointInterval": 1_000, "reason": "slow"}),
            "the interval 1s is shorter than the 1m allowed for all jobs (smallest-interval, /etc/ckptd.toml:5)",
        ),
        (
            json!({"checkpointTimeout": 1_200_000}),
            "a change of ca* needs a reason (reason-required, /etc/ckptd.toml:11); add --reason TEXT",
        ),
        (
            json!({"checkpointTimeout": null}),
            "a change of ca* needs a reason (reason-required, /etc/ckptd.toml:11); add --reason TEXT",
        ),
        (
            json!({"checkpointTimeout": 1_200_000, "reason": "slow", "for": 90_000_000}),
            "1d 1h is longer than the 1d for which an override may last (longest-for, /etc/ckptd.toml:2)",
        ),
        (
            json!({"checkpointTimeout": 1_200_000, "reason": "slow", "for": null}),
            "an override has to end by itself within 1d (longest-for, /etc/ckptd.toml:2); add --for 1d",
        ),
    ] {
        assert_eq!(host.patch("calm", &body).await.error(409), said);
        assert_eq!(host.patch_to(&dry, &body).await.error(409), said, "a dry run is checked too");
    }
    assert_eq!(host.configuration("calm").await["revision"], 0);
    assert!(!host.overrides_file().exists());
    let audit = host.seen("/audit").await;
    let entries = audit["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 7, "dry runs are not written down");
    assert!(entries.iter().all(|entry| entry["outcome"]["result"] == "refused"), "{audit:#}");
    assert!(entries[6]["outcome"]["why"].as_str().unwrap().contains("longest-timeout"), "{audit:#}");
}

#[tokio::test(start_paused = true)]
async fn what_is_allowed_is_made_step_by_step_and_a_reset_has_no_limits() {
    let host = host().await;
    for timeout in [2_400_000, 4_200_000] {
        host.change("calm", &json!({"checkpointTimeout": timeout, "reason": "slow"})).await;
    }
    host.patch("calm", &json!({"checkpointTimeout": 6_000_001, "reason": "slow"})).await.error(409);
    let reset = host.change("calm", &json!({"checkpointTimeout": null, "reason": "it is over"})).await;
    assert_eq!(reset["checkpointTimeout"]["effective"], 600_000);
}
