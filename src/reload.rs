//! When a server at work reads its configuration again.

use std::future::pending;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

/// Between two looks at the file. One that is still being written differs from look to look.
const LOOK: Duration = Duration::from_secs(1);

/// Tells when the configuration is to be read again: after a SIGHUP, and if wanted when its file has changed.
pub(crate) struct Changes {
    hangup: Signal,
    file: PathBuf,
    watched: bool,
    /// The file that was read last.
    read: Option<Stamp>,
}

/// What differs between two states of a file, also where another was put in its place. `None`: there is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    changed: SystemTime,
    bytes: u64,
    inode: u64,
}

impl Changes {
    /// Of this file, which was read just now.
    pub(crate) async fn new(file: PathBuf, watched: bool) -> io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let read = stamp(&file).await;
        Ok(Self { hangup, file, watched, read })
    }

    /// Whether changes of the file count.
    pub(crate) fn watch(&mut self, watched: bool) {
        self.watched = watched;
    }

    /// Waits until the configuration is to be read. Nothing is lost if it is dropped.
    pub(crate) async fn next(&mut self) {
        let changed =
            async { if self.watched { changed(&self.file, self.read).await } else { pending().await } };
        self.read = tokio::select! {
            stamp = changed => stamp,
            _ = self.hangup.recv() => stamp(&self.file).await,
        };
    }
}

/// Waits for a state of the file that is not this one, and that stays as it is from one look to the next.
async fn changed(file: &PathBuf, read: Option<Stamp>) -> Option<Stamp> {
    let mut before = read;
    loop {
        sleep(LOOK).await;
        let now = stamp(file).await;
        if now == before && now != read {
            return now;
        }
        before = now;
    }
}

async fn stamp(file: &PathBuf) -> Option<Stamp> {
    let of = tokio::fs::metadata(file).await.ok()?;
    Some(Stamp { changed: of.modified().ok()?, bytes: of.size(), inode: of.ino() })
}
