//! The request body (specification of the upstream: OpenAI Responses).

use or_protocol::{Effort, Extra, Include, KNOWN_MEMBERS, Settings, TextFormat, Truncation};

use super::history::History;
use super::models::rule;
use super::quirks::Quirks;
use super::roles::settle;
use super::tools;
use super::wire::body::{Body, Format, Reasoning, StreamOptions, TextSettings};
use crate::call::body_json;
use crate::shared::fields::members::{MemberFates, Others, without_comparison};
use crate::shared::fields::{Fate, Fates};
use crate::shared::openai_models::{ModelRule, nearest};
use crate::shared::tool_plan::ONE_CALL;
use crate::{AdapterError, ModelRequest, NoteList, UpstreamCall};

/// The least that OpenAI takes.
const MIN_OUTPUT_TOKENS: u64 = 16;

/// Why a field that the host must not see is dropped.
const NOT_TAKEN: &str = "this provider does not take it";
const CACHE_OPTIONS: &str = "prompt_cache_options";
const NO_REASONING: &str = "this model does not reason";

/// Builds the call.
pub(super) fn build(quirks: &Quirks, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let settings = request.settings;
    let mut notes = NoteList::default();
    let stream = request.stream || quirks.always_stream;
    let rule = rule(request.model, &quirks.model_rules, quirks.model_limits);
    let host = Host { quirks };

    let (reasoning, effort_fate, summary_fate) = host.reasoning(settings, rule);
    let effort = reasoning.as_ref().and_then(|r| r.effort);
    let samples = rule.is_none_or(|r| r.samples(effort));
    let logprobs = settings.wants_logprobs() && samples;
    let (text, verbosity_fate) = host.text(settings, rule);
    let sent = tools::translate(settings, quirks, &mut notes);
    let parallel = settings.parallel_tool_calls.filter(|_| !sent.tools.is_empty());
    let settled = settle(quirks, request, &mut notes);
    let mut history = History::new(request.model, quirks, sent.flat.as_ref(), &mut notes);
    let input = history.translate(&settled.context)?;
    let mut members = host.members(settings);
    let has_reasoning = rule.is_none_or(|rule| !rule.efforts.is_empty()) && !quirks.drops("reasoning");
    if !has_reasoning {
        let why = if quirks.drops("reasoning") { NOT_TAKEN } else { NO_REASONING };
        members.reasoning_context = Fate::dropped(why);
        members.reasoning_mode = Fate::dropped(why);
    }
    let (max_output_tokens, max_output_tokens_fate) = host.max_output_tokens(settings.max_output_tokens);
    host.fates(
        samples,
        !sent.tools.is_empty(),
        (effort_fate, summary_fate),
        verbosity_fate,
        max_output_tokens_fate,
        members,
    )
    .note(settings, &mut notes)?;

    let body = Body {
        model: request.model,
        instructions: match settled.instructions.as_deref() {
            None if quirks.instructions_required => Some(""),
            other => other,
        },
        input,
        stream,
        stream_options: (stream && !quirks.drops("stream_options")).then(|| StreamOptions {
            include_obfuscation: false,
            extra: host.sent("", &settings.members.stream_options),
        }),
        store: (!quirks.drops("store")).then_some(false),
        include: host.include(settings, rule, logprobs),
        tools: sent.tools,
        tool_choice: sent.choice,
        parallel_tool_calls: host.known("parallel_tool_calls", parallel),
        max_tool_calls: host.known("max_tool_calls", settings.max_tool_calls),
        text,
        reasoning,
        temperature: host.known("temperature", settings.temperature.filter(|_| samples)),
        top_p: host.known("top_p", settings.top_p.filter(|_| samples)),
        presence_penalty: settings.presence_penalty.filter(|_| quirks.penalties),
        frequency_penalty: settings.frequency_penalty.filter(|_| quirks.penalties),
        max_output_tokens,
        top_logprobs: host.known("top_logprobs", settings.top_logprobs.filter(|n| logprobs && *n > 0)),
        truncation: host.known("truncation", (settings.truncation == Truncation::Auto).then_some("auto")),
        service_tier: host.known("service_tier", settings.service_tier.as_deref()),
        safety_identifier: host.known("safety_identifier", settings.safety_identifier.as_deref()),
        prompt_cache_key: host.known("prompt_cache_key", settings.prompt_cache_key.as_deref()),
        user: host.known("user", settings.user.as_deref()),
        extra: host.body_members(&settings.members.body),
    };
    let body = body_json(&body)?;
    Ok(UpstreamCall { path: "/responses".into(), headers: Vec::new(), body, stream, notes: notes.into_vec() })
}

/// What the host takes.
#[derive(Clone, Copy)]
struct Host<'q> {
    quirks: &'q Quirks,
}

impl Host<'_> {
    /// A field, unless the host must not see it.
    fn known<T>(self, name: &str, value: Option<T>) -> Option<T> {
        value.filter(|_| !self.quirks.drops(name))
    }

    /// What [`Self::known`] means for the field.
    fn fate(self, name: &str) -> Fate {
        self.fate_unless(None, name)
    }

    fn fate_unless(self, refused: Option<&'static str>, name: &str) -> Fate {
        Fate::sent_unless(self.quirks.drops(name).then_some(NOT_TAKEN).or(refused))
    }

    /// What becomes of every field.
    fn fates(
        self,
        samples: bool,
        has_tools: bool,
        (effort, summary): (Fate, Fate),
        verbosity: Fate,
        max_output_tokens: Fate,
        members: MemberFates,
    ) -> Fates {
        let refused = (!samples).then_some("this model refuses it with this reasoning effort");
        let silent = match samples {
            true => self.quirks.drops("include").then_some(NOT_TAKEN),
            false => Some("this model gives no log probabilities while it reasons"),
        };
        let penalty =
            (!self.quirks.penalties).then_some("the Responses API of this provider has no penalties");
        Fates {
            instructions: Fate::Sent,
            tools: Fate::Sent,
            tool_choice: Fate::Sent,
            parallel_tool_calls: match self.fate("parallel_tool_calls") {
                Fate::Dropped(_) if has_tools => Fate::emulated(ONE_CALL),
                _ => Fate::Sent,
            },
            max_tool_calls: self.fate("max_tool_calls"),
            text_format: self.fate("text.format"),
            verbosity,
            effort,
            summary,
            temperature: self.fate_unless(refused, "temperature"),
            top_p: self.fate_unless(refused, "top_p"),
            presence_penalty: Fate::sent_unless(penalty),
            frequency_penalty: Fate::sent_unless(penalty),
            max_output_tokens,
            top_logprobs: self.fate_unless(silent, "top_logprobs"),
            logprobs: Fate::sent_unless(silent),
            sealed_reasoning: Fate::Sent,
            search_sources: self.fate("include"),
            search_results: self.fate("include"),
            code_outputs: self.fate("include"),
            hosted_results: self.fate("include"),
            truncation: self.fate("truncation"),
            service_tier: self.fate("service_tier"),
            safety_identifier: self.fate("safety_identifier"),
            prompt_cache_key: self.fate("prompt_cache_key"),
            metadata: Fate::Ours,
            user: self.fate("user"),
            members,
        }
    }

    /// What becomes of the members that have no form of their own.
    fn members(self, settings: &Settings) -> MemberFates {
        // What costs money or guards somebody must not be left out.
        let needed = |name: &str| match self.quirks.drops(name) {
            true => Fate::refused(NOT_TAKEN),
            false => Fate::Sent,
        };
        let prewarm = settings.prompt_cache_options().is_some_and(|options| options.prewarm);
        MemberFates {
            access_programs: self.fate("access_programs"),
            background_options: needed("background_options"),
            client_metadata: self.fate("client_metadata"),
            context_management: needed("context_management"),
            no_generation: match prewarm {
                true => needed("prompt_cache_options"),
                false if self.quirks.other_members => Fate::Sent,
                false => Fate::refused(NOT_TAKEN),
            },
            image: self.fate("image"),
            moderation: needed("moderation"),
            prompt_cache_options: self.fate("prompt_cache_options"),
            prompt_cache_retention: self.fate("prompt_cache_retention"),
            reasoning_context: self.fate("reasoning.context"),
            reasoning_mode: self.fate("reasoning.mode"),
            others: if self.quirks.other_members { Others::Sent } else { Others::Unknown },
        }
    }

    /// The members of the request that the host is sent. It does not know our responses.
    fn body_members(self, members: &Extra) -> Extra {
        let sent = self.sent("", members);
        match sent.member(CACHE_OPTIONS) {
            Some(options) => sent.with(CACHE_OPTIONS, without_comparison(&options).as_ref()),
            None => sent,
        }
    }

    /// The members of an object that the host is sent; `place` is the object's path with a dot.
    fn sent(self, place: &str, extra: &Extra) -> Extra {
        extra.retain(|name| {
            let path = format!("{place}{name}");
            let known = KNOWN_MEMBERS.contains(&path.as_str());
            !self.quirks.drops(&path) && (known || self.quirks.other_members)
        })
    }

    fn max_output_tokens(self, value: Option<u64>) -> (Option<u64>, Fate) {
        let value = self.known("max_output_tokens", value);
        let fate = match value {
            Some(value) if value < MIN_OUTPUT_TOKENS => {
                Fate::emulated("raised to 16, the least that is accepted")
            }
            Some(_) | None => self.fate("max_output_tokens"),
        };
        (value.map(|value| value.max(MIN_OUTPUT_TOKENS)), fate)
    }

    /// The object, the fate of the effort and that of the summary.
    fn reasoning(self, settings: &Settings, rule: Option<ModelRule<'_>>) -> (Option<Reasoning>, Fate, Fate) {
        let (asked, summary) = (settings.effort(), settings.reasoning.and_then(|r| r.summary));
        let refused = match rule {
            _ if self.quirks.drops("reasoning") => Some(NOT_TAKEN),
            Some(rule) if rule.efforts.is_empty() => Some(NO_REASONING),
            Some(_) | None => None,
        };
        if let Some(why) = refused {
            // A model that does not reason does what `none` asks for.
            let idle = asked == Some(Effort::None) && !self.quirks.drops("reasoning");
            let effort = if idle { Fate::Ours } else { Fate::dropped(why) };
            return (None, effort, Fate::dropped(why));
        }
        let effort = match (asked, rule) {
            (Some(effort), Some(rule)) => nearest(effort, rule.efforts),
            (effort, _) => effort,
        };
        let effort_fate = match (asked, effort) {
            (Some(asked), Some(sent)) if sent != asked => {
                Fate::emulated(format!("{} sent in place of {}", sent.as_str(), asked.as_str()))
            }
            (Some(_), None) => Fate::dropped("this model takes no such effort"),
            _ => Fate::Sent,
        };
        let summary = self.known("reasoning.summary", summary);
        let extra = self.sent("reasoning.", &settings.members.reasoning);
        let object = (effort.is_some() || summary.is_some() || !extra.is_empty()).then_some(Reasoning {
            effort,
            summary,
            extra,
        });
        (object, effort_fate, self.fate("reasoning.summary"))
    }

    fn include(self, settings: &Settings, rule: Option<ModelRule<'_>>, logprobs: bool) -> Vec<&'static str> {
        if self.quirks.drops("include") {
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

    /// The object, and the fate of the verbosity.
    fn text<'a>(
        self,
        settings: &'a Settings,
        rule: Option<ModelRule<'_>>,
    ) -> (Option<TextSettings<'a>>, Fate) {
        let inner = &settings.members.format;
        let extra = if self.quirks.other_members { inner } else { &Extra::NONE };
        let format = match &settings.text.format {
            TextFormat::Text => (!extra.is_empty()).then_some(Format::Text { extra }),
            TextFormat::JsonObject => Some(Format::JsonObject { extra }),
            TextFormat::JsonSchema(format) => Some(Format::JsonSchema {
                name: &format.name,
                description: format.description.as_deref(),
                schema: &format.schema,
                strict: format.strict,
                extra,
            }),
        };
        let format = self.known("text.format", format);
        let plain = rule.is_some_and(|r| !r.verbosity);
        let verbosity = self.known("text.verbosity", settings.text.verbosity.filter(|_| !plain));
        let fate = self.fate_unless(plain.then_some("this model only takes medium"), "text.verbosity");
        let extra = self.sent("text.", &settings.members.text);
        let given = format.is_some() || verbosity.is_some() || !extra.is_empty();
        (given.then_some(TextSettings { format, verbosity, extra }), fate)
    }
}
