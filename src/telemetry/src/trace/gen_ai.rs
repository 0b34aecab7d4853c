//! Durations by OpenTelemetry's conventions for generative AI. They go to collectors only: `/metrics` has the same under names
//! of its own.

use std::time::Duration;

use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;
use prometheus::{Error, HistogramOpts, HistogramVec};

use super::names;

/// Seconds, as the conventions fix them: for calls of models and what they are part of, for their pieces, and for MCP.
const CALLS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const CHUNKS: &[f64] =
    &[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const MCP: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

const OF_MODEL: &[&str] = &[names::OPERATION, names::PROVIDER, names::REQUEST_MODEL, names::ERROR_TYPE];
const OF_AGENT: &[&str] = &[names::OPERATION, names::ERROR_TYPE];
const OF_TOOL: &[&str] = &[names::OPERATION, names::TOOL_NAME, names::TOOL_TYPE, names::ERROR_TYPE];
const OF_MCP: &[&str] = &[names::MCP_METHOD, names::ERROR_TYPE];

/// The histograms. All values of attributes come from closed sets; one that is empty is left out.
#[derive(Debug)]
pub(crate) struct GenAi {
    /// Calls of models.
    pub(crate) operation: Durations,
    /// From such a call to its first output, and from each piece of output to the next; of streams only.
    pub(crate) first_chunk: Durations,
    pub(crate) output_chunk: Durations,
    /// Responses, from the request to the end.
    pub(crate) request: Durations,
    /// Those in which tools of this server may run.
    pub(crate) agent: Durations,
    /// Calls of tools, and among them those of MCP servers.
    pub(crate) tool: Durations,
    pub(crate) mcp: Durations,
}

impl GenAi {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            operation: Durations::new(names::OPERATION_DURATION, CALLS, OF_MODEL)?,
            first_chunk: Durations::new(names::FIRST_CHUNK_DURATION, CHUNKS, OF_MODEL)?,
            output_chunk: Durations::new(names::OUTPUT_CHUNK_DURATION, CHUNKS, OF_MODEL)?,
            request: Durations::new(names::REQUEST_DURATION, CALLS, OF_MODEL)?,
            agent: Durations::new(names::AGENT_DURATION, CALLS, OF_AGENT)?,
            tool: Durations::new(names::TOOL_DURATION, CALLS, OF_TOOL)?,
            mcp: Durations::new(names::MCP_DURATION, MCP, OF_MCP)?,
        })
    }

    /// Those that have something to say.
    pub(crate) fn gather(&self) -> impl Iterator<Item = MetricFamily> {
        let Self { operation, first_chunk, output_chunk, request, agent, tool, mcp } = self;
        let all = [operation, first_chunk, output_chunk, request, agent, tool, mcp];
        all.into_iter().filter_map(Durations::family)
    }
}

/// A histogram of seconds whose names have dots, which Prometheus does not take.
#[derive(Debug)]
pub(crate) struct Durations {
    name: &'static str,
    attributes: &'static [&'static str],
    series: HistogramVec,
}

impl Durations {
    fn new(name: &'static str, buckets: &[f64], attributes: &'static [&'static str]) -> Result<Self, Error> {
        let labels: Vec<_> = attributes.iter().map(|name| plain(name)).collect();
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        let options = HistogramOpts::new(plain(name), name).buckets(buckets.to_vec());
        Ok(Self { name, attributes, series: HistogramVec::new(options, &labels)? })
    }

    /// Counts one. `values`: of the attributes, in their order.
    pub(crate) fn observe<const N: usize>(&self, values: [&str; N], took: Duration) {
        if let Ok(series) = self.series.get_metric_with_label_values(&values) {
            series.observe(took.as_secs_f64());
        }
    }

    fn family(&self) -> Option<MetricFamily> {
        let mut family = self.series.collect().pop().filter(|family| !family.get_metric().is_empty())?;
        family.set_name(self.name.to_owned());
        for metric in family.mut_metric() {
            let mut labels = metric.take_label();
            labels.retain(|label| !label.value().is_empty());
            for label in &mut labels {
                if let Some(name) = self.attributes.iter().find(|name| plain(name) == label.name()) {
                    label.set_name((*name).to_owned());
                }
            }
            metric.set_label(labels);
        }
        Some(family)
    }
}

fn plain(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn names_have_dots_and_what_is_empty_is_left_out() {
        let gen_ai = GenAi::new().unwrap();
        assert_eq!(gen_ai.gather().count(), 0);
        gen_ai.tool.observe(["execute_tool", "get_weather", "function", ""], Duration::from_secs(2));
        gen_ai.tool.observe(["execute_tool", "get_weather", "function", "timeout"], Duration::from_secs(2));
        let families: Vec<_> = gen_ai.gather().collect();
        assert_eq!(
            families.iter().map(MetricFamily::name).collect::<Vec<_>>(),
            ["gen_ai.execute_tool.duration"]
        );
        let mut labels: Vec<Vec<_>> = families[0]
            .get_metric()
            .iter()
            .map(|metric| metric.get_label().iter().map(|label| (label.name(), label.value())).collect())
            .collect();
        labels.sort_by_key(Vec::len);
        let tool = [
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "get_weather"),
            ("gen_ai.tool.type", "function"),
        ];
        assert_eq!(labels[0], tool);
        assert_eq!(labels[1], [&[("error.type", "timeout")], &tool[..]].concat());
    }
}
