//! Stops the server after any frame, and goes on from what was written.

use or_engine::{Action, Input, LoopSpec, Progress, ResponseLoop, ResumeError, Saved};
use or_protocol::{Item, ResponseStatus, StoredItem};
use serde_json::{Value, json};

use super::play::{Played, play_raw};
use super::scenario::Scenario;
use super::script::*;
use or_test_support::order;

/// A record as it is on disk before the end.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub status: ResponseStatus,
    pub response: Value,
    pub sealed: Vec<(usize, String)>,
    pub progress: Progress,
    /// Frames that were logged before it.
    pub frames: usize,
    /// The first input after it.
    pub input: usize,
}

impl Checkpoint {
    /// What is on disk now; `input`: where the script goes on.
    pub fn take(played: &Played, input: usize) -> Self {
        let record = played.engine.record();
        Self {
            status: record.status,
            response: serde_json::from_str(record.response_json.get()).unwrap(),
            sealed: record.sealed.to_vec(),
            // As it comes back from disk.
            progress: serde_json::from_value(json!(record.progress)).unwrap(),
            frames: frames(&played.sse).len(),
            input,
        }
    }

    /// Its items, sealed state back in place.
    pub fn output(&self) -> Vec<Item> {
        let stored: Vec<StoredItem> = serde_json::from_value(self.response["output"].clone()).unwrap();
        let mut output: Vec<Item> = stored.into_iter().map(|StoredItem(item)| item).collect();
        for (index, blob) in &self.sealed {
            if let Some(Item::Reasoning(item)) = output.get_mut(*index) {
                item.encrypted_content = Some(blob.clone());
            }
        }
        output
    }

    /// A loop that was made anew from this and the log.
    pub fn resume(&self, spec: LoopSpec, log: &[u8]) -> Result<Played, ResumeError> {
        let saved =
            Saved { status: self.status, output: self.output(), progress: self.progress.clone(), log };
        let engine = ResponseLoop::resume(spec, saved)?;
        Ok(Played { sse: log.to_vec(), actions: Vec::new(), engine })
    }
}

/// The frames of a stream, `[DONE]` included.
pub fn frames(sse: &[u8]) -> Vec<&[u8]> {
    let text = std::str::from_utf8(sse).unwrap();
    text.split_inclusive("\n\n").map(str::as_bytes).collect()
}

/// Plays inputs to the end; the records that were written between turns.
pub fn run(spec: LoopSpec, inputs: Vec<Input>, commit: Result<(), ()>) -> (Played, Vec<Checkpoint>) {
    let mut played = play_raw(spec, [], commit);
    let checkpoints = go_on(&mut played, inputs, commit);
    (played, checkpoints)
}

fn go_on(played: &mut Played, inputs: Vec<Input>, commit: Result<(), ()>) -> Vec<Checkpoint> {
    let mut checkpoints = Vec::new();
    let endings = [Input::Model(stop()), Input::Cancel];
    for (at, input) in inputs.into_iter().chain(endings).enumerate() {
        let mut action = played.feed(input);
        while let Some(asked) = action {
            let next = match asked {
                Action::Commit => Input::Committed(commit),
                Action::Begin => {
                    checkpoints.push(Checkpoint::take(played, at + 1));
                    Input::Begun
                }
                Action::CallModel | Action::RunTools => {
                    checkpoints.push(Checkpoint::take(played, at + 1));
                    break;
                }
                Action::End(_) => break,
            };
            action = played.feed(next);
        }
    }
    checkpoints
}

impl Scenario {
    /// A background response with a stream.
    fn background(&self) -> LoopSpec {
        LoopSpec { background: true, store: true, ..self.spec(true) }
    }

    fn whole(&self) -> (Played, Vec<Checkpoint>) {
        run(self.background(), self.inputs(), self.commit.unwrap_or(Ok(())))
    }

    /// Stops after every frame and goes on; how often the turn was sampled again, and how often it was not.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn check_restarts(&self) -> (u32, u32) {
        let (whole, checkpoints) = self.whole();
        let list = frames(&whole.sse);
        let (mut again, mut interrupted) = (0, 0);
        for cut in 0..=list.len() {
            let log = list[..cut].concat();
            // The last one that could be there, and any other: records and frames need not be in step.
            let due = checkpoints.iter().rposition(|checkpoint| checkpoint.frames <= cut);
            let due = due.unwrap_or_default();
            let at = if cut % 3 == 2 { cut * 7 % checkpoints.len().max(1) } else { due };
            if let Some(checkpoint) = checkpoints.get(at) {
                match checkpoint.resume(self.background(), &log) {
                    Err(ResumeError::Ended(ended)) => {
                        assert!(cut + 1 >= list.len());
                        assert_eq!([&log, ended.missing].concat(), whole.sse);
                        let response: Value = serde_json::from_slice(&ended.response_json).unwrap();
                        assert_eq!(
                            (&response, ended.status.as_str()),
                            (&whole.response(), response["status"].as_str().unwrap())
                        );
                    }
                    Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&log)),
                    Ok(played) => {
                        assert!(cut + 1 < list.len(), "the end was overlooked");
                        if self.check_rest(played, checkpoint, cut, &whole) {
                            again += 1;
                        } else {
                            interrupted += 1;
                        }
                    }
                }
            }
        }
        (again, interrupted)
    }

    /// Ends what was begun; whether the model was called again.
    fn check_rest(&self, mut played: Played, checkpoint: &Checkpoint, cut: usize, whole: &Played) -> bool {
        let first = match cut % 5 {
            0 => Input::Cancel,
            1 => broken(),
            _ => Input::Resume,
        };
        let resumed = matches!(first, Input::Resume);
        let commit = self.commit.unwrap_or(Ok(()));
        let rest = self.inputs().into_iter().skip(checkpoint.input);
        go_on(&mut played, std::iter::once(first).chain(rest).collect(), commit);
        let again = played.actions.contains(&Action::CallModel);
        let ends = played.actions.iter().filter(|action| matches!(action, Action::End(_))).count();
        assert_eq!(ends, 1);
        let events = match order::parse_sse(&played.sse) {
            Ok(events) => events,
            Err(error) => panic!("{error}"),
        };
        if let Err(findings) = order::check_events_with(&events, self.options) {
            panic!("cut {cut}: {findings:#?}\n{}", String::from_utf8_lossy(&played.sse));
        }
        let response = played.response();
        assert_eq!(events.last().map(|(_, data)| &data["response"]), Some(&response));
        if again {
            assert!(resumed);
            // Nothing shows that there was an interruption.
            assert_eq!(String::from_utf8_lossy(&played.sse), String::from_utf8_lossy(&whole.sse));
        } else if resumed {
            assert_eq!(response["status"], "failed");
        }
        again
    }

    /// Damages the log of this scenario as `damage` says; it is refused, or it is read, without a panic.
    pub fn check_damage(&self, damage: &[(u16, u8, u8)]) -> bool {
        let (whole, checkpoints) = self.whole();
        let Some(checkpoint) = checkpoints.last() else { return false };
        let list = frames(&whole.sse);
        // The end would hide everything else.
        let cut = damage.first().map_or(0, |(place, _, _)| usize::from(*place) % list.len());
        let mut log = list[..cut].concat();
        for (place, kind, byte) in damage {
            let at = usize::from(*place) % log.len().max(1);
            match kind % 4 {
                0 => log.truncate(at),
                1 => log.insert(at.min(log.len()), *byte),
                2 if at < log.len() => log[at] = *byte,
                _ => {
                    let mut list: Vec<Vec<u8>> =
                        log.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                    if !list.is_empty() {
                        let lines = list.len();
                        list.swap(at % lines, usize::from(*byte) % lines);
                    }
                    log = list.concat();
                }
            }
        }
        match checkpoint.resume(self.background(), &log) {
            Err(_) => false,
            Ok(mut played) => {
                go_on(&mut played, vec![Input::Resume, Input::Model(text(0, "a"))], Ok(()));
                true
            }
        }
    }
}
