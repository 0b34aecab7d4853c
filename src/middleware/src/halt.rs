//! How a hook ends a response, or says that it could not do its work.

use or_protocol::{ApiError, ErrorKind};

/// Headers for the answer, in the order in which they were set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Sets a header; replaces one of the same name. What no header can hold is left out of the answer.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into().to_ascii_lowercase();
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.into()));
    }

    /// Sets all of another list.
    pub fn extend(&mut self, others: Self) {
        for (name, value) in others.0 {
            self.set(name, value);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The list itself.
    pub fn into_vec(self) -> Vec<(String, String)> {
        self.0
    }
}

/// How a response ends that is halted after the model was first asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ends {
    /// `failed`, with the error.
    Failed,
    /// `incomplete`, with this as `incomplete_details.reason`.
    Incomplete(String),
}

/// Ends a response.
///
/// Before the model was first asked the client gets the error, as an HTTP answer; or, where a stream or a record has
/// begun, as the end of the response. Later the response ends as [`ends`](Self::ends) says, with what was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Halt {
    /// What the client is told: status, code, message, and seconds to wait before it tries again.
    pub error: ApiError,
    /// How it ends later.
    pub ends: Ends,
    /// For the answer, if its head was not sent yet.
    pub headers: Headers,
}

impl Halt {
    /// Ends it as failed. `code` is for programs, `message` a sentence for people.
    pub fn new(kind: ErrorKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        let error = ApiError::new(kind, message).with_code(code);
        Self { error, ends: Ends::Failed, headers: Headers::default() }
    }

    /// Ends it later as `incomplete`, with this reason.
    #[must_use]
    pub fn incomplete(self, reason: impl Into<String>) -> Self {
        Self { ends: Ends::Incomplete(reason.into()), ..self }
    }

    /// Says when to try again, in seconds; sent as `retry-after`.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u64) -> Self {
        self.error.retry_after_s = Some(seconds);
        self
    }

    /// Sets a header of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }
}

/// Why a hook does not let things go on.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// The response shall end.
    Halt(Box<Halt>),
    /// The middleware could not do its work. The text is for the log; what follows is for
    /// [`OnFailure`](crate::OnFailure) to say.
    Failed(String),
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(Box::new(halt))
    }
}
