//! The crash matrix of sending and receiving: the process dies at a named point of a message's path, once before and once
//! after each commit, and what callers, history and ledger say afterwards must be one story.

use std::{collections::BTreeSet, time::Duration};

use rstest::rstest;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    check,
    load::{self, Told},
    storm::settled_story,
};
use crate::support::{Dev, SandboxProcess, until};

/// How many of the two messages may end as `outcome_unknown`.
#[derive(Debug, Clone, Copy)]
enum Unknown {
    /// None: nothing had been marked as sent, or Meta's word came.
    None,
    /// The one whose mark was the last thing that the process did, and the other where it was marked by then.
    Some,
}

#[rstest]
#[case::accept_not_stored("accept.before_commit", Unknown::None)]
#[case::accept_not_answered("accept.after_commit", Unknown::None)]
#[case::claimed("send.after_claim", Unknown::None)]
#[case::marked("send.after_mark", Unknown::Some)]
#[case::posted("send.after_post", Unknown::None)]
#[case::settled("send.after_settle", Unknown::None)]
#[case::inbound_not_stored("ingest.before_commit", Unknown::None)]
#[case::inbound_not_acknowledged("ingest.after_commit", Unknown::None)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_a_point_of_its_path_loses_and_doubles_no_message(
    #[case] point: &str,
    #[case] unknown: Unknown,
) {
    let sandbox = SandboxProcess::start().await;
    let mut dev = Dev::with(Some(&sandbox), &[]).await;
    assert!(dev.terminate().await, "{}", dev.log());
    dev.set_env(&[("SWITCHBOARD_FAILPOINT", point)]);
    dev.up().await;
    let api = dev.api();
    // Only what was sent is told of a message whose answer was lost, and a little later than the answer would have come.
    api.control("PUT", "/settings", &json!({"sent_delay_ms": 200, "delivered_delay_ms": 200}))
        .await;
    let (told, mut tasks) = (Told::default(), JoinSet::new());
    load::send(&api, &told, 1, 0, 2, &mut tasks);
    let inbound = load::customers_write(&api, 0, 2).await;
    until("its death at the point", Duration::from_secs(20), async || {
        if dev.ended() { Ok(()) } else { Err("it lives") }
    })
    .await;
    dev.set_env(&[]);
    dev.up().await;
    while let Some(done) = tasks.join_next().await {
        done.expect("every caller is answered in the end");
    }
    let story = settled_story(&api, &told, 1, inbound).await;
    let faults = check::faults(&story);
    assert!(faults.is_empty(), "{point}:\n{}\n--- dev:\n{}", faults.join("\n"), dev.log());
    assert_eq!(story.given.len(), 2, "one key is one message: {story:?}");
    let open: BTreeSet<_> = story
        .given
        .iter()
        .filter(|id| {
            story
                .history
                .get(*id)
                .is_some_and(|(_, why)| why.eq_ignore_ascii_case("outcome_unknown"))
        })
        .collect();
    match unknown {
        Unknown::None => assert!(open.is_empty(), "{point}: {story:?}"),
        Unknown::Some => assert!(!open.is_empty(), "{point}: {story:?}"),
    }
}
