//! Inbound messages of every kind, also future and misshapen ones; who sent them; what is shown of them where.

use super::*;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

fn read(mut element: Value) -> InboundMessage {
    for (name, value) in [
        ("from", json!("351912000111")),
        ("id", json!("wamid.HBgM")),
        ("timestamp", json!("1795000100")),
    ] {
        element.as_object_mut().unwrap().entry(name).or_insert(value);
    }
    InboundMessage::parse(&element.to_string()).unwrap()
}

#[rstest]
#[case(json!({"type":"text","text":{"body":"Ainda há mesa?"}}), Some("Ainda há mesa?"))]
#[case(json!({"type":"image","image":{"caption":"o talão","mime_type":"image/jpeg","sha256":"k2b1=","id":"99120041","url":"https://lookaside.fbsbx.com/x"}}), Some("o talão"))]
#[case(json!({"type":"audio","audio":{"mime_type":"audio/ogg; codecs=opus","id":99,"voice":true}}), None)]
#[case(json!({"type":"document","document":{"filename":"a.pdf","id":"9"}}), Some("a.pdf"))]
#[case(json!({"type":"sticker","sticker":{"id":"9","animated":false}}), None)]
#[case(json!({"type":"location","location":{"latitude":38.7,"longitude":"-9.1","name":"Casa"}}), Some("Casa"))]
#[case(json!({"type":"contacts","contacts":[{"name":{"formatted_name":"Ana"}}]}), Some("Ana"))]
#[case(json!({"type":"contacts","contacts":[{"vcard":"BEGIN:VCARD"}],"origin":"contact_request"}), None)]
#[case(json!({"type":"reaction","reaction":{"message_id":"wamid.x","emoji":"👍"}}), Some("👍"))]
#[case(json!({"type":"reaction","reaction":{"message_id":"wamid.x"}}), None)]
#[case(json!({"type":"button","button":{"payload":"late:K","text":"Late"}}), Some("Late"))]
#[case(json!({"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"ok","title":"Confirm"}}}), Some("Confirm"))]
#[case(json!({"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"1","title":"Morning","description":"9"}}}), Some("Morning"))]
#[case(json!({"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"name":"flow","body":"Sent","response_json":"{}"}}}), Some("Sent"))]
#[case(json!({"type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"accept","expiration_timestamp":"5"}}}), None)]
#[case(json!({"type":"interactive","interactive":{"type":"hologram_reply"}}), None)]
#[case(json!({"type":"order","order":{"catalog_id":"55001","text":"sem cebola","product_items":[{"product_retailer_id":"sku-9","quantity":2,"item_price":7.5,"currency":"EUR"}]}}), Some("sem cebola"))]
#[case(json!({"type":"system","system":{"type":"user_changed_number","wa_id":"351933000222","body":"changed"}}), Some("changed"))]
#[case(json!({"type":"unsupported","unsupported":{"type":"poll_creation"},"errors":[{"code":131_051,"title":"t"}]}), None)]
#[case(json!({"type":"edit","edit":{"original_message_id":"wamid.o","message":{"type":"text","text":{"body":"new"}}}}), Some("new"))]
#[case(json!({"type":"revoke","revoke":{"original_message_id":"wamid.o"}}), None)]
#[case(json!({"type":"request_welcome"}), None)]
fn each_kind_is_read(#[case] element: Value, #[case] preview: Option<&str>) {
    let message = read(element);
    assert!(
        message.kind.is_known() && !matches!(message.content, InboundContent::Unknown { .. }),
        "{}",
        message.kind
    );
    assert_eq!(message.preview(), preview);
    assert_eq!(message.timestamp, Some(1_795_000_100));
}

#[test]
fn a_kind_of_the_future_keeps_its_word_and_its_content() {
    let message = read(json!({"type":"some_future_event","some_future_event":{"a":1}}));
    assert_eq!(message.kind, InboundKind::Unknown("some_future_event".into()));
    assert!(message.content == InboundContent::Unknown { kind: "some_future_event".into() });
    assert_eq!(message.raw["some_future_event"]["a"], 1);
}

#[rstest]
#[case::number_hidden(json!({"from_user_id":"PT.1","id":"wamid.x","timestamp":1,"type":"text","text":{"body":"x"}}), None, Some("PT.1"))]
#[case::number_empty(json!({"from":"","from_user_id":"PT.1","id":"wamid.x","timestamp":1,"type":"text","text":{"body":"x"}}), None, Some("PT.1"))]
#[case::number_null(json!({"from":null,"from_user_id":"PT.1","id":"wamid.x","timestamp":1,"type":"text","text":{"body":"x"}}), None, Some("PT.1"))]
#[case::before_bsuids(json!({"from":"351","id":"wamid.x","timestamp":1,"type":"text","text":{"body":"x"}}), Some("351"), None)]
#[case::nobody(json!({"id":"wamid.x","timestamp":1,"type":"text","text":{"body":"x"}}), None, None)]
fn a_person_may_come_with_or_without_number(
    #[case] element: Value,
    #[case] from: Option<&str>,
    #[case] user: Option<&str>,
) {
    let message = InboundMessage::parse(&element.to_string()).unwrap();
    assert_eq!((message.from.as_deref(), message.from_user_id.as_deref()), (from, user));
}

#[test]
fn a_price_stays_what_meta_wrote() {
    let message = read(
        json!({"type":"order","order":{"product_items":[{"item_price":7.5},{"item_price":"12.30"}]}}),
    );
    let InboundContent::Order(order) = message.content else { panic!("an order") };
    assert_eq!(
        order.product_items.iter().map(|item| item.item_price.as_deref()).collect::<Vec<_>>(),
        [Some("7.5"), Some("12.30")]
    );
}

#[test]
fn a_part_of_a_strange_shape_does_not_cost_the_message() {
    let message = read(
        json!({"type":"text","text":{"body":"x"},"context":"odd","referral":7,"errors":{"code":1}}),
    );
    assert_eq!(message.preview(), Some("x"));
    assert!(message.context.is_none() && message.referral.is_none() && message.errors.is_empty());
}

#[test]
fn debug_shows_nobody() {
    let shown = format!("{:?}", read(json!({"type":"text","text":{"body":"mesa"}})));
    assert_eq!(shown, "InboundMessage(…)");
}

proptest! {
    #[test]
    fn any_object_is_read(kind in "[a-z_]{0,12}", inner in "\\PC{0,40}") {
        let element = json!({"type": &kind, "id": 7, kind.as_str(): inner});
        prop_assert!(InboundMessage::parse(&element.to_string()).is_ok());
    }
}
