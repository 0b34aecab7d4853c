//! The `open-responses` binary.

mod client_keys;
mod conformance;
mod reload;
mod shelf;
mod transfer;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use open_responses::config::{Cli, Command, ConfigError, Env, OffReason, ProviderState, Resolved, Responses};
use open_responses::tools::{watch, watch_with};
use open_responses::{Running, ServerBuilder, init_log};
use rustix::fs::Mode;
use tokio::signal::unix::{SignalKind, signal};

use reload::Changes;

/// Gives what a large request had back to the system within seconds; glibc's keeps it for good.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the summary is what `check-config` is asked for")]
fn run() -> anyhow::Result<ExitCode> {
    // What it makes has what users said, and is nobody else's to read.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let (cli, env) = (Cli::of_process(), Env::of_process());
    match cli.command() {
        Command::CheckConfig => {
            let resolved = cli.load(&env)?;
            let summary = resolved.to_string();
            ServerBuilder::new(resolved).check()?;
            print!("{summary}");
        }
        Command::Export { file } => transfer::export(&cli.load_config(&env)?, &file)?,
        Command::Import { file, overwrite } => transfer::import(&cli.load_config(&env)?, &file, overwrite)?,
        Command::Responses(Responses::List { unfinished }) => {
            shelf::list(&cli.load_config(&env)?, unfinished)?;
        }
        Command::Responses(Responses::Remove { ids }) => shelf::remove(&cli.load_config(&env)?, &ids)?,
        Command::Keys(keys) => return Ok(client_keys::run(&cli.load_config(&env)?, &env, &keys)),
        Command::Conformance(asked) => return Ok(conformance::run(&env, &asked)),
        Command::WatchPrograms => watch(std::io::stdin().lock()),
        Command::Serve => serve(&cli, &env)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(cli: &Cli, env: &Env) -> anyhow::Result<()> {
    let resolved = cli.load(env)?;
    let _log = init_log(resolved.config.server.log_format);
    match this_program() {
        Ok(program) => watch_with(vec![program.into(), "watch-programs".into()]),
        Err(error) => {
            tracing::warn!(%error, "programs of tools are not watched over: this one does not find itself")
        }
    }
    for warning in resolved.warnings() {
        tracing::warn!("{warning}");
    }
    let greeting = Greeting::new(&resolved);
    let watched = resolved.config.server.watch_config;
    actix::System::new().block_on(async move {
        let changes = Changes::new(cli.config_file().to_owned(), watched).await;
        let changes = changes.context("cannot listen for SIGHUP")?;
        let running = ServerBuilder::new(resolved).start()?;
        greeting.say(&running);
        wait(running, changes, || cli.load(env)).await
    })
}

/// The running program, also if its file was replaced meanwhile.
fn this_program() -> std::io::Result<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { Ok(own) } else { std::env::current_exe() }
}

/// Serves until a signal, or until the store dies. `load` reads the configuration again.
async fn wait(
    mut running: Running,
    mut changes: Changes,
    load: impl Fn() -> Result<Resolved, ConfigError>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let store_died = loop {
        tokio::select! {
            _ = terminate.recv() => break false,
            _ = interrupt.recv() => break false,
            () = running.store_died() => break true,
            () = changes.next() => {
                let loaded = load();
                let watched = loaded.as_ref().is_ok_and(|resolved| resolved.config.server.watch_config);
                // The log has why it was refused.
                if running.reload(loaded).await.is_ok() {
                    changes.watch(watched);
                }
            }
        }
    };
    tracing::info!("stopping");
    tokio::select! {
        stopped = running.stop() => stopped.context("the server did not stop in order")?,
        // Who asks twice does not want to wait for the streams.
        _ = interrupt.recv() => anyhow::bail!("stopped at once by a second interrupt"),
    }
    anyhow::ensure!(!store_died, "the store's writer died; restart the server");
    Ok(())
}

/// What a person wants to know when the server is up.
struct Greeting {
    on: Vec<String>,
    client_keys_only: Vec<String>,
    /// Why the demo is off, if it is.
    demo_off: Option<String>,
    keyed: bool,
}

impl Greeting {
    fn new(resolved: &Resolved) -> Self {
        let (mut on, mut client_keys_only) = (Vec::new(), Vec::new());
        let mut demo_off = None;
        for (name, provider) in &resolved.providers {
            match &provider.state {
                ProviderState::On { .. } => on.push(name.clone()),
                ProviderState::ClientKeyOnly => client_keys_only.push(name.clone()),
                ProviderState::Off(reason @ OffReason::NotAlone) => demo_off = Some(reason.to_string()),
                ProviderState::Off(_) => {}
            }
        }
        Self { on, client_keys_only, demo_off, keyed: resolved.wants_key() }
    }

    #[expect(clippy::print_stdout, reason = "the greeting is for the person at the terminal")]
    fn say(&self, running: &Running) {
        let Some(address) = running.addresses().first() else { return };
        println!("open-responses listens on http://{address}");
        println!("providers: {}", self.on.join(", "));
        if !self.client_keys_only.is_empty() {
            println!("with the client's own key: {}", self.client_keys_only.join(", "));
        }
        if let Some(reason) = &self.demo_off {
            println!("demo is off: {reason}");
        }
        let model = if self.on.iter().any(|name| name == "demo") { "demo" } else { "MODEL" };
        let key = if self.keyed { " -H \"authorization: Bearer $YOUR_KEY\"" } else { "" };
        println!("try:");
        println!(
            "  curl http://{address}/v1/responses{key} -H 'content-type: application/json' -d '{{\"model\":\"{model}\",\"input\":\"Hello!\"}}'"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use open_responses::config::Config;
    use open_responses::protocol::ResponseId;
    use open_responses::store::{
        ApprovalId, ApprovalMark, ChainError, Change, Health, HistoryTurn, LogPart, Marked, Store,
        StoreError, StoreFuture, StoredResponse,
    };

    use super::*;

    /// A store whose writer dies when it is told to.
    struct Mortal(Arc<AtomicBool>);

    impl Mortal {
        fn gone<T: Send + 'static, E: From<StoreError> + Send + 'static>() -> StoreFuture<Result<T, E>> {
            Box::pin(std::future::ready(Err(StoreError::Unavailable.into())))
        }
    }

    impl Store for Mortal {
        fn commit(&self, _: Change) -> StoreFuture<Result<(), StoreError>> {
            Self::gone()
        }

        fn read_log(&self, _: ResponseId, _: u64) -> StoreFuture<Result<LogPart, StoreError>> {
            Self::gone()
        }

        fn load(&self, _: ResponseId, _: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>> {
            Self::gone()
        }

        fn delete(&self, _: ResponseId, _: String) -> StoreFuture<Result<bool, StoreError>> {
            Self::gone()
        }

        fn history(&self, _: ResponseId, _: String) -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>> {
            Self::gone()
        }

        fn approval_key(&self) -> [u8; 32] {
            [0; 32]
        }

        fn approval(&self, _: ApprovalId) -> StoreFuture<Result<Option<ApprovalMark>, StoreError>> {
            Self::gone()
        }

        fn mark_approval(&self, _: ApprovalId, _: ApprovalMark) -> StoreFuture<Result<Marked, StoreError>> {
            Self::gone()
        }

        fn health(&self) -> Health {
            if self.0.load(Ordering::SeqCst) { Health::Dead("told to".into()) } else { Health::Good }
        }
    }

    fn ready(address: SocketAddr) -> String {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(b"GET /ready HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_server_whose_writer_dies_is_not_ready_and_ends_with_an_error() {
        let died = Arc::new(AtomicBool::new(false));
        let store = Arc::new(Mortal(Arc::clone(&died)));
        let config = Config::from_toml("server.bind = '127.0.0.1:0'\nserver.workers = 1").unwrap();
        let resolved = config.resolve(&Env::default()).unwrap();
        let end = actix::System::new().block_on(async move {
            let running = ServerBuilder::new(resolved).store(store).start().unwrap();
            let address = running.addresses()[0];
            let before = tokio::task::spawn_blocking(move || ready(address)).await.unwrap();
            died.store(true, Ordering::SeqCst);
            let after = tokio::task::spawn_blocking(move || ready(address)).await.unwrap();
            assert_eq!(
                (before.as_str(), after.as_str()),
                ("HTTP/1.0 200 OK", "HTTP/1.0 503 Service Unavailable")
            );
            let changes = Changes::new(PathBuf::new(), false).await.unwrap();
            let served = wait(running, changes, || unreachable!("nobody asked for it"));
            tokio::time::timeout(std::time::Duration::from_secs(20), served).await.unwrap()
        });
        assert_eq!(end.unwrap_err().to_string(), "the store's writer died; restart the server");
    }
}
