//! What a status webhook says of the price of a message, by the era in which it was sent.

use serde_json::{Value, json};

/// From here on each message is charged by itself: 2025-07-01.
pub(super) const PER_MESSAGE_FROM_US: i64 = 1_751_328_000_000_000;
/// From here on service messages and utility templates inside the window are charged: 2026-10-01.
const SERVICE_CHARGED_FROM_US: i64 = 1_790_812_800_000_000;

/// The `pricing` object; `open` tells whether the customer service window is.
pub(super) fn pricing(category: &str, open: bool, free_entry: bool, now_us: i64) -> Value {
    if now_us < PER_MESSAGE_FROM_US {
        return json!({"billable": true, "pricing_model": "CBP", "category": category});
    }
    let in_window = category == "service" || (category == "utility" && open);
    let kind = if free_entry {
        "free_entry_point"
    } else if in_window && now_us < SERVICE_CHARGED_FROM_US {
        "free_customer_service"
    } else {
        "regular"
    };
    json!({"billable": kind == "regular", "pricing_model": "PMP", "type": kind, "category": category})
}
