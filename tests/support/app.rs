//! The real server in a thread of its own, on a free port and a data folder that goes with the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use open_responses::config::{Config, Env};
use open_responses::{ServerBuilder, StartError};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::client::{Answer, Connection};

type Customise = Box<dyn FnOnce(ServerBuilder) -> ServerBuilder + Send>;

/// What a test starts the server with.
pub(crate) struct Setup {
    config: String,
    env: Vec<(String, String)>,
    data: Option<Arc<TempDir>>,
    customise: Customise,
}

/// A running server; stops in order when dropped.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    data: Arc<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A server with this configuration. Keys of `[server]` are written with their dots, before any table.
pub(crate) fn setup(config: impl Into<String>) -> Setup {
    Setup { config: config.into(), env: Vec::new(), data: None, customise: Box::new(|builder| builder) }
}

impl Setup {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On the data of an earlier server.
    pub(crate) fn data(mut self, data: Arc<TempDir>) -> Self {
        self.data = Some(data);
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
        let data = self.data.unwrap_or_else(|| Arc::new(tempfile::tempdir().unwrap()));
        let workers = if self.config.contains("server.workers") { "" } else { "server.workers = 2\n" };
        let text = format!("server.bind = '127.0.0.1:0'\n{workers}{}", self.config);
        let mut config = Config::from_toml(&text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
        config.store.path = data.path().to_owned();
        let resolved = config.resolve(&self.env.into_iter().collect::<Env>()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (told, started) = mpsc::channel();
        let customise = self.customise;
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let running = match customise(ServerBuilder::new(resolved)).start() {
                    Ok(running) => running,
                    Err(error) => return told.send(Err::<SocketAddr, StartError>(error)).unwrap(),
                };
                told.send(Ok(running.addresses()[0])).unwrap();
                let _ = stopped.await;
                running.stop().await.unwrap();
            });
        });
        let address = started.recv().unwrap().unwrap_or_else(|e| panic!("{e}"));
        App { address, data, stop: Some(stop), thread: Some(thread) }
    }
}

impl App {
    /// The folder, to hand to the next server.
    pub(crate) fn data(&self) -> Arc<TempDir> {
        Arc::clone(&self.data)
    }

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

    /// Tells it to stop and does not wait.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Stops it in order; panics if it did not stop well.
    pub(crate) fn stop(mut self) -> Arc<TempDir> {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.data()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
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
