//! The cases, and how they are carried out.

mod errors;
mod kept;
mod turns;

use std::time::Duration;

use serde_json::{Value, json};

use crate::exchange::{Answer, Key, Request, Transport};
use crate::order::{self, Findings};
use crate::report::{Outcome, Report, Verdict};

/// What is tested.
#[derive(Clone, Debug)]
pub struct Target {
    /// The root of the server, without `/v1`; for curl lines.
    pub url: String,
    /// The model that requests name.
    pub model: String,
    /// Whether requests carry a key.
    pub keyed: bool,
    /// Whether there is a second client's key.
    pub second_key: bool,
}

/// One thing that a server must do.
pub struct Case {
    /// Group and name, such as `errors/bad-json`.
    pub name: &'static str,
    /// What the server must do.
    pub rule: &'static str,
    check: fn(&mut Run<'_>) -> Ended,
}

/// Why a case did not pass.
enum Miss {
    Broken(String),
    Skip(String),
}

type Ended = Result<(), Miss>;
/// Frames of a stream: SSE names and data.
type Events = Vec<(String, Value)>;

fn broken<T>(seen: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Broken(seen.into()))
}

fn skip<T>(reason: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Skip(reason.into()))
}

fn require(holds: bool, seen: impl FnOnce() -> String) -> Ended {
    if holds { Ok(()) } else { broken(seen()) }
}

fn legal(checked: Result<(), Findings>) -> Ended {
    checked.or_else(|findings| broken(findings.join("\n")))
}

/// All cases, in the order that they run in.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    turns::CASES.iter().chain(errors::CASES).chain(kept::CASES)
}

/// Runs the cases that `wanted` takes by their name, one after the other, and tells each verdict as it comes.
pub fn run(
    transport: &dyn Transport,
    target: &Target,
    wanted: &dyn Fn(&str) -> bool,
    told: &mut dyn FnMut(&Verdict),
) -> Report {
    let mut verdicts = Vec::new();
    for case in cases().filter(|case| wanted(case.name)) {
        let mut run = Run { transport, target, curl: String::new() };
        let outcome = match (case.check)(&mut run) {
            Ok(()) => Outcome::Passed,
            Err(Miss::Broken(seen)) => Outcome::Failed { seen, curl: run.curl },
            Err(Miss::Skip(reason)) => Outcome::Skipped { reason },
        };
        let verdict = Verdict { case: case.name, rule: case.rule, outcome };
        told(&verdict);
        verdicts.push(verdict);
    }
    Report::new(verdicts)
}

/// One case under way.
struct Run<'a> {
    transport: &'a dyn Transport,
    target: &'a Target,
    /// The last request.
    curl: String,
}

impl Run<'_> {
    fn send(&mut self, request: &Request) -> Result<Answer, Miss> {
        self.curl = request.curl(&self.target.url, self.target.keyed);
        self.transport.send(request).map_err(Miss::Broken)
    }

    fn get(&mut self, path: &str) -> Result<Answer, Miss> {
        self.send(&Request::new("GET", path))
    }

    /// A creation with the model and these members.
    fn body(&self, members: &Value) -> Value {
        let mut body = json!({ "model": self.target.model });
        if let (Some(body), Some(members)) = (body.as_object_mut(), members.as_object()) {
            body.extend(members.clone());
        }
        body
    }

    /// A whole response that is completed. Its fields are `fields/all`'s to check, so that one that is missing does not
    /// hide what other cases are about.
    fn response(&mut self, members: &Value) -> Result<Value, Miss> {
        let answer = self.send(&Request::create(&self.body(members)))?;
        let response = answer.json();
        require(answer.status == 200 && response.is_object(), || answer.seen())?;
        require(response["status"] == "completed", || format!("the status is {}", response["status"]))?;
        Ok(response)
    }

    /// The events of a whole legal stream.
    fn stream(&mut self, members: &Value) -> Result<Events, Miss> {
        let mut body = self.body(members);
        body["stream"] = json!(true);
        let answer = self.send(&Request::create(&body))?;
        let events = frames(&answer)?;
        legal(order::check_events(&events))?;
        Ok(events)
    }

    /// A background creation, or a skip where the server has none.
    fn background(&mut self, members: &Value, leave_after: Option<&'static str>) -> Result<Answer, Miss> {
        let mut body = self.body(members);
        (body["background"], body["store"]) = (json!(true), json!(true));
        let answer = self.send(&Request { leave_after, ..Request::create(&body) })?;
        match answer.status {
            200 => Ok(answer),
            400 | 404 | 422 | 501 => skip(format!("no background responses here: {}", answer.seen())),
            _ => broken(answer.seen()),
        }
    }

    /// Asks for a response until it is over.
    fn until_over(&mut self, id: &str) -> Result<Value, Miss> {
        const TRIES: usize = 300;
        for _ in 0..TRIES {
            let answer = self.get(&format!("/v1/responses/{id}"))?;
            require(answer.status == 200, || answer.seen())?;
            let response = answer.json();
            if !matches!(response["status"].as_str(), Some("queued" | "in_progress")) {
                return Ok(response);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        broken("it is not over after 30 seconds")
    }

    fn second_key(&mut self) -> Ended {
        if self.target.second_key { Ok(()) } else { skip("no second key was given") }
    }
}

fn frames(answer: &Answer) -> Result<Events, Miss> {
    require(answer.status == 200, || answer.seen())?;
    require(answer.content_type.starts_with("text/event-stream"), || {
        format!("the content type is `{}`", answer.content_type)
    })?;
    order::parse_sse(&answer.body).map_err(Miss::Broken)
}

/// The id, which later paths have in them.
fn id_of(response: &Value) -> Result<String, Miss> {
    match response["id"].as_str() {
        Some(id)
            if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) =>
        {
            Ok(id.to_owned())
        }
        _ => broken(format!("the id is {}", response["id"])),
    }
}

/// All texts of a response's messages.
fn text_of(response: &Value) -> String {
    let items = response["output"].as_array().into_iter().flatten();
    let parts = items.flat_map(|item| item["content"].as_array().into_iter().flatten());
    parts.filter(|part| part["type"] == "output_text").filter_map(|part| part["text"].as_str()).collect()
}

/// A text that says a word, in whatever case.
fn says(response: &Value, word: &str) -> Ended {
    let text = text_of(response);
    require(text.to_lowercase().contains(word), || format!("the text has no `{word}`: {text:?}"))
}

/// The same request of another client.
fn of_second(request: Request) -> Request {
    Request { key: Key::Second, ..request }
}
