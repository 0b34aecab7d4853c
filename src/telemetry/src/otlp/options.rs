//! Where telemetry goes and how, by the configuration and the variables of OpenTelemetry's specification.

use std::time::Duration;

use crate::trace::Sampler;

/// Where telemetry goes and how. Nothing is sent without an endpoint.
#[derive(Clone)]
pub struct OtlpOptions {
    /// URL for spans; `None`: none are made.
    pub traces: Option<String>,
    /// URL for metrics; `None`: none are sent.
    pub metrics: Option<String>,
    /// Sent with each request; may hold keys.
    pub headers: Vec<(String, String)>,
    /// Attributes of this process, `service.name` among them.
    pub resource: Vec<(String, String)>,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// To the answer of the collector.
    pub timeout: Duration,
    /// Between two requests with spans, if not so many are there before.
    pub delay: Duration,
    /// Spans of one request, at most.
    pub batch: usize,
    /// Spans that wait, at most. What finds no room is lost, and counted.
    pub queue: usize,
    /// Between two requests with metrics.
    pub interval: Duration,
}

impl std::fmt::Debug for OtlpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // URLs and headers may hold keys.
        f.debug_struct("OtlpOptions").field("sampler", &self.sampler).finish_non_exhaustive()
    }
}

/// A variable with a value that it cannot have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the variable {name} {problem}")]
pub struct OtlpError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it, as the end of a sentence; holds no value.
    pub problem: &'static str,
}

impl OtlpOptions {
    /// What the configuration (`endpoint`, empty: none) and the variables say. The configuration wins over the variable for
    /// all signals. `None`: nothing is sent anywhere.
    ///
    /// # Errors
    /// If a variable has a value that cannot be understood; what this server does not speak is one.
    pub fn of<'a>(
        endpoint: &str,
        variable: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Option<Self>, OtlpError> {
        if variable("OTEL_SDK_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let base = Some(endpoint).filter(|text| !text.is_empty());
        let base = base.or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let place = |own: &'static str, exporter: &'static str, path: &str| {
            match variable(exporter).map(str::trim) {
                Some("none") => return Ok(None),
                None | Some("otlp") => {}
                Some(_) => return Err(OtlpError { name: exporter, problem: "must be `otlp` or `none`" }),
            }
            let joined = base.map(|base| format!("{}{path}", base.trim_end_matches('/')));
            let url = variable(own).map(str::to_owned).or(joined);
            match url {
                Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                    Err(OtlpError { name: own, problem: "or the endpoint of all signals is no HTTP URL" })
                }
                url => Ok(url),
            }
        };
        let traces = place("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER", "/v1/traces")?;
        let metrics = place("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_METRICS_EXPORTER", "/v1/metrics")?;
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        let protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";
        if variable(protocol).is_some_and(|word| word.trim() != "http/protobuf") {
            return Err(OtlpError { name: protocol, problem: "must be `http/protobuf`: no other is spoken" });
        }
        let headers = pairs("OTEL_EXPORTER_OTLP_HEADERS", &variable)?;
        let mut resource = pairs("OTEL_RESOURCE_ATTRIBUTES", &variable)?;
        let named = resource.iter().position(|(name, _)| name == "service.name");
        let named = named.map(|at| resource.remove(at).1);
        let service = variable("OTEL_SERVICE_NAME").map(str::to_owned).or(named);
        resource.insert(0, ("service.name".into(), service.unwrap_or_else(|| "open-responses".into())));
        resource.push(("service.version".into(), env!("CARGO_PKG_VERSION").into()));
        let batch = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1..=8192, &variable)?;
        let queue = number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1..=1 << 20, &variable)?;
        let ms = |name, default, range| number(name, default, range, &variable).map(Duration::from_millis);
        Ok(Some(Self {
            traces,
            metrics,
            headers,
            resource,
            sampler: sampler(&variable)?,
            timeout: ms("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, 1..=600_000)?,
            delay: ms("OTEL_BSP_SCHEDULE_DELAY", 5_000, 1..=600_000)?,
            batch: usize::try_from(batch).unwrap_or(usize::MAX),
            queue: usize::try_from(queue).unwrap_or(usize::MAX),
            interval: ms("OTEL_METRIC_EXPORT_INTERVAL", 60_000, 10..=86_400_000)?,
        }))
    }
}

fn number<'a>(
    name: &'static str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
    variable: &impl Fn(&str) -> Option<&'a str>,
) -> Result<u64, OtlpError> {
    let Some(text) = variable(name) else { return Ok(default) };
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or(OtlpError { name, problem: "is no number, or out of range" })
}

fn sampler<'a>(variable: &impl Fn(&str) -> Option<&'a str>) -> Result<Sampler, OtlpError> {
    let Some(name) = variable("OTEL_TRACES_SAMPLER") else { return Ok(Sampler::default()) };
    let argument = "OTEL_TRACES_SAMPLER_ARG";
    let ratio = variable(argument).map_or(Ok(1.0), |text| text.trim().parse::<f64>().map_err(drop));
    let ratio = ratio.ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    let ratio = ratio.ok_or(OtlpError { name: argument, problem: "is no number from 0 to 1" })?;
    let problem = "is none of always_on, always_off, traceidratio, and those with parentbased_ before them";
    Sampler::named(name.trim(), ratio).ok_or(OtlpError { name: "OTEL_TRACES_SAMPLER", problem })
}

/// `a=1,b=2`; values may be escaped as in URLs.
fn pairs<'a>(
    name: &'static str,
    variable: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<(String, String)>, OtlpError> {
    let text = variable(name).unwrap_or_default();
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), unescaped(value.trim())?))
    };
    let all: Option<Vec<_>> = pairs.map(pair).collect();
    all.ok_or(OtlpError { name, problem: "is no list of name=value" })
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let byte = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let digits = [*high, *low];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            (byte, _) => *byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoint: &str, variables: &[(&str, &'static str)]) -> Result<Option<OtlpOptions>, OtlpError> {
        OtlpOptions::of(endpoint, |name| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| *v))
    }

    #[track_caller]
    fn check(
        endpoint: &str,
        variables: &[(&str, &'static str)],
        traces: Option<&str>,
        metrics: Option<&str>,
    ) {
        let got = of(endpoint, variables).unwrap();
        let got = got.map(|options| (options.traces, options.metrics)).unwrap_or_default();
        assert_eq!((got.0.as_deref(), got.1.as_deref()), (traces, metrics));
    }

    #[test]
    fn an_endpoint_is_for_all_signals_unless_one_has_its_own() {
        check("", &[], None, None);
        check("http://a:4318/", &[], Some("http://a:4318/v1/traces"), Some("http://a:4318/v1/metrics"));
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://b");
        check("", &[all], Some("http://b/v1/traces"), Some("http://b/v1/metrics"));
        check("http://a", &[all], Some("http://a/v1/traces"), Some("http://a/v1/metrics"));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/x");
        check("", &[own], Some("http://c/x"), None);
        check("http://a", &[own], Some("http://c/x"), Some("http://a/v1/metrics"));
        check("http://a", &[("OTEL_METRICS_EXPORTER", "none")], Some("http://a/v1/traces"), None);
        check("http://a", &[("OTEL_SDK_DISABLED", "true")], None, None);
    }

    #[test]
    fn headers_and_attributes_are_lists() {
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20eDp5, x=1=2");
        let resource = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,a=b");
        let options = of("http://a", &[headers, resource]).unwrap().unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(options.headers, [pair("authorization", "Basic eDp5"), pair("x", "1=2")]);
        assert_eq!(options.resource[..2], [pair("service.name", "mine"), pair("a", "b")]);
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hush"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ] {
            let variables = [("OTEL_TRACES_SAMPLER", "traceidratio"), (name, value)];
            let variables = if name == "OTEL_TRACES_SAMPLER" { &variables[1..] } else { &variables[..] };
            let error = of("http://a", variables).unwrap_err();
            assert!(error.name == name && !error.to_string().contains("hush"), "{error}");
        }
        assert!(of("ftp://a", &[]).is_err());
    }
}
