//! What stands before a request is looked at: names, keys and how often wrong ones come, who reads the metrics.

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, text};

const ADA: (&str, &str) = ("authorization", "Bearer a-long-key-of-ada");
const KEYS: &str = "[auth]\nclient_keys_env = 'KEYS'\n";

fn keyed(more: &str) -> App {
    setup(format!("{more}\n{KEYS}"))
        .env("KEYS", "a-long-key-of-ada")
        .env("METRICS", "a-long-key-of-metrics")
        .start()
}

fn demo() -> Value {
    json!({"model": "demo", "input": "Hi"})
}

fn got(answer: &Answer) -> (u16, Option<String>) {
    let (status, _, code, _) = answer.error();
    (status, code)
}

#[test]
fn two_keys_are_none() {
    let app = keyed("");
    for second in ["Bearer a-long-key-of-ada", "Bearer x", ""] {
        for headers in [[ADA, ("authorization", second)], [("authorization", second), ADA]] {
            let want = (400, Some("duplicate_header".to_owned()));
            assert_eq!(got(&app.post_with(&headers, &demo())), want, "{headers:?}");
        }
    }
    assert_eq!(app.post_with(&[ADA], &demo()).status, 200);
}

#[test]
fn a_401_says_which_key_it_wants() {
    let app = keyed("");
    let challenge = |headers: &[(&str, &str)]| {
        let answer = app.post_with(headers, &demo());
        assert_eq!(answer.status, 401);
        answer.header("www-authenticate").map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(challenge(&[]), "Bearer realm=\"open-responses\"");
    let wrong = [("authorization", "Bearer a-long-key-of-bob")];
    assert_eq!(challenge(&wrong), "Bearer realm=\"open-responses\", error=\"invalid_token\"");
}

#[test]
fn who_tries_keys_has_to_wait_and_a_good_key_has_not() {
    let app = keyed("");
    let wrong = [("authorization", "Bearer a-long-key-of-bob")];
    let tried: Vec<_> = (0..40).map(|_| app.post_with(&wrong, &demo())).collect();
    let refused = tried.iter().filter(|answer| answer.status == 401).count();
    // A slow machine gains some tries meanwhile.
    assert!((20..35).contains(&refused), "{refused}");
    let last = &tried[39];
    assert_eq!(got(last), (429, Some("too_many_failed_keys".into())));
    assert!(last.header("retry-after").is_some());
    assert_eq!(app.post_with(&[ADA], &demo()).status, 200);
    let metrics = app.request("GET", "/metrics", &[ADA], None).finish().text();
    assert!(metrics.contains("open_responses_admission_rejected_total{reason=\"failed_keys\"}"), "{metrics}");
}

#[test]
fn without_keys_every_path_wants_a_loopback_name() {
    let app = setup("").start();
    let paths = ["/v1/models", "/v1/nothing", "/health", "/ready", "/metrics", "/", "/nothing"];
    let hosts =
        ["evil.example", "127.0.0.1:80:evil", "[::1", "[127.0.0.1].evil.example", "localhost.evil.example:1"];
    for (path, host) in paths.iter().flat_map(|path| hosts.map(|host| (path, host))) {
        let answer = app.request("GET", path, &[("host", host)], None).finish();
        assert_eq!(got(&answer), (403, Some("host_not_allowed".into())), "{path} {host}");
    }
    for path in ["/v1/models", "/health", "/ready", "/metrics"] {
        assert_eq!(app.request("GET", path, &[("host", "localhost:9")], None).finish().status, 200, "{path}");
    }
    assert_eq!(keyed("").request("GET", "/health", &[("host", "any.example")], None).finish().status, 200);
}

/// The status of the metrics without a key, with a client's, and with their own.
fn readers(app: &App) -> [u16; 3] {
    let own = ("authorization", "Bearer a-long-key-of-metrics");
    [vec![], vec![ADA], vec![own]].map(|headers| {
        let address = app.metrics.unwrap_or(app.address);
        Connection::send(address, "GET", "/metrics", &headers, None).finish().status
    })
}

#[test]
fn the_metrics_are_for_those_that_the_configuration_names() {
    assert_eq!(readers(&setup("").start()), [200; 3]);
    assert_eq!(readers(&keyed("")), [401, 200, 401]);
    assert_eq!(readers(&keyed("metrics.public = true")), [200; 3]);
    assert_eq!(readers(&keyed("metrics.key_env = 'METRICS'")), [401, 401, 200]);
}

#[test]
fn the_metrics_can_have_a_listener_of_their_own() {
    let app = keyed("metrics.bind = '127.0.0.1:0'");
    assert_eq!(readers(&app), [200; 3]);
    let apart = app.metrics.unwrap();
    let at = |address, path: &str, headers: &[(&str, &str)]| {
        Connection::send(address, "GET", path, headers, None).finish().status
    };
    assert_eq!(at(app.address, "/metrics", &[ADA]), 404);
    assert_eq!(at(app.address, "/v1/models", &[ADA]), 200);
    for path in ["/v1/models", "/health", "/ready", "/"] {
        assert_eq!(at(apart, path, &[ADA]), 404, "{path}");
    }
    assert_eq!(at(apart, "/metrics", &[("host", "evil.example")]), 403);
    assert_eq!(readers(&keyed("metrics = { bind = '127.0.0.1:0', key_env = 'METRICS' }")), [401, 401, 200]);
}

#[test]
fn no_page_is_told_the_metrics() {
    let origin = ("origin", "https://app.example");
    for (app, key) in [
        (setup("server.cors_allowed_origins = ['https://app.example']").start(), vec![]),
        (setup("server.cors_allowed_origins = ['*']").start(), vec![]),
        (keyed("server.cors_allowed_origins = ['https://app.example']"), vec![ADA]),
        (keyed("metrics.public = true\nserver.cors_allowed_origins = ['*']"), vec![]),
    ] {
        let answer = app.request("GET", "/metrics", &[key.clone(), vec![origin]].concat(), None).finish();
        assert_eq!(got(&answer), (403, Some("origin_not_allowed".into())));
        assert!(!answer.text().contains("open_responses_"));
        assert_eq!(app.request("GET", "/metrics", &key, None).finish().status, 200);
    }
}

#[test]
fn a_providers_key_that_cannot_be_used_is_not_replaced_by_the_servers() {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let provider = format!("{}api_key_env = 'SERVER_KEY'\n", fake.provider("openai-chat"));
    let app = setup(provider).env("SERVER_KEY", "sk-server").start();
    let check = |headers: &[&str], in_body: Option<&str>, want: Result<&str, (&str, Option<&str>)>| {
        let headers: Vec<_> = headers.iter().map(|key| ("x-provider-api-key", *key)).collect();
        let mut body = json!({"model": "openai-chat/m", "input": "Hi"});
        if let Some(key) = in_body {
            body["api_key"] = json!(key);
        }
        let before = fake.count();
        let answer = app.post_with(&headers, &body);
        match want {
            Ok(key) => {
                assert_eq!(answer.status, 200, "{headers:?} {in_body:?}");
                let bearer = format!("Bearer {key}");
                assert_eq!(fake.request(before).header("authorization"), Some(bearer.as_str()));
            }
            Err((code, param)) => {
                let (status, _, got_code, got_param) = answer.error();
                let got = (status, got_code.as_deref(), got_param.as_deref());
                assert_eq!(got, (400, Some(code), param), "{headers:?} {in_body:?}");
                assert_eq!(fake.count(), before);
            }
        }
    };
    let header = Err(("invalid_value", Some("x-provider-api-key")));
    let body = Err(("invalid_value", Some("api_key")));
    check(&[], None, Ok("sk-server"));
    check(&["sk-mine"], Some("sk-mine"), Ok("sk-mine"));
    for bad in ["", " ", "a b", "schl\u{fc}ssel", "a\tb"] {
        check(&[bad], None, header);
        check(&[bad], Some("sk-mine"), header);
    }
    for bad in ["", " ", "a b", "schl\u{fc}ssel"] {
        check(&[], Some(bad), body);
        check(&["sk-mine"], Some(bad), body);
    }
    check(&["sk-mine"], Some("sk-other"), body);
    check(&["sk-mine", "sk-mine"], None, Err(("duplicate_header", None)));
}
