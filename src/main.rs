//! The `open-responses` binary.

use std::process::ExitCode;

use anyhow::bail;
use open_responses::config::{Cli, Command, Env, check_config};

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
        Command::CheckConfig => print!("{}", check_config(&cli, &env)?),
        Command::Serve => bail!("this build cannot serve yet"),
    }
    Ok(())
}
