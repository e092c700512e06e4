//! `POST /{number}/messages`: Meta's order of checks, the ledger, and what happens after the 200.
//!
//! Everything up to the pair limit is refused in the answer; the window, opt-outs, blocks and
//! payment are not: there the answer is 200 and a `failed` webhook follows. The ledger's row, the
//! message and its first webhook are one commit, and the answer waits for it: whatever happens to
//! the connection or to this process, an answered send is on disk.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::disk::read::{self, Known};
use crate::disk::{Facts, LedgerRow, MessageRow};
use crate::events::{self, DAY_US, Status};
use crate::faults::Action;
use crate::ids::{Author, wamid};
use crate::limits::Both;
use crate::model::{Number, Template, Waba, pair_key};
use crate::settings::Settings;
use crate::steps::{Step, What};
use crate::world::World;

use super::access::{self, check_account};
use super::error::GraphError;
use super::message_pricing::{PER_MESSAGE_FROM_US, pricing};
use super::message_rules::{self, Parsed};
use super::request::Call;
use super::{Answer, Reply, Work, success, template_fill};

/// `/{number}/messages` and `/{number}/marketing_messages`.
pub(crate) async fn send(work: Work<'_>, number_id: &str) -> Answer {
    let Work { core, call, faults } = work;
    if call.method != "POST" {
        return Err(GraphError::no_object(&call.method, number_id));
    }
    if call.params.contains_key("status") {
        return mark_read(work, number_id).await;
    }
    let reaction_known = match reaction_target(call) {
        Some(target) => {
            let known = read::knows_wamid(&core.readers, &target).await;
            known.is_ok_and(|known| known != Known::Nowhere)
        }
        None => true,
    };
    let mut tried = core.tried.subscribe();
    let now = core.both();
    let attempt = Attempt { call, number_id, faults, now, reaction_known };
    let (answer, first_webhook) = core.act(|world| attempt.run(world)).await?;
    if let Some(first) = first_webhook.filter(|_| faults.webhook_first) {
        // Bounded: a callback that is down must not hold the answer for ever.
        let arrives = async {
            while let Ok(seq) = tried.recv().await {
                if seq == first {
                    break;
                }
            }
        };
        let _late = tokio::time::timeout(Duration::from_secs(5), arrives).await;
    }
    answer.map(Reply::Json)
}

fn reaction_target(call: &Call) -> Option<String> {
    call.params.get("reaction")?.get("message_id")?.as_str().map(ToOwned::to_owned)
}

/// `{status:"read"}`, with or without a typing indicator: no message, no webhook, no ledger.
async fn mark_read(work: Work<'_>, number_id: &str) -> Answer {
    let Work { core, call, faults } = work;
    core.peek(|world| {
        let caller = access::caller(world, call, core.now_us())?;
        caller.number(world, call, number_id)?;
        caller.need(access::MESSAGING)
    })?;
    if let Some(error) = &faults.error {
        return Err(GraphError::planted(error));
    }
    if call.required("messaging_product")? != "whatsapp" {
        return Err(GraphError::one_of("messaging_product", &["WHATSAPP"], ""));
    }
    let status = call.required("status")?;
    if status != "read" {
        return Err(GraphError::one_of("status", &["READ"], &status));
    }
    let wamid = call.required("message_id")?;
    if let Some(typing) = call.json("typing_indicator")
        && typing.get("type").and_then(Value::as_str) != Some("text")
    {
        return Err(GraphError::param("Param typing_indicator.type must be one of {TEXT}."));
    }
    let known = read::knows_wamid(&core.readers, &wamid).await;
    if known.is_ok_and(|known| known == Known::Inbound) {
        return Ok(success());
    }
    Err(GraphError::coded(131_009, "Param message_id is not a message that this number received"))
}

struct Attempt<'a> {
    call: &'a Call,
    number_id: &'a str,
    faults: &'a Action,
    now: Both,
    reaction_known: bool,
}

/// A send that passed every check.
struct Passed {
    app_id: String,
    number: Number,
    waba: Waba,
    settings: Settings,
    parsed: Parsed,
    wa_id: String,
    /// The BSUID that it was addressed to.
    user_id: Option<String>,
    template: Option<Template>,
    marketing_edge: bool,
}

impl Attempt<'_> {
    /// Judges the send, does it, and writes it into the ledger, also when it is refused.
    fn run(&self, world: &mut World) -> (Result<Value, GraphError>, Option<i64>) {
        let app_id = access::app_of(world, self.call);
        let text = |name: &str| self.call.str(name);
        let mut line = LedgerRow {
            received_us: self.now.business_us,
            app_id,
            waba_id: world.numbers.get(self.number_id).map(|number| number.waba_id.clone()),
            number_id: Some(self.number_id.to_owned()),
            recipient: text("to").or_else(|| text("recipient")),
            kind: text("type").or_else(|| Some("text".to_owned())),
            callback_data: text("biz_opaque_callback_data"),
            answer_dropped: self.faults.drop_answer,
            ..LedgerRow::default()
        };
        let (answer, first_webhook) = match self.judge(world) {
            Ok(passed) => {
                let (row, body, first_webhook) = self.accept(world, passed);
                line.http_status = 200;
                line.wamid = Some(row);
                (Ok(body), first_webhook)
            }
            Err(error) => {
                line.http_status = error.http;
                line.error_code = Some(error.code);
                (Err(error), None)
            }
        };
        world.sequences.ledger += 1;
        line.seq = world.sequences.ledger;
        world.pending.batch.ledger.push(line);
        (answer, first_webhook)
    }

    fn judge(&self, world: &mut World) -> Result<Passed, GraphError> {
        let call = self.call;
        if let Some(error) = &self.faults.error {
            return Err(GraphError::planted(error));
        }
        if let Some(http) = self.faults.http_status {
            return Err(GraphError::out_of_service(http));
        }
        // 1 to 3: token, object, permission and account.
        let caller = access::caller(world, call, self.now.business_us)?;
        let (number, waba) = caller.number(world, call, self.number_id)?;
        caller.need(access::MESSAGING)?;
        check_account(waba)?;
        if number.status == "BANNED" {
            return Err(GraphError::coded(131_031, "Account has been locked"));
        }
        let (number, waba) = (number.clone(), waba.clone());
        let settings = world.settings(&caller.app_id);
        // 4: throughput, inbound and outbound together.
        if settings.throughput_limit && !world.limits.pass(&number.id, number.mps, self.now) {
            let details = "Message failed to send because there were too many messages sent from this \
                           phone number in a short period of time";
            return Err(
                GraphError::coded(130_429, details).with_http(settings.throttle_http_status)
            );
        }
        // 5: the shape of the body.
        let parsed = message_rules::check(&call.params)?;
        let marketing_edge = call.segment(1) == Some("marketing_messages");
        if marketing_edge && parsed.kind != "template" {
            return Err(GraphError::coded(134_100, "Message must be a template message."));
        }
        // 6: the state of the number.
        if !number.is_registered() {
            return Err(GraphError::coded(133_010, "The account is not registered"));
        }
        if number.maintenance_until_us.is_some_and(|end| end > self.now.business_us) {
            return Err(GraphError::coded(
                131_057,
                "The account is being upgraded. Try again in a minute.",
            ));
        }
        // 7: the recipient.
        let (wa_id, user_id) = recipient(&parsed, &number, &waba, &settings)?;
        check_media(world, &parsed, &waba, self.now.business_us)?;
        // 8: the template.
        let template = match call.params.get("template").filter(|_| parsed.kind == "template") {
            Some(wanted) => {
                Some(find_template(world, wanted, &waba, user_id.is_some(), marketing_edge)?)
            }
            None => None,
        };
        let mut parsed = parsed;
        if let (Some(template), Some(wanted)) = (&template, call.params.get("template")) {
            template_fill::check(template, wanted, &call.version, &mut parsed)?;
            check_media(world, &parsed, &waba, self.now.business_us)?;
        }
        // 9: the pair.
        let pair = pair_key(&number.id, &wa_id);
        if settings.pair_limit && !world.limits.take_pair(&pair, self.now) {
            let details = "Message failed to send because there were too many messages sent from this phone \
                           number to the same phone number in a short period of time.";
            return Err(
                GraphError::coded(131_056, details).with_http(settings.throttle_http_status)
            );
        }
        Ok(Passed {
            app_id: caller.app_id,
            number,
            waba,
            settings,
            parsed,
            wa_id,
            user_id,
            template,
            marketing_edge,
        })
    }

    /// What goes wrong only after the 200.
    fn later_failure(
        &self,
        world: &mut World,
        passed: &Passed,
        open: bool,
    ) -> Option<(i64, String)> {
        let failed = |code: i64, details: &str| Some((code, details.to_owned()));
        if let Some(planted) = &self.faults.async_error {
            let details = planted.details.clone().or_else(|| planted.message.clone());
            return Some((
                planted.code,
                details.unwrap_or_else(|| super::error::title(planted.code).to_owned()),
            ));
        }
        let pair = world.pair(&passed.number.id, &passed.wa_id).cloned().unwrap_or_default();
        let on_whatsapp = world.persons.get(&passed.wa_id).is_none_or(|person| person.on_whatsapp);
        if pair.blocked || !on_whatsapp || passed.number.blocked_users.contains(&passed.wa_id) {
            return failed(131_026, "Message Undeliverable.");
        }
        if passed.template.is_none() && !open && passed.settings.enforce_window {
            return failed(
                131_047,
                "Message failed to send because more than 24 hours have passed since the customer last \
                 replied to this number.",
            );
        }
        if !self.reaction_known {
            return failed(131_009, "The message that was reacted to is not known.");
        }
        let marketing =
            passed.template.as_ref().is_some_and(|template| template.category == "MARKETING");
        if marketing && pair.marketing_stopped {
            return failed(131_050, "Recipient has chosen to stop receiving marketing messages.");
        }
        if passed.settings.require_payment
            && passed.template.is_some()
            && passed.waba.allocation_id.is_none()
        {
            return failed(
                131_042,
                "Message failed to send because of an issue with the payment method.",
            );
        }
        if passed.settings.messaging_limit && !open {
            let owner = world.businesses.get(&passed.waba.owner_business);
            let limit = owner.and_then(|owner| match owner.messaging_limit.as_str() {
                "TIER_250" => Some(250),
                "TIER_2K" => Some(2_000),
                "TIER_10K" => Some(10_000),
                "TIER_100K" => Some(100_000),
                _ => None,
            });
            let owner = passed.waba.owner_business.as_str();
            if !world.limits.reach(owner, &passed.wa_id, limit, self.now.business_us) {
                return failed(
                    131_048,
                    "The messaging limit of the business portfolio is reached.",
                );
            }
        }
        None
    }

    fn accept(&self, world: &mut World, passed: Passed) -> (String, Value, Option<i64>) {
        let now_us = self.now.business_us;
        let pair = world.pair(&passed.number.id, &passed.wa_id);
        let open =
            pair.and_then(|pair| pair.last_inbound_us).is_some_and(|at| now_us - at < DAY_US);
        let free_entry =
            pair.and_then(|pair| pair.free_entry_until_us).is_some_and(|end| end > now_us);
        let failure = self.later_failure(world, &passed, open);
        let id = wamid(&passed.wa_id, Author::Business);
        let body = answer(&passed, &id);
        let category = category(&passed);
        let settings = &passed.settings;
        let sent_only = passed.parsed.kind == "reaction";
        let links = local_links(settings, &passed.parsed.links);
        let more = failure.is_none() && !sent_only && !settings.skip_delivered;
        let status = match (&failure, links.is_empty()) {
            (Some(_), _) => "failed",
            (None, true) => "sent",
            (None, false) => "accepted",
        };
        let facts = Facts {
            waba_id: passed.waba.id.clone(),
            sent_to_user_id: passed.user_id.clone(),
            conversation_id: crate::ids::secret(),
            origin: category.to_owned(),
            pricing: pricing(category, open, free_entry, now_us),
            category: category.to_owned(),
            template_id: passed.template.as_ref().map(|template| template.id.clone()),
            shows_conversation: now_us < PER_MESSAGE_FROM_US
                || settings.shows_conversation()
                || free_entry,
            duplicates: settings
                .duplicate_webhooks
                .max(self.faults.duplicate_webhooks.unwrap_or_default()),
            sent_only,
            sent_us: now_us,
        };
        world.sequences.message += 1;
        let row = MessageRow {
            seq: world.sequences.message,
            wamid: id.clone(),
            app_id: passed.app_id,
            number_id: passed.number.id,
            wa_id: passed.wa_id,
            callback_data: passed.parsed.callback_data,
            status: status.to_owned(),
            error_code: failure.as_ref().map(|(code, _)| *code),
            pending: more || !links.is_empty(),
            facts,
        };
        world.pending.batch.messages.push(row.clone());
        let hold_ms = settings.sent_delay_ms;
        let before = world.sequences.webhook;
        if let Some((code, details)) = &failure {
            let error = Some((*code, details.as_str()));
            let status = Status { name: "failed", at_us: now_us, priced: false, error, hold_ms };
            events::status(world, &row, status);
        } else if links.is_empty() {
            let status = Status { name: "sent", at_us: now_us, priced: true, error: None, hold_ms };
            events::status(world, &row, status);
            if more {
                let after_ms = settings.sent_delay_ms + settings.delivered_delay_ms;
                world.pending.steps.push(Step { after_ms, what: What::Deliver(row) });
            }
        } else {
            world.pending.steps.push(Step { after_ms: hold_ms, what: What::Fetch(row, links) });
        }
        let first_webhook = (world.sequences.webhook > before).then_some(before + 1);
        (id, body, first_webhook)
    }
}

/// The customer behind `to` or `recipient`.
fn recipient(
    parsed: &Parsed,
    number: &Number,
    waba: &Waba,
    settings: &Settings,
) -> Result<(String, Option<String>), GraphError> {
    if parsed.to_group {
        return Err(GraphError::coded(131_041, "The group is not known."));
    }
    if let Some(to) = &parsed.to {
        let mut digits = crate::phone::digits(to);
        let odd = to
            .chars()
            .any(|c| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '(' | ')' | ' ' | '.')));
        if settings.strict_numbers && !to.trim_start().starts_with('+') {
            digits.insert_str(0, crate::phone::dial_code(&number.digits));
        }
        if odd || !(7..=15).contains(&digits.len()) {
            return Err(GraphError::param("Invalid parameter")
                .with_details(format!("Param to is not a valid phone number: {to}")));
        }
        if digits == number.digits {
            return Err(GraphError::coded(131_021, "The recipient is the sender."));
        }
        return Ok((crate::phone::wa_id(&digits), None));
    }
    let user_id = parsed.recipient.clone().unwrap_or_default();
    match crate::ids::person_of(&waba.owner_business, &user_id) {
        Some(wa_id) => Ok((wa_id, Some(user_id))),
        None => Err(GraphError::coded(
            131_009,
            "Param recipient is not a user id of this business portfolio",
        )),
    }
}

/// Media ids must be of this account, of the right kind, and not too old.
fn check_media(world: &World, parsed: &Parsed, waba: &Waba, now_us: i64) -> Result<(), GraphError> {
    for (kind, id) in &parsed.media_ids {
        let media = world
            .media
            .get(id)
            .filter(|media| media.waba_id == waba.id && media.expires_us > now_us);
        let media = media.ok_or_else(|| {
            GraphError::coded(131_009, format!("Param {kind}['id'] is not a valid whatsapp business account media attachment ID"))
        })?;
        if !super::media::suits(kind, &media.mime_type) {
            return Err(GraphError::coded(131_009, format!("Media {id} is not a valid {kind}")));
        }
    }
    Ok(())
}

fn find_template(
    world: &World,
    wanted: &Value,
    waba: &Waba,
    to_user_id: bool,
    marketing_edge: bool,
) -> Result<Template, GraphError> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = text(wanted.get("name"));
    let language = text(wanted.get("language").and_then(|language| language.get("code")));
    let template = world.template_named(&waba.id, &name, &language);
    let absent = || {
        GraphError::coded(132_001, format!("template name ({name}) does not exist in {language}"))
    };
    let template = template.ok_or_else(absent)?;
    match template.status.as_str() {
        "APPROVED" => {}
        "PAUSED" => {
            return Err(GraphError::coded(132_015, "Template is paused due to low quality."));
        }
        "DISABLED" => {
            return Err(GraphError::coded(132_016, "Template is disabled due to low quality."));
        }
        _ => return Err(absent()),
    }
    if to_user_id && template.category == "AUTHENTICATION" {
        return Err(GraphError::coded(131_062, "Send authentication templates to a phone number."));
    }
    if marketing_edge && template.category != "MARKETING" {
        return Err(GraphError::coded(134_100, "Only marketing templates are sent this way."));
    }
    Ok(template.clone())
}

/// What the message counts as, for pricing.
fn category(passed: &Passed) -> &'static str {
    match passed.template.as_ref().map(|template| template.category.as_str()) {
        Some("MARKETING") if passed.marketing_edge => "marketing_lite",
        Some("MARKETING") => "marketing",
        Some("AUTHENTICATION") => "authentication",
        Some(_) => "utility",
        None => "service",
    }
}

/// Only links of this machine are fetched: a test's message must not reach the outside.
fn local_links(settings: &Settings, links: &[String]) -> Vec<String> {
    let local = |link: &&String| {
        url::Url::parse(link).is_ok_and(|url| match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        })
    };
    if settings.fetch_links { links.iter().filter(local).cloned().collect() } else { Vec::new() }
}

fn answer(passed: &Passed, id: &str) -> Value {
    let mut contact = Map::new();
    if let (Some(user_id), None) = (&passed.user_id, &passed.parsed.to) {
        contact.insert("input".to_owned(), json!(user_id));
        contact.insert("user_id".to_owned(), json!(user_id));
    } else {
        contact.insert("input".to_owned(), json!(passed.parsed.to));
        contact.insert("wa_id".to_owned(), json!(passed.wa_id));
    }
    let mut message = Map::new();
    message.insert("id".to_owned(), json!(id));
    if passed.template.is_some() {
        message.insert("message_status".to_owned(), json!("accepted"));
    }
    json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})
}
