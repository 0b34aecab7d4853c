//! What becomes of a field of a request, and what is told of it.

use std::borrow::Cow;

use crate::{AdapterError, Note};

/// Why most fields without a counterpart are dropped.
pub(crate) const NOT_KNOWN: &str = "not known to this provider";
/// Why a service tier is dropped.
pub(crate) const NO_SUCH_TIER: &str = "this provider has no such tier";
/// Why a key of the cache and marks in it need not be sent.
pub(crate) const BY_BEGINNING: &str = "the provider caches by the beginning of the input";
/// Why `truncation: auto` is dropped.
pub(crate) const REFUSES_LONG_INPUT: &str = "this provider refuses an input that is too long";
/// Why words of `include` for hosted tools are dropped.
pub(crate) const NO_HOSTED_TOOLS: &str = "hosted tools are not available on this provider";

/// What becomes of a field.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub(crate) enum Fate {
    /// The provider is told. Where it cannot be told all of it, the place that tells it makes the note.
    Sent,
    /// This server carries it out, or there is nothing to carry out.
    Ours,
    /// Carried out by other means, for this reason.
    Emulated(Cow<'static, str>),
    /// Not carried out, for this reason.
    Dropped(Cow<'static, str>),
    /// Must not be ignored and is not carried out, for this reason: the request is refused in any mode.
    Refused(Cow<'static, str>),
}

impl Fate {
    /// Carried out by other means.
    pub(crate) fn emulated(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Emulated(why.into())
    }

    /// Sent, unless something stands against it.
    pub(crate) fn sent_unless(why: Option<&'static str>) -> Self {
        why.map_or(Self::Sent, Self::dropped)
    }

    /// Not carried out, and not to be ignored.
    pub(crate) fn refused(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(why.into())
    }

    /// Not carried out.
    pub(crate) fn dropped(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Dropped(why.into())
    }
}

/// What is told of a field that is asked for.
pub(super) fn note(field: &str, fate: Fate) -> Result<Option<Note>, AdapterError> {
    Ok(match fate {
        Fate::Sent | Fate::Ours => None,
        Fate::Emulated(why) => Some(Note::emulated(field, why)),
        Fate::Dropped(why) => Some(Note::dropped(field, why)),
        Fate::Refused(why) => {
            let message =
                format!("Unsupported parameter: '{field}' cannot be honoured on this model: {why}.");
            return Err(AdapterError::NotHonoured { param: field.to_owned(), message });
        }
    })
}
