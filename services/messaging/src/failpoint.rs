//! Named points at which a test may have the process die, for the crash matrix. Debug builds alone:
//! in a release build nothing of this exists, not even the names.
//!
//! `SWITCHBOARD_FAILPOINT=send.after_mark` dies at the first pass of that point,
//! `send.after_mark=3` at the third. The points: `accept.before_commit`, `accept.after_commit`,
//! `send.after_claim`, `send.after_mark`, `send.after_post`, `send.after_settle`,
//! `ingest.before_commit`, `ingest.after_commit`.

/// Dies here when a test asked for it.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::failpoint::hit($name);
    };
}
pub(crate) use failpoint;

#[cfg(debug_assertions)]
pub(crate) fn hit(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    static ASKED: LazyLock<Option<(String, AtomicI64)>> = LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "a switch of tests, in debug builds alone")]
        let asked = std::env::var("SWITCHBOARD_FAILPOINT").ok()?;
        let (name, passes) = asked.split_once('=').unwrap_or((&asked, "1"));
        Some((name.to_owned(), AtomicI64::new(passes.parse().unwrap_or(1))))
    });
    if let Some((asked, left)) = ASKED.as_ref()
        && asked == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        // As kill -9 would: no drop, no flush, no drain.
        std::process::abort();
    }
}
