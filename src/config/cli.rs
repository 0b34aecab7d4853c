//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use super::conformance_cli::Conformance;
use super::keys_cli::Keys;
use super::{Config, ConfigError, DEFAULT_FILE, Env, Overrides, Resolved};

/// Serves the Open Responses API over any LLM provider.
#[derive(Clone, Debug, Parser)]
#[command(name = "open-responses", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Configuration file [default: config.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on, over `server.bind`
    #[arg(long, global = true, value_name = "ADDR")]
    bind: Option<String>,
    /// Folder for stored responses, over `store.path`
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum Command {
    /// Run the server (the default)
    Serve,
    /// Check the configuration, say what it amounts to, and exit
    CheckConfig,
    /// Write all stored responses as lines of JSON; no server may be using the folder
    Export {
        /// File to write, or `-` for standard output
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Read lines of JSON that `export` wrote into the store; those that are there already are kept
    Import {
        /// File to read, or `-` for standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Replace responses that are there already
        #[arg(long)]
        overwrite: bool,
    },
    /// Look through the stored responses, and remove what is stuck; no server may be using the folder
    #[command(subcommand)]
    Responses(Responses),
    /// Make, list and change client keys
    Keys(Keys),
    Conformance(Conformance),
    /// Kill the programs of a server when it has ended; for the server itself
    #[command(hide = true)]
    WatchPrograms,
}

/// What to do with stored responses.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum Responses {
    /// List them, oldest first: id, status, time, bytes, tries to go on with it, owner, what is wrong
    List {
        /// Only those that are not over
        #[arg(long)]
        unfinished: bool,
    },
    /// Remove them for good, whether or not they read
    Remove {
        /// Their ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

impl Cli {
    /// Reads the arguments of the process; prints help and exits if they are wrong.
    pub fn of_process() -> Self {
        Self::parse()
    }

    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve)
    }

    /// The file that is read, if it is there.
    pub fn config_file(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    /// Loads and resolves the configuration that the arguments ask for.
    pub fn load(&self, env: &Env) -> Result<Resolved, ConfigError> {
        self.load_config(env)?.resolve(env)
    }

    /// Loads it without the keys in the environment, which only a server needs.
    pub fn load_config(&self, env: &Env) -> Result<Config, ConfigError> {
        let overrides = Overrides { bind: self.bind.clone(), data: self.data.clone() };
        Config::load(self.config.as_deref(), env, &overrides)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], command: Command, config: Option<&str>, bind: Option<&str>) {
        let cli = Cli::try_parse_from([&["open-responses"], arguments].concat()).unwrap();
        let want = (command, config.map(PathBuf::from), bind.map(str::to_owned));
        assert_eq!((cli.command(), cli.config, cli.bind), want);
    }

    #[test]
    fn the_definition_is_sound() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default() {
        check(&[], Command::Serve, None, None);
        check(&["serve"], Command::Serve, None, None);
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        check(&["--config", "a.toml", "check-config"], Command::CheckConfig, Some("a.toml"), None);
        check(&["check-config", "--config", "a.toml"], Command::CheckConfig, Some("a.toml"), None);
        check(&["--bind", "127.0.0.1:1"], Command::Serve, None, Some("127.0.0.1:1"));
    }

    #[test]
    fn export_and_import_take_a_file_or_a_stream() {
        let [stream, file] = ["-", "all.jsonl"].map(PathBuf::from);
        check(&["export"], Command::Export { file: stream.clone() }, None, None);
        check(&["export", "all.jsonl"], Command::Export { file: file.clone() }, None, None);
        check(&["import", "-"], Command::Import { file: stream, overwrite: false }, None, None);
        check(&["import", "--overwrite", "all.jsonl"], Command::Import { file, overwrite: true }, None, None);
    }

    #[test]
    fn stored_responses_are_listed_and_removed_by_id() {
        check(&["responses", "list"], Command::Responses(Responses::List { unfinished: false }), None, None);
        let list = ["responses", "list", "--unfinished"];
        check(&list, Command::Responses(Responses::List { unfinished: true }), None, None);
        let ids = ["a", "b"].map(str::to_owned).to_vec();
        check(&["responses", "remove", "a", "b"], Command::Responses(Responses::Remove { ids }), None, None);
        assert!(Cli::try_parse_from(["open-responses", "responses", "remove"]).is_err());
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert!(Cli::try_parse_from(["open-responses", "--prot", "1"]).is_err());
    }
}
