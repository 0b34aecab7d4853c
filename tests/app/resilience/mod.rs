//! Providers that fail: calls made again, other targets, providers and keys that are left alone.

mod health;
mod hedge;
mod mid_stream;
mod pairs;
mod retries;
mod routes;

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::Answer;
use or_test_support::provider::{FakeProvider, Request, Script};
use or_test_support::wire::{self, Turn};

/// Two providers, `a` and `b`, and a route to both of them.
struct Two {
    a: FakeProvider,
    b: FakeProvider,
    app: App,
}

impl Two {
    /// `rules`: of the route. `config`: of the server, before all tables.
    fn start(config: &str, rules: &str) -> Self {
        Self::of(["openai-chat", "anthropic"], config, rules)
    }

    fn of(kinds: [&str; 2], config: &str, rules: &str) -> Self {
        let (a, b) = (FakeProvider::start(), FakeProvider::start());
        let providers = [a.named_provider("a", kinds[0]), b.named_provider("b", kinds[1])].concat();
        let route = route("^m$", &["{ provider = 'a' }", "{ provider = 'b', model = 'other' }"], rules);
        // Most tests are about one thing that follows from a failure, and not about all of them.
        let usual = "resilience = { retries = 0, breaker_failures = 0, key_cooldown_s = 0 }\n";
        let usual = if config.contains("resilience") { "" } else { usual };
        let app = setup(format!("{usual}{config}\n{providers}{route}")).start();
        Self { a, b, app }
    }

    fn post(&self) -> Answer {
        self.app.post(&ask("m", false))
    }
}

fn route(pattern: &str, targets: &[&str], rules: &str) -> String {
    format!("\n[[routes]]\npattern = '{pattern}'\ntargets = [{}]\n{rules}\n", targets.join(", "))
}

fn ask(model: &str, stream: bool) -> Value {
    json!({"model": model, "input": "Hi", "stream": stream})
}

/// Answers in whatever language it is asked.
fn answers(turn: Turn) -> impl Fn(&Request) -> Script + Send + Sync + 'static {
    move |request| wire::answer(wire::kind_of(request), turn)(request)
}

/// Fails in whatever language it is asked.
fn fails(status: u16) -> impl Fn(&Request) -> Script + Send + Sync + 'static {
    move |request| Script::json(status, &wire::error(wire::kind_of(request), status, "as told"))
}

/// Who answered, after how many calls.
fn trail(answer: &Answer) -> (&str, &str) {
    let header = |name| answer.header(name).unwrap_or_default();
    (header("openresponses-provider"), header("openresponses-attempts"))
}

fn shown_text(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap_or_default()
}
