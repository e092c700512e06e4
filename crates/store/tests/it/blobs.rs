//! Bodies are whole or not there, and another tenant's are not there.

use std::sync::Arc;
use std::time::Duration;

use auth::Scope;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use kernel::ids::SystemIds;
use rstest::rstest;
use sha2::{Digest, Sha256};
use store::Backend;
use store::blob::{BlobError, Blobs, Body, CHUNK, FileBlobs, TableBlobs, collect};

use crate::support::{World, tenant};

#[derive(Clone, Copy)]
enum Kind {
    Files,
    Table(Backend),
}

struct Place {
    world: World,
    blobs: Arc<dyn Blobs>,
    _folder: tempfile::TempDir,
}

async fn place(kind: Kind) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (world, blobs): (World, Arc<dyn Blobs>) = match kind {
        Kind::Files => {
            let world = World::on(Backend::Sqlite).await;
            let ids = Arc::new(SystemIds::default());
            (world, Arc::new(FileBlobs::new(folder.path().to_owned(), ids)))
        }
        Kind::Table(backend) => {
            let world = World::on(backend).await;
            let blobs = Arc::new(TableBlobs::new(world.store.clone()));
            (world, blobs)
        }
    };
    Place { world, blobs, _folder: folder }
}

fn body(bytes: &[u8], part: usize) -> Body {
    let parts: Vec<_> = bytes.chunks(part).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    stream::iter(parts).boxed()
}

async fn get(place: &Place, who: &Scope, name: &str, from: u64, to: u64) -> Vec<u8> {
    collect(place.blobs.get(who, name, from..to).await.unwrap()).await.unwrap()
}

#[rstest]
#[case(Kind::Files)]
#[case(Kind::Table(Backend::Sqlite))]
#[case(Kind::Table(Backend::Postgres))]
#[tokio::test]
async fn a_body_comes_back_whole_and_in_ranges(#[case] kind: Kind) {
    let place = place(kind).await;
    let me = place.world.whole(tenant());
    let bytes: Vec<u8> = (0..CHUNK * 2 + 100).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let put = place.blobs.put(&me, body(&bytes, 100_000)).await.unwrap();
    assert_eq!(put.size, u64::try_from(bytes.len()).unwrap());
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    assert_eq!(put.sha256, hash);
    assert!(get(&place, &me, &put.name, 0, u64::MAX).await == bytes);
    let (from, to) = (CHUNK - 10, CHUNK + 10);
    let part = get(&place, &me, &put.name, from as u64, to as u64).await;
    assert_eq!(part, bytes[from..to]);
    assert!(get(&place, &me, &put.name, put.size, put.size + 5).await.is_empty());
    let empty = place.blobs.put(&me, body(&[], 1)).await.unwrap();
    assert!(get(&place, &me, &empty.name, 0, 10).await.is_empty());
    assert!(place.blobs.delete(&me, &put.name).await.unwrap());
    assert!(!place.blobs.delete(&me, &put.name).await.unwrap());
    let gone = place.blobs.get(&me, &put.name, 0..1).await;
    assert!(matches!(gone.err(), Some(BlobError::NotFound)));
}

#[rstest]
#[case(Kind::Files)]
#[case(Kind::Table(Backend::Sqlite))]
#[case(Kind::Table(Backend::Postgres))]
#[tokio::test]
async fn another_tenants_body_is_not_there(#[case] kind: Kind) {
    let place = place(kind).await;
    let (me, other) = (place.world.whole(tenant()), place.world.whole(tenant()));
    let put = place.blobs.put(&me, body(b"mine", 2)).await.unwrap();
    let stolen = place.blobs.get(&other, &put.name, 0..4).await;
    assert!(matches!(stolen.err(), Some(BlobError::NotFound)));
    assert!(!place.blobs.delete(&other, &put.name).await.unwrap());
    for name in ["../x", "", "ABC", &format!("../{}", put.name)] {
        let outside = place.blobs.get(&me, name, 0..4).await;
        assert!(matches!(outside.err(), Some(BlobError::NotFound)), "{name}");
    }
    assert_eq!(get(&place, &me, &put.name, 0, 4).await, b"mine");
}

#[rstest]
#[case(Kind::Files)]
#[case(Kind::Table(Backend::Sqlite))]
#[case(Kind::Table(Backend::Postgres))]
#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing(#[case] kind: Kind) {
    let place = place(kind).await;
    let me = place.world.whole(tenant());
    let broken: store::Source = Arc::new(std::io::Error::other("the client went away"));
    let parts = vec![Ok(Bytes::from(vec![1; CHUNK + 1])), Err(broken)];
    let put = place.blobs.put(&me, stream::iter(parts).boxed()).await;
    assert!(matches!(put, Err(BlobError::Body(_))));
    assert_eq!(place.blobs.sweep(Duration::ZERO).await.unwrap(), 0, "nothing was left to sweep");
    assert_eq!(place.world.count("SELECT count(*) FROM sample.blob_chunk").await, 0);
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test]
async fn what_a_dead_process_began_is_swept(#[case] backend: Backend) {
    let place = place(Kind::Table(backend)).await;
    let me = place.world.whole(tenant());
    let kept = place.blobs.put(&me, body(b"kept", 2)).await.unwrap();
    let lost = place.blobs.put(&me, body(b"lost", 2)).await.unwrap();
    let unfinished =
        format!("UPDATE sample.blob SET complete = false WHERE name = '{}'", lost.name);
    place.world.change(&unfinished).await;
    place.world.clock.advance(Duration::from_hours(2));
    assert_eq!(place.blobs.sweep(Duration::from_hours(1)).await.unwrap(), 1);
    assert_eq!(place.world.count("SELECT count(*) FROM sample.blob_chunk").await, 1);
    assert_eq!(get(&place, &me, &kept.name, 0, 9).await, b"kept");
}
