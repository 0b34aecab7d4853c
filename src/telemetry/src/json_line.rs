//! One JSON object a line: time, level, the event's fields, target.

use std::fmt;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Most lines are shorter, in bytes.
const USUAL: usize = 768;

/// The members and their order are those of tracing-subscriber's own JSON format, with flat events and without
/// spans. That one goes through a serializer and a text for each piece, which makes the line of a request cost three
/// times as much.
pub(crate) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line { json: Vec::with_capacity(USUAL), foreign_target: None };
        let mut time = String::with_capacity(32);
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.json.push(b'{');
        line.member("timestamp", &time);
        line.member("level", metadata.level().as_str());
        event.record(&mut line);
        let target = line.foreign_target.take();
        line.member("target", target.as_deref().unwrap_or(metadata.target()));
        line.json.extend_from_slice(b"}\n");
        writer.write_str(std::str::from_utf8(&line.json).map_err(|_| fmt::Error)?)
    }
}

struct Line {
    json: Vec<u8>,
    /// Of a record of the crate `log`, whose events all have one target.
    foreign_target: Option<String>,
}

impl Line {
    fn member(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        let start = self.json.len();
        let name = name.strip_prefix("r#").unwrap_or(name);
        let written = serde_json::to_writer(&mut self.json, name).and_then(|()| {
            self.json.push(b':');
            serde_json::to_writer(&mut self.json, value)
        });
        if written.is_err() {
            // Not with the values that events have; half a member would spoil the line.
            self.json.truncate(start.saturating_sub(usize::from(start > 1)));
        }
    }

    fn field(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        // Where a record of `log` came from; only its target is of interest.
        if !field.name().starts_with("log.") {
            self.member(field.name(), value);
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.foreign_target = Some(value.to_owned());
        }
        self.field(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn written(say: impl Fn()) -> String {
        let lines = Lines::default();
        let builder = tracing_subscriber::fmt().with_writer(lines.clone());
        tracing::subscriber::with_default(builder.event_format(JsonLine).finish(), say);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    /// The same by tracing-subscriber's own format.
    fn by_the_library(say: impl Fn()) -> String {
        let lines = Lines::default();
        let builder = tracing_subscriber::fmt().with_writer(lines.clone()).json().flatten_event(true);
        let subscriber = builder.with_current_span(false).with_span_list(false).finish();
        tracing::subscriber::with_default(subscriber, say);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[track_caller]
    fn check(say: impl Fn()) -> Value {
        let line = written(&say);
        let got: Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
        let want: Value = serde_json::from_str(&by_the_library(&say)).unwrap();
        let form = |line: &Value| {
            let mut line = line.as_object().unwrap().clone();
            let time = line.insert("timestamp".into(), json!("")).unwrap();
            assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
            // As text, because their order counts.
            serde_json::to_string(&line).unwrap()
        };
        assert_eq!(form(&got), form(&want));
        got
    }

    #[test]
    fn a_line_is_what_the_library_would_write() {
        let (name, none, error) = ("a \"b\"\n\u{1f600}", None::<u16>, io::Error::other("no"));
        check(|| {
            tracing::info!(
                name,
                none,
                some = Some(3_u16),
                minus = -1,
                ms = 0.25,
                yes = true,
                %error,
                list = ?[1, 2],
                r#type = "t",
                "said {name}"
            );
        });
        check(|| tracing::warn!(target: "elsewhere", "plain"));
        check(|| tracing::error!(only = "fields"));
    }

    #[test]
    fn every_event_is_a_line_of_its_own() {
        let lines = written(|| {
            tracing::info!("one\ntwo");
            tracing::info!(nan = f64::NAN, "three");
        });
        let said: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&said[0]["message"], &said[1]["message"]), (&json!("one\ntwo"), &json!("three")));
    }
}
