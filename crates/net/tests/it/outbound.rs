//! OUT-2: names whose answers change, and redirects inwards.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use futures::future::BoxFuture;
use net::http::{ClientConfig, HttpLimits};
use net::outbound::{Lookup, Outbound, Policy, PolicyConfig};
use reqwest::Method;

use crate::support::Serving;

/// Answers from a list, the last one for ever.
#[derive(Debug)]
struct Lying {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Lookup for Lying {
    fn lookup(&self, _name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.get(asked).or(self.answers.last()).cloned();
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

fn outbound(allow: &str, answers: &[&[&str]]) -> (Outbound, Arc<Lying>) {
    let answers = answers.iter().map(|some| some.iter().map(|ip| ip.parse().unwrap()).collect());
    let lying = Arc::new(Lying { answers: answers.collect(), asked: AtomicUsize::new(0) });
    let allow = vec![allow.parse().unwrap()];
    let policy =
        Policy::new(PolicyConfig { allow, http: true, ports: Vec::new(), ..Default::default() });
    let lookup = Arc::clone(&lying) as Arc<dyn Lookup>;
    (Outbound::with_lookup(policy, ClientConfig::default(), lookup).unwrap(), lying)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(source) = at {
        text = format!("{text}: {source}");
        at = source.source();
    }
    text
}

#[tokio::test]
async fn a_second_answer_that_points_inwards_is_refused_though_the_first_was_good() {
    let router = Router::new().route("/", get(|| async { "in" }));
    let serving = Serving::http(router, HttpLimits::default()).await;
    // 127.0.0.0/30 stands for the outside here, 127.0.0.9 for the inside.
    let (outbound, lying) = outbound("127.0.0.0/30", &[&["127.0.0.1"], &["127.0.0.9"]]);
    let url = format!("http://hooks.example.com:{}/", serving.address.port()).parse().unwrap();
    let get = || outbound.request(Method::GET, &url).unwrap().header("connection", "close").send();
    assert_eq!(get().await.unwrap().text().await.unwrap(), "in");
    let refused = get().await.unwrap_err();
    assert!(refused.is_connect(), "nothing was sent: {refused:?}");
    assert!(chain(&refused).contains("not on the public internet"), "{}", chain(&refused));
    assert_eq!(lying.asked.load(Ordering::Relaxed), 2);
    serving.end().await;
}

#[tokio::test]
async fn one_bad_address_among_good_ones_refuses_the_name() {
    let (outbound, _) = outbound("127.0.0.0/30", &[&["127.0.0.1", "10.0.0.1"]]);
    let url = "http://hooks.example.com:9/".parse().unwrap();
    let refused = outbound.request(Method::GET, &url).unwrap().send().await.unwrap_err();
    assert!(chain(&refused).contains("not on the public internet"), "{}", chain(&refused));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let router = Router::new()
        .route("/", get(|| async { Redirect::temporary("/inside") }))
        .route("/inside", get(|| async { "inside" }));
    let serving = Serving::http(router, HttpLimits::default()).await;
    let (outbound, _) = outbound("127.0.0.0/8", &[&["127.0.0.1"]]);
    let url = format!("http://hooks.example.com:{}/", serving.address.port()).parse().unwrap();
    let answer = outbound.request(Method::GET, &url).unwrap().send().await.unwrap();
    assert_eq!(answer.status(), 307);
    serving.end().await;
}
