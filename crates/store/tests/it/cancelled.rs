//! A caller that goes away at any await loses nothing of anybody's (ISO-24, ISO-25).

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use kernel::ids::{Ids, SystemIds};
use rstest::rstest;
use store::{Backend, Error, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::support::{World, note, tenant, waba};

/// Drops `future` while it waits for the `polls`th time.
async fn cancelled_at<F: Future>(future: F, polls: u8) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Hands bytes on to the database a little later, so that there is time to be cancelled in.
async fn slow_proxy(target: String) -> u16 {
    async fn pump(
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
    ) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(read) = from.read(&mut bytes).await {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = async move {
        let mut pumps = JoinSet::new();
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&target).await.unwrap();
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            pumps.spawn(pump(near_in, far_out));
            pumps.spawn(pump(far_in, near_out));
        }
    };
    #[expect(clippy::disallowed_methods, reason = "lives as long as the test's runtime")]
    tokio::spawn(accepting);
    port
}

fn writer(
    world: &World,
    store: Store,
    left: Arc<AtomicUsize>,
    answered: Arc<Mutex<Vec<i64>>>,
) -> impl Future<Output = ()> + use<> {
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    async move {
        let ids = SystemIds::default();
        loop {
            let turn = left.fetch_sub(1, Ordering::SeqCst);
            if turn == 0 || turn > 1_000_000 {
                left.store(0, Ordering::SeqCst);
                return;
            }
            let n = i64::try_from(turn).unwrap();
            let row = &note(tenant, waba, n);
            let mut random = [0_u8; 1];
            ids.fill(&mut random);
            let write = store.write(&me, |tx| async move { tx.insert(row.clone()).await });
            // Every eighth is left alone: what it is answered must be there. The last two hundred
            // all go away early, so that nobody after them mends what they leave.
            if turn <= 200 {
                cancelled_at(write, random[0] % 5).await;
            } else if turn.is_multiple_of(8) {
                write.await.unwrap();
                answered.lock().await.push(n);
            } else if let Some(Ok(())) = cancelled_at(write, random[0] % 12).await {
                answered.lock().await.push(n);
            }
        }
    }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cancelled_writes_lose_none_that_was_answered(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let store = match backend {
        Backend::Sqlite => world.store.clone(),
        Backend::Postgres => world.through(slow_proxy(world.address()).await).await,
    };
    let left = Arc::new(AtomicUsize::new(1_000));
    let answered = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        tasks.spawn(writer(&world, store.clone(), Arc::clone(&left), Arc::clone(&answered)));
    }
    tokio::time::timeout(Duration::from_mins(1), async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    })
    .await
    .expect("1,000 writes within a minute");

    let answered = answered.lock().await.clone();
    assert!(answered.len() >= 100, "{} answered", answered.len());
    let list = answered.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let sql = format!("SELECT count(*) FROM sample.note WHERE n IN ({list})");
    assert_eq!(world.count(&sql).await, i64::try_from(answered.len()).unwrap(), "a lost write");
    if backend == Backend::Postgres {
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()";
        // The server itself ends such a session after ten seconds.
        let none = async { while world.count(idle).await > 0 {} };
        let none = tokio::time::timeout(Duration::from_secs(5), none).await;
        none.expect("a session was left idle in transaction");
    }
    // The slots of all that were cancelled are free again.
    let (tenant, waba) = (tenant(), waba());
    let me = world.whole(tenant);
    for _ in 0..20 {
        let row = &note(tenant, waba, 0);
        store.write(&me, |tx| async move { tx.insert(row.clone()).await }).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_inside_a_transaction_of_another_is_closed_and_not_used() {
    let world = World::on(Backend::Postgres).await;
    let me = world.whole(tenant());
    // Every session now looks as one in which somebody's transaction is open.
    world.tamper("ALTER ROLE sbt_sample IN DATABASE {database} SET app.tx = '1'").await;
    let answer =
        world.store.read(&me, |tx| async move { tx.find::<note::Entity>().count().await }).await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    world.tamper("ALTER ROLE sbt_sample IN DATABASE {database} RESET app.tx").await;
    let answer =
        world.store.read(&me, |tx| async move { tx.find::<note::Entity>().count().await }).await;
    assert_eq!(answer.unwrap(), 0, "the stale connections are gone");
}
