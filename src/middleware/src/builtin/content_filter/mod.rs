//! `content_filter`: denies or redacts what matches, in what the model is asked, in results of tools, and in what the
//! model answers, however that is cut into pieces.

mod items;
mod output;
mod rules;
mod scanner;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use or_adapters::{ModelEvent, Note};
use or_protocol::ErrorKind;
use serde::{Deserialize, Serialize};

pub use rules::{FilterAction, FilterPlace, FilterRule, MAX_MATCH_BYTES};

use crate::{
    Facts, Halt, HookFuture, Hooks, Middleware, MiddlewareSpec, Stop, ToolOutcome, TurnRequest, Wants,
};
use output::OutputFilter;
use rules::Rules;

/// More of a request is filtered where it holds nobody up, in bytes.
const HEAVY: usize = 64 * 1024;

/// Settings of a `content_filter`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ContentFilterOptions {
    /// In their order: of two that match at one place the first counts.
    pub rules: Vec<FilterRule>,
}

/// The middleware.
pub struct ContentFilter {
    spec: MiddlewareSpec,
    filter: Arc<Filter>,
}

struct Filter {
    input: Option<Arc<Rules>>,
    tool_results: Option<Rules>,
    output: Option<Rules>,
}

impl ContentFilter {
    /// Compiles the rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(spec: MiddlewareSpec, options: &ContentFilterOptions) -> Result<Self, String> {
        let of = |place| Rules::of(&options.rules, place);
        let filter = Filter {
            input: of(FilterPlace::Input)?.map(Arc::new),
            tool_results: of(FilterPlace::ToolResults)?,
            output: of(FilterPlace::Output)?,
        };
        let wants = Wants {
            before_sample: filter.input.is_some() || filter.output.is_some(),
            on_event: filter.output.is_some(),
            on_tool_result: filter.tool_results.is_some(),
            ..Wants::NONE
        };
        Ok(Self { spec: MiddlewareSpec { in_place: true, wants, ..spec }, filter: Arc::new(filter) })
    }
}

impl Middleware for ContentFilter {
    fn spec(&self) -> MiddlewareSpec {
        self.spec.clone()
    }

    fn begin(&self, _: &Arc<Facts>) -> Option<Box<dyn Hooks>> {
        Some(Box::new(Filtering { filter: Arc::clone(&self.filter), output: OutputFilter::default() }))
    }
}

/// The filter of one response.
struct Filtering {
    filter: Arc<Filter>,
    output: OutputFilter,
}

impl Hooks for Filtering {
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        // Nothing of a turn that is asked again was shown.
        self.output = OutputFilter::default();
        Box::pin(async move {
            let Some(rules) = self.filter.input.clone() else { return Ok(()) };
            let bytes: usize = turn.items().iter().map(items::bytes).sum();
            let (all, settings) = turn.shared();
            let work = move || {
                let instructions = settings.instructions.as_deref().map(|text| rules.whole(text));
                (instructions, items::filtered(&rules, &all))
            };
            let (instructions, changed) = match bytes {
                HEAVY.. => match tokio::task::spawn_blocking(work).await {
                    Ok(done) => done,
                    Err(error) => return Err(Stop::Failed(error.to_string())),
                },
                _ => work(),
            };
            if let Some(found) = instructions {
                if let Some(rule) = found.denied {
                    return Err(refused(&rule).into());
                }
                if !found.redacted.is_empty() {
                    turn.settings_mut().instructions = Some(found.text);
                    turn.notes.extend(found.redacted.iter().map(|(rule, _)| note("instructions", rule)));
                }
            }
            let items::Changed { items, rules, denied } = changed;
            if let Some(rule) = denied {
                return Err(refused(&rule).into());
            }
            for (at, item) in items {
                if let Some(old) = turn.items_mut().get_mut(at) {
                    *old = item;
                }
            }
            turn.notes.extend(rules.iter().map(|rule| note("input", rule)));
            Ok(())
        })
    }

    fn on_event(&mut self, event: ModelEvent, out: &mut Vec<ModelEvent>) -> Result<(), Stop> {
        match &self.filter.output {
            Some(rules) => self.output.pass(rules, event, out).map_err(|rule| ended(&rule).into()),
            None => {
                out.push(event);
                Ok(())
            }
        }
    }

    fn on_tool_result<'a>(&'a mut self, outcome: &'a mut ToolOutcome) -> HookFuture<'a> {
        Box::pin(async move {
            let Some(rules) = &self.filter.tool_results else { return Ok(()) };
            let mut found = items::Found::default();
            items::output(&mut outcome.output, rules, &mut found);
            if let Some(rule) = found.denied {
                return Err(ended(&rule).into());
            }
            outcome.notes.extend(found.rules.iter().map(|rule| note("output", rule)));
            Ok(())
        })
    }
}

fn note(field: &str, rule: &str) -> Note {
    Note::emulated(field, format!("the content filter's rule '{rule}' redacted a part of it"))
}

/// Before the model is asked.
fn refused(rule: &str) -> Halt {
    let text = format!("The request holds content that this server does not allow (rule '{rule}').");
    Halt::new(ErrorKind::InvalidRequest, "content_filter", text).incomplete("content_filter")
}

/// Later.
fn ended(rule: &str) -> Halt {
    let text = format!("The response held content that this server does not allow (rule '{rule}').");
    Halt::new(ErrorKind::InvalidRequest, "content_filter", text).incomplete("content_filter")
}
