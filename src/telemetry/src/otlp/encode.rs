//! Spans and metrics as the requests of OTLP 1.8 (opentelemetry-proto), in protobuf.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::protobuf::Message;
use crate::trace::{Kind, SpanData, Value, names::SCHEMA_URL};

/// What the numbers of a counter count from: the start of the process.
const CUMULATIVE: u64 = 2;
const ERROR: u64 = 2;

/// `ExportTraceServiceRequest`. `resource`: attributes of the process.
pub(super) fn spans(resource: &[(String, String)], spans: &[Box<SpanData>]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |of_resource| {
        of_resource.message(1, |message| attributes(message, resource));
        of_resource.message(2, |of_scope| {
            of_scope.message(1, scope);
            for data in spans {
                of_scope.message(2, |message| span(message, data));
            }
            of_scope.text(3, SCHEMA_URL);
        });
        of_resource.text(3, SCHEMA_URL);
    });
    request.into_bytes()
}

/// `ExportMetricsServiceRequest` of what was counted from `start` to now.
pub(super) fn metrics(
    resource: &[(String, String)],
    families: &[MetricFamily],
    start: SystemTime,
) -> Vec<u8> {
    let times = (nanos(start), nanos(SystemTime::now()));
    let mut request = Message::default();
    request.message(1, |of_resource| {
        of_resource.message(1, |message| attributes(message, resource));
        of_resource.message(2, |of_scope| {
            of_scope.message(1, scope);
            for family in families {
                of_scope.message(2, |message| metric(message, family, times));
            }
            of_scope.text(3, SCHEMA_URL);
        });
        of_resource.text(3, SCHEMA_URL);
    });
    request.into_bytes()
}

fn scope(message: &mut Message) {
    message.text(1, "open-responses");
    message.text(2, env!("CARGO_PKG_VERSION"));
}

fn attributes(message: &mut Message, attributes: &[(String, String)]) {
    for (name, value) in attributes {
        message.message(1, |pair| text_pair(pair, name, value));
    }
}

fn text_pair(pair: &mut Message, name: &str, value: &str) {
    pair.text(1, name);
    pair.message(2, |any| any.text(1, value));
}

fn span(message: &mut Message, data: &SpanData) {
    message.bytes(1, &data.context.trace_id);
    message.bytes(2, &data.context.span_id);
    if let Some(state) = &data.context.state {
        message.text(3, state);
    }
    if let Some(parent) = &data.parent {
        message.bytes(4, parent);
    }
    message.text(5, &data.name);
    let kind = match data.kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    };
    message.int(6, kind);
    message.fixed64(7, nanos(data.start));
    message.fixed64(8, nanos(data.end));
    for (name, value) in &data.attributes {
        message.message(9, |pair| {
            pair.text(1, name);
            pair.message(2, |any| any_value(any, value));
        });
    }
    if data.failed {
        message.message(15, |status| status.int(3, ERROR));
    }
    message.fixed32(16, u32::from(data.context.sampled));
}

fn any_value(any: &mut Message, value: &Value) {
    match value {
        Value::Text(text) => any.text(1, text),
        Value::Bool(value) => any.int(2, u64::from(*value)),
        Value::Int(value) => any.int(3, value.cast_unsigned()),
        Value::Double(value) => any.double(4, *value),
        Value::Texts(text) => any.message(5, |list| list.message(1, |any| any.text(1, text))),
    }
}

fn metric(message: &mut Message, family: &MetricFamily, times: (u64, u64)) {
    let metrics = family.get_metric();
    // Prometheus has units and the ending of counters in the name.
    message.text(1, family.name());
    message.text(2, family.help());
    let of_conventions = family.name().contains('.');
    if of_conventions || family.name().ends_with("_seconds") || family.name().ends_with("_seconds_total") {
        message.text(3, "s");
    } else if family.name().contains("_bytes") {
        message.text(3, "By");
    }
    match family.get_field_type() {
        MetricType::COUNTER => message.message(7, |sum| {
            for metric in metrics {
                sum.message(1, |point| number(point, metric, metric.get_counter().get_value(), times));
            }
            sum.int(2, CUMULATIVE);
            sum.int(3, 1);
        }),
        MetricType::HISTOGRAM => message.message(9, |histogram| {
            for metric in metrics {
                histogram.message(1, |point| distribution(point, metric, times));
            }
            histogram.int(2, CUMULATIVE);
        }),
        // There are no others than gauges.
        MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => message.message(5, |gauge| {
            for metric in metrics {
                gauge.message(1, |point| number(point, metric, metric.get_gauge().get_value(), times));
            }
        }),
    }
}

fn number(point: &mut Message, metric: &Metric, value: f64, (start, now): (u64, u64)) {
    point.fixed64(2, start);
    point.fixed64(3, now);
    point.double(4, value);
    labels(point, 7, metric);
}

fn distribution(point: &mut Message, metric: &Metric, (start, now): (u64, u64)) {
    let histogram = metric.get_histogram();
    let buckets: Vec<_> =
        histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()).collect();
    point.fixed64(2, start);
    point.fixed64(3, now);
    point.fixed64(4, histogram.get_sample_count());
    point.double(5, histogram.get_sample_sum());
    // Each alone, and one more for what is above all bounds.
    let mut before = 0;
    let ends = buckets.iter().map(|bucket| bucket.cumulative_count()).chain([histogram.get_sample_count()]);
    let counts = ends.map(|end| end.saturating_sub(std::mem::replace(&mut before, end)));
    point.packed(6, counts);
    point.packed(7, buckets.iter().map(|bucket| bucket.upper_bound().to_bits()));
    labels(point, 9, metric);
}

fn labels(point: &mut Message, field: u64, metric: &Metric) {
    for label in metric.get_label() {
        point.message(field, |pair| text_pair(pair, label.name(), label.value()));
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
