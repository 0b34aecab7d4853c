use actix_web::http::header::{HeaderName, HeaderValue};
use pretty_assertions::assert_eq;

use super::*;

fn gate(keys: &[&str], metrics: MetricsReader) -> Gate {
    let keys = keys.iter().map(|k| ClientKey { name: format!("name-{k}"), key: (*k).into() }).collect();
    Gate::new(keys, metrics, true)
}

fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
    list.iter().map(|(name, text)| (name.clone(), value(text))).collect()
}

fn outcome<T>(got: Result<T, NotLetIn>) -> Result<T, (u16, Option<String>)> {
    got.map_err(|refusal| (refusal.error.status(), refusal.error.code))
}

#[track_caller]
fn check_host(keys: &[&str], hosts: &[&str], want: Result<(), u16>) {
    for host in hosts {
        let got = gate(keys, MetricsReader::Client).check_host(&headers(&[(HOST, host)]));
        assert_eq!(got.map_err(|error| error.status()), want, "{host}");
    }
}

#[test]
fn without_keys_only_loopback_hosts_are_answered() {
    let good = [
        "localhost",
        "LOCALHOST:4000",
        "127.0.0.1:4000",
        "127.9.9.9",
        "[::1]:4000",
        "[::1]",
        "[::ffff:127.0.0.1]:1",
    ];
    check_host(&[], &good, Ok(()));
    let foreign = ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "", "[::2]", "::1"];
    check_host(&[], &foreign, Err(403));
    let sloppy = [
        "127.0.0.1:80:evil",
        "[::1",
        "::1]",
        "[127.0.0.1].evil.example",
        "[127.0.0.1]",
        "[::1]evil.example",
        "[::1]:80:1",
        "[[::1]]",
        "localhost:",
        "localhost:evil",
        "localhost:+80",
        "localhost:99999",
        "localhost@evil.example",
        "user@localhost",
        "localhost ",
        "127.1",
        "0x7f.0.0.1",
        "127.0.0.1,evil.example",
        "localhost/evil",
    ];
    check_host(&[], &sloppy, Err(403));
    check_host(&["k"], &foreign, Ok(()));
    let two = headers(&[(HOST, "localhost")]).into_iter().chain(headers(&[(HOST, "localhost")])).collect();
    let got = gate(&[], MetricsReader::Client).check_host(&two).map_err(|error| error.code);
    assert_eq!(got, Err(Some("duplicate_header".into())));
}

#[track_caller]
fn check(keys: &[&str], authorization: &[&str], want: Result<&str, (u16, &str)>) {
    let list: Vec<_> = authorization.iter().map(|text| (AUTHORIZATION, *text)).collect();
    let got = outcome(gate(keys, MetricsReader::Client).admit(&headers(&list), true, None));
    let want = want
        .map(|owner| Shown(Arc::new(Client::named(owner))))
        .map_err(|(status, code)| (status, Some(code.to_owned())));
    assert_eq!(got, want, "{authorization:?}");
}

#[test]
fn with_keys_the_right_one_is_needed_and_names_the_owner() {
    check(&["a", "b"], &["Bearer b"], Ok("name-b"));
    check(&["a", "b"], &["bearer  a"], Ok("name-a"));
    for wrong in ["Bearer c", "Basic a", "a", "Bearer ", "", "Bearer a b", "Bearer \u{e9}"] {
        check(&["a", "b"], &[wrong], Err((401, "invalid_api_key")));
    }
    check(&["a", "b"], &[], Err((401, "invalid_api_key")));
    check(&[], &[], Ok("local"));
}

#[test]
fn two_authorizations_are_none() {
    for keys in [&[][..], &["a"], &["a", "b"]] {
        check(keys, &["Bearer a", "Bearer b"], Err((400, "duplicate_header")));
        check(keys, &["Bearer a", "Bearer a"], Err((400, "duplicate_header")));
    }
}

#[test]
fn who_tries_keys_is_slowed_and_a_good_key_is_not() {
    let gate = gate(&["a"], MetricsReader::Client);
    let peer = Some(IpAddr::from([10, 0, 0, 1]));
    let ask = |key: &str| gate.admit(&headers(&[(AUTHORIZATION, key)]), true, peer);
    let tried: Vec<_> = (0..30).map(|_| ask("Bearer c").unwrap_err()).collect();
    let statuses: Vec<_> = tried.iter().map(|refusal| refusal.error.status()).collect();
    assert_eq!(statuses, [vec![401; 20], vec![429; 10]].concat());
    assert_eq!(tried[29].error.code.as_deref(), Some("too_many_failed_keys"));
    assert!(
        tried[29].slowed && tried[29].error.retry_after_s.is_some_and(|seconds| (1..=3).contains(&seconds))
    );
    assert!(ask("Bearer a").is_ok());
    // Who shows none does not try any.
    assert_eq!(gate.admit(&headers(&[]), true, peer).unwrap_err().error.status(), 401);
}

#[track_caller]
fn check_origin(keys: &[&str], allowed: &[&str], origin: Option<&'static str>, want: Result<(), u16>) {
    let allowed: Vec<_> = allowed.iter().map(|o| (*o).to_owned()).collect();
    let listed = is_listed(origin.map(HeaderValue::from_static).as_ref(), &allowed);
    let key = headers(&[(AUTHORIZATION, "Bearer k")]);
    let got = gate(keys, MetricsReader::Client).admit(&key, listed, None);
    assert_eq!(got.map(drop).map_err(|refusal| refusal.error.status()), want);
}

#[test]
fn without_keys_only_listed_origins_are_answered() {
    let app = "https://app.example";
    check_origin(&[], &[], None, Ok(()));
    check_origin(&[], &[app], Some(app), Ok(()));
    check_origin(&[], &["*"], Some("https://other.example"), Ok(()));
    for foreign in ["https://evil.example", "null", "http://localhost:3000", "https://app.example.evil"] {
        check_origin(&[], &[app], Some(foreign), Err(403));
    }
}

#[test]
fn with_keys_the_origin_makes_no_difference() {
    check_origin(&["k"], &[], Some("https://other.example"), Ok(()));
}

/// `want`: the status with no key, a client's, and that of the metrics.
#[track_caller]
fn check_metrics(keys: &[&str], reader: MetricsReader, apart: bool, want: [u16; 3]) {
    let gate = gate(keys, reader);
    let status = |list: &[(HeaderName, &str)]| {
        let got = gate.admit_to_metrics(&headers(list), apart, None);
        got.map_or_else(|refusal| refusal.error.status(), |()| 200)
    };
    let got = [vec![], vec![(AUTHORIZATION, "Bearer k")], vec![(AUTHORIZATION, "Bearer m")]]
        .map(|list| status(&list));
    assert_eq!(got, want);
    let page = [(AUTHORIZATION, "Bearer k"), (ORIGIN, "https://app.example")];
    assert_eq!(status(&page), 403);
}

#[test]
fn the_metrics_are_behind_the_same_door_or_one_of_their_own() {
    let key = || MetricsReader::Key("m".into());
    check_metrics(&["k"], MetricsReader::Client, false, [401, 200, 401]);
    check_metrics(&[], MetricsReader::Client, false, [200, 200, 200]);
    check_metrics(&["k"], MetricsReader::Anybody, false, [200, 200, 200]);
    check_metrics(&["k"], MetricsReader::Client, true, [200, 200, 200]);
    for apart in [false, true] {
        check_metrics(&["k"], key(), apart, [401, 401, 200]);
        check_metrics(&[], key(), apart, [401, 401, 200]);
    }
}
