//! What the values of keys may be, rule by rule.

use super::*;

/// `want` is the problem, or empty.
#[track_caller]
fn check(rule: Rule, toml: &str, want: &str) {
    let table: toml::Table = format!("v = {toml}").parse().unwrap();
    assert_eq!(rule.check(&table["v"]).err().unwrap_or_default(), want);
}

#[test]
fn an_integer_keeps_its_range() {
    let rule = Rule::Int(1, 10);
    check(rule, "1", "");
    check(rule, "10", "");
    check(rule, "0", "must be from 1 to 10, found 0");
    check(rule, "-1", "must be from 1 to 10, found -1");
    check(rule, "'1'", "must be an integer, found a string");
}

#[test]
fn a_choice_is_one_of_its_words() {
    let rule = Rule::OneOf(&["spec", "openai"]);
    check(rule, "'spec'", "");
    check(rule, "'openi'", "must be one of `spec`, `openai`; did you mean `openai`?");
}

#[test]
fn an_address_has_a_port() {
    check(Rule::Address, "'[::1]:4000'", "");
    check(Rule::Address, "'localhost:0'", "");
    let problem = "must be an address with a port, such as `127.0.0.1:4000` or `localhost:4000`";
    check(Rule::Address, "'127.0.0.1'", problem);
    check(Rule::Address, "'example.com:80'", problem);
}

#[test]
fn a_key_in_place_of_a_variable_is_not_repeated() {
    check(Rule::OptionalVariable, "''", "");
    check(Rule::OptionalVariable, "'MY_KEY_2'", "");
    check(Rule::OptionalVariable, "'sk-proj-123'", VARIABLE);
    check(Rule::Variable, "''", VARIABLE);
}

#[test]
fn a_base_url_is_http_without_secrets() {
    check(Rule::BaseUrl, "'http://[::1]:8080/v1/'", "");
    check(Rule::BaseUrl, "'localhost:8080'", "must begin with `http://` or `https://` and a host");
    check(Rule::BaseUrl, "'ftp://x/v1'", "must begin with `http://` or `https://` and a host");
    check(Rule::BaseUrl, "'http://a b'", "is not a URL");
    for port in ["", "0", "65536", "x"] {
        let url = format!("'http://localhost:{port}/v1'");
        check(Rule::BaseUrl, &url, "must have a port from 1 to 65535, or none");
    }
    check(
        Rule::BaseUrl,
        "'https://u:p@x/v1'",
        "must not hold a user or password; use api_key_env or headers",
    );
    check(Rule::BaseUrl, "'https://x/v1?key=1'", "must not hold a query or fragment");
}

#[test]
fn a_pattern_must_compile() {
    check(Rule::Pattern, "'^gpt-'", "");
    let error = Rule::Pattern.check(&Value::String("(".into())).unwrap_err();
    assert!(error.starts_with("is not a regular expression: regex parse error"), "{error}");
}

#[test]
fn origins_are_a_star_or_origins() {
    let problem = "must be `[\"*\"]` or a list of origins such as `https://app.example.com`, \
                   without a path or slash at the end";
    check(Rule::Origins, "['*']", "");
    check(Rule::Origins, "['https://a.example', 'http://localhost:3000', 'tauri://localhost']", "");
    check(Rule::Origins, "['https://a.example/']", problem);
    check(Rule::Origins, "['*', 'https://a.example']", problem);
    check(Rule::Origins, "[1]", "must be a list of strings");
}

#[test]
fn models_are_names() {
    let problem = "must be a list of model names, without white space";
    check(Rule::Models, "[]", "");
    check(Rule::Models, "['gpt-5.1', 'hf.co/some/model:Q4_K_M']", "");
    check(Rule::Models, "['']", problem);
    check(Rule::Models, "['a b']", problem);
    check(Rule::Models, "'gpt-5.1'", "must be a list of strings, found a string");
}

#[test]
fn a_private_host_has_a_port() {
    let problem = "must be a list of `host:port`, such as `127.0.0.1:8080`";
    check(Rule::HostPorts, "['127.0.0.1:8080', '[::1]:80', 'mcp.local:1']", "");
    check(Rule::HostPorts, "['127.0.0.1']", problem);
    check(Rule::HostPorts, "['http://127.0.0.1:80']", problem);
}

#[test]
fn a_header_is_text_or_a_variable() {
    let problem = "must be text or `{ env = \"VARIABLE\" }`";
    check(Rule::Header, "'text'", "");
    check(Rule::Header, "{ env = 'X' }", "");
    check(Rule::Header, "{ var = 'X' }", problem);
    check(Rule::Header, "1", problem);
    check(Rule::Header, "\"a\\nb\"", "must be printable ASCII");
}

#[test]
fn headers_that_frame_the_request_are_not_for_users() {
    assert_eq!(Rule::header_name_problem("X-Title"), None);
    assert_eq!(Rule::header_name_problem("Host"), Some("is a header that the server sets itself"));
    assert_eq!(Rule::header_name_problem("a b"), Some("is not a header name"));
}
