//! Background responses that outlive their process.

use std::sync::Arc;

use open_responses::ServerBuilder;
use pretty_assertions::assert_eq;

use super::{Act, Delivery, Log, Probe, body, lines};
use crate::stage::app::{App, folder, setup};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

const KIND: &str = "anthropic";

fn start(fake: &FakeProvider, disk: &Arc<tempfile::TempDir>, log: &Log) -> App {
    let script = |hook: &str, _| if matches!(hook, "before" | "event") { Act::Change } else { Act::Go };
    let probe = Probe::new("a", log, script).apart();
    let customise = move |builder: ServerBuilder| builder.middleware(probe);
    setup(fake.provider(KIND)).disk(disk).with(customise).start()
}

#[test]
fn hooks_begin_anew_after_a_restart() {
    for delivery in [Delivery::Background, Delivery::BackgroundStream] {
        let (fake, disk, log) = (FakeProvider::start(), folder(), Log::default());
        let gate = Gate::default();
        fake.script(Script::default().then(Step::Wait(gate)));
        let app = start(&fake, &disk, &log);
        let mut open = app.open(&body(KIND, delivery));
        let id = if delivery.streams() {
            open.until("response.created")["response"]["id"].clone()
        } else {
            open.finish().response()["id"].clone()
        };
        while fake.count() == 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        app.stop();
        let first = lines(&log, 1);
        assert_eq!(first, ["a begin anthropic/m", "a before 1 (1 items)", "a end parked, 0 tokens"]);

        log.lock().unwrap().clear();
        fake.push(wire::answer(KIND, text(&["Seven"])));
        let app = start(&fake, &disk, &log);
        let second = lines(&log, 1);
        let want = [
            "a begin anthropic/m again",
            "a before 1 (1 items)",
            r#"a event "Seven""#,
            "a after 1 [message] 7 tokens",
            "a end completed, 7 tokens",
        ];
        assert_eq!(second, want);
        assert!(fake.request(1).body.to_string().contains("CHANGED"));
        let response = app.stored(&id).response();
        assert_eq!(response["output"][0]["content"][0]["text"], "SEVEN");
    }
}
