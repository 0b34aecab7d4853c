//! The request body (specification of the upstream: OpenAI Responses).

use or_protocol::{Effort, Include, Settings, TextFormat, Truncation, Verbosity};

use super::history::History;
use super::models::rule;
use super::quirks::Quirks;
use super::tools;
use super::wire::body::{Body, Format, Reasoning, StreamOptions, Text};
use crate::call::body_json;
use crate::shared::openai_models::{ModelRule, nearest};
use crate::{AdapterError, ModelRequest, Note, UpstreamCall};

/// The least that OpenAI takes.
const MIN_OUTPUT_TOKENS: u64 = 16;

/// Builds the call.
pub(super) fn build(quirks: &Quirks, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let settings = request.settings;
    let mut notes = Vec::new();
    let stream = request.stream || quirks.always_stream;
    let rule = rule(request.model, &quirks.model_rules, quirks.model_limits);
    let mut fields = Fields { quirks, notes: &mut notes };

    let reasoning = fields.reasoning(settings, rule);
    let effort = reasoning.as_ref().and_then(|r| r.effort);
    let samples = rule.is_none_or(|r| r.samples(effort));
    let logprobs = fields.logprobs(settings, samples);
    let text = fields.text(settings, rule);
    let sent = tools::translate(settings, quirks, fields.notes);
    let parallel = settings.parallel_tool_calls.filter(|_| !sent.tools.is_empty());
    let mut history = History::new(request.model, quirks, sent.flat.as_deref(), fields.notes);
    let input = history.translate(request.context)?;
    let mut fields = Fields { quirks, notes: &mut notes };

    let body = Body {
        model: request.model,
        instructions: match settings.instructions.as_deref() {
            None if quirks.instructions_required => Some(""),
            other => other,
        },
        input,
        stream,
        stream_options: (stream && !quirks.drops("stream_options"))
            .then_some(StreamOptions { include_obfuscation: false }),
        store: (!quirks.drops("store")).then_some(false),
        include: fields.include(settings, rule, logprobs),
        tools: sent.tools,
        tool_choice: sent.choice,
        parallel_tool_calls: fields.known("parallel_tool_calls", parallel),
        max_tool_calls: fields.known("max_tool_calls", settings.max_tool_calls),
        text,
        reasoning,
        temperature: fields.sampling("temperature", settings.temperature, samples),
        top_p: fields.sampling("top_p", settings.top_p, samples),
        presence_penalty: fields.penalty("presence_penalty", settings.presence_penalty),
        frequency_penalty: fields.penalty("frequency_penalty", settings.frequency_penalty),
        max_output_tokens: fields.max_output_tokens(settings.max_output_tokens),
        top_logprobs: fields.known("top_logprobs", settings.top_logprobs.filter(|n| logprobs && *n > 0)),
        truncation: fields.known("truncation", (settings.truncation == Truncation::Auto).then_some("auto")),
        service_tier: fields.known("service_tier", settings.service_tier.as_deref()),
        safety_identifier: fields.known("safety_identifier", settings.safety_identifier.as_deref()),
        prompt_cache_key: fields.known("prompt_cache_key", settings.prompt_cache_key.as_deref()),
        user: fields.known("user", settings.user.as_deref()),
    };
    let body = body_json(&body)?;
    Ok(UpstreamCall { path: "/responses".into(), headers: Vec::new(), body, stream, notes })
}

/// Decides field by field, and notes what is left out.
struct Fields<'q, 'n> {
    quirks: &'q Quirks,
    notes: &'n mut Vec<Note>,
}

impl Fields<'_, '_> {
    /// A field, unless the host must not see it.
    fn known<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_some() && self.quirks.drops(name) {
            self.notes.push(Note::dropped(name, "this provider does not take it"));
            return None;
        }
        value
    }

    fn sampling(&mut self, name: &str, value: Option<f64>, samples: bool) -> Option<f64> {
        let value = self.known(name, value)?;
        // The default of both says nothing that the model could refuse.
        if !samples && value != 1.0 {
            self.notes.push(Note::dropped(name, "this model refuses it with this reasoning effort"));
        }
        samples.then_some(value)
    }

    fn penalty(&mut self, name: &str, value: Option<f64>) -> Option<f64> {
        if self.quirks.penalties {
            return value;
        }
        if value.is_some_and(|v| v != 0.0) {
            self.notes.push(Note::dropped(name, "the Responses API of this provider has no penalties"));
        }
        None
    }

    fn max_output_tokens(&mut self, value: Option<u64>) -> Option<u64> {
        let value = self.known("max_output_tokens", value)?;
        if value < MIN_OUTPUT_TOKENS {
            self.notes.push(Note::emulated("max_output_tokens", "raised to 16, the least that is accepted"));
        }
        Some(value.max(MIN_OUTPUT_TOKENS))
    }

    fn reasoning(&mut self, settings: &Settings, rule: Option<ModelRule<'_>>) -> Option<Reasoning> {
        let asked = settings.reasoning.filter(|r| r.effort.is_some() || r.summary.is_some())?;
        let asked = self.known("reasoning", Some(asked))?;
        let summary = self.known("reasoning.summary", asked.summary);
        let effort = match (asked.effort, rule) {
            (Some(Effort::None), Some(rule)) if rule.efforts.is_empty() => None,
            (effort, Some(rule)) if rule.efforts.is_empty() => {
                let why = "this model does not reason";
                let name = if effort.is_some() { "reasoning.effort" } else { "reasoning.summary" };
                self.notes.push(Note::dropped(name, why));
                return None;
            }
            (Some(effort), Some(rule)) => {
                let nearest = nearest(effort, rule.efforts);
                if let Some(nearest) = nearest.filter(|n| *n != effort) {
                    let why = format!("{} sent in place of {}", nearest.as_str(), effort.as_str());
                    self.notes.push(Note::emulated("reasoning.effort", why));
                }
                nearest
            }
            (effort, None) | (effort @ None, Some(_)) => effort,
        };
        if rule.is_some_and(|r| r.efforts.is_empty()) {
            return None;
        }
        (effort.is_some() || summary.is_some()).then_some(Reasoning { effort, summary })
    }

    fn logprobs(&mut self, settings: &Settings, samples: bool) -> bool {
        let wanted = settings.wants_logprobs();
        if wanted && !samples {
            self.notes.push(Note::dropped(
                "top_logprobs",
                "this model gives no log probabilities while it reasons",
            ));
        }
        wanted && samples
    }

    fn include(
        &mut self,
        settings: &Settings,
        rule: Option<ModelRule<'_>>,
        logprobs: bool,
    ) -> Vec<&'static str> {
        if self.quirks.drops("include") {
            let asked = settings.include.iter().any(|i| *i != Include::ReasoningEncryptedContent);
            if asked || logprobs {
                self.notes.push(Note::dropped("include", "this provider does not take it"));
            }
            return Vec::new();
        }
        let mut words = Vec::new();
        // Always, so that a chain keeps its reasoning; but a model without reasoning refuses the word.
        if rule.is_none_or(|r| !r.efforts.is_empty()) {
            words.push(Include::ReasoningEncryptedContent.as_str());
        }
        if logprobs {
            words.push(Include::OutputTextLogprobs.as_str());
        }
        let further = settings
            .include
            .iter()
            .filter(|i| !matches!(i, Include::ReasoningEncryptedContent | Include::OutputTextLogprobs));
        for include in further {
            if !words.contains(&include.as_str()) {
                words.push(include.as_str());
            }
        }
        words
    }

    fn text<'a>(&mut self, settings: &'a Settings, rule: Option<ModelRule<'_>>) -> Option<Text<'a>> {
        let format = match &settings.text.format {
            TextFormat::Text => None,
            TextFormat::JsonObject => Some(Format::JsonObject),
            TextFormat::JsonSchema(format) => Some(Format::JsonSchema {
                name: &format.name,
                description: format.description.as_deref(),
                schema: &format.schema,
                strict: format.strict,
            }),
        };
        let format = self.known("text.format", format);
        let mut verbosity = self.known("text.verbosity", settings.text.verbosity);
        if rule.is_some_and(|r| !r.verbosity) {
            if verbosity.is_some_and(|v| v != Verbosity::Medium) {
                self.notes.push(Note::dropped("text.verbosity", "this model only takes medium"));
            }
            verbosity = None;
        }
        (format.is_some() || verbosity.is_some()).then_some(Text { format, verbosity })
    }
}
