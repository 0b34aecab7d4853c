//! `export` and `import`: the store as lines of JSON, with a progress bar for who watches.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use open_responses::config::Config;
use open_responses::init_log;
use open_responses::store::{Export, Step, TransferError, import as read_in};

/// Writes all responses to a file, or to standard output if that is `-`.
///
/// A file appears under its name when it is whole, in place of an earlier one.
pub(crate) fn export(config: &Config, file: &Path) -> anyhow::Result<()> {
    let _log = init_log(config.server.log_format);
    let store = Export::open(&config.store.path)?;
    let bar = if io::stderr().is_terminal() {
        bar(store.count()?, "{bar:40} {human_pos}/{human_len} responses, {eta} left")?
    } else {
        ProgressBar::hidden()
    };
    let mut tally = Tally::new(&bar);
    if is_stream(file) {
        let mut out = io::stdout().lock();
        store.run(&mut out, &mut |step| tally.tell(step, 1))?;
    } else {
        let mut name = file.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let mut out = new_file(&part).with_context(|| format!("cannot write {}", part.display()))?;
        store.run(&mut out, &mut |step| tally.tell(step, 1))?;
        out.sync_all().and_then(|()| std::fs::rename(&part, file)).with_context(|| {
            format!("cannot finish {}; what was written is in {}", file.display(), part.display())
        })?;
    }
    tally.say("exported")
}

/// Reads responses from a file, or from standard input if that is `-`.
pub(crate) fn import(config: &Config, file: &Path, overwrite: bool) -> anyhow::Result<()> {
    let _log = init_log(config.server.log_format);
    let (mut input, length): (Box<dyn BufRead>, _) = if is_stream(file) {
        (Box::new(io::stdin().lock()), None)
    } else {
        let open = || {
            let file = File::open(file)?;
            let length = file.metadata()?.len();
            Ok::<_, io::Error>((file, length))
        };
        let (input, length) = open().with_context(|| format!("cannot read {}", file.display()))?;
        (Box::new(BufReader::with_capacity(1 << 20, input)), Some(length))
    };
    let bar = match length {
        _ if !io::stderr().is_terminal() => ProgressBar::hidden(),
        Some(length) => bar(length, "{bar:40} {bytes}/{total_bytes}, {eta} left")?,
        None => ProgressBar::new_spinner(),
    };
    let mut tally = Tally::new(&bar);
    let end = read_in(&config.store.path, overwrite, &mut input, &mut |step| {
        let bytes = match &step {
            Step::Written(bytes) | Step::Kept(bytes) | Step::Refused(bytes, _) => *bytes,
        };
        tally.tell(step, bytes);
    });
    if let Err(error @ TransferError::Open(_)) = end {
        return Err(error.into());
    }
    let said = tally.say("imported");
    end.context("not all was imported; the same lines may be given again")?;
    said
}

/// A new file that only its user can read, in place of what an earlier export left there; never through a link.
fn new_file(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

fn is_stream(file: &Path) -> bool {
    file == Path::new("-")
}

fn bar(length: u64, template: &str) -> anyhow::Result<ProgressBar> {
    Ok(ProgressBar::new(length).with_style(ProgressStyle::with_template(template)?))
}

/// What became of the responses so far.
struct Tally<'a> {
    bar: &'a ProgressBar,
    written: u64,
    bytes: u64,
    kept: u64,
    refused: u64,
}

impl<'a> Tally<'a> {
    fn new(bar: &'a ProgressBar) -> Self {
        Self { bar, written: 0, bytes: 0, kept: 0, refused: 0 }
    }

    fn tell(&mut self, step: Step, progress: u64) {
        match step {
            Step::Written(bytes) => {
                self.written += 1;
                self.bytes += bytes;
            }
            Step::Kept(_) => self.kept += 1,
            Step::Refused(_, reason) => {
                self.refused += 1;
                self.bar.suspend(|| warn(&format!("refused: {reason}")));
            }
        }
        self.bar.inc(progress);
    }

    fn say(&self, done: &str) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        let Self { written, bytes, kept, refused, .. } = self;
        let mut text = format!("{} responses {done}, {}", HumanCount(*written), HumanBytes(*bytes));
        for (count, what) in [(kept, "were there already"), (refused, "were refused")] {
            if *count > 0 {
                text.push_str(&format!("; {} {what}", HumanCount(*count)));
            }
        }
        warn(&text);
        anyhow::ensure!(*refused == 0, "some responses were not {done}");
        Ok(())
    }
}

/// Says something on standard error, for standard output may be the lines; if that is closed nobody listens.
fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
