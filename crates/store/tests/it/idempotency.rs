//! One key, one effect, one answer (DEL-7).

use auth::{Environment, Scope};
use rstest::rstest;
use store::{Backend, Claimed, Error, KeyClaim, Store, StoredAnswer};
use tokio::task::JoinSet;

use crate::support::{World, note, tenant, waba, within};

fn claim(key: &str, body: u8) -> KeyClaim {
    KeyClaim {
        operation: "notes.create",
        key: key.to_owned(),
        fingerprint: [body; 32],
        environment: Environment::Live,
    }
}

async fn create(
    store: &Store,
    who: &Scope,
    claim: &KeyClaim,
    row: &note::ActiveModel,
) -> Result<Vec<u8>, Error> {
    store
        .write(who, |tx| async move {
            if let Some(StoredAnswer(earlier)) = tx.claim_key(claim).await? {
                return Ok(earlier);
            }
            tx.insert(row.clone()).await?;
            let answer = row.id.clone().unwrap().as_bytes().to_vec();
            tx.keep_answer(claim, answer.clone()).await?;
            Ok(answer)
        })
        .await
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_at_once_have_one_effect_and_one_answer(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    let mut tasks = JoinSet::new();
    for n in 0..100 {
        let (store, me) = (world.store.clone(), me.clone());
        tasks.spawn(async move {
            let row = note(tenant, waba(), n);
            create(&store, &me, &claim("key-1", 1), &row).await
        });
    }
    let mut answers = Vec::new();
    within("100 requests with one key", async {
        while let Some(answer) = tasks.join_next().await {
            answers.push(answer.unwrap().unwrap());
        }
    })
    .await;
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM sample.note").await, 1);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_tenant_and_environment(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (ours, theirs) = (tenant(), tenant());
    let (me, other) = (world.whole(ours), world.whole(theirs));
    let first = create(&world.store, &me, &claim("k", 1), &note(ours, waba(), 1)).await.unwrap();
    let again = create(&world.store, &me, &claim("k", 1), &note(ours, waba(), 2)).await.unwrap();
    assert_eq!(first, again);
    let reused = create(&world.store, &me, &claim("k", 2), &note(ours, waba(), 3)).await;
    assert!(matches!(reused, Err(Error::KeyReused)), "{reused:?}");
    let sandbox = KeyClaim { environment: Environment::Sandbox, ..claim("k", 1) };
    let another = create(&world.store, &me, &sandbox, &note(ours, waba(), 4)).await.unwrap();
    assert_ne!(first, another);
    let foreign = create(&world.store, &other, &claim("k", 1), &note(theirs, waba(), 5)).await;
    assert_ne!(foreign.unwrap(), first);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_refusal_leaves_the_key_free_and_an_intent_is_in_progress(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    let key = &claim("k", 1);
    let refused: Result<(), Error> = world
        .store
        .write(&me, |tx| async move {
            assert_eq!(tx.claim_key(key).await?, None);
            Err(Error::ForeignRow { table: "note".to_owned() })
        })
        .await;
    assert!(refused.is_err());
    // An operation that asks Meta commits its intent first.
    let intent = world.store.write(&me, |tx| async move { tx.claim_key(key).await }).await;
    assert_eq!(intent.unwrap(), None);
    let second = world.store.write(&me, |tx| async move { tx.claim_key(key).await }).await;
    assert!(matches!(second, Err(Error::KeyInProgress)), "{second:?}");
    let kept = world.store.write(&me, |tx| async move { tx.keep_answer(key, vec![9]).await }).await;
    kept.unwrap();
    let third = world.store.write(&me, |tx| async move { tx.claim_key(key).await }).await;
    assert_eq!(third.unwrap(), Some(StoredAnswer(vec![9])));
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn a_batch_of_keys_is_judged_in_its_order(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let tenant = tenant();
    let me = world.whole(tenant);
    let old = &[(claim("old", 1), vec![1])];
    world.store.write(&me, |tx| async move { tx.claim_keys(old).await }).await.unwrap();
    let batch = &[
        (claim("old", 1), vec![2]),
        (claim("old", 2), vec![3]),
        (claim("new", 1), vec![4]),
        (claim("new", 1), vec![5]),
        (claim("new", 2), vec![6]),
    ];
    let verdicts = world.store.write(&me, |tx| async move { tx.claim_keys(batch).await }).await;
    let expected = [
        Claimed::Answered(StoredAnswer(vec![1])),
        Claimed::Reused,
        Claimed::New,
        Claimed::SameAs(2),
        Claimed::Reused,
    ];
    assert_eq!(verdicts.unwrap(), expected);
    let later = world.store.write(&me, |tx| async move { tx.claim_keys(batch).await }).await;
    assert_eq!(later.unwrap()[2], Claimed::Answered(StoredAnswer(vec![4])));
}
