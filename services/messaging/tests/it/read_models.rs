//! Copies of tenants, WABAs, numbers and templates: from events in every order and twice (I7), and never from an event
//! that speaks of another tenant's things (T10).

use bus::Envelope;
use kernel::clock::Clock as _;
use kernel::id::{NumberId, TemplateId, TenantId, WabaId};
use kernel::time::Timestamp;
use proto::assets::v1::{Number, Template};
use proto::onboarding::v1::{Tenant, TenantState, Waba, WabaState};
use rstest::rstest;
use store::Backend;
use testkit::events::{number_changed, template_changed, tenant_changed, waba_changed};
use testkit::{fresh, orders, until};

use crate::support::World;

/// A business with one of each, as the owners tell of it.
#[derive(Clone)]
struct Business {
    tenant: Tenant,
    waba: Waba,
    number: Number,
    template: Template,
}

impl Business {
    fn new() -> Self {
        let tenant = TenantId::from_uuid(fresh()).to_string();
        let waba = WabaId::from_uuid(fresh()).to_string();
        Self {
            waba: Waba { id: waba.clone(), tenant_id: tenant.clone(), ..Default::default() },
            number: Number {
                id: NumberId::from_uuid(fresh()).to_string(),
                tenant_id: tenant.clone(),
                waba_id: waba.clone(),
                ..Default::default()
            },
            template: Template {
                id: TemplateId::from_uuid(fresh()).to_string(),
                tenant_id: tenant.clone(),
                waba_id: waba,
                components_json: "[]".to_owned(),
                ..Default::default()
            },
            tenant: Tenant { id: tenant, ..Default::default() },
        }
        .at(1)
    }

    /// The same at a version, by which each thing can be told.
    fn at(mut self, version: i64) -> Self {
        let state = if version == 2 { WabaState::Blocked } else { WabaState::Live };
        self.tenant.set_state(TenantState::Active);
        self.tenant.messages_per_day = Some(version);
        self.waba.set_state(state);
        self.waba.meta_id = format!("v{version}");
        self.number.status = format!("v{version}");
        self.template.status = format!("v{version}");
        self.tenant.version = version;
        self.waba.version = version;
        self.number.version = version;
        self.template.version = version;
        self
    }

    /// The same things, told as another tenant's.
    fn stolen_by(mut self, thief: &Self) -> Self {
        self.tenant = thief.tenant.clone();
        self.waba.tenant_id.clone_from(&thief.tenant.id);
        self.number.tenant_id.clone_from(&thief.tenant.id);
        self.template.tenant_id.clone_from(&thief.tenant.id);
        self
    }

    fn told(&self, at: Timestamp) -> [Envelope; 4] {
        [
            tenant_changed(at, &self.tenant),
            waba_changed(at, &self.waba),
            number_changed(at, &self.number),
            template_changed(at, &self.template),
        ]
    }
}

async fn publish(world: &World, events: &[Envelope]) {
    let answers = world.bus.publish(events.to_vec()).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

/// Publishes events and waits until each of them was taken.
async fn taken(world: &World, events: &[Envelope]) {
    let inbox = "SELECT count(*) FROM inbox WHERE consumer LIKE '%read_model'";
    let before = world.count(inbox).await;
    publish(world, events).await;
    let wanted = before + i64::try_from(events.len()).unwrap();
    until("the read model", async || world.count(inbox).await == wanted).await;
}

/// How many things have a version, in all four tables.
async fn at_version(world: &World, version: i64) -> [i64; 4] {
    let count = async |table: &str| {
        let sql = format!("SELECT count(*) FROM {table} WHERE version = {version}");
        world.count(&sql).await
    };
    [
        count("tenant_state").await,
        count("waba_state").await,
        count("number_state").await,
        count("template_state").await,
    ]
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn states_come_to_the_same_in_every_order_and_twice(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let now = world.clock.now();
    let seconds_later = |seconds| Timestamp::from_seconds(now.as_seconds() + seconds);
    for one_by_one in [true, false] {
        for order in orders(&[1_i64, 2, 3]) {
            let business = Business::new();
            let told = |version: i64| business.clone().at(version).told(seconds_later(version));
            let events: Vec<Envelope> = order.into_iter().flat_map(told).collect();
            if one_by_one {
                for event in &events {
                    taken(&world, std::slice::from_ref(event)).await;
                }
            } else {
                taken(&world, &events).await;
            }
            publish(&world, &events).await;
        }
    }
    // What is told after the doubles was heard after them.
    taken(&world, &Business::new().at(9).told(now)).await;
    assert_eq!(at_version(&world, 2).await, [0; 4]);
    assert_eq!(at_version(&world, 3).await, [12; 4]);
    let blocked_us = seconds_later(2).as_micros();
    for last in [
        "FROM tenant_state WHERE messages_per_day = 3",
        "FROM number_state WHERE status = 'v3'",
        "FROM template_state WHERE status = 'v3'",
        "FROM waba_state WHERE meta_id = 'v3' AND state = 'live'",
        // When we acted for it no more stands also where that is told after it came back.
        &format!("FROM waba_state WHERE meta_id = 'v3' AND not_live_us = {blocked_us}"),
    ] {
        assert_eq!(world.count(&format!("SELECT count(*) {last}")).await, 12, "{last}");
    }
    assert_eq!(world.count("SELECT count(*) FROM dead_letter").await, 0);
}

async fn mismatches(world: &World) -> i64 {
    world.count("SELECT count(*) FROM dead_letter WHERE reason = 'scope_mismatch'").await
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_body_names_another_tenant_is_a_dead_letter(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (business, thief) = (Business::new(), Business::new());
    taken(&world, &business.told(world.clock.now())).await;
    let mut forged = business.clone().at(5).told(world.clock.now());
    let rightful = forged.clone();
    let thief: TenantId = thief.tenant.id.parse().unwrap();
    for event in &mut forged {
        event.tenant = Some(thief.uuid());
    }
    // Beside a good one, which is taken.
    let other = Business::new().at(7);
    publish(&world, &[&forged[..], &other.told(world.clock.now())[..]].concat()).await;
    until("the dead letters", async || mismatches(&world).await == 4).await;
    until("the good ones", async || at_version(&world, 7).await == [1; 4]).await;
    assert_eq!(at_version(&world, 5).await, [0; 4]);
    taken(&world, &rightful.map(again)).await;
    assert_eq!(at_version(&world, 5).await, [1; 4]);
}

/// The same event, as another one: its first coming is remembered.
fn again(event: Envelope) -> Envelope {
    Envelope { id: kernel::id::EventId::from_uuid(fresh()), ..event }
}

#[rstest]
#[case(Backend::Sqlite)]
#[case(Backend::Postgres)]
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_names_another_tenants_thing_is_a_dead_letter(#[case] backend: Backend) {
    let world = World::on(backend).await;
    let (business, thief) = (Business::new(), Business::new());
    taken(&world, &business.told(world.clock.now())).await;
    let stolen = business.clone().at(5).stolen_by(&thief);
    let [_, waba, number, template] = stolen.told(world.clock.now());
    // Of its own, but in the other's WABA.
    let mut beside = stolen;
    beside.number.id.clone_from(&thief.number.id);
    beside.template.id.clone_from(&thief.template.id);
    let [_, _, own_number, own_template] = beside.told(world.clock.now());
    publish(&world, &[waba, number, template, own_number, own_template]).await;
    until("the dead letters", async || mismatches(&world).await == 5).await;
    assert_eq!(at_version(&world, 5).await, [0; 4]);
    // Its own things are taken.
    taken(&world, &thief.at(6).told(world.clock.now())).await;
    assert_eq!(at_version(&world, 6).await, [1; 4]);
}
