//! Disk use under constant load, with a retention time of seconds in place of days, as a curve.
//!
//! `cargo bench -p or-store --bench store -- retention`; `STORE_BENCH_SECONDS` (300), `STORE_BENCH_KEEP` (10, seconds),
//! `STORE_BENCH_RATE` (1000 responses each second; one in ten has an event log).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_protocol::ResponseId;
use or_store::{Append, Change, Frames, SledOptions, SledStore, Store};
use tokio::runtime::Runtime;

use crate::{on_disk, record};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

struct Sample {
    at: f64,
    disk: f64,
    written: f64,
    p99_ms: f64,
}

pub(crate) fn curve(runtime: &Runtime) {
    let (seconds, keep, rate) = (
        setting("STORE_BENCH_SECONDS", 300),
        setting("STORE_BENCH_KEEP", 10),
        setting("STORE_BENCH_RATE", 1000),
    );
    let folder = tempfile::tempdir().unwrap();
    let retention = Some(Duration::from_secs(keep));
    let store = SledStore::open(SledOptions { retention, ..SledOptions::new(folder.path()) }).unwrap();
    let samples = runtime.block_on(load(&store, folder.path(), seconds, rate));
    let svg = draw(&samples, keep, rate);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images/retention.svg");
    std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images")).unwrap();
    std::fs::write(path, svg).unwrap();
}

/// Commits so many responses each second, some at a time, and looks at the folder.
async fn load(store: &Arc<SledStore>, folder: &std::path::Path, seconds: u64, rate: u64) -> Vec<Sample> {
    const TICK: Duration = Duration::from_millis(20);
    let per_tick = rate / 50;
    let begin = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    let (mut samples, mut commits, mut written) = (Vec::new(), Vec::new(), 0_u64);
    let text = record(&ResponseId::new(), None, 600);
    println!("seconds   written MiB   on disk MiB   p99 ms");
    while begin.elapsed() < Duration::from_secs(seconds) {
        ticks.tick().await;
        for n in 0..per_tick {
            let id = ResponseId::new();
            let frames = (n % 10 == 0).then(|| Frames {
                first: 0,
                bytes: "event: response.output_text.delta\ndata: {\"delta\":\"words\"}\n\n"
                    .repeat(100)
                    .into(),
            });
            let length = frames.as_ref().map_or(0, |frames| frames.bytes.len());
            let appends = frames.into_iter().map(Append::Frames).collect();
            let change = Change { id, record: Some(text.clone().into()), appends };
            written += (text.input.get().len() + text.response.get().len() + length) as u64;
            let commit = store.commit(change);
            commits.push(tokio::spawn(async move {
                let begin = Instant::now();
                commit.await.unwrap();
                begin.elapsed()
            }));
        }
        if commits.len() as u64 >= rate {
            let mut times = Vec::with_capacity(commits.len());
            for commit in commits.drain(..) {
                times.push(commit.await.unwrap());
            }
            times.sort_unstable();
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let p99_ms = times[times.len() * 99 / 100].as_secs_f64() * 1e3;
            let (at, disk) = (begin.elapsed().as_secs_f64(), mib(on_disk(folder)));
            println!("{at:7.1} {:13.1} {disk:13.1} {p99_ms:8.2}", mib(written));
            samples.push(Sample { at, disk, written: mib(written), p99_ms });
        }
    }
    samples
}

/// A plain picture: disk use, what was written in all, and when the first response expired.
fn draw(samples: &[Sample], keep: u64, rate: u64) -> String {
    const W: f64 = 640.0;
    const H: f64 = 300.0;
    const LEFT: f64 = 60.0;
    const TOP: f64 = 50.0;
    let time = samples.last().unwrap().at;
    let most = samples.iter().map(|s| s.disk).fold(0.0, f64::max) * 1.4;
    let x = |at: f64| LEFT + at / time * W;
    let y = |mib: f64| TOP + H - mib.min(most) / most * H;
    let line = |value: &dyn Fn(&Sample) -> f64| {
        let points = samples.iter().take_while(|s| value(s) <= most);
        points.map(|s| format!("{:.1},{:.1}", x(s.at), y(value(s)))).collect::<Vec<_>>().join(" ")
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 740 400\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"740\" height=\"400\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">Disk use at {rate} responses per second, kept for {keep} seconds</text>\n"
    );
    for step in 0..=4 {
        let mib = most * f64::from(step) / 4.0;
        let at = time * f64::from(step) / 4.0;
        writeln!(
            svg,
            "<path d=\"M{LEFT} {0:.1}h{W}\" stroke=\"#ddd\"/><text x=\"52\" y=\"{1:.1}\" text-anchor=\"end\">{mib:.0}</text>\
             <text x=\"{2:.1}\" y=\"368\" text-anchor=\"middle\">{at:.0}</text>",
            y(mib),
            y(mib) + 4.0,
            x(at)
        )
        .unwrap();
    }
    let first = x(keep as f64);
    let mut p99: Vec<_> = samples.iter().map(|s| s.p99_ms).collect();
    p99.sort_by(f64::total_cmp);
    let p99 = p99[p99.len() / 2];
    write!(
        svg,
        "<text x=\"52\" y=\"40\" text-anchor=\"end\">MiB</text><text x=\"380\" y=\"390\" text-anchor=\"middle\">seconds</text>\n\
         <path d=\"M{first:.1} {TOP}v{H}\" stroke=\"#999\" stroke-dasharray=\"4 4\"/>\
         <text x=\"{0:.1}\" y=\"340\" fill=\"#666\">the first response expires</text>\n\
         <polyline points=\"{1}\" fill=\"none\" stroke=\"#c60\" stroke-dasharray=\"6 3\"/>\n\
         <polyline points=\"{2}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"2\"/>\n\
         <text x=\"690\" y=\"320\" text-anchor=\"end\"><tspan fill=\"#06c\">on disk</tspan>, and \
         <tspan fill=\"#c60\">all that was ever written</tspan></text>\n\
         <text x=\"690\" y=\"340\" text-anchor=\"end\" fill=\"#666\">99 of 100 commits took less than \
         {p99:.1} ms (median over the seconds)</text>\n</svg>\n",
        first + 6.0,
        line(&|s| s.written),
        line(&|s| s.disk),
    )
    .unwrap();
    svg
}
