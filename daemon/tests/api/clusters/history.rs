use super::*;
use crate::events::Reader;
use crate::fake_flink::now;
use serde_json::json;

#[tokio::test]
async fn what_flink_has_forgotten_is_remembered_with_its_timeout_though_nobody_looked() {
    let (fake, host) = one_job().await;
    let path = format!("/jobs/{ONE}/checkpoints/history");
    let first = until(&host, &path, |answer| answer.status == 200).await.json();
    let [expired] = first["checkpoints"].as_array().unwrap().as_slice() else { panic!("{first:#}") };
    assert_eq!((&expired["id"], &expired["timeout"]), (&json!(1), &Value::Null), "it ended before");
    assert_eq!(expired["reason"], "CHECKPOINT_EXPIRED");
    fake.job(ONE, |job| {
        let entry = &mut job.checkpoints["history"][0];
        entry["status"] = json!("COMPLETED");
        entry["trigger_timestamp"] = json!(now());
        entry["end_to_end_duration"] = json!(700);
    });
    // Several rounds of looking at it, without anybody who asks: what was told in the first one is known in the next.
    let look = format!("GET /jobs/{ONE}/checkpoints");
    let before = fake.asked(&look);
    for _ in 0..MOST_LOOKS {
        if fake.asked(&look) < before + 3 {
            step().await;
        }
    }
    assert!(fake.asked(&look) >= before + 3, "nobody looks");
    fake.job(ONE, |job| job.checkpoints["history"] = json!([]));
    let seen = host.hurried(&path).await.json();
    let seen = seen["checkpoints"].as_array().unwrap();
    let told: Vec<_> = seen.iter().map(|one| json!([one["id"], one["completed"], one["timeout"]])).collect();
    assert_eq!(told, [json!([1, false, null]), json!([2, true, 20_000])]);
    assert_eq!((&seen[1]["duration"], &seen[1]["rescued"]), (&json!(700), &json!(false)));
}

#[tokio::test]
async fn a_job_that_its_cluster_does_not_list_for_a_while_is_hidden_and_keeps_its_history() {
    let (fake, host) = one_job().await;
    let path = format!("/jobs/{ONE}/checkpoints/history");
    let before = until(&host, &path, |answer| answer.status == 200).await.json();
    assert_eq!(before["checkpoints"][0]["id"], 1);
    let mut job = fake.cluster().jobs.remove(0);
    until(&host, &path, |answer| answer.status == 404).await;
    job.checkpoints["history"] = json!([]);
    fake.cluster().jobs.push(job);
    let after = until(&host, &path, |answer| answer.status == 200).await.json();
    assert_eq!(after["checkpoints"], before["checkpoints"]);
}

#[tokio::test]
async fn the_stream_of_all_jobs_tells_of_those_that_come_and_of_those_that_go() {
    let (fake, host) = one_job().await;
    let mut reader = Reader::open_path(&host, "/checkpoints/events").await;
    let first = hurried(reader.next_named("state")).await;
    assert_eq!((&first["jobId"], &first["cluster"]), (&json!(ONE), &json!("prod")));
    assert_eq!((&first["state"], &first["reason"]), (&json!("RUNNING"), &Value::Null));
    fake.cluster().jobs.push(FakeJob::new(TWO, "payments"));
    let second = hurried(reader.next_named("state")).await;
    assert_eq!((&second["jobId"], &second["state"]), (&json!(TWO), &json!("RUNNING")));
    fake.cluster().jobs.remove(0);
    let gone = hurried(reader.next_named("state")).await;
    assert_eq!((&gone["jobId"], &gone["reason"]), (&json!(ONE), &json!("it is not known any more")));
}
