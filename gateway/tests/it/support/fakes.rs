//! Services that answer with what a test put in their mouth, over real gRPC, and remember what they were asked.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use ::http::{Request, Response};
use axum::Router;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic_prost::ProstCodec;

type Answering = Arc<
    dyn Fn(Request<Body>) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync,
>;

type Refusing = Arc<dyn Fn(&str) -> Status + Send + Sync>;

/// One call, as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// `Service/Method`.
    pub(crate) method: String,
    pub(crate) authorization: Option<String>,
    pub(crate) service_token: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Fakes {
    answers: Arc<Mutex<HashMap<String, Answering>>>,
    refusal: Arc<Mutex<Option<Refusing>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Fakes {
    /// Lets a unary method answer.
    pub(crate) fn on<Q, A, F>(&self, method: &str, answer: F)
    where
        Q: Message + Default + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
        F: Fn(Q) -> Result<A, Status> + Send + Sync + Clone + 'static,
    {
        let answering: Answering = Arc::new(move |request| {
            let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
            let unary = Unary(answer.clone(), std::marker::PhantomData);
            async move { grpc.unary(unary, request).await }.boxed()
        });
        self.answers.lock().unwrap().insert(method.to_owned(), answering);
    }

    /// Lets a streaming method answer.
    pub(crate) fn on_stream<Q, A, F>(&self, method: &str, answer: F)
    where
        Q: Message + Default + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
        F: Fn(Q) -> Result<BoxStream<'static, Result<A, Status>>, Status>
            + Send
            + Sync
            + Clone
            + 'static,
    {
        let answering: Answering = Arc::new(move |request| {
            let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
            let streaming = Streaming(answer.clone(), std::marker::PhantomData);
            async move { grpc.server_streaming(streaming, request).await }.boxed()
        });
        self.answers.lock().unwrap().insert(method.to_owned(), answering);
    }

    /// Lets a method leave its callers waiting.
    pub(crate) fn never(&self, method: &str) {
        let answering: Answering = Arc::new(|_| std::future::pending().boxed());
        self.answers.lock().unwrap().insert(method.to_owned(), answering);
    }

    /// Lets every method that has no answer refuse, by its whole name: `switchboard.messaging.v1.MessageService/SendMessage`.
    pub(crate) fn refuse_all(&self, refusing: impl Fn(&str) -> Status + Send + Sync + 'static) {
        *self.refusal.lock().unwrap() = Some(Arc::new(refusing));
    }

    /// What was asked since the last look.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    /// The methods that were asked since the last look, in order of their names.
    pub(crate) fn methods(&self) -> Vec<String> {
        let mut methods: Vec<String> = self.heard().into_iter().map(|one| one.method).collect();
        methods.sort();
        methods
    }

    pub(crate) fn router(&self) -> Router {
        let fakes = self.clone();
        Router::new().fallback(move |request: axum::extract::Request| {
            let fakes = fakes.clone();
            async move { fakes.answer(request.map(Body::new)).await.map(axum::body::Body::new) }
        })
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        // `/switchboard.messaging.v1.MessageService/ListMessages`: package and version are left out.
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let method = path.rsplit_once('.').map_or(path.as_str(), |(_, method)| method).to_owned();
        self.heard.lock().unwrap().push(heard(&method, request.headers()));
        let answering = self.answers.lock().unwrap().get(&method).cloned();
        let refusing = self.refusal.lock().unwrap().clone();
        match (answering, refusing) {
            (Some(answering), _) => answering(request).await,
            (None, Some(refusing)) => refusing(&path).into_http(),
            (None, None) => Status::unimplemented(format!("no answer for {method}")).into_http(),
        }
    }
}

fn heard(method: &str, headers: &::http::HeaderMap) -> Heard {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    Heard {
        method: method.to_owned(),
        authorization: header("authorization"),
        service_token: header("x-switchboard-service"),
    }
}

struct Unary<F, Q>(F, std::marker::PhantomData<fn(Q)>);

impl<Q, A, F> UnaryService<Q> for Unary<F, Q>
where
    Q: Message + Default + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
    F: Fn(Q) -> Result<A, Status>,
{
    type Response = A;
    type Future = std::future::Ready<Result<tonic::Response<A>, Status>>;

    fn call(&mut self, request: tonic::Request<Q>) -> Self::Future {
        std::future::ready((self.0)(request.into_inner()).map(tonic::Response::new))
    }
}

struct Streaming<F, Q>(F, std::marker::PhantomData<fn(Q)>);

impl<Q, A, F> ServerStreamingService<Q> for Streaming<F, Q>
where
    Q: Message + Default + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
    F: Fn(Q) -> Result<BoxStream<'static, Result<A, Status>>, Status>,
{
    type Response = A;
    type ResponseStream = BoxStream<'static, Result<A, Status>>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Q>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        std::future::ready(answer.map(|stream| tonic::Response::new(stream.boxed())))
    }
}
