//! A send against what its template wants filled: by place, by name, passcodes, headers, buttons, with Meta's codes.

use super::*;
use crate::template::{Component, parameter_shape};
use rstest::rstest;
use serde_json::{Value, json};

fn shape(components: &Value, format: &ParameterFormat) -> ParameterShape {
    let components: Vec<Component> = serde_json::from_value(components.clone()).unwrap();
    let shape = parameter_shape(&components, format);
    let kept: ParameterShape =
        serde_json::from_str(&serde_json::to_string(&shape).unwrap()).unwrap();
    assert_eq!(kept, shape, "a read model gives back what it took");
    shape
}

fn fill(shape: &ParameterShape, components: Value) -> Option<i64> {
    let components: Vec<SendComponent> = serde_json::from_value(components).unwrap();
    check_fill(shape, &components).err().map(|error| error.code)
}

fn text(value: &str) -> Value {
    json!({"type": "text", "text": value})
}

fn order() -> ParameterShape {
    shape(
        &json!([{"type":"HEADER","format":"IMAGE"},{"type":"BODY","text":"Hi {{1}}, order {{2}} is ready."},{"type":"FOOTER","text":"x"},
            {"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Late"},{"type":"URL","text":"Track","url":"https://example.org/{{1}}"},{"type":"PHONE_NUMBER","text":"Call","phone_number":"+351300111222"}]}]),
        &ParameterFormat::Positional,
    )
}

fn head() -> Value {
    json!({"type":"header","parameters":[{"type":"image","image":{"id":"7720013999"}}]})
}

fn link() -> Value {
    json!({"type":"button","sub_type":"url","index":"1","parameters":[{"type":"text","text":"K-204"}]})
}

#[rstest]
#[case::right(json!([head(), {"type":"body","parameters":[text("Rui"), text("K-204")]}, link()]), None)]
#[case::with_payload(json!([head(), {"type":"body","parameters":[text("Rui"), text("K-204")]}, link(), {"type":"button","sub_type":"quick_reply","index":0,"parameters":[{"type":"payload","payload":"late"}]}]), None)]
#[case::currency(json!([head(), {"type":"body","parameters":[text("Rui"), {"type":"currency","currency":{"fallback_value":"9 €","code":"EUR","amount_1000":9000}}]}, link()]), None)]
#[case::one_of_two(json!([head(), {"type":"body","parameters":[text("Rui")]}, link()]), Some(132_000))]
#[case::no_body(json!([head(), link()]), Some(132_000))]
#[case::no_header(json!([{"type":"body","parameters":[text("Rui"), text("K")]}, link()]), Some(132_012))]
#[case::text_header(json!([{"type":"header","parameters":[text("x")]}, {"type":"body","parameters":[text("Rui"), text("K")]}, link()]), Some(132_012))]
#[case::header_without_file(json!([{"type":"header","parameters":[{"type":"image","image":{"link":"not a link"}}]}, {"type":"body","parameters":[text("Rui"), text("K")]}, link()]), Some(132_012))]
#[case::no_link(json!([head(), {"type":"body","parameters":[text("Rui"), text("K")]}]), Some(131_008))]
#[case::empty_link(json!([head(), {"type":"body","parameters":[text("Rui"), text("K")]}, {"type":"button","sub_type":"url","index":1}]), Some(131_008))]
#[case::wrong_kind_of_button(json!([head(), {"type":"body","parameters":[text("Rui"), text("K")]}, {"type":"button","sub_type":"url","index":0,"parameters":[text("x")]}, link()]), Some(132_018))]
#[case::no_such_button(json!([head(), {"type":"body","parameters":[text("Rui"), text("K")]}, link(), {"type":"button","sub_type":"url","index":3,"parameters":[text("x")]}]), Some(132_018))]
#[case::button_twice(json!([head(), {"type":"body","parameters":[text("Rui"), text("K")]}, link(), link()]), Some(132_018))]
#[case::newline(json!([head(), {"type":"body","parameters":[text("R\nui"), text("K")]}, link()]), Some(132_018))]
#[case::blanks(json!([head(), {"type":"body","parameters":[text("R     ui"), text("K")]}, link()]), Some(132_018))]
#[case::empty(json!([head(), {"type":"body","parameters":[text(""), text("K")]}, link()]), Some(131_008))]
#[case::too_long(json!([head(), {"type":"body","parameters":[text(&"x".repeat(1020)), text("K")]}, link()]), Some(132_005))]
#[case::picture_in_body(json!([head(), {"type":"body","parameters":[{"type":"image","image":{"id":"1"}}, text("K")]}, link()]), Some(132_012))]
#[case::stranger(json!([head(), {"type":"body","parameters":[text("Rui"), text("K")]}, link(), {"type":"carousel"}]), Some(132_012))]
fn a_positional_template_is_filled_by_place(#[case] components: Value, #[case] code: Option<i64>) {
    assert_eq!(fill(&order(), components), code);
}

#[test]
fn details_read_as_metas_do() {
    let components = vec![
        SendComponent::header(Parameter::image(Media::by_id("1"))),
        SendComponent::body(["Rui"]),
    ];
    assert_eq!(
        check_fill(&order(), &components).unwrap_err().details,
        "body: number of localizable_params (1) does not match the expected number of params (2)"
    );
    let components = vec![
        SendComponent::header(Parameter::image(Media::by_id("1"))),
        SendComponent::body(["Rui", "K"]),
    ];
    assert_eq!(
        check_fill(&order(), &components).unwrap_err().details,
        "buttons: Button at index 1 of type Url requires a parameter"
    );
    assert_eq!(
        check_fill(&order(), &[]).unwrap_err().details,
        "header: Format mismatch, expected IMAGE, received UNKNOWN"
    );
}

#[rstest]
#[case::right(json!([{"type":"body","parameters":[{"type":"text","parameter_name":"code","text":"K"},{"type":"text","parameter_name":"first_name","text":"Rui"}]}]), None)]
#[case::unnamed(json!([{"type":"body","parameters":[text("Rui"), text("K")]}]), Some(100))]
#[case::other_name(json!([{"type":"body","parameters":[{"type":"text","parameter_name":"kode","text":"K"},{"type":"text","parameter_name":"first_name","text":"Rui"}]}]), Some(132_000))]
#[case::none(json!([]), Some(132_000))]
fn a_named_template_is_filled_by_name(#[case] components: Value, #[case] code: Option<i64>) {
    let shape = shape(
        &json!([{"type":"BODY","text":"Hi {{first_name}}, order {{code}} is ready."}]),
        &ParameterFormat::Named,
    );
    assert_eq!(fill(&shape, components), code);
}

#[rstest]
#[case::as_created(json!([{"type":"BODY","add_security_recommendation":true},{"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE"}]}]))]
#[case::as_read_back(json!([{"type":"BODY","text":"*{{1}}* is your verification code."},{"type":"BUTTONS","buttons":[{"type":"URL","text":"Copy code","url":"https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"}]}]))]
fn a_passcode_fills_body_and_button(#[case] components: Value) {
    let shape = shape(&components, &ParameterFormat::Positional);
    assert!(shape.passcode);
    let send = |code: &str| json!([{"type":"body","parameters":[text(code)]},{"type":"button","sub_type":"url","index":"0","parameters":[text(code)]}]);
    assert_eq!(fill(&shape, send("482913")), None);
    assert_eq!(fill(&shape, send("4829134829134829")), Some(132_018));
    assert_eq!(fill(&shape, json!([{"type":"body","parameters":[text("482913")]}])), Some(131_008));
}

#[test]
fn a_place_needs_all_of_its_parts() {
    let shape = shape(
        &json!([{"type":"HEADER","format":"LOCATION"},{"type":"BODY","text":"Come."}]),
        &ParameterFormat::Positional,
    );
    let send = |name: Value| json!([{"type":"header","parameters":[{"type":"location","location":{"latitude":1,"longitude":2,"name":name,"address":"a"}}]}]);
    assert_eq!(fill(&shape, send(json!("Casa"))), None);
    assert_eq!(fill(&shape, send(json!(""))), Some(132_012));
}

#[test]
fn a_template_without_variables_takes_no_parameters() {
    let shape = shape(&json!([{"type":"BODY","text":"Hello."}]), &ParameterFormat::Positional);
    assert_eq!(fill(&shape, json!([])), None);
    assert_eq!(fill(&shape, json!([{"type":"body","parameters":[text("x")]}])), Some(132_000));
}

#[test]
fn parts_that_are_not_known_here_are_left_to_meta() {
    let shape = shape(
        &json!([{"type":"BODY","text":"Two offers"},{"type":"CAROUSEL","cards":[]}]),
        &ParameterFormat::Positional,
    );
    assert!(shape.open);
    assert_eq!(fill(&shape, json!([{"type":"carousel","cards":[{"card_index":0}]}])), None);
}
