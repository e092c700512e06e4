//! How much of its quota a tenant has used today: one row a tenant, counted in the unit of the accepts, so that the count
//! is exact whatever the number of processes (OVL-7).

use kernel::time::Timestamp;
use sea_orm::FromQueryResult;
use store::{Error, RawSql, ScopedTx};

/// Microseconds of a day, UTC.
const DAY_US: i64 = 86_400_000_000;

#[derive(FromQueryResult)]
struct Taken {
    granted: i64,
}

/// When the day of `now` ends.
pub(crate) fn day_ends(now: Timestamp) -> Timestamp {
    let day = now.as_micros().div_euclid(DAY_US);
    Timestamp::from_micros(day.saturating_add(1).saturating_mul(DAY_US))
}

/// Takes up to `wanted` messages of today's `most`; answers how many there were. Of two processes the second waits for
/// the first one's commit. A process whose clock is a little behind at midnight counts into the new day.
pub(crate) async fn take(tx: &ScopedTx, wanted: usize, most: i64) -> Result<usize, Error> {
    let day = tx.now().as_micros().div_euclid(DAY_US);
    let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
    let binds = vec![day.into(), wanted.into(), most.into(), wanted.min(most).into()];
    let sql = RawSql {
        postgres: "INSERT INTO quota_use (tenant_id, day, used, granted) \
            SELECT {tenant}, {1}, {4}, {4} WHERE {tenant_wide} \
            ON CONFLICT (tenant_id) DO UPDATE SET \
                granted = greatest(0, least({2}, {3} - CASE WHEN quota_use.day < {1} \
                    THEN 0 ELSE quota_use.used END)), \
                used = CASE WHEN quota_use.day < {1} THEN 0 ELSE quota_use.used END \
                    + greatest(0, least({2}, {3} - CASE WHEN quota_use.day < {1} \
                    THEN 0 ELSE quota_use.used END)), \
                day = greatest(quota_use.day, {1}) \
            RETURNING granted",
        sqlite: "INSERT INTO quota_use (tenant_id, day, used, granted) \
            SELECT {tenant}, {1}, {4}, {4} WHERE {tenant_wide} \
            ON CONFLICT (tenant_id) DO UPDATE SET \
                granted = max(0, min({2}, {3} - CASE WHEN quota_use.day < {1} \
                    THEN 0 ELSE quota_use.used END)), \
                used = CASE WHEN quota_use.day < {1} THEN 0 ELSE quota_use.used END \
                    + max(0, min({2}, {3} - CASE WHEN quota_use.day < {1} \
                    THEN 0 ELSE quota_use.used END)), \
                day = max(quota_use.day, {1}) \
            RETURNING granted",
        binds,
    };
    let taken = tx.raw(sql).one::<Taken>().await?;
    Ok(taken.and_then(|taken| usize::try_from(taken.granted).ok()).unwrap_or(0))
}
