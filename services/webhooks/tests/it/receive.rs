//! IN-5 to IN-7: what is taken, what is refused, and when Meta is answered 200.

use std::time::Duration;

use rstest::rstest;
use sea_orm::{ConnectionTrait, TransactionSession, TransactionTrait};
use store::{Backend, Database};
use testkit::TestDatabase;

use crate::support::{
    APP, OTHER_APP, OTHER_SECRET, PREVIOUS, SECRET, Setup, VERIFY, World, message, sign,
};

async fn stored(world: &World) -> i64 {
    world.database.count("SELECT count(*) FROM inbound_raw").await
}

#[tokio::test]
async fn the_address_is_verified_by_its_own_token_alone() {
    let world = Setup::on(Backend::Sqlite).receiving_alone().start().await;
    let ask = async |app: &str, token: &str, challenge: &str| {
        let url = format!("{}/webhooks/meta/{app}", world.url);
        let query =
            [("hub.mode", "subscribe"), ("hub.verify_token", token), ("hub.challenge", challenge)];
        let answer = world.http.get(url).query(&query).send().await.unwrap();
        let kind =
            answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    };
    let (status, kind, body) = ask(APP, VERIFY, "1158201444").await;
    assert_eq!((status, body.as_str()), (200, "1158201444"));
    assert_eq!(kind.as_deref(), Some("text/plain"));
    assert_eq!(ask(APP, "theirs", "1158201444").await.0, 403);
    assert_eq!(ask(APP, VERIFY, "<script>").await.0, 403);
    assert_eq!(ask("123", VERIFY, "1158201444").await.0, 404);
}

#[tokio::test]
async fn only_what_the_app_in_the_address_signed_is_taken() {
    let world = Setup::on(Backend::Sqlite).receiving_alone().start().await;
    let body = message("9", "5", "wamid.1").into_bytes();
    let post = async |app: &str, signatures: &[&str], body: &[u8]| {
        world.post(app, signatures, body.to_vec()).await
    };
    let good = sign(SECRET, &body);
    let refused = [
        ("missing", post(APP, &[], &body).await, 401),
        ("twice", post(APP, &[&good, &good], &body).await, 401),
        ("one good and one bad", post(APP, &[&good, "sha256=00"], &body).await, 401),
        ("another app's", post(APP, &[&sign(OTHER_SECRET, &body)], &body).await, 401),
        ("for another app", post(OTHER_APP, &[&good], &body).await, 401),
        ("verify token as secret", post(APP, &[&sign(VERIFY, &body)], &body).await, 401),
        ("sha1", post(APP, &[&good.replace("sha256", "sha1")], &body).await, 401),
        ("tampered", post(APP, &[&good], &[&body[..], b" "].concat()).await, 401),
        (
            "unescaped",
            post(
                APP,
                &[&good],
                String::from_utf8(body.clone()).unwrap().replace("\\u00e9", "é").as_bytes(),
            )
            .await,
            401,
        ),
        ("unknown app", post("123", &[&good], &body).await, 404),
    ];
    for (case, status, expected) in refused {
        assert_eq!(status, expected, "{case}");
    }
    assert_eq!(stored(&world).await, 0, "nothing of it is kept");
    assert_eq!(post(APP, &[&good], &body).await, 200);
    assert_eq!(post(APP, &[&sign(PREVIOUS, &body)], &body).await, 200);
    assert_eq!(post(OTHER_APP, &[&sign(OTHER_SECRET, &body)], &body).await, 200);
    assert_eq!(stored(&world).await, 3);
    let by_previous = "SELECT count(*) FROM inbound_raw WHERE key_id = 'previous'";
    assert_eq!(world.database.count(by_previous).await, 1);
    let size = format!(
        "SELECT count(*) FROM inbound_raw WHERE size = {} AND length(body) = size",
        body.len()
    );
    assert_eq!(world.database.count(&size).await, 3, "as the bytes came");
}

#[tokio::test]
async fn a_body_has_a_largest_size_and_no_encoding() {
    let world = Setup::on(Backend::Sqlite).receiving_alone().start().await;
    assert_eq!(world.deliver(vec![b' '; 4 << 20]).await, 200);
    assert_eq!(world.deliver(vec![b' '; (4 << 20) + 1]).await, 413);
    // Without a length said in advance.
    let chunks = (0..65).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let body = vec![b' '; 65 * (64 << 10)];
    let request = world
        .http
        .post(format!("{}/webhooks/meta/{APP}", world.url))
        .header("x-hub-signature-256", sign(SECRET, &body))
        .body(reqwest::Body::wrap_stream(futures::stream::iter(chunks)));
    assert_eq!(request.send().await.unwrap().status().as_u16(), 413);
    let encoded = world
        .http
        .post(format!("{}/webhooks/meta/{APP}", world.url))
        .header("x-hub-signature-256", sign(SECRET, b"{}"))
        .header("content-encoding", "gzip")
        .body("{}");
    assert_eq!(encoded.send().await.unwrap().status().as_u16(), 415);
    assert_eq!(stored(&world).await, 1);
}

#[rstest]
#[tokio::test]
async fn what_is_not_committed_in_time_is_answered_503(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).receiving_alone().start().await;
    assert_eq!(world.deliver(message("9", "5", "wamid.0")).await, 200, "control");
    let blocker = world.database.connect().await.begin().await.unwrap();
    let lock = match backend {
        Backend::Sqlite => "UPDATE lease SET token = token",
        Backend::Postgres => "LOCK TABLE inbound_raw IN ACCESS EXCLUSIVE MODE",
    };
    blocker.execute_unprepared(lock).await.unwrap();
    assert_eq!(world.deliver(message("9", "5", "wamid.1")).await, 503);
    blocker.rollback().await.unwrap();
    assert_eq!(world.deliver(message("9", "5", "wamid.1")).await, 200);
}

#[tokio::test]
async fn without_its_database_the_receiver_answers_503() {
    let database = TestDatabase::of("webhooks", Backend::Postgres).await;
    let mut config = database.config.clone();
    if let Database::Postgres { scoped_url, system_url, desk_url, pools } = &mut config.database {
        pools.wait = Duration::from_millis(500);
        for url in [scoped_url, system_url, desk_url] {
            // The discard port of this machine: nobody listens.
            *url = "postgres://nobody@127.0.0.1:9/nothing".into();
        }
    }
    let clock = std::sync::Arc::new(kernel::clock::ManualClock::new(
        kernel::time::Timestamp::from_seconds(crate::support::NOW_S),
    ));
    let ids = std::sync::Arc::new(kernel::ids::SystemIds::new());
    let away = store::Store::open(config, std::sync::Arc::clone(&clock) as _, ids).await.unwrap();
    let setup = Setup::on(Backend::Postgres).receiving_alone();
    let world = World::start_over(setup, database, away, clock).await;
    assert_eq!(world.deliver(message("9", "5", "wamid.1")).await, 503);
    assert_eq!(world.deliver_to(APP, "wrong", "{}").await, 401, "a refusal needs no database");
}

#[rstest]
#[tokio::test]
async fn deliveries_that_arrive_together_share_commits(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Setup::on(backend).receiving_alone().start().await;
    assert_eq!(world.deliver(message("9", "5", "wamid.first")).await, 200);
    let before = world.store.counts().commits;
    let bodies: Vec<String> = (0..200).map(|n| message("9", "5", &format!("wamid.{n}"))).collect();
    let answers =
        futures::future::join_all(bodies.into_iter().map(|body| world.deliver(body))).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    let commits = world.store.counts().commits - before;
    assert!(commits < 100, "{commits} commits for 200 deliveries");
    assert_eq!(stored(&world).await, 201);
}
