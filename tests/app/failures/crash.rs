//! A panic for one request: that client is told, everyone else goes on.

use std::sync::Arc;

use open_responses::adapters::{
    Adapter, AdapterError, Frame, Framing, ModelEvent, ModelRequest, ProviderOptions, ResponseTranslator,
    UpstreamCall, UpstreamError, builtin,
};
use open_responses::protocol::ResponseId;
use open_responses::store::{
    ApprovalId, ApprovalMark, ChainError, Change, Health, HistoryTurn, LogPart, Marked, Store, StoreError,
    StoreFuture, StoredResponse,
};
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::memory::Memory;
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

/// Speaks Chat Completions and panics where a marker tells it to.
pub(crate) struct Crashy(Arc<dyn Adapter>);

impl Crashy {
    pub(crate) fn make(options: &ProviderOptions) -> Result<Arc<dyn Adapter>, String> {
        let inner = builtin("openai-chat", options).ok_or("no openai-chat")??;
        Ok(Arc::new(Self(inner)))
    }
}

fn asks_for(request: &ModelRequest<'_>, marker: &str) -> bool {
    format!("{:?}", request.context).contains(marker)
}

impl Adapter for Crashy {
    fn kind(&self) -> &'static str {
        "crashy"
    }

    fn framing(&self) -> Framing {
        self.0.framing()
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        assert!(!key.contains("crash-credentials"), "asked to");
        self.0.credentials(key)
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        assert!(!asks_for(request, "crash-request"), "asked to");
        self.0.request(request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        assert!(!asks_for(request, "crash-translator"), "asked to");
        Box::new(CrashyTranslator(self.0.translator(request)))
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        assert!(!String::from_utf8_lossy(body).contains("crash-error"), "asked to");
        self.0.error(status, retry_after_s, body)
    }
}

struct CrashyTranslator(Box<dyn ResponseTranslator>);

impl ResponseTranslator for CrashyTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        assert!(!frame.data.contains("crash-frame"), "asked to");
        self.0.push(frame, out)
    }

    fn finish(&mut self, stray: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.0.finish(stray, out)
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        assert!(!String::from_utf8_lossy(body).contains("crash-frame"), "asked to");
        self.0.unary(body, out)
    }
}

/// Panics on records and ids with a marker, in the call or in its future.
struct CrashyStore(Memory);

impl Store for CrashyStore {
    fn commit(&self, change: Change) -> StoreFuture<Result<(), StoreError>> {
        let input = change.record.as_ref().map(|record| record.input.get().to_owned()).unwrap_or_default();
        assert!(!input.contains("crash-commit-call"), "asked to");
        let work = self.0.commit(change);
        Box::pin(async move {
            assert!(!input.contains("crash-commit-reply"), "asked to");
            work.await
        })
    }

    fn read_log(&self, id: ResponseId, from: u64) -> StoreFuture<Result<LogPart, StoreError>> {
        self.0.read_log(id, from)
    }

    fn load(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>> {
        assert!(!id.as_str().ends_with("dead"), "asked to");
        let crash = id.as_str().ends_with("beef");
        let work = self.0.load(id, owner);
        Box::pin(async move {
            assert!(!crash, "asked to");
            work.await
        })
    }

    fn delete(&self, id: ResponseId, owner: String) -> StoreFuture<Result<bool, StoreError>> {
        assert!(!id.as_str().ends_with("dead"), "asked to");
        let crash = id.as_str().ends_with("beef");
        let work = self.0.delete(id, owner);
        Box::pin(async move {
            assert!(!crash, "asked to");
            work.await
        })
    }

    fn history(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>> {
        assert!(!id.as_str().ends_with("dead"), "asked to");
        let crash = id.as_str().ends_with("beef");
        let work = self.0.history(id, owner);
        Box::pin(async move {
            assert!(!crash, "asked to");
            work.await
        })
    }

    fn approval_key(&self) -> [u8; 32] {
        self.0.approval_key()
    }

    fn approval(&self, id: ApprovalId) -> StoreFuture<Result<Option<ApprovalMark>, StoreError>> {
        self.0.approval(id)
    }

    fn mark_approval(&self, id: ApprovalId, mark: ApprovalMark) -> StoreFuture<Result<Marked, StoreError>> {
        self.0.mark_approval(id, mark)
    }

    fn health(&self) -> Health {
        self.0.health()
    }
}

fn server() -> (FakeProvider, App, Gate) {
    let fake = FakeProvider::start();
    let app = setup(fake.named_provider("crashy", "crashy")).with(|builder| {
        builder.adapter("crashy", Crashy::make).store(Arc::new(CrashyStore(Memory::default())))
    });
    let app = app.start();
    let gate = Gate::default();
    let opens = gate.clone();
    fake.always(move |request| {
        let asked = request.body.to_string();
        if asked.contains("crash-error") {
            return Script::json(500, &json!({"error": {"message": "crash-error"}}));
        }
        if asked.contains("crash-frame") && request.body["stream"] == false {
            return Script::json(200, &json!({"x": "crash-frame"}));
        }
        if asked.contains("crash-frame") {
            return half().send("data: {\"x\":\"crash-frame\"}\n\n").then(Step::Hold);
        }
        if !asked.contains("bystander") {
            return wire::answer("openai-chat", text(&["fine"]))(request);
        }
        let frames = wire::frames("openai-chat", &text(&["Half", " and half"]));
        frames.into_iter().skip(2).fold(half().then(Step::Wait(opens.clone())), Script::send)
    });
    (fake, app, gate)
}

fn half() -> Script {
    let frames = wire::frames("openai-chat", &text(&["Half", " and half"]));
    frames.into_iter().take(2).fold(Script::head(200, "text/event-stream"), Script::send)
}

fn body(input: &str, stream: bool) -> Value {
    json!({"model": "crashy/m", "input": input, "stream": stream})
}

/// Lets `crash` happen while 50 other streams are in the middle, then looks after them.
#[track_caller]
fn check(crash: impl FnOnce(&App)) {
    let (_fake, app, gate) = server();
    let mut bystanders: Vec<Connection> = (0..50).map(|_| app.open(&body("bystander", true))).collect();
    for connection in &mut bystanders {
        connection.until("response.output_text.delta");
    }
    crash(&app);
    gate.open();
    for connection in bystanders {
        let response = connection.finish().last_response();
        assert_eq!(response["status"], "completed");
        assert_eq!(response["output"][0]["content"][0]["text"], "Half and half");
    }
    for stream in [false, true] {
        for _ in 0..4 {
            assert_eq!(app.post(&body("next", stream)).status, 200);
        }
    }
    assert_eq!(app.get("/ready").status, 200);
    let metrics = app.get("/metrics").text();
    assert!(metrics.contains("open_responses_running_responses 0"), "{metrics}");
}

#[track_caller]
fn check_500(answer: &Answer, code: &str) {
    let (status, kind, got, _) = answer.error();
    assert_eq!((status, kind.as_str(), got.as_deref()), (500, "server_error", Some(code)));
    assert!(!answer.text().contains("asked to"), "the panic's text is not for clients");
}

/// `error` and `response.failed` at the end of a stream; returns the last snapshot.
#[track_caller]
fn check_failed(answer: &Answer, code: &str) -> Value {
    let events = answer.events();
    let [.., (error, flat), (failed, last)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((error.as_str(), failed.as_str()), ("error", "response.failed"));
    assert_eq!((&flat["error"]["type"], &flat["error"]["code"]), (&json!("server_error"), &json!(code)));
    assert_eq!(last["response"]["status"], "failed");
    last["response"].clone()
}

#[test]
fn a_panic_in_the_stream_translator_fails_that_response() {
    check(|app| {
        for _ in 0..4 {
            let answer = app.post(&body("crash-frame", true));
            let response = check_failed(&answer, "server_error");
            assert_eq!(app.stored(&response["id"]).response(), response);
        }
        check_500(&app.post(&body("crash-frame", false)), "server_error");
    });
}

#[test]
fn a_panic_fails_a_background_response_for_all_its_readers() {
    check(|app| {
        let background = |stream| {
            let mut request = body("crash-frame", stream);
            request["background"] = json!(true);
            app.post(&request)
        };
        let answer = background(true);
        let response = check_failed(&answer, "server_error");
        let path = format!("/v1/responses/{}?stream=true", response["id"].as_str().unwrap());
        assert_eq!(app.get(&path).text(), answer.text());
        let polled = background(false).response();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(40);
        while app.stored(&polled["id"]).response()["status"] != "failed" {
            assert!(std::time::Instant::now() < end, "it does not end");
        }
        let mut request = body("crash-commit-reply", true);
        request["background"] = json!(true);
        check_500(&app.post(&request), "storage_error");
    });
}

#[test]
fn a_panic_in_the_request_translation_is_a_500() {
    check(|app| {
        for marker in ["crash-request", "crash-translator"] {
            for stream in [false, true] {
                check_500(&app.post(&body(marker, stream)), "server_error");
                // Large ones are translated on another thread.
                let large = format!("{marker} {}", "x".repeat(300 * 1024));
                check_500(&app.post(&body(&large, stream)), "server_error");
            }
        }
    });
}

#[test]
fn a_panic_in_the_provider_actor_is_a_500() {
    check(|app| {
        for stream in [false, true] {
            for _ in 0..4 {
                let key = [("x-provider-api-key", "crash-credentials")];
                check_500(&app.post_with(&key, &body("x", stream)), "server_error");
                check_500(&app.post(&body("crash-error", stream)), "server_error");
            }
        }
    });
}

#[test]
fn a_panic_while_committing_is_a_storage_error() {
    check(|app| {
        for marker in ["crash-commit-call", "crash-commit-reply"] {
            check_failed(&app.post(&body(marker, true)), "storage_error");
            check_500(&app.post(&body(marker, false)), "storage_error");
        }
    });
}

#[test]
fn a_panic_while_loading_or_deleting_is_a_500() {
    check(|app| {
        let id = ResponseId::new().to_string();
        for end in ["dead", "beef"] {
            let id = format!("{}{end}", &id[..id.len() - 4]);
            check_500(&app.stored(&json!(id)), "storage_error");
            let path = format!("/v1/responses/{id}");
            check_500(&app.request("DELETE", &path, &[], None).finish(), "storage_error");
            let mut next = body("x", true);
            next["previous_response_id"] = json!(id);
            check_500(&app.post(&next), "storage_error");
        }
    });
}
