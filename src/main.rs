//! The `open-responses` binary.

use std::process::ExitCode;

use anyhow::Context as _;
use open_responses::config::{Cli, Command, Env, ProviderState, Resolved};
use open_responses::{Running, ServerBuilder, init_log};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the summary is what `check-config` is asked for")]
fn run() -> anyhow::Result<()> {
    let (cli, env) = (Cli::of_process(), Env::of_process());
    match cli.command() {
        Command::CheckConfig => {
            let resolved = cli.load(&env)?;
            let summary = resolved.to_string();
            ServerBuilder::new(resolved).check()?;
            print!("{summary}");
        }
        Command::Serve => serve(cli.load(&env)?)?,
    }
    Ok(())
}

fn serve(resolved: Resolved) -> anyhow::Result<()> {
    let _log = init_log(resolved.config.server.log_format);
    for warning in resolved.warnings() {
        tracing::warn!("{warning}");
    }
    let greeting = Greeting::new(&resolved);
    actix::System::new().block_on(async move {
        let running = ServerBuilder::new(resolved).start()?;
        greeting.say(&running);
        wait(running).await
    })
}

/// Serves until a signal, or until the store dies.
async fn wait(running: Running) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let store_died = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = running.store_died() => true,
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
    keyed: bool,
}

impl Greeting {
    fn new(resolved: &Resolved) -> Self {
        let (mut on, mut client_keys_only) = (Vec::new(), Vec::new());
        for (name, provider) in &resolved.providers {
            match provider.state {
                ProviderState::On { .. } => on.push(name.clone()),
                ProviderState::ClientKeyOnly => client_keys_only.push(name.clone()),
                ProviderState::Off(_) => {}
            }
        }
        Self { on, client_keys_only, keyed: !resolved.client_keys.is_empty() }
    }

    #[expect(clippy::print_stdout, reason = "the greeting is for the person at the terminal")]
    fn say(&self, running: &Running) {
        let Some(address) = running.addresses().first() else { return };
        println!("open-responses listens on http://{address}");
        println!("providers: {}", self.on.join(", "));
        if !self.client_keys_only.is_empty() {
            println!("with the client's own key: {}", self.client_keys_only.join(", "));
        }
        let key = if self.keyed { " -H \"authorization: Bearer $YOUR_KEY\"" } else { "" };
        println!("try:");
        println!(
            "  curl http://{address}/v1/responses{key} -H 'content-type: application/json' -d '{{\"model\":\"demo\",\"input\":\"Hello!\"}}'"
        );
    }
}
