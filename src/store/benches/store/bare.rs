//! The same work with sled alone: what a program would write that has no store.

use std::path::Path;
use std::time::Instant;

use or_protocol::ResponseId;
use or_store::StoredResponse;
use serde::Deserialize;

use crate::{Run, record};

pub(crate) fn open(path: &Path) -> sled::Db {
    sled::Config::new().path(path).cache_capacity(64 << 20).open().unwrap()
}

/// One batch and one flush.
pub(crate) fn put(db: &sled::Db, id: &ResponseId, record: &StoredResponse) {
    let mut batch = sled::Batch::default();
    batch.insert(id.as_str(), record.encode().unwrap());
    db.apply_batch(batch).unwrap();
    db.flush().unwrap();
}

/// A thread for each writer, one batch and one flush for each record.
pub(crate) async fn commits(db: &sled::Db, writers: usize, each: usize) -> Run {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let db = db.clone();
            tokio::task::spawn_blocking(move || {
                let mut times = Vec::with_capacity(each);
                for _ in 0..each {
                    let id = ResponseId::new();
                    let record = record(&id, None, 600);
                    let begin = Instant::now();
                    put(&db, &id, &record);
                    times.push(begin.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    Run { times, whole: begin.elapsed() }
}

/// Gets every link's bytes, and of its JSON only the link; the number of links.
pub(crate) fn chain(db: &sled::Db, last: &ResponseId) -> usize {
    #[derive(Deserialize)]
    struct Link {
        previous_response_id: Option<String>,
    }
    let mut next = Some(last.to_string());
    let mut links = 0;
    while let Some(id) = next {
        let bytes = db.get(id).unwrap().unwrap();
        let link: Link = serde_json::from_slice(&bytes[1..]).unwrap();
        next = link.previous_response_id;
        links += 1;
    }
    links
}
