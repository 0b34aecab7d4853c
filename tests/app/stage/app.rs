//! The real server in a thread of its own, on a free port; its history is in memory unless the test wants a
//! disk.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use open_responses::config::{Config, Env};
use open_responses::{RunningResponse, ServerBuilder, StartError};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::stage::memory::Memory;
use or_test_support::client::{Answer, Connection};

/// Held by the one server that has a disk. All databases of a process share one lock inside sled 0.34, and
/// closing one while another commits can stop both for ever; a real server has only one.
static DISK: Mutex<()> = Mutex::new(());

type Customise = Box<dyn FnOnce(ServerBuilder) -> ServerBuilder + Send>;

/// What a test starts the server with.
pub(crate) struct Setup {
    config: String,
    env: Vec<(String, String)>,
    disk: Option<Arc<TempDir>>,
    customise: Customise,
}

/// A running server; stops in order when dropped.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    /// Where the metrics are told, if apart.
    pub(crate) metrics: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    /// Asks the server which responses are running.
    looks: UnboundedSender<mpsc::Sender<Vec<RunningResponse>>>,
    thread: Option<JoinHandle<()>>,
    disk: Option<(Arc<TempDir>, MutexGuard<'static, ()>)>,
}

/// A server with this configuration. Keys of `[server]` are written with their dots, before any table.
pub(crate) fn setup(config: impl Into<String>) -> Setup {
    Setup { config: config.into(), env: Vec::new(), disk: None, customise: Box::new(|builder| builder) }
}

impl Setup {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With its history in this folder.
    pub(crate) fn disk(mut self, folder: &Arc<TempDir>) -> Self {
        self.disk = Some(Arc::clone(folder));
        self
    }

    pub(crate) fn with(
        mut self,
        customise: impl FnOnce(ServerBuilder) -> ServerBuilder + Send + 'static,
    ) -> Self {
        self.customise = Box::new(customise);
        self
    }

    #[track_caller]
    pub(crate) fn start(self) -> App {
        let disk = self.disk.map(|folder| (folder, DISK.lock().unwrap_or_else(PoisonError::into_inner)));
        let workers = if self.config.contains("server.workers") { "" } else { "server.workers = 2\n" };
        // What comes of one call is what most tests look at.
        let retries = if self.config.contains("resilience") { "" } else { "resilience.retries = 0\n" };
        let text = format!("server.bind = '127.0.0.1:0'\n{workers}{retries}{}", self.config);
        let mut config = Config::from_toml(&text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
        // Tests ask it beside other providers and with client keys.
        if let Some(demo) = config.providers.get_mut("demo") {
            demo.enabled = demo.enabled.or(Some(true));
        }
        let in_memory = disk.is_none();
        if let Some((folder, _)) = &disk {
            config.store.path = folder.path().to_owned();
        }
        let resolved = config.resolve(&self.env.into_iter().collect::<Env>()).unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let (looks, mut asked) = unbounded_channel::<mpsc::Sender<_>>();
        let (told, started) = mpsc::channel();
        let customise = self.customise;
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let mut builder = ServerBuilder::new(resolved);
                if in_memory {
                    builder = builder.store(Arc::new(Memory::default()));
                }
                let running = match customise(builder).start() {
                    Ok(running) => running,
                    Err(error) => return told.send(Err::<Vec<SocketAddr>, StartError>(error)).unwrap(),
                };
                told.send(Ok(running.addresses().to_vec())).unwrap();
                loop {
                    tokio::select! {
                        _ = &mut stopped => break,
                        Some(answer) = asked.recv() => answer.send(running.responses()).unwrap(),
                    }
                }
                running.stop().await.unwrap();
            });
        });
        let addresses = started.recv().unwrap().unwrap_or_else(|e| panic!("{e}"));
        let (address, metrics) = (addresses[0], addresses.get(1).copied());
        App { address, metrics, stop: Some(stop), looks, thread: Some(thread), disk }
    }
}

impl App {
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Connection {
        Connection::send(self.address, method, path, headers, body)
    }

    /// Begins a creation and reads nothing.
    pub(crate) fn open(&self, body: &Value) -> Connection {
        self.request("POST", "/v1/responses", &[], Some(body.to_string().as_bytes()))
    }

    pub(crate) fn post_with(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.request("POST", "/v1/responses", headers, Some(body.to_string().as_bytes())).finish()
    }

    pub(crate) fn post(&self, body: &Value) -> Answer {
        self.post_with(&[], body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], None).finish()
    }

    /// The stored response with this id.
    pub(crate) fn stored(&self, id: &Value) -> Answer {
        self.get(&format!("/v1/responses/{}", id.as_str().unwrap_or_default()))
    }

    /// The responses in progress, as a program that embeds the server sees them.
    pub(crate) fn running(&self) -> Vec<RunningResponse> {
        let (answer, running) = mpsc::channel();
        self.looks.send(answer).unwrap();
        running.recv().unwrap()
    }

    /// Tells it to stop and does not wait.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Stops it in order; panics if it did not stop well.
    pub(crate) fn stop(mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.disk = None;
    }
}

pub(crate) fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// All files under a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}
