use super::{Worker, claim, exists, next, open, post, programs, running, submitted, until_gone};
use crate::support::{Host, bare, calm, with_json};
use axum::http::Method;
use serde_json::{Value, json};
use std::time::Duration;

fn warnings(configuration: &Value) -> String {
    configuration["warnings"].to_string()
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_when_all_its_tasks_have_restored() {
    let host = Host::new().await;
    let id = submitted(&host, &programs("")).await;
    let seen = host.until_state("work", "CREATED").await;
    assert!(warnings(&seen).contains("it waits for 2 of 2 subtasks: v/0, v/1"), "{seen}");
    host.get(&format!("/jobs/{id}/checkpoints")).await;

    let mut first = Worker::come(&host, 1, &[0]).await;
    let seen = host.configuration("work").await;
    assert!(warnings(&seen).contains("it waits for 1 of 2 subtasks: v/1"), "{seen}");
    let trigger = host.send(post("/jobs/work/checkpoints", &json!({}))).await;
    assert!(trigger.error(409).contains("CREATED"));
    let mut second = Worker::come(&host, 1, &[1]).await;
    let restore = first.restores().await;
    assert_eq!((&restore["execution"], &restore["checkpoint"]), (&json!(1), &Value::Null));
    let seen = host.configuration("work").await;
    assert_eq!(seen["state"], "CREATED");
    assert!(warnings(&seen).contains("it waits until these have restored: v/1 (worker 1)"), "{seen}");
    let list = host.seen("/jobs/work/tasks").await;
    assert_eq!((&list["execution"], &list["missing"]), (&json!(1), &json!([])));
    let states: Vec<_> = list["sessions"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert!(states.contains(&&json!("RUNNING")) && states.contains(&&json!("INITIALIZING")), "{list}");
    assert!(!list.to_string().contains(&second.path[17..]), "a session's id is its own");

    second.restores().await;
    let seen = host.until_state("work", "RUNNING").await;
    assert_eq!((&seen["warnings"], &seen["applied"]), (&json!([]), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_completes_and_its_tasks_hear_of_it() {
    let (host, id, mut workers) = running("").await;
    host.trigger("work").await;
    for worker in &mut workers {
        assert_eq!(worker.stores("state").await, 1);
    }
    for worker in &mut workers {
        assert_eq!(worker.told_of("complete").await["checkpointId"], 1);
    }
    let seen = host.until_over("work", 1).await;
    assert_eq!((&seen["status"], &seen["num_acknowledged_subtasks"]), (&json!("COMPLETED"), &json!(2)));
    assert_eq!(seen["state_size"], 10);
    let metadata = std::fs::read(host.checkpoints(&id).join("chk-1/_metadata")).unwrap();
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    assert_eq!(metadata["subtasks"][1]["location"], "v-1");
}

#[tokio::test(start_paused = true)]
async fn a_job_has_finished_when_all_its_tasks_have() {
    for policy in ["never-retain", "retain-on-failure", "retain-on-cancellation"] {
        let (host, id, mut workers) = running(&format!("on-end = '{policy}'")).await;
        host.trigger("work").await;
        for worker in &mut workers {
            worker.stores("state").await;
        }
        let finished = json!({"report": "finished", "execution": 1});
        assert_eq!(workers[0].says(&finished).await["result"], "taken");
        assert_eq!(host.until_over("work", 1).await["status"], "COMPLETED");
        assert_eq!(host.configuration("work").await["state"], "RUNNING", "one has not");
        // Who has finished goes on storing checkpoints.
        host.trigger("work").await;
        for worker in &mut workers {
            worker.told_of("complete").await;
            assert_eq!(worker.stores("state").await, 2);
        }
        host.until_over("work", 2).await;
        workers[1].says(&finished).await;
        for worker in &mut workers {
            worker.told_of("complete").await;
            assert_eq!(worker.told_of("end").await["state"], "FINISHED");
        }
        let seen = host.until_state("work", "FINISHED").await;
        assert_eq!(seen["inFlight"], json!([]));
        let sentence = claim(&host, 9, &[0]).await.error(410);
        assert!(sentence.contains("has ended (FINISHED)"), "{sentence}");
        until_gone(&host.checkpoints(&id).join("chk-2")).await;
        let path = workers[0].path.clone();
        drop(workers);
        let host = host.restarted().await;
        let mut stream = open(&host.router, &path, Some("4")).await.unwrap();
        let (_, end) = next(&mut stream).await.unwrap();
        assert_eq!(end, json!({"event": "end", "state": "FINISHED"}), "nobody misses it");
        assert!(next(&mut stream).await.is_none());
        host.until_state(&id, "FINISHED").await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_cancelled_hears_of_it() {
    for (policy, kept) in
        [("never-retain", false), ("retain-on-failure", false), ("retain-on-cancellation", true)]
    {
        let (host, id, mut workers) = running(&format!("on-end = '{policy}'")).await;
        host.trigger("work").await;
        for worker in &mut workers {
            worker.stores("state").await;
        }
        host.until_over("work", 1).await;
        host.trigger("work").await;
        for worker in &mut workers {
            worker.told_of("complete").await;
            worker.told_of("trigger").await;
        }
        host.cancelled("work").await;
        for worker in &mut workers {
            assert_eq!(worker.told_of("abort").await["checkpointId"], 2);
            assert_eq!(worker.told_of("end").await["state"], "CANCELED");
            assert!(worker.sends(&json!([])).await.error(410).contains("CANCELED"));
        }
        until_gone(&host.checkpoints(&id).join("chk-2")).await;
        let completed = host.checkpoints(&id).join("chk-1");
        if kept {
            assert!(completed.join("_metadata").exists(), "{policy}");
        } else {
            until_gone(&completed).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_before_the_tasks_come_is_in_force_when_they_have() {
    let host = Host::new().await;
    let id = submitted(&host, &programs("timeout = '10s'")).await;
    let answer = host.patch("work", &json!({"checkpointTimeout": 1_200_000})).await;
    assert_eq!(answer.status.as_u16(), 202);
    let host = host.restarted().await;
    let mut worker = Worker::come(&host, 1, &[0, 1]).await;
    worker.restores().await;
    let seen = host.until_state(&id, "RUNNING").await;
    assert_eq!(
        (&seen["checkpointTimeout"]["effective"], &seen["applied"]),
        (&json!(1_200_000), &json!(true))
    );
    host.trigger("work").await;
    let trigger = worker.told_of("trigger").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let acknowledged = worker.stored(&trigger, "late, but in time");
    worker.says(&acknowledged).await;
    assert_eq!(worker.told_of("complete").await["checkpointId"], 1);
    assert!(exists(&trigger, "_metadata"));
}

#[tokio::test(start_paused = true)]
async fn claims_that_make_no_sense_are_refused() {
    let host = Host::new().await;
    submitted(&host, &programs("")).await;
    host.run(&calm()).await;
    let claim = |body: Value| post("/jobs/work/tasks", &body);
    let subtasks = |subtasks: Value| json!({"attempt": 1, "subtasks": subtasks});
    for (body, status, part) in [
        (json!([]), 400, "the claim is not understood"),
        (json!({"attempt": -1, "subtasks": []}), 400, "-1"),
        (json!({"attempt": 1, "subtask": []}), 400, "unknown field `subtask`"),
        (subtasks(json!([])), 400, "names no subtask"),
        (subtasks(json!([{"vertex": "v", "index": 0}, {"vertex": "v"}])), 400, "v/0 is claimed twice"),
        (subtasks(json!([{"vertex": "w"}])), 404, "no vertex 'w'; it has: v"),
        (subtasks(json!([{"vertex": "w\u{1b}[31m"}])), 404, "no vertex 'w [31m'"),
        (subtasks(json!([{"vertex": "v", "index": 2}])), 404, "'v' has no subtask 2; it has 0 to 1"),
        (subtasks(json!([{"vertex": "v", "index": 4_294_967_295_u32}])), 404, "no subtask"),
    ] {
        let sentence = host.send(claim(body.clone())).await.error(status);
        assert!(sentence.contains(part), "{body}: {sentence}");
    }
    let valid = subtasks(json!([{"vertex": "v"}]));
    let answer = host.send(post("/jobs/calm/tasks", &valid)).await;
    assert!(answer.error(409).contains("they are a rehearsal"));
    host.send(post("/jobs/nothing/tasks", &valid)).await.error(404);
    let bare = bare(Method::POST, "/jobs/work/tasks").header("host", "localhost");
    assert!(host.send(with_json(bare, &valid.to_string())).await.error(401).contains("token"));
    assert_eq!(host.seen("/jobs/work/tasks").await["sessions"], json!([]));
    assert_eq!(host.configuration("work").await["state"], "CREATED");
}
