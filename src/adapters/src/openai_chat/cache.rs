//! How the host is told what to cache of a prompt, by the quirk `prompt_caching`.

use or_protocol::ContentPart::{self, InputText, InputVideo};
use or_protocol::{CacheMode, Item, Role, Settings};
use serde_json::{Value, json};

use super::fields::Fields;
use super::quirks::{PromptCaching, Quirks};
use super::wire::body::{ChatMessage, Part};
use crate::shared::fields::cache::{CachePlan, mark_fate, note_breakpoints};
use crate::shared::fields::members::MemberFates;
use crate::shared::fields::{BY_BEGINNING, Fate, NOT_KNOWN};
use crate::{AdapterError, ModelRequest, Note, NoteList};

/// Puts what a request says of the cache beside its breakpoints, and gives the fate of all members without a form.
pub(super) fn cache_members(fields: &mut Fields<'_, '_>, settings: &Settings) -> MemberFates {
    let options = settings.prompt_cache_options();
    let (options, retention) = match fields.quirks.prompt_caching {
        PromptCaching::None => return MemberFates::translated(),
        PromptCaching::ByPrefix => return MemberFates::caching_by_beginning(),
        // What becomes of a lifetime has its own note.
        PromptCaching::CacheControl | PromptCaching::CacheControlTtl => (Fate::Sent, Fate::Sent),
        PromptCaching::Openai => {
            let ttl = options.as_ref().and_then(|options| options.ttl.as_deref());
            let other = ttl.is_some_and(|ttl| ttl != "30m");
            // Nothing is said of the default: older models do not know the member.
            let explicit = options.as_ref().is_some_and(|options| options.mode == CacheMode::Explicit);
            let explicit = explicit.then(|| json!({ "mode": CacheMode::Explicit.as_str() }));
            let sent = fields.put("prompt_cache_options", explicit);
            let options = match sent {
                Fate::Sent if other => Fate::emulated("Chat Completions caches for 30m"),
                fate => fate,
            };
            let retention = settings.members.body.text("prompt_cache_retention");
            let retention = retention.map(|text| Value::from(text.into_owned()));
            (options, fields.put("prompt_cache_retention", retention))
        }
    };
    MemberFates {
        prompt_cache_options: options,
        prompt_cache_retention: retention,
        ..MemberFates::translated()
    }
}

/// Leaves the marks that count, and notes what becomes of the breakpoints.
pub(super) fn settle_marks(
    quirks: &Quirks,
    request: &ModelRequest<'_>,
    messages: &mut [ChatMessage<'_>],
    notes: &mut NoteList,
) -> Result<(), AdapterError> {
    let form = quirks.prompt_caching;
    if matches!(form, PromptCaching::CacheControl | PromptCaching::CacheControlTtl) {
        let plan = CachePlan::of(request.settings, form == PromptCaching::CacheControlTtl);
        let parts = messages.iter_mut().flat_map(ChatMessage::parts);
        let left = plan.settle(parts.filter_map(Part::mark), false);
        plan.note_lifetime(request.settings, left > 0, notes);
        if left == 0 && plan.implicit().is_none() {
            notes.push(Note::emulated("prompt_cache_options", BY_BEGINNING));
        }
    }
    let fate = |item: &Item, part: &ContentPart| match form {
        PromptCaching::None => Fate::dropped(NOT_KNOWN),
        PromptCaching::ByPrefix => Fate::emulated(BY_BEGINNING),
        _ if matches!(item, Item::Message(message) if message.role == Role::Assistant) => {
            Fate::dropped("texts of the assistant cannot be marked")
        }
        PromptCaching::CacheControl | PromptCaching::CacheControlTtl if !matches!(part, InputText { .. }) => {
            Fate::dropped("only texts can be marked")
        }
        PromptCaching::CacheControl | PromptCaching::CacheControlTtl => mark_fate(part),
        PromptCaching::Openai if matches!(part, InputVideo { .. }) => Fate::dropped(NOT_KNOWN),
        PromptCaching::Openai => mark_fate(part),
    };
    note_breakpoints(request.context, fate, notes)
}
