//! Sets up the log: pretty on a terminal, JSON otherwise.

use std::io::{BufWriter, IsTerminal as _, Result, Stderr, Write, stderr};
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::json_line::JsonLine;
use crate::one_line::OneLine;

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `Pretty` if the log goes to a terminal, else `Json`.
    Auto,
    /// For people: colours, times of the day.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// The longest a line waits for others to be written with it. A thread that sleeps costs those who log nothing; one that waits
/// for their next line must be woken for each, which is dearer than all else about it.
const GATHER: Duration = Duration::from_millis(20);

/// What is shown if `RUST_LOG` says nothing. The HTTP library has an error for every malformed request: anybody could
/// fill the log with them.
const DEFAULT: &str = "info,actix_http=off";

/// Starts logging to standard error. `RUST_LOG` chooses what is shown; the default is `info`, without the HTTP library's
/// word on malformed requests. The MCP library is never shown: it writes down all that is said.
///
/// Lines are written by a thread of their own, the first at once and those of the next 20 ms together; dropping the guard
/// writes what is left. A second call does nothing, so that tests and embedding programs may have a log of their own.
#[must_use = "dropping the guard ends the log"]
pub fn init_log(format: LogFormat) -> WorkerGuard {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    if let Ok(no_content) = "rmcp=off".parse() {
        filter = filter.add_directive(no_content);
    }
    let pretty = match format {
        LogFormat::Auto => stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let (writer, guard) = tracing_appender::non_blocking(Gathered(BufWriter::new(stderr())));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(OneLine(writer));
    let _ = if pretty { builder.compact().try_init() } else { builder.event_format(JsonLine).try_init() };
    guard
}

/// What the log's thread writes to. It flushes when no line is left, and then looks for new ones.
struct Gathered(BufWriter<Stderr>);

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()?;
        sleep(GATHER);
        Ok(())
    }
}
