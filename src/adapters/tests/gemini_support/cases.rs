//! Reads the recordings; none where the folder is absent.
#![allow(clippy::print_stdout, reason = "says that the tests were left out")]

use std::path::PathBuf;

use serde_json::Value;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) sse: bool,
    pub(crate) request: Option<Value>,
}

pub(crate) fn cases() -> Vec<Case> {
    let shared = std::env::var("OPEN_RESPONSES_SHARED")
        .map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("fixtures/gemini");
    let Ok(list) = std::fs::read_dir(&folder) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no recordings at {}", folder.display());
        println!("left out: no recordings");
        return Vec::new();
    };
    let mut cases: Vec<_> = list
        .map(|entry| {
            let path = entry.unwrap().path();
            let meta: Value =
                serde_json::from_slice(&std::fs::read(path.join("meta.json")).unwrap()).unwrap();
            let sse = path.join("response.sse").exists();
            let body = path.join(if sse { "response.sse" } else { "response.json" });
            Case {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                model: meta["model"].as_str().unwrap().to_owned(),
                status: u16::try_from(meta["status"].as_u64().unwrap()).unwrap(),
                body: std::fs::read(body).unwrap(),
                sse,
                request: std::fs::read(path.join("request.json"))
                    .ok()
                    .map(|bytes| serde_json::from_slice(&bytes).unwrap()),
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}
