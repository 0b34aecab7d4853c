//! What became of the cases, and the forms it can be given in.

use std::fmt::Write as _;

use serde::Serialize;

/// How one case ended.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed {
        /// What the server did.
        seen: String,
        /// The last request of the case.
        curl: String,
    },
    Skipped {
        reason: String,
    },
}

/// A case and its end.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// Group and name, such as `errors/bad-json`.
    pub case: &'static str,
    /// What the server must do.
    pub rule: &'static str,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All cases that were asked for, in order.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Report {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    pub cases: Vec<Verdict>,
}

impl Report {
    pub(crate) fn new(cases: Vec<Verdict>) -> Self {
        let count = |fits: fn(&Outcome) -> bool| cases.iter().filter(|case| fits(&case.outcome)).count();
        Self {
            passed: count(|outcome| matches!(outcome, Outcome::Passed)),
            failed: count(|outcome| matches!(outcome, Outcome::Failed { .. })),
            skipped: count(|outcome| matches!(outcome, Outcome::Skipped { .. })),
            cases,
        }
    }

    /// Lines for a person; in colours for a terminal.
    pub fn text(&self, colours: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
        };
        let mut out = String::new();
        // Writing to a string does not fail.
        for Verdict { case, rule, outcome } in &self.cases {
            let _ = match outcome {
                Outcome::Passed => writeln!(out, "{} {case}", paint("32", "pass")),
                Outcome::Skipped { reason } => writeln!(out, "{} {case}: {reason}", paint("33", "skip")),
                Outcome::Failed { seen, curl } => writeln!(
                    out,
                    "{} {case}\n     rule: {rule}\n     seen: {}\n     try:  {curl}",
                    paint("31", "FAIL"),
                    seen.replace('\n', "\n           ")
                ),
            };
        }
        let _ = writeln!(out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        out
    }

    /// A JUnit file, as CI servers read it.
    pub fn junit(&self) -> String {
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"open-responses conformance\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
            self.cases.len(),
            self.failed,
            self.skipped
        );
        for Verdict { case, rule, outcome } in &self.cases {
            let _ = write!(out, "  <testcase name=\"{}\">", xml(case));
            let _ = match outcome {
                Outcome::Passed => Ok(()),
                Outcome::Skipped { reason } => write!(out, "<skipped message=\"{}\"/>", xml(reason)),
                Outcome::Failed { seen, curl } => write!(
                    out,
                    "<failure message=\"{}\">{}</failure>",
                    xml(rule),
                    xml(&format!("{seen}\n{curl}"))
                ),
            };
            out.push_str("</testcase>\n");
        }
        out.push_str("</testsuite>\n");
        out
    }
}

/// Text for an attribute or an element; what XML cannot hold is replaced.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn report() -> Report {
        let verdict = |case, outcome| Verdict { case, rule: "a < b", outcome };
        let failed = Outcome::Failed { seen: "<\u{1}>".into(), curl: "curl 'x'".into() };
        let skipped = Outcome::Skipped { reason: "no \"key\"".into() };
        Report::new(vec![
            verdict("a/one", Outcome::Passed),
            verdict("a/two", failed),
            verdict("a/three", skipped),
        ])
    }

    #[test]
    fn text_has_the_rule_what_was_seen_and_the_request() {
        let want = "pass a/one\nFAIL a/two\n     rule: a < b\n     seen: <\u{1}>\n     try:  curl 'x'\n\
                    skip a/three: no \"key\"\n1 passed, 1 failed, 1 skipped\n";
        assert_eq!(report().text(false), want);
        assert!(report().text(true).contains("\u{1b}[31mFAIL\u{1b}[0m"));
    }

    #[test]
    fn junit_is_escaped() {
        let junit = report().junit();
        assert!(junit.contains("tests=\"3\" failures=\"1\" skipped=\"1\""), "{junit}");
        assert!(
            junit.contains("<failure message=\"a &lt; b\">&lt;\u{fffd}&gt;\ncurl 'x'</failure>"),
            "{junit}"
        );
        assert!(junit.contains("<skipped message=\"no &quot;key&quot;\"/>"), "{junit}");
    }
}
