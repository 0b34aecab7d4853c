//! What the demo model says to a request, before it is cut into lines.

use std::fmt::Write as _;

use or_protocol::Effort;
use serde_json::json;

use crate::calls::{Call, choose};
use crate::sample::sample;
use crate::words::{Topic, count, tokens};
use or_adapters::demo::wire::{Citation, DemoRequest, Reason, WireFormat, WireRole};
use or_adapters::demo::{Comes, Model, Says, fingerprint, one_line};

/// Longest quotation of a message, in characters.
const MAX_QUOTE: usize = 120;
/// Longest quotation of a tool's result, in characters.
const MAX_RESULT: usize = 500;
/// Tokens before a filter cuts in.
const BEFORE_FILTER: usize = 6;
/// Most words of a long answer with log probabilities.
const MAX_LOGGED: u64 = 10_000;
const SOURCES: &[(&str, &str)] =
    &[("Open Responses", "https://www.openresponses.org/"), ("Example Domain", "https://example.com/")];

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) thought: Option<Thought>,
    pub(crate) body: Body,
    pub(crate) reason: Reason,
}

/// Thinking before the answer.
#[derive(Debug)]
pub(crate) struct Thought {
    pub(crate) trace: String,
    pub(crate) show_trace: bool,
    pub(crate) summary: Option<String>,
    pub(crate) state: String,
}

/// The answer proper.
#[derive(Debug)]
pub(crate) enum Body {
    Text(String, Vec<Citation>),
    /// So many words, each a token.
    Long(u64),
    Refusal(String),
    Calls(Vec<Call>),
}

/// Why a request gets no answer: text for a 400.
pub(crate) type Refused = String;

/// What matters of a conversation.
struct View<'a> {
    users: Vec<&'a str>,
    orders: Vec<&'a str>,
    /// Name and text of the results behind the last user message.
    results: Vec<(&'a str, &'a str)>,
    said: usize,
    thoughts: usize,
}

/// Decides what to say.
pub(crate) fn plan(request: &DemoRequest<'_>, model: Model) -> Result<Plan, Refused> {
    let view = view(request)?;
    let last = view.users.last().copied().unwrap_or_default();
    let topic = Topic::of(last);
    let (body, reason) = match model.says {
        Says::Answer | Says::Trace => (answer_body(request, &view, &topic, last)?, Reason::Stop),
        Says::Refusal => (Body::Refusal("I cannot help with that.".into()), Reason::Stop),
        Says::Filtered => {
            let text = tokens(&sentence(&view)).take(BEFORE_FILTER).collect();
            (Body::Text(text, Vec::new()), Reason::Filter)
        }
        // Each token would come with kilobytes of alternatives.
        Says::Long(words) if words > MAX_LOGGED && request.logprobs.is_some() => {
            return Err(format!("The demo model gives log probabilities for at most {MAX_LOGGED} words."));
        }
        Says::Long(words) if is_lazy(request, model) => (Body::Long(words), Reason::Stop),
        Says::Long(words) => (Body::Text(long_text(words), Vec::new()), Reason::Stop),
        Says::Cited => (cited(sentence(&view)), Reason::Stop),
    };
    let traced = model.says == Says::Trace;
    let thinks = match request.effort {
        Some(effort) => effort != Effort::None,
        None => traced,
    };
    let thought = thinks.then(|| thought(request, &view, &topic, &body, traced));
    Ok(Plan { thought, body, reason })
}

/// Whether the words can be made one after the other, as they are asked for.
fn is_lazy(request: &DemoRequest<'_>, model: Model) -> bool {
    request.stream && request.logprobs.is_none() && !model.logprobs && model.comes == Comes::AtOnce
}

fn view<'a>(request: &'a DemoRequest<'_>) -> Result<View<'a>, Refused> {
    let mut view = View { users: Vec::new(), orders: Vec::new(), results: Vec::new(), said: 0, thoughts: 0 };
    if !request.instructions.is_empty() {
        view.orders.push(&request.instructions);
    }
    for message in &request.messages {
        match message.role {
            WireRole::System => view.orders.push(&message.text),
            WireRole::User => {
                view.users.push(&message.text);
                view.results.clear();
                view.said += 1;
            }
            WireRole::Assistant => view.said += 1,
            WireRole::Call => {}
            WireRole::Result => view.results.push((&message.name, &message.text)),
            WireRole::Reasoning if state_is_sound(&message.text) => view.thoughts += 1,
            WireRole::Reasoning => {
                return Err("The state of a thought did not come back as the demo model gave it.".into());
            }
        }
    }
    Ok(view)
}

fn answer_body(
    request: &DemoRequest<'_>,
    view: &View<'_>,
    topic: &Topic,
    last: &str,
) -> Result<Body, Refused> {
    if view.results.is_empty() {
        let calls = choose(request, topic, last);
        if !calls.is_empty() {
            return Ok(Body::Calls(calls));
        }
    }
    let text = match &request.format {
        WireFormat::Text => sentence(view),
        WireFormat::JsonObject => json!({ "answer": sentence(view) }).to_string(),
        WireFormat::JsonSchema(schema) => match sample(&schema.value(), topic) {
            Some(value) => value.to_string(),
            None => return Err("The demo model cannot make a value that satisfies the schema.".into()),
        },
    };
    Ok(Body::Text(text, Vec::new()))
}

/// The answer in words. It shows what the model was given, so that memory can be seen to work.
fn sentence(view: &View<'_>) -> String {
    let quote = |text: &str| one_line(text, MAX_QUOTE);
    let mut out = match view.users.last() {
        Some(last) if view.results.is_empty() => format!("You said: \"{}\"", quote(last)),
        Some(last) => format!("You asked: \"{}\"", quote(last)),
        None => "You said nothing.".to_owned(),
    };
    for (name, text) in &view.results {
        let name = if name.is_empty() { "The tool" } else { name };
        // Writing to a string does not fail.
        let _ = write!(out, " {name} answered: \"{}\"", one_line(text, MAX_RESULT));
    }
    match view.users.first() {
        Some(first) if view.said > 1 => {
            let _ = write!(
                out,
                " Our conversation has {} messages, {} of them yours, and began with: \"{}\"",
                view.said,
                view.users.len(),
                quote(first)
            );
        }
        _ => {}
    }
    if !view.orders.is_empty() {
        let _ = write!(out, " My instructions are: \"{}\"", quote(&view.orders.join(" ")));
    }
    if view.thoughts > 0 {
        let _ = write!(out, " Thoughts of mine that came back: {}.", view.thoughts);
    }
    out
}

fn long_text(words: u64) -> String {
    let mut out = String::new();
    for word in 1..=words {
        out.push_str(&long_word(word));
    }
    out
}

/// The word with this number, with the space before it.
pub(crate) fn long_word(number: u64) -> String {
    format!("{}word-{number}", if number == 1 { "" } else { " " })
}

fn cited(mut text: String) -> Body {
    text.push_str(" Sources:");
    let mut citations = Vec::new();
    for (title, url) in SOURCES {
        text.push(' ');
        let start = text.chars().count() as u64;
        text.push_str(title);
        let end = text.chars().count() as u64;
        text.push('.');
        citations.push(Citation { url: (*url).into(), title: (*title).into(), start, end });
    }
    Body::Text(text, citations)
}

fn thought(request: &DemoRequest<'_>, view: &View<'_>, topic: &Topic, body: &Body, traced: bool) -> Thought {
    let decision = match body {
        Body::Text(text, _) => format!("I shall answer in {} words.", text.split_whitespace().count()),
        Body::Long(words) => format!("I shall answer in {words} words."),
        Body::Refusal(_) => "I shall refuse.".to_owned(),
        Body::Calls(calls) => {
            let names: Vec<_> = calls.iter().map(|call| call.name.as_str()).collect();
            format!("I shall call {}.", names.join(" and "))
        }
    };
    let steps = [
        format!("The last message has {} words.", count(&topic.text)),
        format!("It seems to be about {}.", topic.subject.as_deref().unwrap_or("nothing in particular")),
        format!("I have {} messages and {} tools to go by.", view.said, request.tools.len()),
        "There is nothing else to consider.".to_owned(),
    ];
    let shown = match request.effort.unwrap_or(Effort::Medium) {
        Effort::None | Effort::Minimal | Effort::Low => 0,
        Effort::Medium => 1,
        Effort::High => 2,
        Effort::Xhigh => 3,
        Effort::Max => 4,
    };
    let mut trace: Vec<&str> = steps.iter().take(shown).map(String::as_str).collect();
    trace.push(&decision);
    Thought {
        trace: trace.join(" "),
        show_trace: traced,
        summary: request.summary.then(|| format!("I read the message and decided: {decision}")),
        state: state(&request.model, view.thoughts + 1),
    }
}

/// Opaque state of the model's n-th thought: it can be checked when it comes back.
fn state(model: &str, number: usize) -> String {
    let seen = format!("{number} {model}");
    format!("{seen} {:016x}", fingerprint(seen.as_bytes()))
}

fn state_is_sound(state: &str) -> bool {
    state.rsplit_once(' ').is_some_and(|(seen, sum)| sum == format!("{:016x}", fingerprint(seen.as_bytes())))
}
