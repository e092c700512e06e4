//! Invitations: the state of one, the browser of one and the code of one do for no other; and what a callback says of
//! WABAs and numbers is a hint alone (ISO-44).

use serde_json::{Value, json};

use super::{
    callers::Caller,
    subject::Subject,
    world::{Dialog, World},
};
use crate::support::text;

/// Ids of Meta's that nobody has.
const NO_WABA: &str = "100000000000001";
const NO_NUMBER: &str = "100000000000002";

/// Attacks as a partner that onboards a tenant of its own.
pub(super) async fn all(world: &World) {
    let thief = world.attackers.iter().find(|caller| caller.claim("pid").is_some());
    let thief = thief.expect("a partner");
    states(world, thief).await;
    hints(world, thief).await;
}

impl World {
    async fn invited(&self, desk: &Caller, own: &Subject) -> Dialog {
        self.dialog(&desk.token, own.get("tenant"), "Some Shop").await
    }

    /// The callback of a link: status and body, without what differs anyhow.
    async fn answer(&self, dialog: &Dialog) -> (u16, Value) {
        let body = json!({"state": dialog.state, "code": dialog.code,
            "waba_id": dialog.waba_meta, "phone_number_id": dialog.number_meta});
        let url = format!("{}/callback", dialog.url);
        let sent =
            self.api.http.post(&url).header("cookie", &dialog.cookie).json(&body).send().await;
        let answer = sent.expect("the callback answers");
        let status = answer.status().as_u16();
        let body = answer.json().await.expect("JSON");
        (status, super::seen::still(&body))
    }
}

/// State, browser and link belong together, once.
async fn states(world: &World, thief: &Caller) {
    let victim = world.invited(&world.operator, &world.victim).await;
    let own = world.invited(thief, &thief.own).await;
    let made_up = "never-given-out-000000";
    let thefts = [
        ("another's state", Dialog { state: victim.state.clone(), ..own.clone() }),
        ("another's link and state", Dialog { cookie: own.cookie.clone(), ..victim.clone() }),
        ("another's link", Dialog { state: own.state.clone(), ..victim.clone() }),
        ("another's state and browser", Dialog { url: own.url.clone(), ..victim.clone() }),
    ];
    for (what, theft) in thefts {
        let seen = world.answer(&theft).await;
        let never = world.answer(&Dialog { state: made_up.to_owned(), ..theft }).await;
        assert_eq!(seen, never, "{what} differs from a state that never was");
        assert_eq!(text(&seen.1, "/error/code"), "SIGNUP_STATE_REFUSED", "{what}");
    }
    // All attempts left the state alone; it is good for its own browser, and once.
    let (status, body) = world.answer(&victim).await;
    assert_eq!(status, 200, "control: {body}");
    // The same answer again, from a page that was loaded again, is told what it began; any other finds the link used up.
    let (status, again) = world.answer(&victim).await;
    assert_eq!((status, text(&again, "/onboarding_id")), (200, text(&body, "/onboarding_id")));
    let other = Dialog { state: made_up.to_owned(), ..victim };
    let (_, other) = world.answer(&other).await;
    assert_eq!(text(&other, "/error/code"), "INVITATION_NOT_FOUND", "it is used up: {other}");
}

/// A WABA or a number that the token does not prove is not claimed, whoever's it is.
async fn hints(world: &World, thief: &Caller) {
    let (waba, number) = (world.victim.get("waba_meta"), world.victim.get("number_meta"));
    let claims = [
        ("a foreign WABA", waba, None, NO_WABA, None),
        ("a foreign WABA and number", waba, Some(number), NO_WABA, Some(NO_NUMBER)),
    ];
    for (what, waba, number, no_waba, no_number) in claims {
        let told = async |waba: &str, number: Option<&str>| {
            let own = world.invited(thief, &thief.own).await;
            let number = number.unwrap_or(&own.number_meta).to_owned();
            let claim = Dialog { waba_meta: waba.to_owned(), number_meta: number, ..own };
            let (status, body) = world.answer(&claim).await;
            assert_ne!(status, 200, "{what}: {body}");
            (status, body.to_string().replace(waba, "<waba>"))
        };
        assert_eq!(told(waba, number).await, told(no_waba, no_number).await, "{what}");
    }
    let told = async |number: &str| {
        let own = world.invited(thief, &thief.own).await;
        let (status, body) = world.answer(&Dialog { number_meta: number.to_owned(), ..own }).await;
        assert_ne!(status, 200, "a foreign number: {body}");
        (status, body.to_string().replace(number, "<number>"))
    };
    assert_eq!(told(number).await, told(NO_NUMBER).await, "a foreign number");
}
