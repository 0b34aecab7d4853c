//! The programs that run, and their end: with their call or session, and with the server, however that ends.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, BufRead, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child as Watcher, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command as Program};

/// A program and what it started; killed when dropped, and once only: when nobody is left, the system may give the
/// id to others.
pub(crate) struct Group(AtomicI32);

impl Group {
    /// Starts a program in a group of its own. The watcher runs before it does, so that it is told at once: a program that
    /// began while the watcher was being started outlived a server that was killed just then.
    pub(crate) fn start(command: &mut Program) -> io::Result<(Child, Self)> {
        watched();
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = Self::of(&child);
        Ok((child, group))
    }

    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
        tell('+', id);
        Self(AtomicI32::new(id))
    }

    pub(crate) fn kill(&self) {
        let id = self.0.swap(0, Ordering::Relaxed);
        if kill(id) {
            tell('-', id);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// False if there is nothing to kill.
fn kill(id: i32) -> bool {
    // An error means that nobody is left. The ids 0 and 1 stand for other things.
    let id = Pid::from_raw(id).filter(|_| id > 1);
    id.map(|id| kill_process_group(id, Signal::KILL)).is_some()
}

/// How the watcher is started.
static START: OnceLock<Vec<OsString>> = OnceLock::new();
/// The watcher, once there was a program.
static WATCHER: Mutex<Option<Watcher>> = Mutex::new(None);

/// Has a process of its own kill the programs that run when this one ends, even by `kill -9`. `command`: a program and its
/// arguments that call [`watch`] on their standard input. Without this, such an end leaves programs alone that do not end
/// by themselves when their input is closed.
///
/// The watcher is started with the first program. A second call has no effect.
pub fn watch_with(command: Vec<OsString>) {
    let _ = START.set(command);
}

/// What the watcher does: takes in which process groups there are, and kills those that are left at the end.
pub fn watch(input: impl BufRead) {
    let mut groups = HashSet::new();
    for line in input.lines().map_while(Result::ok) {
        match (line.get(..1), line.get(1..).and_then(|id| id.parse::<i32>().ok())) {
            (Some("+"), Some(id)) => drop(groups.insert(id)),
            (Some("-"), Some(id)) => drop(groups.remove(&id)),
            _ => {}
        }
    }
    for id in groups {
        kill(id);
    }
}

/// Starts the watcher, unless it runs.
fn watched() {
    let Some(command) = START.get() else { return };
    let mut watcher = WATCHER.lock().unwrap_or_else(PoisonError::into_inner);
    if watcher.is_none() {
        *watcher = started(command);
    }
}

/// Tells the watcher of a group. A watcher that is gone is started anew; it knows only of what comes then.
fn tell(what: char, id: i32) {
    let Some(command) = START.get().filter(|_| id > 1) else { return };
    let mut watcher = WATCHER.lock().unwrap_or_else(PoisonError::into_inner);
    let word = format!("{what}{id}\n");
    let say = |watcher: &mut Option<Watcher>| match watcher.as_mut().and_then(|w| w.stdin.as_mut()) {
        // Short enough to be written at once and as a whole.
        Some(pipe) => pipe.write_all(word.as_bytes()),
        None => Err(io::ErrorKind::NotConnected.into()),
    };
    if say(&mut watcher).is_ok() || what == '-' {
        return;
    }
    if let Some(mut lost) = watcher.take() {
        tracing::warn!("the process that watches over programs was gone");
        // So that it does not stay as a zombie.
        let _ = lost.kill().and_then(|()| lost.wait());
    }
    *watcher = started(command);
    let _ = say(&mut watcher);
}

fn started(command: &[OsString]) -> Option<Watcher> {
    start(command)
        .inspect_err(|error| tracing::warn!(%error, "the process that watches over programs does not start"))
        .ok()
}

fn start(command: &[OsString]) -> io::Result<Watcher> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::ErrorKind::NotFound.into());
    };
    Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What a terminal sends to the server is not for it.
        .process_group(0)
        .spawn()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn sleeper() -> (Watcher, i32) {
        let child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let id = i32::try_from(child.id()).unwrap();
        (child, id)
    }

    #[test]
    fn what_is_left_at_the_end_is_killed() {
        let ((mut left, left_id), (mut done, done_id)) = (sleeper(), sleeper());
        watch(format!("+{done_id}\n+{left_id}\n-{done_id}\n+0\n+1\n-7\nnonsense\n+\n").as_bytes());
        let over = Instant::now() + Duration::from_secs(30);
        while left.try_wait().unwrap().is_none() {
            assert!(Instant::now() < over);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(done.try_wait().unwrap().is_none());
        done.kill().unwrap();
        done.wait().unwrap();
    }
}
