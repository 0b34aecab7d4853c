use pretty_assertions::assert_eq;

use super::*;
use crate::config::OffReason;

const ANN: &str = "client-key-of-ann-1";
const BOB: &str = "client-key-of-bob-2";
/// The same by `printf %s KEY | sha256sum | cut -c1-12`.
const ANN_OWNER: &str = "key-9e513cf53e75";
const BOB_OWNER: &str = "key-c77936dd1f06";

#[track_caller]
fn resolve(toml: &str, env: &[(&str, &str)]) -> Result<Resolved, ConfigError> {
    Config::from_toml(toml).unwrap().resolve(&env.iter().copied().collect())
}

/// `want` is `on`, `on with <key>`, `client key only`, or why it is off.
#[track_caller]
fn check_provider(toml: &str, env: &[(&str, &str)], name: &str, want: &str) {
    let got = match &resolve(toml, env).unwrap().providers[name].state {
        ProviderState::On { keys } if keys.is_empty() => "on".into(),
        ProviderState::On { keys } => {
            format!("on with {}", keys.iter().map(Secret::expose).collect::<Vec<_>>().join(" and "))
        }
        ProviderState::ClientKeyOnly => "client key only".into(),
        ProviderState::Off(reason) => reason.to_string(),
    };
    assert_eq!(got, want);
}

#[track_caller]
fn check_client_keys(toml: &str, env: &[(&str, &str)], want: &[(&str, &str)]) {
    let resolved = resolve(toml, env).unwrap();
    let got: Vec<_> = resolved.client_keys.iter().map(|key| (key.name.as_str(), key.key.expose())).collect();
    assert_eq!(got, want);
}

#[track_caller]
fn check_error(toml: &str, env: &[(&str, &str)], want: &str) {
    assert_eq!(resolve(toml, env).unwrap_err().to_string(), want);
}

#[test]
fn a_provider_with_its_key_is_on() {
    check_provider("", &[("OPENAI_API_KEY", "sk-1\n")], "openai", "on with sk-1");
}

#[test]
fn several_keys_of_a_provider_are_all_there_or_none_is() {
    let two = "[providers.openai]\napi_key_envs = ['A', 'B']";
    let env = [("A", "sk-1"), ("B", "sk-2"), ("OPENAI_API_KEY", "sk-3")];
    check_provider(two, &env, "openai", "on with sk-1 and sk-2");
    check_provider(two, &[], "openai", "client key only");
    let want = "`providers.openai.api_key_envs` names the variable `B`, which is not set or empty";
    check_error(two, &[("A", "sk-1")], want);
    let both = "[providers.openai]\napi_key_env = 'C'\napi_key_envs = ['A']";
    check_provider(both, &[("A", "sk-1"), ("C", "sk-3")], "openai", "on with sk-3 and sk-1");
}

#[test]
fn a_provider_that_needs_no_key_is_on() {
    check_provider("", &[], "ollama", "on");
    check_provider("", &[], "demo", "on");
}

#[test]
fn a_provider_without_its_key_waits_for_a_clients_key() {
    check_provider("", &[("OPENAI_API_KEY", "")], "openai", "client key only");
}

#[test]
fn a_provider_without_its_key_is_off_if_clients_may_bring_none() {
    check_provider(
        "auth.client_provider_keys = 'deny'",
        &[],
        "openai",
        "the variable `OPENAI_API_KEY` is not set",
    );
}

#[test]
fn a_disabled_provider_is_off_even_with_a_key() {
    let disabled = "providers.openai.enabled = false";
    check_provider(disabled, &[("OPENAI_API_KEY", "sk-1")], "openai", "`enabled` is false");
}

#[test]
fn a_client_key_is_the_same_owner_wherever_it_stands_in_the_list() {
    let (ann, bob) = ((ANN_OWNER, ANN), (BOB_OWNER, BOB));
    let toml = "auth.client_keys_env = 'KEYS'";
    check_client_keys(toml, &[("KEYS", &format!("{ANN}, {BOB},"))], &[ann, bob]);
    check_client_keys(toml, &[("KEYS", &format!("{BOB},{ANN}"))], &[bob, ann]);
    check_client_keys(toml, &[("KEYS", &format!(",, {BOB}"))], &[bob]);
}

#[test]
fn the_place_of_a_key_is_told_for_records_that_have_it() {
    let named = "[[auth.keys]]\nname = 'cyd'\nkey_env = 'CYD'";
    let toml = format!("auth.client_keys_env = 'KEYS'\n{named}");
    let env = [("KEYS", &*format!("{ANN},,{BOB}")), ("CYD", "client-key-of-cyd-3")];
    let want = [("key-1", ANN_OWNER), ("key-2", BOB_OWNER)].map(|(old, new)| (old.into(), new.into()));
    assert_eq!(resolve(&toml, &env).unwrap().old_owners(), want);
}

#[test]
fn a_key_that_can_be_guessed_is_refused_without_being_told() {
    let env = [("KEYS", &*format!("{ANN},short-key-12345")), ("ANN", "short-key-12345")];
    let want = "`auth.client_keys_env` names the variable `KEYS`, in which key 2 is shorter than 16 characters and \
                could be guessed; `openssl rand -hex 24` makes a good one";
    check_error("auth.client_keys_env = 'KEYS'", &env, want);
    let want = "`auth.keys[0].key_env` names the variable `ANN`, in which the key is shorter than 16 characters and \
                could be guessed; `openssl rand -hex 24` makes a good one";
    check_error("[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'", &env, want);
    assert!(resolve("metrics.key_env = 'ANN'", &env).is_err());
    assert!(resolve("metrics.key_env = 'KEYS'", &env).is_ok());
}

#[test]
fn the_metrics_have_one_rule() {
    let toml = "metrics = { public = true, key_env = 'X' }";
    assert_eq!(
        Config::from_toml(toml).unwrap_err().to_string(),
        "`metrics.public` in the given configuration is true although `metrics.key_env` names a key"
    );
}

#[test]
fn the_demo_is_for_first_steps() {
    let off = OffReason::NotAlone.to_string();
    let keys = "auth.client_keys_env = 'KEYS'\n";
    let vllm = "[providers.vllm]\nkind = 'openai-chat'\nbase_url = 'http://127.0.0.1:8000/v1'\n";
    let env = [("KEYS", ANN)];
    for (toml, env, want) in [
        ("", &[][..], "on"),
        (include_str!("../../config.toml"), &[], "on"),
        ("", &[("OPENAI_API_KEY", "sk-1")], off.as_str()),
        ("providers.openai.enabled = false", &[("OPENAI_API_KEY", "sk-1")], "on"),
        ("providers.demo.enabled = true", &[("OPENAI_API_KEY", "sk-1")], "on"),
        ("providers.demo.enabled = false", &[], "`enabled` is false"),
        (vllm, &[], &off),
        ("providers.ollama.base_url = 'http://gpu:11434'", &[], &off),
        (keys, &env, &off),
        (&format!("{keys}providers.demo.enabled = true"), &env, "on"),
    ] {
        check_provider(toml, env, "demo", want);
    }
}

#[test]
fn named_client_keys_come_with_their_names() {
    let toml = "[auth]\nclient_keys_env = 'KEYS'\n[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'";
    check_client_keys(toml, &[("KEYS", BOB), ("ANN", ANN)], &[(BOB_OWNER, BOB), ("ann", ANN)]);
}

#[test]
fn a_client_key_that_is_not_there_is_refused() {
    let key = "[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'";
    let want = "`auth.keys[0].key_env` names the variable `ANN`, which is not set or empty";
    check_error(key, &[], want);
    let want = "`auth.client_keys_env` names the variable `KEYS`, which is not set or empty";
    check_error("auth.client_keys_env = 'KEYS'", &[("KEYS", " , ")], want);
}

#[test]
fn two_clients_cannot_share_a_key_or_a_name() {
    let keys =
        |a, b| format!("[[auth.keys]]\nname='{a}'\nkey_env='A'\n[[auth.keys]]\nname='{b}'\nkey_env='B'");
    let want = "the client keys `ann` and `bob` have the same value";
    check_error(&keys("ann", "bob"), &[("A", ANN), ("B", ANN)], want);
    let want = "the client key `ann` is given twice";
    check_error(&keys("ann", "ann"), &[("A", ANN), ("B", BOB)], want);
}

#[test]
fn an_open_bind_is_refused() {
    for bind in ["0.0.0.0:4000", "[::]:4000", "192.168.1.2:4000"] {
        let error = resolve(&format!("server.bind = '{bind}'"), &[]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("refusing to listen on {bind} without client keys")), "{error}");
    }
}

#[test]
fn an_open_bind_needs_client_keys_or_a_word() {
    let keys = "server.bind = '0.0.0.0:1'\nauth.client_keys_env = 'KEYS'";
    check_client_keys(keys, &[("KEYS", ANN)], &[(ANN_OWNER, ANN)]);
    check_client_keys("server = { bind = '0.0.0.0:1', allow_unauthenticated = true }", &[], &[]);
    check_client_keys("server.bind = '[::ffff:127.0.0.1]:1'", &[], &[]);
}

#[test]
fn headers_take_their_values_from_the_environment() {
    let toml = "[providers.ollama.headers]\nx-a = 'text'\nx-b = { env = 'B' }";
    let ollama = resolve(toml, &[("B", "secret")]).unwrap().providers.remove("ollama").unwrap();
    let got: Vec<_> = ollama.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(got, [("x-a", "text"), ("x-b", "secret")]);
    let want = "`providers.ollama.headers.x-b` names the variable `B`, which is not set or empty";
    check_error(toml, &[], want);
}

#[test]
fn a_key_that_no_header_can_carry_is_refused() {
    check_error(
        "",
        &[("OPENAI_API_KEY", "sk-\u{e9}")],
        "`providers.openai.api_key_env` names the variable `OPENAI_API_KEY`, whose value no header can carry",
    );
}

#[test]
fn nothing_secret_is_printed() {
    let toml = "[auth]\nclient_keys_env = 'KEYS'\n[providers.ollama.headers]\nx = 'hush'";
    let resolved =
        resolve(toml, &[("KEYS", "hush-1-hush-1-hush,hush-2-hush-2-hush"), ("OPENAI_API_KEY", "hush")])
            .unwrap();
    assert!(!format!("{resolved:#?}").contains("hush"));
}

#[test]
fn the_admin_key_opens_nothing_else_and_wants_client_keys() {
    let admin = "[admin]\nkey_env = 'ADMIN'\n";
    let open = format!("server.bind = '0.0.0.0:1'\n{admin}");
    let resolved = resolve(&open, &[("ADMIN", ANN)]).unwrap();
    assert!(resolved.wants_key() && !format!("{resolved:?}").contains(ANN));
    check_client_keys("server.bind = '0.0.0.0:1'\nauth.require_key = true", &[], &[]);
    let shared = "`admin.key_env` names the variable `ADMIN`, whose key is also";
    let named = format!("{admin}[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'");
    let want = format!("{shared} the client key `ann`; the admin key opens nothing else");
    check_error(&named, &[("ADMIN", ANN), ("ANN", ANN)], &want);
    let metrics = format!("{admin}[metrics]\nkey_env = 'METRICS'");
    let want = format!("{shared} the key of the metrics; the admin key opens nothing else");
    check_error(&metrics, &[("ADMIN", ANN), ("METRICS", ANN)], &want);
    let want = "`admin.key_env` names the variable `ADMIN`, which is not set or empty";
    check_error(admin, &[], want);
}
