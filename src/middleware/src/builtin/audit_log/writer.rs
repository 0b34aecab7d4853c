//! The thread that writes the lines, and the files that it writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use or_telemetry::Metrics;

/// Lines that wait for the disk, and their bytes together. What finds no room is lost, and counted.
const QUEUE: usize = 8192;
const QUEUE_BYTES: usize = 64 << 20;

/// Which files, and how large.
pub(super) struct Files {
    pub(super) path: PathBuf,
    pub(super) max_bytes: u64,
    pub(super) max_age: Option<Duration>,
    /// Older ones.
    pub(super) keep: u32,
}

/// The way to the thread. When the last one is dropped, what waits is written first.
pub(super) struct Writer {
    /// Taken when it ends.
    lines: Mutex<Option<SyncSender<String>>>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    waiting: AtomicUsize,
    /// Lines that were lost and not told of.
    lost: AtomicU64,
    metrics: Metrics,
}

impl Shared {
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.metrics.audit_line_lost();
    }
}

impl Writer {
    /// # Errors
    /// If the file cannot be written, or there is no thread.
    pub(super) fn start(files: Files, metrics: Metrics) -> io::Result<Self> {
        let current = Current::open(&files.path)?;
        let (sender, lines) = sync_channel(QUEUE);
        let shared = Arc::new(Shared { waiting: AtomicUsize::new(0), lost: AtomicU64::new(0), metrics });
        let log = Log { files, current: Some(current), shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("audit log".into()).spawn(move || log.run(&lines))?;
        Ok(Self { lines: Mutex::new(Some(sender)), shared, thread: Mutex::new(Some(thread)) })
    }

    /// Gives the thread a line, with its end. Never waits.
    pub(super) fn write(&self, line: String) {
        let bytes = line.len();
        let is_room = self.shared.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES;
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = is_room && lines.as_ref().is_some_and(|lines| lines.try_send(line).is_ok());
        if !sent {
            self.shared.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.lose();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It ends with the last line, also if it panicked.
            let _ = thread.join();
        }
    }
}

/// The file that is written.
struct Current {
    file: File,
    bytes: u64,
    since: SystemTime,
}

impl Current {
    fn open(path: &PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let about = file.metadata()?;
        let since = about.created().or_else(|_| about.modified()).unwrap_or_else(|_| SystemTime::now());
        Ok(Self { file, bytes: about.len(), since })
    }
}

struct Log {
    files: Files,
    current: Option<Current>,
    shared: Arc<Shared>,
}

impl Log {
    fn run(mut self, lines: &Receiver<String>) {
        while let Ok(line) = lines.recv() {
            self.shared.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            if let Err(error) = self.write(&line) {
                // The next line tries to open it anew.
                self.current = None;
                self.shared.lose();
                tracing::error!(%error, path = %self.files.path.display(), "the audit log cannot be written");
            }
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        let told = if lost > 0 { format!("{{\"lost_lines\":{lost}}}\n") } else { String::new() };
        let written = self.write_both(&told, line);
        if written.is_err() {
            self.shared.lost.fetch_add(lost, Ordering::Relaxed);
        }
        written
    }

    fn write_both(&mut self, told: &str, line: &str) -> io::Result<()> {
        let more = (told.len() + line.len()) as u64;
        let is_over = |current: &Current| {
            let old =
                self.files.max_age.is_some_and(|max| current.since.elapsed().unwrap_or_default() >= max);
            current.bytes > 0 && (current.bytes + more > self.files.max_bytes || old)
        };
        if self.current.as_ref().is_some_and(is_over) {
            self.current = None;
            self.rotate()?;
        }
        let current = match &mut self.current {
            Some(current) => current,
            none => none.insert(Current::open(&self.files.path)?),
        };
        current.file.write_all([told, line].concat().as_bytes())?;
        current.bytes += more;
        Ok(())
    }

    /// Makes room for a new file. The oldest is removed.
    fn rotate(&self) -> io::Result<()> {
        let name = |number: u32| {
            let mut name = self.files.path.clone().into_os_string();
            if number > 0 {
                name.push(format!(".{number}"));
            }
            PathBuf::from(name)
        };
        if self.files.keep == 0 {
            return fs::remove_file(name(0));
        }
        for number in (0..self.files.keep).rev() {
            match fs::rename(name(number), name(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}
