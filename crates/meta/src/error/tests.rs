//! Which of Meta's codes allow a second post, how the dispatcher reacts to each, and how an error's envelope is read.

use super::*;
use rstest::rstest;

/// Every code of the tables that Meta's documents and observation give, ranges by both ends.
const LISTED: &[i64] = &[
    0, 1, 2, 3, 4, 10, 17, 33, 100, 101, 104, 190, 200, 250, 299, 368, 613, 803, 1026, 2046, 2047,
    2200, 2500, 80_007, 80_008, 130_429, 130_472, 130_497, 130_501, 131_000, 131_005, 131_008,
    131_009, 131_016, 131_020, 131_021, 131_026, 131_030, 131_031, 131_035, 131_036, 131_037,
    131_041, 131_042, 131_044, 131_045, 131_047, 131_048, 131_049, 131_050, 131_051, 131_052,
    131_053, 131_055, 131_056, 131_057, 131_059, 131_060, 131_062, 131_063, 131_064, 131_201,
    131_202, 131_203, 131_204, 131_207, 131_208, 131_209, 131_210, 131_211, 131_212, 131_213,
    131_214, 131_215, 132_000, 132_001, 132_005, 132_007, 132_008, 132_012, 132_015, 132_016,
    132_018, 132_068, 132_069, 133_000, 133_004, 133_005, 133_006, 133_008, 133_009, 133_010,
    133_015, 133_016, 134_011, 134_100, 134_101, 134_102, 135_000, 136_024, 136_025, 137_000,
    138_000, 138_001, 138_009, 138_012, 138_013, 138_018, 139_000, 139_001, 139_002, 139_003,
    139_004, 139_006, 139_100, 139_101, 139_102, 139_103, 141_000, 141_002, 141_006, 141_010,
    147_001, 147_002, 147_003, 147_004, 147_005, 200_005, 200_006, 200_007, 1_752_041, 2_207_013,
    2_207_051, 2_388_001, 2_388_012, 2_388_019, 2_388_023, 2_388_024, 2_388_040, 2_388_043,
    2_388_047, 2_388_072, 2_388_073, 2_388_091, 2_388_093, 2_388_103, 2_388_293, 2_388_299,
    2_494_100, 2_593_079, 2_593_085, 2_593_107, 2_593_108, 2_593_109, 4_233_041,
];

/// The list of rule I2, word for word …
const REFUSED: &[i64] = &[
    4, 10, 100, 190, 368, 80_007, 130_429, 131_008, 131_009, 131_047, 131_048, 131_051, 131_056,
    131_057, 133_010,
];
/// … and what is refused just as surely: no valid token at all, the other name of 80007, a locked account.
const REFUSED_ALIKE: &[i64] = &[0, 104, 80_008, 131_031];

#[test]
fn every_listed_code_has_an_explanation() {
    let missing: Vec<_> = LISTED.iter().filter(|code| explain(**code).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn exactly_the_codes_of_i2_allow_a_second_post() {
    let expected = |code: i64| {
        REFUSED.contains(&code)
            || REFUSED_ALIKE.contains(&code)
            || (200..=299).contains(&code)
            || (132_000..=132_999).contains(&code)
    };
    for code in (-1..3000)
        .chain(80_000..80_100)
        .chain(130_000..142_000)
        .chain(147_000..147_100)
        .chain(2_388_000..2_389_000)
    {
        assert_eq!(refused_before_send(code), expected(code), "code {code}");
    }
}

#[rstest]
#[case(130_429, Reaction::RequeueRate)]
#[case(131_056, Reaction::ParkPair)]
#[case(131_048, Reaction::StopMarketing)]
#[case(131_049, Reaction::SpareRecipient)]
#[case(131_050, Reaction::OptedOut)]
#[case(131_047, Reaction::WindowClosed)]
#[case(80_007, Reaction::SlowManagement)]
#[case(80_008, Reaction::SlowManagement)]
#[case(4, Reaction::SlowManagement)]
#[case(1, Reaction::Unknown)]
#[case(2, Reaction::Unknown)]
#[case(131_000, Reaction::Unknown)]
#[case(131_016, Reaction::Unknown)]
#[case(131_057, Reaction::Maintenance)]
#[case(190, Reaction::StopWaba)]
#[case(10, Reaction::StopWaba)]
#[case(200, Reaction::StopWaba)]
#[case(299, Reaction::StopWaba)]
#[case(368, Reaction::LockWaba)]
#[case(131_031, Reaction::LockWaba)]
#[case(131_026, Reaction::Terminal)]
#[case(999_999, Reaction::Terminal)]
fn the_dispatcher_reacts_as_the_rules_say(#[case] code: i64, #[case] expected: Reaction) {
    assert_eq!(reaction(code), expected);
}

#[test]
fn what_leaves_the_outcome_open_never_allows_a_second_post() {
    for row in all().iter().filter(|row| row.reaction == Reaction::Unknown) {
        assert!(!row.refused_before_send, "{}", row.code);
    }
}

#[test]
fn every_row_says_something_and_none_stands_twice() {
    let mut seen = std::collections::HashSet::new();
    for row in all() {
        assert!(
            seen.insert((row.code, row.subcode)),
            "{}/{:?} stands twice",
            row.code,
            row.subcode
        );
        assert!(row.last >= row.code, "{}", row.code);
        for text in [row.title, row.cause, row.remedy] {
            assert!(text.len() > 3, "{}", row.code);
        }
        assert!(row.cause.ends_with('.') && row.remedy.ends_with('.'), "{}", row.code);
    }
}

#[rstest]
#[case(100, Some(33), "Object not there")]
#[case(100, Some(2_388_299), "Variable at the edge")]
#[case(100, Some(424_242), "Invalid parameter")]
#[case(190, Some(463), "Token expired")]
#[case(250, None, "Permission missing")]
#[case(132_345, None, "Template refused")]
fn a_subcode_narrows_its_code(
    #[case] code: i64,
    #[case] subcode: Option<i64>,
    #[case] title: &str,
) {
    assert_eq!(explain_with(code, subcode).unwrap().title, title);
}

#[test]
fn an_operator_may_move_a_code() {
    let refusals = Refusals { also: vec![131_016], not: vec![131_009] };
    assert!(refusals.contains(131_016) && !refusals.contains(131_009) && refusals.contains(190));
}

#[rstest]
#[case::object(r#"{"error":{"message":"(#131056) pair","type":"OAuthException","code":131056,"error_data":{"messaging_product":"whatsapp","details":"wait"},"fbtrace_id":"Aq"}}"#, 131_056, Some("wait"))]
#[case::json_in_a_string(
    r#"{"error":{"code":100,"error_subcode":33,"error_data":"{\"details\":\"wait\"}"}}"#,
    100,
    Some("wait")
)]
#[case::plain_string(r#"{"error":{"code":100,"error_data":"wait"}}"#, 100, Some("wait"))]
#[case::no_data(r#"{"error":{"code":"190","message":"x"}}"#, 190, None)]
#[case::blame(
    r#"{"error":{"code":100,"error_data":"{\"blame_field_specs\":[[\"name\"]]}"}}"#,
    100,
    None
)]
fn an_envelope_is_read_in_all_of_its_forms(
    #[case] body: &str,
    #[case] code: i64,
    #[case] details: Option<&str>,
) {
    let error = GraphError::from_body(body.as_bytes()).unwrap();
    assert_eq!((error.code, error.details.as_deref()), (code, details));
}

#[rstest]
#[case("")]
#[case("<html>")]
#[case("{}")]
#[case(r#"{"error":"x"}"#)]
#[case(r#"{"error":{"message":"no code"}}"#)]
fn what_names_no_code_is_no_envelope(#[case] body: &str) {
    assert!(GraphError::from_body(body.as_bytes()).is_none());
}

#[test]
fn what_is_logged_of_an_error_holds_no_words_of_metas() {
    let error = GraphError::from_body(br#"{"error":{"message":"to +351912000111","code":131026,"error_data":{"details":"+351912000111"},"fbtrace_id":"Aq"}}"#).unwrap();
    assert_eq!(
        error.to_string(),
        "Meta answered error 131026 (Message undeliverable), fbtrace_id Aq"
    );
    assert!(!format!("{error:?}").contains("351912"));
}
