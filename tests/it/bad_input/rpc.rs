//! The services' own ports: callers of nobody, messages that are none, and what is no gRPC at all.

use std::time::Duration;

use serde_json::Value;
use testkit::{Refusal, forge};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Response, Status};

use super::{
    answer::Cases,
    house::{House, PATIENCE},
};
use crate::support::{
    grpc::{Channels, Headers, Rpc},
    text,
};

/// A method of each service that a user may call.
const METHODS: [&str; 6] = [
    "identity.ListPeople",
    "onboarding.ListWabas",
    "assets.ListNumbers",
    "messaging.ListMessages",
    "webhooks.ListQuarantine",
    "analytics.GetMeasures",
];

#[tokio::test]
async fn a_caller_of_nobody_is_answered_by_no_service() {
    let house = House::start().await;
    let mut cases = Cases::of("gRPC callers");
    let channels = Channels::new(&house.dev.json);
    let services = crate::isolation::world::services(&house.dev);
    let user = house.api.exchange(house.api.key(0)).await;
    let jwks = house.api.jwks().await;
    let forged_users = forge::forgeries(&user, &jwks).expect("forgeries");
    for method in METHODS {
        let callee = method.split('.').next().expect("a service");
        let service = services.token("gateway", callee).await.expect("a token");
        let with = |user: Option<&str>, service: Option<&str>| Headers {
            user: user.map(str::to_owned),
            service: service.map(str::to_owned),
            more: Vec::new(),
        };
        let mut expect = async |case: &str, headers: &Headers, code: Code, reason: &str| {
            let answer = call(&channels, method, headers, Vec::new()).await;
            refused(&mut cases, &format!("{method}: {case}"), &answer, &[code], reason, "");
        };
        let none = Code::Unauthenticated;
        expect("nobody", &with(None, None), none, "SERVICE_TOKEN_MISSING").await;
        expect("a user alone", &with(Some(&user), None), none, "SERVICE_TOKEN_MISSING").await;
        expect("a service alone", &with(None, Some(&service)), none, "USER_TOKEN_MISSING").await;
        expect(
            "the tokens swapped",
            &with(Some(&service), Some(&user)),
            none,
            "SERVICE_TOKEN_INVALID",
        )
        .await;
        let other = if callee == "assets" { "messaging" } else { "assets" };
        let other = services.token("gateway", other).await.expect("a token");
        expect(
            "a service token for another",
            &with(Some(&user), Some(&other)),
            none,
            "SERVICE_TOKEN_INVALID",
        )
        .await;
        let mut twice = with(Some(&user), Some(&service));
        twice.more.push(("authorization", format!("Bearer {user}")));
        expect("two users", &twice, Code::InvalidArgument, "DUPLICATE_HEADER").await;
        let forged_services = forge::forgeries(&service, &jwks).expect("forgeries");
        for (forged, its) in forged_users.iter().zip(&forged_services) {
            expect(
                &forged.name,
                &with(Some(&forged.token), Some(&service)),
                none,
                "USER_TOKEN_INVALID",
            )
            .await;
            expect(&its.name, &with(Some(&user), Some(&its.token)), none, "SERVICE_TOKEN_INVALID")
                .await;
        }
    }
    cases.finish();
    house.stays_as_it_was(&[]).await;
}

#[tokio::test]
async fn a_message_that_is_none_is_an_argument_that_is_wrong() {
    let house = House::start().await;
    let mut cases = Cases::of("gRPC messages");
    let channels = Channels::new(&house.dev.json);
    let services = crate::isolation::world::services(&house.dev);
    let user = house.api.exchange(house.api.key(0)).await;
    for method in METHODS {
        let callee = method.split('.').next().expect("a service");
        let service = services.token("gateway", callee).await.expect("a token");
        // The quarantine is the operator's.
        let user = if callee == "webhooks" { house.operator.clone() } else { user.clone() };
        let headers = Headers { user: Some(user), service: Some(service), more: Vec::new() };
        for (case, body, reason) in [
            ("no protobuf", vec![0xff; 7], "MESSAGE_MALFORMED"),
            ("a field that ends early", vec![0x0a, 0x7f, b'x'], "MESSAGE_MALFORMED"),
            ("a field of another kind", vec![0x08, 0x01], "MESSAGE_MALFORMED"),
            ("5 MB", vec![0x0a; 5 << 20], "MESSAGE_TOO_LARGE"),
        ] {
            let answer = call(&channels, method, &headers, body).await;
            let codes = [Code::InvalidArgument, Code::ResourceExhausted];
            refused(&mut cases, &format!("{method}: {case}"), &answer, &codes, reason, "");
        }
        let mut hurried = headers.clone();
        hurried.more.push(("grpc-timeout", "soon".to_owned()));
        let answer = call(&channels, method, &hurried, Vec::new()).await;
        cases.hold(
            &format!("{method}: a deadline that is none: {answer:?}"),
            answer.is_err_and(|status| status.code() == Code::InvalidArgument),
            &"",
        );
    }
    wires(&house, &mut cases).await;
    cases.finish();
    house.stays_as_it_was(&[]).await;
}

/// What is no call at all.
async fn wires(house: &House, cases: &mut Cases) {
    let http = reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build();
    let http = http.expect("a client");
    let address = text(&house.api.json, "/grpc/messaging").to_owned();
    let service = crate::isolation::world::services(&house.dev)
        .token("gateway", "messaging")
        .await
        .expect("a token");
    let user = house.api.exchange(house.api.key(0)).await;
    let list = "/switchboard.messaging.v1.MessageService/ListMessages";
    for (case, path, kind, frame, status) in [
        (
            "an unknown method",
            "/switchboard.messaging.v1.MessageService/Nothing",
            "application/grpc",
            &b"\0\0\0\0\0"[..],
            "12",
        ),
        ("no method", "/", "application/grpc", b"\0\0\0\0\0", "12"),
        ("a frame that ends early", list, "application/grpc", b"\0\0\0\0\x7fx", "3"),
        ("a frame of an unknown kind", list, "application/grpc", b"\x07\0\0\0\0", "3"),
        ("a packed frame", list, "application/grpc", b"\x01\0\0\0\x01x", "3"),
        ("a frame of 4 GB", list, "application/grpc", b"\0\xff\xff\xff\xffx", "8"),
    ] {
        let asked = http
            .post(format!("http://{address}{path}"))
            .header("content-type", kind)
            .header("te", "trailers")
            .header("authorization", format!("Bearer {user}"))
            .header("x-switchboard-service", &service)
            .body(frame);
        let answer = asked.send().await.expect("an answer");
        let told = answer
            .headers()
            .get("grpc-status")
            .and_then(|told| told.to_str().ok())
            .unwrap_or("none")
            .to_owned();
        let words = answer
            .headers()
            .get("grpc-message")
            .and_then(|words| words.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        cases.hold(
            &format!("{case}: {told} {words}"),
            told == status && !words.is_empty(),
            &(told, words),
        );
    }
    let mut stream = TcpStream::connect(&address).await.expect("the port listens");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("room");
    let mut answer = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    cases.hold("HTTP/1.1 ends", end.is_ok(), &answer);
}

/// Calls a method by its name, such as `messaging.ListMessages`, with whatever bytes.
pub(super) async fn call(
    channels: &Channels,
    method: &str,
    headers: &Headers,
    body: Vec<u8>,
) -> Result<Response<Value>, Status> {
    let rpc = Rpc::all().into_iter().find(|rpc| rpc.name() == method);
    let rpc = rpc.unwrap_or_else(|| panic!("no method {method}"));
    channels.call_bytes(&rpc, headers, body).await
}

/// The answer must refuse with one of these codes, this reason, and words.
pub(super) fn refused(
    cases: &mut Cases,
    case: &str,
    answer: &Result<Response<Value>, Status>,
    codes: &[Code],
    reason: &str,
    says: &str,
) {
    let Err(status) = answer else {
        return cases.hold(case, false, answer);
    };
    let told = Refusal::of(status);
    let clear = codes.contains(&status.code())
        && told.reason == reason
        && !status.message().is_empty()
        && status.message().contains(says);
    cases.hold(
        &format!("{case}: {:?} {} {}", status.code(), told.reason, status.message()),
        clear,
        status,
    );
}
