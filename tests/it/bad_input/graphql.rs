//! `/graphql`: what is no request, what asks for too much, and what asks wrongly.

use serde_json::{Value, json};

use super::{
    answer::{Cases, Told},
    house::{HUGE, House},
};

const BAD: (u16, &str) = (400, "BAD_REQUEST");

/// Case, body; status and code; words.
type Refused<'a> = (&'a str, Vec<u8>, (u16, &'a str), &'a str);

#[tokio::test]
async fn what_is_no_request_is_refused_as_one() {
    let house = House::start().await;
    let mut cases = Cases::of("/graphql bodies");
    let padded =
        |before: &str, after: &str| format!("{before}{}{after}", " ".repeat(HUGE)).into_bytes();
    let table: Vec<Refused<'_>> = vec![
        ("nothing", Vec::new(), BAD, "no GraphQL request"),
        ("broken JSON", b"{\"query\":".to_vec(), BAD, "column 9"),
        ("a text", b"\"{__typename}\"".to_vec(), BAD, "an object with `query`"),
        ("a batch", b"[{\"query\":\"{__typename}\"}]".to_vec(), BAD, "batches"),
        ("no query", b"{}".to_vec(), BAD, "`query`"),
        ("a query that is a number", b"{\"query\":7}".to_vec(), BAD, "integer `7`"),
        (
            "variables that are a list",
            b"{\"query\":\"{__typename}\",\"variables\":[1]}".to_vec(),
            BAD,
            "expected a map",
        ),
        ("a query twice", b"{\"query\":\"{a}\",\"query\":\"{b}\"}".to_vec(), BAD, "`query`"),
        ("no UTF-8", b"{\"query\":\"{ \xff }\"}".to_vec(), BAD, "unicode"),
        (
            "half a surrogate",
            b"{\"query\":\"{__typename}\",\"variables\":{\"a\":\"\\ud800\"}}".to_vec(),
            BAD,
            "column",
        ),
        (
            "a NUL in the query",
            b"{\"query\":\"{__typename}\\u0000\"}".to_vec(),
            BAD,
            "query: U+0000",
        ),
        (
            "a NUL in the operation's name",
            b"{\"query\":\"{__typename}\",\"operationName\":\"\\u0000\"}".to_vec(),
            BAD,
            "operationName: U+0000",
        ),
        (
            "a NUL deep in the variables",
            b"{\"query\":\"{__typename}\",\"variables\":{\"a\":[{\"b\":\"\\u0000\"}]}}".to_vec(),
            BAD,
            "variables.a[0].b: U+0000",
        ),
        (
            "a NUL in a variable's name",
            b"{\"query\":\"{__typename}\",\"variables\":{\"a\\u0000\":1}}".to_vec(),
            BAD,
            "U+0000",
        ),
        (
            "a NUL of 10 kB",
            format!(
                r#"{{"query":"{{__typename}}","variables":{{"{}":"\u0000"}}}}"#,
                "a".repeat(10_000)
            )
            .into_bytes(),
            BAD,
            "U+0000",
        ),
        (
            "deeper JSON than is read",
            format!("{{\"variables\":{{\"a\":{}", "[".repeat(5_000)).into_bytes(),
            BAD,
            "recursion",
        ),
        (
            "10 MB before the query",
            padded("", "{\"query\":\"{__typename}\"}"),
            (413, "BODY_TOO_LARGE"),
            "1048576 bytes",
        ),
        (
            "10 MB in the query",
            padded("{\"query\":\"", "{__typename}\"}"),
            (413, "BODY_TOO_LARGE"),
            "1048576 bytes",
        ),
    ];
    for (case, body, (status, code), says) in table {
        let asked = house
            .post("/graphql")
            .bearer_auth(house.api.key(0))
            .header("content-type", "application/json");
        cases.refused(case, &Told::of(asked.body(body)).await, status, code, says);
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin1",
    ] {
        let asked =
            house.post("/graphql").bearer_auth(house.api.key(0)).header("content-type", kind);
        let told = Told::of(asked.body("{\"query\":\"{__typename}\"}")).await;
        cases.refused(kind, &told, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json");
    }
    let asked = house.get("/graphql?query=%7B__typename%7D").bearer_auth(house.api.key(0));
    cases.refused("GET", &Told::of(asked).await, 405, "METHOD_NOT_ALLOWED", "POST");
    let picky = house.graphql(&json!({"query": "{__typename}"})).header("accept", "image/png");
    cases.refused(
        "an answer as a picture",
        &Told::of(picky).await,
        406,
        "NOT_ACCEPTABLE",
        "application/json",
    );
    let packed = house.graphql(&json!({"query": "{__typename}"})).header("content-encoding", "br");
    cases.refused("brotli", &Told::of(packed).await, 415, "UNSUPPORTED_MEDIA_TYPE", "encoded");
    let frames = (0..160).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let asked = house
        .post("/graphql")
        .bearer_auth(house.api.key(0))
        .header("content-type", "application/json");
    let told =
        Told::of(asked.body(reqwest::Body::wrap_stream(futures::stream::iter(frames)))).await;
    cases.refused("10 MB of unknown length", &told, 413, "BODY_TOO_LARGE", "1048576 bytes");
    cases.finish();
    house.stays_as_it_was(&[]).await;
}

#[tokio::test]
async fn documents_that_cost_too_much_or_ask_wrongly_are_refused() {
    let house = House::start().await;
    let mut cases = Cases::of("/graphql documents");
    let nested = |levels: usize| {
        format!(
            "{{ message(id: \"x\") {{ {} id {} }} }}",
            "contextMessage { ".repeat(levels),
            "}".repeat(levels)
        )
    };
    let aliases: Vec<String> = (0..500).map(|n| format!("a{n}: __typename")).collect();
    let aliases = aliases.join(" ");
    let foreign = house.api.of_tenant(1, "/number/id").to_owned();
    let own_waba = house.api.of_tenant(0, "/waba/id").to_owned();
    let (invalid, argument, complex) =
        ("GRAPHQL_VALIDATION_FAILED", "INVALID_ARGUMENT", "DOCUMENT_TOO_COMPLEX");
    let table: Vec<(&str, String, Value, &str, &str)> = vec![
        (
            "a broken document",
            "{ viewer { ".to_owned(),
            json!({}),
            "GRAPHQL_PARSE_FAILED",
            "line 1, column 12",
        ),
        ("20 deep", nested(20), json!({}), complex, "depth 22; at most 12"),
        ("500 deep, on one line", nested(500), json!({}), "GRAPHQL_PARSE_FAILED", "recursion"),
        (
            "500 aliases",
            format!("{{ {aliases} }}"),
            json!({}),
            complex,
            "root aliases 500; at most 30",
        ),
        (
            "a fragment of itself",
            "{ ...f } fragment f on Query { ...f }".to_owned(),
            json!({}),
            complex,
            "`f`",
        ),
        (
            "40 kB",
            format!("{{ __typename {} }}", "#".repeat(40_000)),
            json!({}),
            "DOCUMENT_TOO_LARGE",
            "32768",
        ),
        (
            "big pages in big pages",
            "{ conversations(first: 100) { nodes { messages(first: 100) { nodes { id } } } } }"
                .to_owned(),
            json!({}),
            invalid,
            "more than 2000 fields",
        ),
        ("an unknown field", "{ viewer { nothing } }".to_owned(), json!({}), invalid, "nothing"),
        (
            "an unknown argument",
            "{ messages(frist: 1) { nodes { id } } }".to_owned(),
            json!({}),
            invalid,
            "frist",
        ),
        (
            "an unknown operation",
            "query a { __typename } query b { __typename }".to_owned(),
            json!({}),
            "OPERATION_UNKNOWN",
            "operationName",
        ),
        (
            "a subscription",
            "subscription { messageUpdates { cursor } }".to_owned(),
            json!({}),
            "SUBSCRIPTION_OVER_HTTP",
            "/graphql/ws",
        ),
        (
            "a number beyond 64 bits",
            "{ messages(first: 99999999999999999999) { nodes { id } } }".to_owned(),
            json!({}),
            invalid,
            "first",
        ),
        (
            "a number beyond 32 bits",
            "query($n: Int) { messages(first: $n) { nodes { id } } }".to_owned(),
            json!({"n": 3_000_000_000_u64}),
            invalid,
            "2147483647",
        ),
        (
            "half a number",
            "query($n: Int) { messages(first: $n) { nodes { id } } }".to_owned(),
            json!({"n": 1.5}),
            invalid,
            "first",
        ),
        (
            "a text for a number",
            "query($n: Int) { messages(first: $n) { nodes { id } } }".to_owned(),
            json!({"n": "5"}),
            invalid,
            "first",
        ),
        (
            "a page of -1",
            "{ messages(first: -1) { nodes { id } } }".to_owned(),
            json!({}),
            argument,
            "1 to 100",
        ),
        (
            "a page of 101",
            "{ messages(first: 101) { nodes { id } } }".to_owned(),
            json!({}),
            argument,
            "1 to 100",
        ),
        (
            "a word of no enum",
            "{ messages(orderBy: SIDEWAYS) { nodes { id } } }".to_owned(),
            json!({}),
            invalid,
            "SIDEWAYS",
        ),
        (
            "a word of no enum, as a variable",
            "query($o: Order) { messages(orderBy: $o) { nodes { id } } }".to_owned(),
            json!({"o": "SIDEWAYS"}),
            invalid,
            "SIDEWAYS",
        ),
        (
            "an object for an id",
            "query($i: ID!) { message(id: $i) { id } }".to_owned(),
            json!({"i": {"a": 1}}),
            invalid,
            "id",
        ),
        (
            "no variable",
            "query($i: ID!) { message(id: $i) { id } }".to_owned(),
            json!({}),
            "BAD_USER_INPUT",
            "$i",
        ),
        (
            "an id that is none",
            "{ message(id: \"x\") { id } }".to_owned(),
            json!({}),
            argument,
            "`message_`",
        ),
        (
            "an id of another kind",
            format!("{{ message(id: \"{own_waba}\") {{ id }} }}"),
            json!({}),
            argument,
            "`message_`",
        ),
        (
            "a filter by another kind",
            format!("{{ messages(numberId: \"{own_waba}\") {{ nodes {{ id }} }} }}"),
            json!({}),
            argument,
            "`numberId`: expected an id that starts with `number_`",
        ),
        (
            "a cursor of nobody",
            "{ messages(after: \"x\") { nodes { id } } }".to_owned(),
            json!({}),
            argument,
            "cursor",
        ),
        (
            "a day that is none",
            format!(
                "{{ measures(wabaId: \"{own_waba}\", fromDay: \"yesterday\") {{ timezone }} }}"
            ),
            json!({}),
            argument,
            "is not a day: write it as YYYY-MM-DD",
        ),
        (
            "a NUL in a literal",
            "{ messages(after: \"\\u0000\") { nodes { id } } }".to_owned(),
            json!({}),
            "BAD_USER_INPUT",
            "U+0000",
        ),
        (
            "101 nodes",
            format!("{{ nodes(ids: [{}]) {{ id }} }}", "\"x\" ".repeat(101)),
            json!({}),
            argument,
            "100",
        ),
        (
            "the desk's from a tenant",
            "{ tenants { nodes { id } } }".to_owned(),
            json!({}),
            "PERMISSION_DENIED",
            "not for callers of a tenant",
        ),
    ];
    for (case, query, variables, code, says) in table {
        let told = Told::of(house.graphql(&json!({"query": query, "variables": variables}))).await;
        cases.refused(case, &told, 200, code, says);
    }
    // What is not yours does not exist: null, as an id that never was.
    let absent = house.graphql(&json!({"query": format!("{{ number(id: \"{foreign}\") {{ id }} node(id: \"{foreign}\") {{ id }} }}")}));
    let absent = Told::of(absent).await;
    cases.hold(
        "a foreign id",
        absent.json() == json!({"data": {"number": null, "node": null}}),
        &absent,
    );
    cases.finish();
    house.stays_as_it_was(&[]).await;
}
