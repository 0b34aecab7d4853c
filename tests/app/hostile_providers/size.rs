//! Answers that do not end.

use pretty_assertions::assert_eq;

use super::{all, body, failure};
use crate::stage::app::setup;
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire::{self, KINDS};

#[test]
fn an_answer_has_only_so_many_bytes() {
    let fake = FakeProvider::start();
    let providers = KINDS.map(|kind| fake.provider(kind)).concat();
    let app = setup(format!("server.max_upstream_bytes = 1048576\n{providers}")).start();
    for (kind, stream) in all() {
        let what = format!("{kind}, stream: {stream}");
        let (flood, label) = match (stream, kind) {
            (false, _) => (" ".repeat(1 << 16), "application/json"),
            (true, "ollama") => {
                (wire::frames(kind, &wire::text(&["Hel"]))[0].repeat(200), "application/x-ndjson")
            }
            (true, _) => (": comment\n\n".repeat(1 << 12), "text/event-stream"),
        };
        let asked = fake.count();
        fake.script(Script::head(200, label).then(Step::Flood(flood.into_bytes())));
        let (status, code, message) = failure(&app.post(&body(kind, stream)), &what);
        assert_eq!(
            (status, code.as_str()),
            (if stream { 200 } else { 502 }, "upstream_invalid_response"),
            "{what}: {message}"
        );
        assert_eq!(message, "The model provider's answer is too large.", "{what}");
        fake.closed(asked);
        assert!(fake.written(asked) < 64 << 20, "{what}: {} bytes were taken", fake.written(asked));
    }
}
