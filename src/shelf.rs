//! `responses`: what is stored, and away with what is stuck.

use std::io::{self, Write};

use anyhow::Context as _;
use open_responses::config::Config;
use open_responses::init_log;
use open_responses::protocol::ResponseId;
use open_responses::store::{Entry, Shelf};

/// Writes a line for each response to standard output, its fields parted by tabs.
pub(crate) fn list(config: &Config, unfinished: bool) -> anyhow::Result<()> {
    let _log = init_log(config.server.log_format);
    let shelf = Shelf::open(&config.store.path)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut written = writeln!(out, "id\tstatus\tcreated_at\tbytes\ttries\towner\tproblem");
    shelf.list(unfinished, &mut |entry| {
        if written.is_ok() {
            written = write(&mut out, &entry);
        }
    })?;
    match written.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("the list cannot be written"),
    }
}

fn write(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let Entry { id, owner, status, bytes, tries, problem } = entry;
    let (status, created_at) = match status {
        Some((status, at)) => (serde_json::to_string(status).map_err(io::Error::other)?, at.to_string()),
        None => ("?".into(), "?".into()),
    };
    let status = status.trim_matches('"');
    // A name may have anything in it, also what would be another line.
    let owner = owner.as_deref().unwrap_or("?").escape_debug();
    let problem = problem.as_deref().unwrap_or("-").escape_debug();
    writeln!(out, "{id}\t{status}\t{created_at}\t{bytes}\t{tries}\t{owner}\t{problem}")
}

/// Removes the responses with these ids.
pub(crate) fn remove(config: &Config, ids: &[String]) -> anyhow::Result<()> {
    let _log = init_log(config.server.log_format);
    let parsed = ids
        .iter()
        .map(|id| ResponseId::parse(id).with_context(|| format!("`{id}` is not the id of a response")));
    let ids = parsed.collect::<Result<Vec<_>, _>>()?;
    let shelf = Shelf::open(&config.store.path)?;
    let mut missing = 0;
    for id in &ids {
        let removed = shelf.remove(id)?;
        missing += usize::from(!removed);
        let said = if removed { "removed" } else { "is not in the store" };
        // If nobody listens it is done all the same.
        let _ = writeln!(io::stderr(), "{id} {said}");
    }
    anyhow::ensure!(missing == 0, "some responses were not there");
    Ok(())
}
