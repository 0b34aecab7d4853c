//! What texts cite.

use or_protocol::Annotation;

use super::AnswerTranslator;
use crate::anthropic::wire::Citation;
use crate::{ModelEvent, Note};

impl AnswerTranslator {
    pub(super) fn cite(&mut self, index: u64, citation: Citation<'_>, out: &mut Vec<ModelEvent>) {
        let Some(url) = citation.url.some() else {
            return self.note_citation("citations without a URL have no standard form", out);
        };
        match self.open_text(index).and_then(|at| self.open.get_mut(at)).filter(|open| !open.ended) {
            Some(open) => {
                let title = citation.title.0.into_owned();
                open.cite(Annotation::UrlCitation { url, title, start_index: 0, end_index: 0 });
            }
            None => self.note_citation("a citation came without its text", out),
        }
    }

    fn note_citation(&mut self, why: &str, out: &mut Vec<ModelEvent>) {
        if !self.noted_citations {
            self.noted_citations = true;
            out.push(ModelEvent::Note(Note::dropped("output.annotations", why)));
        }
    }
}
