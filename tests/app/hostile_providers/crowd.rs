//! Many clients at the same time, before hosts that misbehave in every way: each gets its own answer or an error.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::upstream::{NUMBER, number, start};
use super::{label, text};
use crate::stage::app::{App, setup};
use or_test_support::client::Answer;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, CALL, KINDS};

const KEYS: [&str; 4] =
    ["alice-key-0123456789", "bob-key-0123456789", "carol-key-0123456789", "dave-key-0123456789"];
const CLIENTS: usize = 64;
const REQUESTS: usize = 640;

/// Sends all requests from many threads; `told` is what an answer says that should say the number. Fails if any says
/// another, or if most say none.
#[track_caller]
fn crowd(
    app: &App,
    ask: impl Fn(usize, &str) -> Value + Sync,
    told: impl Fn(usize, &Answer) -> Option<String> + Sync,
) {
    let (next, good) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::SeqCst);
            if n >= REQUESTS {
                return;
            }
            let key = format!("Bearer {}", KEYS[n % KEYS.len()]);
            let answer = app.post_with(&[("authorization", key.as_str())], &ask(n, &number(n)));
            let told = told(n, &answer);
            if let Some(told) = told {
                assert_eq!(told, number(n), "request {n} was told another's answer");
                good.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(work)).collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    let good = good.into_inner();
    assert!(good > REQUESTS / 2, "only {good} of {REQUESTS} were answered");
}

/// The response of an answer that may be an error; errors are those of a provider.
fn response(stream: bool, answer: &Answer) -> Option<Value> {
    if answer.status != 200 {
        let (status, error, code, _) = answer.error();
        assert_eq!((status, error.as_str()), (502, "model_error"), "{}", answer.text());
        assert!(code.is_some_and(|code| code.starts_with("upstream_")), "{}", answer.text());
        return None;
    }
    let response = if stream { answer.last_response() } else { answer.response() };
    (response["status"] == "completed").then_some(response)
}

#[test]
fn nobody_gets_the_answer_to_anothers_request() {
    let address = start(|request| {
        let kind = KINDS.into_iter().find(|kind| request.contains(&format!(" /{kind}/"))).unwrap();
        let stream = request.contains("streamGenerateContent") || request.contains("\"stream\":true");
        let turn = text(&[NUMBER]);
        let body =
            if stream { wire::frames(kind, &turn).concat() } else { wire::whole(kind, &turn).to_string() };
        (label(kind, stream).to_owned(), body)
    });
    let providers = KINDS
        .map(|kind| format!("\n[providers.{kind}]\nkind = '{kind}'\nbase_url = 'http://{address}/{kind}'\n"));
    let keys = "auth.client_keys_env = 'KEYS'\n";
    let app = setup(format!("{keys}{}", providers.concat())).env("KEYS", &KEYS.join(",")).start();
    let stream = |n: usize| n.is_multiple_of(2);
    let ask = |n: usize, number: &str| {
        // Some are so long that an answer can come before they are sent.
        let padding = if n.is_multiple_of(7) { "x".repeat(600_000) } else { String::new() };
        let kind = KINDS[n % KINDS.len()];
        json!({"model": format!("{kind}/m"), "input": format!("{number} {padding}"), "stream": stream(n),
               "store": false})
    };
    crowd(&app, ask, |n, answer| {
        let response = response(stream(n), answer)?;
        Some(response["output"][0]["content"][0]["text"].as_str().unwrap().to_owned())
    });
}

#[test]
fn no_tool_gives_the_result_of_anothers_call() {
    let models: Vec<_> = KINDS
        .into_iter()
        .map(|kind| {
            let fake = FakeProvider::start();
            fake.always(move |request| {
                // Only the call that comes back has the name of the city.
                let turn = if request.body.to_string().contains("Oslo") { text(&["Done"]) } else { CALL };
                wire::answer(kind, turn)(request)
            });
            fake
        })
        .collect();
    let providers: String = models.iter().zip(KINDS).map(|(fake, kind)| fake.provider(kind)).collect();
    let endpoint = start(|_| ("text/plain".to_owned(), NUMBER.to_owned()));
    let tool = format!(
        "[tools.get_weather]\nkind = 'http'\ndescription = 'Weather'\nurl = 'http://{endpoint}/'\ntimeout_s = 20\n"
    );
    let config = format!("auth.client_keys_env = 'KEYS'\n{providers}{tool}");
    let app = setup(config).env("KEYS", &KEYS.join(",")).start();
    let ask = |n: usize, number: &str| {
        let kind = KINDS[n % KINDS.len()];
        json!({"model": format!("{kind}/m"), "input": "How is it?", "metadata": {"number": number}, "store": false,
               "tools": [{"type": "function", "name": "get_weather"}]})
    };
    crowd(&app, ask, |_, answer| {
        let response = response(false, answer)?;
        let items = response["output"].as_array().unwrap();
        let result = items.iter().find(|item| item["type"] == "function_call_output").unwrap();
        let result = result["output"].as_str().unwrap();
        (!result.starts_with("Error: ")).then(|| result.to_owned())
    });
}
