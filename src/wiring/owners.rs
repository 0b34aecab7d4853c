//! From `[key_limits]` to the shares of each owner.

use std::collections::HashMap;

use or_actors::{OwnerLimits, Owners, Shares};

use crate::config::{Config, KeyLimits, Resolved};

/// Where nothing else follows from the whole server.
const USUAL_READERS: usize = 1000;
const USUAL_TOOL_PROCESSES: usize = 64;
/// Of several owners: less than a tool's own places, so that one owner does not take them all.
const TOOL_PROCESSES_PER_CORE: usize = 2;

/// The shares of all owners.
pub(crate) fn owners(resolved: &Resolved, several: bool) -> Owners {
    let config = &resolved.config;
    let usual = shares(&config.key_limits, config, several);
    let own = config
        .auth
        .keys
        .iter()
        .map(|key| (key.name.clone(), shares(&config.key_limits.under(&key.limits), config, several)));
    Owners::new(usual, own.collect::<HashMap<_, _>>())
}

/// Background responses of all clients together.
pub(crate) fn max_background(config: &Config) -> usize {
    let all = config.server.max_concurrent_responses;
    let usual = (all - all / 4).min(all.saturating_sub(1)).max(1);
    or_else(config.background.max_concurrent, usual).min(all)
}

/// Whether there are several clients, or may be at any time; one alone has the server for itself. `stored`: the keys of the
/// store.
pub(crate) fn several(resolved: &Resolved, stored: usize) -> bool {
    resolved.client_keys.len() + stored > 1 || resolved.admin_key.is_some()
}

/// From what a stored key says to its shares.
pub(crate) fn stored_shares(config: &Config, several: bool) -> Box<Shares> {
    let config = config.clone();
    Box::new(move |own| shares(&config.key_limits.under(own), &config, several))
}

fn shares(limits: &KeyLimits, config: &Config, several: bool) -> OwnerLimits {
    let part = |whole: usize, of: usize| if several { whole.div_ceil(of) } else { whole };
    let all = config.server.max_concurrent_responses;
    let max_concurrent = or_else(limits.max_concurrent, part(all, 2)).min(all);
    let max_background = or_else(limits.max_background, part(all, 4));
    OwnerLimits {
        max_concurrent,
        max_background: max_background.min(max_concurrent).min(self::max_background(config)),
        max_readers: or_else(limits.max_readers, USUAL_READERS),
        max_tool_processes: or_else(limits.max_tool_processes, usual_tool_processes(several)),
        max_mcp_sessions: or_else(limits.max_mcp_sessions, part(config.mcp_limits.max_sessions, 2))
            .min(config.mcp_limits.max_sessions),
        max_stored_bytes: (limits.max_stored_bytes > 0).then_some(limits.max_stored_bytes),
        max_stored_responses: (limits.max_stored_responses > 0).then_some(limits.max_stored_responses),
    }
}

fn usual_tool_processes(several: bool) -> usize {
    if several { TOOL_PROCESSES_PER_CORE * super::cores() } else { USUAL_TOOL_PROCESSES }
}

fn or_else(given: usize, usual: usize) -> usize {
    if given == 0 { usual } else { given }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::Env;

    const ANN: &str = "client-key-of-ann-0001";
    const BOB: &str = "client-key-of-bob-0002";

    /// `want`: responses, background responses, MCP sessions.
    #[track_caller]
    fn check(toml: &str, keys: &str, owner: &str, want: [usize; 3]) {
        let env = Env::from_iter([("KEYS", keys), ("ANN", ANN)]);
        let auth = if keys.is_empty() { "" } else { "auth.client_keys_env = 'KEYS'\n" };
        let resolved = Config::from_toml(&format!("{auth}{toml}")).unwrap().resolve(&env).unwrap();
        let owners = owners(&resolved, several(&resolved, 0));
        let got = owners.of(owner);
        assert_eq!([got.max_concurrent, got.max_background, got.max_mcp_sessions], want);
    }

    #[test]
    fn one_client_has_the_server_for_itself() {
        check("server.max_concurrent_responses = 100", "", "local", [100, 75, 256]);
        check("server.max_concurrent_responses = 100", BOB, "any", [100, 75, 256]);
        check("server.max_concurrent_responses = 1", "", "local", [1, 1, 256]);
        check("server.max_concurrent_responses = 2", "", "local", [2, 1, 256]);
    }

    #[test]
    fn of_several_clients_none_has_all_places() {
        let two = format!("{ANN},{BOB}");
        check("server.max_concurrent_responses = 100", &two, "any", [50, 25, 128]);
        check("server.max_concurrent_responses = 1", &two, "any", [1, 1, 128]);
        check("server.max_concurrent_responses = 3", &two, "any", [2, 1, 128]);
    }

    #[test]
    fn a_key_can_have_shares_of_its_own() {
        let toml = "\
server.max_concurrent_responses = 100
key_limits.max_concurrent = 10
[[auth.keys]]
name = 'ann'
key_env = 'ANN'
max_concurrent = 90
max_mcp_sessions = 3";
        check(toml, BOB, "ann", [90, 25, 3]);
        check(toml, BOB, "any", [10, 10, 128]);
    }

    #[test]
    fn no_share_is_larger_than_the_whole() {
        let toml =
            "server.max_concurrent_responses = 8\nkey_limits = { max_concurrent = 9, max_background = 9 }";
        check(toml, BOB, "any", [8, 6, 256]);
        check(&format!("{toml}\nbackground.max_concurrent = 7"), BOB, "any", [8, 7, 256]);
    }
}
