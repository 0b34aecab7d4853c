//! Where the text of one provider ends and that of the next begins: what that one repeats is left out.

use or_adapters::ModelEvent;

use crate::items::takeover::GOES_ON;

/// Bytes of the text so far, from its end, in which a repetition is looked for.
const TAIL: usize = 2048;
/// A shorter repetition, in bytes, may as well be how the text goes on.
const LEAST: usize = 16;

/// The joint, until the text has passed it.
#[derive(Debug)]
pub(super) struct Joint {
    /// The text that was shown before.
    shown: String,
    /// Whether the next provider was given it as the beginning of its own answer, and not told to go on with it.
    prefilled: bool,
    /// Block of the message that goes on, once it has begun.
    block: Option<u32>,
    /// Text that may be a repetition.
    held: String,
}

/// What comes of an event at the joint.
#[derive(Debug, PartialEq)]
pub(super) enum Passed {
    /// It is for the items as it is; the joint is still ahead.
    On(ModelEvent),
    /// It is kept, or nothing comes of it.
    Held,
    /// Thoughts that come before the text goes on: they have no place between its parts.
    Swallowed,
    /// The text has passed, in this block; these follow.
    Over(u32, Vec<ModelEvent>),
}

impl Joint {
    pub(super) fn new(shown: String, prefilled: bool) -> Self {
        Self { shown, prefilled, block: None, held: String::new() }
    }

    pub(super) fn pass(&mut self, event: ModelEvent) -> Passed {
        match event {
            ModelEvent::MessageStart { block, .. } if self.block.is_none() => {
                self.block = Some(block);
                Passed::Held
            }
            ModelEvent::TextDelta { block, text, .. } if *self.block.get_or_insert(block) == block => {
                self.held.push_str(&text);
                match repeated(&self.shown, &self.held, self.prefilled, false) {
                    None => Passed::Held,
                    Some(_) => self.over(None),
                }
            }
            event @ (ModelEvent::PartDone { block } | ModelEvent::BlockDone { block, .. }) => {
                match self.block == Some(block) {
                    true => self.over(Some(event)),
                    false => Passed::Held,
                }
            }
            ModelEvent::ReasoningDelta { .. }
            | ModelEvent::SummaryDelta { .. }
            | ModelEvent::ReasoningSealed { .. } => Passed::Swallowed,
            event @ (ModelEvent::Usage(_)
            | ModelEvent::ServiceTier(_)
            | ModelEvent::ResponseMember { .. }
            | ModelEvent::Note(_)) => Passed::On(event),
            // What belongs to the message follows its text; all else ends it.
            event @ ModelEvent::Annotation { .. } => self.over(Some(event)),
            event @ (ModelEvent::TextDelta { .. }
            | ModelEvent::MessageStart { .. }
            | ModelEvent::RefusalDelta { .. }
            | ModelEvent::ToolCallStart { .. }
            | ModelEvent::ToolArgsDelta { .. }
            | ModelEvent::HostedItem { .. }
            | ModelEvent::HostedEvent { .. }) => self.ended(event),
            event @ ModelEvent::Finished { .. } => self.over(Some(event)),
        }
    }

    /// What is left of the text that was held, and then this event.
    fn over(&mut self, event: Option<ModelEvent>) -> Passed {
        let block = self.block.unwrap_or(GOES_ON);
        let skipped = repeated(&self.shown, &self.held, self.prefilled, true).unwrap_or_default();
        let text = std::mem::take(&mut self.held).split_off(skipped);
        let text = (!text.is_empty()).then_some(ModelEvent::TextDelta { block, text, logprobs: Vec::new() });
        Passed::Over(block, text.into_iter().chain(event).collect())
    }

    /// The same, where the message ends before the event.
    fn ended(&mut self, event: ModelEvent) -> Passed {
        match self.over(Some(ModelEvent::BlockDone { block: self.block.unwrap_or(GOES_ON), complete: true }))
        {
            Passed::Over(block, mut events) => {
                events.push(event);
                Passed::Over(block, events)
            }
            other => other,
        }
    }
}

/// How many bytes of what came repeat the end of what was shown. `None`: more of it may tell. `is_all`: there is no more.
///
/// Nobody can know whether words are a repetition or the text goes on with the same words: what counts is the whole text
/// from its beginning, or its end from [`LEAST`] bytes on. A provider that was given the text as its own beginning does
/// not repeat its end. The white space at the end of the text is not sent along (some refuse it), so it may come again.
fn repeated(shown: &str, came: &str, prefilled: bool, is_all: bool) -> Option<usize> {
    let space = shown.get(shown.trim_end().len()..).unwrap_or_default();
    let tail = tail(shown);
    let may_grow = came.len() < shown.len() && shown.starts_with(came)
        || came.len() < space.len() && space.starts_with(came)
        || !prefilled && came.len() <= tail.len() && tail.contains(came);
    if may_grow && !is_all {
        return None;
    }
    if came.starts_with(shown) && (!prefilled || shown.len() >= LEAST) {
        return Some(shown.len());
    }
    let longest = came.len().min(tail.len());
    let overlap = (LEAST..=longest)
        .rev()
        .filter(|_| !prefilled)
        .find(|length| came.get(..*length).is_some_and(|begin| tail.ends_with(begin)));
    Some(overlap.unwrap_or_else(|| {
        let same = space.chars().zip(came.chars()).take_while(|(shown, came)| shown == came);
        same.map(|(c, _)| c.len_utf8()).sum()
    }))
}

/// The end of a text, from the beginning of a character on.
fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    /// Sends the text in pieces of `size` characters and gives back what the client would see of it.
    fn through(shown: &str, came: &str, prefilled: bool, size: usize) -> String {
        let mut joint = Joint::new(shown.to_owned(), prefilled);
        let mut seen = String::new();
        let mut is_over = false;
        let chars: Vec<char> = came.chars().collect();
        let texts = chars.chunks(size).map(|piece| ModelEvent::TextDelta {
            block: 3,
            text: piece.iter().collect(),
            logprobs: Vec::new(),
        });
        let end = ModelEvent::BlockDone { block: 3, complete: true };
        for event in texts.chain([end]) {
            let passed = if is_over { Passed::Over(3, vec![event]) } else { joint.pass(event) };
            if let Passed::Over(block, events) = passed {
                is_over = true;
                assert_eq!(block, 3);
                for event in events {
                    if let ModelEvent::TextDelta { text, .. } = event {
                        seen.push_str(&text);
                    }
                }
            }
        }
        seen
    }

    #[track_caller]
    fn check(shown: &str, came: &str, want: &str) {
        for size in [1, 2, 3, 1000] {
            assert_eq!(through(shown, came, false, size), want, "in pieces of {size}");
        }
    }

    #[test]
    fn a_text_that_goes_on_goes_on() {
        check("The answer is ", "forty-two.", "forty-two.");
        check("The answ", "er is forty-two.", "er is forty-two.");
        check("The answer", " is forty-two.", " is forty-two.");
    }

    #[test]
    fn a_text_that_begins_anew_is_shown_once() {
        check("The answer is ", "The answer is forty-two.", "forty-two.");
        check("Hi", "Hi there", " there");
        check("The answer is", "The answer is", "");
    }

    #[test]
    fn the_end_of_it_is_shown_once_if_it_is_long_enough() {
        check("First this. Then the answer is ", "Then the answer is forty-two.", "forty-two.");
        check("It was a bet", "ter day.", "ter day.");
    }

    #[test]
    fn white_space_at_the_joint_is_shown_once() {
        check("One.\n\n", "\n\nTwo.", "Two.");
        check("One.\n\n", "\nTwo.", "Two.");
        check("One. ", "Two.", "Two.");
        assert_eq!(through("One. ", " Two.", true, 1), "Two.");
    }

    #[test]
    fn what_was_its_own_beginning_is_not_looked_for() {
        let end = "and so on and so on and so on";
        assert_eq!(through(&format!("It goes {end}"), &format!("{end}."), true, 4), format!("{end}."));
        assert_eq!(through("It goes and so on", "It goes and so on.", true, 4), ".");
    }

    #[test]
    fn thoughts_before_the_text_are_swallowed_and_calls_end_it() {
        let mut joint = Joint::new("Text".into(), false);
        let thought = ModelEvent::ReasoningDelta { block: 0, text: "hm".into() };
        assert_eq!(joint.pass(thought), Passed::Swallowed);
        assert_eq!(joint.pass(ModelEvent::BlockDone { block: 0, complete: true }), Passed::Held);
        let call = ModelEvent::ToolArgsDelta { block: 1, delta: "{}".into() };
        let end = ModelEvent::BlockDone { block: GOES_ON, complete: true };
        assert_eq!(joint.pass(call.clone()), Passed::Over(GOES_ON, vec![end, call]));
    }

    /// Words that seldom repeat.
    fn words() -> impl Strategy<Value = String> {
        proptest::collection::vec("[a-zé]{1,9}", 8..60).prop_map(|words| words.join(" "))
    }

    proptest! {
        /// Wherever the first provider breaks off, and however much of the end the next one repeats, the client sees the
        /// text once.
        #[test]
        fn no_character_is_lost_or_repeated(text in words(), cut in 0.0..1.0, again in 0.0..1.0, size in 1_usize..9) {
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let cut = ends[(ends.len() as f64 * cut) as usize];
            let from = ends.iter().copied().filter(|at| *at <= cut).collect::<Vec<_>>();
            let again = from[(from.len() as f64 * again) as usize];
            let long = cut - again >= LEAST || again == 0;
            let again = if long { again } else { cut };
            let (shown, came) = (&text[..cut], &text[again..]);
            // Chance repetitions of so few letters are not the joint's to tell.
            prop_assume!(again != cut || !came.starts_with(shown));
            prop_assert_eq!(format!("{shown}{}", through(shown, came, false, size)), text);
        }

        /// Whatever comes, only its beginning is left out, and no more than was shown.
        #[test]
        fn only_what_was_shown_is_left_out(shown in "[ab ]{0,60}", came in "[ab ]{0,80}", prefilled in any::<bool>(), size in 1_usize..9) {
            let seen = through(&shown, &came, prefilled, size);
            prop_assert!(came.ends_with(&seen));
            prop_assert!(shown.ends_with(&came[..came.len() - seen.len()]));
        }
    }
}
