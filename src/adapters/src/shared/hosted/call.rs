//! A call of a hosted tool as OpenAI tells it: its item and its events, in their order (rules, end of section 12).

use serde_json::{Map, Value, json};

use super::{HostedKind, Shown};
use crate::ModelEvent;

/// An item that is open.
#[derive(Debug)]
pub(crate) struct HostedCall {
    kind: HostedKind,
    block: u32,
    shown: Shown,
    /// The code that is run.
    code: String,
    queries: Vec<String>,
}

/// How a call ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// `completed`, `failed` or `incomplete`.
    pub(crate) status: &'static str,
    /// Addresses of what a search found.
    pub(crate) sources: Vec<String>,
    /// What the code put out.
    pub(crate) logs: String,
    /// State for the next turn, an [`or_protocol::Envelope`]'s text.
    pub(crate) state: Option<String>,
}

impl HostedCall {
    /// Opens the item.
    pub(crate) fn open(kind: HostedKind, block: u32, shown: Shown, out: &mut Vec<ModelEvent>) -> Self {
        let call = Self { kind, block, shown, code: String::new(), queries: Vec::new() };
        let mut item = call.item("in_progress");
        if kind == HostedKind::CodeInterpreter {
            call.add_code(&mut item, json!([]));
        }
        out.push(ModelEvent::HostedItem { block, item, done: false });
        call.event("in_progress", out);
        call
    }

    pub(crate) fn kind(&self) -> HostedKind {
        self.kind
    }

    /// What is searched for is known.
    pub(crate) fn search(&mut self, queries: Vec<String>, out: &mut Vec<ModelEvent>) {
        self.queries.extend(queries);
        self.event("searching", out);
    }

    /// More is searched for in the same call.
    pub(crate) fn search_too(&mut self, queries: Vec<String>) {
        self.queries.extend(queries);
    }

    /// The code is known.
    pub(crate) fn run(&mut self, code: String, out: &mut Vec<ModelEvent>) {
        let code_event = |step: &str, member: &str| {
            let event = json!({"type": format!("response.code_interpreter_call_code.{step}"), member: code});
            ModelEvent::HostedEvent { block: self.block, event: object(event) }
        };
        if !code.is_empty() {
            out.push(code_event("delta", "delta"));
        }
        out.push(code_event("done", "code"));
        self.code = code;
        self.event("interpreting", out);
    }

    /// Ends the item.
    pub(crate) fn close(self, ended: Ended, out: &mut Vec<ModelEvent>) {
        if ended.status == "completed" {
            self.event("completed", out);
        }
        let mut item = self.item(ended.status);
        match self.kind {
            HostedKind::WebSearch => {
                let mut action = Map::new();
                action.insert("type".into(), "search".into());
                action.insert("query".into(), self.queries.first().cloned().unwrap_or_default().into());
                action.insert("queries".into(), json!(self.queries));
                if self.shown.sources {
                    let source = |url: &String| json!({"type": "url", "url": url});
                    action.insert("sources".into(), ended.sources.iter().map(source).collect());
                }
                item.insert("action".into(), action.into());
            }
            HostedKind::CodeInterpreter => {
                let outputs = match self.shown.outputs {
                    false => Value::Null,
                    true if ended.logs.is_empty() => json!([]),
                    true => json!([{"type": "logs", "logs": ended.logs}]),
                };
                self.add_code(&mut item, outputs);
            }
        }
        if let Some(state) = ended.state {
            item.insert("encrypted_content".into(), state.into());
        }
        out.push(ModelEvent::HostedItem { block: self.block, item, done: true });
    }

    fn item(&self, status: &str) -> Map<String, Value> {
        object(json!({"type": self.kind.item(), "status": status}))
    }

    /// The container has no id that could be used again.
    fn add_code(&self, item: &mut Map<String, Value>, outputs: Value) {
        item.insert("code".into(), self.code.as_str().into());
        item.insert("container_id".into(), "".into());
        item.insert("outputs".into(), outputs);
    }

    fn event(&self, step: &str, out: &mut Vec<ModelEvent>) {
        let event = json!({"type": format!("response.{}.{step}", self.kind.item())});
        out.push(ModelEvent::HostedEvent { block: self.block, event: object(event) });
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const ALL: Shown = Shown { search: true, code: true, sources: true, outputs: true };

    #[track_caller]
    fn check(out: &[ModelEvent], want: Value) {
        let shown = |event: &ModelEvent| match event {
            ModelEvent::HostedItem { item, .. } => json!(item),
            ModelEvent::HostedEvent { event, .. } => event
                .get("type")
                .and_then(|name| name.as_str()?.strip_prefix("response.").map(Value::from))
                .unwrap(),
            _ => Value::Null,
        };
        assert_eq!(out.iter().map(shown).collect::<Value>(), want);
    }

    #[test]
    fn a_search_is_told_in_openais_order() {
        let mut out = Vec::new();
        let mut call = HostedCall::open(HostedKind::WebSearch, 0, ALL, &mut out);
        call.search(vec!["a".into(), "b".into()], &mut out);
        let sources = vec!["https://a.example".into()];
        let state = Some("or1.x".into());
        call.close(Ended { status: "completed", sources, state, ..Ended::default() }, &mut out);
        let want = json!([
            {"type": "web_search_call", "status": "in_progress"},
            "web_search_call.in_progress",
            "web_search_call.searching",
            "web_search_call.completed",
            {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "a",
                "queries": ["a", "b"], "sources": [{"type": "url", "url": "https://a.example"}]},
                "encrypted_content": "or1.x"}
        ]);
        check(&out, want);
    }

    #[test]
    fn code_is_told_in_openais_order_and_its_output_where_it_is_asked_for() {
        for (outputs, want) in [(true, json!([{"type": "logs", "logs": "4\n"}])), (false, Value::Null)] {
            let mut out = Vec::new();
            let shown = Shown { outputs, ..ALL };
            let mut call = HostedCall::open(HostedKind::CodeInterpreter, 0, shown, &mut out);
            call.run("print(4)".into(), &mut out);
            call.close(Ended { status: "completed", logs: "4\n".into(), ..Ended::default() }, &mut out);
            let item = |status: &str, code: &str, outputs: Value| {
                json!({"type": "code_interpreter_call", "status": status, "code": code, "container_id": "",
                    "outputs": outputs})
            };
            let want = json!([
                item("in_progress", "", json!([])),
                "code_interpreter_call.in_progress",
                "code_interpreter_call_code.delta",
                "code_interpreter_call_code.done",
                "code_interpreter_call.interpreting",
                "code_interpreter_call.completed",
                item("completed", "print(4)", want)
            ]);
            check(&out, want);
        }
    }

    #[test]
    fn a_failed_call_has_no_event_of_success() {
        let mut out = Vec::new();
        let call = HostedCall::open(HostedKind::WebSearch, 0, Shown { sources: false, ..ALL }, &mut out);
        call.close(Ended { status: "failed", ..Ended::default() }, &mut out);
        let action = json!({"type": "search", "query": "", "queries": []});
        let want = json!([
            {"type": "web_search_call", "status": "in_progress"},
            "web_search_call.in_progress",
            {"type": "web_search_call", "status": "failed", "action": action}
        ]);
        check(&out, want);
    }
}
