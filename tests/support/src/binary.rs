//! The real binary as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

/// The path of `open-responses`. Only a test of the package that builds it knows the path, as
/// `env!("CARGO_BIN_EXE_open-responses")`.
#[derive(Clone, Copy, Debug)]
pub struct Program(pub &'static str);

/// A running `open-responses`; killed if the test forgets to stop it.
pub struct Binary {
    pub address: SocketAddr,
    child: Child,
    output: Option<JoinHandle<String>>,
    log: Option<JoinHandle<String>>,
}

impl Program {
    /// The command with an environment that holds nothing else.
    pub fn command(self, folder: &Path, env: &[(&str, &str)]) -> Command {
        let mut command = Command::new(self.0);
        command.current_dir(folder).env_clear().envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it in this folder with this `config.toml`, on a free port; its data are in `data`.
    pub fn start(self, folder: &Path, config: &str, env: &[(&str, &str)]) -> Binary {
        std::fs::write(folder.join("config.toml"), config).unwrap();
        Binary::run(self.command(folder, env).args(["--bind", "127.0.0.1:0"]))
    }

    /// The same from a shell, which first does what it is told.
    pub fn start_after(self, shell: &str, folder: &Path) -> Binary {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\""), self.0]);
        command.args(["--bind", "127.0.0.1:0"]).current_dir(folder).stdin(Stdio::null());
        Binary::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }
}

impl Binary {
    fn run(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        stdout.read_line(&mut greeting).unwrap();
        let address = greeting.trim().rsplit("http://").next().and_then(|a| a.parse().ok());
        let output = std::thread::spawn(move || {
            let mut text = greeting;
            let _ = stdout.read_to_string(&mut text);
            text
        });
        let Some(address) = address else { panic!("it did not start: {}", log.join().unwrap()) };
        Self { address, child, output: Some(output), log: Some(log) }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Sends SIGKILL; returns what it wrote on both channels.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.wait().1
    }

    /// Waits for its end; returns how it went, and what it wrote on both channels.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let text =
            [self.output.take(), self.log.take()].map(|t| t.map(|t| t.join().unwrap()).unwrap_or_default());
        (status, text.concat())
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
