//! Templates that Meta takes pass unchanged; each refusal names component and subcode, and all come at once.

#![expect(
    clippy::needless_pass_by_value,
    reason = "cases read better when they pass what json! makes"
)]

use super::*;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

fn template(components: Value) -> Value {
    json!({ "name": "pickup_ready", "language": "pt_PT", "category": "UTILITY", "components": components })
}

fn named(components: Value) -> Value {
    let mut value = template(components);
    value["parameter_format"] = json!("NAMED");
    value
}

fn of_category(category: &str, components: Value) -> Value {
    let mut value = template(components);
    value["category"] = json!(category);
    value
}

fn plain() -> Value {
    json!({ "type": "BODY", "text": "Your order is ready." })
}

#[rstest]
#[case::body_alone(template(json!([plain()])))]
#[case::lower_case(template(json!([{"type": "body", "text": "Your order is ready."}, {"type": "footer", "text": "Casa Rosa"}])))]
#[case::positional(template(json!([{"type":"BODY","text":"Hi {{1}}, order {{2}} is ready.","example":{"body_text":[["Rui","K-204"]]}}])))]
#[case::flat_examples(template(json!([{"type":"BODY","text":"Hi {{1}}, order {{2}} is ready.","example":{"body_text":["Rui","K-204"]}}])))]
#[case::named(named(json!([{"type":"BODY","text":"Hi {{first_name}}, order {{code}} is ready.",
    "example":{"body_text_named_params":[{"param_name":"first_name","example":"Rui"},{"param_name":"code","example":"K-204"}]}}])))]
#[case::header_text(template(json!([{"type":"HEADER","format":"TEXT","text":"Our {{1}} is on","example":{"header_text":["Winter sale"]}}, plain()])))]
#[case::header_image(template(json!([{"type":"HEADER","format":"IMAGE","example":{"header_handle":["4::aW1hZ2U"]}}, plain()])))]
#[case::header_place(template(json!([{"type":"HEADER","format":"LOCATION"}, plain()])))]
#[case::buttons(template(json!([plain(), {"type":"BUTTONS","buttons":[
    {"type":"QUICK_REPLY","text":"Late"},{"type":"QUICK_REPLY","text":"Cancel"},
    {"type":"URL","text":"Track","url":"https://example.org/t/{{1}}","example":["https://example.org/t/K-204"]},
    {"type":"PHONE_NUMBER","text":"Call","phone_number":"+351300111222"}]}])))]
#[case::coupon(of_category("MARKETING", json!([plain(), {"type":"BUTTONS","buttons":[{"type":"COPY_CODE","example":"NATAL20"}]}])))]
#[case::authentication(of_category("AUTHENTICATION", json!([{"type":"BODY","add_security_recommendation":true},
    {"type":"FOOTER","code_expiration_minutes":10},{"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE","text":"Copy code"}]}])))]
#[case::library(json!({"name":"n","language":"en","category":"UTILITY","library_template_name":"delivery_update_1"}))]
#[case::unknown_component(of_category("MARKETING", json!([plain(), {"type":"CAROUSEL","cards":[{"components":[]}]}])))]
#[case::a_number_again(template(json!([{"type":"BODY","text":"Hi {{1}}, yes {{1}}, hello.","example":{"body_text":[["Rui"]]}}])))]
fn what_meta_takes_passes_and_goes_out_as_it_came(#[case] value: Value) {
    let template = NewTemplate::from_json(&value).unwrap();
    let out = template.to_json();
    assert_eq!(out["name"], value["name"]);
    assert_eq!(NewTemplate::from_json(&out).unwrap(), template);
}

#[test]
fn unknown_parts_of_a_template_are_kept() {
    let value = of_category(
        "MARKETING",
        json!([plain(), {"type":"CAROUSEL","cards":[{"components":[{"type":"BODY","text":"x"}]}]}]),
    );
    assert_eq!(
        NewTemplate::from_json(&value).unwrap().to_json()["components"][1],
        value["components"][1]
    );
}

#[rstest]
#[case::name(json!({"name":"Bad-Name","language":"en","category":"UTILITY","components":[plain()]}), "name", None)]
#[case::language(json!({"name":"n","language":"en-US","category":"UTILITY","components":[plain()]}), "language", None)]
#[case::category(json!({"name":"n","language":"en","category":"OTHER","components":[plain()]}), "category", None)]
#[case::no_body(template(json!([{"type":"FOOTER","text":"x"}])), "components", Some(2_388_072))]
#[case::two_bodies(template(json!([plain(), plain()])), "components[1]", None)]
#[case::body_too_long(template(json!([{"type":"BODY","text":"x".repeat(1025)}])), "components[0].text", Some(2_388_040))]
#[case::header_too_long(template(json!([{"type":"HEADER","format":"TEXT","text":"x".repeat(61)}, plain()])), "components[0].text", Some(2_388_040))]
#[case::footer_variable(template(json!([plain(), {"type":"FOOTER","text":"By {{1}} now"}])), "components[1].text", Some(2_388_073))]
#[case::two_header_variables(template(json!([{"type":"HEADER","format":"TEXT","text":"{{1}} and {{2}} on","example":{"header_text":["a","b"]}}, plain()])), "components[0].text", Some(2_388_047))]
#[case::gap(template(json!([{"type":"BODY","text":"Hi {{1}} and {{3}} there","example":{"body_text":[["a","b"]]}}])), "components[0].text", Some(2_388_072))]
#[case::single_brace(template(json!([{"type":"BODY","text":"Hi {1} there"}])), "components[0].text", Some(2_388_072))]
#[case::odd_name(template(json!([{"type":"BODY","text":"Hi {{First Name}} there"}])), "components[0].text", Some(2_388_072))]
#[case::named_without_format(template(json!([{"type":"BODY","text":"Hi {{name}} there","example":{"body_text_named_params":[{"param_name":"name","example":"R"}]}}])), "components[0].text", Some(2_388_072))]
#[case::positional_in_named(named(json!([{"type":"BODY","text":"Hi {{1}} there","example":{"body_text":[["a"]]}}])), "components[0].text", Some(2_388_072))]
#[case::mixed(template(json!([{"type":"BODY","text":"Hi {{1}} and {{name}} there","example":{"body_text":[["a","b"]]}}])), "components[0].text", Some(2_388_072))]
#[case::starts_with_variable(template(json!([{"type":"BODY","text":"{{1}} is ready now","example":{"body_text":[["a"]]}}])), "components[0].text", Some(2_388_299))]
#[case::ends_with_variable_and_dot(template(json!([{"type":"BODY","text":"Your code is {{1}}. ","example":{"body_text":[["a"]]}}])), "components[0].text", Some(2_388_299))]
#[case::side_by_side(template(json!([{"type":"BODY","text":"Hi {{1}}{{2}} there","example":{"body_text":[["a","b"]]}}])), "components[0].text", Some(2_388_072))]
#[case::no_sample(template(json!([{"type":"BODY","text":"Hi {{1}} there"}])), "components[0].example", Some(2_388_043))]
#[case::half_the_samples(template(json!([{"type":"BODY","text":"Hi {{1}} and {{2}} there","example":{"body_text":[["a"]]}}])), "components[0].example", Some(2_388_043))]
#[case::too_many_samples(template(json!([{"type":"BODY","text":"Hi {{1}} there","example":{"body_text":[["a","b"]]}}])), "components[0].example", Some(2_388_072))]
#[case::three_newlines(template(json!([{"type":"BODY","text":"a\n\n\nb"}])), "components[0].text", Some(2_388_072))]
#[case::five_blanks(template(json!([{"type":"BODY","text":"a     b"}])), "components[0].text", Some(2_388_072))]
#[case::no_handle(template(json!([{"type":"HEADER","format":"IMAGE"}, plain()])), "components[0].example.header_handle", Some(2_388_043))]
#[case::handle_that_was_read(template(json!([{"type":"HEADER","format":"IMAGE","example":{"header_handle":["https://scontent.whatsapp.net/x"]}}, plain()])), "components[0].example.header_handle", None)]
#[case::no_buttons(template(json!([plain(), {"type":"BUTTONS","buttons":[]}])), "components[1].buttons", None)]
#[case::three_urls(template(json!([plain(), {"type":"BUTTONS","buttons":(0..3).map(|_| json!({"type":"URL","text":"a","url":"https://example.org"})).collect::<Vec<_>>()}])), "components[1].buttons", None)]
#[case::split_quick_replies(template(json!([plain(), {"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"a"},{"type":"URL","text":"b","url":"https://example.org"},{"type":"QUICK_REPLY","text":"c"}]}])), "components[1].buttons", None)]
#[case::quick_reply_inside(template(json!([plain(), {"type":"BUTTONS","buttons":[{"type":"URL","text":"b","url":"https://example.org"},{"type":"QUICK_REPLY","text":"a"},{"type":"URL","text":"c","url":"https://example.org"}]}])), "components[1].buttons", None)]
#[case::long_label(template(json!([plain(), {"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"x".repeat(26)}]}])), "components[1].buttons[0].text", Some(2_388_040))]
#[case::variable_inside_url(template(json!([plain(), {"type":"BUTTONS","buttons":[{"type":"URL","text":"b","url":"https://example.org/{{1}}/x","example":["a"]}]}])), "components[1].buttons[0].url", None)]
#[case::url_without_sample(template(json!([plain(), {"type":"BUTTONS","buttons":[{"type":"URL","text":"b","url":"https://example.org/{{1}}"}]}])), "components[1].buttons[0].example", Some(2_388_043))]
#[case::phone(template(json!([plain(), {"type":"BUTTONS","buttons":[{"type":"PHONE_NUMBER","text":"b","phone_number":"call us"}]}])), "components[1].buttons[0].phone_number", None)]
#[case::otp_elsewhere(template(json!([plain(), {"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE"}]}])), "components[1].buttons[0]", None)]
#[case::authentication_text(of_category("AUTHENTICATION", json!([{"type":"BODY","text":"x"},{"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE"}]}])), "components[0].text", None)]
#[case::authentication_without_button(of_category("AUTHENTICATION", json!([{"type":"BODY"}])), "components", None)]
#[case::authentication_footer(of_category("AUTHENTICATION", json!([{"type":"BODY"},{"type":"FOOTER","code_expiration_minutes":91},{"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"ONE_TAP"}]}])), "components[1].code_expiration_minutes", None)]
#[case::ttl(json!({"name":"n","language":"en","category":"MARKETING","components":[plain()],"message_send_ttl_seconds":120}), "message_send_ttl_seconds", None)]
fn each_refusal_names_component_and_subcode(
    #[case] value: Value,
    #[case] field: &str,
    #[case] subcode: Option<i64>,
) {
    let found = NewTemplate::from_json(&value).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].field.as_str(), found[0].subcode), (field, subcode), "{}", found[0]);
}

#[test]
fn all_refusals_come_at_once() {
    let value = json!({"name":"","language":"xx","category":"UTILITY","components":[{"type":"BODY","text":"{{1}}"},{"type":"FOOTER","text":"x".repeat(61)}]});
    assert!(NewTemplate::from_json(&value).unwrap_err().len() >= 4);
}

proptest! {
    #[test]
    fn no_text_makes_the_variable_parser_panic(text in "[a-z0-9_{}. \\n\\PC]{0,60}") {
        if let Ok(parsed) = variables(&text) {
            let _ = (parsed.at_an_edge(), parsed.adjacent(), parsed.fixed_characters());
            prop_assert_eq!(parsed.check(&ParameterFormat::Named).is_ok() && parsed.check(&ParameterFormat::Positional).is_ok(), parsed.names().is_empty());
        }
    }

    #[test]
    fn a_well_numbered_text_always_passes(count in 1usize..8) {
        let text = (1..=count).map(|n| format!("word {{{{{n}}}}} ")).collect::<Vec<_>>().concat() + "end";
        let body = Component::body(text).with_example(json!({"body_text": [(0..count).map(|n| n.to_string()).collect::<Vec<_>>()]}));
        let value = NewTemplate { name: "n".into(), language: "en".into(), category: TemplateCategory::Utility, components: vec![body], ..NewTemplate::default() };
        prop_assert_eq!(validate(&value), vec![]);
    }
}
