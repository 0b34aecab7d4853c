//! Frames that are not handed out as they came.
//!
//! - Lines of one event that are whole JSON each, though not together, are events: their blank line was forgotten.
//! - What the end of the bytes tore is no frame.
//! - Data that is no JSON (`ping`, a page) is stray.
//! - The end mark `[DONE]` waits for the frames that came with it, for some hosts send usage behind it.
//! - Halves of a character in two frames are joined.

use std::collections::VecDeque;

use super::Frame;
use crate::note::plain_word;
use crate::shared::lenient::{Halves, Owned, is_whole};

/// How much of bytes outside any frame is kept for error messages.
const MAX_STRAY: usize = 64 * 1024;
/// OpenAI's end mark.
const END: &str = "[DONE]";

/// Keeps a line that is part of no frame.
pub(super) fn keep(stray: &mut Vec<u8>, line: &[u8]) {
    if stray.len() + line.len() < MAX_STRAY {
        stray.extend_from_slice(line);
        stray.push(b'\n');
    }
}

/// Frames that are ready, and some that wait.
#[derive(Debug, Default)]
pub(super) struct OddFrames {
    ready: VecDeque<Owned>,
    halves: Halves,
    end: Option<Owned>,
    current: Owned,
    /// The first data that was no JSON, as far as it fits a note.
    words: Option<String>,
}

impl OddFrames {
    /// The first data that was passed over because it is no JSON.
    pub(super) fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    /// Whether there is any frame that was not handed out.
    pub(super) fn waits(&self) -> bool {
        !self.ready.is_empty() || !self.halves.is_empty() || self.end.is_some()
    }

    /// Goes on to the next frame that is ready.
    pub(super) fn advance(&mut self) -> bool {
        match self.ready.pop_front() {
            Some(frame) => {
                self.current = frame;
                true
            }
            None => {
                if !self.current.data.is_empty() {
                    self.current = Owned::default();
                }
                false
            }
        }
    }

    /// The frame that is ready.
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame { event: &self.current.event, data: &self.current.data }
    }

    /// All that has come was cut; `is_closed`: nothing more will come. True if that made a frame ready.
    pub(super) fn settle(&mut self, is_closed: bool) -> bool {
        if is_closed || self.end.is_some() {
            self.halves.give_up(&mut self.ready);
        }
        self.ready.extend(self.end.take());
        !self.ready.is_empty()
    }

    /// Takes in a frame; `lines` are the places of its data lines with the event named before each, where there are
    /// several.
    pub(super) fn take(
        &mut self,
        event: String,
        data: String,
        lines: &[(usize, String)],
        is_torn: bool,
        stray: &mut Vec<u8>,
    ) {
        if lines.len() < 2 || is_whole(&data) {
            return self.sort(Owned { event, data }, is_torn, stray);
        }
        // Lines that are nothing by themselves belong together.
        let mut run: Option<Owned> = None;
        for (number, (begin, name)) in lines.iter().enumerate() {
            let next = lines.get(number + 1).map(|(at, _)| *at);
            let line = data.get(*begin..next.map_or(data.len(), |at| at - 1)).unwrap_or_default();
            let event = if name.is_empty() { event.clone() } else { name.clone() };
            if stands_alone(line) {
                if let Some(run) = run.take() {
                    self.sort(run, false, stray);
                }
                self.sort(Owned { event, data: line.to_owned() }, false, stray);
                continue;
            }
            match &mut run {
                Some(run) => {
                    run.data.push('\n');
                    run.data.push_str(line);
                }
                None => run = Some(Owned { event, data: line.to_owned() }),
            }
        }
        if let Some(run) = run {
            self.sort(run, is_torn, stray);
        }
    }

    fn sort(&mut self, mut frame: Owned, is_torn: bool, stray: &mut Vec<u8>) {
        let data = frame.data.trim_ascii().trim_start_matches('\u{feff}');
        if data == END {
            self.end = Some(frame);
            return;
        }
        if data.is_empty() {
            return;
        }
        let is_json = data.starts_with(['{', '[']);
        if is_torn && is_json && !is_whole(data) {
            return;
        }
        // A named error may be mere words.
        if !is_json && frame.event != "error" {
            self.words.get_or_insert_with(|| plain_word(data));
            return keep(stray, data.as_bytes());
        }
        if data.len() != frame.data.len() {
            frame.data = data.to_owned();
        }
        self.halves.push(frame, &mut self.ready);
    }
}

/// Whether a line is a frame by itself.
fn stands_alone(line: &str) -> bool {
    let line = line.trim_ascii();
    line == END || (line.starts_with(['{', '[']) && is_whole(line))
}
