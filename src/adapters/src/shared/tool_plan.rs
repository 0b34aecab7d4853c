//! Which functions a provider is told of, and what it is told about calling them.
//!
//! The choice is resolved once for all: by what the provider's wire can say, and where it cannot say it by leaving tools
//! out and by words in the system text.

use or_protocol::{AllowedMode, Settings, ToolChoice};

use super::flat_tools::FlatTool;
use super::hosted::HostedKind;
use crate::{AdapterError, Note, NoteList};

/// What a provider can be told about calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Support {
    /// No call must be made, though tools are declared.
    pub(crate) none: bool,
    /// A call must be made.
    pub(crate) required: bool,
    /// A call of this tool must be made.
    pub(crate) named: bool,
    /// Only these of the declared tools may be called.
    pub(crate) allowed: bool,
    /// At most one call in a turn.
    pub(crate) one_call: bool,
}

impl Support {
    /// Everything can be told.
    pub(crate) const ALL: Self =
        Self { none: true, required: true, named: true, allowed: true, one_call: true };
    /// Nothing can be told.
    pub(crate) const NOTHING: Self =
        Self { none: false, required: false, named: false, allowed: false, one_call: false };
}

/// What the provider is told about the next answer. Names are those of the flattened functions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Demand {
    /// The model decides.
    #[default]
    Auto,
    /// No call.
    None,
    /// Some call.
    Required,
    /// A call of this function.
    Function(String),
    /// Calls of these functions only; there is at least one.
    Allowed {
        /// Some call.
        required: bool,
        /// The functions.
        names: Vec<String>,
    },
}

/// What stands in for the request's tools and its choice.
#[derive(Debug, Default)]
pub(crate) struct ToolPlan {
    /// Functions to declare.
    pub(crate) functions: Vec<FlatTool>,
    /// What the wire says; never more than the provider's [`Support`], and nothing without functions.
    pub(crate) demand: Demand,
    /// What to say in the system text.
    pub(crate) hint: Option<&'static str>,
    /// Whether the wire says that one call is the most.
    pub(crate) one_call: bool,
}

/// What becomes of `parallel_tool_calls: false` where the provider cannot be told.
pub(crate) const ONE_CALL: &str = "calls after the first are left out of the answer";
const CHOICE: &str = "tool_choice";
const MUST_CALL: &str =
    "You must call at least one of the given tools now. Do not answer with text instead of a call.";
const FEWER: &str = "only the allowed tools are sent";

/// Resolves the choice among the functions that the provider can be told of. A demand for a call that none of them can
/// meet is refused (rules 8.6): an answer without a call is not what the request asks for.
pub(crate) fn resolve(
    functions: Vec<FlatTool>,
    settings: &Settings,
    support: Support,
    notes: &mut NoteList,
) -> Result<ToolPlan, AdapterError> {
    let wish = wish(&functions, &settings.tool_choice)?;
    if functions.is_empty() {
        return Ok(ToolPlan::default());
    }
    let mut plan = ToolPlan { functions, demand: wish, ..ToolPlan::default() };
    let ways = plan.fit(support);
    if !ways.is_empty() {
        notes.push(Note::emulated(CHOICE, ways.join("; ")));
    }
    let callable = !plan.functions.is_empty() && plan.demand != Demand::None;
    plan.one_call = !settings.parallel() && support.one_call;
    if !settings.parallel() && !support.one_call && callable {
        notes.push(Note::emulated("parallel_tool_calls", ONE_CALL));
    }
    Ok(plan)
}

/// What the request demands, by the names of the flattened functions.
fn wish(functions: &[FlatTool], choice: &ToolChoice) -> Result<Demand, AdapterError> {
    let named = |name: &str| match FlatTool::find(functions, name) {
        Some(tool) => Ok(Demand::Function(tool.function.name.clone())),
        None => Err(refused(format!(
            "tool_choice demands a call of the tool {name:?}, which this provider cannot run."
        ))),
    };
    let none_left =
        || refused("tool_choice demands a call, but this provider can run none of the tools.".to_owned());
    match choice {
        ToolChoice::Auto => Ok(Demand::Auto),
        ToolChoice::None | ToolChoice::Allowed { mode: AllowedMode::None, .. } => Ok(Demand::None),
        ToolChoice::Required if functions.is_empty() => Err(none_left()),
        ToolChoice::Required => Ok(Demand::Required),
        ToolChoice::Function(name) => named(name),
        ToolChoice::Allowed { mode, names, tools } => {
            let required = *mode == AllowedMode::Required;
            let hosted: Vec<HostedKind> =
                tools.iter().filter_map(|tool| HostedKind::of(&tool.text("type")?)).collect();
            let is_allowed = |tool: &&FlatTool| match tool.hosted() {
                Some(options) => hosted.contains(&options.kind()),
                None => names.iter().any(|name| tool.is_named(name)),
            };
            let allowed = functions.iter().filter(is_allowed);
            let names: Vec<String> = allowed.map(|tool| tool.function.name.clone()).collect();
            match names.is_empty() {
                true if required => Err(none_left()),
                true => Ok(Demand::None),
                false => Ok(Demand::Allowed { required, names }),
            }
        }
        ToolChoice::Other(raw) => {
            let text = |key| raw.text(key).unwrap_or_default();
            let kind = HostedKind::of(&text("type"));
            if let Some(tool) = kind.and_then(|kind| functions.iter().find(|tool| tool.is_hosted(kind))) {
                return Ok(Demand::Function(tool.function.name.clone()));
            }
            match &*text("type") {
                "custom" | "namespace" => named(&text("name")),
                kind => Err(refused(format!(
                    "tool_choice demands a {kind} call, which this provider cannot make."
                ))),
            }
        }
    }
}

fn refused(why: String) -> AdapterError {
    AdapterError::unsupported(CHOICE, why)
}

impl ToolPlan {
    /// Brings the demand down to what can be told. Gives the other means that were needed.
    fn fit(&mut self, support: Support) -> Vec<&'static str> {
        let mut ways = Vec::new();
        match std::mem::take(&mut self.demand) {
            Demand::Allowed { required, names } if !support.allowed => {
                let all = self.functions.len();
                self.functions.retain(|tool| names.contains(&tool.function.name));
                if self.functions.len() < all {
                    ways.push(FEWER);
                }
                if required {
                    self.require(support, &mut ways);
                }
            }
            Demand::None if !support.none => {
                self.functions.clear();
                ways.push("the tools are not sent");
            }
            Demand::Required => self.require(support, &mut ways),
            Demand::Function(name) if !support.named => {
                self.functions.retain(|tool| tool.function.name == name);
                ways.push("only this tool is sent");
                self.require(support, &mut ways);
            }
            told => self.demand = told,
        }
        ways
    }

    fn require(&mut self, support: Support, ways: &mut Vec<&'static str>) {
        if support.required {
            self.demand = Demand::Required;
        } else {
            self.hint = Some(MUST_CALL);
            ways.push("a call is asked for in the system text");
        }
    }
}

#[cfg(test)]
mod tests {
    use or_protocol::CreateResponseBody;
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;
    use crate::flatten_tools;

    const WORDS: Support = Support { none: true, required: true, ..Support::NOTHING };

    fn plan(support: Support, choice: Value) -> (Result<ToolPlan, AdapterError>, Vec<String>) {
        let function = |name: &str| json!({"type": "function", "name": name});
        let space = json!({"type": "namespace", "name": "space", "tools": [function("f"), function("h")]});
        let body = json!({
            "tools": [function("f"), function("g"), space, {"type": "web_search"}], "tool_choice": choice,
            "parallel_tool_calls": false
        });
        let settings = CreateResponseBody::from_value(body).unwrap().settings;
        let mut notes = NoteList::default();
        let plan =
            resolve(flatten_tools(&settings.tools, &mut NoteList::default()), &settings, support, &mut notes);
        (plan, notes.into_vec().into_iter().map(|note| format!("{}: {}", note.field, note.why)).collect())
    }

    fn allowed(mode: &str, names: &[&str]) -> Value {
        let tools: Vec<_> = names.iter().map(|name| json!({"type": "function", "name": name})).collect();
        json!({"type": "allowed_tools", "mode": mode, "tools": tools})
    }

    /// `ways`: of carrying out the choice by other means.
    #[track_caller]
    fn check(support: Support, choice: Value, declared: &[&str], demand: Demand, hint: bool, ways: &str) {
        let (plan, mut notes) = plan(support, choice);
        let plan = plan.unwrap();
        let names: Vec<_> = plan.functions.iter().map(|tool| tool.function.name.as_str()).collect();
        assert_eq!((names, plan.demand, plan.hint.is_some()), (declared.to_vec(), demand, hint));
        notes.retain(|note| !note.starts_with("parallel_tool_calls"));
        let want: Vec<_> =
            Some(format!("tool_choice: {ways}")).filter(|_| !ways.is_empty()).into_iter().collect();
        assert_eq!(notes, want);
    }

    const TOOLS: &[&str] = &["f", "g", "space__f", "h"];

    fn function(name: &str) -> Demand {
        Demand::Function(name.into())
    }

    #[test]
    fn what_the_wire_can_say_is_said() {
        let ask = |choice, demand| check(Support::ALL, choice, TOOLS, demand, false, "");
        ask(json!("auto"), Demand::Auto);
        ask(json!("none"), Demand::None);
        ask(json!("required"), Demand::Required);
        ask(json!({"type": "function", "name": "g"}), function("g"));
        let names = vec!["f".to_owned(), "space__f".to_owned()];
        ask(allowed("required", &["f"]), Demand::Allowed { required: true, names });
        ask(allowed("none", &["f"]), Demand::None);
    }

    #[test]
    fn what_it_cannot_say_is_done_by_fewer_tools_and_words() {
        let nothing = Support::NOTHING;
        check(nothing, json!("none"), &[], Demand::Auto, false, "the tools are not sent");
        check(
            nothing,
            json!("required"),
            TOOLS,
            Demand::Auto,
            true,
            "a call is asked for in the system text",
        );
        let one = json!({"type": "function", "name": "g"});
        let ways = "only this tool is sent; a call is asked for in the system text";
        check(nothing, one.clone(), &["g"], Demand::Auto, true, ways);
        check(WORDS, one, &["g"], Demand::Required, false, "only this tool is sent");
        check(WORDS, allowed("auto", &["g"]), &["g"], Demand::Auto, false, FEWER);
        check(WORDS, allowed("required", &["g"]), &["g"], Demand::Required, false, FEWER);
        check(WORDS, allowed("auto", &["f", "g", "h"]), TOOLS, Demand::Auto, false, "");
    }

    #[test]
    fn a_name_means_the_function_itself_or_one_of_a_namespace() {
        let named = |name: &str| json!({"type": "function", "name": name});
        check(Support::ALL, named("f"), TOOLS, function("f"), false, "");
        check(Support::ALL, named("h"), TOOLS, function("h"), false, "");
        let space = json!({"type": "namespace", "name": "space"});
        check(Support::ALL, space, TOOLS, function("space__f"), false, "");
    }

    #[test]
    fn allowed_tools_that_cannot_be_run_leave_none() {
        let choice = json!({"type": "allowed_tools", "tools": [{"type": "web_search"}]});
        check(Support::ALL, choice.clone(), TOOLS, Demand::None, false, "");
        check(Support::NOTHING, choice, &[], Demand::Auto, false, "the tools are not sent");
    }

    #[track_caller]
    fn check_refused(choice: Value, why: &str) {
        for support in [Support::ALL, Support::NOTHING] {
            let (plan, _) = plan(support, choice.clone());
            assert_eq!(plan.unwrap_err(), AdapterError::unsupported("tool_choice", why));
        }
    }

    #[test]
    fn a_demand_that_no_tool_can_meet_is_refused() {
        check_refused(
            json!({"type": "web_search"}),
            "tool_choice demands a web_search call, which this provider cannot make.",
        );
        check_refused(
            json!({"type": "custom", "name": "x"}),
            "tool_choice demands a call of the tool \"x\", which this provider cannot run.",
        );
        check_refused(
            json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}),
            "tool_choice demands a call, but this provider can run none of the tools.",
        );
        let hosted = json!({"tools": [{"type": "web_search"}], "tool_choice": "required"});
        let settings = CreateResponseBody::from_value(hosted).unwrap().settings;
        assert!(resolve(Vec::new(), &settings, Support::ALL, &mut NoteList::default()).is_err());
    }

    #[test]
    fn one_call_a_turn_is_told_or_noted() {
        let (told, notes) = plan(Support::ALL, json!("auto"));
        assert_eq!((told.unwrap().one_call, notes.len()), (true, 0));
        let (told, notes) = plan(Support::NOTHING, json!("auto"));
        assert_eq!((told.unwrap().one_call, notes.len()), (false, 1));
        let (told, notes) = plan(WORDS, json!("none"));
        assert_eq!((told.unwrap().one_call, notes.len()), (false, 0));
    }
}
