//! Every recorded answer, streamed and unary: legal events, the published schema, and the same content.

mod events;
mod extras;
mod items;
mod observed;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::disagreements;
use crate::replay::{Answer, Replay};
use observed::observed;
use or_test_support::schema::{self, Schemas};
use or_test_support::shared::{self, Case};
use or_test_support::{Options, order, recording};

/// What is wrong with an answer: the check's name, and the details for a person.
pub(crate) type Findings = Vec<(&'static str, String)>;

#[test]
fn every_recorded_answer_becomes_a_legal_response_with_the_same_content() {
    let (Some(cases), Some(schemas)) = (shared::cases(), schema::schemas()) else { return };
    let answered: Vec<&Case> = cases.iter().filter(|case| case.status == 200).collect();
    assert!(answered.len() >= 300, "only {} answers", answered.len());
    let mut wrong = BTreeMap::new();
    for (case, findings) in in_parallel(&answered, |case| check(case, schemas)) {
        if !disagreements::agree_on_answer(&case.id(), &findings) {
            wrong.insert(case.id(), findings);
        }
    }
    // A case of the table that passes is listed too.
    let passed =
        wrong.iter().filter(|(_, findings)| findings.is_empty()).map(|(id, _)| format!("{id} passes\n"));
    let listed: String = wrong
        .iter()
        .flat_map(|(id, findings)| {
            findings.iter().map(move |(check, what)| format!("{id}: {check}: {what}\n"))
        })
        .chain(passed)
        .collect();
    assert!(wrong.is_empty(), "{} of {} answers are not as wanted:\n{listed}", wrong.len(), answered.len());
}

/// Does the same for each case on as many threads as the machine has cores.
pub(crate) fn in_parallel<'c, T: Send>(
    cases: &[&'c Case],
    work: impl Fn(&'c Case) -> T + Sync,
) -> Vec<(&'c Case, T)> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let work = &work;
        let run = |first: usize| {
            let mine = cases.iter().copied().skip(first).step_by(threads);
            scope.spawn(move || mine.map(|case| (case, work(case))).collect::<Vec<_>>())
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

fn check(case: &Case, schemas: &Schemas) -> Findings {
    // A panic is a finding too, and must not hide those of the other cases.
    catch_unwind(AssertUnwindSafe(|| check_answer(case, schemas))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        vec![("panics", text)]
    })
}

fn check_answer(case: &Case, schemas: &Schemas) -> Findings {
    let replay = Replay::of(case);
    let translated = replay.translate(case);
    let streamed = replay.respond(&translated, true);
    let unary = replay.respond(&translated, false);
    let mut findings = Findings::new();
    check_stream(&streamed, replay.options(), schemas, &mut findings);
    if let Err(list) = schemas.check_response(&unary.response, replay.options()) {
        findings.push(("unary schema", list.join("; ")));
    }
    if without_ids(&unary.response) != without_ids(&streamed.response) || !unary.frames.is_empty() {
        findings.push(("unary", format!("{} is not {}", unary.response, streamed.response)));
    }
    check_retelling(&streamed, replay.options(), schemas, &mut findings);
    compare(&recording::expected(case), &observed(&streamed.response), &mut findings);
    findings.extend(events::disorder(&case.provider, &translated).map(|what| ("events", what)));
    if streamed.response["status"] != "failed" {
        findings.extend(items::difference(case, &streamed.stored()).map(|what| ("items", what)));
    }
    findings
}

/// The stream of which only the end is known has a good form too.
fn check_retelling(answer: &Answer, options: Options, schemas: &Schemas, findings: &mut Findings) {
    if answer.response["status"] == "failed" {
        return;
    }
    let response = serde_json::value::to_raw_value(&answer.response).unwrap_or_default();
    match or_engine::retell(&response, or_engine::ReasoningEvents::Spec) {
        Some(frames) => check_stream(&Answer { frames, ..answer.clone() }, options, schemas, findings),
        None => findings.push(("retelling", "is none".to_owned())),
    }
}

/// The events of a stream: form, order, schema, and that the last one carries the response.
pub(crate) fn check_stream(answer: &Answer, options: Options, schemas: &Schemas, findings: &mut Findings) {
    let events = match order::parse_sse(&answer.frames) {
        Ok(events) => events,
        Err(error) => return findings.push(("frames", error)),
    };
    if let Err(list) = order::check_events_with(&events, options) {
        findings.push(("order", list.join("; ")));
    }
    let misfits: Vec<String> = events
        .iter()
        .filter_map(|(name, event)| Some((name, schemas.check_event(event, options).err()?)))
        .map(|(name, list)| format!("{name}: {}", list.join(", ")))
        .collect();
    if !misfits.is_empty() {
        findings.push(("schema", misfits.join("; ")));
    }
    if events.last().map(|(_, event)| &event["response"]) != Some(&answer.response) {
        findings.push(("last event", "does not carry the response".to_owned()));
    }
}

fn compare(want: &recording::Expected, got: &recording::Expected, findings: &mut Findings) {
    let mut field = |name, same: bool, want: String, got: String| {
        if !same {
            findings.push((name, format!("the recording has {want}, we have {got}")));
        }
    };
    let texts = [
        ("text", &want.text, &got.text),
        ("reasoning", &want.reasoning, &got.reasoning),
        ("refusal", &want.refusal, &got.refusal),
    ];
    for (name, want, got) in texts {
        field(name, want == got, format!("{want:?}"), format!("{got:?}"));
    }
    let (wanted, ours) = (&want.tool_calls, &got.tool_calls);
    field("tool calls", wanted == ours, format!("{wanted:?}"), format!("{ours:?}"));
    if wanted == ours {
        let pairs = || want.written.iter().zip(&got.written);
        let (wanted, ours) = (&want.written, &got.written);
        let fit = wanted.len() == ours.len() && pairs().all(|(want, got)| is_written_as(want, got));
        field("calls", fit, format!("{wanted:?}"), format!("{ours:?}"));
    }
    field("usage", want.usage == got.usage, format!("{:?}", want.usage), format!("{:?}", got.usage));
    field("end", want.end == got.end, format!("{:?}", want.end), format!("{:?}", got.end));
}

/// Ids and arguments are the provider's to the letter; an id that it has not given is made like ours.
fn is_written_as(want: &recording::Written, got: &recording::Written) -> bool {
    let id = got.id.as_deref().unwrap_or_default();
    let same_id = match want.id.as_deref() {
        Some(given) => id == given,
        None => id.starts_with("call_"),
    };
    same_id && (want.arguments.is_none() || want.arguments == got.arguments)
}

/// Ids of the response and of its items differ from run to run.
pub(crate) fn without_ids(response: &Value) -> Value {
    let mut response = response.clone();
    response["id"] = Value::Null;
    for item in response["output"].as_array_mut().into_iter().flatten() {
        item["id"] = Value::Null;
    }
    response
}

#[test]
fn what_a_replay_finds_is_compared_field_by_field() {
    let want =
        recording::Expected { text: "a".to_owned(), ..recording::Expected::empty(recording::End::Failed) };
    let got = recording::Expected::empty(recording::End::Completed);
    let mut findings = Findings::new();
    compare(&want, &got, &mut findings);
    let names: Vec<_> = findings.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["text", "end"]);
}
