//! Reads back the frames that an earlier run of the response wrote (design D9).

use std::borrow::Cow;

use or_protocol::{ApiError, DONE, ErrorDetails, ErrorKind, RawJson, ResponseId, ResponseStatus};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::items::Assembly;
use crate::items::replay::ItemEvent;
use crate::items::whole::is_foreign;

/// Why a response cannot go on from what was saved of it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResumeError {
    /// The event log has its terminal event: only the record and perhaps the last frame are to be written.
    #[error("the event log is complete")]
    Ended(EndedLog),
    /// The event log is not what this engine writes for this response; at which frame, and why.
    #[error("the event log is damaged at frame {frame}: {why}")]
    Damaged {
        /// Counts from 0.
        frame: u64,
        /// For the log of the server.
        why: &'static str,
    },
    /// The record is final, so there is nothing to resume.
    #[error("the saved response is over")]
    Over,
}

/// How a response ended by the word of its event log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndedLog {
    /// The status that `response_json` says.
    pub status: ResponseStatus,
    /// The final response object. Sealed reasoning state that it does not show is lost, but for that of the
    /// record.
    pub response_json: Vec<u8>,
    /// Frames that the log lacks: `data: [DONE]`, or nothing.
    pub missing: &'static [u8],
}

/// The event about the response itself that was told last. In order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Told {
    Nothing,
    Created,
    Queued,
    InProgress,
    /// `error`; only `response.failed` may follow (rules 11.6).
    Error,
}

/// What a log without a terminal event says beside its items.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) frames: u64,
    pub(crate) told: Told,
    pub(crate) error: Option<ApiError>,
}

/// Replays a log into `items`, which must be empty.
pub(crate) fn replay(log: &[u8], id: &ResponseId, items: &mut Assembly) -> Result<Log, ResumeError> {
    let mut reader =
        Reader { log: Log { frames: 0, told: Told::Nothing, error: None }, id, items, ended: None };
    let result = std::str::from_utf8(log).map_err(|_| "it is not UTF-8").and_then(|text| reader.read(text));
    if let Err(why) = result {
        return Err(ResumeError::Damaged { frame: reader.log.frames, why });
    }
    match reader.ended {
        Some(ended) => Err(ResumeError::Ended(ended)),
        None => Ok(reader.log),
    }
}

struct Reader<'a> {
    log: Log,
    id: &'a ResponseId,
    items: &'a mut Assembly,
    ended: Option<EndedLog>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    sequence_number: u64,
}

#[derive(Deserialize)]
struct OfResponse<'a> {
    #[serde(borrow)]
    response: &'a RawValue,
}

#[derive(Deserialize)]
struct ResponseHead<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    status: ResponseStatus,
}

#[derive(Deserialize)]
struct OfError {
    error: LoggedError,
}

#[derive(Deserialize)]
struct LoggedError {
    r#type: String,
    code: Option<String>,
    message: String,
    misalignment: Option<RawJson>,
}

impl Reader<'_> {
    fn read(&mut self, mut rest: &str) -> Result<(), &'static str> {
        while !rest.is_empty() {
            if let Some(ended) = &mut self.ended {
                ended.missing = b"";
                return if rest == DONE { Ok(()) } else { Err("something follows the terminal event") };
            }
            let (frame, behind) = rest.split_once("\n\n").ok_or("it ends within a frame")?;
            let frame = frame.strip_prefix("event: ").and_then(|frame| frame.split_once("\ndata: "));
            let (name, data) = frame.ok_or("it is not an event and its data")?;
            let head: Head<'_> = parse(data)?;
            if head.r#type != name || head.sequence_number != self.log.frames {
                return Err("type or number is wrong");
            }
            self.event(name, data)?;
            self.log.frames += 1;
            rest = behind;
        }
        Ok(())
    }

    fn event(&mut self, name: &str, data: &str) -> Result<(), &'static str> {
        let told = self.log.told;
        let order = "the event is out of order";
        match name {
            "response.created" => self.tell(Told::Created, told == Told::Nothing, data),
            "response.queued" => self.tell(Told::Queued, told == Told::Created, data),
            "response.in_progress" => {
                self.tell(Told::InProgress, matches!(told, Told::Created | Told::Queued), data)
            }
            "response.completed" | "response.incomplete" | "response.failed" if told > Told::Nothing => {
                let (json, status) = self.response(data)?;
                let missing = DONE.as_bytes();
                self.ended = Some(EndedLog { status, response_json: json.into(), missing });
                Ok(())
            }
            // What is open is closed before an error is told.
            "error" if told > Told::Nothing && told < Told::Error && self.items.open.is_empty() => {
                let OfError { error } = parse(data)?;
                // The kind decides an HTTP status, which a stream does not have.
                let code = error.code.unwrap_or(error.r#type);
                let mut told = ApiError::new(ErrorKind::Server, error.message).with_code(code);
                told.details = error.misalignment.map(|misalignment| {
                    Box::new(ErrorDetails { misalignment: Some(misalignment), ..ErrorDetails::default() })
                });
                self.log.error = Some(told);
                self.log.told = Told::Error;
                Ok(())
            }
            _ if told != Told::InProgress => Err(order),
            // Of a hosted item, which shows it only if the provider sends it again.
            _ if is_foreign(name) => {
                if name.starts_with("response.mcp_call")
                    && let Ok(event) = parse(data)
                {
                    self.items.replay_mcp(name, event);
                }
                Ok(())
            }
            _ => {
                let event: ItemEvent = parse(data)?;
                self.items.replay(name, event).ok_or("the event does not fit the items")
            }
        }
    }

    fn tell(&mut self, told: Told, fits: bool, data: &str) -> Result<(), &'static str> {
        if !fits {
            return Err("the event is out of order");
        }
        self.response(data)?;
        self.log.told = told;
        Ok(())
    }

    /// The response object of an event, and its status.
    fn response<'a>(&self, data: &'a str) -> Result<(&'a str, ResponseStatus), &'static str> {
        let OfResponse { response } = parse(data)?;
        let head: ResponseHead<'_> = parse(response.get())?;
        if head.id != self.id.as_str() {
            return Err("it is of another response");
        }
        Ok((response.get(), head.status))
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, &'static str> {
    serde_json::from_str(json).map_err(|_| "its data cannot be read")
}
