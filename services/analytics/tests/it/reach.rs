//! Who sees which figures. Each refusal stands beside the same call by its rightful caller.

use auth::{Environment, Wabas};
use kernel::id::WabaId;
use proto::analytics::v1::ListTenantFiguresRequest;
use rstest::rstest;
use server::Refusal;
use store::Backend;
use tonic::Code;
use uuid::Uuid;

use crate::support::{Business, World, asked, figures};

const DAY: &str = "2026-11-23";
const AT: &str = "2026-11-23T10:07:00Z";

async fn sees(
    world: &World,
    who: &Business,
    wabas: Wabas,
    environment: Environment,
    waba: WabaId,
) -> Result<u64, (Code, String)> {
    let mut caller = world.caller(who.tenant_id, wabas, environment);
    match caller.get_measures(asked(waba, DAY, "", 0)).await {
        Ok(answer) => Ok(answer.into_inner().totals.unwrap().sent),
        Err(status) => Err((status.code(), Refusal::of(&status).reason)),
    }
}

#[rstest]
#[tokio::test]
async fn a_tenant_sees_its_own_wabas_and_a_limited_key_its_own_part(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let (shop, other) = (world.known("Shop", "UTC").await, world.known("Other", "UTC").await);
    let mut second = World::business("Shop", "UTC", None);
    second.tenant_id = shop.tenant_id;
    second.waba.tenant_id = shop.tenant_id.to_string();
    world.tell(vec![World::of_waba(&second.waba)]).await;
    let events = [&shop, &second, &second, &other]
        .map(|of| World::stepped(&World::message(of, "utility"), "sent", AT));
    world.tell(events.to_vec()).await;

    let not_found = Err((Code::NotFound, "WABA_NOT_FOUND".to_owned()));
    let any = Environment::Any;
    assert_eq!(sees(&world, &shop, Wabas::All, any, shop.waba_id).await, Ok(1));
    assert_eq!(sees(&world, &shop, Wabas::All, any, second.waba_id).await, Ok(2));
    let only = |waba: WabaId| Wabas::Only([waba].into());
    assert_eq!(sees(&world, &shop, only(second.waba_id), any, second.waba_id).await, Ok(2));
    let limited = sees(&world, &shop, only(second.waba_id), any, shop.waba_id).await;
    assert_eq!(limited, not_found, "beyond the key's WABAs");
    assert_eq!(sees(&world, &other, Wabas::All, any, other.waba_id).await, Ok(1), "control");
    let foreign = sees(&world, &shop, Wabas::All, any, other.waba_id).await;
    assert_eq!(foreign, not_found, "another tenant's");
    let named = sees(&world, &shop, only(other.waba_id), any, other.waba_id).await;
    assert_eq!(named, not_found, "even where the token names it");
    let never = WabaId::from_uuid(Uuid::from_u128(7));
    let unknown = sees(&world, &shop, Wabas::All, any, never).await;
    assert_eq!(unknown, foreign, "and one that never was is told the same");
}

#[tokio::test]
async fn a_key_of_one_environment_sees_no_waba_of_the_other() {
    let world = World::on(Backend::Sqlite).await;
    let shop = world.known("Shop", "UTC").await;
    let sandbox = sees(&world, &shop, Wabas::All, Environment::Sandbox, shop.waba_id).await;
    assert_eq!(sandbox, Ok(0), "control");
    let live = sees(&world, &shop, Wabas::All, Environment::Live, shop.waba_id).await;
    assert_eq!(live, Err((Code::NotFound, "WABA_NOT_FOUND".to_owned())));
}

#[rstest]
#[tokio::test]
async fn the_desk_sees_all_and_a_partner_its_own(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::on(backend).await;
    let (one, two) = (World::fresh_partner(), World::fresh_partner());
    let direct = World::business("Direct", "UTC", None);
    let ours = World::business("Ours", "UTC", Some(one));
    let theirs = World::business("Theirs", "UTC", Some(two));
    let all = [&direct, &ours, &theirs];
    world.tell(all.map(|of| World::of_tenant(&of.tenant)).to_vec()).await;
    let sent = all.map(|of| World::stepped(&World::message(of, "utility"), "sent", AT));
    world.tell(sent.to_vec()).await;
    let names = |figures: Vec<proto::analytics::v1::TenantFigures>| {
        let mut names: Vec<_> = figures.into_iter().map(|one| (one.name, one.sent)).collect();
        names.sort();
        names
    };
    let row = |name: &str| (name.to_owned(), 1);
    let seen = names(figures(&mut world.operator()).await);
    assert_eq!(seen, [row("Direct"), row("Ours"), row("Theirs")]);
    assert_eq!(names(figures(&mut world.partner(one)).await), [row("Ours")]);
    assert_eq!(names(figures(&mut world.partner(two)).await), [row("Theirs")]);
    let asked =
        ListTenantFiguresRequest { tenant_id: theirs.tenant.id.clone(), ..Default::default() };
    let by_stranger = world.partner(one).list_tenant_figures(asked.clone()).await.unwrap();
    assert_eq!(by_stranger.into_inner().items.len(), 0, "another partner's tenant");
    let by_its_own = world.partner(two).list_tenant_figures(asked).await.unwrap();
    assert_eq!(by_its_own.into_inner().items.len(), 1, "control");
}

#[tokio::test]
async fn the_desks_list_goes_on_behind_its_last_tenant() {
    let world = World::on(Backend::Sqlite).await;
    for name in ["a", "b", "c"] {
        world.known(name, "UTC").await;
    }
    let (mut desk, mut after, mut seen) = (world.operator(), String::new(), Vec::new());
    loop {
        let request =
            ListTenantFiguresRequest { after_id: after, limit: 2, tenant_id: String::new() };
        let page = desk.list_tenant_figures(request).await.unwrap().into_inner().items;
        let Some(last) = page.last() else { break };
        after = last.tenant_id.clone();
        seen.extend(page.into_iter().map(|one| one.tenant_id));
    }
    assert_eq!(seen.len(), 3);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
}

#[tokio::test]
async fn a_tenant_has_no_desk_whatever_its_permissions() {
    let world = World::on(Backend::Sqlite).await;
    let shop = world.known("Shop", "UTC").await;
    let mut desk = world.tenant_at_desk(shop.tenant_id);
    let refused = desk.list_tenant_figures(ListTenantFiguresRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(figures(&mut world.operator()).await.len(), 1, "control");
}
