//! Whatever the model does, the stream is legal and ends once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::cell::Cell;

use or_engine::Outcome;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use support::scenario::Scenario;
use support::tool_loop::ToolLoop;

#[path = "../support/mod.rs"]
mod support;

/// `PROPTEST_CASES` makes it more. The seed is fixed, so that the counts are.
fn runner(cases: u32) -> TestRunner {
    let default = ProptestConfig::default();
    let config = ProptestConfig { cases: default.cases.max(cases), failure_persistence: None, ..default };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn a_restart_after_any_frame_ends_in_one_legal_stream() {
    let counts: [Cell<u32>; 2] = Default::default();
    let result = runner(1).run(&vec(any::<u8>(), 0..80), |bytes| {
        let (again, interrupted) = Scenario::read(&bytes).check_restarts();
        counts[0].set(counts[0].get() + again);
        counts[1].set(counts[1].get() + interrupted);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let [again, interrupted] = counts.map(|count| count.get());
    println!("sampled again {again}, interrupted {interrupted}");
    assert!(again >= 200 && interrupted >= 1000);
}

#[test]
fn a_loop_over_tools_is_a_legal_stream_and_the_same_unary_answer() {
    let counts: [Cell<u32>; 5] = Default::default();
    let count = |at: usize| counts[at].set(counts[at].get() + 1);
    let result = runner(1500).run(&vec(any::<u8>(), 10..90), |bytes| {
        let seen = ToolLoop::read(&bytes).check();
        match seen.outcome {
            Outcome::Completed => count(0),
            Outcome::Incomplete => count(1),
            Outcome::Failed => count(2),
            Outcome::Cancelled => count(3),
        }
        if seen.runs >= 3 {
            count(4);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let counts = counts.map(|count| count.get());
    println!("completed, incomplete, failed, cancelled, three runs or more: {counts:?}");
    assert!(counts.into_iter().all(|count| count >= 60), "{counts:?}");
}

#[test]
fn a_restart_at_any_moment_of_a_round_runs_no_done_call_again() {
    let in_round = Cell::new(0);
    let result = runner(1).run(&(vec(any::<u8>(), 10..70), any::<bool>()), |(bytes, stream)| {
        in_round.set(in_round.get() + ToolLoop::read(&bytes).check_restarts(stream));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    println!("went on within a round {} times", in_round.get());
    assert!(in_round.get() >= 500);
}

#[test]
fn a_damaged_log_never_panics() {
    let read = Cell::new(0);
    let damage = vec((any::<u16>(), any::<u8>(), any::<u8>()), 1..4);
    let result = runner(2000).run(&(vec(any::<u8>(), 0..60), damage), |(bytes, damage)| {
        read.set(read.get() + u32::from(Scenario::read(&bytes).check_damage(&damage)));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(read.get() >= 10, "{} were read", read.get());
}

#[test]
fn every_scenario_is_a_legal_stream_and_the_same_unary_answer() {
    let mut runner = runner(2000);
    let cases = runner.config().cases;
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
        cases
    );
    assert!(rich * 5 >= cases, "{shares}");
    assert!(incomplete.min(failed).min(cancelled) * 50 >= cases, "{shares}");
    println!("{shares}");
}
