//! Words that a program was given to keep, taken out of what it says.

use std::cmp::Reverse;

/// A shorter value may be a word that only looks like a secret.
const MIN_SECRET: usize = 6;

/// The values of a program's environment.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn of(environment: &[(String, String)]) -> Self {
        // A value of several lines may be said line by line.
        let lines = environment.iter().flat_map(|(_, value)| value.lines().chain([value.as_str()]));
        let mut secrets: Vec<String> =
            lines.map(str::trim).filter(|value| value.len() >= MIN_SECRET).map(str::to_owned).collect();
        // One may hold another.
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    /// How far behind a cut one must look to know a secret that begins before it.
    pub(crate) fn longest(&self) -> usize {
        self.0.first().map_or(0, String::len)
    }

    /// What was said, without what must not be repeated.
    pub(crate) fn masked(&self, said: &[u8]) -> String {
        let text = String::from_utf8_lossy(said).into_owned();
        self.0.iter().fold(text, |text, secret| text.replace(secret.as_str(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], said: &[u8], want: &str) {
        let environment: Vec<_> = values.iter().map(|value| ("X".to_owned(), (*value).to_owned())).collect();
        assert_eq!(Secrets::of(&environment).masked(said), want);
    }

    #[test]
    fn what_a_program_was_given_to_keep_is_not_repeated() {
        check(&["hush-hush"], b"no such key: hush-hush\xff", "no such key: ***\u{fffd}");
        check(&["hush-hush", "hush-hush-two"], b"hush-hush-two hush-hush", "*** ***");
        check(&["first line\nsecond line\n"], b"it is second line", "it is ***");
        check(&["yes", ""], b"yes", "yes");
    }
}
