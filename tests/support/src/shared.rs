//! Finds the shared folder (specification and recorded provider traffic) and lists its cases.
//!
//! The folder is `$OPEN_RESPONSES_SHARED`, else `../shared` beside the checkout. A bare clone has neither:
//! then the tests that need it are left out with a note, except on CI, where a missing folder is a failure.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs};

use serde_json::Value;

/// The folders of `fixtures/`, each named after a wire protocol.
pub const PROVIDERS: [&str; 5] = ["anthropic", "gemini", "ollama", "openai-chat", "openai-responses"];

/// How the body of a recorded answer is framed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `response.sse`: server-sent events.
    Sse,
    /// `response.ndjson`: one JSON object a line.
    Ndjson,
    /// `response.json`: one JSON document, an error body included.
    Json,
    /// `response.txt`: a body that is not JSON, such as a proxy's error page.
    Txt,
}

impl Kind {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Sse, "response.sse"),
        (Self::Ndjson, "response.ndjson"),
        (Self::Json, "response.json"),
        (Self::Txt, "response.txt"),
    ];
}

/// One recorded exchange with a provider.
#[derive(Debug)]
pub struct Case {
    /// The wire protocol, one of [`PROVIDERS`].
    pub provider: String,
    /// Folder name, unique within the provider.
    pub name: String,
    pub dir: PathBuf,
    /// `meta.json`, whole.
    pub meta: Value,
    /// The body that was sent; absent where the recording kept only the answer.
    pub request: Option<Value>,
    /// The body that came back, byte for byte.
    pub response: Vec<u8>,
    pub kind: Kind,
    /// HTTP status of the answer.
    pub status: u16,
    /// The recorded headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Whether the request asked for a stream.
    pub streaming: bool,
    /// The conversation that this exchange belongs to and its number in it, from 1.
    pub turn: Option<(String, u32)>,
}

impl Case {
    /// Whether the case has a feature that `meta.json` lists.
    pub fn has(&self, feature: &str) -> bool {
        self.meta["features"].as_array().is_some_and(|list| list.iter().any(|f| f == feature))
    }

    /// `provider/name`, for messages.
    pub fn id(&self) -> String {
        format!("{}/{}", self.provider, self.name)
    }
}

/// The shared folder, or `None` in a bare clone.
///
/// # Panics
/// When the folder is missing and `CI` is `true`, because there a skipped test would look like a passed one.
pub fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOLDER.get_or_init(|| {
        // The crates of the workspace use this file too, so their own folder is not the root.
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = own.ancestors().find(|dir| dir.join("Cargo.lock").is_file()).unwrap_or(own);
        // A relative override is meant from the root.
        let dir =
            env::var_os("OPEN_RESPONSES_SHARED").map_or_else(|| root.join("../shared"), |dir| root.join(dir));
        let found = dir.join("spec").is_dir();
        if !found {
            // Not `eprintln!`, whose words the test harness keeps to itself when the test passes. Nothing is
            // lost if nobody can hear it.
            let note = b"left out: there is no shared folder (set OPEN_RESPONSES_SHARED)\n";
            let _ = std::io::stderr().write_all(note);
        }
        found.then_some(dir)
    });
    if found.is_none() {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "the shared folder is missing; set OPEN_RESPONSES_SHARED"
        );
    }
    found.as_deref()
}

/// All recorded cases in order of provider and name, or `None` in a bare clone.
pub fn cases() -> Option<&'static [Case]> {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    let fixtures = folder()?.join("fixtures");
    Some(CASES.get_or_init(|| {
        PROVIDERS.iter().flat_map(|provider| read_provider(&fixtures.join(provider), provider)).collect()
    }))
}

/// The cases of one provider, or `None` in a bare clone.
pub fn cases_of(provider: &str) -> Option<impl Iterator<Item = &'static Case> + use<'_>> {
    Some(cases()?.iter().filter(move |case| case.provider == provider))
}

/// One case by provider and name, or `None` in a bare clone.
///
/// # Panics
/// When the folder is there and the case is not: the test names a recording that was removed.
#[expect(clippy::panic, reason = "a wrong name is a mistake in the test")]
pub fn case(provider: &str, name: &str) -> Option<&'static Case> {
    let mut cases = cases_of(provider)?;
    Some(cases.find(|case| case.name == name).unwrap_or_else(|| panic!("no recording {provider}/{name}")))
}

fn read_provider(dir: &Path, provider: &str) -> Vec<Case> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    dirs.sort();
    dirs.into_iter().map(|dir| read_case(dir, provider)).collect()
}

#[expect(clippy::panic, reason = "a damaged recording must not pass as an absent one")]
fn read_case(dir: PathBuf, provider: &str) -> Case {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(meta) = read_json(&dir.join("meta.json")) else { panic!("{provider}/{name} has no meta.json") };
    let body = Kind::ALL.iter().find_map(|(kind, file)| Some((*kind, fs::read(dir.join(file)).ok()?)));
    let Some((kind, response)) = body else { panic!("{provider}/{name} has no response") };
    let status = meta["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let Some(status) = status else { panic!("{provider}/{name} has no status") };
    Case {
        provider: provider.to_owned(),
        request: read_json(&dir.join("request.json")),
        response,
        kind,
        status,
        headers: headers(&meta),
        streaming: meta["streaming"] == true,
        turn: turn(&meta, &name),
        name,
        dir,
        meta,
    }
}

#[expect(clippy::panic, reason = "a damaged recording must not pass as an absent one")]
fn read_json(path: &Path) -> Option<Value> {
    let bytes = fs::read(path).ok()?;
    let parsed = serde_json::from_slice(&bytes);
    Some(parsed.unwrap_or_else(|error| panic!("{} is not JSON: {error}", path.display())))
}

fn headers(meta: &Value) -> Vec<(String, String)> {
    let pairs = meta["headers"].as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.to_lowercase(), value.as_str()?.to_owned()))).collect()
}

/// A grouped case ends in `-t` and its turn number.
fn turn(meta: &Value, name: &str) -> Option<(String, u32)> {
    let group = meta["group"].as_str()?;
    let number = name.rsplit_once("-t")?.1.parse().ok()?;
    Some((group.to_owned(), number))
}
