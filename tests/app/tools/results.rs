//! Results of tools that are more than text, on every kind of provider.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, KINDS, text};

struct Bench {
    fake: FakeProvider,
    app: App,
    _endpoint: FakeProvider,
}

/// A tool that gives the parts which the request's metadata has.
fn bench() -> Bench {
    let (fake, endpoint) = (FakeProvider::start(), FakeProvider::start());
    endpoint.always(|request| {
        let metadata: Value =
            serde_json::from_str(request.header("openresponses-metadata").unwrap()).unwrap();
        let parts: Value = serde_json::from_str(metadata["parts"].as_str().unwrap()).unwrap();
        Script::json(200, &json!({"content_parts": parts}))
    });
    let config = KINDS.map(|kind| fake.provider(kind)).concat();
    let tool = format!(
        "[tools.get_weather]\nkind = 'http'\ndescription = 'Weather'\nurl = 'http://{}/'\n",
        endpoint.address
    );
    Bench { app: setup(config + &tool).start(), fake, _endpoint: endpoint }
}

impl Bench {
    /// The output as the response shows it, and all that the model was told with it.
    #[track_caller]
    fn result(&self, kind: &'static str, stream: bool, parts: &Value) -> (Value, String) {
        self.fake.push(wire::answer(kind, CALL));
        self.fake.push(wire::answer(kind, text(&["Done"])));
        let answer = self.app.post(&json!({
            "model": format!("{kind}/m"), "input": "How is it there?", "stream": stream,
            "metadata": {"parts": parts.to_string()}, "tools": [{"type": "function", "name": "get_weather"}],
        }));
        let response = if stream { answer.last_response() } else { answer.response() };
        assert_eq!(response["status"], "completed", "{kind}: {response}");
        let items = response["output"].as_array().unwrap();
        let output = items.iter().find(|item| item["type"] == "function_call_output").unwrap();
        let told = self.fake.request(self.fake.count() - 1).body.to_string();
        (output["output"].clone(), told)
    }
}

#[test]
fn what_a_provider_cannot_take_is_told_in_words_and_the_loop_goes_on() {
    let bench = bench();
    let note = json!({"type": "input_text", "text": "The map:"});
    let picture =
        json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"});
    let pdf = json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="});
    let link = json!({"type": "input_file", "file_url": "https://example.com/a.pdf"});
    let zip = json!({"type": "input_file", "filename": "a.zip", "file_data": "data:application/zip;base64,UEsDBA=="});
    let parts = json!([note, picture, pdf, link, zip]);
    let no_files = "Files by file_url cannot be sent to this provider; send file_data.";
    let wants: [(&str, [Option<&str>; 3]); 5] = [
        ("openai-chat", [None, Some(no_files), None]),
        ("openai-responses", [None, None, None]),
        ("anthropic", [None, None, Some("This provider takes PDF, text and image files only.")]),
        ("gemini", [None, None, Some("This provider takes PDF, text, image, audio and video files only.")]),
        (
            "ollama",
            [
                Some("An Ollama server takes text files only; \"a.pdf\" is not one."),
                Some("An Ollama server does not fetch files from URLs; send the text in file_data."),
                Some("An Ollama server takes text files only; \"a.zip\" is not one."),
            ],
        ),
    ];
    for (kind, whys) in wants {
        for stream in [false, true] {
            let (shown, told) = bench.result(kind, stream, &parts);
            assert_eq!(shown, parts, "{kind}");
            assert!(told.contains("The map:") && told.contains("iVBORw0KGgo="), "{kind}: {told}");
            for why in whys.into_iter().flatten() {
                let why = json!(why).to_string();
                let want = format!("It cannot be shown to you: {}]", why.trim_matches('"'));
                assert!(told.contains(&want), "{kind}: {told}");
            }
            assert_eq!(
                told.matches("cannot be shown").count(),
                whys.iter().flatten().count(),
                "{kind}: {told}"
            );
        }
    }
}

#[test]
fn a_result_of_an_earlier_response_is_told_in_words_to_another_provider() {
    let bench = bench();
    let pdf = json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="});
    bench.fake.push(wire::answer("openai-responses", CALL));
    bench.fake.push(wire::answer("openai-responses", text(&["Done"])));
    let first = bench.app.post(&json!({
        "model": "openai-responses/m", "input": "How is it there?", "metadata": {"parts": json!([pdf]).to_string()},
        "tools": [{"type": "function", "name": "get_weather"}],
    }));
    let told = || bench.fake.request(bench.fake.count() - 1).body.to_string();
    let first = first.response();
    assert!(told().contains("JVBERi0="));
    bench.fake.push(wire::answer("ollama", text(&["Done"])));
    let next = json!({"model": "ollama/m", "previous_response_id": first["id"], "input": "And now?"});
    assert_eq!(bench.app.post(&next).response()["status"], "completed");
    assert!(told().contains("It cannot be shown to you") && !told().contains("JVBERi0="), "{}", told());
    // What the client itself brings is refused.
    let mut own = first["output"].clone();
    for item in own.as_array_mut().unwrap() {
        item.as_object_mut().unwrap().shift_remove("id");
    }
    let refused = bench.app.post(&json!({"model": "ollama/m", "input": own}));
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("takes text files only"), "{}", refused.text());
}

#[test]
fn media_that_nobody_can_read_are_no_result() {
    let bench = bench();
    let picture = json!([{"type": "input_image", "image_url": "data:image/png;base64,@@@"}]);
    for kind in KINDS {
        let (shown, told) = bench.result(kind, true, &picture);
        let want = "Error: 'get_weather' failed: the data of an image or a file is empty or no base64";
        assert_eq!(shown, want);
        assert!(!told.contains("@@@"), "{told}");
    }
}
