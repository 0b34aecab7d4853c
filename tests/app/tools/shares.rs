//! What one client key may take of the server's programs.

use std::path::Path;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::stage::app::{App, setup};
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, CALL, text};

const KEYS: &str =
    "[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n[[auth.keys]]\nname = 'bob'\nkey_env = 'BOB'\n";
const ADA: &str = "key-of-ada-0123456789";
const BOB: &str = "key-of-bob-0123456789";

/// Says who it is for; ends at once for bob, for others when it is told.
const PROGRAM: &str = r#"
echo "$OPENRESPONSES_CLIENT" >> started
[ "$OPENRESPONSES_CLIENT" = bob ] || while ! [ -e go ]; do sleep 0.05; done
echo done
"#;

fn start(folder: &Path, fake: &FakeProvider, limits: &str, tool: &str) -> App {
    std::fs::write(folder.join("tool.sh"), PROGRAM).unwrap();
    let table = format!(
        "[tools.get_weather]\nkind = 'command'\ndescription = 'x'\ncommand = ['/bin/sh', 'tool.sh']\n\
         working_directory = {folder:?}\nenv = ['PATH']\n{tool}\n"
    );
    fake.always(|request| {
        let messages = request.body["messages"].as_array().unwrap();
        let called = messages.iter().any(|message| message["role"] == "tool");
        if called {
            wire::answer("openai-chat", text(&["Seven"]))(request)
        } else {
            wire::answer("openai-chat", CALL)(request)
        }
    });
    let config = format!("{limits}\n{KEYS}{}{table}", fake.provider("openai-chat"));
    setup(config).env("ADA", ADA).env("BOB", BOB).env("PATH", "/usr/bin:/bin").start()
}

fn started(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("started")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn ask(app: &App, key: &str) -> serde_json::Value {
    let tool = json!({"type": "function", "name": "get_weather", "parameters": {"type": "object"}});
    let body = json!({"model": "openai-chat/m", "input": "How?", "tools": [tool]});
    app.post_with(&[("authorization", &format!("Bearer {key}"))], &body).response()
}

#[track_caller]
fn until(what: &str, good: impl Fn() -> bool) {
    let over = Instant::now() + Duration::from_secs(40);
    while !good() {
        assert!(Instant::now() < over, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_flood_of_one_key_leaves_places_for_others() {
    let (folder, fake) = (tempfile::tempdir().unwrap(), FakeProvider::start());
    let app = start(folder.path(), &fake, "key_limits.max_tool_processes = 2", "max_concurrent = 3");
    std::thread::scope(|scope| {
        let flood: Vec<_> = (0..6).map(|_| scope.spawn(|| ask(&app, ADA))).collect();
        until("ada's programs do not start", || started(folder.path()).len() == 2);
        // The others of hers wait, and do not stand before bob.
        for n in 1..4 {
            let answer = ask(&app, BOB);
            assert_eq!(answer["output"][1]["output"], "done\n");
            assert_eq!(started(folder.path()).len(), 2 + n);
        }
        std::fs::write(folder.path().join("go"), "").unwrap();
        for one in flood {
            assert_eq!(one.join().unwrap()["output"][1]["output"], "done\n");
        }
    });
    assert_eq!(started(folder.path()).iter().filter(|who| *who == "ada").count(), 6);
}

#[test]
fn who_waits_too_long_is_told_so() {
    let (folder, fake) = (tempfile::tempdir().unwrap(), FakeProvider::start());
    let app = start(folder.path(), &fake, "key_limits.max_tool_processes = 1", "timeout_s = 2");
    let stopped = "Error: 'get_weather' was stopped after 2 s without a result.";
    let not_run = "Error: 'get_weather' was not run: too many calls were before it for 2 s.";
    let told: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| ask(&app, ADA))).collect();
        all.into_iter()
            .map(|one| one.join().unwrap()["output"][1]["output"].as_str().unwrap().to_owned())
            .collect()
    });
    assert!(told.iter().all(|told| told == stopped || told == not_run), "{told:?}");
    // One has the place, and another may get it in the moment in which both are given up.
    let run = told.iter().filter(|told| *told == stopped).count();
    assert!((1..=2).contains(&run) && started(folder.path()).len() <= run, "{told:?}");
}
