//! `conformance`: what is tested, and how it is told.

use clap::Args;

/// Test any server of the Open Responses API. Exit code 0: all passed; 1: some failed; 2: wrong use; 3: not reached.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Conformance {
    /// Root of the server, such as http://127.0.0.1:4000
    #[arg(required_unless_present = "list")]
    pub url: Option<String>,
    /// Model that requests name
    #[arg(long, value_name = "MODEL", required_unless_present = "list")]
    pub model: Option<String>,
    /// Client key; others on this machine can see it, so rather use --key-env
    #[arg(long, value_name = "KEY", conflicts_with = "key_env")]
    pub key: Option<String>,
    /// Variable that holds the client key
    #[arg(long, value_name = "VARIABLE")]
    pub key_env: Option<String>,
    /// Variable that holds another client's key, for the cases of isolation
    #[arg(long, value_name = "VARIABLE")]
    pub second_key_env: Option<String>,
    /// Only cases whose names begin so, such as `errors` or `first/text`; may be given several times
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// List the cases and their rules, and exit
    #[arg(long)]
    pub list: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "junit")]
    pub json: bool,
    /// Print a JUnit file
    #[arg(long)]
    pub junit: bool,
}
