//! An OTLP collector that keeps what processes send it.
//!
//! It lives as long as the set that it was started in. Nothing is read from disk or kept there.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_server::{LogsService, LogsServiceServer},
        },
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    metrics::v1::Metric,
    resource::v1::Resource,
    trace::v1::Span,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// One of the things that are sent, and by which process.
#[derive(Debug, Clone)]
pub struct Sent<T> {
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// The thing.
    pub what: T,
}

/// What came in so far.
#[derive(Debug, Clone, Default)]
pub struct Received {
    spans: Kept<Span>,
    metrics: Kept<Metric>,
    logs: Kept<LogRecord>,
}

impl Received {
    /// Spans that have ended.
    pub fn spans(&self) -> Vec<Sent<Span>> {
        self.spans.all()
    }

    /// Metrics, each as often as it was exported.
    pub fn metrics(&self) -> Vec<Sent<Metric>> {
        self.metrics.all()
    }

    /// Log lines.
    pub fn logs(&self) -> Vec<Sent<LogRecord>> {
        self.logs.all()
    }
}

#[derive(Debug)]
struct Kept<T>(Arc<Mutex<Vec<Sent<T>>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Kept<T> {
    fn add(&self, resource: Option<Resource>, things: impl Iterator<Item = T>) {
        let attributes = resource.unwrap_or_default().attributes;
        let service = attribute(&attributes, "service.name");
        let instance = attribute(&attributes, "service.instance.id");
        let sent =
            things.map(|what| Sent { service: service.clone(), instance: instance.clone(), what });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(sent);
    }

    fn all(&self) -> Vec<Sent<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The text of an attribute; empty where it is missing or no text.
pub fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.clone()) {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        _ => String::new(),
    }
}

/// Starts the collector on a free port and answers what it keeps and its address.
pub async fn start(tasks: &mut JoinSet<()>) -> anyhow::Result<(Received, String)> {
    let received = Received::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the collector")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let server = Server::builder()
        .add_service(TraceServiceServer::new(received.clone()))
        .add_service(MetricsServiceServer::new(received.clone()))
        .add_service(LogsServiceServer::new(received.clone()));
    tasks.spawn(async move {
        let served = server.serve_with_incoming(TcpListenerStream::new(listener)).await;
        assert!(served.is_ok(), "the collector broke: {served:?}");
    });
    Ok((received, endpoint))
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for sent in request.into_inner().resource_spans {
            self.spans.add(sent.resource, sent.scope_spans.into_iter().flat_map(|s| s.spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        for sent in request.into_inner().resource_metrics {
            self.metrics.add(sent.resource, sent.scope_metrics.into_iter().flat_map(|s| s.metrics));
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Received {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        for sent in request.into_inner().resource_logs {
            self.logs.add(sent.resource, sent.scope_logs.into_iter().flat_map(|s| s.log_records));
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}
