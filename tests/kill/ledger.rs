//! What clients were told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use serde_json::value::RawValue;

use or_test_support::Options;
use or_test_support::schema::schemas;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Unary,
    Stream,
    Polled,
    BackgroundStream,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Unary, Self::Stream, Self::Polled, Self::BackgroundStream];

    pub(crate) fn is_background(self) -> bool {
        matches!(self, Self::Polled | Self::BackgroundStream)
    }

    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::Stream | Self::BackgroundStream)
    }
}

/// One response.
pub(crate) struct Entry {
    pub(crate) round: usize,
    pub(crate) kind: Kind,
    /// Its input, and what its text is made of.
    pub(crate) key: String,
    told: Mutex<Told>,
}

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) id: Option<String>,
    /// Frames by their number.
    pub(crate) frames: BTreeMap<u64, String>,
    /// The response as it ended, byte for byte.
    pub(crate) end: Option<String>,
    /// Its creation was refused.
    pub(crate) refused: bool,
    pub(crate) delete_asked: bool,
    pub(crate) deleted: bool,
}

impl Entry {
    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> Option<String> {
        self.told().id.clone()
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/responses/{}", self.id().unwrap_or_default())
    }

    pub(crate) fn is_told(&self) -> bool {
        self.told().end.is_some()
    }

    fn is_under_way(&self) -> bool {
        let told = self.told();
        told.end.is_none() && !told.delete_asked && !told.refused
    }

    pub(crate) fn can_be_chained_on(&self) -> bool {
        let told = self.told();
        told.end.is_some() && !told.delete_asked
    }

    /// A response object that a client was shown. Says whether it is over.
    #[track_caller]
    pub(crate) fn show(&self, json: &[u8]) -> bool {
        let text = String::from_utf8(json.to_vec()).unwrap();
        let response: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"));
        if let Some(Err(findings)) = schemas().map(|s| s.check_response(&response, Options::STRICT)) {
            panic!("{findings:#?} in {text}");
        }
        let over = !matches!(response["status"].as_str(), Some("queued" | "in_progress"));
        let mut told = self.told();
        let id = told.id.get_or_insert_with(|| response["id"].as_str().unwrap().to_owned());
        assert_eq!(response["id"], id.as_str());
        if let Some(end) = &told.end {
            assert_eq!(&text, end, "{} {:?}: the end is not what it was", self.key, self.kind);
        } else if over {
            told.end = Some(text);
        }
        over
    }

    /// An event of the stream; the answer is its number.
    #[track_caller]
    pub(crate) fn frame(&self, frame: &str) -> u64 {
        let data = frame.split_once("\ndata: ").unwrap_or_else(|| panic!("no frame: {frame}")).1;
        let event: Event<'_> = serde_json::from_str(data).unwrap_or_else(|e| panic!("{e} in {frame}"));
        let earlier = self.told().frames.insert(event.sequence_number, frame.to_owned());
        if let Some(earlier) = earlier {
            assert_eq!(frame, earlier, "{}: a frame is not what it was", self.key);
        }
        match (event.kind, event.response) {
            ("response.completed" | "response.incomplete" | "response.failed", Some(response)) => {
                assert!(self.show(response.get().as_bytes()), "{frame}");
            }
            ("response.created", Some(response)) => {
                let response: Value = serde_json::from_str(response.get()).unwrap();
                self.told().id = response["id"].as_str().map(str::to_owned);
            }
            _ => {}
        }
        event.sequence_number
    }

    /// The frames from the first one up to one that nobody has seen.
    pub(crate) fn shown(&self) -> Vec<String> {
        let told = self.told();
        (0..).map_while(|number| told.frames.get(&number).cloned()).collect()
    }
}

pub(crate) const DONE: &str = "data: [DONE]\n\n";

#[derive(serde::Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    sequence_number: u64,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

/// All of them, oldest first.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<Arc<Entry>>>);

impl Ledger {
    pub(crate) fn open(&self, round: usize, kind: Kind, key: String) -> Arc<Entry> {
        let entry = Arc::new(Entry { round, kind, key, told: Mutex::default() });
        self.0.lock().unwrap().push(Arc::clone(&entry));
        entry
    }

    fn all(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        self.0.lock().unwrap().iter().filter(|entry| wanted(entry)).cloned().collect()
    }

    pub(crate) fn of_round(&self, round: usize) -> Vec<Arc<Entry>> {
        self.all(|entry| entry.round == round)
    }

    pub(crate) fn before_round(&self, round: usize) -> Vec<Arc<Entry>> {
        self.all(|entry| entry.round < round)
    }

    /// Any of the last few that are as wanted.
    pub(crate) fn recent(
        &self,
        rng: &mut fastrand::Rng,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Option<Arc<Entry>> {
        let all = self.0.lock().unwrap();
        let last = &all[all.len().saturating_sub(40)..];
        let found: Vec<_> = last.iter().filter(|entry| wanted(entry)).collect();
        (!found.is_empty()).then(|| Arc::clone(found[rng.usize(0..found.len())]))
    }

    /// How many ends of this round were told, and how many responses are under way.
    pub(crate) fn count(&self, round: usize) -> (usize, usize) {
        let all = self.of_round(round);
        let told = all.iter().filter(|entry| entry.is_told()).count();
        let under_way = all.iter().filter(|entry| entry.is_under_way()).count();
        (told, under_way)
    }
}
