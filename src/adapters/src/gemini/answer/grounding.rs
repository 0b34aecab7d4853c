//! Citations: Gemini's grounding speaks in bytes of the whole answer, ours in code points of a part.

use or_protocol::Annotation;

use crate::gemini::wire::{Grounding, GroundingChunk, GroundingSupport};
use crate::shared::lenient::{Count, Lenient};

/// A statement of the answer and where it comes from.
#[derive(Debug)]
struct Support {
    start: usize,
    end: usize,
    text: Option<String>,
    sources: Vec<(String, String)>,
    used: bool,
}

/// Grounding held until the text it speaks of is complete.
#[derive(Debug, Default)]
pub(super) struct Citations {
    supports: Vec<Support>,
    /// A source had no address, so it cannot be cited.
    pub(super) without_address: bool,
}

/// Most cited spans of an answer: each is looked for in all of its text.
const MAX_SUPPORTS: usize = 256;
/// Most sources of a span.
const MAX_SOURCES: usize = 16;

impl Citations {
    /// Takes in what one chunk says.
    pub(super) fn add(&mut self, grounding: Grounding<'_>) {
        let chunks = grounding.grounding_chunks.0;
        for support in grounding.grounding_supports.0 {
            self.add_support(support, &chunks);
        }
        self.without_address |= chunks.iter().any(|chunk| address(chunk).is_none());
    }

    fn add_support(&mut self, support: GroundingSupport<'_>, chunks: &[Lenient<GroundingChunk<'_>>]) {
        let segment = support.segment.0.unwrap_or_default();
        let place = |count: Count| usize::try_from(count.0?).ok();
        let indices = support.grounding_chunk_indices.0.into_iter();
        let sources: Vec<_> =
            indices.take(MAX_SOURCES).filter_map(|index| address(chunks.get(place(index)?)?)).collect();
        let Some(end) = place(segment.end_index) else { return };
        let start = place(segment.start_index).unwrap_or(0);
        if !sources.is_empty() && self.supports.len() < MAX_SUPPORTS {
            self.supports.push(Support { start, end, text: segment.text.some(), sources, used: false });
        }
    }

    /// Annotations of the message whose text is `answer[start..]`, offsets relative to it.
    pub(super) fn take(&mut self, answer: &str, start: usize) -> Vec<Annotation> {
        let message = answer.get(start..).unwrap_or_default();
        let mut found: Vec<Annotation> = Vec::new();
        for support in self.supports.iter_mut().filter(|s| !s.used) {
            let (from, to) = place(support, answer);
            let from = from.max(start);
            if from >= to {
                continue;
            }
            support.used = true;
            let points = |at: usize| message.get(..at - start).map_or(0, |text| text.chars().count()) as u64;
            let (start_index, end_index) = (points(from), points(to));
            for (url, title) in &support.sources {
                let annotation = Annotation::UrlCitation {
                    url: url.clone(),
                    title: title.clone(),
                    start_index,
                    end_index,
                };
                if !found.contains(&annotation) {
                    found.push(annotation);
                }
            }
        }
        found
    }

    /// Whether something was cited that no message could take.
    pub(super) fn left_over(&self) -> bool {
        self.supports.iter().any(|s| !s.used)
    }
}

/// Where the support's text is, on character borders.
fn place(support: &Support, answer: &str) -> (usize, usize) {
    let start = floor(answer, support.start);
    let end = floor(answer, support.end).max(start);
    if let Some(text) = support.text.as_deref().filter(|t| !t.is_empty())
        && answer.get(start..end) != Some(text)
    {
        let near = answer.get(start..).and_then(|rest| rest.find(text)).map(|at| at + start);
        if let Some(at) = near.or_else(|| answer.find(text)) {
            return (at, at + text.len());
        }
    }
    (start, end)
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Address and title of a source that has one.
fn address(chunk: &Lenient<GroundingChunk<'_>>) -> Option<(String, String)> {
    let chunk = chunk.0.as_ref()?;
    let all = [&chunk.web, &chunk.maps, &chunk.image, &chunk.retrieved_context];
    all.into_iter().filter_map(|source| source.0.as_ref()).find_map(|source| {
        let uri = [&source.uri, &source.source_uri].into_iter().find(|uri| !uri.is_empty())?;
        Some((uri.as_str().to_owned(), source.title.as_str().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(answer: &str, start: usize, segment: &str, want: Option<(u64, u64)>) {
        let mut citations = Citations::default();
        citations.add(
            serde_json::from_str(&format!(
                r#"{{"groundingChunks":[{{"web":{{"uri":"https://a","title":"a"}}}}],
                    "groundingSupports":[{{"segment":{segment},"groundingChunkIndices":[0]}}]}}"#
            ))
            .unwrap(),
        );
        let got: Vec<_> = citations.take(answer, start);
        let want: Vec<_> = want
            .map(|(start_index, end_index)| Annotation::UrlCitation {
                url: "https://a".into(),
                title: "a".into(),
                start_index,
                end_index,
            })
            .into_iter()
            .collect();
        assert_eq!(got, want);
    }

    #[test]
    fn bytes_become_code_points() {
        check("é 21°C. Next", 0, r#"{"endIndex":10,"text":"é 21°C."}"#, Some((0, 7)));
        check("é 21°C. Next", 0, r#"{"startIndex":10,"endIndex":14,"text":" Nex"}"#, Some((7, 11)));
    }

    #[test]
    fn an_offset_that_is_off_is_mended_by_its_text() {
        check("one two", 0, r#"{"startIndex":1,"endIndex":4,"text":"two"}"#, Some((4, 7)));
        check("é", 0, r#"{"startIndex":0,"endIndex":9}"#, Some((0, 1)));
        check("é", 0, r#"{"startIndex":1,"endIndex":1}"#, None);
    }

    #[test]
    fn offsets_count_from_the_message_that_holds_them() {
        check("é1é2", 3, r#"{"startIndex":3,"endIndex":6,"text":"é2"}"#, Some((0, 2)));
        check("é1é2", 3, r#"{"endIndex":3,"text":"é1"}"#, None);
    }
}
