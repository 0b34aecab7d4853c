//! Which endpoint gets what, and what bad ones cost the others.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::stage::app::{App, folder, setup};
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, text};

use super::receiver::{ENV, events, nowhere, receiver, table, wait};
use super::{QUICK, app, begin, body, cancel, counted, sample, told};

fn as_client(app: &App, key: &str) -> Value {
    let key = format!("Bearer {key}");
    app.post_with(&[("authorization", &key)], &body(true)).response()["id"].clone()
}

/// Two responses that complete; their ids.
fn two(fake: &FakeProvider, app: &App) -> [Value; 2] {
    [0, 1].map(|_| {
        fake.push(wire::answer("openai-chat", text(&["Yes"])));
        begin(app)
    })
}

#[test]
fn an_endpoint_gets_the_types_and_clients_that_it_wants() {
    let fake = FakeProvider::start();
    let hooks = [(); 4].map(|()| receiver());
    let wants = ["", "events = ['response.failed']", "clients = ['ada']", "clients = ['bob', 'eve']"];
    let mut config = format!("metrics.public = true\n{QUICK}{}", fake.provider("openai-chat"));
    for key in ["ada", "bob"] {
        config += &format!("\n[[auth.keys]]\nname = '{key}'\nkey_env = '{}'\n", key.to_uppercase());
    }
    for (n, (hook, want)) in hooks.iter().zip(wants).enumerate() {
        config += &table(&format!("hook-{n}"), hook.address, want);
    }
    let setup = setup(config).env("ADA", "a-long-key-of-ada").env("BOB", "a-long-key-of-bob");
    let app = setup.env(ENV.0, ENV.1).disk(&folder()).start();
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    let ada = as_client(&app, "a-long-key-of-ada");
    fake.request(0);
    fake.script(Script::json(400, &wire::error("openai-chat", 400, "no")));
    let bob = as_client(&app, "a-long-key-of-bob");
    let (completed, failed) = (told("completed", &ada), told("failed", &bob));
    assert_eq!(events(&hooks[0], 2), [completed.clone(), failed.clone()].into());
    assert_eq!(events(&hooks[1], 1), [failed.clone()].into());
    assert_eq!(events(&hooks[2], 1), [completed].into());
    assert_eq!(events(&hooks[3], 1), [failed].into());
    counted(&app, "open_responses_webhooks_waiting", 0.0);
    assert_eq!(hooks.map(|hook| hook.count()), [2, 1, 1, 1]);
}

#[test]
fn a_slow_endpoint_holds_up_no_other() {
    let (fake, slow, hook) = (FakeProvider::start(), FakeProvider::start(), receiver());
    slow.always(|_| Script::silent());
    let limits = "\n[webhook_limits]\ntimeout_s = 300\nmax_concurrent = 2\n";
    let config = format!("{}{limits}", fake.provider("openai-chat"));
    let config = config + &table("slow", slow.address, "") + &table("zeal", hook.address, "");
    let app = setup(config).env(ENV.0, ENV.1).disk(&folder()).start();
    let ids: Vec<_> = (0..4).map(|_| two(&fake, &app)).collect();
    let want: HashSet<_> = ids.iter().flatten().map(|id| told("completed", id)).collect();
    assert_eq!(events(&hook, 8), want);
    slow.request(1);
    assert_eq!(slow.count(), 2, "so many may be under way");
    counted(&app, "open_responses_webhooks_waiting", 8.0);
}

#[test]
fn an_endpoint_that_is_gone_is_left_alone() {
    let (fake, hook) = (FakeProvider::start(), FakeProvider::start());
    hook.always(|_| Script::head(410, "text/plain"));
    let app = app(&fake, &table("app", hook.address, ""));
    let [first, _] = two(&fake, &app);
    counted(&app, "open_responses_webhooks_given_up_total{endpoint=\"app\",reason=\"gone\"}", 2.0);
    assert!(hook.count() <= 2);
    let count = hook.count();
    fake.script(Script::silent());
    let third = begin(&app);
    cancel(&app, &third);
    counted(&app, "open_responses_webhooks_given_up_total{endpoint=\"app\",reason=\"gone\"}", 3.0);
    assert_eq!((hook.count(), app.stored(&first).status), (count, 200));
    counted(&app, "open_responses_webhooks_waiting", 0.0);
}

#[test]
fn what_nobody_takes_is_given_up() {
    let (fake, hook) = (FakeProvider::start(), FakeProvider::start());
    hook.always(|_| Script::head(500, "text/plain"));
    let limits = "\n[webhook_limits]\nfirst_retry_s = 1\ngive_up_after_s = 1\n";
    let config = format!("{}{limits}{}", fake.provider("openai-chat"), table("app", hook.address, ""));
    let app = setup(config).env(ENV.0, ENV.1).disk(&folder()).start();
    two(&fake, &app);
    counted(&app, "open_responses_webhooks_given_up_total{endpoint=\"app\",reason=\"expired\"}", 2.0);
    counted(&app, "open_responses_webhooks_waiting", 0.0);
    assert!(hook.count() >= 1);
}

#[test]
fn an_endpoint_that_asks_for_a_pause_gets_it() {
    let (fake, hook) = (FakeProvider::start(), receiver());
    hook.script(Script::head(429, "text/plain").header("retry-after", "3"));
    let app = app(&fake, &table("app", hook.address, ""));
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    let first = begin(&app);
    hook.request(0);
    let refused = Instant::now();
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    let second = begin(&app);
    hook.request(1);
    // Without the header both would come within a second.
    assert!(refused.elapsed() >= Duration::from_millis(2500), "{:?}", refused.elapsed());
    let want = [first, second].map(|id| told("completed", &id));
    assert_eq!(events(&hook, 3), want.into());
}

#[test]
fn a_redirect_is_not_followed() {
    let (fake, hook, other) = (FakeProvider::start(), receiver(), receiver());
    let to = format!("http://{}/", other.address);
    hook.script(Script::head(307, "text/plain").header("location", &to));
    let app = app(&fake, &table("app", hook.address, ""));
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    let id = begin(&app);
    assert_eq!(events(&hook, 2), [told("completed", &id)].into());
    assert_eq!(other.count(), 0);
}

#[test]
fn one_client_cannot_fill_the_outbox() {
    let fake = FakeProvider::start();
    let limits = "\n[webhook_limits]\nfirst_retry_s = 3600\nmax_waiting_per_client = 1\n";
    let config = format!("{}{limits}{}", fake.provider("openai-chat"), table("app", nowhere(), ""));
    let app = setup(config).env(ENV.0, ENV.1).disk(&folder()).start();
    let [first, second] = two(&fake, &app);
    for id in [first, second] {
        wait("the end", || app.stored(&id).response()["status"] == "completed");
    }
    counted(&app, "open_responses_webhooks_refused_total", 1.0);
    assert_eq!(sample(&app, "open_responses_webhooks_waiting"), 1.0);
}
