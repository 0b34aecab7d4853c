//! The real server is killed under load, again and again, and started again on the same folder. What it told its clients
//! before must hold afterwards.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]
#![allow(clippy::print_stdout, reason = "a line per round")]

mod check;
mod http;
mod ledger;
mod load;
mod model;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tempfile::TempDir;

use ledger::{Entry, Ledger};
use model::Model;
use or_test_support::binary::{Binary, Program};
use or_test_support::provider::FakeProvider;

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_open-responses"));

const ROUNDS: usize = 20;
/// Clients at the same time.
const CLIENTS: usize = 20;
/// Ends that clients were told, and responses under way, before a round's kill.
const TOLD: usize = 100;
const UNDER_WAY: usize = 5;
/// Latest kill after that.
const MORE: Duration = Duration::from_millis(400);
/// Entries of earlier rounds that are looked at again in each.
const EARLIER: usize = 40;
/// Ended responses that are chained on in each round.
const CHAINED: usize = 6;
const PATIENCE: Duration = Duration::from_secs(90);

struct Test {
    folder: TempDir,
    fake: FakeProvider,
    model: Arc<Model>,
    ledger: Ledger,
    rng: Rng,
}

impl Test {
    fn begin(&self) -> Binary {
        let config = format!("server.workers = 2\n{}", self.fake.provider("openai-chat"));
        PROGRAM.start(self.folder.path(), &config, &[])
    }

    /// Clients come until the server is killed in the middle of it.
    fn load(&mut self, round: usize, binary: Binary) {
        let killed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (ledger, killed, address) = (&self.ledger, &killed, binary.address);
            for n in 0..CLIENTS {
                let rng = self.rng.fork();
                scope.spawn(move || load::client(ledger, address, &format!("r{round}c{n}"), rng, killed));
            }
            let begin = Instant::now();
            loop {
                let (told, under_way) = self.ledger.count(round);
                if told >= TOLD && under_way >= UNDER_WAY {
                    break;
                }
                assert!(begin.elapsed() < PATIENCE, "only {told} ends told, {under_way} under way");
                std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(MORE.mul_f64(self.rng.f64()));
            killed.store(true, Ordering::SeqCst);
            let log = binary.kill();
            assert_sound(&log);
        });
    }

    fn round(&mut self, round: usize) {
        let begin = Instant::now();
        let binary = self.begin();
        self.load(round, binary);
        let loaded = begin.elapsed();
        let (told, under_way) = self.ledger.count(round);
        // A second kill while it goes on with what it was left.
        if round % 4 == 3 {
            let binary = self.begin();
            std::thread::sleep(Duration::from_millis(self.rng.u64(0..60)));
            assert_sound(&binary.kill());
        }
        let binary = self.begin();
        let address = binary.address;
        let mut entries: Vec<Arc<Entry>> = self.ledger.of_round(round);
        let earlier = self.ledger.before_round(round);
        entries.extend(
            (0..EARLIER.min(earlier.len())).map(|_| Arc::clone(&earlier[self.rng.usize(0..earlier.len())])),
        );
        let tally = check::all(address, &entries, &self.rng.fork());
        let over: Vec<_> = entries.iter().filter(|e| e.can_be_chained_on()).collect();
        for n in 0..CHAINED {
            check::chain(
                address,
                &self.model,
                &format!("r{round}chain{n}"),
                over[self.rng.usize(0..over.len())],
            );
        }
        assert_sound(&binary.kill());
        println!(
            "round {round:2}: {told:3} ends told, {under_way:2} under way at the kill; afterwards {tally}; load {:.1} s, all {:.1} s",
            loaded.as_secs_f32(),
            begin.elapsed().as_secs_f32()
        );
        assert!(told >= TOLD && under_way >= UNDER_WAY);
    }
}

/// Nothing in the server's log says that something is broken.
#[track_caller]
fn assert_sound(log: &str) {
    for bad in ["panicked", "CORRUPT", "MISSING", "damaged", "does not read"] {
        assert!(!log.contains(bad), "{log}");
    }
}

#[test]
fn what_clients_were_told_holds_after_a_kill() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| Rng::new().u64(..));
    println!("seed {seed}");
    let model = Arc::<Model>::default();
    let fake = FakeProvider::start();
    let answers = Arc::clone(&model);
    fake.always(move |request| answers.answer(request));
    let folder = tempfile::tempdir().unwrap();
    let mut test = Test { folder, fake, model, ledger: Ledger::default(), rng: Rng::with_seed(seed) };
    for round in 0..ROUNDS {
        test.round(round);
    }
    let binary = test.begin();
    let all = test.ledger.before_round(ROUNDS);
    println!("at the end: {} responses, {}", all.len(), check::all(binary.address, &all, &test.rng.fork()));
}
