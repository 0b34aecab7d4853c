//! The filter over every cut of a text is the filter of the whole.

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::rules::{FilterAction, FilterPlace, FilterRule, Filtered, GrowingText, Rules};

fn rule(name: &str, pattern: &str, action: FilterAction) -> FilterRule {
    let on = vec![FilterPlace::Output];
    FilterRule { name: name.into(), pattern: pattern.into(), action, replacement: "#".into(), on }
}

fn rules(redact: &[&str], deny: &[&str]) -> Rules {
    let of = |patterns: &[&str], action| {
        patterns.iter().map(move |pattern| rule(pattern, pattern, action)).collect::<Vec<_>>()
    };
    let all = [of(redact, FilterAction::Redact), of(deny, FilterAction::Deny)].concat();
    Rules::of(&all, FilterPlace::Output).unwrap().unwrap()
}

/// What is shown of these pieces, one by one, and at the end.
fn pieces(rules: &Rules, pieces: &[&str]) -> (Vec<String>, Filtered) {
    let (mut text, mut all, mut shown) = (GrowingText::default(), Filtered::default(), Vec::new());
    for (n, piece) in pieces.iter().chain(&[""]).enumerate() {
        text.push(piece);
        let Filtered { text: more, redacted, denied } = text.take(rules, n == pieces.len());
        all.text.push_str(&more);
        all.redacted.extend(redacted);
        all.denied = all.denied.or(denied);
        shown.push(more);
    }
    (shown, all)
}

#[track_caller]
fn check(rules: &Rules, text: &str, cuts: &[usize]) {
    let mut parts = Vec::new();
    let mut from = 0;
    for cut in cuts {
        parts.push(&text[from..*cut]);
        from = *cut;
    }
    parts.push(&text[from..]);
    let (_, got) = pieces(rules, &parts);
    let want = rules.whole(text);
    if want.denied.is_some() {
        // How much was shown before depends on what was known by then, but nothing of the match was.
        assert_eq!(got.denied, want.denied, "{parts:?}");
        assert!(want.text.starts_with(&got.text) || got.text.starts_with(&want.text), "{parts:?}");
    } else {
        assert_eq!(got, want, "{parts:?}");
    }
}

/// Every cut into two and three, and every character for itself.
#[track_caller]
fn check_all(rules: &Rules, text: &str) {
    let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
    check(rules, text, &places);
    for (n, first) in places.iter().enumerate() {
        check(rules, text, &[*first]);
        places[n..].iter().for_each(|second| check(rules, text, &[*first, *second]));
    }
}

const PATTERNS: [&str; 14] = [
    "secret",
    "(?i)geheim|geh",
    r"sk-[a-z0-9]{4,12}",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"[a-z]{1,8}@[a-z]{1,8}\.(?:com|org)",
    r"ab{0,3}?c",
    "a|ab|abc",
    r"\bfoo\B",
    "^start",
    r"(?m)^x{1,4}?y{1,3}$",
    r"end\z",
    "(?:a{1,3}b){1,3}",
    "ä{2}ö?",
    r"(?m)b$",
];

const TEXTS: [&str; 12] = [
    "a secret is no secret, secre",
    "GEHEIM und geh heim, geheimnis",
    "sk-abc sk-abcd sk-abcdefghijklmnop sk-",
    "123-45-6789 1123-45-6789 123-45-67890",
    "mail x@y.com, xx@yy.orga, a@b.co",
    "ac abc abbc abbbc abbbbc ab",
    "aabaabaaabaaaab",
    "foo food foofoo",
    "start restart\nstart",
    "xy\nxyyyy\nb\nab",
    "end the end",
    "ääö äää öää foo",
];

#[test]
fn every_cut_of_a_text_is_filtered_as_the_whole() {
    for pattern in PATTERNS {
        for text in TEXTS {
            check_all(&rules(&[pattern], &[]), text);
            check_all(&rules(&[], &[pattern]), text);
        }
    }
    for text in TEXTS {
        check_all(&rules(&PATTERNS, &[]), text);
        check_all(&rules(&PATTERNS[..5], &PATTERNS[5..]), text);
    }
}

proptest! {
    #[test]
    fn any_cut_of_any_text_is_filtered_as_the_whole(
        text in "[abcfo3ä@.\\-\\n xy]{0,40}",
        cuts in proptest::collection::vec(0..41_usize, 0..6),
        which in proptest::collection::vec(0..PATTERNS.len(), 1..4),
        deny in 0..PATTERNS.len(),
    ) {
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| text.is_char_boundary(*cut)).collect();
        cuts.sort_unstable();
        let redact: Vec<_> = which.iter().map(|n| PATTERNS[*n]).collect();
        check(&rules(&redact, &[]), &text, &cuts);
        check(&rules(&redact, &[PATTERNS[deny]]), &text, &cuts);
    }
}

#[track_caller]
fn check_shown(pattern: &str, given: &[&str], want: &[&str]) {
    assert_eq!(pieces(&rules(&[pattern], &[]), given).0, want);
}

#[test]
fn what_cannot_match_any_more_is_shown_at_once() {
    check_shown("secret", &["a s", "ec", "ond s", "ecret!"], &["a ", "", "second ", "#!", ""]);
    check_shown("secret", &["no", "thing"], &["no", "thing", ""]);
    check_shown("secret", &["secre"], &["", "secre"]);
    check_shown(r"\d{4}-\d{4}", &["12", "34", "-", "x1", "234-5678"], &["", "", "", "1234-x", "", "#"]);
    // Whether it is a word is known by what comes behind it.
    check_shown(r"\bfoo\b", &["foo", "d foo", "."], &["", "food ", "#.", ""]);
    check_shown(r"\bfoo\b", &["x", "foo ", "foo"], &["x", "foo ", "", "#"]);
}

#[track_caller]
fn check_error(pattern: &str, want: &str) {
    let rule = rule("r", pattern, FilterAction::Redact);
    let error = Rules::of(&[rule], FilterPlace::Output).err().unwrap();
    assert!(error.starts_with("the pattern of the rule `r` ") && error.contains(want), "{error}");
}

#[test]
fn what_could_hold_back_without_bound_is_refused() {
    check_error("a+", "matches any number of bytes");
    check_error("a{1,2000}", "matches up to 2000 bytes");
    check_error("a*", "matches the empty text");
    check_error("(", "is no regular expression");
    check_error("(?=a)b", "is no regular expression");
    // What is not for output is always whole.
    let input = FilterRule { on: vec![FilterPlace::Input], ..rule("r", "a+", FilterAction::Redact) };
    let rules = Rules::of(&[input], FilterPlace::Input).unwrap().unwrap();
    assert_eq!(rules.whole("baaad").text, "b#d");
}

#[test]
fn long_literals_and_many_pieces_cost_no_more_than_their_length() {
    let long = "x".repeat(1000) + "y";
    let rules = rules(&[&long], &[]);
    let text = "x".repeat(20_000);
    let begun = std::time::Instant::now();
    let parts: Vec<_> = text.as_bytes().chunks(10).map(|part| std::str::from_utf8(part).unwrap()).collect();
    assert_eq!(pieces(&rules, &parts).1.text, text);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
