//! What one client key may take of the places, also after a restart.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, Setup, folder, setup};
use or_test_support::client::Answer;

const KEYS: &str = "a-long-key-of-alice,a-long-key-of-bob";
const ALICE: (&str, &str) = ("authorization", "Bearer a-long-key-of-alice");
const BOB: (&str, &str) = ("authorization", "Bearer a-long-key-of-bob");

/// 8 places: 4 for each key, 2 of them for background responses.
fn two(more: &str) -> Setup {
    setup(format!("server.max_concurrent_responses = 8\n{more}\n[auth]\nclient_keys_env = 'KEYS'\n"))
        .env("KEYS", KEYS)
}

fn hang(background: bool) -> Value {
    json!({"model": "demo-hang", "input": "Hi", "background": background, "stream": !background})
}

/// Status and message.
#[track_caller]
fn refused(answer: &Answer) -> String {
    let (status, kind, code, _) = answer.error();
    assert_eq!(
        (status, kind.as_str(), code.as_deref()),
        (429, "too_many_requests", Some("rate_limit_exceeded"))
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    answer.message()
}

#[track_caller]
fn good(app: &App, key: (&str, &str)) {
    let answer = app.post_with(&[key], &json!({"model": "demo", "input": "Hi"}));
    assert_eq!(answer.response()["status"], "completed");
}

#[test]
fn a_flood_of_one_key_leaves_the_others_served() {
    let app = two("").start();
    let begun: Vec<_> = (0..20).map(|_| app.post_with(&[ALICE], &hang(true))).collect();
    assert_eq!(begun.iter().filter(|answer| answer.status == 200).count(), 2);
    assert_eq!(
        refused(&begun[19]),
        "Too many background responses of your key are in progress: it may have 2 at the same time. Please try again \
         when one is over."
    );
    let body = hang(false).to_string();
    let mut open: Vec<_> =
        (0..2).map(|_| app.request("POST", "/v1/responses", &[ALICE], Some(body.as_bytes()))).collect();
    for stream in &mut open {
        stream.until("response.in_progress");
    }
    let text = "Too many responses of your key are in progress: it may have 4 at the same time. Please try again when one \
                is over.";
    assert_eq!(refused(&app.post_with(&[ALICE], &json!({"model": "demo", "input": "Hi"}))), text);
    let count = json!({"model": "demo", "input": "Hi"}).to_string();
    let count =
        |key| app.request("POST", "/v1/responses/input_tokens", &[key], Some(count.as_bytes())).finish();
    assert_eq!(refused(&count(ALICE)), text);
    assert_eq!(count(BOB).status, 200);
    good(&app, BOB);
    for _ in 0..2 {
        assert_eq!(app.post_with(&[BOB], &hang(true)).status, 200);
    }
    let metrics = app.request("GET", "/metrics", &[BOB], None).finish().text();
    assert!(
        metrics.contains("open_responses_admission_rejected_total{reason=\"key_background\"} 18"),
        "{metrics}"
    );
    assert!(metrics.contains("open_responses_admission_rejected_total{reason=\"key\"} 2"), "{metrics}");
}

#[test]
fn background_responses_leave_places_to_those_who_wait() {
    let app = setup("server.max_concurrent_responses = 4").start();
    let begun: Vec<_> = (0..4).map(|_| app.post(&hang(true))).collect();
    assert_eq!(begun.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 200, 429]);
    assert_eq!(
        refused(&begun[3]),
        "Too many background responses are in progress on this server. Please try again later."
    );
    assert_eq!(app.post(&json!({"model": "demo", "input": "Hi"})).response()["status"], "completed");
}

#[test]
fn a_key_can_have_a_share_of_its_own() {
    let keys = "[[auth.keys]]\nname = 'alice'\nkey_env = 'A'\nmax_background = 3\n[[auth.keys]]\nname = 'bob'\nkey_env = 'B'\n";
    let config = format!("server.max_concurrent_responses = 8\nkey_limits.max_background = 1\n{keys}");
    let app = setup(config).env("A", "a-long-key-of-alice").env("B", "a-long-key-of-bob").start();
    let begun = |key| (0..5).filter(|_| app.post_with(&[key], &hang(true)).status == 200).count();
    assert_eq!((begun(ALICE), begun(BOB)), (3, 1));
}

#[test]
fn what_goes_on_after_a_restart_stays_within_its_share() {
    let disk = folder();
    let before = two("key_limits = { max_concurrent = 8, max_background = 6 }").disk(&disk).start();
    let ids: Vec<_> = (0..6)
        .map(|_| before.post_with(&[ALICE], &hang(true)).response()["id"].as_str().unwrap().to_owned())
        .collect();
    before.stop();

    let app = two("").disk(&disk).start();
    let end = Instant::now() + Duration::from_secs(40);
    while app.running().len() < 2 {
        assert!(Instant::now() < end, "nothing goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
    good(&app, BOB);
    good(&app, ALICE);
    assert_eq!(app.post_with(&[BOB], &hang(true)).status, 200);
    assert_eq!(app.running().len(), 3);
    // What waits is hers all the same.
    assert!(refused(&app.post_with(&[ALICE], &hang(true))).contains("of your key"));

    let cancel = |id: &String| {
        app.request("POST", &format!("/v1/responses/{id}/cancel"), &[ALICE], None).finish().response()["status"].clone()
    };
    // The last one waits for a place, and is not ended by anybody else.
    let path = format!("/v1/responses/{}/cancel", ids[5]);
    assert_eq!(app.request("POST", &path, &[BOB], None).finish().status, 404);
    assert_eq!(cancel(&ids[5]), "cancelled");
    assert_eq!(ids[..5].iter().map(cancel).collect::<Vec<_>>(), vec!["cancelled"; 5]);
    while app.running().len() > 1 {
        assert!(Instant::now() < end, "they stay");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(app.post_with(&[ALICE], &hang(true)).status, 200);
}

#[test]
fn what_goes_on_takes_the_places_that_become_free() {
    let disk = folder();
    let before = two("key_limits = { max_concurrent = 8, max_background = 6 }").disk(&disk).start();
    let body = json!({"model": "demo-hang", "input": "Hi", "background": true});
    let ids: Vec<_> = (0..4)
        .map(|_| before.post_with(&[ALICE], &body).response()["id"].as_str().unwrap().to_owned())
        .collect();
    before.stop();

    let app = two("").disk(&disk).start();
    let is_running = |id: &String| app.running().iter().any(|response| response.id.as_str() == id);
    let end = Instant::now() + Duration::from_secs(40);
    for (n, id) in ids.iter().enumerate() {
        while !is_running(id) {
            assert!(Instant::now() < end, "number {n} does not go on");
            std::thread::sleep(Duration::from_millis(5));
        }
        let path = format!("/v1/responses/{id}/cancel");
        assert_eq!(app.request("POST", &path, &[ALICE], None).finish().status, 200);
    }
}
