//! Names under which models see the tools of MCP servers.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

/// Longest name of a function that every provider takes.
const MAX: usize = 64;

/// One name for each tool of each server, in their order. `taken`: names of the request's other functions.
///
/// A tool keeps its own name if that is unique in the request; otherwise it is `label__name`, and so is its
/// namesake of another server. Letters that function names cannot have become `_`. The same request always gives
/// the same names.
pub fn function_names(servers: &[(&str, Vec<&str>)], taken: &[&str]) -> Vec<Vec<String>> {
    let all = servers.iter().flat_map(|(_, tools)| tools);
    let mut wanted: HashMap<String, usize> = HashMap::new();
    for name in all.map(|name| plain(name)).chain(taken.iter().map(|name| (*name).to_owned())) {
        *wanted.entry(name).or_default() += 1;
    }
    let mut used: HashSet<String> = taken.iter().map(|name| (*name).to_owned()).collect();
    let mut name_of = |label: &str, name: &str| {
        let own = plain(name);
        let mut exposed = if wanted.get(&own) == Some(&1) { own } else { plain(&format!("{label}__{name}")) };
        if used.contains(&exposed) {
            exposed = shortened(&exposed, &format!("{label}\n{name}"));
        }
        used.insert(exposed.clone());
        exposed
    };
    servers.iter().map(|(label, tools)| tools.iter().map(|name| name_of(label, name)).collect()).collect()
}

/// A name in the letters that all providers take.
pub(super) fn plain(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let plain: String = name.chars().map(|c| if good(c) { c } else { '_' }).collect();
    match plain.is_empty() {
        true => "_".into(),
        false if plain.len() > MAX => shortened(&plain, name),
        false => plain,
    }
}

/// The beginning of a name, made unique by what it stands for.
fn shortened(name: &str, of: &str) -> String {
    let head: String = name.chars().take(MAX - 9).collect();
    let hash: String =
        Sha256::digest(of.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{head}_{hash}")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(servers: &[(&str, &[&str])], taken: &[&str], want: &[&[&str]]) {
        let servers: Vec<_> = servers.iter().map(|(label, tools)| (*label, tools.to_vec())).collect();
        assert_eq!(function_names(&servers, taken), want);
    }

    #[test]
    fn a_unique_name_stays() {
        check(&[("a", &["x", "y"]), ("b", &["z"])], &["w"], &[&["x", "y"], &["z"]]);
    }

    #[test]
    fn namesakes_carry_their_label() {
        check(&[("a", &["x", "y"]), ("b", &["x"])], &[], &[&["a__x", "y"], &["b__x"]]);
        check(&[("a", &["x"])], &["x"], &[&["a__x"]]);
        check(&[("a", &["f.g"]), ("b", &["f/g"])], &[], &[&["a__f_g"], &["b__f_g"]]);
    }

    #[test]
    fn letters_that_no_provider_takes_are_replaced() {
        check(&[("a", &["f.g", "", "ä b"])], &[], &[&["f_g", "_", "__b"]]);
    }

    #[test]
    fn names_are_short_and_unique_whatever_they_were() {
        let long = "n".repeat(70);
        let servers = vec![("a", vec![&long[..], &long[..69], "f.g", "f_g"]), ("a__f", vec!["g"])];
        let names = function_names(&servers, &["a__f_g"]).concat();
        assert!(names.iter().all(|name| name.len() <= 64), "{names:?}");
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 5, "{names:?}");
        assert_eq!(function_names(&servers, &["a__f_g"]).concat(), names);
    }
}
