//! Whatever the model does, the stream is legal and ends once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::cell::Cell;

use or_engine::Outcome;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use support::scenario::Scenario;

#[path = "../../../../tests/support/mod.rs"]
mod checks;
#[path = "../support/mod.rs"]
mod support;

#[test]
fn every_scenario_is_a_legal_stream_and_the_same_unary_answer() {
    let default = ProptestConfig::default();
    // `PROPTEST_CASES` makes it more. The seed is fixed, so that the counts below are.
    let config = ProptestConfig { cases: default.cases.max(2000), failure_persistence: None, ..default };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config.clone(), rng);
    let counts: [Cell<u32>; 5] = Default::default();
    let count = |at: usize| counts[at].set(counts[at].get() + 1);
    let result = runner.run(&vec(any::<u8>(), 0..260), |bytes| {
        let seen = Scenario::read(&bytes).check();
        match seen.outcome {
            Outcome::Completed => count(0),
            Outcome::Incomplete => count(1),
            Outcome::Failed => count(2),
            Outcome::Cancelled => count(3),
        }
        if seen.outcome == Outcome::Completed && seen.items >= 2 {
            count(4);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // The property says little if the scenarios are poor.
    let [completed, incomplete, failed, cancelled, rich] = counts.map(|count| count.get());
    let shares = format!(
        "completed {completed}, incomplete {incomplete}, failed {failed}, cancelled {cancelled}, \
         completed with two or more items {rich}, of {}",
        config.cases
    );
    assert!(rich * 5 >= config.cases, "{shares}");
    assert!(incomplete.min(failed).min(cancelled) * 50 >= config.cases, "{shares}");
    println!("{shares}");
}
