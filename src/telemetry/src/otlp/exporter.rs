//! The thread that sends spans and metrics to a collector. Nobody waits for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use prometheus::IntCounter;
use prometheus::proto::MetricFamily;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::encode;
use super::options::OtlpOptions;
use crate::Metrics;
use crate::trace::{GenAi, SpanData, Told, Tracer};

/// Before a request is sent once more, and how often it is sent at most.
const PAUSE: Duration = Duration::from_secs(1);
const TRIES: u32 = 3;
/// How long the end of the process waits for what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// All families as they are; `None`: there is no server any more.
pub type Gather = Box<dyn Fn() -> Option<Vec<MetricFamily>> + Send>;

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// A header that cannot be sent.
    #[error("a header of OTEL_EXPORTER_OTLP_HEADERS cannot be sent")]
    Header,
    /// The system gives no thread or no client.
    #[error("the thread of the OTLP exporter could not be started")]
    Thread(#[source] std::io::Error),
    /// A histogram with a name that is none; a bug.
    #[error("the histograms of the OTLP exporter could not be made")]
    Histograms(#[source] prometheus::Error),
    /// No TLS.
    #[error("the client of the OTLP exporter could not be made")]
    Client,
}

/// Sends until it is closed.
#[derive(Debug)]
pub struct Exporter {
    told: SyncSender<Told>,
    over: oneshot::Receiver<()>,
}

impl Exporter {
    /// Starts the thread. Spans are made from now on, if they have a place to go to.
    ///
    /// # Errors
    /// See [`ExporterError`].
    pub fn start(options: OtlpOptions, metrics: &Metrics, gather: Gather) -> Result<Self, ExporterError> {
        let client = client(&options)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(ExporterError::Thread)?;
        let (told, heard) = sync_channel(options.queue);
        let (ended, over) = oneshot::channel();
        if options.traces.is_some() {
            metrics.trace_by(Tracer::new(options.sampler, told.clone(), metrics.otlp_dropped("spans")));
        }
        if options.metrics.is_some() {
            metrics.count_by(GenAi::new().map_err(ExporterError::Histograms)?);
        }
        let lost = [metrics.otlp_dropped("spans"), metrics.otlp_dropped("metrics")];
        let link = Link { client, runtime, options, lost, reachable: true };
        let counted = metrics.clone();
        let counts = move || {
            let mut families = gather()?;
            families.extend(counted.gen_ai().into_iter().flat_map(GenAi::gather));
            Some(families)
        };
        let work = move || {
            run(link, &heard, &counts);
            drop(ended);
        };
        thread::Builder::new().name("otlp".into()).spawn(work).map_err(ExporterError::Thread)?;
        Ok(Self { told, over })
    }

    /// Sends what there is, and ends; waits for that for 2 s at most.
    pub async fn close(self) {
        let Self { told, over } = self;
        // The queue may be full.
        let end = Instant::now() + LAST_WORDS;
        while told.try_send(Told::Stop).is_err() && Instant::now() < end {
            tokio::time::sleep(LAST_WORDS / 100).await;
        }
        let _ = tokio::time::timeout(end.saturating_duration_since(Instant::now()), over).await;
    }
}

fn run(mut link: Link, heard: &Receiver<Told>, gather: &dyn Fn() -> Option<Vec<MetricFamily>>) {
    let started = SystemTime::now();
    let mut spans: Vec<Box<SpanData>> = Vec::new();
    let (mut send_at, mut metrics_at) = (None, Instant::now() + link.options.interval);
    loop {
        let next = send_at.unwrap_or(metrics_at).min(metrics_at);
        let open = match heard.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Told::Span(span)) => {
                spans.push(span);
                send_at.get_or_insert_with(|| Instant::now() + link.options.delay);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => false,
        };
        let now = Instant::now();
        if spans.len() >= link.options.batch || !open || send_at.is_some_and(|at| at <= now) {
            send_at = None;
            link.spans(&std::mem::take(&mut spans), open);
        }
        if !open || metrics_at <= now {
            metrics_at = now + link.options.interval;
            match gather() {
                Some(families) => link.metrics(&families, started, open),
                None => return,
            }
        }
        if !open {
            return;
        }
    }
}

/// The way to the collector.
struct Link {
    client: Client,
    runtime: Runtime,
    options: OtlpOptions,
    /// What could not be sent: spans, requests with metrics.
    lost: [IntCounter; 2],
    reachable: bool,
}

impl Link {
    fn spans(&mut self, spans: &[Box<SpanData>], patient: bool) {
        let Some(url) = self.options.traces.clone().filter(|_| !spans.is_empty()) else { return };
        let body = encode::spans(&self.options.resource, spans);
        if !self.send(&url, body, patient) {
            self.lost[0].inc_by(spans.len() as u64);
        }
    }

    fn metrics(&mut self, families: &[MetricFamily], started: SystemTime, patient: bool) {
        let Some(url) = self.options.metrics.clone() else { return };
        let body = encode::metrics(&self.options.resource, families, started);
        if !self.send(&url, body, patient) {
            self.lost[1].inc();
        }
    }

    /// Whether the collector took it. `patient`: whether there is time to try again.
    fn send(&mut self, url: &str, body: Vec<u8>, patient: bool) -> bool {
        let tries = if patient && self.reachable { TRIES } else { 1 };
        let body: bytes::Bytes = body.into();
        let mut why = String::new();
        for attempt in 1..=tries {
            if attempt > 1 {
                thread::sleep(PAUSE * (attempt - 1));
            }
            match self.once(url, body.clone()) {
                Ok(status) if status.is_success() => {
                    if !std::mem::replace(&mut self.reachable, true) {
                        tracing::info!("the OTLP collector takes telemetry again");
                    }
                    return true;
                }
                Ok(status) => {
                    why = format!("it answers with HTTP status {status}");
                    let again = [429, 502, 503, 504].contains(&status.as_u16());
                    if !again {
                        break;
                    }
                }
                Err(reason) => reason.clone_into(&mut why),
            }
        }
        // Once for each time that it is gone.
        if std::mem::replace(&mut self.reachable, false) {
            tracing::warn!(why, "the OTLP collector takes no telemetry; what comes meanwhile is lost");
        }
        false
    }

    /// The URL stays out of the words: it may hold a key.
    fn once(&self, url: &str, body: bytes::Bytes) -> Result<StatusCode, &'static str> {
        let request = self.client.post(url).body(body).timeout(self.options.timeout);
        self.runtime.block_on(async {
            match request.send().await {
                Ok(answer) => Ok(answer.status()),
                Err(error) if error.is_connect() => Err("it cannot be reached"),
                Err(error) if error.is_timeout() => Err("it does not answer"),
                Err(_) => Err("the connection to it broke"),
            }
        })
    }
}

fn client(options: &OtlpOptions) -> Result<Client, ExporterError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ExporterError::Header)?;
        let mut value = HeaderValue::from_str(value).map_err(|_| ExporterError::Header)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| ExporterError::Client)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .default_headers(headers)
        .pool_max_idle_per_host(1)
        .build()
        .map_err(|_| ExporterError::Client)
}
