//! Sets up the log: pretty on a terminal, JSON otherwise.

mod json_line;

use std::io::{BufWriter, IsTerminal as _};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use json_line::JsonLine;

/// Starts logging to standard error. `RUST_LOG` chooses what is shown; the default is `info`. The MCP
/// library is never shown: it writes down all that is said.
///
/// Lines are written by a thread of their own, several at a time under load; dropping the guard writes what
/// is left. A second call does nothing, so that tests and embedding programs may have a log of their own.
#[must_use = "dropping the guard ends the log"]
pub fn init_log(format: LogFormat) -> WorkerGuard {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    if let Ok(no_content) = "rmcp=off".parse() {
        filter = filter.add_directive(no_content);
    }
    let pretty = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let (writer, guard) = tracing_appender::non_blocking(BufWriter::new(std::io::stderr()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let _ = if pretty { builder.compact().try_init() } else { builder.event_format(JsonLine).try_init() };
    guard
}
